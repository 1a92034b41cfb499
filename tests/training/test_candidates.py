"""Which networks are worth training: the smallest always, none that another beats, few of a family, twelve at most."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from striate.runs.choice import Candidate
from striate.training.candidates import MOST, OF_A_FAMILY, thin

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
