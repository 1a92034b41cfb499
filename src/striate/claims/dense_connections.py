"""Dense connections beside residual ones, at about equal parameters."""

from striate.claims.claim import Claim
from striate.claims.measures import TRAINED, fewer_errors
from striate.claims.shapes import small

SWEEP = small(
    {
        "resnet20": {"model": "resnet20"},
        "densenet": {"model": "densenet_l40_12", "model_options": {"bottleneck": True}},
    },
    (0.05, 0.1, 0.2, 0.4),
)


CLAIM = Claim(
    name="dense_connections",
    sentence="DenseNet skips much more than ResNet, and makes fewer errors with as many parameters.",
    source="study notes; Huang et al. 2017, Figure 4",
    protocol="DenseNet-B of 40 layers and growth 12 beside ResNet-20, half of the pictures held out and a quarter "
    "learned from, 70 steps for 449 of them. The dense network has 12 % fewer parameters, 2.0 times the "
    "multiply-adds, and twice the layers.",
    gate=f"the residual network ends at a training loss of at most {TRAINED:g}",
    lesson="Parameters are one price among several: a dense network reads its own maps again and again, which costs "
    "work and memory that the number of parameters does not tell.",
    questions=lambda asked, runs: fewer_errors(SWEEP, "densenet", "resnet20", asked, runs),
    sweeps=(SWEEP,),
    seeds=8,
)
