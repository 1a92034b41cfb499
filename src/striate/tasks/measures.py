"""What kind of quantity a measure is; its interval follows from the kind."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Proportion:
    """`hits` of `n` pictures."""

    name: str
    hits: int
    n: int


@dataclass(frozen=True)
class Dice:
    """2J / (1 + J) of the proportion J = hits / n: F1, where n counts the pictures that are or are called the class."""

    name: str
    hits: int
    n: int


@dataclass(frozen=True)
class Mean:
    """The mean of one value per picture."""

    name: str
    values: tuple[float, ...]


Measure = Proportion | Dice | Mean
