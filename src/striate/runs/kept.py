"""kept/: rows that evaluation kept of validation and test pictures, so that no test set is opened again for them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from striate.base import durable
from striate.base.errors import RunError
from striate.data.picture.laid import Array
from striate.data.samples import Indices
from striate.tasks.task import Rows

NAME = "kept"
_OF = "of.json"


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


def read_kept(folder: Path, weights: str | None = None) -> dict[str, Kept]:
    """By subset; a RunError where a file was damaged. Runs of before rows were kept have none.

    `weights`: none but rows of these, for a training that was stopped at its very end.
    """
    if not durable.standing(folder / NAME).is_dir():
        return {}
    files = durable.read_folder(folder / NAME)
    try:
        of = json.loads(files.pop(_OF))["weights"]
        found = {name.removesuffix(".safetensors"): Kept(**load(data)) for name, data in files.items()}
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise RunError(folder / NAME, f"cannot be read ({error})", "a fresh run") from None
    return found if weights in (None, of) else {}
