"""Each pair of several: what is told of it, and when a difference is said to be one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.evaluate.contrasts import contrasts, p_of
from striate.evaluate.holm import holm
from striate.evaluate.paired import Paired, paired
from striate.runs.ranking import shown
from striate.tasks.measures import Hits

rights = st.lists(st.lists(st.booleans(), min_size=40, max_size=40), min_size=2, max_size=5)


def of(answers):
    """Every pair of networks a, b, c ... with these answers."""
    named = {chr(97 + place): np.array(right) for place, right in enumerate(answers)}

    def between(one, other):
        values = (float(named[one].mean()), float(named[other].mean()))
        return values, paired(Hits("accuracy", named[one]), Hits("accuracy", named[other])), 1

    return contrasts(list(named), between, "val", mean=False)


@given(rights)
def test_a_difference_is_told_where_holms_p_says_so_and_the_other_way_round_it_is_turned(answers):
    found = of(answers)
    assert [each.p for each in found] == list(holm([each.found.p for each in found]))
    for each in found:
        assert (each.verdict != "cannot be told apart from") == (each.p < 0.05)
        back = each.turned()
        assert {each.verdict, back.verdict} in ({"beats", "is beaten by"}, {"cannot be told apart from"})
        assert back.turned() == each
        assert each.short_of is None or (each.p >= 0.05 and each.short_of > 40)


def test_in_words_what_is_not_told_says_how_many_pictures_it_would_take():
    right = np.ones(300, bool)
    some, few = right.copy(), right.copy()
    some[:40], few[:8] = False, False
    told = [str(each) for each in of([right, few, some])]
    assert told[1] == (
        "a beats c on the same 300 validation pictures: 100.0 % against 86.7 %, 13.3 points more "
        "(95 % interval of this pair alone 9.7 to 17.6; p < 0.001 among 3 pairs)"
    )
    one = of([some, np.roll(some, 37)])[0]
    assert (one.verdict, "that may be chance" in str(one), "no difference" in str(one)) == (
        "cannot be told apart from", True, True,
    )  # fmt: skip
    near = np.ones(300, bool)
    near[:36] = False
    near[295:] = False
    assert "to tell such a difference takes about" in str(of([some, near])[0])


def test_where_seeds_vary_too_so_many_times_more_of_them_are_asked_for():
    found = Paired(0.01, -0.01, 0.03, 300, "sign flips and Student over seeds", p=0.3)
    (told,) = contrasts(["a", "b"], lambda one, other: ((0.9, 0.89), found, 3), "test", mean=False)
    assert told.takes == f"about {told.short_of:,} pictures and {math.ceil(3 * told.short_of / 300)} seeds"
    assert str(told).endswith(f"to tell such a difference takes {told.takes}")


@pytest.mark.parametrize("low", [-0.3, 0.0, 0.02])
def test_a_difference_with_an_interval_alone_has_the_p_that_belongs_to_it(low):
    found = Paired(0.1, low, 0.2, 100, "bootstrap over pictures")
    assert (p_of(found) < 0.05 - 1e-12) == (low > 0)
    assert p_of(Paired(-0.1, -0.2, -low, 100, "bootstrap over pictures")) == p_of(found)
    assert math.isclose(p_of(Paired(0.1, 0.0, 0.2, 100, "")), 0.05)
    assert (p_of(Paired(0.0, 0.0, 0.0, 9, "")), p_of(Paired(0.1, 0.1, 0.1, 9, ""))) == (1.0, 0.0)


def test_two_of_which_nothing_can_be_told_are_not_told_apart():
    (found,) = contrasts(["a", "b"], lambda one, other: ((math.nan, math.nan), None, 0), "val", mean=True)
    assert str(found) == "a cannot be told apart from b: too few, or too much alike, to tell"
    assert (found.p, found.short_of, found.as_dict()["values"]) == (1.0, None, [None, None])


def test_of_many_the_first_is_told_beside_each_other_one_wherever_it_stands():
    numbers = np.random.default_rng(0)
    found = of([numbers.random(60) < share for share in (0.9, 0.8, 0.7, 0.6, 0.5)])
    told = shown(found, ["c", "a", "b", "d", "e"])
    assert sorted((each.one, each.other) for each in told) == [("c", "a"), ("c", "b"), ("c", "d"), ("c", "e")]
    assert shown(found, ["a", "b", "c", "d"]) == found
