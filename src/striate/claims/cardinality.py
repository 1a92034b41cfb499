"""More paths beside a wider one: the cardinality of ResNeXt, at equal parameters."""

from collections.abc import Sequence

from striate.claims.claim import Asked, Claim, Runs
from striate.claims.measures import held_error, trained
from striate.claims.shapes import small
from striate.claims.verdict import Question

SWEEP = small(
    {"resnext29_1x16d": {"model": "resnext29_1x16d"}, "resnext29_4x6d": {"model": "resnext29_4x6d"}},
    (0.0125, 0.025, 0.05, 0.1),
)


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    error = "error on what the fold holds out"
    return SWEEP.compared(
        asked, runs, "resnext29_4x6d", "resnext29_1x16d", error, held_error, "points", -1, trained(0.2)
    )


CLAIM = Claim(
    name="cardinality",
    sentence="ResNeXt joins Inception and ResNet: many narrow paths make fewer errors than one wide path of as many "
    "parameters.",
    source="study notes; Xie et al. 2017, section 5.1 and Table 3",
    protocol="ResNeXt of 29 layers with a quarter of its maps, 4 paths of 6 maps beside 1 of 16, half of the pictures "
    "held out and a quarter learned from, 70 steps for 449 of them. With 4 paths there are 1.1 % fewer parameters "
    "and 2.5 % more multiply-adds.",
    gate="the network of one path ends at a training loss of at most 0.2",
    lesson="Paths are a third way to spend parameters, beside depth and width. Equal multiply-adds are not equal "
    "seconds: grouped convolutions are slow on most machines.",
    questions=_questions,
    sweeps=(SWEEP,),
    seeds=8,
)
