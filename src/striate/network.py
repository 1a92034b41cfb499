"""What is asked of one network: made for a task, run in a precision, given batches that fit into memory."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from striate.base import devices
from striate.base.errors import MachineError, RunError, UsageError
from striate.data.feed import Batch
from striate.data.picture.laid import Pixels
from striate.data.preprocess import Preprocess
from striate.data.workers import Say, nobody
from striate.models.build import build
from striate.models.catalog import find, options_of
from striate.tasks.task import Task

T = TypeVar("T")


def in_parts(
    work: Callable[[Sequence[Batch]], T], batches: Sequence[Batch], parts: int = 1, say: Say = nobody
) -> tuple[list[T], int]:
    """`work` on each part of the same pictures for each member, and how many parts there were.

    Where memory is too small for one they are twice as many. A single picture that does not fit is a `MachineError`.
    """
    pictures = len(starts(batches[0].indices))
    while True:
        try:
            return [work(part) for part in _cut(batches, min(parts, pictures))], parts
        except (MemoryError, RuntimeError) as error:
            if not devices.out_of_memory(error):
                raise
        if parts >= pictures:
            raise MachineError("memory", "not even one picture at a time fits", "a smaller size or network")
        parts *= 2
        devices.give_back(batches[0].pictures.device)
        say(f"out of memory: pictures are now answered {-(-pictures // parts)} at a time")


def _cut(batches: Sequence[Batch], parts: int) -> Iterator[list[Batch]]:
    """The batches in so many parts, each with whole pictures."""
    if parts == 1:
        yield list(batches)
        return
    bounds = [np.append(starts(batch.indices), len(batch)) for batch in batches]
    for part in np.array_split(np.arange(len(bounds[0]) - 1), parts):
        yield [batch[bound[part[0]] : bound[part[-1] + 1]] for batch, bound in zip(batches, bounds, strict=True)]


def refuse_not_finite(answers: Tensor) -> None:
    """A `RunError` for weights that were damaged, however whole their file is: such answers are none."""
    if not torch.isfinite(answers).all():
        raise RunError("network", "its answers are no finite numbers", "training again, with a lower rate or --clip 1")


def network_for(name: str, task: Task, channels: int, options: Mapping[str, Any]) -> nn.Module:
    """A fresh network of the catalogue with the channels and answers that a task asks for.

    Its options are its builder's own: weights, which may be a path or be fetched, are none.
    """
    for key in {"classes", "channels", "outputs", "weights"} & options.keys():
        raise UsageError("model_options", f"{key} is not an option here", "the class folders, or --channels")
    maps, answers = task.channels(channels)
    free, wanted = options_of(find(name)), dict[str, Any](classes=answers, outputs=answers, channels=maps)
    network: nn.Module = build(name, **{key: value for key, value in wanted.items() if key in free} | dict(options))
    return network


def answered(outputs: Callable[[Tensor], Tensor], shape: Sequence[int]) -> bool:
    """Whether a network has an answer for pictures of this shape, which is tried."""
    try:
        outputs(torch.zeros(*shape))
    except (RuntimeError, ValueError) as error:
        if devices.out_of_memory(error):
            raise
        return False
    return True


def autocast(device: torch.device, bfloat16: bool) -> contextlib.AbstractContextManager[Any]:
    """Of the forward pass; weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16) if bfloat16 else contextlib.nullcontext()


def inside(outputs: Tensor, way: Preprocess) -> Tensor:
    """What a network says inside its canvases, (n, k, *answered): of each tile its own share."""
    start, (height, width) = way.context if outputs.shape[-2:] == way.sides else 0, way.answered
    return outputs[..., start : start + height, start : start + width]


def starts(indices: np.ndarray) -> np.ndarray:
    """The first row of each picture: the looks at one follow each other."""
    return np.flatnonzero(np.append(True, indices[1:] != indices[:-1]))


def batch_of(looks: Sequence[tuple[int, Pixels, Any]], device: torch.device) -> Batch:
    places, canvases, laid = zip(*looks, strict=True)
    return Batch(np.array(places), torch.from_numpy(np.stack(canvases)).to(device), {}, laid)
