"""What kind of quantity a measure is; its interval follows from the kind.

Every measure goes by the rows of the pictures, in their order: so the same measure has an interval where pictures are
independent, and where only groups of them are.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Hits:
    """The share of pictures that were answered rightly, by picture; `of` are their places where not all are asked."""

    name: str
    right: Truths
    of: Places | None = None


@dataclass(frozen=True, eq=False)
class Dice:
    """2J / (1 + J) of the share J of the pictures at `of` that are `right`: F1, where these are or are called the
    class."""

    name: str
    right: Truths
    of: Places | None = None


@dataclass(frozen=True, eq=False)
class Recalls:
    """The mean over classes of the share of their pictures that are right: `classes` int64 (n,) is the true one."""

    name: str
    right: Truths
    classes: Places


@dataclass(frozen=True)
class Mean:
    """The mean of one value per picture; NaN where a picture has none. `skewed`: few values may be very large."""

    name: str
    values: tuple[float, ...]
    skewed: bool = False


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
    positive: Truths


@dataclass(frozen=True, eq=False)
class Calibration:
    """How far `confidence`, the probability that an answer was given, (n,), lies from the share that is `right`."""

    name: str
    confidence: Values
    right: Truths

    def parts(self, count: int) -> list[Places]:
        """The places of the pictures in so many parts of equally many, the least sure first."""
        return np.array_split(np.argsort(self.confidence, kind="stable"), count)


Measure = Hits | Dice | Recalls | Mean | Statistic | AUC | Calibration
