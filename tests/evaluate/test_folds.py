import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from striate.evaluate.folds import folds_apart, over_folds

values = st.lists(st.floats(0, 1), min_size=2, max_size=20).map(np.array)


@given(values, st.floats(1, 500), st.floats(1, 5000))
def test_the_interval_is_that_of_the_corrected_resampled_t(values: np.ndarray, tested: float, trained: float) -> None:
    """Student's of independent values, wider by the root of 1 + J tested / trained."""
    value, low, high = over_folds(values, tested, trained)
    ends = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    wider = (1 + len(values) * tested / trained) ** 0.5
    assert (value, high - value, value - low) == pytest.approx((values.mean(), ends * wider, ends * wider), abs=1e-9)


def test_five_folds_by_hand() -> None:
    """(1/5 + 1/4) * 1e-4 is a variance of 4.5e-5, and 2.776 the quantile of 4 degrees."""
    accuracies = 0.95 + 0.01 * np.array([-1, -1, 0, 1, 1]) * np.sqrt(1)
    assert over_folds(accuracies, 100, 400) == pytest.approx((0.95, 0.95 - 0.018624, 0.95 + 0.018624), abs=1e-5)


@given(values, st.integers(0, 99))
def test_p_and_interval_of_a_difference_agree(one: np.ndarray, seed: int) -> None:
    other = np.random.default_rng(seed).random(len(one))
    found, back = folds_apart(one, other, 20, 80), folds_apart(other, one, 20, 80)
    assert found is not None
    assert back is not None
    assert found.p is not None
    assert (found.p < 0.05) == (not found.low <= 0 <= found.high)
    assert (back.difference, back.low, back.high) == pytest.approx((-found.difference, -found.high, -found.low))
    assert (found.n, found.difference) == (20 * len(one), pytest.approx((one - other).mean()))


def test_of_one_fold_or_without_any_luck_nothing_is_told() -> None:
    assert np.isnan(over_folds(np.array([0.9]), 10, 40)).all()
    assert folds_apart(np.array([0.9]), np.array([0.8]), 10, 40) is None
    assert folds_apart(np.array([0.9, 0.8]), np.array([0.8]), 10, 40) is None
    assert folds_apart(np.array([0.75, 0.5]), np.array([0.5, 0.25]), 10, 40) is None
    same = folds_apart(np.array([0.75, 0.5]), np.array([0.75, 0.5]), 10, 40)
    assert same is not None
    assert (same.difference, same.p) == (0, 1)
