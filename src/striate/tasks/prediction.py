"""What is said of one picture, as a value that shows itself."""

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from PIL import Image

from striate.base.errors import escaped
from striate.base.tables import Table, html_table
from striate.base.units import by
from striate.data.picture.laid import Array
from striate.data.picture.overlays import colours
from striate.tasks.task import Answer

# Classes that a line names, and the longest side of an answer that a notebook shows.
NAMED, SIDE = 3, 256


@final
@dataclass(frozen=True)
class Prediction:
    """What is said of one picture, or why it could not be looked at."""

    file: str
    status: str
    """"ok", or the cause."""
    answer: Answer
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What is to be said of all that were answered together stands with the last."""

    @property
    def top(self) -> tuple[tuple[str, float], ...]:
        """Of a classifier: classes and probabilities, the likeliest first."""
        return getattr(self.answer, "top", ())

    @property
    def label(self) -> str | None:
        return self.top[0][0] if self.top else None

    @property
    def probability(self) -> float | None:
        return self.top[0][1] if self.top else None

    @property
    def picture(self) -> Array | None:
        """Where the answer is a picture, of the given one's size: uint8 (h, w, 1 or 3), or ids of classes (h, w)."""
        return self.answer.picture

    def as_dict(self) -> dict[str, Any]:
        return {"file": self.file, "status": self.status, **self.answer.as_dict()}

    def __repr__(self) -> str:
        told = [f"{name!r} {100 * share:.1f} %" for name, share in self.top[:NAMED]]
        if self.status != "ok":
            told = [self.status]
        elif self.picture is not None:
            told = [f"{'mask' if self.picture.ndim == 2 else 'picture'} of {by(self.picture.shape[1::-1])}"]
        elif not told:
            told = [f"{name} {value}" for name, value in self.answer.as_dict().items()]
        return escaped(f"Prediction({self.file!r}: {'; '.join((', '.join(told), *self.notes))})")

    def _repr_html_(self) -> str:
        rows = [(name, f"{100 * share:.1f} %") for name, share in self.top]
        if self.status != "ok" or not rows:
            rows = [(str(key), str(value)) for key, value in self.as_dict().items() if key not in ("file", "classes")]
        picture = "" if self.picture is None else f'<img alt="the answer" src="{_address(self.picture)}">'
        return html_table(Table(("file", self.file), rows)) + picture


def _address(picture: Array) -> str:
    """A picture as what a page can hold of it; classes in colours."""
    shown = colours(max(int(picture.max()) + 1, 2))[picture] if picture.ndim == 2 else picture
    image, file = Image.fromarray(np.squeeze(shown)), io.BytesIO()
    image.thumbnail((SIDE, SIDE), Image.Resampling.NEAREST)
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def gathered(
    predictions: Iterator[Prediction], count: int, alone: bool, progress: Callable[[int, int], None]
) -> Prediction | list[Prediction]:
    """All of so many, or the one of a picture that was given alone; `progress` is told of each."""
    found: list[Prediction] = []
    for each in predictions:
        found.append(each)
        progress(len(found), count)
    return found[0] if alone else found
