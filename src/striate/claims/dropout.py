"""Dropout narrows the gap between training and what is held out."""

from collections.abc import Sequence

from striate.claims.claim import Asked, Claim, Runs, Sweep
from striate.claims.measures import HELD_ERROR, gap_in_loss, held_error, trained
from striate.claims.verdict import Question

DROPPED, PLAIN = "dropout", "plain"
NETWORK = {"model": "alexnet_cifar10", "model_options": {"init": "he", "lrn": False}}
SWEEP = Sweep(
    {DROPPED: {**NETWORK, "dropout": 0.5}, PLAIN: {**NETWORK, "dropout": 0.0}},
    (0.01, 0.02, 0.04, 0.08),
    {"epochs": 40, "batch": 32, "fold": "1/2", "split": "33/67/0"},
)


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    gap = "gap in loss to the training pictures"
    return [
        *SWEEP.compared(asked, runs, DROPPED, PLAIN, gap, gap_in_loss, "times", -1, trained(0.1)),
        *SWEEP.compared(asked, runs, DROPPED, PLAIN, HELD_ERROR, held_error, "points", -1, trained(0.1)),
    ]


CLAIM = Claim(
    name="dropout",
    sentence="Dropout reduces overfitting.",
    source="study notes; Krizhevsky et al. 2012, section 4.2; Srivastava et al. 2014",
    protocol="The four-layer network with half of the features before its last layer dropped, and with none; a third "
    "of one half of the pictures to learn from. The gap is the loss on what the fold holds out less that on "
    "the training pictures, by the same weights, those that validation chose, with nothing dropped in either.",
    gate="the network without dropout ends at a training loss of at most 0.1: it has learned its few pictures",
    lesson="A gap can be narrowed from either side: a network that learns less also has less of it. Look at the error "
    "of what is held out as well, and measure training without dropout, whose noise alone makes its loss look high.",
    questions=_questions,
    sweeps=(SWEEP,),
    seeds=8,
)
