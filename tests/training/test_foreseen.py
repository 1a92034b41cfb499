"""How long trainings will take, and what a choice has time for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.runs.chosen import Asked, Candidate, Limits, Rung
from striate.runs.run import Run
from striate.training.abreast import Taken
from striate.training.choosing import _next
from striate.training.foreseen import had, longer, together

seconds = st.floats(0.01, 1e4)


def asked(time: float | None, spent: float = 0.0, rungs: tuple[Rung, ...] = ()) -> Asked:
    known = tuple(Candidate(name, "family", 1, 1, 1.0) for name in "abc")
    return Asked(
        format=1, id="0", recipe={}, limits=Limits(time=time), candidates=known, removed={}, spent=spent, rungs=rungs
    )


def test_a_training_is_its_beginning_its_steps_and_its_validation():
    taken = Taken(10, {1: 2.0, 2: 1.5}, 1, "cpu", begun=3.0, validated=0.3)
    assert taken.whole(1) == 3 + 10 * 2.0 * 1.1
    assert taken.whole(2) == taken.whole(3) == 3 + 10 * 1.5 * 1.1
    assert Taken(10, {1: 2.0}, 1, "cuda").whole(16) == 20.0


def test_a_longer_training_has_more_epochs_and_begins_as_long(tmp_path):
    (tmp_path / "epochs.csv").write_text("epoch,seconds\n" + "".join(f"{epoch},2.0\n" for epoch in range(1, 5)))
    assert longer(Run(tmp_path, {"seconds": 12.0}), 4) == 12.0
    assert longer(Run(tmp_path, {"seconds": 12.0}), 12) == 4 + 12 * 2.0
    assert longer(Run(tmp_path, {}), 3) == 6.0


@given(st.lists(seconds, min_size=1, max_size=12), st.integers(1, 8))
def test_a_list_takes_as_long_as_its_longest_and_no_longer_than_one_after_the_other(each, jobs):
    found = together(each, jobs)
    assert max(each) <= found <= math.fsum(each) * (1 + 1e-9)
    assert together(each, 1) == pytest.approx(math.fsum(each))


def test_what_there_is_no_time_for_is_named():
    each = {"a": 10.0, "b": 30.0, "c": 5.0}
    last = _next(asked(100.0, spent=70.0), each, 9, 0, 1)
    assert (last.models, last.foreseen) == (("a", "c"), 15.0)
    assert last.late == {"b": "9 epochs take about 30 s, and there is no time for it"}
    assert _next(asked(100.0, spent=60.0), each, 9, 0, 2).models == ("a", "b", "c")
    assert _next(asked(100.0), each, 1, 2, 1).models == ("a", "c")  # a fifth of the time is for the first of three
    assert _next(asked(100.0, spent=200.0), each, 9, 0, 1).models == ("a",)  # one is always trained
    assert _next(asked(None, spent=1e9), each, 9, 0, 1).models == ("a", "b", "c")
    assert _next(asked(None), dict.fromkeys(each, 0.0), 9, 0, 1).foreseen is None


def test_a_training_that_never_began_has_had_no_time(tmp_path):
    assert had(tmp_path / "none") == 0.0
    (tmp_path / "some").mkdir()
    assert had(tmp_path / "some") == 0.0
