"""One process or two: the same samples in the same order, each counted once."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import pytest
from torch.distributed import distributed_c10d

from small import ONE, Notes, data_of, smaller, train
from striate.base import processes
from striate.data import samples
from striate.runs.run import open_run
from striate.training import plan as planning
from striate.training.loop import fit
from striate.training.recipe import recipe_of
from striate.training.signals import Stop
from together import Watched, ended, free_port, started

pytestmark = pytest.mark.slow


def shares(folder, task, data):
    """Trains and writes which samples each process was given at each step."""
    samples.WINDOW = 8  # so that few pictures in shards make several windows
    distributed_c10d._unpickler = None  # nothing that they exchange is unpickled
    recipe = recipe_of(data=data, task=task, epochs=2, precision="float32", device="cpu", **smaller(task, good="0"))
    seen, execution = [], planning.Execution(runs=folder)
    with processes.group("cpu"):
        rank, world = processes.place()
        home = folder / str(world)
        plan = planning.plan_of(recipe, execution, Notes())
        job = planning.job_of(plan, home, execution, Notes())
        trainer = fit(dataclasses.replace(job, train=Watched(job.train, seen)), Notes(), Stop())
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    told = {"seen": seen, "history": trainer.progress.history, "threads": threads}
    (home / f"{rank}.json").write_text(json.dumps(told))


def shared(folder, task, data):
    """The same of one process, and of the first and the second of two."""
    for count in (1, 2):
        (folder / str(count)).mkdir()
        assert ended(started(count, shares, folder, task, data)) == [0] * count
    return [json.loads((folder / f"{name}.json").read_text()) for name in ("1/0", "2/0", "2/1")]


@pytest.mark.parametrize("task", ONE)
def test_two_processes_see_the_samples_of_one_in_the_same_order(tmp_path, task):
    one, first, second = shared(tmp_path, task, data_of("digits", tmp_path, task))
    assert [a + b for a, b in zip(first["seen"], second["seen"], strict=True)] == one["seen"]
    assert first["seen"] != second["seen"]
    for alone, together in zip(one["history"], first["history"], strict=True):
        for name in alone.keys() - {"seconds"}:
            assert together[name] == pytest.approx(alone[name], rel=2e-3), name
    ends = [
        {name: each["history"][-1][name] for name in each["history"][-1] if "val" in name} for each in (first, second)
    ]
    assert ends[0] == ends[1] != {}
    for each in (first, second):  # a thread of the group that outlives it asks for an interpreter that is gone
        assert not [name for name in each["threads"] if "gloo" in name or "pulse" in name]


def hear(said, heard):
    with processes.group("cpu"):
        rank, _ = processes.place()
        found = [processes.from_first(text if rank == 0 else "") for text in said]
    (heard / str(rank)).write_text(json.dumps(found))


def test_what_the_first_process_says_is_heard_by_all_letter_for_letter(tmp_path):
    said = ["", "runs/digits-1", "naïve 画像 \U0001f5bc", "a name of no encoding \udcff", "0.1", "x" * 70_000]
    assert ended(started(3, hear, said, tmp_path)) == [0, 0, 0]
    assert [json.loads((tmp_path / str(rank)).read_text()) for rank in range(3)] == [said] * 3


def nodes(folder, *words):
    """The same command on two machines, which are both this one."""
    meet = f"--nnodes 2 --nproc-per-node 1 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:{free_port()} --rdzv-id one"
    start = [sys.executable, "-m", "torch.distributed.run", *meet.split(), "--local-addr", "127.0.0.1"]
    how = {"cwd": folder, "env": os.environ | {"OMP_NUM_THREADS": "1"}, "stdout": PIPE, "stderr": PIPE, "text": True}
    command = ["-m", "striate", "train", *words]
    return [subprocess.Popen([*start, "--node-rank", str(rank), *command], **how) for rank in range(2)]


def test_on_two_machines_a_process_that_is_killed_ends_all_and_they_go_on_to_what_one_trains(tmp_path):
    """513 validation pictures: one process has a batch more to answer on than the other."""
    recipe = {"split": "51.56/28.46/19.98", "precision": "float32", "epochs": 3, "dropout": 0.1}
    given = [word for name, value in recipe.items() for word in (f"--{name}", str(value))]
    agents = nodes(tmp_path, "digits", "--save-every", "0", *given)
    run = tmp_path / "runs" / "digits-lenet5-1"
    while not (run / "epochs.csv").exists():
        assert [each.poll() for each in agents] == [None, None]
        time.sleep(0.05)
    (worker,) = Path(f"/proc/{agents[1].pid}/task/{agents[1].pid}/children").read_text().split()
    os.kill(int(worker), signal.SIGKILL)
    said = [each.communicate(timeout=60)[1] for each in agents]
    assert all(each.returncode for each in agents)
    errors = [line for text in said for line in text.splitlines() if line.startswith("error[")]
    hint = f"Try: striate train --resume {run.relative_to(tmp_path)}"
    assert errors == [f"error[run]: {run.relative_to(tmp_path)}: one of its other processes has ended. {hint}"]
    assert not [text for text in said if "striate/training" in text], "a traceback"

    agents = nodes(tmp_path, "--resume", str(run), "--json")
    outs = [each.communicate(timeout=300) for each in agents]
    assert [each.returncode for each in agents] == [0, 0], outs
    answers = [json.loads(line) for out, _ in outs for line in out.splitlines() if line.startswith("{")]
    assert len(answers) == 1, "one process speaks"
    assert answers[0]["result"]["n"] == 359
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()] == [run.name]
    for alone, together in zip(train(tmp_path / "alone", **recipe).epochs, open_run(run).epochs, strict=True):
        for name in alone.keys() - {"seconds"}:
            assert together[name] == pytest.approx(alone[name], rel=2e-3), name
