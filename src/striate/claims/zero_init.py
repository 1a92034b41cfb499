"""Residual blocks that start as the identity: whether that helps a deep network to train."""

from collections.abc import Sequence

from striate.claims.claim import Asked, Claim, Runs, Sweep
from striate.claims.deeper import GATE, more_when_deep
from striate.claims.verdict import Question

ARMS = ("zero_resnet56", "resnet56"), ("zero_resnet20", "resnet20")
SWEEP = Sweep(
    {
        name: {"model": drawn} | ({"model_options": {"zero_init": True}} if name != drawn else {})
        for zero, drawn in ARMS
        for name in (zero, drawn)
    },
    (0.03, 0.1, 0.3),
    {"epochs": 10, "split": "90/10/0"},
)


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    return more_when_deep(SWEEP, asked, runs, *ARMS)


CLAIM = Claim(
    name="zero_init",
    sentence="With zero weights a block is the identity, so that further blocks cannot hurt: start them there.",
    source="course slides; Goyal et al. 2017, section 5.1",
    protocol="Residual networks with batch normalisation, 20 and 56 layers; the scale of each block's last norm starts "
    "at 0 or at 1, everything else is drawn alike. Equal steps. Three rates, factors of 3 apart.",
    gate=GATE,
    lesson="That a block can be the identity says where a network may start, not where training takes it. What a start "
    "is worth depends on depth and rate.",
    questions=_questions,
    sweeps=(SWEEP,),
)
