"""How many pixels of a picture are read, where nothing else is said and at most."""

import io
import threading
from typing import Any

from PIL import Image

from striate.base.errors import UsageError

# A telephone's 50 megapixels are 8,160 x 6,144 or 8,192 x 6,144, and its 200 are 16,320 x 12,240.
LEAST_PIXELS, PIXELS, MOST_PIXELS = 50_000_000, 52_000_000, 250_000_000
_ONE_AT_A_TIME = threading.Lock()


def check_most(max_pixels: int) -> None:
    """A UsageError for a number that cannot be the most that are read."""
    if not LEAST_PIXELS <= max_pixels <= MOST_PIXELS:
        cause, hint = f"{max_pixels:,} is out of range", f"a number from {LEAST_PIXELS} to {MOST_PIXELS}"
        raise UsageError("max_pixels", cause, hint)


def opened(data: bytes, form: str) -> Any:
    """Pillow's unloaded picture, of whatever size it says: our limits come next, and Pillow's own, which holds for the
    whole process, would keep out what they let in."""
    with _ONE_AT_A_TIME:
        theirs, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data), formats=(form,))
        finally:
            Image.MAX_IMAGE_PIXELS = theirs
