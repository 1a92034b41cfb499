"""How large pictures are and how they look, and which of them are far from all others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from striate.data.picture.sketch import Sketches, chromas, grains, lumas

# Of unusual pictures so many are told, and how many times the usual deviation makes one.
MOST, ODD = 20, 6.0
# Deviations that a median absolute deviation stands for (Rousseeuw and Croux 1993, section 1).
_MAD = 1.4826
Values = npt.NDArray[np.float64]


@final
@dataclass(frozen=True)
class Unusual:
    """A picture that is far from the others in one regard: its value, and what the middle 90 % of them have."""

    place: int
    what: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.what} {self.value:.4g}, usually {self.low:.4g} to {self.high:.4g}"


@final
@dataclass(frozen=True)
class Spread:
    """Of a number of each picture the least, the quartiles and the greatest."""

    what: str
    values: tuple[float, ...]


def measured(sizes: npt.NDArray[Any], sketches: Sketches) -> Mapping[str, Values]:
    """What is measured of each picture, by name, each (n,); `sizes` (n, 2) are height and width."""
    height, width = sizes.astype(np.float64).reshape(-1, 2).T
    grey = lumas(sketches).astype(np.float32)
    return {
        "height": height,
        "width": width,
        "width / height": width / height,
        "brightness": grey.mean((1, 2)).astype(np.float64),
        "contrast": grey.std((1, 2)).astype(np.float64),
        "grain": grains(sketches).astype(np.float64),
        "colour": np.sqrt((chromas(sketches) ** 2).mean(1)).astype(np.float64),
    }


def spreads(numbers: Mapping[str, Values], places: npt.NDArray[np.int64]) -> tuple[Spread, ...]:
    """Of the pictures at these places."""
    if not len(places):
        return ()
    quantiles = (0, 0.25, 0.5, 0.75, 1)
    return tuple(Spread(what, tuple(np.quantile(of[places], quantiles).tolist())) for what, of in numbers.items())


# By what a picture may be unusual: of its numbers, on which scale, and the least deviation that is one.
_REGARDS = {
    "height": (np.log2, 0.25), "width": (np.log2, 0.25), "width / height": (np.log2, 0.15),
    "brightness": (np.positive, 6.0), "contrast": (np.positive, 4.0), "grain": (np.log1p, 0.15),
    "colour": (np.positive, 4.0),
}  # fmt: skip


def unusual(numbers: Mapping[str, Values], places: npt.NDArray[np.int64]) -> tuple[Unusual, ...]:
    """Those of these places that are farthest from their median, each in its worst regard."""
    if not len(places):
        return ()
    far = []
    for what, (scale, least) in _REGARDS.items():
        values = scale(numbers[what][places])
        away = np.abs(values - np.median(values))
        far.append(away / max(_MAD * float(np.median(away)), least))
    worst = np.stack(far)
    order = np.argsort(-worst.max(0), kind="stable")[:MOST]
    found = []
    for place in order[worst.max(0)[order] > ODD].tolist():
        what = list(_REGARDS)[int(worst[:, place].argmax())]
        low, high = np.quantile(numbers[what][places], (0.05, 0.95))
        found.append(Unusual(int(places[place]), what, float(numbers[what][places[place]]), float(low), float(high)))
    return tuple(found)


def mean_colour(sketches: Sketches) -> tuple[float, float, float]:
    """The mean red, green and blue of pictures, each counting once (ITU-R BT.601)."""
    if not len(sketches):
        return 0.0, 0.0, 0.0
    luma, (blue, red) = float(lumas(sketches).mean()), chromas(sketches).mean(0).reshape(2, -1).mean(1).tolist()
    return luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue
