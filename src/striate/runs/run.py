"""The run folder: written while training, read by everything after."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

from torch import nn

from striate.base import devices, durable
from striate.base.errors import MachineError, RunError, UsageError
from striate.data import preprocess
from striate.data.load import Data
from striate.data.picture import decode
from striate.data.preprocess import Views
from striate.models.catalog import find
from striate.predictor import Member, Prediction, Predictor, network_for, together
from striate.runs import checkpoint, evaluation, lock, own
from striate.runs.evaluation import Evaluation
from striate.tasks import registry
from striate.tasks.task import Task

# 1: the first; 2: with the task, and rows kept of pictures.
FORMAT = 2
FACTS = ("status", "recipe", "task", "classes", "preprocess", "network", "data", "split", "versions")


@final
@dataclass(frozen=True)
class Run:
    """A run folder and the facts of its run.json."""

    folder: Path
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def status(self) -> str:
        """running, stopped by a signal, failed, done; or killed, when it says running and no process holds it."""
        status = str(self.facts["status"])
        return "killed" if status == "running" and not lock.is_held(self.folder) else status

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe with everything filled in."""
        return dict(self.facts["recipe"])

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.facts["classes"])

    @property
    def result(self) -> Mapping[str, Any] | None:
        """result.json, or None while there is none."""
        path = self.folder / "result.json"
        return durable.read_json(path) if path.exists() else None

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """epochs.csv, a dict per row; a RunError when it cannot be read."""
        path = self.folder / "epochs.csv"
        try:
            lines = path.read_text("utf-8").splitlines()
            head = lines[0].split(",")
            return [dict(zip(head, map(float, line.split(",")), strict=True)) for line in lines[1:]]
        except (OSError, ValueError, IndexError) as error:
            raise RunError(path, f"cannot be read ({error})", "a fresh run; this folder is damaged") from None

    @property
    def preprocess(self) -> preprocess.Preprocess:
        return preprocess.from_dict(dict(self.facts["preprocess"]))

    @property
    def task(self) -> Task:
        return registry.from_dict(self.facts["task"])

    @property
    def warnings(self) -> list[str]:
        """What a user of its answers should know."""
        then, notes = self.facts["versions"]["decoder"], [*self.facts.get("earlier", []), *self._chosen[1]]
        if then != decode.DECODER:
            notes.append(f"trained with {then}, this is {decode.DECODER}: pixels may differ slightly")
        if self.preprocess.version < preprocess.VERSION and not then.startswith("pillow 12."):
            notes.append(
                "trained when pictures were resized in an order of Pillow's choice; now they are resized across and "
                "then down: some pixels of tall pictures may differ by one level"
            )
        if self.status != "done":
            notes.append(f"this training is {self.status}, not done")
        return notes

    @cached_property
    def _chosen(self) -> tuple[checkpoint.Tensors, list[str]]:
        """The chosen weights, and what is to be said of them."""
        weights, _, notes = checkpoint.read_best(self.folder / "checkpoints")
        return weights, notes

    @cached_property
    def predictor(self) -> Predictor:
        """The network with its chosen weights, its preprocessing and its task."""
        network, task, prepare = self.facts["network"], self.task, self.preprocess
        net = network_for(network["name"], task, prepare.channels, network["options"])
        try:
            net.load_state_dict(dict(self._chosen[0]))
        except RuntimeError as error:
            raise RunError(self.folder, f"weights of another network ({error})", "a fresh run") from None
        return Predictor((Member(net.eval(), prepare, task),))

    @property
    def network(self) -> nn.Module:
        """The network with its chosen weights, in eval mode."""
        return self.predictor.members[0].network

    def predict(
        self,
        pictures: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        top: int | None = None,
        device: str = "cpu",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Prediction]:
        """One prediction per picture of the files, folders and patterns; a bad picture is one with its cause."""
        return self.predictor.on(devices.named(device)).predict(pictures, top=top, progress=progress)

    def evaluate(
        self,
        data: Data | None = None,
        *,
        moved: str | os.PathLike[str] | None = None,
        beside: Sequence["Run"] = (),
        views: Views = "one",
        workers: int | None = None,
        device: str = "cpu",
    ) -> Evaluation:
        """Numbers on labelled pictures, or, without any, on this run's own sealed test set, opened once more.

        `moved`: where this run's own data lie now. `beside`: runs that answer together with this one. `views`: "ten"
        looks at ten crops of each picture.
        """
        if data is not None and moved is not None:
            raise UsageError("data", "other pictures and this run's own at once", "either of them")
        predictor = together([self.predictor, *(run.predictor for run in beside)]).looking(views)
        predictor = predictor.on(devices.named(device))
        others = [(run.folder, run.facts) for run in beside]
        if data is not None:
            return evaluation.on_others(predictor, (self.folder, self.facts), others, data, workers)
        place = None if moved is None else own.from_anywhere(moved)
        return evaluation.on_own(predictor, (self.folder, self.facts), others, self.status, workers, place)


def open_run(folder: str | os.PathLike[str]) -> Run:
    """The run in `folder`; a RunError when there is none, or one of a newer format."""
    path = Path(folder)
    facts = durable.read_json(path / "run.json")
    if not isinstance(facts, dict) or not isinstance(facts.get("format"), int):
        raise RunError(path / "run.json", "not a run of striate", "a folder that `striate runs` lists")
    if facts["format"] > FORMAT:
        raise RunError(path, f"written in format {facts['format']}, this reads up to {FORMAT}", "a newer striate")
    missing = [name for name in FACTS if name not in facts and (name != "task" or facts["format"] > 1)]
    if missing:
        raise RunError(path / "run.json", f"{missing[0]} is missing", "another run; this folder is damaged")
    return Run(path, _as_now(facts))


def _as_now(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Facts of format 1, when every run told classes apart, as they would be written now."""
    if facts["format"] > 1:
        return facts
    network = facts["network"]["name"]
    task = registry.task_named(find(network).task, tuple(facts["classes"]), {}, {})
    return {**facts, "task": registry.as_dict(task)}


def list_runs(root: Path) -> list[Run]:
    """Every run in `root`, by name; one that cannot be opened has the status "damaged"."""
    names = sorted(root.iterdir(), key=_natural) if root.is_dir() else []
    return [_open_or_damaged(path) for path in names if (path / "run.json").is_file()]


def _open_or_damaged(path: Path) -> Run:
    try:
        return open_run(path)
    except RunError as error:
        return Run(path, {"status": "damaged", "cause": str(error)})


def create(root: Path, name: str) -> Path:
    """A new folder `root`/name-N; two processes never get the same."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        numbers = [
            int(found[1]) for path in root.iterdir() if (found := re.fullmatch(rf"{re.escape(name)}-(\d+)", path.name))
        ]
        number = max(numbers, default=0) + 1
        while True:
            try:
                (root / f"{name}-{number}").mkdir()
                return root / f"{name}-{number}"
            except FileExistsError:
                number += 1
    except OSError as error:
        raise MachineError(
            root, f"no run folder can be made here ({error.strerror})", "--runs with a folder of yours"
        ) from None


def write_facts(folder: Path, facts: Mapping[str, Any]) -> Run:
    """Write run.json and give the run back."""
    durable.write_json(folder / "run.json", {**facts, "format": FORMAT})
    return open_run(folder)


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]
