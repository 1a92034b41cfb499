"""Pillow's pictures, unloaded, where our limits are the ones that hold."""

import io
import threading
from typing import Any

from PIL import Image

_ONE_AT_A_TIME = threading.Lock()


def opened(data: bytes, form: str) -> Any:
    """Pillow's unloaded picture, of whatever size it says: our limits come next, and Pillow's own, which holds for the
    whole process, would keep out what they let in."""
    with _ONE_AT_A_TIME:
        theirs, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data), formats=(form,))
        finally:
            Image.MAX_IMAGE_PIXELS = theirs
