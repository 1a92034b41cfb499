"""Batch normalisation regularises."""

from collections.abc import Sequence

from striate.claims.batch_norm import ARMS, NETWORK, NORMED, PLAIN
from striate.claims.claim import Asked, Claim, Runs, Sweep
from striate.claims.measures import HELD_ERROR, held_error, trained
from striate.claims.verdict import Question

FEW = {"fold": "1/2", "split": "33/67/0", "batch": 64}
SWEEP = Sweep(ARMS, (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08), {"epochs": 40, **FEW})


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    return SWEEP.compared(asked, runs, NORMED, PLAIN, HELD_ERROR, held_error, "points", -1, trained(0.1))


CLAIM = Claim(
    name="batch_norm_regularises",
    sentence="Batch normalisation regularises.",
    source="study notes; Ioffe and Szegedy 2015, section 3.4",
    protocol=f"{NETWORK}; a third of one half of the pictures to learn from, no augmentation, no weight decay. "
    "Six rates a factor of 2 apart; the other half of the pictures is measured.",
    gate="the network without it ends at a training loss of at most 0.1: it has learned its few pictures",
    lesson="A gain in what is held out may come through the rate that a normalisation allows, and not from the noise "
    "of its batches: only the comparison at equal rates can tell the two apart.",
    questions=_questions,
    sweeps=(SWEEP,),
    seeds=8,
)
