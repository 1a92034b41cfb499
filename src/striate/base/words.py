"""Words that are told in more than one place."""

import math
import os
from collections.abc import Iterable

_SUBSETS = {"train": "training", "val": "validation"}


def subset(name: str) -> str:
    """A subset as it is told: "val" is validation."""
    return _SUBSETS.get(name, name)


def some(names: Iterable[str], most: int = 5) -> str:
    """The first names and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most:,} more" if listed[most:] else "")


def plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def decimal(value: float, least: int) -> str:
    """With `least` decimals, or so many more that three digits count: a small number is never printed as nothing."""
    more = 0 if value == 0 or not math.isfinite(value) else 2 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(least, more)}f}"


def fitting(name: str, most: int) -> str:
    """As many whole characters of a file's name as fit in `most` bytes."""
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return name
