"""One rule turns paired differences into a verdict: what it says, and how often it says it by chance."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.claims.verdict import Question, verdicts

POINTS = 0.5


def question(ones, others=None, **changes) -> Question:
    others = [0.0] * len(ones) if others is None else others
    asked = Question("error", "test error", "a", "b", tuple(ones), tuple(others), "points", 1, POINTS)
    return dataclasses.replace(asked, **changes)


def words(*questions: Question) -> list[str]:
    return [each.word for each in verdicts(questions)]


def test_an_interval_beyond_the_smallest_effect_is_a_verdict():
    assert words(question([2.0, 2.1, 1.9])) == ["CONFIRMED"]
    assert words(question([2.0, 2.1, 1.9], claimed=-1)) == ["REFUTED"]
    assert words(question([-2.0, -2.1, -1.9])) == ["REFUTED"]
    assert words(question([0.1, -0.1, 0.0, 0.05])) == ["NOT SEEN"]
    assert words(question([0.6, 0.2, 1.4])) == ["INCONCLUSIVE"]


def test_ratios_are_taken_by_their_logarithm():
    (found,) = verdicts([question([2.0, 4.0, 8.0], [1.0, 2.0, 4.0], unit="times", smallest=1.25)])
    assert found.word == "CONFIRMED"
    assert (found.effect, found.low, found.high) == pytest.approx((2, 2, 2))
    assert found.told == "x2 (2 to 2)"
    # Student's interval of these logarithms, by hand: mean ln 2, deviation 0.1, n 3, t 4.303
    spread = [math.log(2) - 0.1, math.log(2), math.log(2) + 0.1]
    (wide,) = verdicts([question(np.exp(spread), [1.0] * 3, unit="times", smallest=1.25)])
    assert wide.low == pytest.approx(2 * math.exp(-4.302653 * 0.1 / math.sqrt(3)), rel=1e-6)


def test_what_cannot_be_compared_is_inconclusive_with_its_reason():
    for asked, why in (
        (question([9.0, 9.0]), "2 seeds, and 3 are the fewest that say anything"),
        (question([9.0, math.nan, 9.0]), "1 seed of 3 has no number"),
        (question([9.0, 9.0, 0.0], [1.0] * 3, unit="times", smallest=1.25), "1 seed of 3 has no number"),
        (question([9.0, 9.1, 9.2], failed="the reference did not train"), "the reference did not train"),
    ):
        (found,) = verdicts([asked])
        assert found.word == "INCONCLUSIVE"
        assert found.told == why
        assert found.takes is None


def test_several_questions_are_asked_at_a_level_that_holds_for_all():
    just = question([1.0, 1.6, 1.1, 1.7])
    assert words(just) == ["CONFIRMED"]
    assert words(just, question([0.6, 0.2, 1.4, 0.1]), question([0.6, 0.2, 1.4, 0.3]))[0] == "INCONCLUSIVE"
    # the clearest first: once it is settled the next is asked at the level of one less
    clear = question([9.0, 9.01, 8.99, 9.0])
    assert [each.level for each in verdicts([just, clear])] == pytest.approx([0.95, 0.975])
    # a question of which nothing can be said is no test
    assert [each.level for each in verdicts([just, question([1.0, 2.0])])] == [0.95, 0.95]


differences = st.lists(st.floats(-10, 10), min_size=3, max_size=9)


@given(differences, st.floats(0.1, 3))
def test_turning_the_arms_or_the_sentence_turns_the_verdict(values, smallest):
    turned = {"CONFIRMED": "REFUTED", "REFUTED": "CONFIRMED"}
    (word,) = words(question(values, smallest=smallest))
    assert words(question(values, smallest=smallest, claimed=-1)) == [turned.get(word, word)]
    assert words(question([0.0] * len(values), values, smallest=smallest)) == [turned.get(word, word)]


@given(differences)
def test_the_seeds_that_it_would_take_settle_it(values):
    (found,) = verdicts([question(values)])
    if found.takes is None:
        return
    assert found.word == "INCONCLUSIVE"
    assert found.takes > len(values)
    # as many seeds with the same mean and deviation: half of them above, half below
    mean, spread = np.mean(values), np.std(values, ddof=1)
    n = found.takes + found.takes % 2
    alike = mean + spread * math.sqrt((n - 1) / n) * np.tile([1.0, -1.0], n // 2)
    assert words(question(alike)) != ["INCONCLUSIVE"]


def normal(generator, size, effect):
    return effect + generator.normal(0, 1.1, size)


def heavy(generator, size, effect):
    """Student's with three degrees of freedom: now and then a training goes wrong."""
    return effect + 0.6 * generator.standard_t(3, size)


def shares(generator, size, effect):
    """Errors of 400 pictures in per cent, which take few values."""
    return 100 * (generator.binomial(400, 0.05 + effect / 100, size) - generator.binomial(400, 0.05, size)) / 400


@pytest.mark.parametrize("draw", [normal, heavy, shares])
@pytest.mark.parametrize(("seeds", "questions"), [(5, 1), (8, 1), (5, 3)])
@pytest.mark.parametrize("effect", [0.0, POINTS])
def test_chance_confirms_at_most_one_claim_in_twenty(draw, seeds, questions, effect):
    """Where there is no effect, and where it is just the smallest that is worth a word. 600 claims: within luck."""
    generator, claims, false = np.random.default_rng(5), 600, 0
    for _ in range(claims):
        asked = [question(draw(generator, seeds, effect)) for _ in range(questions)]
        false += "CONFIRMED" in words(*asked)
    assert false / claims <= 0.05
