"""Kill a training with SIGKILL at random moments, resume each time, and compare its bits with an uninterrupted one.

    python benchmarks/kill.py --kills 20
    python benchmarks/kill.py --kills 3 --term     one SIGTERM instead of the last kill, with the seconds it took
    python benchmarks/kill.py --task inpaint       another task; this one with a critic beside the network

The uninterrupted one is typed as anyone types it. Each of the others is a copy of this process, which has imported what
a training needs and trained nothing.
Prints one JSON object; the exit code is 1 when a byte differs, or when the run does not end with its page.
"""

import argparse
import hashlib
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a process of one thread may be forked
IMPORTED = ("striate.training.train", "striate.shell.cli", "torch._dynamo", "sklearn.datasets", "sklearn.svm")

# Everything that keeps state or draws numbers is on: averaging, colour, momentum; in classification dropout and mixing.
RECIPE = ["--augment", "strong", "--ema", "0.9", "--clip", "5", "--accumulate", "2"]
PLAIN = ["digits", "--mixup", "0", "--cutmix", "0"]
MORE = {
    "classify": [
        "digits", "--dropout", "0.2", "--optimizer", "sgd", "--rate", "0.02", "--schedule", "cosine", "--warmup", "1",
    ],
    "anomaly": [*PLAIN, "--task-options.good", "0"],
    "inpaint": [*PLAIN, "--task-options.critic", "0.05", "--model-options.width", "16", "--batch", "128"],
    "segment": [
        "cells:number=200,size=32", "--mixup", "0", "--cutmix", "0", "--model-options.width", "4",
        "--task-options.border", "10", "--task-options.class_weights", "balanced",
    ],
}  # fmt: skip

STEPS = 20  # between two kills, at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--term", action="store_true")
    parser.add_argument("--task", default="classify")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    for module in IMPORTED:
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as scratch:
        whole, cut = Path(scratch, "whole"), Path(scratch, "cut")
        more = MORE.get(arguments.task, PLAIN)
        # long enough to be killed that often
        recipe = [*more, *RECIPE, "--task", arguments.task, "--epochs", str(2 + 2 * arguments.kills)]
        began = time.monotonic()
        command = [sys.executable, "-m", "striate", "train", *recipe, "--save-every", "0", "--runs", str(whole)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        expected = _digests(_run(whole))
        report: dict[str, object] = {"kills": 0, "seconds_uninterrupted": round(time.monotonic() - began, 1)}
        process = _started([*recipe, "--runs", str(cut)], cut)
        steps = []
        for number in range(arguments.kills):
            _wait(process, cut, chance)
            last = arguments.term and number == arguments.kills - 1
            if last:
                asked = time.monotonic()
                os.kill(process, signal.SIGTERM)
                report["term_exit_code"] = _exit_code(process)
                report["term_seconds"] = round(time.monotonic() - asked, 2)
            else:
                os.kill(process, signal.SIGKILL)
                _exit_code(process)
            steps.append(_newest(_run(cut)))
            report["kills"] = number + 1
            process = _started(["--resume", str(_run(cut))], cut)
        report["exit_code"] = _exit_code(process)
        report["stopped_after_steps"] = steps
        report["same_bits"] = _digests(_run(cut)) == expected
        report["page"] = (_run(cut) / "report.html").exists()
        report["openings"] = json.loads((_run(cut) / "result.json").read_text()).get("openings")
    if len(set(steps)) < arguments.kills:
        report["note"] = "two kills hit the same step, or one came after the end"
    print(json.dumps(report))
    sys.exit(0 if report["same_bits"] and report["page"] else 1)


def _started(words: list[str], runs: Path) -> int:
    """The number of a process whose training has begun to save: a generation is there that was not there before."""
    before = _newest(_run(runs))
    process = os.fork()
    if not process:
        _train([*words, "--save-every", "0"])
    while _newest(_run(runs)) <= before and _runs(process):
        time.sleep(0.005)
    return process


def _train(words: list[str]) -> None:
    """Ends this process as the command does."""
    from striate.shell.cli import main

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    code = 1
    try:
        main(["train", *words])
    except SystemExit as left:
        code = int(left.code or 0)
    finally:
        os._exit(code)


def _runs(process: int) -> bool:
    """Whether it has not ended; its exit code is left to be asked for."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _exit_code(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _wait(process: int, runs: Path, chance: random.Random) -> None:
    """Some steps more and a part of one: so on any machine the training is in its midst, and at any place in a step."""
    before, last = time.monotonic(), _newest(_run(runs)) + chance.randint(1, STEPS)
    first = _newest(_run(runs))
    while (now := _newest(_run(runs))) < last and _runs(process):
        time.sleep(0.001)
    time.sleep(chance.random() * (time.monotonic() - before) / max(1, now - first))


def _run(runs: Path) -> Path:
    """The only run there, or one that is to come."""
    return next((path for path in runs.glob("*-*") if path.is_dir()), runs / "none")


def _newest(run: Path) -> int:
    """The newest step that a kill left behind."""
    return max((int(path.name.split("-")[1]) for path in (run / "checkpoints").glob("step-*")), default=-1)


def _digests(run: Path) -> dict[str, str]:
    """sha256 of the last and the chosen weights, and of all that the optimizer keeps."""
    last = max((run / "checkpoints").glob("step-*"))
    files = {path.name: path for path in last.glob("*.safetensors")}
    files["chosen"] = run / "checkpoints" / "best" / "weights.safetensors"
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


if __name__ == "__main__":
    main()
