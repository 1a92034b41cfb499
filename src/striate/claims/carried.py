"""A claim put to the test: its trainings, its verdicts, and the record of both."""

import dataclasses
from dataclasses import dataclass
from typing import Any, final

from striate.claims.claim import Asked, Claim
from striate.claims.verdict import Verdict, verdicts
from striate.training import machine as machines
from striate.training.execution import Carried, Listener
from striate.training.machine import Clock
from striate.training.many import Ended, train_many

FORMAT = 1


@final
@dataclass(frozen=True)
class Found:
    """What became of a claim: its verdicts, on which machine, when, by how many trainings in how many seconds."""

    claim: Claim
    verdicts: tuple[Verdict, ...]
    seeds: int
    trainings: int
    data: str
    began: str
    seconds: float
    machine: str
    command: str

    def as_dict(self) -> dict[str, Any]:
        """The record, as JSON has it."""
        told = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        of = {key: getattr(self.claim, key) for key in ("sentence", "source", "protocol", "gate", "lesson")}
        return {
            "format": FORMAT, **told, "claim": self.claim.name, **of, "verdicts": [each.as_dict() for each in self.verdicts],
        }  # fmt: skip


def carry_out(claim: Claim, asked: Asked, carried: Carried, listener: Listener) -> Found:
    """Train what is not trained yet, stage by stage, and tell what it says."""
    clock, ended = Clock(), dict[str, Ended]()
    for stage in claim.stages(asked):
        ended |= train_many(stage, asked.folder, carried, listener)
    clock.mark("trainings")
    return Found(
        claim=claim,
        verdicts=verdicts(claim.questions(asked, ended)),
        seeds=len(asked.seeds),
        trainings=len(ended),
        data=str(asked.data["data"]),
        began=clock.began,
        seconds=clock.told()["seconds"],
        machine=str(machines.choose("cpu", "auto")),
        command=carried.execution.command,
    )
