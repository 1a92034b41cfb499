"""Amounts as they are typed and told: 5M, 24GiB, 3x224x224."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import final

from striate.base.errors import UsageError

THOUSANDS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
DECIMAL_BYTES = {f"{prefix}B": size for prefix, size in THOUSANDS.items()}
BINARY_BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
MOST = 1 << 60  # bytes; what fills more has sizes beyond 64 bits


def parse_amount(text: str, option: str) -> float:
    """ "5M", "1.5 G" or "300,000": K, M, G and T are thousands, in any case; a `UsageError` that names `option`."""
    return _parsed(text, THOUSANDS, UsageError(option, f"{text!r} is not a number such as 5M or 1.5G", f"{option} 5M"))


def parse_bytes(text: str, option: str) -> int:
    """ "24GiB", "8 GB", "1.5 GiB" or "1000 B" as bytes: GiB is 1024^3, GB is 1000^3, in any case.

    A `UsageError` that names `option` for anything else: a number without unit, none at all, or more than 1 EiB.
    """
    hint = f"{option} 24GiB"
    refused = UsageError(option, f"{text!r} is no amount of memory such as 24GiB, 8GB or 512MiB", hint)
    size = _parsed(text, DECIMAL_BYTES | BINARY_BYTES, refused)
    if size > MOST:
        raise UsageError(option, f"{text!r} is more memory than any machine has", hint)
    if size < 1:
        raise refused
    return int(size)


def parse_seconds(text: str, option: str) -> float:
    """ "20ms", "90 s", "15 min" or "2h" as seconds; a `UsageError` that names `option` for anything else."""
    refused = UsageError(option, f"{text!r} is no time such as 20ms, 90s, 15min or 2h", f"{option} 2h")
    seconds = _parsed(text, SECONDS, refused)
    if seconds <= 0:
        raise refused
    return seconds


def _parsed(text: str, units: Mapping[str, float], refused: UsageError) -> float:
    grouped = r"(?:\d{1,3}(?:,\d{3})+|\d+)"  # a comma stands between thousands and nowhere else
    found = re.fullmatch(rf"\s*({grouped}(?:\.\d+)?)\s*([a-z]*)\s*", text, re.ASCII | re.IGNORECASE)
    sizes = {name.upper(): size for name, size in units.items()}
    if not found or found[2].upper() not in sizes:
        raise refused
    return float(found[1].replace(",", "")) * sizes[found[2].upper()]


def unit_of_bytes(size: int) -> tuple[int, str]:
    """The largest unit that leaves a whole part, and its name: (1 << 30, "GiB")."""
    return next(((unit, name) for name, unit in reversed(BINARY_BYTES.items()) if size >= unit), (1, "bytes"))


def readable_bytes(size: int) -> str:
    """24.00 GiB, 512.0 MiB ...: four digits and the largest unit that leaves a whole part."""
    unit, name = unit_of_bytes(size)
    whole = size / unit
    return f"{size} bytes" if unit == 1 else f"{whole:,.{max(0, 3 - int(math.log10(whole)))}f} {name}"


def roughly(amount: float, unit: str = "") -> str:
    """Three digits and a prefix of thousands: 49.3 G, 1.49 GB, 961 T."""
    prefix, size = next(((name, size) for name, size in reversed(THOUSANDS.items()) if amount >= size), ("", 1))
    digits = 2 - int(math.log10(amount / size)) if amount >= 1 and prefix else 0
    return f"{amount / size:,.{max(0, digits)}f} {prefix}{unit}".rstrip()


def by(sides: Iterable[object]) -> str:
    """Sides as they are told and typed: 3x224x224."""
    return "x".join(map(str, sides))


Size = int | tuple[int, int]  # of a picture in pixels: the side of a square, or height and width


def sides(size: Size) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def size_of(value: object) -> Size:
    """224, "224", "224x320", (224, 320) and [224, 320]: of a square its side; a ValueError for anything else."""
    parts = list(value) if isinstance(value, list | tuple) else str(value).lower().split("x")
    if not 1 <= len(parts) <= 2 or not all(re.fullmatch(r"-?\d{1,9}", str(each).strip(), re.ASCII) for each in parts):
        raise ValueError(f"{repr(value)[:80]} is no size")
    height, width = int(parts[0]), int(parts[-1])
    return height if height == width else (height, width)


@final
class Sides(tuple[int, ...]):
    """The shape of one sample whose numbers are of a type of their own: `kind`, as int64."""

    kind: str

    def __new__(cls, sides: Iterable[int], kind: str) -> "Sides":
        made = super().__new__(cls, sides)
        made.kind = kind
        return made
