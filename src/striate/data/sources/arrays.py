"""Pictures and labels that Python code has in memory already."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from striate.base.errors import DataError, UsageError
from striate.base.words import many
from striate.data.listing import Listing
from striate.data.masks import Legend, Pairs
from striate.data.picture.laid import Array, Pixels
from striate.data.picture.layers import Layers, of_array
from striate.data.samples import Samples
from striate.data.scan import looked_at

HINT = "uint8 (n, height, width), (n, height, width, 1) or (n, height, width, 3), or a list of such pictures"


def from_arrays(
    pictures: Sequence[Any] | np.ndarray, labels: Any = None, masks: Any = None, legend: Legend | None = None, *,
    learnable: bool = False,
    layers: Layers | None = None,
) -> Samples:  # fmt: skip
    """A table of pictures in memory, which are copied; `labels` are whole numbers or names, or None for pictures alone.

    `masks`, with what their values mean: whole numbers (height, width), one array for each picture.
    `learnable`: they are to be trained on, so that one class, or one picture of a class, is refused.
    """
    if not isinstance(pictures, np.ndarray | list | tuple):
        raise UsageError("data", f"pictures in memory are a list or an array, not {type(pictures).__name__}", HINT)
    seen = [pixels(picture, f"arrays/{place}", layers) for place, picture in enumerate(pictures)]
    if not seen:
        raise DataError("arrays", "no pictures", HINT)
    classes, strata = ((), None) if labels is None else _labels(labels, len(seen))
    values = [] if legend is None else _masks(masks, seen)
    names = tuple(f"arrays/{place:0{len(str(len(seen) - 1))}d}" for place in range(len(seen)))
    listing = Listing(
        name="arrays",
        source="arrays",
        root=None,
        names=names,
        labels=strata,
        classes=classes,
        pairs=None if legend is None else Pairs(names, None, legend),
    )
    return looked_at(listing, seen, values, learnable=learnable)


def pixels(picture: Any, where: str, layers: Layers | None, hint: str = HINT) -> Pixels:
    """A copy that nobody can change: what is trained on is what was looked at."""
    try:
        given = np.asarray(picture)
    except ValueError as error:  # rows of unequal length
        raise DataError(where, f"no picture ({error})", hint) from None
    if layers is not None:
        return of_array(given, where, layers)
    found = given[..., None] if given.ndim == 2 else given
    if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] not in (1, 3) or 0 in found.shape:
        raise DataError(where, f"{given.dtype} {given.shape} is no picture", hint)
    return np.array(found, order="C")


def _masks(masks: Any, pictures: Sequence[Pixels]) -> list[Array]:
    """Copies, int32, each of its picture's size."""
    hint = "for each picture an array of whole numbers, of its height and width"
    if not isinstance(masks, np.ndarray | list | tuple) or len(masks) != len(pictures):
        raise DataError("masks", f"no masks of {many(len(pictures), 'picture')}", hint)
    found = []
    for place, (given, picture) in enumerate(zip(masks, pictures, strict=True)):
        try:
            values = np.asarray(given)
        except ValueError as error:  # rows of unequal length
            raise DataError(f"masks/{place}", f"no mask ({error})", hint) from None
        small = values.dtype.kind in "biu" and values.shape == picture.shape[:2]
        if not small or values.min() < -(2**31) or values.max() >= 2**31:
            cause = f"{values.dtype} {values.shape} is no mask of a picture of {picture.shape[:2]}"
            raise DataError(f"masks/{place}", cause, hint)
        found.append(values.astype(np.int32))
    return found


def _labels(labels: Any, count: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Class names in order, and the place of each label among them."""
    hint = "one label for each picture: a whole number or a name"
    try:
        said = np.asarray(labels)
    except ValueError as error:
        raise DataError("labels", f"these are no labels ({error})", hint) from None
    if said.shape != (count,):
        raise DataError("labels", f"shape {said.shape} for {many(count, 'picture')}", hint)
    if said.dtype.kind not in "iuUSbO":
        raise DataError("labels", f"{said.dtype} are no labels", hint)
    if said.dtype.kind in "iu":  # 2 before 10
        numbers, strata = np.unique(said, return_inverse=True)
        return tuple(map(str, numbers.tolist())), tuple(strata.tolist())
    words = [label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label) for label in said.tolist()]
    missing = [place for place, word in enumerate(words) if not word.strip() or word in ("nan", "None")]
    if missing:
        raise DataError("labels", f"picture {missing[0]} has none ({words[missing[0]]!r})", hint)
    classes, strata = np.unique(words, return_inverse=True)
    return tuple(classes.tolist()), tuple(strata.tolist())
