"""Masks to look at: colours of classes, outlines on a picture, errors."""

import colorsys

import numpy as np
from scipy import ndimage

from striate.data.picture.laid import Array, Pixels

# Okabe and Ito 2008: told apart by people who see colours differently. The first class is black.
OKABE_ITO = (
    (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167),
)  # fmt: skip
MISSED, INVENTED, CONFUSED = OKABE_ITO[2], OKABE_ITO[1], OKABE_ITO[7]
# The id of uncounted pixels in what is shown.
NONE = 255
# Of a larger picture borders are drawn wider.
SIDE = 400


def colours(count: int) -> Pixels:
    """(count, 3): those of Okabe and Ito, and beyond them hues as far apart as they go."""
    more = [
        tuple(round(255 * part) for part in colorsys.hsv_to_rgb(place * 0.618034 % 1, 0.6, 0.6 + 0.4 * (place % 2)))
        for place in range(len(OKABE_ITO), count)
    ]
    return np.array([*OKABE_ITO, *more][:count], dtype=np.uint8)


def outlined(picture: Pixels, ids: Array, classes: int) -> Pixels:
    """A picture (h, w, channels) with the inner border of each region of a class above 0 in the class's colour."""
    shown = _coloured(picture)
    width = 1 + max(ids.shape) // SIDE
    size = 2 * width + 1
    border = (ndimage.maximum_filter(ids, size) != ndimage.minimum_filter(ids, size)) & (ids > 0) & (ids < classes)
    shown[border] = colours(max(classes, 2))[ids[border]]
    return shown


def covered(picture: Pixels, ids: Array, classes: int) -> Pixels:
    """A picture half covered by the colours of its classes above 0, whose borders are drawn."""
    shown, halves = _coloured(picture), colours(max(classes, 2)) // 2
    for row, own in zip(shown, ids, strict=True):
        row[own > 0] = row[own > 0] // 2 + halves[own[own > 0]]
    return outlined(shown, ids, classes)


def errors(picture: Pixels, truth: Array, answer: Array) -> Pixels:
    """The picture dimmed, and in colour what was missed, what was invented and what is of another class."""
    shown = _coloured(picture) // 2
    counted = (truth != NONE) & (truth != answer)
    for colour, where in (
        (MISSED, counted & (answer == 0)),
        (INVENTED, counted & (truth == 0)),
        (CONFUSED, counted & (truth > 0) & (answer > 0)),
    ):
        shown[where] = colour
    return shown


def _coloured(picture: Pixels) -> Pixels:
    """A copy in three channels."""
    return picture.copy() if picture.shape[2] == 3 else np.repeat(picture[:, :, :1], 3, 2)
