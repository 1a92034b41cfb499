"""What a person marked to be filled: black pictures, white where; one for all pictures, or a folder by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from striate.base.errors import DataError
from striate.base.units import by
from striate.data.picture import decode
from striate.data.picture.canvas import planes
from striate.data.picture.laid import Array
from striate.data.sources.folder import list_pictures
from striate.data.sources.pairs import stem


@final
@dataclass(frozen=True)
class Holes:
    """`files` are the marks by the stem of the picture's name; without any, `path` is the one for every picture."""

    path: Path
    files: Mapping[str, Path] | None = None

    def of(self, picture: Path, size: tuple[int, int], max_pixels: int) -> Array:
        """Where to fill, bool (height, width); a DataError where nothing is marked, or in another size."""
        found = self.path if self.files is None else self.files.get(stem(picture.name))
        if found is None:
            raise DataError(picture, f"{self.path} has no mask of its name", f"{stem(picture.name)}.png there")
        pixels = decode.read(decode.read_bytes(found, max_pixels), str(found), max_pixels=max_pixels).pixels
        if pixels.shape[:2] != size:
            cause = f"its mask {found} is {by(pixels.shape[1::-1])}, and the picture {by(size[::-1])}"
            raise DataError(picture, cause, "a mask of the picture's own size")
        marked = planes(pixels, 1)[0] >= 128
        if not marked.any():
            raise DataError(picture, f"its mask {found} has nothing white", "white where to fill, black elsewhere")
        return np.asarray(marked)


def holes_in(path: Path) -> Holes:
    """The marks of one picture, or of all below a folder."""
    if not path.is_dir():
        decode.read_bytes(path)
        return Holes(path)
    files: dict[str, Path] = {}
    for each in list_pictures([str(path)]):
        if (other := files.setdefault(stem(each.name), each)) != each:
            raise DataError(path, f"{other} and {each} have one name", "a name of its own for each mask")
    return Holes(path, files)
