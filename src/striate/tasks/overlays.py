"""Masks to look at: colours of classes, outlines on a picture, errors; the page's part that shows them."""

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from striate.base import words
from striate.base.sections import Card, Cards, Matrix, NumberTable, Section, Seen
from striate.data.picture.laid import Array, Pixels
from striate.tasks.task import Shown

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
    shown = _dimmed(picture, 1.0)
    width = 1 + max(ids.shape) // SIDE
    size = 2 * width + 1
    border = (ndimage.maximum_filter(ids, size) != ndimage.minimum_filter(ids, size)) & (ids > 0) & (ids < classes)
    shown[border] = colours(max(classes, 2))[ids[border]]
    return shown


def covered(picture: Pixels, ids: Array, classes: int) -> Pixels:
    """A picture half covered by the colours of its classes above 0, whose borders are drawn."""
    shown, inside = _dimmed(picture, 1.0), ids > 0
    shown[inside] = (shown[inside].astype(np.uint16) + colours(max(classes, 2))[ids[inside]]) // 2
    return outlined(shown, ids, classes)


def errors(picture: Pixels, truth: Array, answer: Array) -> Pixels:
    """The picture dimmed, and in colour what was missed, what was invented and what is of another class."""
    shown = _dimmed(picture, 0.5)
    counted = (truth != NONE) & (truth != answer)
    for colour, where in (
        (MISSED, counted & (answer == 0)),
        (INVENTED, counted & (truth == 0)),
        (CONFUSED, counted & (truth > 0) & (answer > 0)),
    ):
        shown[where] = colour
    return shown


def _dimmed(picture: Pixels, share: float) -> Pixels:
    """In three channels, each value times `share`."""
    channels = picture if picture.shape[2] == 3 else np.repeat(picture[:, :, :1], 3, 2)
    return np.asarray(np.rint(channels * share), dtype=np.uint8)


def sections(
    classes: tuple[str, ...],
    places: Sequence[int],
    lines: Mapping[int, tuple[tuple[str, str, str], ...]],
    result: Mapping[str, Any],
    shown: Shown,
) -> list[Section]:
    """The worst pictures, the numbers of each class, and which classes are taken for which."""
    told = f"the {result['n']:,} {words.subset(result['subset'])} pictures"
    found = [
        Section(
            "worst", "Worst pictures",
            f"Of {told}, those of the lowest IoU: outlines of the true classes, of the answer, and the errors. In the "
            "last, blue was missed, orange is answered where nothing is, and purple is of another class.",
            (Cards(tuple(_card(place, lines[place], classes, shown) for place in places)),),
        ),
        Section(
            "classes", "Classes",
            "Of all counted pixels together: IoU is what truth and answer share of their union, Dice of their mean "
            "size; precision is the share of the answered pixels that is right, recall that of the true pixels that "
            f"was found. Intervals are those of drawing {told} anew.",
            (NumberTable(
                ("class", "pixels"), ("iou", "dice", "precision", "recall"),
                [(row["class"], row["pixels"], row) for row in result["classes"]],
            ),),
        ),
    ]  # fmt: skip
    if "confusion" in result:
        why = f"Pixels of {told}: rows are the truth, columns the answer. Blue is right, orange is wrong."
        matrix = Matrix(np.array(result["confusion"], dtype=np.int64), classes)
        found.append(Section("confusion", "Confusion", why, (matrix,)))
    return found


def _card(place: int, lines: tuple[tuple[str, str, str], ...], classes: tuple[str, ...], shown: Shown) -> Card:
    kept = shown.of(place)
    if not kept:
        return Card((Seen(None, "it was not kept"),), lines, shown.name(place))
    picture, truth, answer = kept["given"], kept["truth"], kept["answer"]
    seen = (
        Seen(outlined(picture, truth, len(classes)), "truth"),
        Seen(outlined(picture, answer, len(classes)), "answer"),
        Seen(errors(picture, truth, answer), "errors"),
    )
    return Card(seen, lines, shown.name(place))
