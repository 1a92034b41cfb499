import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.evaluate.calibration import error
from striate.evaluate.numbers import number
from striate.tasks.measures import Calibration


def asked(generator: np.random.Generator, n: int, apart: float = 0.0) -> Calibration:
    """Confidence of 0.5 to 1, which promises so much more than comes true."""
    confidence = 1 - generator.beta(1, 4, n) / 2
    return Calibration("error", confidence, generator.random(n) < confidence - apart)


@settings(max_examples=60)
@given(st.integers(10, 300), st.floats(0, 0.5), st.integers(0, 999))
def test_the_error_lies_in_its_interval_and_goes_by_no_order(n: int, apart: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    one = asked(generator, n, apart)
    order = generator.permutation(n)
    value, low, high = error(one)
    assert 0 <= low <= value <= high <= 1
    assert high > 0
    assert error(Calibration("", one.confidence[order], one.right[order])) == pytest.approx((value, low, high))


@pytest.mark.parametrize("apart", [0.0, 0.1])
@pytest.mark.parametrize("n", [60, 400])
def test_nineteen_of_twenty_intervals_hold_the_error_at_none_too(n: int, apart: float) -> None:
    generator, held = np.random.default_rng(1), 0
    for _ in range(150):
        _, low, high = error(asked(generator, n, apart))
        held += low <= apart <= high
    assert held >= 0.92 * 150


def test_what_luck_opens_is_taken_off() -> None:
    """Of calibrated confidence plain gaps have an error of about the root of parts * variance / n."""
    generator = np.random.default_rng(2)
    plain, squares = [], []
    for _ in range(200):
        one = asked(generator, 400)
        plain.append(sum(len(part) / 400 * (one.right - one.confidence)[part].mean() ** 2 for part in one.parts(10)))
        squares.append(error(one)[0] ** 2)
    assert np.mean(squares) < 0.5 * np.mean(plain)  # half of them are below 0 and told as 0
    big = error(asked(generator, 100_000, 0.2))
    assert big[0] == pytest.approx(0.2, abs=0.01)


def test_pictures_that_are_there_ten_times_tell_no_more_than_once() -> None:
    one = asked(np.random.default_rng(3), 200, 0.1)
    ten = Calibration("", np.repeat(one.confidence, 10), np.repeat(one.right, 10))
    groups = np.repeat(np.arange(200), 10)
    assert error(ten, groups) == pytest.approx(error(one), rel=1e-6)
    width, alone = (high - low for _, low, high in (error(ten, groups), error(ten)))
    assert width > 2 * alone
    told = number(ten, "test", groups)
    assert (told.n, told.groups, told.value) == (2000, 200, pytest.approx(error(one)[0]))


def test_of_few_nothing_is_told_and_of_none_wrong_no_certainty() -> None:
    assert number(asked(np.random.default_rng(0), 9), "test").value is None
    assert number(asked(np.random.default_rng(0), 90), "test", np.arange(90) % 9).value is None
    value, low, high = error(Calibration("", np.ones(60), np.ones(60, bool)))
    assert (value, low) == (0, 0)
    assert 0.05 < high < 0.2
