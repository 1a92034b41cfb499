"""Ensembles of kinds and of seeds, against their best member and against each other."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch

from striate.base.errors import RunError
from striate.base.randomness import key
from striate.claims.claim import Asked, Claim, Runs, Sweep, name
from striate.claims.measures import HELD_ERROR, held_error
from striate.claims.verdict import POINTS, Question
from striate.runs.joined import best_of
from striate.runs.run import Run, open_run

# LeNet-5 reads 32x32; the others any size from 8 pixels.
KINDS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "lenet5": {"model": "lenet5", "size": 32},
    "alexnet_cifar10": {"model": "alexnet_cifar10", "model_options": {"norm": "batch"}},
    "plain20": {"model": "plain20"},
    "resnet20": {"model": "resnet20"},
    "preact_resnet20": {"model": "preact_resnet20"},
})  # fmt: skip
RATE = 0.08
# The gate, in per cent of the pictures that are held out.
MOST = 20
# Few pictures to learn from, and half of all to measure on: a sixth, a third and a half.
FEW: Mapping[str, Any] = MappingProxyType({"fold": "1/2", "split": "33/67/0", "epochs": 20, "batch": 64})


def _again(number: int) -> Callable[[Asked, int], Mapping[str, Any]]:
    """The kind that did best on validation, with other weights and another order; before any is trained, the first."""

    def arm(asked: Asked, seed: int) -> Mapping[str, Any]:
        try:
            best = best_of([open_run(asked.folder / name(kind, RATE, seed)) for kind in KINDS])
        except RunError:
            best = None
        kind = next(iter(KINDS)) if best is None else best.name.removesuffix(name("", RATE, seed))
        return {**KINDS[kind], "seed": key(seed, "again", number) % 2**32}

    return arm


KIND = Sweep(KINDS, (RATE,), FEW)
AGAIN = Sweep({f"again{number}": _again(number) for number in range(1, len(KINDS))}, (RATE,), FEW)


def together(runs: Sequence[Run]) -> float:
    """The error in per cent of their mean probabilities on what the fold holds out."""
    tasks = [run.task for run in runs]
    rows = tasks[0].joined_rows([run.kept["held"].rows for run in runs], [1 / len(runs)] * len(runs), tasks)
    return 100 * (1 - tasks[0].summary(torch.from_numpy(rows))["accuracy"])


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    kinds, seeds, best, failed = list[float](), list[float](), list[float](), ""
    for seed in asked.seeds:
        ended = {arm: runs[name(arm, RATE, seed)] for arm in (*KIND.arms, *AGAIN.arms)}
        done = {arm: each.run for arm, each in ended.items() if each.run is not None and not each.cause}
        members = [done[kind] for kind in KINDS if kind in done]
        chosen = best_of(members) if len(done) == len(ended) else None
        if chosen is None:
            failed = failed or next((f"a member failed: {each.cause}" for each in ended.values() if each.cause), "")
            for each in (kinds, seeds, best):
                each.append(math.nan)
            continue
        kinds.append(together(members))
        seeds.append(together([chosen, *(done[arm] for arm in AGAIN.arms)]))
        best.append(held_error(chosen))
        if best[-1] > MOST:
            failed = failed or f"the best member errs on {best[-1]:.0f} % (seed {seed})"
    of, lone = HELD_ERROR, ("the best member by validation", tuple(best))
    several, alike = (
        (f"an ensemble of {len(KINDS)} kinds", tuple(kinds)),
        (f"an ensemble of {len(KINDS)} seeds", tuple(seeds)),
    )
    pairs = (("kinds together", several, lone), ("seeds together", alike, lone), ("kinds or seeds", several, alike))
    return [
        Question(told, of, one, other, ones, others, "points", -1, POINTS, failed)
        for told, (one, ones), (other, others) in pairs
    ]


CLAIM = Claim(
    name="ensembles",
    sentence="An ensemble of slightly different networks is better than any one of them.",
    source="graduate course; Krizhevsky et al. 2012, section 6; Hansen and Salamon 1990",
    protocol="Five kinds of networks learn from a sixth of the pictures at one rate; validation says which is best, "
    "and four more of that kind learn from the same pictures with other seeds. Probabilities are averaged with equal "
    "weights; half of the pictures measure.",
    gate=f"the best member errs on at most {MOST} % of what is held out",
    lesson="Members help each other only where their mistakes differ. Compare an ensemble with the member that you "
    "would have shipped, which validation names, and count its price: every answer costs as much as all its members.",
    questions=_questions,
    sweeps=(KIND, AGAIN),
    seeds=8,
)
