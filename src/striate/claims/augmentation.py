"""Augmentation narrows the gap between training and what is held out."""

from collections.abc import Mapping, Sequence
from typing import Any

from striate.claims.claim import Asked, Claim, Runs, Sweep
from striate.claims.measures import HELD_ERROR, gap_in_error, held_error, trained
from striate.claims.verdict import Question
from striate.data.sources.builtin import built_in

NETWORK = {"model": "alexnet_cifar10", "model_options": {"init": "he", "lrn": False}}
CHANGED, PLAIN = "augmented", "plain"


def _changed(asked: Asked, seed: int) -> Mapping[str, Any]:
    """As the recipe says "light"; a digit that is mirrored is none."""
    return {**NETWORK, "augment": "light", "mirror": False if built_in(asked.data["data"]) else None}


SWEEP = Sweep(
    {CHANGED: _changed, PLAIN: NETWORK}, (0.01, 0.02, 0.04),
    {"epochs": 60, "batch": 32, "fold": "1/2", "split": "22/78/0"},
)  # fmt: skip


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    gap = "gap in error to the training pictures"
    return [
        *SWEEP.compared(asked, runs, CHANGED, PLAIN, gap, gap_in_error, "points", -1, trained(0.1)),
        *SWEEP.compared(asked, runs, CHANGED, PLAIN, HELD_ERROR, held_error, "points", -1, trained(0.1)),
    ]


CLAIM = Claim(
    name="augmentation",
    sentence="Augmentation reduces overfitting.",
    source="study notes; Krizhevsky et al. 2012, section 4.1",
    protocol="The four-layer network on a ninth of the pictures, as they are, and turned, scaled and shifted a little, "
    "anew in each epoch: the recipe's light augmentation, digits never mirrored. Equal steps. The gap is the error on "
    "what the fold holds out less that on the training pictures, by the same weights, on pictures as they are.",
    gate="the network without augmentation ends at a training loss of at most 0.1: it has learned its few pictures",
    lesson="Changes that keep the class stand in for pictures that were not taken, so look for them where pictures are "
    "few; and choose those that the pictures bear: a mirrored digit teaches something wrong.",
    questions=_questions,
    sweeps=(SWEEP,),
    seeds=8,
)
