"""The factor by which a residual block multiplies the gradient that passes back, 1 + F'(x), is at least 1."""

import math
from collections.abc import Callable, Sequence

from striate.claims.claim import Asked, Claim, Runs
from striate.claims.gradients import beginning, through_blocks
from striate.claims.verdict import TIMES, Question

# "At least 1" is a sharp border for one block: any distance from it counts.
SHARP = 1.0

NETWORKS = ("resnet56", "relu"), ("resnet56", "sigmoid"), ("preact_resnet56", "relu"), ("preact_resnet56", "sigmoid")
READ: dict[str, tuple[Callable[[Sequence[float]], float], float]] = {
    "all blocks together": (math.prod, TIMES),
    "the least of any block": (min, SHARP),
}


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    begun = [beginning(asked, seed) for seed in asked.seeds]
    questions = []
    for name, activation in NETWORKS:
        options = {"activation": activation, "norm": "batch"}
        factors = [through_blocks(each, each.network(name, options)) for each in begun]
        for of, (read, smallest) in READ.items():
            questions.append(
                Question(
                    f"{activation}: {of}", "gradient", f"block input in {name}", "block output",
                    tuple(map(read, factors)), (1.0,) * len(begun), "times", 1, smallest,
                )
            )  # fmt: skip
    return questions


CLAIM = Claim(
    name="gradient_at_least_one",
    sentence="The gradient through a residual block, 1 + F'(x), is at least 1.",
    source="paper review; He et al. 2015",
    protocol="Fresh residual networks of 56 layers with batch normalisation, one backward pass: the norm of the "
    "gradient at the input of each block whose shortcut is the identity, by that at its output. Blocks as in 2015, and "
    "as in 2016, where nothing follows the addition. For the least of all blocks any distance from 1 counts.",
    gate="",
    lesson="F'(x) can be negative, and an activation after the addition multiplies what passes: the 1 in the formula "
    "is no lower bound. Whether a factor is below 1 has to be measured.",
    questions=_questions,
)
