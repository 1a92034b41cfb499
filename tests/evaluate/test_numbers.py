import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from striate.base.randomness import key
from striate.evaluate import intervals
from striate.evaluate.intervals import DRAWS, wilson
from striate.evaluate.numbers import number
from striate.tasks.measures import AUC, Dice, Hits, Mean, Measure, Statistic


def share(kind: type[Hits | Dice], name: str, hits: int, n: int) -> Hits | Dice:
    """A measure of n pictures, of which the first are right."""
    return kind(name, np.arange(n) < hits)


counts = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_the_interval_of_a_proportion_is_wilsons(count: tuple[int, int]) -> None:
    hits, n = count
    expected = stats.binomtest(hits, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson(hits, n) == pytest.approx((hits / n, expected.low, expected.high), rel=1e-9, abs=1e-12)


@given(counts, st.sampled_from([Hits, Dice]))
def test_the_interval_holds_the_value_and_stays_between_0_and_1(
    count: tuple[int, int], kind: type[Hits | Dice]
) -> None:
    found = number(share(kind, "share", *count), "test")
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_f1_is_twice_the_hits_by_truth_and_answers_and_its_interval_rises_with_it() -> None:
    truth, answers, hits = 30, 20, 15
    f1 = number(share(Dice, "f1", hits, truth + answers - hits), "test")
    assert f1.value == pytest.approx(2 * hits / (truth + answers))
    found = [number(share(Dice, "f1", hits, 50), "test") for hits in range(51)]
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
    [
        share(Hits, "accuracy", 0, 7),
        share(Hits, "accuracy", 350, 360),
        share(Dice, "f1", 7, 7),
        Mean("log loss", (0.5, 0.25)),
        Statistic("IoU", np.array([[1.0, 2.0], [3.0, 3.0]]), lambda sums: sums[:, 0] / sums[:, 1]),
        AUC("area", np.array([0.1, 0.4, 0.2, 0.9]), np.array([False, False, True, True])),
    ],
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
    found = str(number(share(Hits, "accuracy", 350, 360), "test"))
    assert found == "accuracy 97.22 % (95 % interval 94.96 % to 98.48 %, n = 360, test)"


@pytest.mark.parametrize(
    "measure",
    [
        share(Hits, "recall", 0, 0),
        share(Dice, "f1", 0, 0),
        Mean("log loss", ()),
        Statistic("IoU", np.empty((0, 2)), lambda sums: sums[:, 0] / sums[:, 1]),
        AUC("area", np.empty(0), np.empty(0, dtype=bool)),
    ],
)
def test_nothing_of_nothing_is_undefined_and_not_a_number(measure: Measure) -> None:
    found = number(measure, "test")
    assert (found.value, found.low, found.high, found.n) == (None, None, None, 0)
    assert str(found) == f"{measure.name}: undefined (n = 0, test)"


def test_one_value_is_a_finite_mean() -> None:
    found = number(Mean("log loss", (0.5,)), "test")
    assert found.value == 0.5
    assert all(math.isfinite(end) for end in (found.low, found.high) if end is not None)


def iou(rows: np.ndarray) -> float:
    """Without a value where nothing is there."""
    whole = rows[:, 1].sum()
    return float(rows[:, 0].sum() / whole) if whole else math.nan


def ious(sums: np.ndarray) -> np.ndarray:
    """That of each row of sums."""
    return np.array([iou(row[None]) for row in sums])


def counted(n: int, seed: int = 0) -> np.ndarray:
    union = np.random.default_rng(seed).integers(1, 60, n).astype(float)
    return np.stack([np.floor(union * np.random.default_rng(seed + 1).beta(8, 2, n)), union], 1)


@pytest.mark.parametrize("n", [2, 7, 60])
def test_the_interval_of_a_value_of_all_rows_is_scipys_bootstrap_of_the_rows(n: int) -> None:
    rows = counted(n, seed=n)
    expected = stats.bootstrap(
        (np.arange(n),), lambda places, axis: rows[places, 0].sum(axis) / rows[places, 1].sum(axis),
        n_resamples=DRAWS, rng=np.random.default_rng(key(0, "bootstrap")), method="BCa",
    ).confidence_interval  # fmt: skip
    found = number(Statistic("IoU", rows, ious), "test")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert (found.value, found.n, found.method) == (iou(rows), n, "bootstrap over pictures")


def test_many_rows_are_drawn_a_few_times_in_one_go_with_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = Statistic("IoU", counted(50), ious)
    whole = number(measure, "test")
    monkeypatch.setattr("striate.evaluate.intervals.AT_ONCE", 700)
    assert number(measure, "test") == whole


@pytest.mark.parametrize("rows", [counted(1), np.repeat(counted(1), 9, 0), np.array([[0, 0], [0, 0], [3, 4.0]])])
def test_one_row_or_equal_ones_give_the_value_itself(rows: np.ndarray) -> None:
    """Also where only one row has a value: draws without it have none."""
    found = number(Statistic("IoU", rows, ious), "test")
    assert found.low == found.value == found.high == iou(rows)


def test_a_value_of_all_rows_that_is_undefined_is_said_to_be() -> None:
    assert str(number(Statistic("IoU", np.zeros((4, 2)), ious), "test")) == "IoU: undefined (n = 4, test)"


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40).filter(
        lambda pairs: len({positive for _, positive in pairs}) == 2
    )
)
def test_the_area_under_the_curve_is_scikit_learns_and_within_its_interval(pairs: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([float(score) for score, _ in pairs]), np.array([each for _, each in pairs])
    found = number(AUC("area", scores, positive), "test")
    assert found.value == pytest.approx(roc_auc_score(positive, scores))
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.01  # no order of so few pictures is certain
    turned = number(AUC("area", -scores, positive), "test")
    assert (turned.value, turned.low, turned.high) == pytest.approx((1 - found.value, 1 - found.high, 1 - found.low))


def test_the_interval_of_an_area_is_delongs_on_the_logit_scale() -> None:
    """The variance from every pair, as DeLong's paper defines it."""
    generator = np.random.default_rng(3)
    scores, positive = generator.normal(size=90), np.arange(90) < 30
    scores[positive] += 1
    pairs = (scores[positive][:, None] > scores[~positive]).astype(float)
    value = pairs.mean()
    error = math.sqrt(pairs.mean(1).var(ddof=1) / 30 + pairs.mean(0).var(ddof=1) / 60) / (value * (1 - value))
    expected = stats.logistic.cdf(stats.norm.interval(0.95, loc=stats.logistic.ppf(value), scale=error))
    found = number(AUC("area", scores, positive), "test")
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_a_faultless_order_of_more_pictures_is_surer() -> None:
    lows = []
    for n in (3, 10, 100):
        found = number(AUC("area", np.arange(2.0 * n), np.arange(2 * n) >= n), "test")
        assert (found.value, found.high) == (1, 1)
        lows.append(found.low)
    assert lows == sorted(lows)
    assert 0.3 < lows[0] < lows[-1] < 1


def test_an_area_without_pictures_of_both_kinds_is_undefined() -> None:
    assert str(number(AUC("area", np.arange(3.0), np.zeros(3, dtype=bool)), "val")) == "area: undefined (n = 3, val)"


def test_the_interval_of_a_skewed_mean_is_halls() -> None:
    """Hall 1992: the studentised mean, transformed, lies at Student's quantiles."""
    values = np.random.default_rng(0).exponential(size=50) ** 2
    found = number(Mean("log loss", tuple(values), skewed=True), "test")
    assert found.low is not None
    assert found.high is not None
    deviation = values.std()
    skewness = (((values - values.mean()) / deviation) ** 3).mean()
    for end, share in ((found.low, 0.975), (found.high, 0.025)):
        far = (values.mean() - end) / deviation
        transformed = far + skewness * far**2 / 3 + skewness**2 * far**3 / 27 + skewness / (6 * 50)
        assert transformed == pytest.approx(stats.t.ppf(share, 49) / 50**0.5)
    assert found.high - values.mean() > 1.3 * (values.mean() - found.low)
    assert str(found).startswith("log loss ")
    assert "%" not in found.brief


def test_of_no_skewness_it_is_students_and_of_no_spread_the_value() -> None:
    values = np.random.default_rng(0).normal(size=30)
    both = np.concatenate([values, -values])
    reach = stats.t.ppf(0.975, 59) * both.std() / 60**0.5
    assert intervals.skewed(both) == pytest.approx((0, -reach, reach), abs=1e-12)
    assert intervals.skewed(np.full(9, 0.3)) == pytest.approx((0.3, 0.3, 0.3))
    assert intervals.skewed(np.array([2.0])) == (2, 2, 2)
    assert np.isnan(intervals.skewed(np.empty(0))).all()
    few = np.array([0.1, 0.2, 0.1, 0.4, 0.3, 8.0])
    assert intervals.skewed(few)[1] == 0, "a mean of losses is not below 0"
    assert intervals.skewed(few - 1)[1] < -1 + 0.01


@pytest.mark.parametrize(("n", "least"), [(60, 0.90), (359, 0.92)])
def test_of_a_long_tail_more_intervals_hold_the_mean_than_normal_ones(n: int, least: float) -> None:
    """The losses of a network that is right in 98 of 100 pictures, and sometimes surely wrong."""
    generator, held = np.random.default_rng(4), []
    for _ in range(400):
        losses = np.logaddexp(0, -4.5 - 2.5 * generator.normal(size=n))
        true = 0.1020807
        held.append([low <= true <= high for _, low, high in (intervals.skewed(losses), intervals.normal(losses))])
    own, normal = np.mean(held, 0)
    assert own > least
    assert own > normal + 0.01
