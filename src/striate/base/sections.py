"""What a page or a file shows, as values: tables, pictures and words, without any markup."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.base.tables import Table

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class NumberTable:
    """Numbers with their intervals, a row each: `rows` are (name, pictures, records as in result.json by kind)."""

    head: tuple[str, str]
    kinds: tuple[str, ...]
    rows: Sequence[tuple[str, int, Mapping[str, Any]]]


@dataclass(frozen=True)
class Matrix:
    """Counts (k, k): rows are `down`, columns `across`; what lies on the diagonal is right."""

    counts: npt.NDArray[np.int64]
    names: tuple[str, ...]
    down: str = "truth"
    across: str = "answer"


@dataclass(frozen=True)
class Seen:
    """One picture, uint8 (height, width, 1 or 3), or None with the cause where it has gone."""

    pixels: Pixels | None
    words: str = ""


@dataclass(frozen=True)
class Card:
    """One sample: its pictures side by side, lines of (what, value, share or None), and its name."""

    pictures: tuple[Seen, ...]
    lines: tuple[tuple[str, str, str], ...]
    name: str


@dataclass(frozen=True)
class Cards:
    cards: tuple[Card, ...]
    otherwise: str = "None to show."


@dataclass(frozen=True)
class Curve:
    """Shares against shares, in order, with one place of them stressed and named; along the diagonal is chance."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    across: str
    down: str
    at: tuple[float, float]
    name: str


@dataclass(frozen=True)
class Reliability:
    """For each part of the pictures its mean confidence, how many answers are right, and of how many; lines by name."""

    lines: Mapping[str, tuple[tuple[float, int, int], ...]]


Block = Table | NumberTable | Matrix | Cards | Curve | Reliability


@dataclass(frozen=True)
class Section:
    """A part of a page under one heading; `why` says in a sentence or two how to read it."""

    name: str
    title: str
    why: str
    blocks: tuple[Block, ...]
