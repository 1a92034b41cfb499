"""Which networks are worth training: the smallest always, none that another beats, few of a family, twelve at most."""

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import striate
from striate.base.errors import RunError
from striate.runs.chosen import Candidate, fastest_first
from striate.training import candidates
from striate.training.candidates import AGREEING, MOST, OF_A_FAMILY, TRIES, thin, timed

FAST = Candidate("fast", "lenet", 60_000, 400_000, 0.001)
GOOD = Candidate("good", "resnet", 270_000, 40_000_000, 0.004, 30.0)


def test_what_another_beats_here_and_in_print_is_not_tried_and_what_has_no_printed_error_is():
    slower = dataclasses.replace(GOOD, model="slower", family="vgg", latency=0.005, error=31.0)
    unknown = dataclasses.replace(slower, model="unknown", family="nin", error=None)
    kept, removed = thin([slower, GOOD, FAST, unknown])
    assert [each.model for each in kept] == ["fast", "good", "unknown"]
    assert removed == {"slower": "good is as fast here and has the lower published error"}
    equal = dataclasses.replace(GOOD, model="equal", family="other")
    assert thin([GOOD, equal])[1] == {}


def test_of_a_family_the_fastest_and_the_largest_are_tried():
    own = [
        dataclasses.replace(GOOD, model=f"resnet{depth}", multiply_adds=depth, latency=depth / 1000, error=None)
        for depth in (56, 20, 110, 32)
    ]
    kept, removed = thin([*own, FAST])
    assert [each.model for each in kept] == ["fast", "resnet20", "resnet110"]
    assert set(removed) == {"resnet32", "resnet56"}


candidate = st.builds(
    Candidate,
    st.uuids().map(str),
    st.sampled_from("abcdefghij"),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([0.001, 0.002, 0.004, 0.008]),
    st.sampled_from([None, 10.0, 20.0, 30.0]),
)


@given(st.lists(candidate, max_size=40, unique_by=lambda each: each.model))
def test_each_is_tried_or_has_a_reason(found):
    kept, removed = thin(found)
    assert sorted([each.model for each in kept] + list(removed)) == sorted(each.model for each in found)
    assert len(kept) <= MOST
    assert bool(kept) == bool(found)
    assert kept == sorted(kept, key=lambda each: each.latency)
    if found:
        assert min(each.parameters for each in kept) == min(each.parameters for each in found)
    smallest = 1  # which is kept in any case
    for family in {each.family for each in kept}:
        assert sum(each.family == family for each in kept) <= OF_A_FAMILY + smallest


def test_of_those_whose_times_overlap_the_one_of_fewest_multiply_adds_is_first():
    wide = dataclasses.replace(FAST, model="wide", latency=0.002, multiply_adds=9, within=(0.0009, 0.003))
    small = dataclasses.replace(FAST, model="small", latency=0.0021, multiply_adds=3, within=(0.002, 0.0022))
    slow = dataclasses.replace(FAST, model="slow", latency=0.004, multiply_adds=1, within=(0.0031, 0.005))
    assert [each.model for each in fastest_first([slow, wide, small])] == ["small", "wide", "slow"]
    assert (small.told, wide.told) == ("2.1 ms", "2 ms (0.9 to 3)")
    within = dataclasses.replace(GOOD, latency=0.0041, within=(0.0035, 0.0045))
    equal = dataclasses.replace(GOOD, model="dearer", parameters=300_000, multiply_adds=50_000_000)
    assert thin([within, equal])[1] == {"dearer": "good is as fast here and has the lower published error"}


@given(st.lists(candidate, max_size=12))
def test_where_times_do_not_overlap_the_faster_one_is_first(found):
    ordered = fastest_first(found)
    assert sorted(map(repr, ordered)) == sorted(map(repr, found))
    assert [each.latency for each in ordered] == sorted(each.latency for each in found)


@given(st.lists(st.floats(0.001, 10), min_size=TRIES, max_size=TRIES))
def test_times_are_measured_again_until_they_agree(times):
    median, least, most = timed(iter(times).__next__)
    agreed = next((end for end in range(AGREEING, TRIES + 1) if _agree(times[end - AGREEING : end])), None)
    last = times if agreed is None else times[agreed - AGREEING : agreed]
    assert (least, most) == (min(last), max(last))
    assert sum(each <= median for each in last) >= len(last) / 2 <= sum(each >= median for each in last)


def _agree(times):
    return max(times) <= 1.2 * min(times)


@pytest.mark.slow
def test_a_limit_between_times_that_spread_decides_nothing(monkeypatch, tmp_path):
    """As on a machine that does other things at times."""
    times = itertools.cycle([0.01, 0.03])
    monkeypatch.setattr(candidates.machine, "seconds", lambda *_, **__: {"": next(times)})
    told = r"max_latency: lenet5\w*: latency here 10 ms to 30 ms, and 20 ms lies between: it cannot be told"
    with pytest.raises(RunError, match=told):
        striate.choose("digits", max_params="65K", max_latency="20ms", runs=tmp_path / "runs", quiet=True)
    assert not (tmp_path / "runs").exists()
