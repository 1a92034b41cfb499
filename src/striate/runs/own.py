"""A run's own data, read again wherever they lie now, and proven to be those that it began with."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from striate.base import durable
from striate.base.errors import DataError, Option, printable
from striate.base.words import some
from striate.data.asked import READING
from striate.data.load import Data, read_samples
from striate.data.samples import Samples
from striate.data.splits import Split
from striate.runs import schema, subsets
from striate.runs.subsets import Line
from striate.tasks.task import Task

_HINT = ("the data as they were; where they have moved, ", Option("data", "PATH"))


def read_own(
    folder: Path,
    facts: Mapping[str, Any],
    data: Data | None = None,
    *,
    labelled: bool,
    masked: bool,
    workers: int | None = None,
    **told: Any,
) -> Samples:
    """The samples of the run in `folder`; `data` where they lie no longer where they were, or were in memory.

    `told` are further keywords of `read_samples`: who is told of what, and whether the cache is used.
    A DataError says which pictures differ, and whether the sealed ones do.
    """
    place = facts["data"]["path"] if data is None else data
    reading = {name: facts["recipe"][name] for name in READING if name in facts["recipe"]}
    # what cannot be read is told by its name, beside all else that differs
    reading |= {"max_bad": 1.0, "allow_leak": True, "learnable": not labelled}
    where = facts["data"]["path"] if not isinstance(place, str | os.PathLike) else place
    try:
        samples = read_samples(place, workers=workers, labelled=labelled, masked=masked, **told, **reading)
    except DataError as error:
        raise DataError(error.where, error.cause, _HINT) from None
    if samples.fingerprint != facts["data"]["fingerprint"]:
        raise DataError(where, f"not the data that {folder.name} began with{_told(folder, facts, samples)}", _HINT)
    return samples


def refuse_nowhere(facts: Mapping[str, Any], data: Data | None, hint: str) -> None:
    """A DataError where a run's pictures were in memory and are not given again as `data`; `hint` says how to."""
    if data is None and facts["data"].get("source") == "arrays":
        raise DataError(facts["data"]["path"], "pictures that were in memory, and are nowhere on disk", hint)


def own_subsets(
    folder: Path, facts: Mapping[str, Any], task: Task, data: Data | None, hint: str, workers: int | None = None
) -> tuple[Split, Samples]:
    """A run's samples as `read_own` reads them, and which of them are in which subset."""
    refuse_nowhere(facts, data, hint)
    samples = read_own(folder, facts, data, labelled=task.labelled, masked=task.masked, workers=workers)
    return subsets.read_split(folder, facts, samples)


def write_place(folder: Path, place: str, samples: Samples) -> None:
    """Write into run.json where the data lie now, when they are proven to be the same."""
    facts = schema.read_facts(folder)
    root = None if samples.root is None else str(samples.root.resolve())
    durable.write_json(folder / "run.json", {**facts, "data": {**facts["data"], "path": place, "root": root}})


def _told(folder: Path, facts: Mapping[str, Any], samples: Samples) -> str:
    """How the samples differ from split.csv: how many, whether sealed ones do, and the first names of each kind."""
    was = {line.name: line for line in subsets.lines(folder, facts)}
    now = {line.name: line for line in _lines(samples)}
    kinds = {kind: names for kind, names in _differences(was, now).items() if names}
    sealed = [line for line in was.values() if line.subset == "test"]
    there = {line.content for line in now.values()}
    harmed = sum(line.content not in there for line in sealed)
    whole = f"the {len(sealed)} sealed pictures are whole"
    whole = f"{harmed} of {len(sealed)} sealed pictures are not as they were" if harmed else whole
    counts = ", ".join(f"{len(names)} {kind}" for kind, names in kinds.items()) or "in other subsets"
    names = "; ".join(f"{kind} {some((printable(each, 40) for each in names), 3)}" for kind, names in kinds.items())
    return ": " + "; ".join(part for part in (counts, whole if sealed else "", names) if part)


def _lines(samples: Samples) -> Iterator[Line]:
    """As split.csv holds them."""
    for place, (name, digest) in enumerate(zip(samples.names, samples.digests, strict=True)):
        label = samples.targets.content(place).decode("utf-8", "surrogateescape")
        yield Line(printable(name, 4096), digest, printable(label, 4096), "")


def _differences(was: Mapping[str, Line], now: Mapping[str, Line]) -> dict[str, list[str]]:
    """Names by what became of them."""
    both = [name for name in was if name in now]
    gone = [name for name in was if name not in now]
    added = [name for name in now if name not in was]
    new, old = {now[name].digest for name in added}, {was[name].digest for name in gone}
    return {
        "changed": [name for name in both if now[name].digest != was[name].digest],
        "labelled anew": [
            name for name in both if now[name].digest == was[name].digest and now[name].label != was[name].label
        ],
        "gone": [name for name in gone if was[name].digest not in new],
        "moved or renamed": [name for name in gone if was[name].digest in new],
        "added": [name for name in added if now[name].digest not in old],
    }
