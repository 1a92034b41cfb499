"""Small real trainings that the tests share."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.base import durable
from striate.data.picture.laid import Laid
from striate.runs.openings import STUDY, times_opened
from striate.runs.run import Run
from striate.runs.studied import FORMAT, Asked
from striate.runs.study import Study, open_study
from striate.tasks import registry
from striate.training import plan as planning
from striate.training.execution import Epoch
from striate.training.plan import Job
from striate.training.recipe import recipe_of
from striate.training.study import recipes_of
from striate.training.train import start_run


class Notes:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.epochs: list[Epoch] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, name: str, done: int, total: int, left: float | None = None) -> None:
        pass

    def epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)


def train(runs: Path, *, execution: dict[str, Any] | None = None, listener: Any = None, **recipe: Any) -> Any:
    """The run of a finished training of two epochs on the digits, unless told otherwise."""
    values = {"data": "digits", "epochs": 2} | recipe
    held = None if isinstance(values["data"], str) else values["data"]
    if held is not None:  # pictures in memory
        values["data"] = "arrays"
    how = planning.Execution(runs=runs, **(execution or {}))
    return start_run(recipe_of(**values), how, listener or Notes(), held)


def study(folder: Path, data: Any, wanted: Asked, skipped: Collection[str] = ()) -> Study:
    """A study whose trainings are done in this process, as a stop before anything is decided leaves it."""
    folder.mkdir(parents=True)
    durable.write_json(folder / STUDY, {"format": FORMAT, **vars(wanted)})
    for name, recipe in recipes_of(wanted).items():
        if name not in skipped:
            start_run(recipe, planning.Execution(), Notes(), data, folder / name)
    return open_study(folder)


def job(folder: Path, **recipe: Any) -> Job:
    """A training ready for its first step."""
    folder.mkdir(parents=True, exist_ok=True)
    execution = planning.Execution(runs=folder)
    plan = planning.plan_of(recipe_of(**({"data": "digits", "epochs": 2} | recipe)), execution, Notes())
    return planning.job_of(plan, folder, execution, Notes())


def digest(run: Any) -> str:
    """sha256 of the chosen and of the last weights, and of the optimizer's state."""
    last = max((run.folder / "checkpoints").glob("step-*"))
    files = [*sorted(last.glob("*.safetensors")), run.folder / "checkpoints" / "best" / "weights.safetensors"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


# One name of each task.
TASKS = tuple({kind: name for name, (kind, _) in registry.tasks().items()}.values())
# The same where it takes long: a classifier is enough but for `-m whole`; test_partner.py kills one with a critic.
ONE = [pytest.param(task, marks=() if task == "classify" else pytest.mark.whole) for task in TASKS]
SOURCES = ("digits", "folder", "table", "arrays")


def data_of(source: str, home: Path, task: str = "classify") -> Any:
    """The photographs below as each kind of source, or the built-in digits; of a task of masks theirs, or cells."""
    kind, _ = registry.found(task)
    if source == "digits":
        return "cells:number=50,size=32" if kind.masked else "digits"
    if kind.masked:
        return _masked(source, photographs_with_masks(home / "pairs"))
    folder = photographs(home / "photos")
    if source == "folder":
        return str(folder)
    paths = sorted(path for path in folder.rglob("*.*"))
    if source == "table":
        lines = [f"{path.relative_to(home)},{path.parent.name}" for path in paths]
        (home / "photos.csv").write_text("\n".join(["path,label", *lines]))
        return str(home / "photos.csv")
    return [np.asarray(Image.open(path)) for path in paths], [path.parent.name for path in paths]


def _masked(source: str, folder: Path) -> Any:
    if source == "folder":
        return str(folder)
    pictures, masks = (sorted((folder / name).iterdir()) for name in ("images", "masks"))
    if source == "table":
        lines = (f"images/{one.name},masks/{other.name}" for one, other in zip(pictures, masks, strict=True))
        (folder / "pairs.csv").write_text("\n".join(["path,mask", *lines]))
        return str(folder / "pairs.csv")
    return tuple([np.asarray(Image.open(path)) for path in paths] for paths in (pictures, masks))


def smaller(task: str, good: str = "class 0") -> dict[str, Any]:
    """What makes the training of a picture task short and gives it all there is: weights of all kinds, a critic beside.

    No norm, which would see a process's part. `good` is the class that is learned where one is.
    """
    kind, _ = registry.found(task)
    if not kind.pictures:
        return {}
    options: dict[str, Any] = {"good": good} if kind.one_class else {}
    if kind.masked:
        options = {"border": 10.0, "class_weights": "balanced"}
    if task == "inpaint":
        options = {"critic": 0.05}
    return {"model_options": {"width": 4 if kind.masked else 8, "norm": "none"}, "task_options": options}


def recipe_for(task: str) -> dict[str, Any]:
    """A short training of a task with as much of what is random as it takes."""
    kind, _ = registry.found(task)
    values = {"task": task, "model": kind.recipe.get("model", "resnet20"), "size": 32, "batch": 9, "epochs": 2}
    values |= smaller(task)
    return values | {"augment": "strong", "ema": 0.9} | ({} if kind.mixes else {"mixup": 0.0, "cutmix": 0.0})


def whole(height: int, width: int) -> Laid:
    """A picture that is its own canvas."""
    return Laid((height, width), (height, width), (1.0, 1.0))


def photographs_with_masks(folder: Path, count: int = 30, side: int = 40) -> Path:
    """Coloured PNG pictures in images/, and in masks/ a class for each of their pixels: three, by brightness."""
    numbers = np.random.default_rng(8)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for index in range(count):
        waves = np.sin(np.arange(side) / 3 + index)[:, None] * np.cos(np.arange(side + 8) / 4)
        pixels = np.clip(waves[:, :, None] * 90 + 120 + numbers.normal(0, 9, (side, side + 8, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"{index:02d}.png")
        Image.fromarray(np.digitize(waves, (-0.3, 0.3)).astype(np.uint8)).save(folder / "masks" / f"{index:02d}.png")
    return folder


def photographs(folder: Path, classes: int = 3, each: int = 15, side: int = 40) -> Path:
    """Class folders of coloured JPEG and PNG pictures, each class with its own pattern."""
    numbers = np.random.default_rng(7)
    for label in range(classes):
        home = folder / f"class {label}"
        home.mkdir(parents=True)
        for index in range(each):
            waves = np.sin(np.arange(side) * (label + 1) / 3 + index)[:, None] * 80 + 120
            pixels = np.clip(waves[:, :, None] + numbers.normal(0, 25, (side, side + 8, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(home / f"{index:02d}.{'png' if index % 3 else 'jpg'}")
    return folder


def opened(run: Run) -> int:
    """How often its test set was opened."""
    return times_opened(run.folder, run.facts["split"]["test"]["digest"])


def files(run: Run, *subsets: str) -> list[Path]:
    """Pictures of a run on `photos` beside its folder of runs."""
    root = run.folder.parents[1] / "photos"
    return [root / line.name for name in subsets for line in run.lines if line.subset == name]
