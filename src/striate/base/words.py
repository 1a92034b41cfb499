"""Words that are told in more than one place."""

import math
import os
from collections.abc import Iterable

# What they are called in files, in their order, and how they are told.
SUBSETS = {"train": "training", "val": "validation", "held": "held-out", "test": "test"}


def subset(name: str) -> str:
    """A subset as it is told: "val" is validation."""
    return SUBSETS.get(name, name)


def some(names: Iterable[str], most: int = 5, between: str = ", ") -> str:
    """The first names and how many more there are."""
    listed = list(names)
    return between.join(listed[:most]) + (f" and {len(listed) - most:,} more" if listed[most:] else "")


def plural(word: str, count: int) -> str:
    if count == 1:
        return word
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith("s") else f"{word}s"


def many(count: int, word: str) -> str:
    """1 picture, 2,000 pictures."""
    return f"{count:,} {plural(word, count)}"


def often(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def decimal(value: float, least: int) -> str:
    """With `least` decimals, or so many more that three digits count: a small number is never printed as nothing."""
    more = 0 if value == 0 or not math.isfinite(value) else 2 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(least, more)}f}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 0.4 s, 12 s, 3 min, 5 h 20 min, 2 days."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{minutes / 60 / 24:,.0f} days"


def share(value: float, n: int) -> str:
    """A proportion as percent, with no more digits than `n` pictures can tell apart."""
    return f"{100 * value:.{1 if n < 2000 else 2 if n < 20_000 else 3}f} %"


def with_article(name: str) -> str:
    """A thing's name inside a sentence."""
    first = name.partition(" ")[0]
    return name if first == "the" or first.endswith("'s") or first[:1].isdigit() else f"the {name}"


def fitting(name: str, most: int) -> str:
    """As many whole characters of a file's name as fit in `most` bytes."""
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return name
