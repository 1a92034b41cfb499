"""Training, validation and sealed test: stratified by class, identical pictures and groups never apart.

Within a class pictures are ordered by a hash of (split seed, content), and the shares are cut from that order; where
there are no classes, among those with and without anything to be found, or among all. Groups are dealt whole, see
`partition`. So a split depends on what the pictures are, not on what they are called, and byte-identical files fall on
the same side by construction.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from striate.base.errors import DataError, Option, UsageError
from striate.base.randomness import key
from striate.base.words import many, some
from striate.data.groups import straddling
from striate.data.packed import Digests
from striate.data.partition import dealt
from striate.data.samples import Groups, Indices, Keys, Samples

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """Sample indices by subset, ascending; `test` is empty where the folders provide none, or its share is 0."""

    train: Indices
    val: Indices
    test: Indices

    def subset_of(self) -> Mapping[int, str]:
        """Sample index -> "train", "val" or "test"."""
        named = (("train", self.train), ("val", self.val), ("test", self.test))
        return {int(index): name for name, indices in named for index in indices}


USUAL = "60/20/20"


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
    expected, odd = set(range(len(samples.targets.strata_names))), np.empty(0, np.int64)
    if may_learn is not None:
        expected, odd = set(samples.targets.strata[may_learn].tolist()), np.flatnonzero(~may_learn)
    if given is None:
        units: Sequence[object] = samples.digests if samples.groups is None else samples.groups.tolist()
        barred = {units[int(index)] for index in odd}
        apart = np.array([unit in barred for unit in units], dtype=bool)
        train, val, test = _stratified(samples, np.flatnonzero(~apart), shares, seed, expected)
        return Split(train, val, np.sort(np.concatenate([test, np.flatnonzero(apart)])))
    if not allow_leak and (parted := straddling(samples, given)):
        cause = f"{many(len(parted), 'group')} in several subsets: {some(parted, 3)}"
        raise DataError(
            samples.root or samples.name, cause, ("moving each to one side, or ", Option("allow_leak", True))
        )
    provided = np.array(given)
    train, val, test = (np.flatnonzero(provided == name).astype(np.int64) for name in ("train", "val", "test"))
    if wrong := [samples.names[int(index)] for index in odd if provided[index] != "test"]:
        cause = f"{len(wrong):,} of train and val are for the test alone: {some(wrong, 3)}"
        raise DataError(samples.root or samples.name, cause, "moving them to test/")
    if len(val) == 0:
        kept = shares[0] / (shares[0] + shares[1])
        train, val, _ = _stratified(samples, train, (kept, 1 - kept, 0.0), seed, expected)
    return Split(train, val, test)


def digest(samples: Samples, indices: Indices, contents: Digests | None = None) -> str:
    """sha256 over the contents and targets of a subset, whatever the files are called.

    `contents` are their digests, where these are not known to the samples.
    """
    digests = Digests.of(samples.digests).take(indices) if contents is None else contents
    rows = digests.rows.view("S32")[:, 0]
    order = np.argsort(rows)
    found = zip(order.tolist(), indices[order].tolist(), strict=True)
    lines: Iterator[bytes] = (digests[k].encode() + b" " + samples.targets.content(i) for k, i in found)
    if (rows[order][1:] == rows[order][:-1]).any():  # equal contents, in the order of their targets
        lines = iter(sorted(lines))
    whole = hashlib.sha256(next(lines, b""))
    for line in lines:
        whole.update(b"\n" + line)
    return whole.hexdigest()


def _stratified(
    samples: Samples, indices: Indices, shares: tuple[float, float, float], seed: int, expected: set[int]
) -> tuple[Indices, Indices, Indices]:
    rows = Digests.of(samples.digests).rows[indices]
    _, firsts, content = np.unique(rows.view("S32")[:, 0], return_index=True, return_inverse=True)
    kinds = np.full(len(firsts), np.iinfo(np.int64).max)
    np.minimum.at(kinds, content, samples.targets.strata[indices])  # one under two labels counts for the first of them
    classes = dict(zip(*map(np.ndarray.tolist, np.unique(kinds, return_counts=True)), strict=True))
    firsts_of = Digests(rows[firsts]).keys >> np.uint64(4)
    if samples.groups is not None:
        side = _dealt(samples, samples.groups[indices[firsts]], kinds, firsts_of, shares, seed, expected)
        train, val, test = (indices[side[content] == each] for each in range(3))
        return train, val, test
    needed = sum(share > 0 for share in shares)
    _refuse_small(samples, classes, needed, expected)
    if not samples.targets.strata_names and min(classes.values(), default=0) < needed:
        kinds[:], classes = 0, {0: len(kinds)}  # too few of a kind to be in every subset: they lie where they fall
    drawn = np.fromiter((key(seed, "split", each) for each in firsts_of.tolist()), np.uint64, len(firsts))
    order = np.lexsort((drawn, kinds))  # contents are sorted, and stay so where two draws are equal
    side, begin = np.empty(len(order), np.int64), 0
    for count in classes.values():
        own = order[begin : begin + count]
        side[own] = np.searchsorted(_starts(count, shares), np.arange(count), "right")
        begin += count
    train, val, test = (indices[side[content] == each] for each in range(3))
    return train, val, test


def _starts(count: int, shares: tuple[float, float, float]) -> tuple[int, int]:
    """Where validation and test begin among `count` pictures: rounded, none empty that has a share."""
    test = min(max(1, round(count * shares[2])), count - 2) if shares[2] > 0 else 0
    val = min(max(1, round(count * shares[1])), count - test - 1)
    return count - val - test, count - test


def _dealt(
    samples: Samples, groups: Groups, kinds: Indices, keys: Keys, shares: tuple[float, float, float], seed: int,
    expected: set[int],
) -> Indices:  # fmt: skip
    """The side of each content by `groups`, of contents as their strata and their keys; a DataError where a class is
    in too few of them."""
    names, group = np.unique(groups, return_inverse=True)
    held, pair_counts = np.unique(np.stack([group, kinds], 1), axis=0, return_counts=True)
    strata: list[dict[int, int]] = [{} for _ in names]
    for (place, stratum), count in zip(held.tolist(), pair_counts.tolist(), strict=True):
        strata[place][stratum] = count
    firsts = np.full(len(names), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(firsts, group, keys)  # more pictures of a group seldom change its least key
    sides = [place for place, share in enumerate(shares) if share > 0]
    counts, named = Counter(held[:, 1].tolist()), bool(samples.targets.strata_names)
    _refuse_small(samples, counts, len(sides), expected, len(names))
    dealing = dealt(strata, firsts.tolist(), [shares[side] for side in sides], seed, named)
    found = np.array(sides, dtype=np.int64)[dealing][group]
    for side in sides if named else ():
        if missing := sorted(counts.keys() - set(kinds[found == side].tolist())):
            told = some(repr(samples.targets.strata_names[stratum]) for stratum in missing)
            cause = f"no way was found to deal {len(names):,} groups that leaves {told} in every subset"
            raise DataError(samples.root or samples.name, cause, "more groups of it, or another --split-seed")
    return found


def _refuse_small(
    samples: Samples, counts: Mapping[int, int], needed: int, expected: set[int], groups: int | None = None
) -> None:
    """`counts`: different pictures of each class, or of so many `groups` those that have some."""
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
        raise DataError(
            samples.root or samples.name,
            f"too few {kind} for {needed} subsets: {listed or whole}",
            f"{hint}, many more for a useful answer{other}",
        )
