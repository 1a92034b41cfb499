"""A claim put to the test: its trainings, its verdicts, and the record of both."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, final

from striate.base.tables import Table
from striate.claims.catalogue import DIGITS
from striate.claims.claim import Asked, Claim, Runs
from striate.claims.verdict import Verdict, verdicts
from striate.training import machine as machines
from striate.training.execution import Carried, Listener
from striate.training.machine import Clock
from striate.training.many import Ended, jobs_of, train_many

FORMAT = 1


@final
@dataclass(frozen=True)
class Trained:
    """An arm at a rate: `chosen` is the mean of what rates are chosen by, None where a training failed."""

    arm: str
    rate: float
    chosen: float | None
    best: bool


@final
@dataclass(frozen=True)
class Found:
    """What became of a claim. `work`: the seconds of its trainings, one after another; `seconds`: those that passed.

    `yardstick` is how fast this machine trains, 0 where nobody asked; `jobs` trainings went at once.
    """

    claim: Claim
    verdicts: tuple[Verdict, ...]
    trained: tuple[Trained, ...]
    seeds: tuple[int, ...]
    trainings: int
    data: str
    began: str
    seconds: float
    work: float
    machine: str
    command: str
    yardstick: float = 0.0
    jobs: int = 1
    beside: tuple[Table, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The record, as JSON has it."""
        of = {key: getattr(self.claim, key) for key in ("sentence", "source", "protocol", "gate", "lesson")}
        told = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {"format": FORMAT} | told | {
            "claim": self.claim.name, **of, "verdicts": [each.as_dict() for each in self.verdicts],
            "trained": [dataclasses.asdict(each) for each in self.trained],
            "beside": [{key: getattr(each, key) for key in ("caption", "head", "rows")} for each in self.beside],
        }  # fmt: skip


def carry_out(claim: Claim, asked: Asked, carried: Carried, listener: Listener, within: float = math.inf) -> Found:
    """Train what is not trained yet, sweep by sweep, and tell what it says.

    `within`: seconds; seed after seed is then trained, as long as another one fits, and at least one.
    """
    clock, ended, seeds = Clock(), dict[str, Ended](), asked.seeds
    execution = dataclasses.replace(carried.execution, keep_epochs=claim.keep_epochs)
    carried = dataclasses.replace(carried, execution=execution)
    if math.isinf(within):
        ended |= _trained(claim, asked, carried, listener)
    else:
        seeds, last = (), 0.0
        for seed in asked.seeds:
            if seeds and clock.told()["seconds"] + last > within:
                listener.say(f"{within:g} s are enough for {len(seeds)} of {len(asked.seeds)} seeds")
                break
            own = _trained(claim, dataclasses.replace(asked, seeds=(seed,)), carried, listener)
            ended |= own
            seeds = (*seeds, seed)
            last = _work(own) / jobs_of(asked.folder) if claim.sweeps else 0.0  # what was done before took as long
            clock.mark("trainings")
    asked = dataclasses.replace(asked, seeds=seeds)
    questions = claim.questions(asked, ended)
    found, beside = verdicts(questions), tuple(claim.beside(asked, ended, questions))
    clock.mark("trainings")
    return Found(
        claim=claim,
        verdicts=found,
        trained=tuple(_swept(claim, asked, ended)),
        seeds=seeds,
        trainings=len(ended),
        data=claim.pictures if claim.pictures and asked.data["data"] == DIGITS else str(asked.data["data"]),
        began=clock.began,
        seconds=clock.told()["seconds"],
        work=_work(ended),
        machine=str(machines.choose("cpu", "auto")),
        command=carried.execution.command,
        jobs=jobs_of(asked.folder) if claim.sweeps else 1,
        beside=beside,
    )


def _trained(claim: Claim, asked: Asked, carried: Carried, listener: Listener) -> Runs:
    ended = dict[str, Ended]()
    for sweep in claim.sweeps:
        ended |= train_many(sweep.recipes(asked), asked.folder, carried, listener)
    return ended


def _work(runs: Runs) -> float:
    """Seconds of trainings, one after another."""
    return float(sum(each.run.facts.get("seconds", 0.0) for each in runs.values() if each.run is not None))


def _swept(claim: Claim, asked: Asked, runs: Runs) -> list[Trained]:
    found = []
    for sweep in claim.sweeps:
        for arm in sweep.arms:
            best = sweep.best(asked, runs, arm)
            for rate in sweep.rates:
                middle = sweep.middle(asked, runs, arm, rate)
                found.append(Trained(arm, rate, middle if math.isfinite(middle) else None, rate == best))
    return found
