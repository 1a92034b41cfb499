"""Small real trainings that the tests share."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.training import plan as planning
from striate.training import train as training
from striate.training.loop import Job
from striate.training.recipe import make


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
    how = planning.Execution(runs=runs, **(execution or {}))
    return training.train(make(**values), how, listener or Notes())


def job(folder: Path, **recipe: Any) -> Job:
    """A training ready for its first step."""
    folder.mkdir(parents=True, exist_ok=True)
    execution = planning.Execution(runs=folder)
    plan = planning.plan(make(**({"data": "digits", "epochs": 2} | recipe)), execution, Notes())
    return planning.job(plan, folder, execution)


def digest(run: Any) -> str:
    """sha256 of the chosen and of the last weights, and of the optimizer's state."""
    last = max((run.folder / "checkpoints").glob("step-*"))
    files = [*sorted(last.glob("*.safetensors")), run.folder / "checkpoints" / "best" / "weights.safetensors"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


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
