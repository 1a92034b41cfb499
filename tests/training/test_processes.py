"""One process or two: the same samples in the same order, each counted once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from small import ONE

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def start(command, cwd=None):
    path = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("task", ONE)
def test_two_processes_see_the_samples_of_one_in_the_same_order(tmp_path, task):
    start([sys.executable, str(HERE / "shares.py"), str(tmp_path), task])
    start([*TORCHRUN, str(HERE / "shares.py"), str(tmp_path), task])
    one, first, second = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("1/0", "2/0", "2/1"))
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
        assert not [name for name in each["threads"] if "gloo" in name]


def test_the_command_works_under_torchrun(tmp_path):
    """513 validation pictures: one process has a batch more to answer on than the other."""
    split = ["--split", "51.56/28.46/19.98", "--precision", "float32"]
    out = start([*TORCHRUN, "-m", "striate", "train", "digits", "--epochs", "2", "--json", *split], cwd=tmp_path)
    answers = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert len(answers) == 1, "one process speaks"
    assert answers[0]["result"]["n"] == 359
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()] == ["digits-lenet5-1"]
