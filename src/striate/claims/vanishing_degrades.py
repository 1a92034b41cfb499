"""Whether it is vanishing gradients that make deeper plain networks worse: at the start and after training."""

import copy
from collections.abc import Sequence
from statistics import geometric_mean

from striate.base.tables import Table
from striate.claims import worded
from striate.claims.claim import Asked, Claim, Runs, Sweep, name
from striate.claims.gradients import ARRIVING, READ, Beginning, arriving, beginning
from striate.claims.measures import training_loss
from striate.claims.verdict import TIMES, Question

RATE = 0.02
DEEP, SHALLOW = "plain56", "plain20"
SWEEP = Sweep({each: {"model": each} for each in (DEEP, SHALLOW)}, (RATE,), {"epochs": 27, "split": "90/10/0"})


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    begun = {seed: beginning(asked, seed, SWEEP.common) for seed in asked.seeds}
    failed = SWEEP.failed(asked, runs, DEEP, RATE) or SWEEP.failed(asked, runs, SHALLOW, RATE) or _same(asked, runs)

    def fresh(arm: str, seed: int, of: Beginning) -> float:
        return arriving(of, of.network(arm, {}))

    def chosen(arm: str, seed: int, of: Beginning) -> float:
        run = runs[name(arm, RATE, seed)].run
        return float("nan") if failed or run is None else arriving(of, copy.deepcopy(run.network))

    return [
        Question(
            when, ARRIVING, DEEP, SHALLOW, tuple(read(DEEP, *each) for each in begun.items()),
            tuple(read(SHALLOW, *each) for each in begun.items()), "times", -1, TIMES, failed,
        ) for when, read in (("fresh weights", fresh), ("chosen weights", chosen))
    ]  # fmt: skip


def _same(asked: Asked, runs: Runs) -> str:
    """Why there is nothing to explain; "" where the deeper network is worse with every seed."""
    deep, shallow = (SWEEP.of(asked, runs, arm, RATE, training_loss) for arm in (DEEP, SHALLOW))
    for seed, worse, better in zip(asked.seeds, deep, shallow, strict=True):
        if worse < TIMES * better:
            return f"the deeper network is not worse: loss {worse:.3g} against {better:.3g} (seed {seed})"
    return ""


def _beside(asked: Asked, runs: Runs, questions: Sequence[Question]) -> Sequence[Table]:
    """How much arrives: the verdicts compare it and do not say whether it has vanished."""
    compared = [each for each in questions if not each.failed]
    rows = [(each.name, *(worded.times(geometric_mean(own)) for own in (each.ones, each.others))) for each in compared]
    caption = f"The {ARRIVING}, its geometric mean over seeds; at 1 as much arrives at the first layer as at the last"
    return [Table(("of", DEEP, SHALLOW), rows, caption, right=(1, 2))] if rows else []


CLAIM = Claim(
    name="vanishing_degrades",
    sentence="Plain networks get worse with depth because their gradients vanish.",
    source="a common explanation of study notes; He et al. 2015, section 4.1, hold it for unlikely",
    protocol="The degradation of plain networks with batch normalisation and ReLU, 20 and 56 layers, once more; of "
    f"each, with fresh and with chosen weights, in training mode: {READ}.",
    gate="the network of 56 layers ends at a training loss at least 1.25 times that of 20",
    lesson="A network that trains badly need not lack gradients. Measure them before you blame them: a smaller "
    "ratio than that of a shallow network is no vanished gradient as long as it is near 1.",
    questions=_questions,
    beside=_beside,
    sweeps=(SWEEP,),
)
