"""What a page says of a segmentation: its worst pictures, its classes, and which of them are taken for which."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from striate.base import words
from striate.base.sections import Card, Cards, Matrix, NumberTable, Section, Seen
from striate.data.picture.overlays import errors, outlined
from striate.tasks.task import Shown


def sections(
    classes: tuple[str, ...],
    places: Sequence[int],
    lines: Mapping[int, tuple[tuple[str, str, str], ...]],
    result: Mapping[str, Any],
    shown: Shown,
) -> list[Section]:
    """The worst pictures, the numbers of each class, and which classes are taken for which."""
    told = "the " + words.many(result["n"], f"{words.subset(result['subset'])} picture")
    found = [
        Section(
            "worst", "Worst pictures",
            f"Of {told}, those of the lowest IoU: outlines of the true classes, of the answer, and the errors. In the "
            "last, blue was missed, orange is answered where nothing is, and purple is of another class.",
            (Cards(tuple(_card(place, lines[place], classes, shown) for place in places)),),
        ),
        Section(
            "classes", "Classes",
            "Of all counted pixels together: IoU is what truth and answer share of their union; precision is the share "
            "of the answered pixels that is right, recall that of the true pixels that was found. Intervals are those "
            f"of drawing {told} anew.",
            (NumberTable(
                ("class", "pixels"), ("iou", "precision", "recall"),
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
