"""The run folder: written while training, read by everything after."""

import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import nn

from striate.base import devices, durable
from striate.base.errors import DataError, MachineError, RunError, nearest, printable
from striate.data import preprocess, splits
from striate.data.batches import open_pictures
from striate.data.load import READING, load
from striate.data.picture import decode
from striate.data.sources.folder import Samples, list_pictures
from striate.data.splits import Indices
from striate.evaluate.outputs import answers, outputs
from striate.models.catalog import build
from striate.runs import checkpoint
from striate.tasks.classify import Array, Classify

FORMAT = 1
OPENINGS = "test-openings.jsonl"
LOCK = ".lock"
FACTS = ("status", "recipe", "classes", "preprocess", "network", "data", "split", "versions")
_AT_ONCE = 64


@dataclass(frozen=True)
class Prediction:
    """What the network says of one picture, or why it could not look at it."""

    file: str
    status: str
    """"ok", or the cause."""
    top: tuple[tuple[str, float], ...] = ()
    """Classes and probabilities, the likeliest first."""

    @property
    def label(self) -> str | None:
        return self.top[0][0] if self.top else None

    @property
    def probability(self) -> float | None:
        return self.top[0][1] if self.top else None

    def as_dict(self) -> dict[str, Any]:
        top = [{"label": label, "probability": probability} for label, probability in self.top]
        return {
            "file": self.file, "status": self.status, "label": self.label, "probability": self.probability, "top": top
        }  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """Answers on a labelled set: `numbers` as in result.json, and what they were computed from."""

    numbers: Mapping[str, Any]
    probabilities: Array
    targets: Array
    notes: tuple[str, ...]


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
        if status != "running":
            return status
        try:
            with FileLock(self.folder / LOCK, timeout=0):
                return "killed"
        except (Timeout, OSError):
            return status

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe with everything filled in."""
        return dict(self.facts["recipe"])

    @property
    def warnings(self) -> list[str]:
        """What a user of its answers should know."""
        then, notes = self.facts["versions"]["decoder"], list(self._chosen[1])
        if then != decode.DECODER:
            notes.append(f"trained with {then}, this is {decode.DECODER}: pixels may differ slightly")
        if self.status != "done":
            notes.append(f"this training is {self.status}, not done")
        return notes

    @cached_property
    def _chosen(self) -> tuple[checkpoint.Tensors, list[str]]:
        """The chosen weights, and what is to be said of them."""
        weights, _, notes = checkpoint.load_best(self.folder / "checkpoints")
        return weights, notes

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.facts["classes"])

    @property
    def preprocess(self) -> preprocess.Preprocess:
        return preprocess.from_dict(dict(self.facts["preprocess"]))

    @property
    def result(self) -> Mapping[str, Any] | None:
        """result.json, or None while there is none."""
        path = self.folder / "result.json"
        return durable.read_json(path) if path.exists() else None

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """epochs.csv, a dict per row."""
        lines = (self.folder / "epochs.csv").read_text("utf-8").splitlines()
        head = lines[0].split(",")
        return [dict(zip(head, map(float, line.split(",")), strict=True)) for line in lines[1:]]

    @cached_property
    def network(self) -> nn.Module:
        """The network with its chosen weights, in eval mode."""
        net = self.build()
        weights = self._chosen[0]
        try:
            net.load_state_dict(dict(weights))
        except RuntimeError as error:
            raise RunError(self.folder, f"weights of another network ({error})", "a fresh run") from None
        return net.eval()

    def build(self) -> nn.Module:
        """The network of this run, with fresh weights."""
        network = self.facts["network"]
        return build(
            network["name"], classes=len(self.classes), channels=self.preprocess.channels, **network["options"]
        )

    def predict(
        self,
        pictures: Sequence[str | os.PathLike[str]],
        *,
        top: int = 5,
        device: str = "cpu",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Prediction]:
        """One prediction per picture of the files, folders and patterns; a bad picture is one with its cause."""
        paths = list_pictures([os.fspath(picture) for picture in pictures])
        predictions: list[Prediction] = []
        for start in range(0, len(paths), _AT_ONCE):
            predictions += self._predict(paths[start : start + _AT_ONCE], top, devices.find(device))
            progress(len(predictions), len(paths))
        return predictions

    def _predict(self, paths: Sequence[Path], top: int, device: torch.device) -> list[Prediction]:
        prepare, canvases, causes = self.preprocess, [], {}
        for path in paths:
            try:
                canvases.append(prepare.canvas(decode.read(path, at_least=prepare.size).pixels))
            except DataError as error:
                causes[path] = error.cause
        if canvases:
            values = prepare.normalise(torch.from_numpy(np.stack(canvases)).to(device))
            with torch.inference_mode():
                rows = iter(self._task.answer(self.network.to(device)(values)))
        return [
            Prediction(str(path), causes[path])
            if path in causes
            else Prediction(str(path), "ok", self._top(next(rows), top))
            for path in paths
        ]

    def _top(self, probabilities: Array, top: int) -> tuple[tuple[str, float], ...]:
        order = np.argsort(-probabilities, kind="stable")[:top]
        return tuple((self.classes[index], float(probabilities[index])) for index in order)

    @property
    def _task(self) -> Classify:
        return Classify(self.classes)

    def evaluate(self, data: str | None = None, *, workers: int | None = None, device: str = "cpu") -> Evaluation:
        """Numbers on a labelled folder, or, without one, on this run's own sealed test set, opened once more."""
        if data is not None:
            samples = load(str(data), max_bad=0.0, workers=workers, learnable=False)
            labels = self._labels_in_own_classes(samples)
            indices = np.arange(len(samples.names))
            notes = self._seen_before(samples)
            return self.answers(samples, labels, indices, samples.name, device=device, notes=notes)
        if self.status != "done":
            raise RunError(self.folder, f"this training is {self.status}: its test set stays closed", "resuming it")
        recipe = self.recipe
        reading = {name: recipe[name] for name in READING}
        samples = load(self.facts["data"]["path"], workers=workers, **reading)
        if samples.fingerprint != self.facts["data"]["fingerprint"]:
            raise DataError(self.facts["data"]["path"], "is not the data of this run any more", "naming other data")
        split = splits.cut(samples, splits.shares(recipe["split"]), recipe["split_seed"])
        return self.open_test_set(samples, split, device=device)

    def open_test_set(self, samples: Samples, split: splits.Split, *, device: str = "cpu") -> Evaluation:
        """The sealed test set, the opening recorded before; or validation where the folders give no test set."""
        if len(split.test) == 0:
            return self.answers(samples, samples.labels, split.val, "val", device=device)
        openings = record_opening(self.folder, splits.digest(samples, split.test), len(split.test))
        return self.answers(samples, samples.labels, split.test, "test", device=device, extra={"openings": openings})

    def answers(
        self,
        samples: Samples,
        labels: Array,
        indices: Indices,
        subset: str,
        *,
        device: str = "cpu",
        extra: Mapping[str, Any] | None = None,
        notes: Iterable[str] = (),
    ) -> Evaluation:
        """The network's answers in float32, whatever precision it was trained in."""
        prepare, where = self.preprocess, devices.find(device)
        pictures = open_pictures(samples, indices, prepare, prepare.size, where, memory="streamed")
        logits = outputs(self.network.to(where), prepare, pictures, indices)
        probabilities = self._task.answer(logits)
        numbers = answers(self._task, probabilities, labels[indices], subset) | dict(extra or {})
        return Evaluation(numbers, probabilities, labels[indices], tuple(notes))

    def _labels_in_own_classes(self, samples: Samples) -> Array:
        """Labels by class name, for the order of another folder's classes means nothing here."""
        foreign = [name for name in samples.classes if name not in self.classes]
        if foreign:
            near = nearest(foreign[0], self.classes)[0]
            raise DataError(
                samples.root or samples.name, f"classes this network was not trained on: {', '.join(foreign[:10])}",
                f"class folders named as in training ({near!r} is near {foreign[0]!r})",
            )  # fmt: skip
        places = np.array([self.classes.index(name) for name in samples.classes])
        return np.asarray(places[samples.labels])

    def _seen_before(self, samples: Samples) -> list[str]:
        seen = known_digests(self.folder)
        trained = sum(seen.get(digest) in ("train", "val") for digest in samples.digests)
        sealed = sum(seen.get(digest) == "test" for digest in samples.digests)
        notes = []
        if trained:
            used = f"{trained} of these {len(samples)} pictures were used in training or validation"
            notes.append(f"{used}: the numbers flatter")
        if sealed:
            test = self.facts["split"]["test"]
            openings = record_opening(self.folder, test["digest"], test["n"])
            notes.append(f"{sealed} are of this run's sealed test set, which has now been opened {openings} times")
        return notes


def open_run(folder: str | os.PathLike[str]) -> Run:
    """The run in `folder`; a RunError when there is none, or one of a newer format."""
    path = Path(folder)
    facts = durable.read_json(path / "run.json")
    if not isinstance(facts, dict) or not isinstance(facts.get("format"), int):
        raise RunError(path / "run.json", "not a run of striate", "a folder that `striate runs` lists")
    if facts["format"] > FORMAT:
        raise RunError(path, f"written in format {facts['format']}, this reads up to {FORMAT}", "a newer striate")
    missing = [name for name in FACTS if name not in facts]
    if missing:
        raise RunError(path / "run.json", f"{missing[0]} is missing", "another run; this folder is damaged")
    return Run(path, facts)


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


def record(folder: Path, facts: Mapping[str, Any]) -> Run:
    """Write run.json and give the run back."""
    durable.write_json(folder / "run.json", {"format": FORMAT, **facts})
    return open_run(folder)


def record_opening(folder: Path, digest: str, count: int) -> int:
    """Append an opening of this test set to the runs' list; how often it has been opened, this one included."""
    path = folder.parent / OPENINGS
    line = json.dumps({"test_set": digest, "n": count, "run": printable(folder.name)}) + "\n"
    try:
        before = path.read_bytes() if path.exists() else b""
        torn = b"\n" if before and not before.endswith(b"\n") else b""  # a kill in the middle of a line
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, torn + line.encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise RunError(path, f"the opening of a test set cannot be recorded ({error})", "a folder of yours") from None
    return 1 + sum(f'"{digest}"'.encode() in each for each in before.splitlines())


def known_digests(folder: Path) -> dict[str, str]:
    """sha256 -> subset, from split.csv."""
    path = folder / "split.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["sha256"]: row["subset"] for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError) as error:
        raise RunError(path, f"cannot be read ({error})", "a fresh run; this folder is damaged") from None


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]
