"""The deeper a plain network, the less gradient arrives at its first layers."""

from collections.abc import Sequence

from striate.base.tables import Table
from striate.claims import worded
from striate.claims.claim import Asked, Claim, Runs
from striate.claims.gradients import ARRIVING, READ, arrived, beginning, compared, told
from striate.claims.verdict import Question

SETTINGS = (("sigmoid", "none"), ("sigmoid", "batch"), ("tanh", "none"), ("relu", "none"), ("relu", "batch"))
FAMILIES, DEPTHS = ("plain", "resnet", "preact_resnet"), (20, 56, 110)
ALL = tuple((activation, norm) for norm in ("none", "batch") for activation in ("sigmoid", "tanh", "relu"))


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    begun = [beginning(asked, seed) for seed in asked.seeds]
    return [compared(begun, "plain56", "plain20", *each, claimed=-1) for each in SETTINGS]


def _beside(asked: Asked, runs: Runs, questions: Sequence[Question]) -> Sequence[Table]:
    """Every family at every depth, with every activation, without and with norm: orders of magnitude."""
    begun = beginning(asked, asked.seeds[0])
    rows = [
        (name, *(worded.times(arrived(begun, name, *each)) for each in ALL))
        for name in (f"{family}{depth}" for family in FAMILIES for depth in DEPTHS)
    ]
    head = ("network", *(told(*each) for each in ALL))
    return [Table(head, rows, f"The {ARRIVING} of one network of each kind", right=range(1, len(head)))]


CLAIM = Claim(
    name="vanishing_gradient",
    sentence="In deep networks gradients vanish on their way back to the first layers.",
    source="graduate course; Bengio et al. 1994, Glorot and Bengio 2010",
    protocol=f"Fresh plain networks of 20 and 56 layers, drawn as He et al. 2015 do, one backward pass: {READ}.",
    gate="",
    lesson="Whether gradients fade on their way depends on the activation, the norm and how weights are drawn, "
    "and not on depth alone: they can grow as well.",
    questions=_questions,
    beside=_beside,
)
