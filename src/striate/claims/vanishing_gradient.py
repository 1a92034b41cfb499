"""The deeper a plain network, the less gradient arrives at its first layers."""

from collections.abc import Sequence

from striate.claims.claim import Asked, Claim, Runs
from striate.claims.gradients import READ, beginning, compared
from striate.claims.verdict import Question

SETTINGS = (("sigmoid", "none"), ("sigmoid", "batch"), ("tanh", "none"), ("relu", "none"), ("relu", "batch"))


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    begun = [beginning(asked, seed) for seed in asked.seeds]
    return [compared(begun, "plain56", "plain20", *each, claimed=-1) for each in SETTINGS]


CLAIM = Claim(
    name="vanishing_gradient",
    sentence="In deep networks gradients vanish on their way back to the first layers.",
    source="graduate course; Bengio et al. 1994, Glorot and Bengio 2010",
    protocol=f"Fresh plain networks of 20 and 56 layers, drawn as He et al. 2015 do, one backward pass: {READ}.",
    gate="",
    lesson="Whether gradients fade on their way depends on the activation, the norm and how weights are drawn, "
    "and not on depth alone: they can grow as well.",
    questions=_questions,
)
