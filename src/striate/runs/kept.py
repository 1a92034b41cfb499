"""kept/: rows that evaluation kept of validation and test pictures, so that no test set is opened again for them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from striate.base import durable, reading
from striate.base.errors import RunError
from striate.data.picture.laid import Array
from striate.data.samples import Indices
from striate.runs import subsets
from striate.tasks import registry
from striate.tasks.task import Rows, Task

NAME = "kept"
_OF = "of.json"
SUBSETS = ("val", "test")


@dataclass(frozen=True)
class Kept:
    """Of one subset: `rows` (n, k) float64 by the task, and `samples` (n,), the place of each in split.csv.

    `places` are those rows, a few, of which `given`, the canvases uint8, and `answers` are kept as well.
    """

    rows: Rows
    samples: Indices
    places: Indices = field(default_factory=lambda: np.empty(0, np.int64))
    given: Array = field(default_factory=lambda: np.empty(0, np.uint8))
    answers: Array = field(default_factory=lambda: np.empty(0, np.float32))

    def of(self, place: int) -> Mapping[str, Array]:
        """What was kept of one row's picture."""
        found = np.flatnonzero(self.places == place)
        return {"given": self.given[found[0]], "answer": self.answers[found[0]]} if len(found) else {}


def write_kept(folder: Path, subsets: Mapping[str, Kept], weights: str) -> None:
    """All subsets at once, whole or not at all; `weights` is the digest of those that answered."""
    files = {
        f"{name}.safetensors": save({key: np.ascontiguousarray(part) for key, part in vars(kept).items()})
        for name, kept in subsets.items()
    }
    durable.save_folder(folder / NAME, {**files, _OF: durable.to_json({"weights": weights})})


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
    # numbers of 8 bytes for each picture, and a few whole pictures
    most = 2**20 + 8 * (len(task.classes) + 16) * len(lines) + 2**8 * facts["preprocess"]["size"] ** 2
    files = durable.read_folder(folder / NAME, {f"{name}.safetensors": most for name in SUBSETS} | {_OF: 2**20})
    found = {}
    try:
        of = reading.parsed(files.pop(_OF), folder / NAME / _OF)["weights"]
        for name, data in files.items():
            subset = name.removesuffix(".safetensors")
            found[subset] = kept = Kept(**load(data))
            _refuse_others(kept, task, subsets.places(lines, subset))
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise RunError(folder / NAME, f"cannot be read ({error})", "a fresh run") from None
    return found if weights in (None, of) else {}


def _refuse_others(kept: Kept, task: Task, places: Indices) -> None:
    """A ValueError where these are not rows of the task, one for each picture of the subset."""
    kinds = [(each.dtype.name, each.ndim) for each in (kept.rows, kept.samples, kept.places)]
    if kinds != [("float64", 2), ("int64", 1), ("int64", 1)] or len(kept.rows) != len(kept.samples):
        raise ValueError("these are no rows of pictures")
    if not np.array_equal(kept.samples, places) or not np.isfinite(kept.rows).all() or not task.fits(kept.rows):
        raise ValueError("these are not rows of this run's pictures")
    remembered = len(kept.given) == len(kept.answers) == len(kept.places)
    same = kept.given.shape == kept.answers.shape and kept.given.ndim == 4 and kept.given.shape[1] in (1, 3)
    if not remembered or (len(kept.places) and not same) or not np.isin(kept.places, np.arange(len(kept.rows))).all():
        raise ValueError("what is kept of a few pictures is not theirs")
    if (kept.given.dtype.name, kept.answers.dtype.name) != ("uint8", "float32") or not np.isfinite(kept.answers).all():
        raise ValueError("what is kept of a few pictures are no pictures")
