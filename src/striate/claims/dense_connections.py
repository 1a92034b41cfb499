"""Dense connections beside residual ones, at about equal parameters."""

from collections.abc import Sequence

from striate.claims.claim import Asked, Claim, Runs
from striate.claims.measures import held_error, trained
from striate.claims.shapes import small
from striate.claims.verdict import Question

SWEEP = small(
    {
        "resnet20": {"model": "resnet20"},
        "densenet": {"model": "densenet_l40_12", "model_options": {"bottleneck": True}},
    },
    (0.05, 0.1, 0.2, 0.4),
)


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    error = "error on what the fold holds out"
    return SWEEP.compared(asked, runs, "densenet", "resnet20", error, held_error, "points", -1, trained(0.2))


CLAIM = Claim(
    name="dense_connections",
    sentence="DenseNet skips much more than ResNet, and makes fewer errors with as many parameters.",
    source="study notes; Huang et al. 2017, Figure 4",
    protocol="DenseNet-B of 40 layers and growth 12 beside ResNet-20, half of the pictures held out and a quarter "
    "learned from, 70 steps for 449 of them. The dense network has 12 % fewer parameters, 2.0 times the "
    "multiply-adds, and twice the layers.",
    gate="the residual network ends at a training loss of at most 0.2",
    lesson="Parameters are one price among several: a dense network reads its own maps again and again, which costs "
    "work and memory that the number of parameters does not tell.",
    questions=_questions,
    sweeps=(SWEEP,),
    seeds=8,
)
