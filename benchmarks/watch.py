"""What `--watch` costs: steps of a training with it and without, in turns, and whether both end with the same bits.

    python benchmarks/watch.py --write          # about five minutes, on a quiet machine

Each training is striate's own loop from its first step, so what is measured to choose which steps are watched counts as
well; validation and what comes after the last step do not. Both sides of a round run one after the other, and which is
first changes from round to round.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from digits import machine, publish, spread, table
from striate.runs import checkpoint
from striate.training import machine as machines
from striate.training.loop import fit
from striate.training.plan import Execution, job_of, plan_of
from striate.training.recipe import recipe_of
from striate.training.signals import Stop

CASES: Mapping[str, Mapping[str, Any]] = {
    "LeNet-5, digits": {"data": "digits", "model": "lenet5", "epochs": 12},
    "ResNet-20, digits at 32": {"data": "digits", "model": "resnet20", "size": 32, "epochs": 3},
    "ResNet-18, noise at 224": {"model": "resnet18", "size": 224, "epochs": 3, "batch": 8, "classes": 4},
}


@dataclass
class Timed:
    """A listener that adds up the seconds of steps: of the wall and of the processor."""

    wall: float = 0.0
    processor: float = 0.0
    steps: int = 0
    said: list[str] = field(default_factory=list)
    _at: tuple[float, float] | None = None

    def say(self, text: str) -> None:
        if text.startswith("watching"):
            self.said.append(text)

    def progress(self, name: str, done: int, total: int, left: float | None = None) -> None:
        if not name.startswith("epoch "):
            self._at = None
            return
        now = time.perf_counter(), time.process_time()
        if self._at is not None and done > 1:
            self.wall, self.processor = self.wall + now[0] - self._at[0], self.processor + now[1] - self._at[1]
            self.steps += 1
        self._at = now

    def epoch(self, epoch: object) -> None:
        self._at = None


def noise(side: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(0)
    return numbers.integers(0, 256, (160, side, side, 3), dtype=np.uint8), np.arange(160) % classes


def once(case: Mapping[str, Any], watch: bool, folder: Path) -> tuple[Timed, str]:
    """One training to its last epoch, and the sha256 of its last weights."""
    keys = {key: value for key, value in case.items() if key != "classes"}
    data = noise(case["size"], case["classes"]) if "classes" in case else None
    listener, execution = Timed(), Execution(runs=folder, watch=watch, save_every=1e9)
    folder.mkdir()
    recipe = recipe_of(**{"data": "arrays", "device": "cpu", **keys})
    plan = plan_of(recipe, execution, listener, data)
    with machines.repeatable(plan.machine.device):
        job = job_of(plan, folder, execution, listener)
        fit(job, listener, Stop())
    return listener, checkpoint.digest(job.net.state_dict())


def measured(case: Mapping[str, Any], rounds: int, home: Path) -> tuple[list[str], bool]:
    """Seconds of a step without, what it adds to wall and processor, which steps were watched, and the bits."""
    added: dict[str, list[float]] = {"wall": [], "processor": []}
    plain, digests, said = [], set(), ""
    for place in range(rounds):
        ends = {}
        for watch in (False, True) if place % 2 == 0 else (True, False):
            ends[watch], digest = once(case, watch, home / f"{place} {watch}")
            digests.add(digest)
        said = ends[True].said[-1] if ends[True].said else "every 2 steps: too few to choose"
        plain.append(ends[False].wall / ends[False].steps)
        for clock, values in added.items():
            values.append(100 * (getattr(ends[True], clock) / getattr(ends[False], clock) - 1))
    bits = "the same" if len(digests) == 1 else "OTHERS"
    row = [spread(plain, 4), spread(added["wall"], 1), spread(added["processor"], 1), said, bits]
    return row, len(digests) == 1 and statistics.median(added["processor"]) < 5


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=list(CASES), nargs="+", default=list(CASES))
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    asked = parser.parse_args()
    where, rows, good = machine(), [], True
    with tempfile.TemporaryDirectory() as home:
        for place, name in enumerate(asked.only):
            folder = Path(home) / str(place)
            folder.mkdir()
            row, fine = measured(CASES[name], asked.rounds, folder)
            rows.append([name, *row])
            good = good and fine
    head = ("training", "seconds a step", "wall, % more", "processor, % more", "told", "weights")
    publish("watch", [
        "# What watching costs", "", f"`python {' '.join(sys.argv)}`; {where}", "",
        f"Median of {asked.rounds} rounds, least and most in brackets.", "", table(head, rows),
    ], asked.write)  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
