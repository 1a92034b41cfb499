"""Batch normalisation is less sensitive to how weights are drawn."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from striate.claims.batch_norm import ARMS, NETWORK, NORMED, PLAIN
from striate.claims.claim import Asked, Claim, Runs, Sweep, name
from striate.claims.measures import trained
from striate.claims.starts import begun
from striate.claims.verdict import TIMES, Question

LOSS = 0.5
SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)


def scaled(net: nn.Module, scale: float) -> None:
    """Multiply the weights of every convolution."""
    with torch.no_grad():
        for each in net.modules():
            if isinstance(each, nn.Conv2d):
                each.weight.mul_(scale)


def _arm(arm: str, scale: float) -> Callable[[Asked, int], Mapping[str, Any]]:
    return lambda asked, seed: begun(asked, seed, _name(arm, scale), ARMS[arm], partial(scaled, scale=scale))


def _name(arm: str, scale: float) -> str:
    return f"{arm}-x{scale:g}"


SWEEP = Sweep({_name(arm, scale): _arm(arm, scale) for arm in ARMS for scale in SCALES}, (0.01, 0.04), {"epochs": 24})


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    """The span: the largest by the smallest scale at which an arm trains."""
    of = f"span of the scales of weights from which it trains to a loss of at most {LOSS:g}"
    found = []
    for rate in SWEEP.rates:
        normed, plain = (tuple(_width(runs, arm, rate, seed) for seed in asked.seeds) for arm in (NORMED, PLAIN))
        failed = SWEEP.failed(asked, runs, _name(PLAIN, 1.0), rate, trained(LOSS))
        found.append(Question(f"both at rate {rate:g}", of, NORMED, PLAIN, normed, plain, "times", 1, TIMES, failed))
    return found


def _width(runs: Runs, arm: str, rate: float, seed: int) -> float:
    """NaN where it trains from none of them."""
    gate = trained(LOSS)
    ended = {scale: runs[name(_name(arm, scale), rate, seed)] for scale in SCALES}
    trains = [scale for scale, each in ended.items() if each.run and not each.cause and not gate(each.run)]
    return max(trains) / min(trains) if trains else math.nan


CLAIM = Claim(
    name="batch_norm_init",
    sentence="With batch normalisation it matters less how the weights are drawn.",
    source="study notes; Ioffe and Szegedy 2015, section 1",
    protocol=f"{NETWORK}. Before the first step the weights of all convolutions, as He et al. 2015 draw them, are "
    f"multiplied by {', '.join(f'{each:g}' for each in SCALES)}; the last layer, which no norm follows, stays as "
    "drawn. The span is the largest by the smallest of them that trains. A training that breaks off has not trained.",
    gate=f"the network without it trains from weights as they were drawn, to a training loss of {LOSS:g}",
    lesson="A norm divides by the scale of what it is given, and so by that of the weights before it: the scale then "
    "changes no answer, only how large a step of a given rate is beside the weights.",
    questions=_questions,
    sweeps=(SWEEP,),
)
