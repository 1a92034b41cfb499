import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from striate.base.randomness import _scramble, draws, key, keys, normals, permutation

seeds = st.integers(0, 2**32 - 1)
samples = st.lists(st.integers(0, 2**40), min_size=1, max_size=30)

# The first outputs of splitmix64.c (Vigna 2015, public domain) from the state 1234567, as Rosetta Code lists them.
PUBLISHED = (
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
)


def test_the_scrambling_is_the_published_splitmix64() -> None:
    states = np.uint64(1234567) + np.arange(5, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert tuple(_scramble(states).tolist()) == PUBLISHED


def test_the_key_is_the_first_eight_bytes_of_blake2b_in_any_process() -> None:
    # python3 -c "import hashlib; print(hashlib.blake2b(b'7\0augment\0003', digest_size=8).hexdigest())"
    assert key(7, "augment", 3).to_bytes(8, "little").hex() == "70452b353e48ea2c"


@given(seeds, st.lists(st.integers(0, 2**64 - 1), max_size=5), st.lists(st.integers(0, 99), max_size=2))
def test_many_keys_are_each_the_key(seed: int, last: list[int], before: list[int]) -> None:
    made = keys(seed, "split", *before, last=np.array(last, np.uint64))
    assert made.tolist() == [key(seed, "split", *before, each) for each in last]


@given(seeds, samples, st.integers(1, 8), st.integers(1, 8))
def test_a_row_depends_on_its_sample_alone(seed: int, rows: list[int], count: int, more: int) -> None:
    together = draws(seed, "augment", 3, rows, count)
    alone = np.concatenate([draws(seed, "augment", 3, [row], count + more)[:, :count] for row in rows])
    assert together.tobytes() == alone.tobytes()
    assert draws(seed, "augment", 3, rows[::-1], count).tobytes() == together[::-1].tobytes()
    assert ((together >= 0) & (together < 1)).all()


@given(seeds, st.integers(0, 500), st.integers(0, 50))
def test_an_order_holds_each_place_once(seed: int, length: int, epoch: int) -> None:
    order = permutation(seed, "order", epoch, length)
    assert sorted(order.tolist()) == list(range(length))
    assert order.tolist() == permutation(seed, "order", epoch, length).tolist()


def test_seeds_purposes_and_epochs_give_other_draws_and_other_orders() -> None:
    keys = [(seed, purpose, epoch) for seed in (0, 1, 12) for purpose in ("order", "mix") for epoch in (0, 1, 12)]
    assert len({permutation(*each, 100).tobytes() for each in keys}) == len(keys)
    rows = np.concatenate([draws(*each, np.arange(50), 4) for each in keys])
    assert len(np.unique(rows)) == rows.size


@pytest.mark.parametrize("arguments", [((1, "a", 2, 3), (1, "a", 23)), ((1, "2"), (12, ""))])
def test_a_key_knows_where_one_part_ends(arguments: tuple[tuple[int, str], tuple[int, str]]) -> None:
    assert key(*arguments[0]) != key(*arguments[1])


def chi_square(numbers: np.ndarray) -> float:
    counts = np.bincount((numbers.ravel() * 64).astype(int), minlength=64)
    expected = numbers.size / 64
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("seed", range(3))
def test_draws_are_uniform_down_and_across(seed: int) -> None:
    numbers = draws(seed, "augment", 0, np.arange(4096), 16)
    # 63 degrees of freedom: 119 is passed once in 30,000 (chi-square tables); the keys are fixed.
    assert chi_square(numbers) < 119
    assert max(chi_square(numbers[:, column]) for column in range(16)) < 119
    assert np.abs(np.corrcoef(numbers.T) - np.eye(16)).max() < 0.08  # 5 deviations of 1 / sqrt(4096)
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.08


def test_neighbouring_epochs_are_not_correlated() -> None:
    epochs = np.stack([draws(0, "augment", epoch, np.arange(4096), 1)[:, 0] for epoch in range(12)])
    assert np.abs(np.corrcoef(epochs) - np.eye(12)).max() < 0.08
    places = np.stack([permutation(0, "order", epoch, 4096) for epoch in range(12)])
    assert np.abs(np.corrcoef(places) - np.eye(12)).max() < 0.08


@given(seeds, st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8))
def test_normal_numbers_of_a_sample_depend_on_it_alone(seed: int, rows: list[int]) -> None:
    together = normals(seed, "noise", 2, np.array(rows, dtype=np.uint64), (2, 3))
    assert (together.dtype, together.shape) == (np.float32, (len(rows), 2, 3))
    alone = [normals(seed, "noise", 2, np.array([row], dtype=np.uint64), (2, 3))[0] for row in rows]
    assert together.tobytes() == np.stack(alone).tobytes()
    assert (normals(seed, "noise", 3, [5], (2, 3)) != normals(seed, "noise", 2, [5], (2, 3))).all()


def test_normal_numbers_are_normal_within_a_sample_and_between_samples() -> None:
    found = normals(0, "noise", 0, np.arange(200), (500,))
    assert stats.kstest(found.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(found[:-1].ravel(), found[1:].ravel())[0, 1]) < 4 / np.sqrt(found.size)
