"""Blocks that start as the identity let a deep residual network train without any norm."""

import math
from collections.abc import Sequence

from striate.base.tables import Table
from striate.claims.claim import Asked, Claim, Runs, Sweep, name
from striate.claims.measures import TRAINING_LOSS, trained, training_loss
from striate.claims.verdict import TIMES, Question
from striate.training.many import Ended

ZERO, DRAWN, SHALLOW = "zero", "drawn", "shallow"
LEARNED = 1.0
COMMON = {"epochs": 13, "split": "90/10/0"}
SWEEP = Sweep(
    {
        ZERO: {"model": "resnet56", "model_options": {"norm": "none", "zero_init": True}},
        DRAWN: {"model": "resnet56", "model_options": {"norm": "none"}},
    },
    (0.001, 0.003, 0.01, 0.03),
    COMMON,
)
REFERENCE = Sweep({SHALLOW: {"model": "resnet20", "model_options": {"norm": "none"}}}, (0.003, 0.01, 0.03), COMMON)


def learned(ended: Ended) -> float:
    """The training loss of the last epoch, at most that of guessing, which is what a training has that blew up."""
    if ended.run is None or (ended.cause and "gradient's norm" not in ended.cause):
        return math.nan
    guessing = math.log(max(2, len(ended.run.classes)))
    return guessing if ended.cause else min(guessing, training_loss(ended.run))


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    failed = REFERENCE.failed(asked, runs, SHALLOW, REFERENCE.best(asked, runs, SHALLOW), trained(LEARNED))
    questions = []
    for told, pair in SWEEP.abreast(asked, runs, ZERO, DRAWN).items():
        ones, others = (
            tuple(learned(runs[name(arm, rate, seed)]) for seed in asked.seeds)
            for arm, rate in zip((ZERO, DRAWN), pair, strict=True)
        )
        of = f"{TRAINING_LOSS}, at most that of guessing"
        questions.append(Question(told, of, ZERO, DRAWN, ones, others, "times", -1, TIMES, failed))
    return questions


def _beside(asked: Asked, runs: Runs, questions: Sequence[Question]) -> Sequence[Table]:
    """How many trainings of each arm learned, at each rate: a count that no gate can take away."""
    rates = sorted({*SWEEP.rates, *REFERENCE.rates})
    rows = [
        (arm, *(_how_many(asked, runs, arm, rate) if rate in sweep.rates else "" for rate in rates))
        for sweep in (REFERENCE, SWEEP)
        for arm in sweep.arms
    ]
    caption = f"Trainings that end at a training loss of at most {LEARNED:g}, by rate"
    return [Table(("arm", *(f"{rate:g}" for rate in rates)), rows, caption, right=range(1, 1 + len(rates)))]


def _how_many(asked: Asked, runs: Runs, arm: str, rate: float) -> str:
    ended = [learned(runs[name(arm, rate, seed)]) for seed in asked.seeds]
    return f"{sum(each <= LEARNED for each in ended)} of {len(ended)}"


CLAIM = Claim(
    name="zero_init_without_norm",
    sentence="Blocks that start as the identity let deep residual networks train without normalisation.",
    source="course slides, on blocks of zero weights; Zhang, Dauphin and Ma 2019",
    protocol="ResNet-56 without norms: the last convolution of each block starts at 0, or is drawn like the others. "
    "A training that blows up counts as one that learned nothing: the loss of guessing. Four rates, factors of 3.",
    gate=f"ResNet-20 without norms, drawn, ends at a training loss of at most {LEARNED:g} at its best rate of three",
    lesson="Without norms each drawn block adds to the size of what passes, more with every block. "
    "Blocks that start as the identity hand it on, at any depth.",
    questions=_questions,
    beside=_beside,
    sweeps=(REFERENCE, SWEEP),
)
