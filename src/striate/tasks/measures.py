"""What kind of quantity a measure is; its interval follows from the kind."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Proportion:
    """`hits` of `n` pictures."""

    name: str
    hits: int
    n: int


@dataclass(frozen=True, eq=False)
class Hits:
    """The share of pictures that were answered rightly, by picture."""

    name: str
    right: npt.NDArray[np.bool_]


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


@dataclass(frozen=True, eq=False)
class Statistic:
    """A share of all pictures together, such as the IoU over a data set: `rows` (n, k) hold sums and counts of each.

    `of` goes by sums of the columns alone: of each row of them, (m, k), a value, (m,), NaN where it is undefined.
    """

    name: str
    rows: Values
    of: Callable[[Values], Values]


@dataclass(frozen=True, eq=False)
class AUC:
    """How often a positive picture scores above a negative one, ties counting half: the area under the ROC curve."""

    name: str
    scores: Values
    positive: npt.NDArray[np.bool_]


Measure = Proportion | Hits | Dice | Mean | Statistic | AUC
