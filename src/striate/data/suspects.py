"""Labels that are doubted: a network that never learned a picture is surer of another class than its pictures need.

Confident learning: Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels",
section 3.1. A class is likely where its probability is at least what pictures under its label have on average: a class
of which a network is seldom sure needs less, and one that is often answered needs more.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt


@final
@dataclass(frozen=True)
class Suspect:
    """A picture whose label is doubted: the probability of the class that it is `given`, and of a `likely` one."""

    place: int
    given: str
    given_probability: float
    likely: str
    likely_probability: float

    def __str__(self) -> str:
        shares = f"{100 * self.likely_probability:.1f} % to {100 * self.given_probability:.1f} %"
        return f"given {self.given}, more like {self.likely} ({shares})"


def suspects(
    probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], classes: tuple[str, ...]
) -> tuple[Suspect, ...]:
    """Rows (n, classes) whose likeliest class, of those that reach their threshold, is not the label (n,).

    The most doubted come first: those whose own class has the least probability.
    """
    own = probabilities[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=len(classes))
    sums = np.bincount(labels, own, minlength=len(classes))
    least = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)  # without pictures no class is likely
    confident = np.where(probabilities >= least, probabilities, -1.0)
    likely = confident.argmax(1)
    doubted = np.flatnonzero((confident.max(1) >= 0) & (likely != labels))
    return tuple(
        Suspect(place, classes[labels[place]], float(own[place]), classes[likely[place]],
                float(probabilities[place, likely[place]]))
        for place in doubted[np.argsort(own[doubted], kind="stable")].tolist()
    )  # fmt: skip
