"""Every random choice as a function of (seed, purpose, epoch, sample or step): no state, nothing to save.

The bits come from SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
generators", section 4), applied once per word of the key and once per draw, vectorised over samples.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]


def draws(seed: int, purpose: str, epoch: int, samples: npt.ArrayLike, count: int) -> npt.NDArray[np.float64]:
    """Uniform numbers in [0, 1), one row of `count` per sample: shape (len(samples), count).

    A row depends on (seed, purpose, epoch, its sample) alone, never on the rows beside it.
    """
    rows = _scramble(np.asarray(samples).astype(np.uint64) ^ np.uint64(key(seed, purpose, epoch)))
    columns = (np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN)[None, :]
    return (_scramble(rows[:, None] + columns) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normals(
    seed: int, purpose: str, epoch: int, samples: npt.ArrayLike, shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """Standard normal numbers, float32 of `shape` for each sample: shape (len(samples), *shape).

    Of each sample from a generator of its own, so that many cost little.
    """
    made = [each.standard_normal(shape, np.float32) for each in generators(seed, purpose, epoch, samples)]
    return np.stack(made) if made else np.empty((0, *shape), np.float32)


def generators(seed: int, purpose: str, epoch: int, samples: npt.ArrayLike) -> Iterator[np.random.Generator]:
    """For each sample a generator that (seed, purpose, epoch, sample) alone decides: Salmon et al. 2011, Philox."""
    for row in _scramble(np.asarray(samples).astype(np.uint64) ^ np.uint64(key(seed, purpose, epoch))):
        yield np.random.Generator(np.random.Philox(key=int(row)))


def permutation(seed: int, purpose: str, epoch: int, length: int) -> npt.NDArray[np.int64]:
    """An order of 0 .. length-1 keyed by (seed, purpose, epoch): shape (length,)."""
    return np.argsort(draws(seed, purpose, epoch, np.arange(length), 1)[:, 0], kind="stable")


def key(seed: int, purpose: str, *counters: int) -> int:
    """A 64-bit number that belongs to this seed, purpose and counters."""
    text = "\0".join([str(seed), purpose, *map(str, counters)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def keys(seed: int, purpose: str, *counters: int, last: npt.NDArray[np.uint64]) -> Words:
    """`key` with each of `last` as its last counter: shape (len(last),)."""
    head = "\0".join([str(seed), purpose, *map(str, counters), ""]).encode()
    whole = bytearray()
    for each in last.tolist():
        whole += hashlib.blake2b(b"%b%d" % (head, each), digest_size=8).digest()
    return np.frombuffer(whole, "<u8").astype(np.uint64)


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _scramble(words: Words) -> Words:
    """SplitMix64's output function; unsigned arithmetic wraps, as it should."""
    words = words + _GOLDEN
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
