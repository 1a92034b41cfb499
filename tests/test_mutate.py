"""benchmarks/mutate.py: a few of its pictures; a person runs all."""

from pathlib import Path

import pytest

from striate.data.picture import decode

ROOT = Path(__file__).parents[1]


@pytest.fixture
def mutate(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import mutate

    return mutate


def test_every_original_is_read_alike_twice(mutate):
    for name, data in mutate.seeds().items():
        first, second = decode.read(data), decode.read(data)
        assert (first.pixels == second.pixels).all(), name
        assert first.notes == second.notes


def test_changed_pictures_give_pixels_or_a_sentence(mutate):
    found = [mutate.tried(9, index) for index in range(600)]
    assert [line for line in found if line["failed"]] == []
    assert {line["answer"] for line in found} == {"pixels", "sentence"}
