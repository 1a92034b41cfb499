"""The same recipe gives the same bits: however read, wherever stopped."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from small import Notes, digest, photographs, train
from striate.base.errors import Interrupted, RunError
from striate.runs.run import open_run
from striate.training.plan import Execution
from striate.training.train import resume

KILL = Path(__file__).parents[2] / "benchmarks" / "kill.py"


def test_workers_and_memory_change_no_bit(tmp_path):
    data = photographs(tmp_path / "pictures")
    recipe = {"data": str(data), "model": "resnet20", "batch": 9, "epochs": 2, "augment": "strong", "size": 32}
    digests = {
        (memory, workers): digest(train(tmp_path / "runs", execution={"memory": memory, "workers": workers}, **recipe))
        for memory, workers in [("resident", 0), ("resident", 2), ("streamed", 0), ("streamed", 1), ("streamed", 2)]
    }
    assert len(set(digests.values())) == 1, digests


def test_the_seed_decides_the_bits(tmp_path):
    first, again, other = (train(tmp_path, seed=seed, epochs=1) for seed in (3, 3, 4))
    assert digest(first) == digest(again) != digest(other)


def test_sigkill_and_sigterm_then_resume_give_the_bits_of_an_uninterrupted_training():
    done = subprocess.run(
        [sys.executable, str(KILL), "--kills", "4", "--term", "--seed", "11"], capture_output=True, text=True
    )
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["same_bits"], (report, done.stderr)
    assert done.returncode == 0
    assert report["term_exit_code"] == 143
    assert len(set(report["stopped_after_steps"])) == 4, report


class Impatient(Notes):
    """Sends this process a signal in the middle of the second epoch."""

    def progress(self, name, done, total):
        if name.startswith("epoch 2 of") and done == 9:
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
    resumed = resume(other.folder, Execution(save_every=0.0), notes)
    assert any(newest.name in text and "damaged" in text for text in notes.said)
    assert digest(resumed) == digest(whole)


def test_the_best_weights_of_before_a_stop_are_kept(tmp_path):
    """The rate rises until training breaks down, so that no later epoch is better than the first."""
    recipe = {"epochs": 3, "rate": 3.0, "warmup": 9.0, "schedule": "constant"}
    whole = train(tmp_path / "a", **recipe)
    with pytest.raises(Interrupted):
        train(tmp_path / "b", listener=Impatient(), **recipe)
    resumed = resume(tmp_path / "b" / "digits-lenet5-1", Execution(), Notes())
    assert whole.result["best_epoch"] == 1
    assert digest(resumed) == digest(whole)


def test_resume_refuses_when_the_pictures_changed(tmp_path):
    data = photographs(tmp_path / "pictures")
    with pytest.raises(Interrupted):
        train(tmp_path / "runs", data=str(data), model="lenet5", epochs=9, batch=3, listener=Impatient())
    run = open_run(tmp_path / "runs" / "pictures-lenet5-1")
    victim = data / "class 0" / "01.png"
    victim.write_bytes((data / "class 0" / "02.png").read_bytes())
    with pytest.raises(RunError, match="1 gone"):
        resume(run.folder, Execution(), Notes())


def test_a_finished_training_is_not_resumed_and_its_test_set_not_opened_again(tmp_path):
    run = train(tmp_path, epochs=1)
    with pytest.raises(RunError, match="finished"):
        resume(run.folder, Execution(), Notes())
    assert len((tmp_path / "test-openings.jsonl").read_text().splitlines()) == 1
