"""What a network looks at in training, one canvas each: samples, or tiles of them."""

from dataclasses import dataclass
from typing import final

import numpy as np

from striate.base.randomness import permutation
from striate.data.preprocess import Preprocess
from striate.data.samples import Indices, Keys, Samples

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@final
@dataclass(frozen=True, eq=False)
class Units:
    """`of` int64 (n,) is the sample of each; `tile` which of its canvases, None where a sample is looked at whole."""

    samples: Samples
    of: Indices
    tile: Indices | None = None

    def __len__(self) -> int:
        return len(self.of)

    def within(self, samples: Indices) -> Indices:
        """The units of these samples, ascending."""
        return np.flatnonzero(np.isin(self.of, samples))

    def order(self, units: Indices, seed: int, epoch: int) -> Indices:
        """`units` in the order of an epoch, which (seed, epoch) decide.

        Where samples lie in shards these are permuted, and so are the units of each window of so many shards: few
        shards are read at a time. Where a window holds all of them the order is that of samples that lie anywhere.
        """
        ordered, shards = units[permutation(seed, "order", epoch, len(units))], self.samples.shards
        if shards is None or not len(units):
            return ordered
        present, own = np.unique(shards.of[self.of[ordered]], return_inverse=True)
        turns = permutation(seed, "shards", epoch, len(present)) // shards.window
        return ordered[np.argsort(turns[own], kind="stable")]

    def name(self, unit: int) -> str:
        name = self.samples.names[self.of[unit]]
        return name if self.tile is None else f"{name} (tile {self.tile[unit] + 1})"

    def keys(self, units: Indices | Keys) -> Keys:
        """A number for each that its sample's content, and its place there, alone decide."""
        keys = self.samples.keys(self.of[units])
        return keys if self.tile is None else keys + self.tile[units].astype(np.uint64) * _GOLDEN


def units_of(samples: Samples, preprocess: Preprocess | None = None) -> Units:
    """The samples themselves; or, where `preprocess` cuts pictures, each of their tiles."""
    if preprocess is None or preprocess.resize != "tiles":
        return Units(samples, np.arange(len(samples)))
    down, across = (-(-samples.sizes // np.array(preprocess.answered))).astype(np.int64).T
    counts = down * across
    firsts = np.cumsum(counts) - counts
    of = np.repeat(np.arange(len(samples)), counts)
    return Units(samples, of, np.arange(len(of)) - firsts[of])
