"""What was recorded of each claim, in short: so that a list of claims can say what they came to and what they cost.

`recorded.json` is made by docs/make_tables.py of benchmarks/results/claims/, and a test compares the two.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, final

import joblib

from striate.claims.catalogue import NAMES, find
from striate.claims.claim import Claim
from striate.claims.yardstick import yardstick


@final
@dataclass(frozen=True)
class Recorded:
    """`verdicts` are words, `date` is a day, `work` the seconds that it would take one training after another,
    and `yardstick` how fast the machine was, 0 where nothing was trained."""

    verdicts: tuple[str, ...]
    data: str
    seeds: int
    trainings: int
    work: float
    yardstick: float
    date: str

    def here(self, yardstick: float, jobs: int, seeds: int | None = None) -> float:
        """About how many seconds it takes on this machine, with so many trainings at once."""
        faster = yardstick / self.yardstick if self.yardstick else 1.0
        return self.work * faster * (1.0 if seeds is None else seeds / self.seeds) / jobs


@cache
def recorded() -> Mapping[str, Recorded]:
    """By the name of the claim; one that was not recorded yet is not there."""
    held = json.loads(resources.files(__package__).joinpath("recorded.json").read_text("utf-8"))
    return {name: Recorded(**{**each, "verdicts": tuple(each["verdicts"])}) for name, each in held.items()}


def shortened(found: Mapping[str, Any]) -> dict[str, Any]:
    """What `recorded.json` holds of a claim, from its record."""
    return {
        "verdicts": [each["word"] for each in found["verdicts"]],
        "data": found["data"],
        "seeds": len(found["seeds"]),
        "trainings": found["trainings"],
        "work": round(max(found["work"], found["seconds"] * found["jobs"]), 1),  # processes take time to start
        "yardstick": round(found["yardstick"], 3),
        "date": found["began"][:10],
    }


@final
@dataclass(frozen=True)
class Listed:
    """A claim beside what was recorded of it; `seconds` are those that it takes here, about: None where nobody knows,
    0 where nothing is trained."""

    name: str
    sentence: str
    source: str
    recorded: Recorded | None
    seconds: float | None


def listed(jobs: int | None = None) -> tuple[Listed, ...]:
    """Every claim, in order; `jobs` trainings go at once, else one a core."""
    held, at_once = recorded(), jobs or joblib.cpu_count()
    speed = yardstick() if held else 0.0

    def seconds(claim: Claim) -> float | None:
        if not claim.sweeps:
            return 0.0
        return held[claim.name].here(speed, at_once) if claim.name in held else None

    claims = [find(name) for name in NAMES]
    return tuple(Listed(each.name, each.sentence, each.source, held.get(each.name), seconds(each)) for each in claims)
