"""One training in a process of its own: what ends it ends no other, and its threads and random state are its own.

Whoever has it done holds the lock of the folder that its list lies in. Where nobody holds it any more, because the list
was stopped or killed, here or on another machine, the training saves and ends.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar, final

import torch
from threadpoolctl import threadpool_limits

from striate.base.errors import Fault, RunError, StriateError, Terminated
from striate.base.foreign import raised
from striate.base.processes import prepared
from striate.data.load import Data
from striate.runs import lock
from striate.runs.run import open_run
from striate.training.execution import Execution, Silent
from striate.training.recipe import Recipe
from striate.training.train import resume_run, start_run

# What every training imports sooner or later, in seconds.
IMPORTED = (__name__, "torch._dynamo", "sklearn.datasets", "sklearn.svm")
# How often a training is started again whose process was killed.
AGAIN = 2
# Seconds: between two looks; until a training that was told to stop is ended; and for one that is about to end.
LOOK, GRACE, PATIENCE = 0.25, 60.0, 60.0


@final
@dataclass(frozen=True)
class Asked:
    """One training of a list; `home` is where its relative paths begin."""

    recipe: Recipe
    folder: Path
    threads: int
    execution: Execution
    home: Path


Found = TypeVar("Found")
Work = Callable[[Asked, Data | None], Found]


def train_apart(asked: Asked, data: Data | None = None) -> StriateError | None:
    """Train, or go on, in a process of its own; None when it is done, else why it is not.

    A process that is killed is started again, at most `AGAIN` times, and goes on from its last save.
    """
    ended: int | None = None
    for _ in range(1 + AGAIN):
        if not lock.is_held(asked.folder.parent):
            return Terminated(asked.folder, "it was stopped with its list", "the list again")
        ended, error = apart(_start_or_go_on, asked, data)
        if ended == 0 and not isinstance(error, Terminated):
            return error
    how = f"signal {-ended}" if ended and ended < 0 else f"with code {ended}"
    cause = f"its process was ended {1 + AGAIN} times, at last by {how}"
    return RunError(asked.folder, cause, "fewer at once (jobs) or a smaller batch, where memory was short")


def apart(work: Work[Found], asked: Asked, data: Data | None) -> tuple[int, Found | StriateError | None]:
    """The exit code of a process of its own that does this work, and what it found or failed of."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    # a worker of Dask is a daemon, and as such would be refused a process of its own
    multiprocessing.current_process().daemon = False
    given = sender, multiprocessing.get_start_method(allow_none=True), work, asked, data
    process = prepared(*IMPORTED)(target=_carry_out, args=given, name=asked.folder.name)
    process.start()
    sender.close()
    told: float | None = None
    while process.exitcode is None:
        process.join(LOOK)
        if told is None and not lock.is_held(asked.folder.parent):
            told = time.monotonic()
            process.terminate()
        if told is not None and time.monotonic() - told > GRACE:
            process.kill()
    with receiver, contextlib.suppress(EOFError):
        return process.exitcode, receiver.recv()
    return process.exitcode or -signal.SIGKILL, None


def _carry_out(sender: Connection, starts: str | None, work: Work[Any], asked: Asked, data: Data | None) -> None:
    """What the process does; SIGTERM alone is for it, what a terminal sends to all is for the list."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # those that read pictures start as they would without a list: the way of this one takes seconds each time
    multiprocessing.set_start_method(starts, force=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.chdir(asked.home)
    torch.set_num_threads(asked.threads)
    try:
        with threadpool_limits(asked.threads, "blas"):
            found = work(asked, data)
    except StriateError as error:
        found = error
    except Exception as error:
        found = Fault(asked.folder, raised(error), "reporting it, with the recipe in its run.json")
    sender.send(found)


def _start_or_go_on(asked: Asked, data: Data | None) -> None:
    if not (asked.folder / "run.json").exists():
        start_run(asked.recipe, asked.execution, Silent(), data, asked.folder)
        return
    until = time.monotonic() + PATIENCE
    while lock.is_held(asked.folder) and time.monotonic() < until:
        time.sleep(LOOK)  # the one before has lost its list, and saves
    if open_run(asked.folder).status != "done":
        resume_run(asked.folder, asked.execution, Silent(), data)


def _end_with_parent() -> None:
    """Saves and ends where who started this process is gone, by whatever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os.kill(os.getpid(), signal.SIGKILL)
