"""Norm and activation before each convolution instead of after it, nothing after the addition: more when deeper."""

from collections.abc import Sequence

from striate.claims.claim import Asked, Claim, Runs, Sweep
from striate.claims.deeper import GATE, more_when_deep
from striate.claims.verdict import Question

ARMS = ("preact_resnet56", "resnet56"), ("preact_resnet20", "resnet20")
SWEEP = Sweep(
    {name: {"model": name} for pair in ARMS for name in pair},
    (0.03, 0.1, 0.3),
    {"epochs": 10, "split": "90/10/0"},
)


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    return more_when_deep(SWEEP, asked, runs, *ARMS)


CLAIM = Claim(
    name="pre_activation",
    sentence="Pre-activation helps residual networks to train, and the more the deeper they are.",
    source="study notes; He et al. 2016, Table 2 and Figure 6",
    protocol="Residual networks of 20 and 56 layers with blocks of 2015 and of 2016: the same layers in another order, "
    "equal parameters and multiply-adds, equal steps. Three rates, factors of 3 apart.",
    gate=GATE,
    lesson="Pre-activation takes the activation off the shortcut, so that its effect can grow with depth. "
    "Compare each at its own best rate: what helps at a large rate may only make the large rate bearable.",
    questions=_questions,
    sweeps=(SWEEP,),
)
