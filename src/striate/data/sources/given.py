"""Pictures that are given to be answered: files, folders and patterns, or what Python code has in memory."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.base.errors import UsageError
from striate.base.paths import path_of
from striate.data.picture import decode
from striate.data.picture.layers import Layers
from striate.data.sources import arrays
from striate.data.sources.folder import list_pictures

# One picture: a file or its bytes, one that Pillow has opened or made, or pixels as `arrays` takes them.
Picture = Path | decode.Given
_HINT = (
    "a path, a PIL picture or a uint8 array (height, width), (height, width, 1) or (height, width, 3), or a list of "
    "such; of a tensor (3, height, width) in 0..1: (255 * tensor).round().byte().permute(1, 2, 0).numpy()"
)


def pictures_of(given: Any, layers: Layers | None = None) -> tuple[list[Picture], bool]:
    """Each picture, and whether it was given alone: a folder, a pattern and a list are several, also where they hold
    one. `layers`: those that arrays must have, where they are others than those of photographs."""
    if isinstance(given, str | os.PathLike):
        path = path_of(given)
        several = path.is_dir() or (glob.has_magic(str(path)) and not os.path.lexists(path))
        return [*list_pictures([os.fspath(given)])], not several
    if isinstance(given, bytes | Image.Image) or (isinstance(given, np.ndarray) and given.ndim in (2, 3)):
        return [_checked(given, 0, layers)], True
    if not isinstance(given, Iterable) or hasattr(given, "detach"):  # a tensor's rows are no pictures
        raise _no_picture(given, "pictures")
    each = list(given)
    if all(isinstance(one, str | os.PathLike) for one in each):
        return [*list_pictures(list(map(os.fspath, each)))], False
    found: list[Picture] = []
    for one in each:
        is_path = isinstance(one, str | os.PathLike)
        found += list_pictures([os.fspath(one)]) if is_path else [_checked(one, len(found), layers)]
    return found, False


def content(picture: Picture, max_pixels: int) -> decode.Given:
    """What is decoded: of a file its bytes."""
    return decode.read_bytes(picture, max_pixels) if isinstance(picture, Path) else picture


def name_of(picture: Picture, place: int) -> str:
    """What a picture is called that is answered at this place."""
    return str(picture) if isinstance(picture, Path) else f"picture {place + 1}"


def _checked(picture: Any, place: int, layers: Layers | None) -> Picture:
    name = name_of(picture, place)
    if isinstance(picture, bytes | Image.Image):
        return picture
    if not isinstance(picture, np.ndarray):
        raise _no_picture(picture, name)
    return arrays.pixels(picture, name, layers, _HINT)


def _no_picture(given: Any, where: str) -> UsageError:
    return UsageError(where, f"a {type(given).__name__} is no picture", _HINT)
