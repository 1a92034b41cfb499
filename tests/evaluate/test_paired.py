import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from striate.evaluate.intervals import apart, matched, wilson
from striate.evaluate.numbers import number
from striate.evaluate.paired import Paired, paired, strongest, told
from striate.evaluate.result import beside
from striate.tasks.measures import AUC, Hits, Mean, Measure, Statistic


def answered(both: int, better: int, worse: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether each picture was answered rightly by the one and by the other."""
    counts = (both, better, worse, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def compared(one: Measure, other: Measure) -> Paired:
    found = paired(one, other)
    assert found is not None
    return found


tables = st.tuples(*[st.integers(0, most) for most in (300, 40, 40, 60)]).filter(any)


@given(tables)
def test_mcnemar_is_scipys_and_the_interval_never_tells_more_than_it(table: tuple[int, int, int, int]) -> None:
    one, other = answered(*table)
    found = compared(Hits("one", one), Hits("other", other))
    _, better, worse, _ = table
    assert (found.better, found.worse, found.n) == (better, worse, sum(table))
    assert found.p == (stats.binomtest(better, better + worse).pvalue if better + worse else 1)
    assert -1 - 1e-9 <= found.low <= found.difference <= found.high <= 1 + 1e-9
    assert found.difference == pytest.approx((better - worse) / sum(table), abs=1e-12)
    assert (found.p < 0.05) == (not found.low <= 0 <= found.high)


@given(tables)
def test_the_other_way_round_it_is_the_same_with_the_other_sign(table: tuple[int, int, int, int]) -> None:
    one, other = (Hits("", each) for each in answered(*table))
    there, back = compared(one, other), compared(other, one)
    assert (back.p, back.better, back.worse) == (there.p, there.worse, there.better)
    assert (back.difference, back.low, back.high) == pytest.approx((-there.difference, -there.high, -there.low))


def test_the_interval_of_matched_shares_is_newcombes() -> None:
    """Newcombe 1998, Statistics in Medicine 17, 2635, method 10, of 36, 12, 2 and 0 pictures: 0.0569 to 0.3404."""
    correlation = -24 / math.sqrt(48 * 2 * 38 * 12)
    assert apart(wilson(48, 50), wilson(38, 50), correlation) == pytest.approx((0.2, 0.0569, 0.3404), abs=5e-5)
    assert matched(*answered(36, 12, 2, 0))[1][2] == pytest.approx(0.3404, abs=5e-5)


def ious(sums: np.ndarray) -> np.ndarray:
    return sums[:, 0] / sums[:, 1]


def drawn(kind: str, generator: np.random.Generator, n: int) -> tuple[Measure, Measure, float]:
    """Two measures of the same pictures, and the true difference."""
    hard = generator.normal(size=n)
    if kind == "shares":
        rolls = generator.random((2, n))
        return Hits("", rolls[0] < 0.9), Hits("", np.where(rolls[1] < 0.5, rolls[0], rolls[1]) < 0.8), 0.2
    if kind == "means":
        noise = generator.normal(size=(2, n)) / 2
        return Mean("", tuple(hard + noise[0] + 0.4)), Mean("", tuple(hard + noise[1])), 0.4
    if kind == "over the data set":
        whole = generator.integers(20, 60, n)
        hits = generator.binomial(whole, 0.8), generator.binomial(whole, 0.7)
        one, other = (Statistic("", np.stack([each, whole], 1).astype(float), ious) for each in hits)
        return one, other, 0.1
    positive = np.arange(n) < n // 2
    noise = generator.normal(size=(2, n))
    scores = [hard + each + apart * positive for each, apart in zip(noise, (2.0, 1.0), strict=True)]
    true = stats.norm.cdf(1) - stats.norm.cdf(0.5)
    return AUC("", scores[0], positive), AUC("", scores[1], positive), float(true)


@pytest.mark.parametrize(("kind", "n"), [("shares", 40), ("means", 8), ("over the data set", 8), ("areas", 40)])
def test_nineteen_of_twenty_intervals_hold_the_true_difference(kind: str, n: int) -> None:
    generator, held, rounds = np.random.default_rng(1), 0, 200
    for _ in range(rounds):
        one, other, true = drawn(kind, generator, n)
        found = compared(one, other)
        held += found.low <= true <= found.high
    assert held >= 0.92 * rounds


@pytest.mark.parametrize("kind", ["shares", "means", "over the data set", "areas"])
def test_a_difference_is_that_of_the_numbers_within_its_interval_and_turns_its_sign(kind: str) -> None:
    one, other, _ = drawn(kind, np.random.default_rng(2), 60)
    there, back = compared(one, other), compared(other, one)
    values = [number(each, "test").value for each in (one, other)]
    assert there.difference == pytest.approx(values[0] - values[1])  # type: ignore[operator]
    assert there.low < there.difference < there.high
    assert (back.difference, back.low, back.high) == pytest.approx(
        (-there.difference, -there.high, -there.low), rel=1e-9
    )
    assert there.n == 60


def test_on_the_same_pictures_less_is_told_apart_than_on_others() -> None:
    """The intervals of two that fail alike overlap, and still one is better."""
    one, other = answered(300, 12, 0, 48)
    assert number(Hits("", one), "test").low < number(Hits("", other), "test").high  # type: ignore[operator]
    assert compared(Hits("", one), Hits("", other)).low > 0


SIX = Mean("", (1.0,) * 6)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Hits("", np.ones(3, bool)), Hits("", np.ones(4, bool))),
        (Hits("", np.ones(0, bool)), Hits("", np.ones(0, bool))),
        (Hits("", np.ones(6, bool)), SIX),
        2 * (Hits("", np.ones(3, bool), np.arange(3)),),
        (SIX, Mean("", ())),
        (Mean("", (1.0,) * 5), Mean("", (2.0,) * 5)),
        (Statistic("", np.zeros((9, 2)), lambda sums: sums[:, 0] * math.nan), Statistic("", np.zeros((9, 2)), ious)),
        (AUC("", np.arange(4.0), np.arange(4) < 2), AUC("", np.arange(4.0), np.arange(4) < 1)),
        *(2 * (AUC("", np.arange(4.0), np.arange(4) < few),) for few in (0, 1)),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_cannot_be_compared_is_not(one: Measure, other: Measure) -> None:
    assert paired(one, other) is None
    (record,) = beside(one, [other], "test")
    assert "paired" not in record
    assert strongest({"baselines": [record]}) is None


def sentence(table: tuple[int, int, int, int], name: str = "RBF support vector machine") -> str:
    one, other = (Hits(name, each) for each in answered(*table))
    return told(number(one, "test").as_dict(), beside(one, [other], "test")[0])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ((340, 10, 1, 9), "It beats the {} on the same 360 test pictures: 97.2 % against 94.7 %, 2.5 points more (95 % "
         "interval 0.5 to 4.8); right where that one is wrong 10 times, the other way round 1 time (p = 0.012)."),
        ((340, 0, 20, 0), "It is beaten by the {} on the same 360 test pictures: 94.4 % against 100.0 %, 5.6 points "
         "less (95 % interval -8.4 to -3.4); right where that one is wrong 0 times, the other way round 20 times "
         "(p < 0.001)."),
        ((341, 9, 2, 8), "It cannot be told apart from the {} on the same 360 test pictures: 97.2 % against 95.3 %, "
         "1.9 points more (95 % interval -0.1 to 4.2); right where that one is wrong 9 times, the other way round 2 "
         "times (p = 0.065). That may be chance: to tell such a difference takes about 900 pictures."),
    ],
)  # fmt: skip
def test_a_sentence_claims_what_the_interval_does(table: tuple[int, int, int, int], words: str) -> None:
    assert sentence(table) == words.format("RBF support vector machine")


def test_equal_answers_are_no_difference() -> None:
    assert "no difference" in sentence((300, 0, 0, 60))
    assert sentence((300, 0, 0, 60)).endswith("(p = 1). That may be chance.")


@pytest.mark.parametrize(
    ("name", "said"),
    [("the commonest class", "the commonest class"), ("Otsu's threshold", "Otsu's threshold"),
     ("32 principal components", "32 principal components"), ("majority class", "the majority class")],
)  # fmt: skip
def test_a_baseline_is_named_as_in_a_sentence(name: str, said: str) -> None:
    assert f" {said} on the same" in sentence((50, 30, 1, 9), name)


def test_a_mean_has_its_own_unit() -> None:
    values = np.random.default_rng(0).normal(30, 2, 40)
    one, other = Mean("PSNR in dB", tuple(values + 1.5)), Mean("median filter, 3x3", tuple(values))
    said = told(number(one, "val").as_dict(), beside(one, [other], "val")[0])
    assert " on the same 40 validation pictures: " in said
    assert "1.50 more (95 % interval 1.50 to 1.50)" in said
    assert dataclasses.replace(compared(one, other), n=3).as_dict().keys() == (
        {"difference", "low", "high", "n", "method"}
    )
