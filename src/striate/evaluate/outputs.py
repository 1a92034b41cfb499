"""A network's outputs over samples, and the answers they give."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.data.batches import Pictures, cut
from striate.data.preprocess import Preprocess
from striate.data.splits import Indices
from striate.evaluate.numbers import number
from striate.tasks.classify import Array, Classify, confusion_matrix

BATCH = 256


@torch.no_grad()
def outputs(
    net: nn.Module,
    preprocess: Preprocess,
    pictures: Pictures,
    indices: Indices,
    *,
    autocast: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    channels_last: bool = False,
    between: Callable[[], None] = lambda: None,
) -> Tensor:
    """float32 outputs of `net` in eval mode, one row per index; `between` is called equally often in each process.

    Under `torchrun` every process works through its share and all receive the whole, each sample counted once.
    """
    rank, world = place()
    own = np.array_split(indices, world)[rank]
    groups = cut(own, BATCH) if len(own) else []
    training = net.training
    net.eval()
    rows = []
    for canvases in pictures.batches(groups):
        between()
        values = preprocess.normalise(canvases)
        if channels_last:
            values = values.contiguous(memory_format=torch.channels_last)
        with autocast():
            rows.append(net(values).float())
    for _ in range(-(-len(indices) // (world * BATCH)) - len(groups)):  # a process whose share is one batch shorter
        between()
    net.train(training)
    return torch.cat(rows) if world == 1 else _gathered(rows, len(indices), rank, world, next(net.parameters()))


def place() -> tuple[int, int]:
    """Rank and number of processes; (0, 1) when there is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def answers(task: Classify, probabilities: Array, targets: Array, subset: str) -> dict[str, Any]:
    """The numbers of result.json: overall, by class, and the confusion matrix."""
    confusion = confusion_matrix(probabilities.argmax(1), targets, len(task.classes))
    return {
        "subset": subset,
        "n": len(targets),
        "numbers": [number(each, subset).as_dict() for each in task.measures(probabilities, targets)],
        "classes": [
            {"class": name, "support": int((targets == index).sum())}
            | {kind: number(each, subset).as_dict() for kind, each in measures.items()}
            for index, (name, measures) in enumerate(task.by_class(confusion))
        ],
        "confusion": confusion.tolist(),
    }


def _gathered(rows: list[Tensor], count: int, rank: int, world: int, like: Tensor) -> Tensor:
    """Every process's rows put in their places; the places of the others are zero, so adding is exact."""
    width = torch.tensor([rows[0].shape[1] if rows else 0], device=like.device)
    torch.distributed.all_reduce(width, op=torch.distributed.ReduceOp.MAX)
    whole = torch.zeros(count, int(width), device=like.device)
    first = sum(len(part) for part in np.array_split(np.arange(count), world)[:rank])
    if rows:
        own = torch.cat(rows)
        whole[first : first + len(own)] = own
    torch.distributed.all_reduce(whole)
    return whole
