"""What several runs make together becomes a run folder: measured beside each of them, its test set opened once."""

import dataclasses
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from striate.base import durable, words
from striate.base.errors import RunError, UsageError
from striate.base.words import SUBSETS, many, often
from striate.data import splits
from striate.data.feed import Progress as Watched
from striate.data.samples import Indices, Samples
from striate.data.workers import Say
from striate.evaluate import rows
from striate.predictor import Predictor, Progress
from striate.runs import finished, openings, subsets
from striate.runs.kept import Kept, write_kept
from striate.runs.own import read_own
from striate.runs.run import Run, create, write_facts
from striate.tasks import registry
from striate.tasks.task import Task, refuse_others


@final
@dataclass(frozen=True)
class Asked:
    """Where the folder is made, whether its test set stays sealed, what was typed, and who is told."""

    root: Path
    keep_sealed: bool
    command: str
    say: Say
    progress: Progress


@final
class Common:
    """The pictures that all were trained on, read where they are needed."""

    def __init__(self, lead: Run) -> None:
        self._lead = lead

    @cached_property
    def samples(self) -> Samples:
        task = self._lead.task
        found = read_own(self._lead.folder, self._lead.facts, labelled=task.labelled, masked=task.masked)
        return subsets.read_split(self._lead.folder, self._lead.facts, found)[1]


@final
@dataclass(frozen=True)
class Joined:
    """What answers, made of `runs`; `lines` are those of split.csv.

    `kept` gives rows of a subset that need no look at a picture, or None. `write` puts the weights into the folder, and
    gives what run.json says of them and their digest; `weights` is where they lie there.
    """

    runs: tuple[Run, ...]
    predictor: Predictor
    common: Common
    lines: Sequence[subsets.Line]
    weights: str
    kept: Callable[[str, Indices], Kept | None]
    write: Callable[[Path], tuple[Mapping[str, Any], str]]

    @cached_property
    def places(self) -> Mapping[str, Indices]:
        """Of the samples of each subset."""
        return {name: subsets.places(self.lines, name) for name in SUBSETS}

    def answered(self, subset: str, progress: Watched) -> Kept:
        """From what is kept, or by looking at the pictures."""
        places, samples = self.places[subset], self.common
        if (known := self.kept(subset, places)) is not None:
            return known
        found = rows.rows_anew(self.predictor, samples.samples, places, progress=progress)
        return finished.kept_of(self.predictor, samples.samples, found, places, None)


def alone(run: Run, subset: str, places: Indices, common: Common, progress: Watched) -> Kept:
    """What a run answers of these pictures, kept or anew."""
    known = kept_of(run, subset, places)
    return known or Kept(rows.rows_anew(run.predictor, common.samples, places, progress=progress), places)


def kept_of(run: Run, subset: str, places: Indices) -> Kept | None:
    """What a run has kept of exactly these pictures."""
    try:
        kept = run.kept.get(subset)
    except RunError:  # damaged: as if there were none
        return None
    return kept if kept is not None and np.array_equal(kept.samples, places) else None


def lines_of(runs: Sequence[Run]) -> list[subsets.Line]:
    """split.csv of all together: a picture's subset where all agree, else it is of training.

    Refused: runs of other tasks or pictures, and those one of which was trained on what another has sealed.
    """
    if not runs:
        raise UsageError("runs", "none are given", "at least one")
    lead, hint = runs[0], "runs of the same pictures and split, or folds of it"
    for run in runs:
        if run.status != "done":
            raise RunError(run.folder, f"this training is {run.status}: its weights are not chosen", "resuming it")
    own = [run.lines for run in runs]
    refuse_others([run.task for run in runs])
    for run, found in zip(runs[1:], own[1:], strict=True):
        same = [(line.name, line.digest, line.label, line.group) for line in found]
        if same != [(line.name, line.digest, line.label, line.group) for line in own[0]]:
            raise RunError(run.folder, f"trained on other pictures, classes or groups than {lead.name}", hint)
        sealed = [{line.name for line in each if line.subset == "test"} for each in (own[0], found)]
        if sealed[0] != sealed[1]:
            one, other = (lead, run) if sealed[0] - sealed[1] else (run, lead)
            count = len(sealed[0] - sealed[1] or sealed[1] - sealed[0])
            cause = f"{other.name} was trained or chosen on {many(count, 'picture')} of {one.name}'s sealed test set"
            raise RunError(other.folder, cause, "runs with one --split-seed")
    return [
        dataclasses.replace(line, subset=line.subset if len({each.subset for each in same}) == 1 else "train")
        for line, *same in ((each[0], *each) for each in zip(*own, strict=True))
    ]


def written(joined: Joined, asked: Asked) -> Run:
    """The run folder, its files in an order that a kill cannot confuse: run.json, by which it is a run, comes last.

    The test set is opened once, unless what is kept gives the answer. A UsageError where nothing measures it.
    """
    own, test = [*joined.places["val"], *joined.places["held"]], joined.places["test"]
    sealed = asked.keep_sealed and len(test) > 0
    if not own and (sealed or not len(test)):
        cause = "these runs share no validation pictures, so that without a test set nothing measures them together"
        raise UsageError("keep_sealed", cause, "opening it" if sealed else "runs of one split")
    joined.predictor.try_out()
    folder = create(asked.root, joined.runs[0].facts["data"]["name"], "ensemble")
    try:
        return _filled(folder, joined, sealed, asked)
    finally:
        if not (folder / "run.json").exists() and not (folder / openings.NAME).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _filled(folder: Path, joined: Joined, sealed: bool, asked: Asked) -> Run:
    began, places, task = datetime.now(UTC), joined.places, joined.runs[0].task
    more, digest = joined.write(folder)
    facts = {**_facts(joined), **more, "began": began.strftime("%Y-%m-%dT%H:%M:%SZ"), "command": asked.command}
    _write_subsets(folder, joined)
    saved: dict[str, Kept] = {}
    told: dict[str, Any] = {"weights": joined.weights}
    for name in ("val", "held"):
        if len(places[name]):
            saved[name] = joined.answered(name, partial(asked.progress, f"answering {words.subset(name)} pictures"))
    if "val" in saved:
        task = task.settled(saved["val"].rows)
    if sealed:
        told["sealed"] = len(places["test"])
    elif len(places["test"]):
        told["openings"] = _opened(folder, joined, facts, digest, asked)
        saved["test"] = joined.answered("test", partial(asked.progress, "answering test pictures"))
    subset = next(name for name in ("test", "held", "val") if name in saved)
    baselines = _beside(joined, task, subset, saved[subset], asked)
    write_kept(folder, saved, digest)
    finished.write_predictions(folder, task, [line.name for line in joined.lines], saved[subset])
    groups = subsets.groups_of(joined.lines, places[subset])
    durable.write_json(folder / "result.json", finished.told(task, saved[subset].rows, subset, baselines, told, groups))
    seconds = round((datetime.now(UTC) - began).total_seconds(), 3)
    return write_facts(folder, {**facts, "status": "done", "task": registry.as_dict(task), "seconds": seconds})


def _beside(joined: Joined, task: Task, subset: str, found: Kept, asked: Asked) -> list[dict[str, Any]]:
    """What each run answers alone, and the gain over the one that validation chose."""
    watched, places = partial(asked.progress, "answering by each alone"), joined.places[subset]
    each = [(run.name, run.task, alone(run, subset, places, joined.common, watched).rows) for run in joined.runs]
    best, groups = best_of(joined.runs), subsets.groups_of(joined.lines, places)
    return finished.members_beside(task, found.rows, each, best and best.name, subset, groups)


def _facts(joined: Joined) -> dict[str, Any]:
    """run.json: the first member's, where it says how pictures are read, with the subsets of all together."""
    lead = joined.runs[0].facts
    shared = ("recipe", "classes", "preprocess", "augment", "measured", "data", "groups", "versions")
    facts = {key: lead[key] for key in shared if key in lead}
    split = lead["split"]
    if any(run.facts["split"] != split for run in joined.runs):
        samples, places = joined.common.samples, joined.places
        split = {
            name: split["test"] if name == "test" else {"n": len(own), "digest": splits.digest(samples, own)}
            for name, own in places.items()
            if len(own) or name != "held"
        }
        for name in places if "groups" in facts else ():
            groups = subsets.groups_of(joined.lines, places[name])
            facts["groups"] = {**facts["groups"], name: 0 if groups is None else len(np.unique(groups))}
        if "held" not in split:  # each was held out by another fold, or by none
            facts["recipe"] = {**facts["recipe"], "fold": None}
    networks = Counter(run.facts["network"]["name"] for run in joined.runs)
    named = " + ".join(f"{count} {name}" if count > 1 else name for name, count in networks.items())
    parameters = sum(run.facts["network"]["parameters"] for run in joined.runs)
    network = {**lead["network"], "name": named, "parameters": parameters}
    return {**facts, "id": secrets.token_hex(16), "network": network, "split": split, "earlier": []}


def _write_subsets(folder: Path, joined: Joined) -> None:
    """split.csv, and by content what split.csv does not tell: seen.csv and sealed.csv, where members have them."""
    subsets.write_lines(folder, joined.lines)
    seen = {digest: subset for run in joined.runs for digest, subset in subsets.seen(run.folder).items()}
    if seen:
        subsets.write_seen(folder, seen)
    if (sealed := joined.runs[0].folder / subsets.SEALED).exists():
        shutil.copyfile(sealed, folder / subsets.SEALED)


def _opened(folder: Path, joined: Joined, facts: Mapping[str, Any], digest: str, asked: Asked) -> int:
    """How often the test set has been opened, this once included where it has to be."""
    sealed = openings.sealed_set(facts)
    times = openings.taken_over(folder, sealed["digest"], [run.folder for run in joined.runs])
    if times and joined.kept("test", joined.places["test"]) is not None:
        asked.say(f"the test set is not opened again ({often(times)} until now): what each answered of it is kept")
        return times
    opening = openings.opening_of(folder, ("ensemble", digest), sealed, again=False)
    times, notes = openings.record_opening(folder, opening)
    for note in notes:
        asked.say(note)
    return times


def best_of(runs: Sequence[Run]) -> Run | None:
    """The one that did best on its own validation pictures, the first of equals; None where that is not known."""

    def score(run: Run) -> tuple[float, ...]:
        kept = run.kept.get("val")
        return (-np.inf,) if kept is None else run.task.score(run.task.summary(torch.from_numpy(kept.rows)))

    try:
        scores = [score(run) for run in runs]
    except RunError:
        return None
    return None if (-np.inf,) in scores else runs[scores.index(max(scores))]
