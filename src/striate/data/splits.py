"""Training, validation and sealed test: stratified by class, identical pictures never apart.

Within a class pictures are ordered by a hash of (split seed, content), and the shares are cut from that order; where
there are no classes, among those with and without anything to be found, or among all. So a split depends on what the
pictures are, not on what they are called, and byte-identical files fall on the same side by construction.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from striate.base.errors import DataError, UsageError
from striate.base.randomness import key
from striate.data.samples import Indices, Samples


@dataclass(frozen=True)
class Split:
    """Sample indices by subset, ascending; `test` is empty where the folders provide none."""

    train: Indices
    val: Indices
    test: Indices

    def subset_of(self) -> Mapping[int, str]:
        """Sample index -> "train", "val" or "test"."""
        named = (("train", self.train), ("val", self.val), ("test", self.test))
        return {int(index): name for name, indices in named for index in indices}


def shares(split: str) -> tuple[float, float, float]:
    """The three shares of `split`, such as 60/20/20 or 70/15/15; they add up to 100."""
    try:
        parts = [float(part) for part in split.split("/")]
    except ValueError:
        parts = []
    if len(parts) != 3 or not all(part > 0 for part in parts) or abs(sum(parts) - 100) > 1e-6:
        raise UsageError("split", f"{split!r} is not three shares that add up to 100", "split = '60/20/20'")
    return parts[0] / 100, parts[1] / 100, parts[2] / 100


def cut(samples: Samples, shares: tuple[float, float, float], seed: int) -> Split:
    """Cut by `shares` (train, validation, test), or as the folders provide.

    A provided `val` is validation and never a test set. Provided `train` and `test` without `val`: the
    validation share is cut from `train`. DataError when a class has too few pictures, with the counts.
    """
    if samples.subsets is None:
        return Split(*_stratified(samples, np.arange(len(samples.names)), shares, seed))
    provided = np.array(samples.subsets)
    train, val, test = (np.flatnonzero(provided == name).astype(np.int64) for name in ("train", "val", "test"))
    if len(val) == 0:
        kept = shares[0] / (shares[0] + shares[1])
        train, val, _ = _stratified(samples, train, (kept, 1 - kept, 0.0), seed)
    return Split(train, val, test)


def digest(samples: Samples, indices: Indices) -> str:
    """sha256 over the contents and targets of a subset, whatever the files are called."""
    lines = sorted(samples.digests[i].encode() + b" " + samples.targets.content(i) for i in indices)
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def _stratified(
    samples: Samples, indices: Indices, shares: tuple[float, float, float], seed: int
) -> tuple[Indices, Indices, Indices]:
    contents: dict[str, list[int]] = {}
    for index in indices:
        contents.setdefault(samples.digests[index], []).append(int(index))
    classes: dict[int, list[str]] = {}
    strata = samples.targets.strata
    for content, members in contents.items():  # a content under two labels counts for the first of them
        classes.setdefault(min(int(strata[index]) for index in members), []).append(content)
    needed = sum(share > 0 for share in shares)
    _refuse_small(samples, {label: len(group) for label, group in classes.items()}, needed)
    if not samples.targets.strata_names and min(map(len, classes.values()), default=0) < needed:
        classes = {0: list(contents)}  # too few of a kind to be in every subset: they lie where they fall
    sides: tuple[list[int], list[int], list[int]] = ([], [], [])
    for group in classes.values():
        ordered = sorted(group, key=lambda content: (key(seed, "split", int(content[:15], 16)), content))
        starts = _starts(len(ordered), shares)
        for position, content in enumerate(ordered):
            side = sum(position >= start for start in starts)
            sides[side].extend(contents[content])
    train, val, test = (np.array(sorted(side), dtype=np.int64) for side in sides)
    return train, val, test


def _starts(count: int, shares: tuple[float, float, float]) -> tuple[int, int]:
    """Where validation and test begin among `count` pictures: rounded, none empty that has a share."""
    test = min(max(1, round(count * shares[2])), count - 2) if shares[2] > 0 else 0
    val = min(max(1, round(count * shares[1])), count - test - 1)
    return count - val - test, count - test


def _refuse_small(samples: Samples, counts: Mapping[int, int], needed: int) -> None:
    names = samples.targets.strata_names
    if not names and sum(counts.values()) < needed:
        cause = f"too few different pictures for {needed} subsets: {sum(counts.values())}"
        raise DataError(samples.root or samples.name, cause, f"at least {needed}, many more for a useful answer")
    small = {names[label]: count for label, count in sorted(counts.items()) if names and count < needed}
    small |= {name: 0 for label, name in enumerate(names) if label not in counts}
    if small:
        listed = ", ".join(f"{name!r} has {count}" for name, count in list(small.items())[:10])
        raise DataError(
            samples.root or samples.name,
            f"too few different pictures for {needed} subsets: {listed}",
            f"at least {needed} different pictures in every class, many more for a useful answer",
        )
