"""Maps that are weighed by what the whole picture shows, squeeze-excitation, make fewer errors."""

from striate.claims.claim import Claim
from striate.claims.measures import TRAINED, fewer_errors
from striate.claims.shapes import small

RATIO = 4  # of the reduction, the paper's is 16: of the 16 maps of the first stage one would be left
SWEEP = small(
    {"resnet20": {"model": "resnet20"}, "seresnet20": {"model": "resnet20", "model_options": {"se": RATIO}}},
    (0.025, 0.05, 0.1, 0.2),
)


CLAIM = Claim(
    name="squeeze_excitation",
    sentence="Squeeze, excite and reweigh the channels: a residual network with it makes fewer errors.",
    source="graduate course; Hu et al. 2018, section 3 and Table 2",
    protocol="ResNet-20 with and without it, reduction 4, half of the pictures held out and a quarter learned from, "
    "70 steps for 449 of them. With it there are 3.3 % more parameters and 0.3 % more multiply-adds.",
    gate=f"the network without it ends at a training loss of at most {TRAINED:g}",
    lesson="It costs few parameters and hardly any work, so that a gain need not be large to pay; and a gain of "
    "a percent on a million pictures takes many seeds to be seen on a thousand.",
    questions=lambda asked, runs: fewer_errors(SWEEP, "seresnet20", "resnet20", asked, runs),
    sweeps=(SWEEP,),
    seeds=8,
)
