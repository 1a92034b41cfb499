"""The page of pictures that were explained: each beside what every method shows of it."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from striate.evaluate.intervals import FEWEST, differing
from striate.inside.box import Box
from striate.inside.explained import METHODS, Explained
from striate.report import page

# Of a picture's longer side.
LONGEST = 512
# What each method shows, in a sentence.
TOLD = {
    "deconvnet": "What one feature map answers to, projected back to the picture (Zeiler and Fergus 2014).",
    "cam": "Maps before the last layer, weighed for the class (Zhou et al. 2016).",
    "grad-cam": "Maps of a layer, weighed by the mean gradient of the score (Selvaraju et al. 2017).",
    "guided": "The gradient where it is positive at every ReLU (Springenberg et al. 2015).",
    "integrated": "Gradients on the way from the mean colour to the picture (Sundararajan et al. 2017).",
    "smooth": "The mean gradient of noisy copies (Smilkov et al. 2017).",
    "occlusion": "How much the score falls where a window hides the picture (Zeiler and Fergus 2014).",
}


def render(found: Sequence[Explained], title: str) -> str:
    """The page as text: of each picture what the network saw, and what each method shows."""
    pictures = [(name, list(each)) for name, each in groupby(found, lambda one: one.file)]
    notes = list(dict.fromkeys(note for each in found for note in each.notes))
    return page.filled(
        "explained.html.j2", title=title, pictures=pictures, notes=notes, told=TOLD, longest=LONGEST, corners=corners,
        gains=[each["told"] for each in advantages(found)],
    )  # fmt: skip


def corners(box: Box | None) -> str:
    """A box in whole pixels, for a reader."""
    return "none" if box is None else "left {:.0f}, top {:.0f}, right {:.0f}, bottom {:.0f}".format(*box)


def advantages(found: Sequence[Explained]) -> list[dict[str, Any]]:
    """Of each method over its checked pictures: by how much its gap of insertion and deletion is above that of
    unrelated maps, with an interval at 95 %, which needs six pictures or more."""
    told = []
    for method in METHODS:
        checks = [each.checks.faithful for each in found if each.method == method and each.checks is not None]
        gains = np.array([each.gap - each.unrelated[0] for each in checks if each is not None])
        if (n := len(gains)) < FEWEST:
            continue
        value, low, high = differing(np.stack([gains, np.ones(n)], 1), lambda sums: sums[:, 0] / sums[:, 1])
        verdict = "beats random" if low > 0 else "is worse than random" if high < 0 else "is not told apart from random"
        told.append({
            "method": method, "n": n, "value": value, "low": low, "high": high,
            "told": f"{method} over {n} pictures {verdict}: its gap is {value:+.3f} above that of unrelated maps "
            f"({low:+.3f} to {high:+.3f} at 95 %)",
        })  # fmt: skip
    return told
