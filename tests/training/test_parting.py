"""A process that is killed or silent ends all of its group, and any number of processes goes on."""

import os
import signal
import sys
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits

from small import Notes
from striate.base import processes, pulse
from striate.base.errors import DataError, StriateError
from striate.runs.run import open_run
from striate.training.execution import Execution
from striate.training.recipe import recipe_of
from striate.training.train import resume_run, start_run
from together import ended, started

pytestmark = pytest.mark.slow

PICTURES, LABELS = (part[:150] for part in load_digits(return_X_y=True))
DATA = (list(PICTURES.reshape(-1, 8, 8).astype(np.uint8) * 15), LABELS.tolist())
RUN = "arrays-lenet5-*"
RECIPE = {"data": "arrays", "model": "lenet5", "batch": 30, "precision": "float32", "dropout": 0.2}


class Doing(Notes):
    """A listener that does something in one process at its n-th step."""

    def __init__(self, rank, step, do):
        super().__init__()
        self._at, self._do, self._steps = (rank, step), do, 0

    def progress(self, name, done, total, left=None):
        if name.startswith("epoch"):
            self._steps += 1
            if (processes.place()[0], self._steps) == self._at:
                self._do()


def trains(runs, rank, step, what, resumed, epochs=2):
    """Trains in the runs of a folder; in process `rank`, at `step`, `what` happens. Ends with the command's code."""
    do = what if callable(what) else lambda: os.kill(os.getpid(), what)
    try:
        if resumed:
            resume_run(next(runs.glob(RUN)), Execution(save_every=0.0), Doing(rank, step, do), DATA)
        else:
            start_run(
                recipe_of(**RECIPE, epochs=epochs), Execution(runs=runs, save_every=0.0), Doing(rank, step, do), DATA
            )
    except StriateError as error:
        (runs.parent / f"said {os.environ['RANK']}").write_text(str(error))
        sys.exit(error.exit_code)


def test_two_then_one_then_two_processes_over_two_kills_train_what_one_trains(tmp_path):
    broken, whole = (tmp_path / name / "runs" for name in ("broken", "whole"))
    for folder in (broken, whole):
        folder.mkdir(parents=True)
    alone = started(1, trains, whole, 0, -1, None, False)
    assert ended(started(2, trains, broken, 1, 2, signal.SIGKILL, False)) == [4, -signal.SIGKILL]
    (run,) = broken.glob(RUN)
    said = (broken.parent / "said 0").read_text()
    assert said == f"{run}: one of its other processes has ended. Try: striate train --resume {run}"
    assert (open_run(run).status, open_run(run).facts["cause"]) == ("failed", said)
    assert ended(started(1, trains, broken, 0, 2, signal.SIGKILL, True)) == [-signal.SIGKILL]
    assert ended(started(2, trains, broken, 0, -1, None, True)) == [0, 0]
    assert ended(alone) == [0]
    done, undisturbed = open_run(run), open_run(next(whole.glob(RUN)))
    for one, other in zip(undisturbed.epochs, done.epochs, strict=True):
        for name in one.keys() - {"seconds"}:
            assert other[name] == pytest.approx(one[name], rel=1e-3, abs=1e-6), name
    then, now = ([text.endswith("2 processes") for text in note.split(", is ")] for note in done.facts["earlier"])
    assert (then, now) == ([True, False], [False, True]), "it is said that their number changed"


@pytest.mark.parametrize("silent", [0, pytest.param(1, marks=pytest.mark.whole)])
def test_a_process_that_is_silent_ends_the_others(tmp_path, silent):
    """Also the first one, which keeps the place where they met."""
    (tmp_path / "runs").mkdir()
    members = started(2, trains, tmp_path / "runs", silent, 2, signal.SIGSTOP, False, 1, beat=1.0)
    left = members[1 - silent]
    left.join(60)
    try:
        assert left.exitcode == 4
    finally:
        for each in members:
            each.kill()
            each.join()


def test_why_another_process_ended_is_said_by_the_first(tmp_path):
    def fail():
        raise DataError("pictures/7.png", "cannot be read any more", "another disk")

    (tmp_path / "runs").mkdir()
    assert ended(started(2, trains, tmp_path / "runs", 1, 2, fail, False, 1)) == [4, 3]
    assert "its process 1 has ended: pictures/7.png: cannot be read any more. Try" in (tmp_path / "said 0").read_text()


def test_one_that_waits_long_is_waited_for(tmp_path):
    """Longer than a silent one would be: what counts is that it lives."""
    (tmp_path / "runs").mkdir()
    members = started(
        2, trains, tmp_path / "runs", 1, 2, lambda: time.sleep(0.5 * (pulse.MISSED + 2)), False, 1, beat=0.5
    )
    assert ended(members) == [0, 0]
