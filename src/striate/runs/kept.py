"""kept/: rows that evaluation kept of pictures that were not learned from, so that no test set is opened again."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from striate.base import durable, reading, words
from striate.base.errors import RunError
from striate.data.picture.laid import Array
from striate.data.samples import Indices
from striate.runs import subsets
from striate.tasks import registry
from striate.tasks.task import Rows, Task

NAME = "kept"
MOST_SHOWN = 2**26
_OF = "of.json"


@dataclass(frozen=True)
class Kept:
    """Of one subset: `rows` (n, k) float64 by the task, and `samples` (n,), the place of each in split.csv.

    `shown` are small pictures, uint8, of a few: by row, and by what they show.
    """

    rows: Rows
    samples: Indices
    shown: Mapping[int, Mapping[str, Array]] = field(default_factory=dict)

    def of(self, place: int) -> Mapping[str, Array]:
        """What was kept of one row's picture."""
        return self.shown.get(place, {})


def write_kept(folder: Path, subsets: Mapping[str, Kept], weights: str) -> None:
    """All subsets at once, whole or not at all; `weights` is the digest of those that answered."""
    files = {}
    for name, kept in subsets.items():
        parts = {"rows": kept.rows, "samples": kept.samples}
        parts |= {f"{place}.{what}": part for place, shown in kept.shown.items() for what, part in shown.items()}
        files[f"{name}.safetensors"] = save({key: np.ascontiguousarray(part) for key, part in parts.items()})
    durable.save_folder(folder / NAME, {**files, _OF: durable.to_json({"weights": weights})})


def digest_of(members: Sequence[Mapping[str, Any]]) -> str:
    """Of the weights that answer together in an ensemble, from what run.json says of its members."""
    return hashlib.sha256(durable.to_json([(each["sha256"], each["weight"]) for each in members])).hexdigest()


def answered_by(folder: Path) -> str | None:
    """The digest of the weights whose answers are kept; None where it cannot be known."""
    try:
        told = reading.read_json(durable.standing(folder / NAME) / _OF, 2**20)["weights"]
    except (RunError, TypeError, KeyError):
        return None
    return told if isinstance(told, str) else None


def read_kept(
    folder: Path, facts: Mapping[str, Any], lines: Sequence[subsets.Line], weights: str | None = None
) -> dict[str, Kept]:
    """By subset; a RunError where a file was damaged, or is not of this run: `lines` are those of its split.csv.

    Runs of before rows were kept have none. `weights`: none but rows of these, for a training that was stopped at its
    very end.
    """
    if not os.path.lexists(durable.standing(folder / NAME)):
        return {}
    task = registry.from_dict(facts["task"], folder / "run.json")
    # numbers of 8 bytes for each picture, and a few pictures
    most = 2**20 + 8 * (24 * len(task.classes) + 32) * len(lines) + MOST_SHOWN
    files = durable.read_folder(folder / NAME, {f"{name}.safetensors": most for name in words.SUBSETS} | {_OF: 2**20})
    found = {}
    try:
        of = reading.parsed(files.pop(_OF), folder / NAME / _OF)["weights"]
        for name, data in files.items():
            subset = name.removesuffix(".safetensors")
            found[subset] = kept = _read(load(data))
            _refuse_others(kept, task, subsets.places(lines, subset))
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise RunError(folder / NAME, f"cannot be read ({error})", "a fresh run") from None
    return found if weights in (None, of) else {}


def _read(parts: dict[str, Array]) -> Kept:
    rows, samples, shown = parts.pop("rows"), parts.pop("samples"), dict[int, dict[str, Array]]()
    for name, part in parts.items():
        place, _, what = name.partition(".")
        if what:  # runs of before kept what they showed in another way
            shown.setdefault(int(place), {})[what] = part
    return Kept(rows, samples, shown)


def _refuse_others(kept: Kept, task: Task, places: Indices) -> None:
    """A ValueError where these are not rows of the task, one for each picture of the subset."""
    kinds = [(each.dtype.name, each.ndim) for each in (kept.rows, kept.samples)]
    if kinds != [("float64", 2), ("int64", 1)] or len(kept.rows) != len(kept.samples):
        raise ValueError("these are no rows of pictures")
    if not np.array_equal(kept.samples, places) or not np.isfinite(kept.rows).all() or not task.fits(kept.rows):
        raise ValueError("these are not rows of this run's pictures")
    pictures = [part for shown in kept.shown.values() for part in shown.values()]
    if not all(0 <= place < len(kept.rows) for place in kept.shown):
        raise ValueError("what is kept of a few pictures is not theirs")
    if not all(part.dtype == np.uint8 and part.ndim in (2, 3) and part.size for part in pictures):
        raise ValueError("what is kept of a few pictures are no pictures")
