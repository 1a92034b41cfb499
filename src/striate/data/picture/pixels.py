"""How many pixels of a picture are read, where nothing else is said and at most."""

from striate.base.errors import UsageError

PIXELS = 50_000_000
MOST_PIXELS = 178_956_970  # Pillow refuses larger pictures


def check_most(max_pixels: int) -> None:
    """A UsageError for a number that cannot be the most that are read."""
    if not PIXELS <= max_pixels <= MOST_PIXELS:
        raise UsageError("max_pixels", f"{max_pixels:,} is out of range", f"a number from {PIXELS} to {MOST_PIXELS}")
