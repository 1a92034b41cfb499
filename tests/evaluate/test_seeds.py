import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from striate.evaluate.numbers import number
from striate.evaluate.paired import Paired, paired
from striate.evaluate.seeds import flipped, mean_over_seeds, over_seeds
from striate.tasks.measures import AUC, Hits, Mean, Measure, Recalls, Statistic


def told(one: list[Measure], other: list[Measure], groups: np.ndarray | None = None) -> Paired:
    found = over_seeds(one, other, groups)
    assert found is not None
    return found


def trained(generator: np.random.Generator, n: int, seeds: int, apart: float, own: float = 1.0) -> list[Measure]:
    """A network of accuracy 0.9 whose seeds lie so far apart; some pictures are hard for every seed of it."""
    hard = own * generator.normal(size=n)
    shares = 0.9 + apart * generator.normal(size=seeds)
    noise = hard + generator.normal(size=(seeds, n))
    return [
        Hits("", row < np.sqrt(1 + own**2) * stats.norm.ppf(share)) for row, share in zip(noise, shares, strict=True)
    ]


@pytest.mark.parametrize("values", [[1, 1, 0, -1, 1, 1, 1, 0.5], [3, 2, 2, 5, 1, 4, 2, -1, -2], [0.1, -0.2] * 4])
def test_p_of_flipped_signs_is_that_of_all_of_them(values: list[float]) -> None:
    every = np.array(list(itertools.product([-1, 1], repeat=len(values)))) @ values
    exact = (np.abs(every) > abs(sum(values)) - 1e-9).mean()
    assert flipped(np.array(values))[0] == pytest.approx(exact, abs=0.02)


@given(st.lists(st.integers(-6, 6), min_size=6, max_size=60), st.integers(-40, 40))
def test_the_interval_of_flipped_signs_holds_what_the_test_does_not_refuse(whole: list[int], shift: int) -> None:
    values = np.array(whole) / 3
    p, (value, low, high) = flipped(values)
    assert (value, (p <= 0.05)) == (pytest.approx(values.mean()), not low <= 1e-9 or not high >= -1e-9)
    same_draws = (value < 0) == (value + shift / 8 < 0)  # below zero the mirrored signs are drawn
    if values.any() and np.isfinite([low, high]).all() and same_draws:
        moved = flipped(values + shift / 8)[1]
        assert moved == pytest.approx((value + shift / 8, low + shift / 8, high + shift / 8), abs=0.08 * (high - low))


seeds_of = st.integers(2, 4)


@settings(max_examples=40)
@given(seeds_of, seeds_of, st.integers(6, 60), st.integers(0, 99), st.booleans())
def test_p_and_interval_agree_and_the_other_way_round_signs_turn(
    s: int, t: int, n: int, seed: int, alone: bool
) -> None:
    generator = np.random.default_rng(seed)
    one, other = trained(generator, n, s, 0.1), trained(generator, n, t, 0.3)
    groups = None if alone else np.arange(n) // 2 if n > 12 else np.arange(n)
    there, back = told(one, other, groups), told(other, one, groups)
    assert there.n == n
    assert there.p is not None
    assert (there.p <= 0.05) == (not there.low <= 1e-9 or not there.high >= -1e-9)
    assert there.difference == pytest.approx(np.mean([x.right for x in one]) - np.mean([x.right for x in other]))
    if abs(there.difference) > 1e-9:
        assert (back.difference, back.p) == pytest.approx((-there.difference, there.p), abs=1e-9)
        assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-9)
    turned = told(one[::-1], other[::-1], groups)
    assert (turned.p, turned.low, turned.high) == pytest.approx((there.p, there.low, there.high), abs=1e-9)


def test_the_variance_is_that_of_obuchowski_and_rockette() -> None:
    """From mean squares of readers and covariances of cases, as their 1995 paper and Hillis 2007 write it."""
    generator, n, seeds = np.random.default_rng(4), 2000, 4
    nets = [trained(generator, n, seeds, 0.05) for _ in range(2)]
    rows = [np.stack([each.right for each in net]).astype(float) for net in nets]
    between = sum(row.mean(1).var(ddof=1) for row in rows) / seeds
    covariance = np.cov(np.concatenate(rows)) / n
    same = [covariance[a * seeds :, a * seeds :][:seeds, :seeds] for a in (0, 1)]
    within = sum((own.sum() - np.trace(own)) / (seeds * (seeds - 1)) for own in same)
    shared = within - 2 * covariance[:seeds, seeds:].mean()
    variance = between + shared
    freedom = variance**2 / (
        sum((row.mean(1).var(ddof=1) / seeds) ** 2 for row in rows) / (seeds - 1) + shared**2 / (n - 1)
    )
    found = told(*nets)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    assert (found.low, found.high) == pytest.approx((found.difference - reach, found.difference + reach))


def test_the_luck_of_seeds_is_not_taken_for_a_difference() -> None:
    generator, alone, both = np.random.default_rng(0), 0, 0
    for _ in range(150):
        nets = [trained(generator, 2000, 3, 0.015) for _ in range(2)]
        mean = [np.mean([each.right for each in net], 0) for net in nets]
        alone += flipped(mean[0] - mean[1])[0] <= 0.05
        both += (told(*nets).p or 0) <= 0.05
    assert alone > 30
    assert both <= 15


def test_the_mean_of_two_seeds_far_apart_is_held_where_degrees_of_freedom_of_hillis_hold_it_too_seldom() -> None:
    """A tenth of the variance is that of pictures. The quantile is between those of one seed more and of pictures."""
    generator, held, by_hillis, n, draws = np.random.default_rng(5), 0, 0, 40, 2000
    for _ in range(draws):
        of_pictures, of_seeds = np.sqrt(n * 0.1) * generator.normal(size=n), np.sqrt(2 * 0.9) * generator.normal(size=2)
        values = of_pictures + of_seeds[:, None] + generator.normal(size=(2, n)) / 10
        found = mean_over_seeds([Mean("", tuple(each)) for each in values], "test")
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0 <= found.high
        parts = np.array([values.mean(1).var(ddof=1) / 2, np.cov(values)[0, 1] / n])
        half = parts @ stats.t.ppf(0.975, [1, n - 1]) / math.sqrt(parts.sum())
        assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))
        freedom = parts.sum() ** 2 / (parts**2 @ [1, 1 / (n - 1)])
        by_hillis += abs(found.value) <= stats.t.ppf(0.975, freedom) * math.sqrt(parts.sum())
    assert by_hillis < 0.9 * draws
    assert 0.93 * draws < held < 0.97 * draws


def ious(sums: np.ndarray) -> np.ndarray:
    return sums[:, 0] / sums[:, 1]


def drawn(kind: str, generator: np.random.Generator, n: int) -> list[list[Measure]]:
    """Three seeds of two networks, of which the first is better by far."""
    hard = generator.normal(size=n)
    better = (1.0, 0.0)
    if kind == "means":
        return [[Mean("", tuple(hard + up + generator.normal(size=n))) for _ in range(3)] for up in better]
    if kind == "over the data set":
        whole = generator.integers(20, 60, n)
        return [
            [Statistic("", np.stack([generator.binomial(whole, 0.7 + up / 9), whole], 1) / 1, ious) for _ in range(3)]
            for up in better
        ]
    positive = np.arange(n) < n // 2
    return [
        [AUC("", hard / 2 + generator.normal(size=n) + positive * (1 + up), positive) for _ in range(3)]
        for up in better
    ]


@pytest.mark.parametrize("kind", ["means", "over the data set", "areas"])
@pytest.mark.parametrize("grouped", [False, True])
def test_every_kind_of_measure_is_compared(kind: str, grouped: bool) -> None:
    nets = drawn(kind, np.random.default_rng(1), 240)
    groups = np.arange(240) % 40 if grouped else None
    found, means = told(*nets, groups), [mean_over_seeds(each, "test", groups) for each in nets]
    assert 0 < found.low < found.difference < found.high
    assert found.p is not None
    assert found.p <= 0.05
    assert found.groups == (40 if grouped else None) == means[0].groups
    values = [np.mean([number(each, "").value for each in net]) for net in nets]
    assert [each.value for each in means] == pytest.approx(values)
    assert found.difference == pytest.approx(values[0] - values[1])
    assert means[1].high is not None
    assert means[0].low is not None
    assert means[1].high < means[0].low


def test_of_one_seed_each_it_is_the_test_of_two_runs() -> None:
    one, other = trained(np.random.default_rng(0), 50, 2, 0.1)
    assert over_seeds([one], [other]) == paired(one, other)
    assert mean_over_seeds([one], "test") == number(one, "test")
    assert over_seeds([one], [other, one]) is None  # how far seeds lie apart cannot be told of one


def test_what_cannot_be_compared_is_not() -> None:
    generator = np.random.default_rng(0)
    one, other = trained(generator, 50, 2, 0.1), trained(generator, 40, 2, 0.1)
    assert over_seeds(one, other) is None
    few = trained(generator, 5, 2, 0.1)
    assert over_seeds(few, few) is None
    recalls: list[Measure] = [Recalls("", each.right, np.arange(50) % 2) for each in one]
    assert over_seeds(recalls, recalls) is None


def test_a_mean_over_seeds_stays_a_share_and_is_less_sure_where_seeds_differ() -> None:
    perfect: list[Measure] = [Hits("accuracy", np.ones(40, bool))] * 3
    found = mean_over_seeds(perfect, "val")
    assert found.value == found.high == 1
    assert found.low is not None
    assert 0.8 < found.low < 1
    generator = np.random.default_rng(3)
    alike, apart = (mean_over_seeds(trained(generator, 900, 4, sd), "val") for sd in (0.0, 0.05))
    widths = [each.high - each.low for each in (alike, apart) if each.low is not None and each.high is not None]
    assert widths[1] > 2 * widths[0]
    assert "%" in str(apart)
    assert " %" not in str(mean_over_seeds(drawn("means", generator, 50)[0], "val")).replace("95 %", "")
