"""Pictures and labels that Python code has in memory already."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from striate.base.errors import DataError
from striate.data.picture.laid import Pixels
from striate.data.samples import InMemory, Samples
from striate.data.targets import Labels, Nothing, Targets

HINT = "uint8 (n, height, width), (n, height, width, 1) or (n, height, width, 3), or a list of such pictures"


def from_arrays(pictures: Sequence[Any] | np.ndarray, labels: Any = None) -> Samples:
    """A table of pictures in memory; `labels` are whole numbers or names, one each, or None for pictures alone."""
    seen = [_pixels(picture, place) for place, picture in enumerate(pictures)]
    if not seen:
        raise DataError("arrays", "no pictures", HINT)
    names = tuple(f"arrays/{place:0{len(str(len(seen) - 1))}d}" for place in range(len(seen)))
    return Samples(
        name="arrays",
        source="arrays",
        root=None,
        names=names,
        read=InMemory(seen, names),
        digests=tuple(hashlib.sha256(str(each.shape).encode() + each.tobytes()).hexdigest() for each in seen),
        targets=_targets(labels, len(seen)),
        grey=all(each.shape[2] == 1 for each in seen),
    )


def _pixels(picture: Any, place: int) -> Pixels:
    pixels = np.asarray(picture)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or 0 in pixels.shape:
        said = f"{pixels.dtype} {tuple(np.shape(picture))}"
        raise DataError(f"arrays/{place}", f"{said} is no picture", HINT)
    return np.ascontiguousarray(pixels)


def _targets(labels: Any, count: int) -> Targets:
    if labels is None:
        return Nothing(count)
    said = np.asarray(labels)
    if said.shape != (count,):
        raise DataError("labels", f"shape {said.shape} for {count:,} pictures", "one label for each picture")
    if said.dtype.kind not in "iuUSbO":
        raise DataError("labels", f"{said.dtype} are no labels", "whole numbers or names")
    if said.dtype.kind in "iu":  # 2 before 10
        numbers, strata = np.unique(said, return_inverse=True)
        return Labels(tuple(map(str, numbers.tolist())), strata.astype(np.int64))
    words = [str(label) for label in said.tolist()]
    if any(not word.strip() or word in ("nan", "None") for word in words):
        place = next(place for place, word in enumerate(words) if not word.strip() or word in ("nan", "None"))
        raise DataError("labels", f"picture {place} has none ({words[place]!r})", "one label for each picture")
    classes, strata = np.unique(words, return_inverse=True)
    return Labels(tuple(classes.tolist()), strata.astype(np.int64))
