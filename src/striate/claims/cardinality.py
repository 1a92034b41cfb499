"""More paths beside a wider one: the cardinality of ResNeXt, at equal parameters."""

from striate.claims.claim import Claim
from striate.claims.measures import TRAINED, fewer_errors
from striate.claims.shapes import small

SWEEP = small(
    {"resnext29_1x16d": {"model": "resnext29_1x16d"}, "resnext29_4x6d": {"model": "resnext29_4x6d"}},
    (0.0125, 0.025, 0.05, 0.1),
)


CLAIM = Claim(
    name="cardinality",
    sentence="ResNeXt joins Inception and ResNet: many narrow paths make fewer errors than one wide path of as many "
    "parameters.",
    source="study notes; Xie et al. 2017, section 5.1 and Table 3",
    protocol="ResNeXt of 29 layers with a quarter of its maps, 4 paths of 6 maps beside 1 of 16, half of the pictures "
    "held out and a quarter learned from, 70 steps for 449 of them. With 4 paths there are 1.1 % fewer parameters "
    "and 2.5 % more multiply-adds.",
    gate=f"the network of one path ends at a training loss of at most {TRAINED:g}",
    lesson="Paths are a third way to spend parameters, beside depth and width. Equal multiply-adds are not equal "
    "seconds: grouped convolutions are slow on most machines.",
    questions=lambda asked, runs: fewer_errors(SWEEP, "resnext29_4x6d", "resnext29_1x16d", asked, runs),
    sweeps=(SWEEP,),
    seeds=8,
)
