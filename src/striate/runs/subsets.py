"""split.csv: which sample is in which subset, a line each in the order of the samples."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.base import durable, reading
from striate.base.durable import unquoted
from striate.base.errors import RunError
from striate.base.words import SUBSETS, many, subset
from striate.data.packed import Digests, Names
from striate.data.samples import Groups, Indices, Samples
from striate.data.splits import Split, digest
from striate.runs import schema

NAME, SEEN, SEALED = "split.csv", "seen.csv", "sealed.csv"
HINT = "a fresh run; this folder is damaged"
DIGEST = re.compile("[0-9a-f]{64}")
_AT_ONCE = 10_000  # lines
_HEAD = ("sample", "sha256", "class", "group", "subset")


@dataclass(frozen=True)
class Line:
    """`name` and `label` are printable, as a table holds them."""

    name: str
    digest: str
    label: str
    subset: str
    group: str = ""

    @property
    def content(self) -> tuple[str, str]:
        """What the picture holds and is said to be, whatever it is called."""
        return self.digest, self.label


def write_split(folder: Path, samples: Samples, split: Split) -> None:
    places = np.concatenate(list(split.named.values()))
    named = np.repeat(list(split.named), list(map(len, split.named.values())))
    order = np.argsort(places)

    def group_of(place: int) -> str:
        return "" if samples.groups is None else samples.group_names[samples.groups[place]]

    names, digests = Names.of(samples.names), Digests.of(samples.digests)

    def rows() -> Iterator[tuple[str, ...]]:
        for start in range(0, len(order), _AT_ONCE):
            part = order[start : start + _AT_ONCE]
            own = places[part]
            contents = (samples.targets.content(place) for place in own.tolist())
            labels = (each.decode("utf-8", "surrogateescape") for each in contents)
            groups = map(group_of, own.tolist())
            yield from zip(names.take(own), digests.take(own), labels, groups, named[part].tolist(), strict=True)

    durable.write_csv(folder / NAME, _HEAD, rows())


def write_lines(folder: Path, lines: Iterable[Line]) -> None:
    """split.csv of lines that were read from one."""
    durable.write_csv(
        folder / NAME, _HEAD, ((each.name, each.digest, each.label, each.group, each.subset) for each in lines)
    )


def write_seen(folder: Path, seen: Mapping[str, str]) -> None:
    """seen.csv: the pictures that the weights which a training starts from know already."""
    durable.write_csv(folder / SEEN, ("sha256", "subset"), sorted(seen.items()))


def write_sealed(folder: Path, digests: Digests) -> None:
    """sealed.csv: the digests of the test set's pictures, which are in split.csv by their names alone."""
    durable.write_csv(folder / SEALED, ("sha256",), ((digest,) for digest in digests))


def own(facts: Mapping[str, Any]) -> str:
    """The subset that a run is measured on without opening its test set."""
    return "held" if "held" in facts["split"] else "val"


def by_content(folder: Path, facts: Mapping[str, Any]) -> dict[str, str]:
    """By digest the subset of each picture that is known by its content, and of those that were known before.

    A RunError where the samples were told apart by name, and the test set has not come to be opened: nobody can tell
    then whether a picture is of it.
    """
    if facts["data"].get("split_by", "content") == "content":
        return {**seen(folder), **{line.digest: line.subset for line in lines(folder, facts)}}
    path = folder / SEALED
    if not os.path.lexists(path):
        cause = "split by name: until this training is done nobody can tell which pictures are of its sealed test set"
        raise RunError(folder, cause, "resuming it")
    (head, rows), count = reading.read_table(path, schema.MOST_LINES), facts["split"]["test"]["n"]
    if head != ["sha256"] or len(rows) != count or not all(DIGEST.fullmatch(row[0]) for row in rows):
        raise RunError(path, "its lines are not those that a training writes", HINT)
    return {**seen(folder), **{row[0]: "test" for row in rows}}


def seen(folder: Path) -> dict[str, str]:
    """By digest, "train" or "val"; none where a training started anew."""
    path = folder / SEEN
    if not os.path.lexists(path):
        return {}
    _, rows = reading.read_table(path, schema.MOST_LINES)
    if not all(len(row) == 2 and DIGEST.fullmatch(row[0]) and row[1] in ("train", "val") for row in rows):
        raise RunError(path, "its lines are not those that a training writes", HINT)
    return {digest: subset for digest, subset in rows}  # noqa: C416 - a list of lists


def lines(folder: Path, facts: Mapping[str, Any]) -> list[Line]:
    """A RunError where the file cannot be read, or is not of the run with these facts."""
    path = folder / NAME
    head, rows = reading.read_table(path, schema.MOST_LINES)
    if tuple(head) != _HEAD:
        raise RunError(path, "its head is not one that a training writes", HINT)
    found = [
        Line(unquoted(name), sha256, unquoted(label), subset, unquoted(group))
        for name, sha256, label, group, subset in rows
    ]
    for place, line in enumerate(found, start=2):
        if not DIGEST.fullmatch(line.digest):
            raise RunError(path, f"line {place} has no digest", HINT)
    counts = Counter(line.subset for line in found)
    told = {name: subset["n"] for name, subset in facts["split"].items()}
    if counts != Counter(told):
        raise RunError(path, "its lines are not as many in each subset as run.json says", HINT)
    digest = facts["groups"]["digest"] if facts.get("groups") else ""
    if _partition(groups_of(found, np.arange(len(found)))) != digest:
        raise RunError(path, "its groups are not those that run.json tells of", HINT)
    return found


def read_split(folder: Path, facts: Mapping[str, Any], samples: Samples) -> tuple[Split, Samples]:
    """The split that a run began with, of the same samples, and these in its groups: it is never cut again."""
    found = lines(folder, facts)
    if [line.digest for line in found] != list(samples.digests):
        raise RunError(folder / NAME, "its lines are not those of the data", HINT)
    split = {name: places(found, name) for name in facts["split"]}
    for name, indices in split.items() if facts["format"] > 1 else ():  # digests were made of less before
        if digest(samples, indices) != facts["split"][name]["digest"]:
            raise RunError(folder / NAME, f"its {name} pictures are not those that run.json tells of", HINT)
    names = tuple(dict.fromkeys(line.group for line in found))
    groups = groups_of(found, np.arange(len(found)))
    return Split(**split), replace(samples, groups=groups, group_names=() if groups is None else names)


def groups_of(found: Sequence[Line], places: Indices) -> Groups | None:
    """Equal numbers for lines of one group, (n,); None where lines name none."""
    if not any(line.group for line in found):
        return None
    numbers = {name: number for number, name in enumerate(dict.fromkeys(line.group for line in found))}
    return np.array([numbers[found[place].group] for place in places], dtype=np.int64)


def _partition(groups: Groups | None) -> str:
    """A digest of which samples belong together, whatever their groups are called; "" where there are none."""
    if groups is None:
        return ""
    _, firsts, number = np.unique(groups, return_index=True, return_inverse=True)
    return hashlib.sha256(firsts[number].astype("<i8").tobytes()).hexdigest()


def grouped(samples: Samples, split: Split, by: str) -> dict[str, Any]:
    """For run.json: how groups came about, and how many lie in each subset."""
    each = {name: samples.groups_of(indices) for name, indices in split.named.items()}
    digest_of = _partition(samples.groups)
    return {
        "by": by,
        "digest": digest_of,
        **{name: len(np.unique(groups)) for name, groups in each.items() if groups is not None},
    }


def groups_told(told: Mapping[str, Any]) -> str:
    """Of run.json, in words: 40 groups by a column of the table: 24 in training, 8 in validation, 8 in test."""
    counts = {subset(name): told[name] for name in SUBSETS if told.get(name)}
    listed = ", ".join(f"{count:,} in {name}" for name, count in counts.items())
    return f"{many(sum(counts.values()), 'group')} by {told['by']}: {listed}"


def places(found: Sequence[Line], subset: str) -> np.ndarray:
    """Where the samples of a subset stand."""
    return np.flatnonzero(np.array([line.subset == subset for line in found], dtype=bool)).astype(np.int64)
