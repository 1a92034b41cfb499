"""The page of pictures that were explained: each beside what every method shows of it."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from striate.base.outputs import Output
from striate.inside.explained import Explained
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


def output(path: Path, force: bool) -> Output:
    """Where the page is to be written."""
    return page.output(path, force)


def render(found: Sequence[Explained], title: str) -> str:
    """The page as text: of each picture what the network saw, and what each method shows."""
    pictures = [(name, list(each)) for name, each in groupby(found, lambda one: one.file)]
    notes = list(dict.fromkeys(note for each in found for note in each.notes))
    return page.filled("explained.html.j2", title=title, pictures=pictures, notes=notes, told=TOLD, longest=LONGEST)
