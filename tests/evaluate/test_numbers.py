import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from striate.evaluate.numbers import number, wilson
from striate.tasks.measures import Dice, Mean, Measure, Proportion

counts = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_the_interval_of_a_proportion_is_wilsons(count: tuple[int, int]) -> None:
    hits, n = count
    expected = stats.binomtest(hits, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-12)


@given(counts, st.sampled_from([Proportion, Dice]))
def test_the_interval_holds_the_value_and_stays_between_0_and_1(
    count: tuple[int, int], kind: type[Proportion | Dice]
) -> None:
    found = number(kind("share", *count), "test")
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_f1_is_twice_the_hits_by_truth_and_answers_and_its_interval_rises_with_it() -> None:
    truth, answers, hits = 30, 20, 15
    f1 = number(Dice("f1", hits, truth + answers - hits), "test")
    assert f1.value == pytest.approx(2 * hits / (truth + answers))
    found = [number(Dice("f1", hits, 50), "test") for hits in range(51)]
    for ends in ([each.value for each in found], [each.low for each in found], [each.high for each in found]):
        assert ends == sorted(ends)
        assert len(set(ends)) == 51


def test_the_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(0).gamma(2, size=400)
    found = number(Mean("log loss", tuple(values)), "val")
    expected = stats.norm.interval(0.95, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-12)
    assert (found.value, found.n) == (pytest.approx(values.mean()), 400)


@pytest.mark.parametrize(
    "measure",
    [Proportion("accuracy", 0, 7), Proportion("accuracy", 350, 360), Dice("f1", 7, 7), Mean("log loss", (0.5, 0.25))],
)
@pytest.mark.parametrize("subset", ["test", "val"])
def test_a_number_is_never_shown_without_its_count_subset_and_interval(measure: Measure, subset: str) -> None:
    found = number(measure, subset)
    low, high, n, place = re.fullmatch(
        rf"{measure.name} \S+(?: %)? \(95 % interval ([-\d.]+)(?: %)? to ([-\d.]+)(?: %)?, n = (\d+), (\w+)\)",
        str(found),
    ).groups()  # type: ignore[union-attr]
    scale = 1 if isinstance(measure, Mean) else 100
    assert (float(low) / scale, float(high) / scale) == pytest.approx((found.low, found.high), abs=1e-4)
    assert (int(n), place) == (found.n, subset)


def test_a_number_is_written_like_this() -> None:
    # Wilson's interval of 350 of 360 is 0.9496 to 0.9848 (statsmodels proportion_confint, method="wilson").
    found = str(number(Proportion("accuracy", 350, 360), "test"))
    assert found == "accuracy 97.22 % (95 % interval 94.96 % to 98.48 %, n = 360, test)"


@pytest.mark.parametrize("measure", [Proportion("recall", 0, 0), Dice("f1", 0, 0), Mean("log loss", ())])
def test_nothing_of_nothing_is_undefined_and_not_a_number(measure: Measure) -> None:
    found = number(measure, "test")
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 0)
    assert str(found) == f"{measure.name}: undefined (n = 0, test)"


def test_one_value_is_a_finite_mean() -> None:
    found = number(Mean("log loss", (0.5,)), "test")
    assert found.value == 0.5
    assert all(math.isfinite(end) for end in (found.low, found.high) if end is not None)
