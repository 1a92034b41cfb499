"""How many trainings go at once, with how many threads each: measured on steps of the very networks of a list."""

import dataclasses
import resource
import secrets
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import joblib
import numpy as np
import torch

from striate.base.units import roughly
from striate.base.words import many
from striate.data.feed import cut_batches, free_memory
from striate.data.load import Data
from striate.training import machine as machines
from striate.training.apart import Asked, apart
from striate.training.balance import order_of
from striate.training.execution import Silent
from striate.training.loop import Trainer
from striate.training.plan import job_of, plan_of
from striate.training.signals import Stop

# Steps that are timed for each number of threads, after one that is not; fewer where they take so many seconds.
STEPS, ENOUGH = 5, 3.0
# Of two recipes that agree in these, a step takes as long.
ALIKE = ("data", "task", "model", "model_options", "task_options", "size", "channels", "batch", "resize", "device")


@final
@dataclass(frozen=True)
class Taken:
    """Steps of an epoch times epochs; the seconds of one by the number of threads; bytes of the process; its device;
    seconds until the first step, and pictures of validation for each of training."""

    steps: int
    seconds: Mapping[int, float]
    memory: int
    device: str
    begun: float = 0.0
    validated: float = 0.0

    def whole(self, threads: int) -> float:
        """Seconds of the whole training, about: a picture of validation takes a third of one of training."""
        known = max((each for each in self.seconds if each <= threads), default=min(self.seconds))
        return self.begun + self.steps * self.seconds[known] * (1 + self.validated / 3)


def abreast(found: Sequence[Taken | None]) -> tuple[int, int, str]:
    """Trainings at once and threads of each with which a list is done soonest here, and why; None: nothing is known."""
    known = [(each, 1) for each in found if each is not None]
    return soonest(known, len(found), int(joblib.cpu_count()), free_memory(torch.device("cpu")))


def tried(asked: Sequence[Asked], data: Data | None) -> list[Taken | None]:
    """What each takes. One recipe of each kind is tried, in a process of its own.

    What fails there is left to its own training to tell.
    """
    kinds: dict[str, Taken | None] = {}
    found = []
    for each in asked:
        kind = repr([getattr(each.recipe, name) for name in ALIKE])
        if kind not in kinds:
            folder = each.folder.with_name(f".striate-{secrets.token_hex(8)}.partial")
            taken = apart(_tried, dataclasses.replace(each, folder=folder), data)[1]
            shutil.rmtree(folder, ignore_errors=True)
            kinds[kind] = taken if isinstance(taken, Taken) else None
        found.append(kinds[kind])
    return found


def soonest(tried: Sequence[tuple[Taken, int]], count: int, cores: int, free: int) -> tuple[int, int, str]:
    """Of `count` trainings, where as many as is said are like those tried; never more threads in all than cores."""
    if not tried:
        return max(1, min(cores, count)), 1, "nothing could be tried"
    if any(taken.device != "cpu" for taken, _ in tried):
        return 1, cores, "one at a time on the device that they share"
    memory = max(taken.memory for taken, _ in tried)
    fit = max(1, free // memory)

    def jobs(threads: int) -> int:
        return max(1, min(cores // threads, count, fit))

    def seconds(threads: int) -> float:
        return sum(like * taken.steps * taken.seconds[threads] for taken, like in tried) / jobs(threads)

    best = min(_numbers(cores), key=seconds)
    slowest = max(taken.seconds[best] for taken, _ in tried)
    why = f"a step takes at most {slowest:.2g} s then, and a training {roughly(memory, 'B')} of memory"
    return jobs(best), best, f"of {many(cores, 'core')}; {why}"


def _numbers(cores: int) -> list[int]:
    """1, 2, 4 and so on, and all cores."""
    return sorted({cores, *(2**power for power in range(cores.bit_length()) if 2**power <= cores)})


def _tried(asked: Asked, data: Data | None) -> Taken:
    """Some steps of a training that is thrown away."""
    beginning = time.perf_counter()
    plan = plan_of(asked.recipe, asked.execution, Silent(), data)
    asked.folder.mkdir()
    with machines.repeatable(plan.machine.device):
        job = job_of(plan, asked.folder, asked.execution, Silent())
        if job.recipe.rate == "auto":
            job = dataclasses.replace(job, recipe=dataclasses.replace(job.recipe, rate=1e-3))
        trainer = Trainer(job, Silent(), Stop())
        trainer.set_out()
        train = job.units.within(job.split.train)
        groups = cut_batches(order_of(job, train, 0), job.batch)
        first = np.append(groups[0], groups[0][:1]) if job.augmenter.mixes else groups[0]
        (batch,) = job.train.batches([first])
        begun = time.perf_counter() - beginning
        device = job.machine.device.type
        seconds = {}
        for threads in _numbers(joblib.cpu_count()) if device == "cpu" else [1]:
            torch.set_num_threads(threads)
            trainer.step(batch, len(groups[0]))
            began, steps = time.perf_counter(), 0
            while steps < STEPS and time.perf_counter() - began < ENOUGH:
                trainer.step(batch, len(groups[0]))
                steps += 1
            seconds[threads] = (time.perf_counter() - began) / steps
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    validated = len(job.split.val) / len(job.split.train)
    return Taken(len(groups) * (job.recipe.epochs or 1), seconds, peak, device, begun, validated)
