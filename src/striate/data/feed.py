"""Samples in batches: resident (one uint8 tensor on the device) or streamed (worker processes).

Both hand out the same batches for the same indices, so nothing later can tell them apart.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, final

import numpy as np
import torch
from torch import Tensor

from striate.data.kept import Kept, Shelf
from striate.data.picture.laid import Laid
from striate.data.preprocess import Itself, Preprocess
from striate.data.samples import Indices, Keys
from striate.data.units import Units
from striate.data.workers import Looks, Reading, Say, nobody

Progress = Callable[[int, int], None]
Memory = Literal["auto", "resident", "streamed"]


@dataclass(frozen=True)
class Batch:
    """One row a look: at a single look each these are pictures; `indices` repeats where a picture has several.

    `pictures` are canvases (n, channels, height, width): uint8 as read, float32 in 0..1 once they are changed, and
    normalised for the network. `targets` are the parts of each row, tensors of n; `laid` says how each lies.
    """

    indices: Indices | Keys
    pictures: Tensor
    targets: Mapping[str, Tensor]
    laid: tuple[Laid, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def to(self, device: torch.device) -> "Batch":
        targets = {name: values.to(device) for name, values in self.targets.items()}
        return Batch(self.indices, self.pictures.to(device), targets, self.laid)

    def __getitem__(self, part: slice) -> "Batch":
        targets = {name: values[part] for name, values in self.targets.items()}
        return Batch(self.indices[part], self.pictures[part], targets, self.laid[part])

    def inside(self, side: tuple[int, int], start: int | None = None) -> "Batch":
        """The canvases, and the parts that lie on them, cut to (height, width) from `start`, or in their middle."""
        whole = self.pictures.shape[-2:]
        if side == whole:
            return self
        top, left = ((own - wanted) // 2 if start is None else start for own, wanted in zip(whole, side, strict=True))

        def cut(part: Tensor) -> Tensor:
            lies = part.ndim > 2 and part.shape[-2:] == whole
            return part[..., top : top + side[0], left : left + side[1]] if lies else part

        targets = {name: cut(part) for name, part in self.targets.items()}
        return Batch(self.indices, cut(self.pictures), targets, self.laid)


def unwatched(done: int, total: int) -> None:
    """Progress that is told to nobody."""


class Feed(Protocol):
    """Some samples, by batch."""

    def batches(self, groups: Sequence[Indices]) -> Iterator[Batch]:
        """For each group of sample indices the batch of their uint8 canvases, in that order."""
        ...


def cut_batches(order: Indices, batch: int) -> list[Indices]:
    """An epoch's order in the fewest batches of at most `batch`, of nearly equal size: no straggler of one."""
    return np.array_split(order, -(-len(order) // batch))


def open_feed(
    units: Units,
    indices: Indices,
    preprocess: Preprocess,
    device: torch.device,
    *,
    memory: Memory = "auto",
    workers: int = 0,
    shelf: Shelf | None = None,
    say: Say = nobody,
) -> "Resident | Streamed":
    """Resident when the canvases fit in a quarter of the free memory (or as asked), else streamed.

    Several looks at a picture are always streamed: nothing looks twice at them. What is streamed is kept
    on the `shelf`.
    """
    parts = sum(kind in ("ids", "field") for kind in units.samples.targets.kinds.values())
    needed = len(indices) * (preprocess.channels * preprocess.depth // 8 + 4 * parts) * math.prod(preprocess.frame)
    if preprocess.views != "one" or memory == "streamed" or (memory == "auto" and needed > free_memory(device) / 4):
        return Streamed(units, preprocess, device, workers, say, shelf and shelf.kept(units, preprocess))
    if shelf is not None:
        say("no canvases are kept on disk: all pictures fit into memory")
    return Resident(Streamed(units, preprocess, device, workers, say), indices, len(units))


def watched(batches: Iterator[Batch], total: int, progress: Progress) -> Iterator[Batch]:
    """The same batches; `progress` is told how many of the `total` have come."""
    done = 0
    for batch in batches:
        done += len(batch)
        progress(done, total)
        yield batch


@final
class Resident:
    """Every sample read once, at one look, when it is first asked for, and kept on the device."""

    def __init__(self, source: "Streamed", indices: Indices, count: int) -> None:
        self._source = source
        self._rows = np.full(count, -1, dtype=np.int64)
        self._rows[indices] = np.arange(len(indices))
        self._held = np.zeros(len(indices), dtype=bool)
        self._store: Tensor | None = None
        self._targets: dict[str, Tensor] = {}
        self._laid = np.empty(len(indices), dtype=object)
        self._shared: dict[Laid, Laid] = {}  # pictures of one size lie alike

    def batches(self, groups: Sequence[Indices]) -> Iterator[Batch]:
        places = [self._rows[group] for group in groups]
        if any(rows.min(initial=0) < 0 for rows in places):
            raise IndexError("a sample that is not resident")
        lacking = [group[~self._held[rows]] for group, rows in zip(groups, places, strict=True)]
        asked = [each for each in lacking if len(each)]
        coming = self._source.batches(asked) if asked else iter(())
        for group, rows, lacks in zip(groups, places, lacking, strict=True):
            if len(lacks):
                self._hold(next(coming))
            assert self._store is not None
            at = torch.from_numpy(rows).to(self._source.device)
            targets = {name: values[at] for name, values in self._targets.items()}
            yield Batch(group, self._store[at], targets, tuple(self._laid[rows]))

    def _hold(self, batch: Batch) -> None:
        rows = self._rows[batch.indices]
        if self._store is None:
            self._store = batch.pictures.new_empty(len(self._held), *batch.pictures.shape[1:])
            self._targets = {
                name: values.new_empty(len(self._held), *values.shape[1:]) for name, values in batch.targets.items()
            }
        at = torch.from_numpy(rows).to(self._source.device)
        if batch.pictures.dtype == torch.uint16:  # torch indexes the signed ones alone, of as many bits
            self._store.view(torch.int16)[at] = batch.pictures.view(torch.int16)
        else:
            self._store[at] = batch.pictures
        for name, values in batch.targets.items():
            self._targets[name][at] = values
        self._laid[rows] = np.fromiter((self._shared.setdefault(each, each) for each in batch.laid), object, len(rows))
        self._held[rows] = True


@final
class Streamed:
    """Read anew each time, by `workers` processes, or by this one when there are none."""

    def __init__(
        self,
        units: Units,
        preprocess: Preprocess | Itself,
        device: torch.device,
        workers: int,
        say: Say = nobody,
        kept: Kept | None = None,
    ) -> None:
        looks = Looks(units, preprocess, kept)
        self.device, self._reading = device, Reading(looks, workers, device.type == "cuda", say)

    def batches(self, groups: Sequence[Indices]) -> Iterator[Batch]:
        for indices, pictures, targets, laid in self._reading.batches(groups):
            moved = {name: self._moved(values) for name, values in targets.items()}
            yield Batch(np.asarray(indices), self._moved(pictures), moved, laid)

    def _moved(self, values: Any) -> Tensor:
        return torch.as_tensor(values).to(self.device, non_blocking=True)


def free_memory(device: torch.device) -> int:
    """Bytes free on the device: of the GPU, or of the machine's memory."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 4 << 30  # no portable answer: assume a small machine
