"""Small real trainings that the tests share."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.data.picture.laid import Laid
from striate.tasks import registry
from striate.training import plan as planning
from striate.training.plan import Job
from striate.training.recipe import recipe_of
from striate.training.train import start_run


class Notes:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, name: str, done: int, total: int) -> None:
        pass


def train(runs: Path, *, execution: dict[str, Any] | None = None, listener: Any = None, **recipe: Any) -> Any:
    """The run of a finished training of two epochs on the digits, unless told otherwise."""
    values = {"data": "digits", "epochs": 2} | recipe
    held = None if isinstance(values["data"], str) else values["data"]
    if held is not None:  # pictures in memory
        values["data"] = "arrays"
    how = planning.Execution(runs=runs, **(execution or {}))
    return start_run(recipe_of(**values), how, listener or Notes(), held)


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
SOURCES = ("digits", "folder", "table", "arrays")


def data_of(source: str, home: Path) -> Any:
    """The photographs below as each kind of source, or the built-in digits."""
    if source == "digits":
        return "digits"
    folder = photographs(home / "photos")
    if source == "folder":
        return str(folder)
    paths = sorted(path for path in folder.rglob("*.*"))
    if source == "table":
        lines = [f"{path.relative_to(home)},{path.parent.name}" for path in paths]
        (home / "photos.csv").write_text("\n".join(["path,label", *lines]))
        return str(home / "photos.csv")
    return [np.asarray(Image.open(path)) for path in paths], [path.parent.name for path in paths]


def recipe_for(task: str) -> dict[str, Any]:
    """A short training of a task with as much of what is random as it takes."""
    kind, _ = registry.found(task)
    values = {"task": task, "model": kind.recipe.get("model", "resnet20"), "size": 32, "batch": 9, "epochs": 2}
    return values | {"augment": "strong", "ema": 0.9} | ({} if kind.mixes else {"mixup": 0.0, "cutmix": 0.0})


def whole(height: int, width: int) -> Laid:
    """A picture that is its own canvas."""
    return Laid((height, width), (height, width), (1.0, 1.0))


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
