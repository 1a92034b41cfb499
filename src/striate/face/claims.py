"""What lectures say, put to the test: a claim on these pictures, and which claims there are."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.base import words
from striate.base.errors import UsageError
from striate.base.paths import path_of
from striate.base.units import parse_seconds
from striate.claims.catalogue import DIGITS, known
from striate.face.asked import called, in_memory, listening
from striate.face.many import refuse_together
from striate.training.execution import Carried, Execution, Listener, Silent

if TYPE_CHECKING:
    from striate.claims.carried import Found
    from striate.claims.claim import Asked, Claim
    from striate.claims.recorded import Listed

SIDE, SIDE_OF_DIGITS, MOST_SIDE = 32, 8, 1024
MOST_SEEDS, MOST_OF_NAME = 1_000, 100


def list_claims(jobs: int | None = None) -> tuple[Listed, ...]:
    """Every claim, what was recorded of it, and about how long it takes here with so many trainings at once."""
    from striate.claims.recorded import listed

    return listed(jobs)


def claim(
    name: str,
    data: str | os.PathLike[str] | None = None,
    *,
    size: int | None = None,
    seeds: int | None = None,
    time: str | float | None = None,
    runs: str | os.PathLike[str] = "runs",
    jobs: int | None = None,
    threads: int | None = None,
    listener: Listener | None = None,
    quiet: bool = False,
) -> Found:
    """Put a claim to the test: train what it compares, and tell by how much they differ and what that says of it.

    `name` is one of `list_claims()`. `data`: what a recipe takes, a folder or a name; the built-in digits unless said
    otherwise. `size`: pixels of a side, 8 for the digits and else 32. `seeds`: so many, else as many as the claim has.
    `time`: seconds, or text such as "5m", within which as many of them as fit are trained, and at least one. All of it
    lies in `runs`/claims/DATA-NAME with its page; the same again goes on where it was stopped. `jobs` trainings at the
    same time, of so many `threads` each. No test set is made or opened: folds hold out what is measured.
    """
    asked = {"size": size, "seeds": seeds, "time": time}
    execution = Execution(path_of(runs), command=called(name, {"data": data, **asked}, "claim"))
    with listening(quiet, listener) as who:
        return carry_out_claim(name, data, asked, Carried("", jobs, threads, execution), who)[0]


def carry_out_claim(
    name: str,
    data: str | os.PathLike[str] | None,
    asked: Mapping[str, Any],
    carried: Carried,
    listener: Listener,
) -> tuple[Found, Path]:
    """As `claim`, with size, seeds and time as `asked`; and the folder where it lies."""
    known(name)
    if in_memory(data):
        raise UsageError("data", "a claim is put to the test on pictures that have a name", "a folder")
    size, seeds, within = _read(asked, data is None or data == DIGITS)
    refuse_together("claims")
    from striate.claims.carried import carry_out
    from striate.claims.catalogue import find
    from striate.claims.claim import Asked
    from striate.claims.yardstick import yardstick
    from striate.report import claim as report

    wanted = find(name)
    told = {"data": os.fspath(DIGITS if data is None else data), "size": size}
    where = _folder(wanted, Asked(told, (0,), Path()), carried.execution)
    seen = Asked(told, tuple(range(wanted.seeds if seeds is None else seeds)), where)
    found = carry_out(wanted, seen, carried, listener, within)
    if wanted.sweeps:
        found = dataclasses.replace(found, yardstick=yardstick())
    report.write(found, where)
    return found, where


def _read(asked: Mapping[str, Any], digits: bool) -> tuple[int, int | None, float]:
    """Pixels of a side, seeds and seconds; a UsageError where they cannot be meant."""
    size, seeds, time = asked["size"], asked["seeds"], asked["time"]
    size = (SIDE_OF_DIGITS if digits else SIDE) if size is None else size
    within = math.inf if time is None else parse_seconds(time, "time") if isinstance(time, str) else float(time)
    if not 1 <= size <= MOST_SIDE:
        raise UsageError("size", f"{size} is out of range", f"pixels of a side, from 1 to {MOST_SIDE:,}")
    if seeds is not None and not 1 <= seeds <= MOST_SEEDS:
        raise UsageError("seeds", f"{seeds} is out of range", f"a number from 1 to {MOST_SEEDS:,}; 3 say something")
    if not within > 0:
        raise UsageError("time", f"{time} is no time", "an amount such as 5m")
    return size, seeds, within


def _folder(claim: Claim, asked: Asked, execution: Execution) -> Path:
    """Where it lies; what no training of it could take is refused before a folder is made."""
    from striate.claims.claim import COMMON
    from striate.training.plan import plan_of, refuse_inside
    from striate.training.recipe import recipe_of

    first = next(iter(claim.sweeps[0].recipes(asked).values())) if claim.sweeps else None
    plan = plan_of(first or recipe_of(**COMMON, **asked.data, model="resnet20", epochs=1), execution, Silent())
    refuse_inside(plan, "runs", execution.runs)
    data = words.fitting(re.sub(r"[^\w.+-]", "-", plan.samples.name), MOST_OF_NAME)
    return execution.runs / "claims" / f"{data}-{claim.name}"
