"""How many pixels of a picture are read, where nothing else is said and at most."""

from striate.base.errors import UsageError

# A telephone's 50 megapixels are 8,160 x 6,144 or 8,192 x 6,144, and its 200 are 16,320 x 12,240.
LEAST_PIXELS, PIXELS, MOST_PIXELS = 50_000_000, 52_000_000, 250_000_000


def check_most(max_pixels: int) -> None:
    """A UsageError for a number that cannot be the most that are read."""
    if not LEAST_PIXELS <= max_pixels <= MOST_PIXELS:
        cause, hint = f"{max_pixels:,} is out of range", f"a number from {LEAST_PIXELS} to {MOST_PIXELS}"
        raise UsageError("max_pixels", cause, hint)
