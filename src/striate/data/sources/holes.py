"""What a person marked to be filled: black pictures, white where; one for all pictures, or a folder by name."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from striate.base.errors import DataError, UsageError
from striate.base.paths import path_of
from striate.base.units import by
from striate.data.picture import decode
from striate.data.picture.canvas import planes
from striate.data.picture.laid import Array
from striate.data.sources.folder import list_pictures
from striate.data.sources.given import Picture, content, pictures_of
from striate.data.sources.pairs import stem


@final
@dataclass(frozen=True)
class Holes:
    """`files` are the marks by the stem of the picture's name; without any, `mark` is the one for every picture."""

    mark: Picture
    files: Mapping[str, Path] | None = None

    def of(self, name: str, size: tuple[int, int], max_pixels: int) -> Array:
        """Where to fill, bool (height, width); a DataError where nothing is marked, or in another size."""
        own = stem(Path(name).name)
        found = self.mark if self.files is None else self.files.get(own)
        if found is None:
            raise DataError(name, f"{self.mark!s} has no mask of its name", f"{own}.png there")
        mask = f"its mask {found}" if isinstance(found, Path) else "its mask"
        pixels = decode.pixels_of(content(found, max_pixels), mask, max_pixels=max_pixels)
        if pixels.shape[:2] != size:
            cause = f"{mask} is {by(pixels.shape[1::-1])}, and the picture {by(size[::-1])}"
            raise DataError(name, cause, "a mask of the picture's own size")
        marked = planes(pixels, 1)[0] >= 128
        if not marked.any():
            raise DataError(name, f"{mask} has nothing white", "white where to fill, black elsewhere")
        return np.asarray(marked)


def holes_in(given: Any) -> Holes:
    """The marks of one picture, or of all below a folder: a path, or a picture in memory, of bytes or of truths."""
    if not isinstance(given, str | os.PathLike):
        marks, alone = pictures_of(given * np.uint8(255) if getattr(given, "dtype", None) == np.bool_ else given)
        if not alone:
            raise UsageError("holes", "several marks", "one for all, or a folder of them by the pictures' names")
        return Holes(marks[0])
    path = path_of(given)
    if not path.is_dir():
        decode.read_bytes(path)
        return Holes(path)
    files: dict[str, Path] = {}
    for each in list_pictures([str(path)]):
        if (other := files.setdefault(stem(each.name), each)) != each:
            raise DataError(path, f"{other} and {each} have one name", "a name of its own for each mask")
    return Holes(path, files)
