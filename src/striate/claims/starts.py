"""A training that begins with weights of a claim's own: those that it would have begun with, changed, in a file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from striate.base import durable
from striate.claims.claim import COMMON, Asked
from striate.models import weights
from striate.training.execution import Execution, Silent
from striate.training.initial import Beginning
from striate.training.plan import plan_of
from striate.training.recipe import recipe_of


def unchanged(net: nn.Module) -> None:
    """Leave the weights as they were drawn."""


def begun(
    asked: Asked, seed: int, name: str, own: Mapping[str, Any], change: Callable[[nn.Module], None] = unchanged,
    pictures: tuple[float, float] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The arm `own`, which begins with the network of this seed after `change`, and learns all of it alike.

    `pictures`: mean and deviation that they are normalised with, in units of 0..1; None: those of the training
    pictures. The weights lie in `asked.folder`/starts under the `name` and the seed, and are written once; while there
    is no folder yet, they are named alone.
    """
    path = (asked.folder / "starts" / f"{name}-{seed}.safetensors").absolute()
    if asked.folder != Path() and not path.exists():
        values = {**COMMON, **asked.data, **own, "seed": seed, "split_seed": seed, "epochs": 1}
        plan = plan_of(recipe_of(**values), Execution(), Silent())
        net, _ = Beginning(plan.recipe, plan.network, plan.task, plan.blank, None, None).network(Silent().say)
        change(net)
        channels, told = plan.blank.channels, dict[str, Any]()
        if pictures is not None:
            mean, deviation = ([each] * channels for each in pictures)
            told["preprocess"] = json.dumps({"mean": mean, "deviation": deviation})
        durable.make_folder(path.parent)
        weights.save(net, path, **told)
    # what weights say of pictures is read where one fine-tunes: here at one rate for all layers, and without a bound
    alike = {"finetune": "full", "layer_decay": 1.0, "clip": 1e30}
    return {**own, "weights": str(path), **alike}
