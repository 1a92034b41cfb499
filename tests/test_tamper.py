"""benchmarks/tamper.py: a sample of its copies."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


def test_changed_run_folders_are_sentences_or_the_same_answers(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import tamper

    home = tamper.made(tmp_path)
    numbers = [number for number in range(1, 23) if number % 10]  # those of ten are read by processes besides
    found = tamper.worker(home.root, home.answers, numbers, seed=1, resume=False)
    assert [(each.change, each.wrong) for each in found if each.wrong] == []
    assert {code for each in found for code in each.codes.values()} == {0, 4}
    assert len(found) == 20
