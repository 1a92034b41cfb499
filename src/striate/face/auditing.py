"""Pictures are looked through before training, or those of a run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.base.errors import DataError, UsageError, near
from striate.base.paths import path_of
from striate.base.screen import Screen
from striate.data.asked import AUDITED
from striate.data.load import Data, have_masks, read_samples
from striate.data.sources.builtin import built_in
from striate.face.asked import in_memory, opened_run
from striate.face.finished import out_of_fold
from striate.training.execution import Listener, Silent
from striate.training.recipe import recipe_of

if TYPE_CHECKING:
    from striate.data.audit import Audit
    from striate.data.samples import Samples
    from striate.runs.run import Run


def audit(
    data: Data, *, page: str | os.PathLike[str] | None = None, force: bool = False, quiet: bool = False, **reading: Any
) -> Audit:
    """Look pictures through before training: broken files, copies and near-duplicates, leaks, conflicts, balance.

    `data` as of `train`, with labels, masks or neither; or a run folder, whose own split is looked through; or a folder
    of runs that are all folds of these data, by which labels are doubted. `page`:
    write what was found there, with small pictures; an older page is replaced, another file with `force` alone. What
    lies in a test subset is compared and counted, and never shown. `reading` are fields of `Recipe`: layout,
    max_pixels, follow_links, merge_classes, mask_map, ignore, masks, channels and depth. What is found is no error.
    """
    path = None if page is None else path_of(page)
    if quiet:
        return looked_through(data, path, force, Silent(), reading)
    with Screen(quiet=True) as screen:
        return looked_through(data, path, force, screen, reading)


def looked_through(data: Data, page: Path | None, force: bool, listener: Listener, reading: Mapping[str, Any]) -> Audit:
    """As `audit`, with who is told."""
    from striate.data import audit

    if wrong := [name for name in reading if name not in AUDITED]:
        hint = near(wrong[0], AUDITED, "", "{}, or ") + f"one of {', '.join(AUDITED)}"
        raise UsageError(wrong[0], "an audit does not take it", hint)
    if not in_memory(data):
        recipe_of(data=data, **reading)  # what no training takes is refused in the same words
    if page is not None:
        from striate.report import audited

        output = audited.output(page, None if in_memory(data) else Path(str(data)), force)
        output.check()
    folds = _folds_in(data)
    where: Data = folds[0].folder if folds else data
    samples = _to_audit(where, reading, lambda done, total: listener.progress("pictures", done, total))
    doubted = None
    if folds:
        kept = tuple(each if each == "test" else "held" for each in samples.subsets or ())
        samples = dataclasses.replace(samples, name=path_of(str(data)).name, subsets=kept)
        doubted = out_of_fold(*folds).suspects
    found = dataclasses.replace(audit.audit(samples, listener.progress), suspects=doubted)
    if page is not None:
        output.write(audited.render(found, samples, reading).encode())
    return found


def _to_audit(data: Data, reading: Mapping[str, Any], progress: Callable[[int, int], None]) -> Samples:
    """All that can be read, with labels or masks where there are any; of a run folder with the subsets of its split."""
    if not in_memory(data) and (folder := path_of(str(data))).joinpath("run.json").is_file():
        if reading:
            raise UsageError(next(iter(reading)), "a run's own pictures are read as in training", "leaving it out")
        return _of_run(folder, progress)
    begun = False

    def watched(done: int, total: int) -> None:
        nonlocal begun
        begun = True
        progress(done, total)

    everything = {**reading, "max_bad": 1.0, "allow_leak": True, "sketched": True, "progress": watched}
    if not isinstance(data, str | os.PathLike):
        pair = isinstance(data, tuple) and len(data) == 2
        masked = pair and len(data[1]) > 0 and np.ndim(data[1][0]) > 1
        return read_samples(data, labelled=pair, masked=masked, learnable=False, **everything)
    masked = have_masks(data) or (built_in(data) and str(data) != "digits")
    try:
        return read_samples(data, masked=masked, learnable=False, **everything)
    except DataError as error:
        if begun or masked:
            raise
        try:  # pictures alone
            samples = read_samples(data, labelled=False, **everything)
        except DataError:
            raise error from None
        return dataclasses.replace(samples, notes=(*samples.notes, f"taken without labels: {error.cause}"))


def _folds_in(data: Data) -> list[Run]:
    """The runs that hold a fold out in a folder of runs, as a study's is; else none."""
    from striate.runs.listed import folders

    root = None if in_memory(data) or not isinstance(data, str | os.PathLike) else path_of(data)
    inside = [] if root is None or not root.is_dir() or (root / "run.json").exists() else folders(root)
    runs = [opened_run(folder) for folder in inside if (folder / "run.json").exists()]  # beside studies and choices
    return [run for run in runs if run.recipe.get("fold") is not None]


def _of_run(folder: Path, progress: Callable[[int, int], None]) -> Samples:
    from striate.runs.own import read_own
    from striate.runs.run import open_run
    from striate.runs.subsets import read_split

    run = open_run(folder)
    task = run.task
    samples = read_own(run.folder, run.facts, labelled=task.labelled, masked=task.masked, progress=progress)
    split, samples = read_split(run.folder, run.facts, samples)
    subset_of = split.subset_of()
    subsets = tuple(subset_of[index] for index in range(len(samples)))
    return dataclasses.replace(samples, name=run.name, subsets=subsets)
