"""What is to be said of the curves of the losses: why training's lies above validation's, and where that one rose."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from striate.data.augment import Augment
from striate.models.heads import AuxiliaryHead
from striate.tasks.task import Task

RISEN = 1.1  # the last validation loss by the lowest, from where on it is said to have risen


def remarks(
    epochs: Sequence[Mapping[str, float]], best: int, recipe: Mapping[str, Any], augment: Augment, task: Task,
    network: nn.Module,
) -> Iterator[str]:  # fmt: skip
    """A sentence where the loss of training lies above after epoch `best`, and one where validation's has risen."""
    losses = {
        row["epoch"]: (row["train_loss"], row["val_loss"]) for row in epochs if {"train_loss", "val_loss"} <= {*row}
    }
    if best not in losses:
        return
    train, val = losses[best]
    if train > val:
        yield (
            f"Training loss lies above validation loss ({train:.3g} against {val:.3g} after epoch {best}) because it "
            f"is another measure: {'; '.join(_differs(recipe, augment, task, network))}. The two curves show how "
            "each changes, and cannot be compared with each other."
        )
    lowest, last = min(losses, key=lambda epoch: losses[epoch][1]), max(losses)
    (train_then, least), (train_now, now) = losses[lowest], losses[last]
    if now > RISEN * least > 0 and train_now < train_then:
        yield (
            f"Validation loss was lowest after epoch {lowest} ({least:.3g}) and rose to {now:.3g}, while training loss "
            f"fell on: the usual sign of overfitting. The weights that were kept are those of epoch {best}."
        )


def _differs(recipe: Mapping[str, Any], augment: Augment, task: Task, network: nn.Module) -> Iterator[str]:
    """What the loss of training holds and that of validation does not."""
    if replace(augment, mixup=0.0, cutmix=0.0) != Augment():
        yield "training pictures are changed at random (augmentation)"
    if augment.mixes:
        mixed = " and ".join(name for name in ("mixup", "cutmix") if getattr(augment, name))
        yield f"they are mixed with others, and their labels too ({mixed})"
    rates = sorted({each.p for each in network.modules() if isinstance(each, nn.modules.dropout._DropoutNd) and each.p})
    if rates:
        yield f"features are dropped ({' and '.join(f'{rate:g}' for rate in rates)} of them)"
    if smoothing := getattr(task, "label_smoothing", 0.0):
        yield f"no answer reaches 0 with label smoothing ({smoothing:g})"
    if any(isinstance(each, AuxiliaryHead) for each in network.modules()):
        yield "the losses of the auxiliary heads are added"
    if (weight := getattr(task, "hole_weight", 1.0)) != 1:
        yield f"errors in the hole count {weight:g} times"
    if recipe.get("ema"):
        yield f"validation is answered by averaged weights (ema {recipe['ema']:g})"
    yield "it is the mean over an epoch during which the weights still changed"
