"""Classifiers in the middle of GoogLeNet, which only training has, bring gradient to its first layers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from striate.claims.claim import Arm, Asked, Claim, Runs, Sweep, sides_of
from striate.claims.gradients import Beginning, beginning
from striate.claims.measures import held_loss, trained
from striate.claims.verdict import TIMES, Question
from striate.layers import chain
from striate.models.heads import AuxiliaryHead

SIDE = 32  # at least: of smaller pictures the modules in the middle see a single cell


def _arm(heads: bool) -> Arm:
    def arm(asked: Asked, seed: int) -> Mapping[str, Any]:
        return {"model": "googlenet_bn", "model_options": {"aux": heads}, "size": sides_of(asked, SIDE)}

    return arm


# The training loss counts the heads' losses where there are any: what is compared is measured without them.
SWEEP = Sweep(
    {"googlenet": _arm(True), "googlenet_without_heads": _arm(False)},
    (0.025, 0.05, 0.1),
    {"epochs": 5, "batch": 64, "fold": "1/2", "split": "75/25/0"},
)


def arriving(begun: Beginning, heads: bool) -> float:
    """Norm of the gradient of a fresh network's first convolution, of all losses or of the last classifier's alone."""
    net = begun.network("googlenet_bn", {"dropout": 0.0})
    layers = {name: layer for name, layer in net.named_children() if not isinstance(layer, AuxiliaryHead)}
    begun.backward(net if heads else chain(**layers))
    gradient = net.get_parameter("conv1.conv.weight").grad
    assert gradient is not None
    return float(torch.linalg.vector_norm(gradient))


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    large = dataclasses.replace(asked, data={**asked.data, "size": sides_of(asked, SIDE)})
    begun = [beginning(large, seed) for seed in asked.seeds]
    ones, others = (tuple(arriving(each, heads) for each in begun) for heads in (True, False))
    gradient = "norm of the gradient at the first convolution"
    loss = "loss on what the fold holds out"
    return [
        Question("before training", gradient, "googlenet", "googlenet_without_heads", ones, others, "times", 1, TIMES),
        *SWEEP.compared(
            asked, runs, "googlenet", "googlenet_without_heads", loss, held_loss, "times", -1, trained(0.2)
        ),
    ]


CLAIM = Claim(
    name="auxiliary_heads",
    sentence="Extra classifiers in the middle of GoogLeNet inject gradient, so that it learns better.",
    source="study notes; Szegedy et al. 2015, section 5",
    protocol="GoogLeNet with batch normalisation, with its two auxiliary classifiers and without, on pictures of at "
    "least 32 pixels; half of them held out, 5 epochs in batches of 64. The heads stand only while it trains and have "
    "nearly as many parameters as the rest; their own losses are not counted in what is compared.",
    gate="the network without heads ends at a training loss of at most 0.2",
    lesson="More gradient at the first layers is one thing and a lower loss another: look at both. The heads were "
    "proposed before batch normalisation, which this network has.",
    questions=_questions,
    sweeps=(SWEEP,),
)
