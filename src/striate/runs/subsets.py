"""split.csv: which sample is in which subset, a line each in the order of the samples."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.base import durable
from striate.base.errors import RunError
from striate.data.samples import Samples
from striate.data.splits import Split

NAME = "split.csv"
HINT = "a fresh run; this folder is damaged"
_HEAD = ("sample", "sha256", "class", "group", "subset")


@dataclass(frozen=True)
class Line:
    """`name` and `label` are printable, as a table holds them."""

    name: str
    digest: str
    label: str
    subset: str


def write_split(folder: Path, samples: Samples, split: Split) -> None:
    subset = split.subset_of()
    rows = (
        (samples.names[i], samples.digests[i], samples.targets.content(i).decode("utf-8", "surrogateescape"), "",
         subset[i])
        for i in sorted(subset)
    )  # fmt: skip
    durable.write_csv(folder / NAME, _HEAD, rows)


def lines(folder: Path) -> list[Line]:
    """A RunError where the file cannot be read."""
    path = folder / NAME
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            return [Line(_own(row["sample"]), row["sha256"], _own(row["class"]), row["subset"]) for row in rows]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise RunError(path, f"cannot be read ({error})", HINT) from None


def _own(cell: str) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from running it."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in tuple("=+-@") else cell


def read_split(folder: Path, samples: Samples) -> Split:
    """The split that a run began with, of the same samples: it is never cut again."""
    found = lines(folder)
    if [line.digest for line in found] != list(samples.digests):
        raise RunError(folder / NAME, "its lines are not those of the data", HINT)
    return Split(*(places(found, name) for name in ("train", "val", "test")))


def places(found: Sequence[Line], subset: str) -> np.ndarray:
    """Where the samples of a subset stand."""
    return np.flatnonzero(np.array([line.subset == subset for line in found], dtype=bool)).astype(np.int64)
