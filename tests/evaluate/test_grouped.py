"""Numbers where groups of pictures are independent, and not the pictures in them."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.evaluate import grouped
from striate.evaluate.numbers import Number, number
from striate.evaluate.paired import paired, told
from striate.evaluate.result import RARE, beside, doubts
from striate.tasks.measures import AUC, Dice, Hits, Mean, Measure, Recalls, Statistic


def share(sums: np.ndarray) -> np.ndarray:
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)


def measures(right: np.ndarray) -> list[Measure]:
    """One of each kind, of the same pictures."""
    n = len(right)
    every, classes = np.arange(n), np.arange(n) % 2
    rows = np.stack([right * (1 + every % 3), 1 + every % 3], 1).astype(float)
    return [
        Hits("accuracy", right), Hits("recall", right[::2], every[::2]), Dice("f1", right[::3], every[::3]),
        Recalls("balanced accuracy", right, classes), Mean("loss", tuple(right + 0.1 * classes)),
        Statistic("IoU", rows, share), AUC("AUC", right + 0.01 * (every % 5), classes == 1),
    ]  # fmt: skip


def drawn(
    seed: int, groups: int, each: int = 30, mean: float = 0.8, alike: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Whether pictures are answered rightly, and their groups, of which each has a chance of its own."""
    generator, of = np.random.default_rng(seed), np.repeat(np.arange(groups), each)
    scale = (1 - alike) / alike
    return generator.random(len(of)) < generator.beta(mean * scale, (1 - mean) * scale, groups)[of], of


def width(found: Number) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


@pytest.mark.parametrize("kind", range(7))
def test_the_interval_by_groups_holds_the_value_counts_the_groups_and_is_wider(kind: int) -> None:
    right, groups = drawn(0, 20)
    measure = measures(right)[kind]
    found, alone = number(measure, "test", groups), number(measure, "test")
    assert (found.value, found.n, found.groups) == (pytest.approx(alone.value), alone.n, 20)
    assert found.low < found.value < found.high  # type: ignore[operator]
    assert alone.groups is None
    assert "groups" not in alone.as_dict()
    assert str(found).endswith(f"n = {found.n} in 20 groups, test)")
    if kind != 6:  # both classes of the area lie in every group, so that these take their luck from it
        assert width(found) > 1.5 * width(alone)


@pytest.mark.parametrize("kind", range(6))
def test_the_order_of_pictures_and_the_numbers_of_groups_change_nothing(kind: int) -> None:
    right, groups = drawn(3, 12, each=6)
    order = np.random.default_rng(4).permutation(72)
    places = np.argsort(order)
    first = measures(right)[kind]
    one = number(first, "test", groups)
    match first:
        case Hits(of=None):
            moved: Measure = Hits(first.name, right[order])
        case Hits() | Dice():
            moved = type(first)(first.name, first.right, places[first.of])
        case Recalls():
            moved = Recalls(first.name, right[order], first.classes[order])
        case Mean():
            moved = Mean(first.name, tuple(np.array(first.values)[order]))
        case Statistic():
            moved = Statistic(first.name, first.rows[order], share)
    two = number(moved, "test", 1000 - 7 * groups[order])
    assert (two.value, two.low, two.high, two.groups) == (
        *(pytest.approx(each, rel=1e-9) for each in (one.value, one.low, one.high)), one.groups,
    )  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40))
def test_intervals_by_groups_hold_their_value_and_stay_between_0_and_1(rows: list[tuple[bool, int]]) -> None:
    right, groups = np.array([right for right, _ in rows]), np.array([group for _, group in rows])
    for measure in measures(right):
        found = number(measure, "test", groups)
        if found.value is None or found.low is None or found.high is None:
            assert (found.low, found.high) == (None, None)
            continue
        assert found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high
        if not isinstance(measure, Mean):
            assert 0 <= found.low <= found.high <= 1


def test_where_each_picture_is_its_own_group_the_interval_is_about_wilsons() -> None:
    right = np.arange(300) < 270
    for measure in measures(right)[:3]:
        by, alone = number(measure, "test", np.arange(300)), number(measure, "test")
        assert (by.low, by.high) == pytest.approx((alone.low, alone.high), abs=0.01)


def test_pictures_that_say_the_same_count_as_one() -> None:
    """20 groups that are all right or all wrong tell no more than 20 pictures."""
    right = np.repeat(np.arange(20) < 15, 30)
    by, few = number(Hits("", right), "test", np.repeat(np.arange(20), 30)), number(Hits("", right[::30]), "test")
    assert (by.low, by.high) == pytest.approx((few.low, few.high), abs=0.03)
    every = number(Hits("", np.ones(600, bool)), "test", np.repeat(np.arange(20), 30))
    assert every.high == 1
    assert every.low == pytest.approx(0.82, abs=0.02), "twenty that are right tell no more than that"


def test_of_one_group_nothing_can_be_told() -> None:
    right, groups = np.arange(30) < 20, np.zeros(30, np.int64)
    for measure in measures(right):
        found = number(measure, "test", groups)
        assert (found.low, found.high) == ((None, None) if isinstance(measure, Mean) else (0, 1))
    assert str(number(measures(right)[4], "test", groups)) == "loss: undefined (n = 30 in 1 group, test)"


def test_the_mean_of_recalls_moves_without_a_group_as_when_it_is_counted_anew() -> None:
    right, groups = drawn(1, 6, each=7)
    classes = np.random.default_rng(2).integers(0, 4, 42)
    classes[groups == 5] = 4  # a class that lies in one group alone

    def balanced(of: np.ndarray) -> float:
        return float(np.mean([right[of & (classes == each)].mean() for each in np.unique(classes[of])]))

    whole = np.ones(42, bool)
    moves = np.array([balanced(groups != each) for each in range(6)]) - balanced(whole)
    harmonic = 25 / sum(1 / np.bincount(classes))
    assert grouped.recalls(right, classes, groups) == pytest.approx(grouped.bounded(balanced(whole), moves, harmonic))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 4)), min_size=2, max_size=30))
def test_an_area_moves_without_a_group_as_when_it_is_counted_anew(rows: list[tuple[int, bool, int]]) -> None:
    scores, positive, groups = (np.array(column) for column in zip(*rows, strict=True))

    def counted(of: np.ndarray) -> float:
        own, other = scores[of & positive], scores[of & ~positive]
        if not len(own) or not len(other):
            return math.nan
        return float(((own[:, None] > other) + (own[:, None] == other) / 2).mean())

    value, moves = grouped.area_moves(scores.astype(float), positive, groups)
    expected = np.array([counted(groups != each) for each in np.unique(groups)]) - counted(np.ones(len(rows), bool))
    assert value == pytest.approx(counted(np.ones(len(rows), bool)), nan_ok=True)
    np.testing.assert_allclose(moves, expected[np.isfinite(expected)], atol=1e-12)


def test_a_loss_that_few_groups_carry_has_a_longer_interval_above_than_below_and_ends_above_none() -> None:
    values, groups = np.repeat([0.01, 0.02, 0.02, 0.03, 0.01, 4.0], 20), np.repeat(np.arange(6), 20)
    told, alike = (number(Mean("loss", tuple(values), skewed=skewed), "test", groups) for skewed in (True, False))
    assert told.value == alike.value == pytest.approx(values.mean())
    assert 0 < told.low < told.value < told.high < math.inf
    assert told.low * told.high == pytest.approx(told.value**2), "the interval is that of the logarithm"
    assert alike.low < 0
    assert (told.method, alike.method) == ("Student over groups, of the logarithm", "Student over groups")
    none = number(Mean("loss", (0.0,) * 120, skewed=True), "test", groups)
    assert (none.value, none.low, none.high) == (0, 0, 0)


@pytest.mark.parametrize(("kind", "least"), [("skewed", 0.91), ("area", 0.93)])
def test_intervals_of_few_uneven_groups_hold_the_truth(kind: str, least: float) -> None:
    """Where groups carry half of the variance, 8 of sizes that differ by a factor of ten: nine of ten and more."""
    generator, held, rounds = np.random.default_rng(1), 0, 400
    for _ in range(rounds):
        sizes = np.maximum(1, np.rint(generator.lognormal(3.1, 0.8, 8))).astype(int)
        of = np.repeat(np.arange(8), sizes)
        if kind == "skewed":
            values = np.sqrt(0.5) * (generator.exponential(size=len(of)) + generator.exponential(size=8)[of])
            measure: Measure = Mean("", tuple(values), skewed=True)
            true = math.sqrt(2)
        else:
            positive = generator.random(len(of)) < 0.5
            noise = np.sqrt(0.5) * (generator.normal(size=len(of)) + generator.normal(size=8)[of])
            measure, true = AUC("", noise + positive, positive), 0.7602499389065233
        found = number(measure, "test", of)
        held += found.low <= true <= found.high  # type: ignore[operator]
    assert held >= least * rounds


def test_the_variance_of_an_area_is_delongs_where_each_picture_is_its_own_group() -> None:
    generator = np.random.default_rng(3)
    scores, positive = generator.normal(size=400), np.arange(400) < 200
    scores[positive] += 1
    by, alone = (number(AUC("", scores, positive), "test", each) for each in (np.arange(400), None))
    assert (by.value, by.low, by.high) == pytest.approx((alone.value, alone.low, alone.high), abs=0.004)


@pytest.mark.parametrize("kind", ["accuracy", "loss", "IoU"])
def test_nineteen_of_twenty_intervals_by_groups_hold_the_truth_and_those_by_pictures_far_fewer(kind: str) -> None:
    by, alone, rounds = 0, 0, 250
    for seed in range(rounds):
        right, groups = drawn(seed, 20)
        (measure,) = (each for each in measures(right) if each.name == kind)
        true = 0.85 if kind == "loss" else 0.8
        for_groups, for_pictures = number(measure, "test", groups), number(measure, "test")
        by += for_groups.low <= true <= for_groups.high  # type: ignore[operator]
        alone += for_pictures.low <= true <= for_pictures.high  # type: ignore[operator]
    assert by >= 0.91 * rounds
    assert alone <= 0.75 * rounds


def test_where_two_are_equal_a_difference_by_groups_is_seldom_sure_and_mcnemar_by_pictures_often() -> None:
    by, alone, rounds = 0, 0, 200
    for seed in range(rounds):
        one, groups = drawn(seed, 20)
        other, _ = drawn(seed + 10_000, 20)
        found, pictures = paired(Hits("", one), Hits("", other), groups), paired(Hits("", one), Hits("", other))
        assert found is not None
        assert pictures is not None
        assert found.p is not None
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
        by += found.p < 0.05
        alone += pictures.p < 0.05  # type: ignore[operator]
    assert by <= 0.09 * rounds
    assert alone >= 0.3 * rounds


pairs: list[Callable[[np.ndarray], Measure]] = [
    lambda right: Hits("", right), lambda right: measures(right)[4], lambda right: measures(right)[5],
    lambda right: measures(right)[6],
]  # fmt: skip


@pytest.mark.parametrize("made", pairs)
def test_a_difference_by_groups_is_that_of_the_values_and_turns_its_sign(made: Callable[[np.ndarray], Measure]) -> None:
    (first, groups), (second, _) = drawn(1, 15), drawn(2, 15, mean=0.6)
    one, other = made(first), made(second)
    there, back = paired(one, other, groups), paired(other, one, groups)
    assert there is not None
    assert back is not None
    values = [number(each, "test").value for each in (one, other)]
    assert there.difference == pytest.approx(values[0] - values[1])  # type: ignore[operator]
    assert there.low < there.difference < there.high
    assert (back.difference, back.low, back.high) == pytest.approx((-there.difference, -there.high, -there.low))
    assert (there.n, there.groups, there.method) == (450, 15, "Student over groups")


def test_fewer_than_six_groups_tell_no_difference_and_equal_answers_are_none() -> None:
    right, groups = drawn(0, 5)
    assert paired(Hits("", right), Hits("", ~right), groups) is None
    found = paired(Hits("", right), Hits("", right), np.arange(150) // 10)
    assert found is not None
    assert (found.difference, found.p, found.better, found.worse) == (0, 1, 0, 0)
    assert found.low < 0 < found.high
    assert paired(Hits("", np.ones(0, bool)), Hits("", np.ones(0, bool)), np.zeros(0, np.int64)) is None


def test_a_difference_by_groups_is_told_with_them_and_with_how_many_would_do() -> None:
    right, groups = drawn(5, 20)
    other, _ = drawn(6, 20)
    (record,) = beside(Hits("accuracy", right), [Hits("majority class", other)], "test", groups)
    sentence = told(number(Hits("accuracy", right), "test", groups).as_dict(), record)
    assert "It cannot be told apart from the majority class on the same 600 test pictures in 20 groups: " in sentence
    assert sentence.endswith(" groups.")
    assert not math.isnan(record["paired"]["p"])


def recalls_of(*counts: int, groups: int | None = None) -> dict[str, object]:
    """A result of classes with so many pictures each, or in so many groups."""
    rows = []
    for place, count in enumerate(counts):
        of = None if groups is None else np.arange(count) % groups
        rows.append(
            {
                "class": "abc"[place],
                "support": count,
                "recall": number(Hits("recall", np.arange(count) > 0), "test", of).as_dict(),
            }
        )
    told = number(Hits("accuracy", np.arange(90) > 9), "test", None if groups is None else np.arange(90) % groups)
    return {"subset": "test", "numbers": [told.as_dict()], "classes": rows, "baselines": [told.as_dict()]}


def test_a_class_that_is_too_rare_for_its_interval_is_named_with_its_count() -> None:
    assert doubts(recalls_of(40, 12)) == []
    (said,) = doubts(recalls_of(40, 11, 2))
    assert said == (
        "too rare for a number of their own to tell much, for with fewer than 12 test pictures an interval may span "
        "half of the scale: 'b' has 11, 'c' has 2"
    )
    half = [number(Hits("", np.arange(n) % 2 == 0), "test") for n in (RARE - 2, RARE)]
    assert [width(each) > 0.5 for each in half] == [True, False], "where the rule comes from"
    (said,) = doubts(recalls_of(60, 40, groups=11))
    assert "fewer than 12 test groups" in said
    assert "'a' has 11" in said
    assert doubts(recalls_of(60, groups=5))[-1] == "5 test groups cannot tell two apart: that takes at least 6"
