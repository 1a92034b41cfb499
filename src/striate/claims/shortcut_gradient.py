"""Shortcuts keep gradients from vanishing, where without them they do."""

from collections.abc import Sequence

from striate.claims.claim import Asked, Claim, Runs
from striate.claims.gradients import READ, Beginning, arrived, beginning, compared
from striate.claims.verdict import Question

HALF = 0.5


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    begun = [beginning(asked, seed) for seed in asked.seeds]
    failed = next(filter(None, map(_failed, begun)), "")
    pairs = ("resnet56", "plain56"), ("preact_resnet56", "plain56"), ("resnet56", "resnet20"), \
        ("preact_resnet56", "preact_resnet20")  # fmt: skip
    return [compared(begun, *pair, "sigmoid", "batch", 1, failed) for pair in pairs]


def _failed(begun: Beginning) -> str:
    deep, shallow = (arrived(begun, name, "sigmoid", "batch") for name in ("plain56", "plain20"))
    return "" if deep <= HALF * shallow else f"gradients do not vanish without shortcuts (seed {begun.seed})"


CLAIM = Claim(
    name="shortcut_gradient",
    sentence="The derivative of a residual block keeps a 1, so that gradients flow to the first layers at any depth.",
    source="graduate course; He et al. 2016, section 2",
    protocol="Fresh networks of sigmoids with batch normalisation, whose gradients vanish without shortcuts; one "
    f"backward pass: {READ}. Blocks as in 2015, an activation after each addition, and as in 2016, none after it.",
    gate="in the plain network at most half as much arrives with 56 layers as with 20",
    lesson="The derivative keeps its 1 only where nothing stands on the shortcut: an activation after the addition "
    "multiplies what passes, once in each block. That is the reason for pre-activation.",
    questions=_questions,
)
