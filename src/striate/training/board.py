"""What TensorBoard shows of a training: the recipe, each epoch's row, the result. The package is an extra.

Events are written as they come, without the thread that torch's `SummaryWriter` keeps.
"""

import contextlib
import importlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from striate.base.errors import StriateError, UsageError
from striate.base.foreign import missing_package
from striate.evaluate.numbers import known
from striate.training.execution import Epoch, Listener


def check(place: Path | None) -> None:
    """A MachineError where the package is missing, a UsageError where no folder can be; before any picture is read."""
    if place is None:
        return
    try:
        importlib.import_module("torch.utils.tensorboard.summary")
    except ImportError as error:
        raise missing_package("tensorboard", error, "tensorboard") from None
    there = next(each for each in (place, *place.absolute().parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise UsageError("tensorboard", f"{there} is no folder that you may write to", "a folder, new or old")


@final
class Board:
    """Tells a listener what it is told, and writes each epoch into a sub-folder of `place`.

    That has the run's name, and where another run has it already, some of the run's `identity` beside it.
    """

    def __init__(self, listener: Listener, place: Path, run: str, identity: str, recipe: Mapping[str, Any]) -> None:
        self._listener, self._recipe = listener, recipe
        self._summary: Any = importlib.import_module("torch.utils.tensorboard.summary")
        self._mark = f".{identity[:8]}"
        self._folder = place / run
        if self._folder.exists() and not all(each.name.endswith(self._mark) for each in self._folder.iterdir()):
            self._folder = place / f"{run}-{identity[:8]}"
        self._file: Any = None
        self._lost = False

    def say(self, text: str) -> None:
        self._listener.say(text)

    def progress(self, name: str, done: int, total: int, left: float | None = None) -> None:
        self._listener.progress(name, done, total, left)

    def epoch(self, epoch: Epoch) -> None:
        self._listener.epoch(epoch)
        row = dict(epoch.row)
        self._write(int(row.pop("epoch")), {name.replace("_", "/", 1): value for name, value in row.items()})

    def end(self, result: Mapping[str, Any], epochs: int) -> None:
        """What was measured, at the last of so many epochs, beside the baselines."""
        numbers = [known(each) for each in result["numbers"]]
        beside = [f"beside it: {known(each)}" for each in result.get("baselines", ())]
        values = {f"{each.subset}/{each.name}": each.value for each in numbers if each.value is not None}
        self._write(epochs, values, "result", [*map(str, numbers), *beside])

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def _write(self, step: int, values: Mapping[str, float], title: str = "", lines: list[str] | None = None) -> None:
        """A disk that is full, or gone, ends what is written here and not the training."""
        if self._lost:
            return
        try:
            if self._file is None:
                self._open(step)
            for name, value in values.items():
                self._add(step, summary=self._summary.scalar(name, value))
            if lines:
                self._add(step, summary=self._summary.text(title, "  \n".join(lines)))
            self._file.flush()
        except (OSError, StriateError) as error:
            self._lost = True
            self.say(
                f"{self._folder} cannot be written to ({error}): TensorBoard is told no more, the training goes on"
            )

    def _open(self, step: int) -> None:
        """A file of events after those that there are; of these, what was at `step` or later no longer counts."""
        from tensorboard.compat.proto.event_pb2 import SessionLog

        fresh = not self._folder.exists()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = (self._folder / f"events.out.tfevents.{time.time():.6f}{self._mark}").open("xb")
        self._add(0, file_version="brain.Event:2")
        self._add(step, session_log=SessionLog(status=SessionLog.START))
        if fresh:
            told = (f"| {name} | {value} |" for name, value in self._recipe.items() if value not in (None, {}, ()))
            self._add(0, summary=self._summary.text("recipe", "\n".join(["| key | value |", "| --- | --- |", *told])))

    def _add(self, step: int, **what: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from torch.utils.tensorboard import RecordWriter

        RecordWriter(self._file).write(Event(wall_time=time.time(), step=step, **what).SerializeToString())
