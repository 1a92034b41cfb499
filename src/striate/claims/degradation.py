"""Deeper plain networks train worse, and residual ones do not."""

from collections.abc import Sequence

from striate.claims.claim import Asked, Claim, Runs, Sweep
from striate.claims.measures import TRAINED, TRAINING_LOSS, trained, training_loss
from striate.claims.verdict import Question

SWEEP = Sweep(
    {name: {"model": name} for name in ("plain20", "plain56", "resnet20", "resnet56")},
    (0.02,),
    {"epochs": 14, "batch": 64, "split": "90/10/0"},
)


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    gate = trained(TRAINED)
    return [
        *SWEEP.compared(asked, runs, "plain56", "plain20", TRAINING_LOSS, training_loss, "times", 1, gate),
        *SWEEP.compared(asked, runs, "resnet56", "resnet20", TRAINING_LOSS, training_loss, "times", -1, gate),
    ]


CLAIM = Claim(
    name="degradation",
    sentence="Beyond some depth plain networks get worse, in training too; residual networks do not.",
    source="graduate course, study notes, paper review; He et al. 2015, Figures 1 and 6",
    protocol="The paper's plain and residual networks for small pictures, 20 and 56 layers, equal steps and batches.",
    gate=f"the network of 20 layers ends at a training loss of at most {TRAINED:g}",
    lesson="The deeper plain network fails to fit its own training pictures, so overfitting is not the reason. "
    "At equal steps: more of them shrink the gap.",
    questions=_questions,
    sweeps=(SWEEP,),
)
