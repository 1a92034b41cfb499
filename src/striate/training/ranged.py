"""A learning-rate range test: how the loss goes while the rate rises, step by step, and the rate that this suggests.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3. It trains copies of the network and
the optimizer on training pictures alone; every draw has a key, so that the training after it is that of the rate typed.
"""

import copy
import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from striate.base import durable, processes
from striate.base.errors import RunError
from striate.base.randomness import permutation
from striate.data.feed import cut_batches
from striate.data.samples import Indices
from striate.training import sharing
from striate.training.execution import Listener
from striate.training.loop import Trainer
from striate.training.plan import Job
from striate.training.signals import Stop

STEPS = 100
# The rates of the first and the last step; AdamW's steps are as long as the rate, whatever the gradient.
RATES = {"sgd": (1e-5, 10.0), "adamw": (1e-6, 1.0)}
# Losses are averaged over this many steps on either side, with weights that fall to both ends.
AROUND = 5
# The test ends where the loss is so many times the lowest: it has exploded.
EXPLODED = 4.0
# What is suggested, as a share of the rate at which the smoothed loss is lowest.
SHARE = 1 / 3
FILE = "rates.csv"

Numbers = npt.NDArray[np.float64]


@final
@dataclass(frozen=True)
class Ranged:
    """The mean loss of each step's pictures at its rate, the same smoothed, and the rate that is suggested."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smooth: tuple[float, ...]
    rate: float


def with_rate(job: Job, folder: Path, listener: Listener) -> Job:
    """The job with a number for the rate "auto", and FILE in the run folder; as it is where it has a number."""
    if job.recipe.rate != "auto":
        return job
    said = ""
    if job.machine.first:
        found = range_test(job, listener)
        rows = zip(found.rates, found.losses, found.smooth, strict=True)
        durable.write_csv(folder / FILE, ["rate", "loss", "smooth"], rows)
        said = repr(found.rate)
    rate = float(processes.from_first(said))
    why = f"a third of where the loss was lowest in a range test of {STEPS} steps, on a copy of the network"
    return dataclasses.replace(
        job, recipe=dataclasses.replace(job.recipe, rate=rate), chosen={**job.chosen, "rate": why}
    )


def range_test(job: Job, listener: Listener) -> Ranged:
    """The range test of this job, by this process alone; a RunError where the loss is no number at any rate."""
    low, high = RATES[job.recipe.optimizer or "sgd"]
    rates = np.geomspace(low, high, STEPS)
    tuning = job.tuning
    if tuning is not None and tuning.kind == "gradual":  # as where all its stages learn
        tuning = dataclasses.replace(tuning, kind="full")
    recipe = dataclasses.replace(
        job.recipe, rate=low, schedule="constant", warmup=0.0, ema=0.0, compile=False, clip=None
    )
    trial = dataclasses.replace(
        job, recipe=recipe, tuning=tuning, machine=dataclasses.replace(job.machine, rank=0, world=1),
        net=copy.deepcopy(job.net), partner=copy.deepcopy(job.partner), watch=False,
    )  # fmt: skip
    trainer = Trainer(trial, listener, Stop())
    trainer.set_out()
    losses: list[float] = []
    for order in _orders(job):
        groups = cut_batches(order, job.batch)[: STEPS - len(losses)]
        shares = [group[sharing.read(len(group), trial.machine, 1, job.augmenter.mixes)] for group in groups]
        for group, batch in zip(groups, job.train.batches(shares), strict=True):
            trainer.job = dataclasses.replace(trial, recipe=dataclasses.replace(recipe, rate=float(rates[len(losses)])))
            try:
                loss, _ = trainer.step(batch, len(group))
            except RunError:  # no number any more
                return suggested(rates, losses)
            losses.append(loss / len(group))
            trainer.progress.step += 1
            listener.progress("trying rates", len(losses), STEPS)
            if losses[-1] > EXPLODED * max(min(losses), 1e-12) and len(losses) > 2 * AROUND:
                return suggested(rates, losses)
        if len(losses) == STEPS:
            break
        trainer.progress.epoch += 1
    return suggested(rates, losses)


def suggested(rates: Numbers, losses: list[float]) -> Ranged:
    """From the losses of the first steps: where they are lowest when smoothed, not where they fall most steeply.

    A `RunError` where there are none, for the first was no number.
    """
    smooth = smoothed(np.array(losses))
    if not len(smooth):
        raise RunError("rate auto", "the loss is no number at the lowest rate", "a number for --rate")
    place = int(np.argmin(smooth))
    rate = float(f"{rates[place] * SHARE:.2g}")
    tried = tuple(map(float, rates[: len(losses)]))
    return Ranged(tried, tuple(losses), tuple(map(float, smooth)), rate)


def smoothed(losses: Numbers) -> Numbers:
    """Each step's loss averaged with its neighbours', by weights that fall linearly on either side."""
    weights = np.concatenate([np.arange(1, AROUND + 1), np.arange(AROUND + 1, 0, -1)]).astype(np.float64)
    held = np.convolve(losses, weights, "same") if len(losses) > len(weights) else losses * 1.0
    counts = np.convolve(np.ones_like(losses), weights, "same") if len(losses) > len(weights) else np.ones_like(losses)
    return held / counts


def _orders(job: Job) -> list[Indices]:
    """Orders of the training pictures, of keys of their own, as many as the steps need."""
    train = job.units.within(job.split.train)
    count = math.ceil(STEPS / len(cut_batches(train, job.batch)))
    return [train[permutation(job.recipe.seed, "rates", epoch, len(train))] for epoch in range(count)]
