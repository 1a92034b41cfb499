"""The same recipe gives the same bits: however read, wherever stopped."""

import itertools
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from small import ONE, SOURCES, TASKS, Notes, data_of, digest, photographs, recipe_for, train
from striate.base.errors import DataError, Interrupted, RunError
from striate.data import preprocess
from striate.runs.run import open_run
from striate.tasks import registry
from striate.training import plan
from striate.training.plan import Execution
from striate.training.train import resume_run

# Two workers are asked for on one core as well.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:This DataLoader will create")]
# Of the digits one class is good, and 1,600 pictures would be for the test.
CASES = [case for case in itertools.product(TASKS, SOURCES) if case != ("anomaly", "digits")]
# Each task and each source once; the other pairs are of the whole.
SHOWN = {("classify", "digits"), ("inpaint", "folder"), ("segment", "table"), ("anomaly", "arrays")}
SAMPLED = [pytest.param(*case, marks=() if case in SHOWN else pytest.mark.whole) for case in CASES]
# The other names of a task differ in what is given and asked, and not in what the loop does.
OTHERS = [(name, "folder") for name in registry.tasks() if name not in TASKS]
COARSE = {"size": 16, "batch": 27, "split": "10/10/80"}  # of 1,797 digits, which have 8 x 8 pixels
KILL = Path(__file__).parents[2] / "benchmarks" / "kill.py"


def rows(run):
    """The bytes of all that was kept of the pictures."""
    return b"".join(path.read_bytes() for path in sorted((run.folder / "kept").iterdir()))


@pytest.mark.parametrize(("task", "source"), SAMPLED)
def test_workers_and_memory_change_no_bit(tmp_path, task, source):
    data, recipe = data_of(source, tmp_path, task), recipe_for(task)
    if data == "digits":
        recipe |= {**COARSE, "epochs": 1}
    ways = [("resident", 0), ("streamed", 2)]
    if source == "folder":
        ways += [("resident", 2), ("streamed", 1)]
    runs = {
        (memory, workers): train(
            tmp_path / "runs", execution={"memory": memory, "workers": workers}, data=data, **recipe
        )
        for memory, workers in ways
    }
    digests = {way: digest(run) for way, run in runs.items()}
    assert len(set(digests.values())) == 1, digests
    kept = {way: rows(run) for way, run in runs.items()}
    assert len(set(kept.values())) == 1


@pytest.mark.parametrize("task", TASKS)
def test_a_table_of_a_folder_gives_the_bits_of_the_folder(tmp_path, task):
    first, second = (
        train(tmp_path / "runs", data=data_of(source, tmp_path / source, task), **recipe_for(task))
        for source in ("folder", "table")
    )
    assert digest(first) == digest(second)
    assert first.result["numbers"] == second.result["numbers"]


@pytest.mark.parametrize(("task", "source"), [*SAMPLED, *OTHERS])
def test_a_training_that_was_stopped_ends_with_the_same_bits_and_rows(tmp_path, task, source):
    data, recipe = data_of(source, tmp_path, task), recipe_for(task) | {"batch": 4}
    if data == "digits":
        recipe |= COARSE
    whole = train(tmp_path / "a", data=data, **recipe)
    with pytest.raises(Interrupted):
        train(tmp_path / "b", data=data, listener=Impatient(4), **recipe)
    (folder,) = (path for path in (tmp_path / "b").iterdir() if path.is_dir())
    assert open_run(folder).status == "stopped"
    resumed = resume_run(folder, Execution(), Notes(), None if isinstance(data, str) else data)
    assert (digest(resumed), rows(resumed)) == (digest(whole), rows(whole))
    assert resumed.result["numbers"] == whole.result["numbers"]
    assert [row["train_loss"] for row in resumed.epochs] == [row["train_loss"] for row in whole.epochs]


def test_the_seed_decides_the_bits(tmp_path):
    first, again, other = (train(tmp_path, seed=seed, epochs=1) for seed in (3, 3, 4))
    assert digest(first) == digest(again) != digest(other)


@pytest.mark.parametrize("task", ONE)
def test_sigkill_and_sigterm_then_resume_give_the_bits_of_an_uninterrupted_training(task):
    kills = 2 if task == "classify" else 1  # benchmarks/kill.py has as many as one wants
    command = [sys.executable, str(KILL), "--kills", str(kills), "--term", "--seed", "11", "--task", task]
    done = subprocess.run(command, capture_output=True, text=True)
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["same_bits"], (report, done.stderr)
    assert (report["page"], report["openings"]) == (True, 1)
    assert done.returncode == 0
    assert report["term_exit_code"] == 143
    assert len(set(report["stopped_after_steps"])) == kills, report


class Impatient(Notes):
    """Sends this process a signal in the middle of the second epoch."""

    def __init__(self, after=9):
        super().__init__()
        self._after = after

    def progress(self, name, done, total, left=None):
        if name.startswith("epoch 2 of") and done == self._after:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_damaged_generation_is_stepped_over_and_named_and_the_bits_stay(tmp_path):
    recipe = {"epochs": 3, "execution": {"save_every": 0.0}}
    whole = train(tmp_path / "a", **recipe)
    with pytest.raises(Interrupted, match="--resume"):
        train(tmp_path / "b", listener=Impatient(), **recipe)
    other = open_run(tmp_path / "b" / "digits-lenet5-1")
    assert other.status == "stopped"
    newest = max((other.folder / "checkpoints").glob("step-*"))
    assert newest.name == "step-000000026"
    weights = newest / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(bytes(data))
    notes = Notes()
    resumed = resume_run(other.folder, Execution(save_every=0.0), notes)
    assert any(newest.name in text and "damaged" in text for text in notes.said)
    assert digest(resumed) == digest(whole)


def test_the_best_weights_of_before_a_stop_are_kept(tmp_path):
    """The rate rises until training breaks down, so that no later epoch is better than the first."""
    recipe = {"epochs": 3, "rate": 3.0, "warmup": 9.0, "schedule": "constant"}
    whole = train(tmp_path / "a", **recipe)
    with pytest.raises(Interrupted):
        train(tmp_path / "b", listener=Impatient(), **recipe)
    resumed = resume_run(tmp_path / "b" / "digits-lenet5-1", Execution(), Notes())
    assert whole.result["best_epoch"] == 1
    assert digest(resumed) == digest(whole)


def test_when_a_run_began_by_what_command_and_its_seconds_outlive_a_stop(tmp_path):
    how = {"command": "striate train 'my digits'"}
    with pytest.raises(Interrupted):
        train(tmp_path, listener=Impatient(), execution=how)
    stopped = open_run(tmp_path / "digits-lenet5-1")
    done = resume_run(stopped.folder, Execution(command="another"), Notes()).facts
    assert done["command"] == stopped.facts["command"] == how["command"]
    assert done["began"] == stopped.facts["began"] <= datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for facts in (stopped.facts, done):
        assert facts["seconds"] == pytest.approx(sum(facts["timings"].values()))
    newest = max((stopped.folder / "checkpoints").glob("step-*"))
    saved = json.loads((newest / "state.json").read_text())["timings"]
    for timings in (stopped.facts["timings"], saved):
        assert {"scan and split", "read pictures", "training"} <= timings.keys()
    for stage, seconds in stopped.facts["timings"].items():
        assert done["timings"][stage] > 0.99 * seconds, "the part before is counted"


def test_resume_refuses_when_the_pictures_changed(tmp_path):
    data = photographs(tmp_path / "pictures")
    with pytest.raises(Interrupted):
        train(tmp_path / "runs", data=str(data), model="lenet5", epochs=9, batch=3, listener=Impatient())
    run = open_run(tmp_path / "runs" / "pictures-lenet5-1")
    victim = data / "class 0" / "01.png"
    victim.write_bytes((data / "class 0" / "02.png").read_bytes())
    with pytest.raises(DataError, match=r"1 changed; .*; changed class 0/01\.png"):
        resume_run(run.folder, Execution(), Notes())


def test_a_finished_training_is_not_resumed_and_its_test_set_not_opened_again(tmp_path):
    run = train(tmp_path, epochs=1)
    with pytest.raises(RunError, match="finished"):
        resume_run(run.folder, Execution(), Notes())
    assert len((tmp_path / "test-openings.jsonl").read_text().splitlines()) == 1


def test_a_run_that_began_with_an_older_resizing_goes_on_with_it(tmp_path, monkeypatch):
    """Its pictures are larger than what the network sees, so that the newer one would give other bits."""
    data = data_of("folder", tmp_path, "classify")
    recipe = recipe_for("classify") | {"batch": 4, "size": 8, "model": "resnet20"}
    newer = train(tmp_path / "new", data=data, **recipe)
    monkeypatch.setattr(plan, "VERSION", preprocess.TWO_PASSES)
    whole = train(tmp_path / "a", data=data, **recipe)
    with pytest.raises(Interrupted):
        train(tmp_path / "b", data=data, listener=Impatient(4), **recipe)
    monkeypatch.undo()
    (folder,) = (path for path in (tmp_path / "b").iterdir() if path.is_dir())
    resumed = resume_run(folder, Execution(), Notes())
    assert (digest(resumed), rows(resumed)) == (digest(whole), rows(whole))
    assert digest(resumed) != digest(newer)
    assert (resumed.preprocess.version, newer.preprocess.version) == (preprocess.TWO_PASSES, preprocess.VERSION)
    assert not resumed.warnings
    assert resumed.predict([next(Path(data).rglob("*.png"))])[0].as_dict() == (
        whole.predict([next(Path(data).rglob("*.png"))])[0].as_dict()
    )
