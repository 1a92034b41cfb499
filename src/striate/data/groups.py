"""What is not independent lies together: groups by a column, by what is in a name, or of near-duplicates.

Identical pictures are never independent: groups that share one are one group.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from striate.base.errors import DataError, Option, UsageError
from striate.base.words import many, some
from striate.data.packed import Digests
from striate.data.samples import Groups, Samples

# What groups are called that no source names: none; those of near-duplicates.
NONE, NEAR = "none", "near"
Clusters = Callable[[Samples], Groups]


def check(by: str) -> None:
    """A UsageError where this is neither a word that is known nor a regular expression with one part in brackets."""
    if by in (NONE, NEAR):
        return
    hint = (Option("groups", r"patient-(\d+)"), ", near, or none")
    try:
        pattern = re.compile(by)
    except re.error as error:
        raise UsageError("groups", f"'{by}' is no regular expression ({error})", hint) from None
    if pattern.groups != 1:
        cause = f"'{by}' has {many(pattern.groups, 'part')} in brackets, and one must say which group it is"
        raise UsageError("groups", cause, hint)


def grouped(samples: Samples, by: str | None, clusters: Clusters) -> tuple[Samples, str]:
    """The samples with their groups, and how these came about, "" where each picture is its own.

    `by`: None takes what the source says, "none" leaves it; "near" joins what it says with near-duplicates, as
    `clusters` finds them; else a regular expression, whose part in brackets is the group that a path names. A DataError
    where there are paths that name none.
    """
    column, notes = "a column of the table", list(samples.notes)
    if by == NONE:
        if samples.groups is not None:
            notes.append(f"{column} has groups, which are not looked at (groups none): pictures of one may be apart")
        return replace(samples, groups=None, group_names=(), notes=tuple(notes)), ""
    if by is None and samples.groups is None:
        return samples, ""
    kinds, names, told = list[Groups](), samples.group_names, column
    if by == NEAR:
        near = clusters(samples)
        kinds, told = [near], "near-duplicates"
        names = tuple(f"like {samples.names[first]}" for first in np.unique(near, return_index=True)[1])
    if by in (None, NEAR) and samples.groups is not None:
        kinds, names = [samples.groups, *kinds], samples.group_names
        told = column if by is None else f"{column} and near-duplicates"
    elif by not in (None, NEAR):
        numbers, names = _named(samples, str(by))
        kinds, told = [numbers], f"'{by}' in the path"
        if samples.groups is not None:
            notes.append(f"{column} has groups as well, which are not looked at: {told} says what they are")
    joined = _joined([*kinds, Digests.of(samples.digests).keys])
    first = kinds[0]
    notes += _glued(first, joined, names)
    count = int(joined.max(initial=-1)) + 1
    if count == len(set(samples.digests)):
        notes.append(f"by {told} each picture is a group of its own")
        return replace(samples, groups=None, group_names=(), notes=tuple(notes)), ""
    own = [names[first[place]] for place in np.unique(joined, return_index=True)[1]]
    return replace(samples, groups=joined, group_names=tuple(own), notes=tuple(notes)), told


def _named(samples: Samples, by: str) -> tuple[Groups, tuple[str, ...]]:
    """Numbers of groups and their names, by what a regular expression finds in each path."""
    found = [re.search(by, name) for name in samples.names]
    parts = [each[1] if each else None for each in found]
    if strange := [name for name, part in zip(samples.names, parts, strict=True) if part is None]:
        cause = f"'{by}' finds no group in {len(strange):,} of {many(len(parts), 'path')}: {some(strange, 3)}"
        raise DataError(samples.where, cause, "an expression that fits every path")
    names, numbers = np.unique(np.array(parts, dtype=object), return_inverse=True)
    return numbers.astype(np.int64), tuple(names)


def _joined(kinds: Sequence[npt.NDArray[Any]]) -> Groups:
    """(n,): equal numbers for samples that equal numbers of any kind join, in the order of their first."""
    count, edges = len(kinds[0]), list[npt.NDArray[np.int64]]()
    for numbers in kinds:
        _, first, place = np.unique(numbers, return_index=True, return_inverse=True)
        edges.append(np.stack([np.arange(count), first[place]]))
    rows, columns = np.concatenate(edges, 1)
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(count, count))
    found = connected_components(graph, directed=False)[1]
    _, first, numbers = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int64)[numbers]


def _glued(first: Groups, joined: Groups, names: Sequence[str]) -> list[str]:
    """A note on groups that are one, for they share pictures."""
    pairs = np.unique(np.stack([joined, first]), axis=1)
    groups, counts = np.unique(pairs[0], return_counts=True)
    if not (counts > 1).any():
        return []
    listed = [" = ".join(map(repr, (names[each] for each in pairs[1][pairs[0] == group][:3]))) for group in
              groups[counts > 1][:4]]  # fmt: skip
    more = int((counts > 1).sum())
    return [f"{int(counts[counts > 1].sum()):,} groups share pictures and count as {more:,}: {some(listed, 3)}"]


def straddling(samples: Samples, subsets: Sequence[str]) -> list[str]:
    """Groups with samples in several subsets, in words; what is in no subset ("") does not count."""
    if samples.groups is None or not len(subsets):
        return []
    found: dict[int, set[str]] = {}
    for group, subset in zip(samples.groups.tolist(), subsets, strict=True):
        if subset:
            found.setdefault(group, set()).add(subset)
    apart = ((group, sorted(of, key=("train", "val", "test").index)) for group, of in sorted(found.items()))
    return [f"{samples.group_names[group]!r} in {' and '.join(of)}" for group, of in apart if len(of) > 1]
