"""Normalising the input speeds training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from striate.claims.batch_norm import SHORT, four_layers
from striate.claims.claim import Asked, Claim, Runs, Sweep, least_validation_loss
from striate.claims.measures import HELD_ERROR, held_error, reaches, steps_within
from striate.claims.starts import begun
from striate.claims.verdict import TIMES, Question

ERROR = 25.0
# Mean and deviation that the pictures are normalised with, in units of 0..1.
SHARES, BYTES = (0.0, 1.0), (0.0, 1 / 255)


def _arm(name: str, pictures: tuple[float, float] | None) -> Callable[[Asked, int], Mapping[str, Any]]:
    return lambda asked, seed: begun(asked, seed, name, four_layers(), pictures=pictures)


LENGTH = {**SHORT, "epochs": 48}
NEAR = Sweep(
    {"normalised": _arm("normalised", None), "0..1": _arm("shares", SHARES)},
    (0.005, 0.01, 0.02, 0.04, 0.08, 0.16), LENGTH, steps_within(ERROR),
)  # fmt: skip
FAR = Sweep(
    {"0..255": _arm("bytes", BYTES)}, (1e-5, 4e-5, 1.6e-4, 6.4e-4, 2.56e-3, 1.024e-2), LENGTH, steps_within(ERROR)
)


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    of, measure = f"steps to a validation error of {ERROR:g} %", steps_within(ERROR)
    one, other = NEAR.best(asked, runs, "normalised"), FAR.best(asked, runs, "0..255")
    far = Question(
        f"each at its best rate, {one:g} and {other:g}", of, "normalised", "0..255",
        NEAR.of(asked, runs, "normalised", one, measure), FAR.of(asked, runs, "0..255", other, measure),
        "times", -1, TIMES, FAR.failed(asked, runs, "0..255", other, reaches(ERROR)),
    )  # fmt: skip
    near = NEAR.compared(asked, runs, "normalised", "0..1", of, measure, "times", -1, reaches(ERROR))
    best, told = replace(NEAR, chosen=least_validation_loss), HELD_ERROR
    return [
        *near,
        far,
        *best.compared(asked, runs, "normalised", "0..1", told, held_error, "points", -1, reaches(ERROR)),
    ]


CLAIM = Claim(
    name="input_normalisation",
    sentence="Normalise the colours of pictures: that gains speed and accuracy.",
    source='study notes; LeCun et al. 1998, "Efficient BackProp", section 4.3',
    protocol="AlexNet's four-layer network for small pictures from the same initial weights, without any "
    "normalisation inside. Pictures are given with the mean 0 and deviation 1 of the training pictures, as shares "
    "0..1, or as bytes 0..255. Constant rates: six a factor of 2 apart, and for bytes, which need far smaller ones, "
    "six a factor of 4 apart; the best is the one with the fewest steps, where errors are compared the one with the "
    "least validation loss. What never reaches the error counts as all steps.",
    gate=f"the other network reaches a validation error of {ERROR:g} % with every seed",
    lesson="A shift and a scale of the input change no picture, only how the weights that see it have to move: "
    "where the scale is large the rate has to be small. What they gain is a question of the rate as well.",
    questions=_questions,
    sweeps=(NEAR, FAR),
)
