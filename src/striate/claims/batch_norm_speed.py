"""Batch normalisation is faster."""

from collections.abc import Sequence

from striate.claims.batch_norm import ARMS, NETWORK, NORMED, PLAIN, SHORT
from striate.claims.claim import Asked, Claim, Runs, Sweep
from striate.claims.measures import reaches, steps_within
from striate.claims.verdict import Question

ERROR = 25.0
SWEEP = Sweep(ARMS, (0.005, 0.01, 0.02, 0.04, 0.08, 0.16), SHORT, steps_within(ERROR))


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    of = f"steps to a validation error of {ERROR:g} %"
    return SWEEP.compared(asked, runs, NORMED, PLAIN, of, steps_within(ERROR), "times", -1, reaches(ERROR))


CLAIM = Claim(
    name="batch_norm_speed",
    sentence="Batch normalisation accelerates training.",
    source="study notes; Ioffe and Szegedy 2015, Figure 2",
    protocol=f"{NETWORK}. Constant rates, six of them a factor of 2 apart; the best is the one with the fewest "
    "steps. Validation is asked once an epoch, of few steps; what never reaches the error counts as all steps.",
    gate=f"the network without it reaches a validation error of {ERROR:g} % with every seed",
    lesson="Which of two networks is faster is a question of the rate as well: compare each at its own best rate, and "
    "say what happens at equal rates. A step with batch normalisation also takes longer.",
    questions=_questions,
    sweeps=(SWEEP,),
)
