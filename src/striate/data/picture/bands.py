"""A large picture a few rows at a time, so that what is made of it needs little memory beside it."""

import hashlib
from collections.abc import Iterator
from typing import Any

BAND = 1 << 18  # pixels


def bands(image: Any) -> Iterator[Any]:
    """The picture from top to bottom, a few rows each."""
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(image.height, top + rows)))


def digest(image: Any) -> bytes:
    """Of all levels of a loaded picture."""
    found = hashlib.sha256()
    for band in bands(image):
        found.update(band.tobytes())
    return found.digest()
