"""Training, validation and sealed test, and folds of what is not sealed: stratified by class, identical pictures and
groups never apart.

Within a class pictures are ordered by a hash of (split seed, content), and the shares are cut from that order; where
there are no classes, among those with and without anything to be found, or among all. Groups are dealt whole, see
`partition`. So a split depends on what the pictures are, not on what they are called, and byte-identical files fall on
the same side by construction.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import numpy.typing as npt

from striate.base.errors import DataError, Option, UsageError
from striate.base.randomness import key, keys
from striate.base.words import many, some
from striate.data.groups import straddling
from striate.data.packed import Digests
from striate.data.partition import dealt
from striate.data.samples import Groups, Indices, Keys, Samples

Flags = npt.NDArray[np.bool_]
_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Split:
    """Sample indices by subset, ascending; `test` is empty where the folders provide none, or its share is 0.

    `held` is the part of a fold: scored by the chosen weights, and never what chooses an epoch; empty without folds.
    """

    train: Indices
    val: Indices
    test: Indices
    held: Indices = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def named(self) -> Mapping[str, Indices]:
        """By the name of the subset; "held" where there is a fold."""
        held = {"held": self.held} if len(self.held) else {}
        return {"train": self.train, "val": self.val, **held, "test": self.test}

    def subset_of(self) -> Mapping[int, str]:
        """Sample index -> the name of its subset."""
        return {int(index): name for name, indices in self.named.items() for index in indices}


USUAL = "60/20/20"
# Folds of one dealing, and dealings of the same pictures, at most.
MOST_FOLDS = 100


@final
@dataclass(frozen=True)
class Fold:
    """The fold `number` (from 1) `of` so many; `repeat` (from 0) deals the same pictures anew."""

    number: int
    of: int
    repeat: int = 0

    def __str__(self) -> str:
        return f"fold {self.number} of {self.of}" + (f", repeat {self.repeat}" if self.repeat else "")


def fold_of(said: str) -> Fold:
    """2/5, the second of five folds; 2/5/1, that of repeat 1, for 2/5 is of repeat 0. Else a UsageError."""
    parts = said.split("/")
    numbers = [int(part) if part.isascii() and part.isdecimal() and len(part) < 10 else -1 for part in parts]
    if len(parts) not in (2, 3) or min(numbers) < 0:
        cause = f"{said!r} does not say which of how many"
    elif not 2 <= numbers[1] <= MOST_FOLDS:
        cause = f"{said!r} is out of range: there are 2 to {MOST_FOLDS} folds"
    elif not 1 <= numbers[0] <= numbers[1]:
        cause = f"{said!r} is out of range: {numbers[1]} folds are 1/{numbers[1]} to {numbers[1]}/{numbers[1]}"
    elif max(numbers[2:], default=0) >= MOST_FOLDS:
        cause = f"{said!r} is out of range: repeats are 0 to {MOST_FOLDS - 1}"
    else:
        return Fold(*numbers)
    raise UsageError("fold", cause, (Option("fold", "1/5"), ", or 1/5/1 of repeat 1"))


def shares(split: str) -> tuple[float, float, float]:
    """The three shares of `split`, such as 60/20/20 or 0.7/0.15/0.15; that of the test may be 0."""
    try:
        parts = [float(part.strip().removesuffix("%")) for part in split.split("/")]
    except ValueError:
        parts = []
    total, others = sum(parts), [USUAL]
    if len(parts) not in (2, 3) or not 0 < total < math.inf or min(parts) < 0:
        cause = f"{split!r} is not three shares that add up to 100"
    elif len(parts) == 2:
        cause = f"{split!r} does not say what is sealed for the test"
        first, second = (round(100 * part / total, 4) for part in parts)
        others = [f"{first:g}/{second:g}/0", *([f"{first - second:g}/{second:g}/{second:g}"] if first > second else [])]
    elif not parts[0] or not parts[1]:
        cause = f"{split!r} leaves nothing to {'validate, which chooses the epoch' if parts[0] else 'learn from'}"
        others = ["80/20/0", USUAL]
    elif abs(total - 100) < 1e-6:
        return parts[0] / 100, parts[1] / 100, parts[2] / 100
    elif abs(total - 1) < 1e-8:
        return parts[0], parts[1], parts[2]
    else:
        cause = f"{split!r} adds up to {total:g}, and not to 100"
        first, second = (round(100 * part / total, 2) for part in parts[:2])
        others = [f"{first:g}/{second:g}/{round(100 - first - second, 2):g}"] if total < 100 else others
    hint = [part for other in others for part in (Option("split", other), ", or ")]
    raise UsageError("split", cause, tuple(hint[:-1]))


def cut(
    samples: Samples,
    shares: tuple[float, float, float],
    seed: int,
    may_learn: Flags | None = None,
    *,
    given: Sequence[str] | None = None,
    allow_leak: bool = False,
) -> Split:
    """Cut by `shares` (train, validation, test), or as `given`, in place of what the folders or a table provide.

    A provided `val` is validation and never a test set. Provided `train` and `test` without `val`: the
    validation share is cut from `train`. Samples that `may_learn` (n,) leaves out are all for the test, with whatever
    is identical to them or of their groups. DataError when a class has too few pictures, or lies in too few groups,
    with the counts; where what is provided parts a group, unless `allow_leak`, or has what may not be learned in train
    or val.
    """
    given = samples.subsets if given is None else given
    expected = _expected(samples, may_learn)
    odd = np.empty(0, np.int64) if may_learn is None else np.flatnonzero(~may_learn)
    if given is None:
        units: Sequence[object] = samples.digests if samples.groups is None else samples.groups.tolist()
        barred = {units[int(index)] for index in odd}
        apart = (
            np.fromiter((unit in barred for unit in units), bool, len(units)) if barred else np.zeros(len(units), bool)
        )
        train, val, test = _stratified(samples, np.flatnonzero(~apart), shares, seed, expected)
        return Split(train, val, np.sort(np.concatenate([test, np.flatnonzero(apart)])))
    if not allow_leak and (parted := straddling(samples, given)):
        cause = f"{many(len(parted), 'group')} in several subsets: {some(parted, 3)}"
        raise DataError(samples.where, cause, ("moving each to one side, or ", Option("allow_leak", True)))
    provided = np.array(given)
    train, val, test = (np.flatnonzero(provided == name).astype(np.int64) for name in ("train", "val", "test"))
    if wrong := [samples.names[int(index)] for index in odd if provided[index] != "test"]:
        cause = f"{len(wrong):,} of train and val are for the test alone: {some(wrong, 3)}"
        raise DataError(samples.where, cause, "moving them to test/")
    if len(val) == 0:
        kept = shares[0] / (shares[0] + shares[1])
        train, val, _ = _stratified(samples, train, (kept, 1 - kept, 0.0), seed, expected)
    return Split(train, val, test)


def with_fold(
    samples: Samples,
    split: Split,
    fold: Fold,
    shares: tuple[float, float, float],
    seed: int,
    may_learn: Flags | None = None,
) -> Split:
    """The split with a fold held out of what is not sealed; the test set is the same for every fold, and for none.

    What `split` has in train and val is dealt into the folds of (seed, repeat): each content in one of them, the
    contents of a class as many in each, to within one; or groups, whole, as near to that as `partition` finds. Of
    what is not in the fold, validation is cut anew by the shares of train and val. A DataError where a class has too
    few pictures, or lies in too few groups, for every fold to have some and leave some to learn from and to choose by.
    """
    rest = np.sort(np.concatenate([split.train, split.val]))
    expected = _expected(samples, may_learn)
    contents = _contents(samples, rest)
    needed = max(fold.of, 4)  # of four in two folds each leaves two
    what = f"{fold.of} folds, each with training and validation besides"
    if contents.groups is not None:
        equal = [1 / fold.of] * fold.of
        dealing = _dealt(samples, contents, equal, key(seed, "folds", fold.repeat), expected, needed, what)
    else:
        _refuse_small(samples, contents.classes, needed, expected, what)
        order = contents.order(seed, "folds", fold.repeat)
        dealing = np.empty(len(order), np.int64)
        dealing[order] = np.arange(len(order)) % fold.of
    held = dealing[contents.of] == fold.number - 1
    kept, inner = shares[0] / (shares[0] + shares[1]), key(seed, "fold", fold.repeat, fold.number)
    train, val, _ = _stratified(samples, rest[~held], (kept, 1 - kept, 0.0), inner, expected)
    return Split(train, val, split.test, rest[held])


def _expected(samples: Samples, may_learn: Flags | None) -> set[int]:
    """The strata that are to have samples to learn from."""
    every = range(len(samples.targets.strata_names))
    return set(every) if may_learn is None else set(samples.targets.strata[may_learn].tolist())


def digest(samples: Samples, indices: Indices, contents: Digests | None = None) -> str:
    """sha256 over the contents and targets of a subset, whatever the files are called.

    `contents` are their digests, where these are not known to the samples.
    """
    digests = Digests.of(samples.digests).take(indices) if contents is None else contents
    order = digests.order()
    found = _beside(digests, order, indices)
    lines: Iterator[bytes] = (own.encode() + b" " + samples.targets.content(i) for own, i in found)
    if digests.repeat(order).any():  # equal contents, in the order of their targets
        lines = iter(sorted(lines))
    whole = hashlib.sha256(next(lines, b""))
    for line in lines:
        whole.update(b"\n" + line)
    return whole.hexdigest()


def _beside(digests: Digests, order: Indices, indices: Indices) -> Iterator[tuple[str, int]]:
    """Digests in this order, each with the index of its sample; a few at a time, for there may be a million."""
    for first in range(0, len(order), _AT_ONCE):
        part = order[first : first + _AT_ONCE]
        yield from zip(digests.take(part), indices[part].tolist(), strict=True)


@final
@dataclass(frozen=True)
class _Contents:
    """The different contents among some samples: `of` is that of each sample; their strata, keys and groups."""

    of: Indices
    kinds: Indices
    keys: Keys
    groups: Groups | None

    @property
    def classes(self) -> dict[int, int]:
        """Contents of each stratum, these rising."""
        return dict(zip(*map(np.ndarray.tolist, np.unique(self.kinds, return_counts=True)), strict=True))

    def order(self, seed: int, purpose: str, *counters: int) -> Indices:
        """By stratum, and within it by a draw; contents are sorted, and stay so where two draws are equal."""
        return np.lexsort((keys(seed, purpose, *counters, last=self.keys), self.kinds))


def _contents(samples: Samples, indices: Indices) -> _Contents:
    digests = Digests.of(samples.digests).take(indices)
    order = digests.order()
    new = np.ones(len(order), bool)  # the first of each content
    new[1:] = ~digests.repeat(order)
    firsts, content = order[new], np.empty(len(order), np.int64)
    content[order] = np.cumsum(new) - 1
    kinds = np.full(len(firsts), np.iinfo(np.int64).max)
    np.minimum.at(kinds, content, samples.targets.strata[indices])  # one under two labels counts for the first of them
    groups = None if samples.groups is None else samples.groups[indices[firsts]]
    return _Contents(content, kinds, digests.keys[firsts] >> np.uint64(4), groups)


def _stratified(
    samples: Samples, indices: Indices, shares: tuple[float, float, float], seed: int, expected: set[int]
) -> tuple[Indices, Indices, Indices]:
    contents = _contents(samples, indices)
    sides = [side for side, share in enumerate(shares) if share > 0]
    what = f"{len(sides)} subsets"
    if contents.groups is not None:
        dealing = _dealt(samples, contents, [shares[side] for side in sides], seed, expected, len(sides), what)
        side = np.array(sides, dtype=np.int64)[dealing]
    else:
        classes, kinds = contents.classes, contents.kinds
        _refuse_small(samples, classes, len(sides), expected, what)
        if not samples.targets.strata_names and min(classes.values(), default=0) < len(sides):
            kinds[:], classes = 0, {0: len(kinds)}  # too few of a kind to be in every subset: they lie where they fall
        order = contents.order(seed, "split")
        side, begin = np.empty(len(order), np.int64), 0
        for count in classes.values():
            own = order[begin : begin + count]
            side[own] = np.searchsorted(_starts(count, shares), np.arange(count), "right")
            begin += count
    train, val, test = (indices[side[contents.of] == each] for each in range(3))
    return train, val, test


def _starts(count: int, shares: tuple[float, float, float]) -> tuple[int, int]:
    """Where validation and test begin among `count` pictures: rounded, none empty that has a share."""
    test = min(max(1, round(count * shares[2])), count - 2) if shares[2] > 0 else 0
    val = min(max(1, round(count * shares[1])), count - test - 1)
    return count - val - test, count - test


def _dealt(
    samples: Samples, contents: _Contents, shares: Sequence[float], seed: int, expected: set[int], needed: int,
    what: str,
) -> Indices:  # fmt: skip
    """Which of the shares each content goes to, by its group; a DataError where a class is in too few of them."""
    kinds = contents.kinds
    names, group = np.unique(np.asarray(contents.groups), return_inverse=True)
    held, pair_counts = np.unique(np.stack([group, kinds], 1), axis=0, return_counts=True)
    strata: list[dict[int, int]] = [{} for _ in names]
    for (place, stratum), count in zip(held.tolist(), pair_counts.tolist(), strict=True):
        strata[place][stratum] = count
    firsts = np.full(len(names), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(firsts, group, contents.keys)  # more pictures of a group seldom change its least key
    counts, named = Counter(held[:, 1].tolist()), bool(samples.targets.strata_names)
    _refuse_small(samples, counts, needed, expected, what, len(names))
    found = np.array(dealt(strata, firsts.tolist(), shares, seed, named), dtype=np.int64)[group]
    for side in range(len(shares)) if named else ():
        if missing := sorted(counts.keys() - set(kinds[found == side].tolist())):
            told = some(repr(samples.targets.strata_names[stratum]) for stratum in missing)
            cause = f"no way was found to deal {len(names):,} groups that leaves {told} in every subset"
            raise DataError(samples.where, cause, "more groups of it, or another --split-seed")
    return found


def _refuse_small(
    samples: Samples, counts: Mapping[int, int], needed: int, expected: set[int], what: str, groups: int | None = None
) -> None:
    """`counts`: different pictures of each class, or of so many `groups` those that have some; `what` needs them."""
    names = samples.targets.strata_names
    small = {names[label]: count for label, count in sorted(counts.items()) if names and count < needed}
    small |= {names[label]: 0 for label in sorted(expected - counts.keys()) if names}
    kind, each, other = "different pictures", "in every class", ""
    if groups is not None:
        kind, each, other = "groups", "with every class", "; --groups none takes all pictures for independent"
    whole = sum(counts.values()) if groups is None else groups
    if small or whole < needed:
        listed = ", ".join(f"{name!r} has {count}" for name, count in list(small.items())[:10])
        hint = f"at least {needed} {kind} {each}" if small else f"at least {needed}"
        cause = f"too few {kind} for {what}: {listed or whole}"
        raise DataError(samples.where, cause, f"{hint}, many more for a useful answer{other}")
