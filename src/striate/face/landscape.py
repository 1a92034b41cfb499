"""The loss around a run's weights, with its figure."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from striate.base.errors import UsageError
from striate.data.load import Data
from striate.face.asked import call, kept_as, opened_run, written

if TYPE_CHECKING:
    from torch import nn

    from striate.inside.landscape import Landscape
    from striate.runs.run import Run

MOST_POINTS, MOST_PICTURES = 101, 100_000


def landscape(
    run: str | os.PathLike[str] | Run,
    *,
    of: Literal["plane", "gradient"] = "plane",
    points: int = 11,
    pictures: int = 200,
    data: Data | None = None,
    keep: bool | str = False,
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Landscape:
    """The loss around a run's weights, on so many of its training pictures; the run itself is left as it is.

    `of`: "plane", two directions of which each filter is as long as the network's (Li et al. 2018, section 4), `points`
    along each; or "gradient", `points` steps against it, at the start of the training, after the epochs whose weights
    were kept, and at the chosen weights (Santurkar et al. 2018, section 3.1). The loss is that of training, of pictures
    that are not augmented, with the network in evaluation mode. `data`: where the run's data lie now, or these, where
    they were in memory. `keep`: the figure, `svg` of what is given back, also in the run's folder, for its page.
    """
    if of not in ("plane", "gradient"):
        raise UsageError("of", f"{of!r} is none", "plane or gradient")
    if not 3 <= points <= MOST_POINTS or points % 2 == 0:
        raise UsageError("points", f"{points} have no middle, or are out of range", f"an odd number to {MOST_POINTS}")
    if not 1 <= pictures <= MOST_PICTURES:
        raise UsageError("pictures", f"{pictures} is out of range", f"a number from 1 to {MOST_PICTURES:,}")
    from striate.report import landscape as figures
    from striate.runs import landscape as around
    from striate.runs import shown

    opened = opened_run(run)
    found = around.landscape(opened, of, points, pictures, _start(opened), data, device, progress)
    found = dataclasses.replace(found, svg=figures.drawn(found))
    command = kept_as(keep, call("landscape", [written(run)], {"of": of, "points": points, "pictures": pictures}))
    if command is None:
        return found
    inside = shown.Inside(figures.TITLES[found.of], command, (shown.Picture(found.svg, figures.caption(found)),))
    return dataclasses.replace(found, notes=(*found.notes, shown.kept(opened.folder, "landscape", inside)))


def _start(run: Run) -> Callable[[], nn.Module] | None:
    """The network as the run's training began, which its seed alone decides; None where that was with trained ones."""
    from striate.training.initial import Beginning
    from striate.training.recipe import recipe_of

    if run.recipe["weights"] is not None or run.several:
        return None
    recipe = recipe_of(**run.recipe)
    beginning = Beginning(recipe, run.facts["network"], run.task, run.preprocess, None, None)
    return lambda: beginning.network(lambda told: None)[0]
