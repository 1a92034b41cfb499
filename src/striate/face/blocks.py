"""Residual blocks of a run, and squeeze-excitation's gates."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from striate.base.errors import UsageError
from striate.data.load import Data
from striate.face.asked import call, kept_as, opened_run, written

if TYPE_CHECKING:
    from striate.runs.blocks import Blocks, Gates, Part
    from striate.runs.run import Run

Subset = Literal["validation", "train"]
Progress = Callable[[int, int], None]


def _nobody(done: int, total: int) -> None:
    """Told of progress, where nobody is."""


def blocks(
    run: str | os.PathLike[str] | Run,
    *,
    subset: Subset = "validation",
    pictures: int = 500,
    data: Data | None = None,
    keep: bool | str = False,
    workers: int | None = None,
    device: str = "cpu",
    progress: Progress = _nobody,
) -> Blocks:
    """What each residual block of a run's network adds to what passes it by, and what is lost without the block.

    The norm of F(x) beside that of x, and the measure of the task with each F(x) set to 0 alone (Veit et al. 2016,
    section 4.1), paired with the whole network on at most so many `pictures` of the run's own; never of its test set.
    `data`: where these lie now. `keep`: the figure also in the run's folder, for its page. A UsageError for a network
    whose blocks are not known.
    """
    from striate.report.blocks import blocks as drawn
    from striate.runs import blocks as asked

    found: Blocks = _asked(asked.blocks, run, subset, pictures, data, workers, device, progress)
    title = "What each residual block adds, and what is lost without it"
    notes = _kept(run, "blocks", found.table().notes, lambda: drawn(found), title, keep, subset, pictures)
    return dataclasses.replace(found, notes=(*found.notes, *notes))


def gates(
    run: str | os.PathLike[str] | Run,
    *,
    subset: Subset = "validation",
    pictures: int = 500,
    data: Data | None = None,
    keep: bool | str = False,
    workers: int | None = None,
    device: str = "cpu",
    progress: Progress = _nobody,
) -> Gates:
    """What each squeeze-excitation of a run's network lets through: its gates by class (Hu et al. 2018, section 7.2).

    Of at most so many `pictures`; the rest as for `blocks`.
    """
    from striate.report.blocks import gates as drawn
    from striate.runs import blocks as asked

    found: Gates = _asked(asked.gates, run, subset, pictures, data, workers, device, progress)
    title = "What squeeze-excitation lets through of each class"
    notes = _kept(run, "gates", found.table().notes, lambda: drawn(found), title, keep, subset, pictures)
    return dataclasses.replace(found, notes=(*found.notes, *notes))


def _asked(
    ask: Callable[..., Any], run: Any, subset: str, pictures: int, data: Data | None, workers: int | None, device: str,
    progress: Progress,
) -> Any:  # fmt: skip
    from striate.base import devices

    parts: dict[str, Part] = {"validation": "val", "train": "train"}
    if subset not in parts:
        cause = f"{subset!r} is none that is asked" + ": the test set decides nothing" * (subset == "test")
        raise UsageError("subset", cause, "validation or train")
    opened = opened_run(run)
    predictor = opened.predictor.on(devices.named(device))
    of = opened.folder, opened.facts
    return ask(predictor, of, parts[subset], pictures, data, workers, progress)


def _kept(
    run: Any, verb: str, told: Sequence[str], drawn: Callable[[], str], title: str, keep: bool | str, subset: str,
    pictures: int,
) -> list[str]:  # fmt: skip
    """What became of the figure, where it is to be kept."""
    from striate.runs import shown

    command = kept_as(keep, call(verb, [written(run)], {"subset": subset, "pictures": pictures}))
    if command is None:
        return []
    inside = shown.Inside(title, command, (shown.Picture(drawn(), "; ".join(told)),))
    return [shown.kept(opened_run(run).folder, verb, inside)]
