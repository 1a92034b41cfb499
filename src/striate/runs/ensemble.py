"""Several runs that answer as one: weighed on validation alone, copied into a run folder of their own, and measured.

As the winners of ILSVRC did: Krizhevsky et al. 2012, section 6; Simonyan and Zisserman 2014, section 4.4.
"""

import dataclasses
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch

from striate.base import durable
from striate.base.errors import RunError, UsageError, printable
from striate.base.words import SUBSETS, fitting, many, often
from striate.data import splits
from striate.data.feed import Progress as Watched
from striate.data.samples import Indices, Samples
from striate.data.workers import Say
from striate.evaluate import rows
from striate.predictor import Predictor, Progress, together
from striate.runs import checkpoint, finished, openings, subsets
from striate.runs.kept import Kept, digest_of, write_kept
from striate.runs.own import read_own
from striate.runs.run import MEMBERS, Run, create, write_facts
from striate.tasks import registry
from striate.tasks.task import Task

Weigh = Literal["equal", "validation"]
MOST_OF_NAME = 150  # bytes of the data's name in the folder's


@final
@dataclass(frozen=True)
class Asked:
    """How an ensemble is made: where, who is told, and whether its test set stays sealed."""

    root: Path
    weigh: Weigh
    keep_sealed: bool
    command: str
    say: Say
    progress: Progress


def ensemble(runs: Sequence[Run], asked: Asked) -> Run:
    """Write the run folder of `runs` together; members with no weight are left out of it.

    A UsageError where they answer different questions, a RunError where their pictures do not go together. The test set
    is opened once for all of them, unless what each has kept of it gives the answer.
    """
    lines, common = _lines(runs), _Common(runs)
    places = {name: subsets.places(lines, name) for name in SUBSETS}
    kept_sealed = asked.keep_sealed and len(places["test"]) > 0
    if not len(places["val"]) and (kept_sealed or not len(places["test"])):
        cause = "these runs share no validation pictures, so that without a test set nothing measures them together"
        raise UsageError("keep_sealed", cause, "opening it" if kept_sealed else "runs of one split")
    for run in runs:
        for warning in run.warnings:
            asked.say(f"{run.name}: {warning}")
    weights = _weights(runs, lines, places["val"], common, asked)
    used = [(run, weight) for run, weight in zip(runs, weights, strict=True) if weight]
    for run, _ in (each for each in zip(runs, weights, strict=True) if not each[1]):
        asked.say(f"{run.name} has no weight on validation, and is left out")
    whole = _Whole(tuple(run for run, _ in used), tuple(weight for _, weight in used), common)
    whole.predictor.try_out()
    folder = create(
        asked.root, f"{fitting(re.sub('[:/@]', '-', runs[0].facts['data']['name']), MOST_OF_NAME)}-ensemble"
    )
    try:
        return _written(folder, whole, lines, places, asked)
    finally:
        if not (folder / "run.json").exists() and not (folder / openings.NAME).exists():
            shutil.rmtree(folder, ignore_errors=True)


@final
class _Common:
    """The pictures that all were trained on, read where they are needed."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._lead = runs[0]

    @cached_property
    def samples(self) -> Samples:
        task = self._lead.task
        found = read_own(self._lead.folder, self._lead.facts, labelled=task.labelled, masked=task.masked)
        return subsets.read_split(self._lead.folder, self._lead.facts, found)[1]


@final
@dataclass(frozen=True, eq=False)
class _Whole:
    """Who answers together, their shares, and what they answered."""

    runs: tuple[Run, ...]
    weights: tuple[float, ...]
    common: _Common

    @cached_property
    def predictor(self) -> Predictor:
        return together([run.predictor for run in self.runs], self.weights)

    def kept(self, subset: str, places: Indices) -> Kept | None:
        """From what each has kept, without a look at a picture; None where that does not tell."""
        own = [kept_of(run, subset, places) for run in self.runs]
        found = [each for each in own if each is not None]
        if len(found) < len(own) or len(own) == 1:
            return own[0] if len(own) == 1 else None
        if any(run.several for run in self.runs):  # what it has settled for itself is not its members'
            return None
        tasks = [run.task for run in self.runs]
        joined = tasks[0].joined_rows([each.rows for each in found], self.weights, tasks)
        return None if joined is None else Kept(joined, places)

    def answered(self, places: Indices, progress: Watched) -> Kept:
        """By the networks, looking at the pictures."""
        samples = self.common.samples
        found = rows.rows_anew(self.predictor, samples, places, progress=progress)
        return finished.kept_of(self.predictor, samples, found, places, None)

    def each(self, subset: str, places: Indices, progress: Watched) -> list[Kept]:
        """What each answers alone."""
        return [
            kept_of(run, subset, places)
            or Kept(rows.rows_anew(run.predictor, self.common.samples, places, progress=progress), places)
            for run in self.runs
        ]


def kept_of(run: Run, subset: str, places: Indices) -> Kept | None:
    """What a run has kept of exactly these pictures."""
    try:
        kept = run.kept.get(subset)
    except RunError:  # damaged: as if there were none
        return None
    return kept if kept is not None and np.array_equal(kept.samples, places) else None


def _lines(runs: Sequence[Run]) -> list[subsets.Line]:
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
    together([run.predictor for run in runs])  # refuses different questions
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


def _weights(
    runs: Sequence[Run], lines: Sequence[subsets.Line], val: Indices, common: _Common, asked: Asked
) -> list[float]:
    """Of each run; fitted on validation pictures that no run was trained on, or a UsageError."""
    equal = [1 / len(runs)] * len(runs)
    if asked.weigh == "equal":
        return equal
    shared = {lines[place].digest for place in val}
    for run in runs:
        learned = {digest for digest, subset in subsets.seen(run.folder).items() if subset == "train"}
        if not len(val) or run.facts["split"]["val"]["n"] != len(val) or learned & shared:
            cause = f"validation pictures of some were learned by others, as by {run.name} or the run it started from"
            raise UsageError("weigh", cause, "equal weights")
    watched = partial(asked.progress, "answering validation pictures")
    found = [each.rows for each in _Whole(tuple(runs), tuple(equal), common).each("val", val, watched)]
    fitted = runs[0].task.fitted(found, [run.task for run in runs])
    if fitted is None:
        cause = f"weights are fitted to probabilities of classes, and the task is to {runs[0].task.name}"
        raise UsageError("weigh", cause, "equal weights")
    return list(fitted)


def _written(
    folder: Path, whole: _Whole, lines: Sequence[subsets.Line], places: Mapping[str, Indices], asked: Asked
) -> Run:
    """The folder's files in an order that a kill cannot confuse: run.json, by which it is a run, comes last."""
    began, lead, test = datetime.now(UTC), whole.runs[0], places["test"]
    facts = {**_facts(whole, lines, places), "began": began.strftime("%Y-%m-%dT%H:%M:%SZ"), "command": asked.command}
    facts["members"] = _copied(folder, whole)
    _write_subsets(folder, whole.runs, lines)
    saved: dict[str, Kept] = {}
    told = partial(asked.progress, "answering validation pictures")
    if len(places["val"]):
        saved["val"] = whole.kept("val", places["val"]) or whole.answered(places["val"], told)
    more: dict[str, Any] = {"sealed": len(test)} if asked.keep_sealed and len(test) else {}
    if len(test) and not more:
        more["openings"] = _opened(folder, whole, facts, test, saved, asked)
    subset = "test" if "test" in saved else "val"
    best = best_of(whole.runs)
    rivals = whole.each(subset, places[subset], partial(asked.progress, "answering by each alone"))
    write_kept(folder, saved, digest_of(facts["members"]))
    task: Task = lead.task.settled(saved["val"].rows) if "val" in saved else lead.task
    groups = subsets.groups_of(lines, places[subset])
    each = [(run.name, run.task, kept.rows) for run, kept in zip(whole.runs, rivals, strict=True)]
    found = saved[subset].rows
    baselines = finished.members_beside(task, found, each, best and best.name, subset, groups)
    numbers = finished.told(task, found, subset, baselines, {**more, "weights": MEMBERS}, groups)
    finished.write_predictions(folder, task, [line.name for line in lines], saved[subset])
    durable.write_json(folder / "result.json", numbers)
    seconds = round((datetime.now(UTC) - began).total_seconds(), 3)
    return write_facts(folder, {**facts, "status": "done", "task": registry.as_dict(task), "seconds": seconds})


def _facts(whole: _Whole, lines: Sequence[subsets.Line], places: Mapping[str, Indices]) -> dict[str, Any]:
    """run.json: the first member's, where it says how pictures are read, with the subsets of all together."""
    lead = whole.runs[0].facts
    shared = ("recipe", "classes", "preprocess", "augment", "measured", "data", "groups", "versions")
    facts = {key: lead[key] for key in shared if key in lead}
    split = lead["split"]
    if any(run.facts["split"] != split for run in whole.runs):
        samples = whole.common.samples
        split = {
            name: split["test"] if name == "test" else {"n": len(own), "digest": splits.digest(samples, own)}
            for name, own in places.items()
            if len(own) or name != "held"
        }
        for name in places if "groups" in facts else ():
            groups = subsets.groups_of(lines, places[name])
            facts["groups"] = {**facts["groups"], name: 0 if groups is None else len(np.unique(groups))}
        if "held" not in split:  # each was held out by another fold, or by none
            facts["recipe"] = {**facts["recipe"], "fold": None}
    networks = Counter(run.facts["network"]["name"] for run in whole.runs)
    named = " + ".join(f"{count} {name}" if count > 1 else name for name, count in networks.items())
    parameters = sum(run.facts["network"]["parameters"] for run in whole.runs)
    network = {**lead["network"], "name": named, "parameters": parameters}
    return {**facts, "id": secrets.token_hex(16), "network": network, "split": split, "earlier": []}


def _copied(folder: Path, whole: _Whole) -> list[dict[str, Any]]:
    """Each network that answers, in a run folder of its own inside; what run.json says of them."""
    told: list[dict[str, Any]] = []
    for run, share in zip(whole.runs, whole.weights, strict=True):
        names = [each["run"] for each in run.facts.get(MEMBERS, ())] or [printable(run.name)]
        for called, (own, weight) in zip(names, run.members, strict=True):
            name = str(len(told) + 1)
            checkpoint.save_best(folder / MEMBERS / name / "checkpoints", own.weights)
            write_facts(folder / MEMBERS / name, own.facts)
            told.append({
                "folder": name, "run": called, "id": own.facts.get("id"),
                "network": own.facts["network"]["name"], "sha256": checkpoint.digest(own.weights),
                "weight": share * weight,
            })  # fmt: skip
    return told


def _write_subsets(folder: Path, runs: Sequence[Run], lines: Sequence[subsets.Line]) -> None:
    """split.csv, and by content what split.csv does not tell: seen.csv and sealed.csv, where members have them."""
    subsets.write_lines(folder, lines)
    seen = {digest: subset for run in runs for digest, subset in subsets.seen(run.folder).items()}
    if seen:
        subsets.write_seen(folder, seen)
    if (sealed := runs[0].folder / subsets.SEALED).exists():
        shutil.copyfile(sealed, folder / subsets.SEALED)


def _opened(
    folder: Path, whole: _Whole, facts: Mapping[str, Any], test: Indices, saved: dict[str, Kept], asked: Asked
) -> int:
    """Answer the test set into `saved`; how often it has been opened, this once included where it had to be."""
    sealed = openings.sealed_set(facts)
    times = openings.taken_over(folder, sealed["digest"], [run.folder for run in whole.runs])
    if (known := whole.kept("test", test)) is not None and times:
        saved["test"] = known
        asked.say(f"the test set is not opened again ({often(times)} until now): what each answered of it is kept")
        return times
    answers = ["ensemble", *(f"{each['sha256']} {each['weight']!r}" for each in facts["members"])]
    times, notes = openings.record_opening(folder, openings.opening_of(folder, answers, sealed, again=False))
    for note in notes:
        asked.say(note)
    saved["test"] = whole.kept("test", test) or whole.answered(test, partial(asked.progress, "answering test pictures"))
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
