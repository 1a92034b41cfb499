"""A predictor's numbers on a run's own validation or test set, each opening recorded, or on other pictures."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, final

import numpy as np

from striate.base import durable
from striate.base.errors import DataError, MachineError, Option, RunError, UsageError, escaped
from striate.base.tables import Table, html_table
from striate.base.words import many, often
from striate.data.asked import MEANT
from striate.data.load import Data, read_samples
from striate.data.samples import Indices, Samples
from striate.evaluate.numbers import known
from striate.evaluate.result import beside, result
from striate.evaluate.rows import rows_anew
from striate.predictor import Predictor
from striate.runs import checkpoint, finished, subsets
from striate.runs.kept import Kept, digest_of, read_kept, write_kept
from striate.runs.openings import Opening, close_opening, opening_of, record_opening, sealed_set
from striate.runs.own import read_own, refuse_nowhere, write_place
from striate.tasks.task import Rows, Task

Facts = Mapping[str, Any]
Of = tuple[Path, Facts]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Evaluation:
    """`numbers` as in result.json, the rows they were computed from, and what is to be said of them."""

    numbers: Mapping[str, Any]
    rows: Rows
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return escaped(f"Evaluation({'; '.join(known(each).brief for each in self.numbers['numbers'])})")

    def _repr_html_(self) -> str:
        rows = [(known(each).brief,) for each in self.numbers["numbers"]]
        return html_table(Table(("95 % interval in brackets",), rows, notes=self.notes))


def refuse_closed(run: Of, status: str) -> None:
    """Refuse to open a test set that there is not, or of a training that is not done."""
    folder, facts = run
    if not facts["split"]["test"]["n"]:
        hint = (Option("open_test", False), ": it is measured on validation")
        raise UsageError("open_test", f"{folder.name} has no test set", hint)
    if status != "done":
        raise RunError(folder, f"this training is {status}: its test set stays closed", "resuming it")


def refuse_sealed(run: Of, what: str) -> None:
    """Refuse to show a network what a training that is not done has sealed."""
    folder, facts = run
    if facts["status"] != "done":
        hint = "resuming it, or pictures of no test set"
        raise RunError(folder, f"this training is {facts['status']}: {what} stays closed", hint)


@final
class Joint:
    """Runs that differ in network, seed and fold alone are asked together: one opening, and what is alike for several
    is found once."""

    def __init__(self, opening: Opening | None = None) -> None:
        self.opening = opening
        self._known: dict[str, Any] = {}

    def once(self, what: str, find: Callable[[], Found]) -> Found:
        if what not in self._known:
            self._known[what] = find()
        known: Found = self._known[what]
        return known


def on_own(
    predictor: Predictor,
    run: Of,
    workers: int | None,
    moved: Data | None = None,
    open_test: bool = False,
    before: Mapping[str, Any] | None = None,
    joint: Joint | None = None,
) -> Evaluation:
    """Validation, or what a fold holds out; or the test set, opened once more.

    `run` is the folder and the facts of the run whose pictures they are. `moved`: where its data lie now, which
    run.json is told when they are proven to be the same. `before`: result.json, where answers are as training gave
    them; of a test set that was left sealed, what is answered now is the result from then on.
    `joint`: what this run shares with others that are asked with it.
    """
    joint, (folder, facts) = joint or Joint(), run
    predictor.try_out()
    refuse_nowhere(facts, moved, "run.evaluate(moved=(pictures, labels)) from Python")
    task = predictor.task
    samples = joint.once(
        "samples", lambda: read_own(folder, facts, moved, labelled=task.labelled, masked=task.masked, workers=workers)
    )
    notes = []
    if isinstance(moved, str):
        try:
            write_place(folder, moved, samples)
        except MachineError as error:
            notes.append(f"run.json still says where the data were ({error.cause})")
    split, samples = subsets.read_split(folder, facts, samples)
    subset = "test" if open_test else subsets.own(facts)
    indices = split.named[subset]
    asked = Asked(predictor, run, samples.fingerprint, joint.opening)
    more = {"sealed": len(split.test)}
    if open_test:
        opened, said = asked.open()
        notes, more = notes + said, {"openings": opened}
    rows = rows_anew(predictor, samples, indices, workers)
    numbers = {**result(predictor.task, rows, subset, samples.groups_of(indices)), **more}
    if before is not None and before["subset"] != "test":
        groups = samples.groups_of(indices)
        if facts.get("members"):
            each = _by_each(predictor, facts, samples, indices, workers)
            baselines = finished.members_beside(task, rows, each, _best_of(before), subset, groups)
        else:
            alike = json.dumps([facts["split"], facts["preprocess"]])
            rivals = joint.once(alike, lambda: finished.rivals(predictor, samples, split, indices, workers))
            baselines = beside(task.measures(rows)[0], rivals, subset, groups)
        more |= {key: before[key] for key in ("weights", "best_epoch") if key in before}
        told = finished.told(task, rows, subset, baselines, more, groups)
        numbers = {**told, "validation" if before["subset"] == "val" else "held": before["numbers"]}
        kept = finished.kept_of(predictor, samples, rows, indices, workers)
        notes += _unsealed(predictor, run, samples, kept, numbers)
    asked.answered()
    return Evaluation(numbers, rows, tuple(notes))


def _by_each(
    predictor: Predictor, facts: Facts, samples: Samples, indices: Indices, workers: int | None
) -> list[tuple[str, Task, Rows]]:
    """What each member of an ensemble answers alone, by its name."""
    return [
        (told["run"], member.task, rows_anew(Predictor((member,)), samples, indices, workers))
        for told, member in zip(facts["members"], predictor.members, strict=True)
    ]


def _best_of(before: Mapping[str, Any]) -> str | None:
    """The member that did best on validation, as its result tells."""
    names = [each["name"] for each in before["baselines"] if each["name"].endswith(finished.BEST)]
    return names[0].removeprefix("member ").removesuffix(finished.BEST) if names else None


def _unsealed(predictor: Predictor, run: Of, samples: Samples, test: Kept, numbers: Mapping[str, Any]) -> Sequence[str]:
    """Keep what was answered of a sealed test set, as if the training had opened it; why it could not be."""
    folder, facts = run
    try:
        before = read_kept(folder, facts, subsets.lines(folder, facts))
        one = predictor.members[0].network.state_dict()
        weights = digest_of(facts["members"]) if facts.get("members") else checkpoint.digest(one)
        write_kept(folder, {**before, "test": test}, weights)
        finished.write_predictions(folder, predictor.task, samples.names, test)
        durable.write_json(folder / "result.json", numbers)
    except (MachineError, RunError) as error:
        return [f"what was answered could not be kept ({error.where}: {error.cause})"]
    return []


def on_others(predictor: Predictor, run: Of, data: Data, workers: int | None, max_pixels: int) -> Evaluation:
    """Labelled pictures of any source; those that the run has seen are counted and told."""
    meant = {name: run[1]["recipe"][name] for name in MEANT if name in run[1]["recipe"]}
    samples = read_samples(
        data, max_bad=0.0, workers=workers, labelled=predictor.task.labelled, masked=predictor.task.masked,
        learnable=False, max_pixels=max_pixels, **meant,
    )  # fmt: skip
    samples, said = _grouped(samples, run[1]["recipe"].get("groups"))
    predictor = predictor.learned(predictor.task.facing(samples.targets.classes))
    samples = dataclasses.replace(samples, targets=samples.targets.named(predictor.task.classes))
    predictor.try_out()
    asked = Asked(predictor, run, samples.fingerprint)
    notes = [*said, *_seen_before(asked, run, samples.digests)]
    rows = rows_anew(predictor, samples, np.arange(len(samples)), workers)
    asked.answered()
    subset = f"{samples.name}/" if samples.name in ("train", "val", "test") else samples.name  # a name of theirs
    return Evaluation(result(predictor.task, rows, subset, samples.groups), rows, tuple(notes))


def _grouped(samples: Samples, by: str | None) -> tuple[Samples, list[str]]:
    """Other pictures in the groups that the run's recipe says, or in none where their paths do not tell."""
    from striate.data.groups import grouped  # scipy is paid for by those who ask
    from striate.data.near import clusters

    try:
        return grouped(samples, by, clusters)[0], []
    except DataError as error:
        return samples, [f"each picture is taken for independent of all others: {error.cause}"]


@final
class Asked:
    """One evaluation: who answers what for which run, and the opening of its test set, where it comes to that."""

    def __init__(self, predictor: Predictor, run: Of, asked: str, opening: Opening | None = None) -> None:
        """`asked` is what the answers are asked for: the fingerprint of the data; `opening` one that has begun."""
        self._folder, facts = run
        looks = json.dumps([(each.preprocess.as_dict(), each.weight) for each in predictor.members])
        weights = [checkpoint.digest(each.network.state_dict()) for each in predictor.members]
        self._answers = [str(facts.get("id", self._folder.name)), *weights, looks, asked]
        self._test, self._opening = sealed_set(facts), opening

    def open(self) -> tuple[int, list[str]]:
        """How often the test set has now been opened, and what is to be said of the lists."""
        self._opening = self._opening or opening_of(self._folder, self._answers, self._test)
        return record_opening(self._folder, self._opening)

    def answered(self) -> None:
        if self._opening is not None:
            close_opening(self._folder, self._opening)


def _seen_before(asked: Asked, run: Of, digests: Sequence[str]) -> list[str]:
    """What is to be said of pictures that the run was trained on or has sealed; an opening is recorded."""
    folder, facts = run
    seen = subsets.by_content(folder, facts)
    trained = sum(seen.get(digest) in ("train", "val") for digest in digests)
    sealed = sum(seen.get(digest) == "test" for digest in digests)
    notes = []
    if facts["data"].get("split_by") == "name":
        notes.append("this run was split by name: which pictures it was trained on is not known by their contents")
    if trained:
        used = f"{trained:,} of {many(len(digests), 'picture')} {'was' if trained == 1 else 'were'} used in"
        notes.append(f"{used} training or validation: the numbers flatter")
    if sealed:
        refuse_sealed(run, f"its test set, of which {many(sealed, 'picture')} {'is' if sealed == 1 else 'are'} given,")
        opened, more = asked.open()
        notes += [*more, told(sealed, opened)]
    return notes


def told(sealed: int, opened: int) -> str:
    """What is said of sealed pictures among those that were given."""
    verb = "is" if sealed == 1 else "are"
    return f"{sealed:,} {verb} of this run's sealed test set, which has now been opened {often(opened)}"
