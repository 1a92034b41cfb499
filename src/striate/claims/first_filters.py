"""Smaller first filters, closer together, lower the error."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from striate.claims.claim import Asked, Claim, Sweep, sides_of
from striate.claims.measures import TRAINED, fewer_errors

ZFNET, ALEXNET = "zfnet", "alexnet"
LEAST = 32  # pixels, for which the four-layer network was made


def _with(asked: Asked, seed: int, *, first: str) -> Mapping[str, Any]:
    options = {"init": "he", "lrn": False, "norm": "batch", "first": first}
    return {"model": "alexnet_cifar10", "model_options": options, "size": sides_of(asked, LEAST)}


SWEEP = Sweep(
    {each: partial(_with, first=each) for each in (ZFNET, ALEXNET)}, (0.01, 0.02, 0.04, 0.08, 0.16),
    {"epochs": 10, "batch": 64, "fold": "1/2"},
)  # fmt: skip


CLAIM = Claim(
    name="first_filters",
    sentence="ZFNet is AlexNet with smaller first filters, and has a lower error.",
    source="study notes; Zeiler and Fergus 2014, section 4.1 and Table 2: 38.4 against 40.5 % top-1 error",
    protocol="What ZFNet changes of AlexNet, carried over to the four-layer network: conv1 of 7x7 that moves by 2 "
    "instead of 11x11 by 4, and conv2 by 2 instead of 1, so that maps are as many times smaller from there on. Of a "
    "grey picture conv1 then has 2,304 weights less, and more places. Pictures of at least 32 pixels, smaller ones "
    "enlarged: nothing in them is finer than their own pixels. Batch normalisation makes few epochs enough.",
    gate=f"the network with AlexNet's first layer ends at a training loss of at most {TRAINED:g}",
    lesson="How large first filters may be is a question of the detail in the pictures: with a stride of 4 they look "
    "at every fourth place alone. Two things change at once, side and stride: neither is shown to be the reason.",
    questions=lambda asked, runs: fewer_errors(SWEEP, ZFNET, ALEXNET, asked, runs),
    sweeps=(SWEEP,),
    seeds=8,
)
