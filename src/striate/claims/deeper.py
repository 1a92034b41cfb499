"""What helps a deep network, and whether it helps a shallow one as much: questions on four arms of one sweep."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from striate.claims.claim import Asked, Runs, Sweep
from striate.claims.measures import TRAINING_LOSS, trained, training_loss
from striate.claims.verdict import TIMES, Question

LEARNED = 0.5
GATE = f"the network of 20 layers as it was before ends at a training loss of at most {LEARNED:g}"


def more_when_deep(
    sweep: Sweep, asked: Asked, runs: Runs, deep: tuple[str, str], shallow: tuple[str, str]
) -> Sequence[Question]:
    """Pairs are what helps, and what it helps. The loss of the deep one with it by that without; and that remaining
    share by the same of the shallow one."""
    gate = trained(LEARNED)
    with_it, without = deep
    failed = sweep.failed(asked, runs, shallow[1], sweep.best(asked, runs, shallow[1]), gate)
    compared = sweep.compared(asked, runs, with_it, without, TRAINING_LOSS, training_loss, "times", -1)
    questions = [dataclasses.replace(each, failed=failed) for each in compared]
    for told, four in sweep.abreast(asked, runs, *deep, *shallow).items():
        losses = [
            np.asarray(sweep.of(asked, runs, arm, rate, training_loss))
            for arm, rate in zip((*deep, *shallow), four, strict=True)
        ]
        ratios = [tuple((losses[at] / losses[at + 1]).tolist()) for at in (0, 2)]
        failed = sweep.failed(asked, runs, shallow[1], four[3], gate)
        of = "remaining share of the loss"
        questions.append(Question(told, of, deep[0], shallow[0], ratios[0], ratios[1], "times", -1, TIMES, failed))
    return questions
