"""Pictures in batches: resident (one uint8 tensor on the device) or streamed (worker processes).

Both hand out the same uint8 canvases for the same indices, so nothing later can tell them apart.
"""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from striate.base.errors import DataError, MachineError
from striate.data.preprocess import Preprocess
from striate.data.sources.folder import Samples
from striate.data.splits import Indices

Memory = Literal["auto", "resident", "streamed"]
_RESTARTS = 3


class Pictures(Protocol):
    """Canvases of some samples, by batch."""

    def batches(self, groups: Sequence[Indices]) -> Iterator[Tensor]:
        """For each group of sample indices its uint8 canvases (n, channels, side, side), in that order."""
        ...


def cut(order: Indices, batch: int) -> list[Indices]:
    """An epoch's order in the fewest batches of at most `batch`, of nearly equal size: no straggler of one."""
    return np.array_split(order, -(-len(order) // batch))


def open_pictures(
    samples: Samples,
    indices: Indices,
    preprocess: Preprocess,
    side: int,
    device: torch.device,
    *,
    memory: Memory = "auto",
    workers: int = 0,
) -> "Resident | Streamed":
    """Resident when the canvases fit in a quarter of the free memory (or as asked), else streamed."""
    streamed = Streamed(samples, preprocess, side, device, workers)
    needed = len(indices) * preprocess.channels * side * side
    if memory == "streamed" or (memory == "auto" and needed > free_memory(device) / 4):
        return streamed
    return Resident(streamed, indices, len(samples.names))


@final
class Resident:
    """Every canvas decoded once and kept on the device."""

    def __init__(self, source: "Streamed", indices: Indices, count: int) -> None:
        self._rows = np.full(count, -1, dtype=np.int64)
        self._rows[indices] = np.arange(len(indices))
        self._device = source.device
        chunks = list(source.batches(cut(indices, 256))) if len(indices) else []
        self._store = torch.cat(chunks) if chunks else torch.empty(0, dtype=torch.uint8)

    def batches(self, groups: Sequence[Indices]) -> Iterator[Tensor]:
        for group in groups:
            rows = self._rows[group]
            if rows.min(initial=0) < 0:
                raise IndexError("a sample that is not resident")
            yield self._store[torch.from_numpy(rows).to(self._device)]


@final
class Streamed:
    """Decoded anew each time, by `workers` processes, or by this one when there are none."""

    def __init__(self, samples: Samples, preprocess: Preprocess, side: int, device: torch.device, workers: int) -> None:
        self.device = device
        self._groups = _Groups()
        self._loader: DataLoader[Any] = DataLoader(
            _Canvases(samples, preprocess, side),
            batch_sampler=self._groups,
            num_workers=workers,
            collate_fn=_stack,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
        )

    def batches(self, groups: Sequence[Indices]) -> Iterator[Tensor]:
        done = 0
        for _ in range(_RESTARTS):
            self._groups.waiting = [group.tolist() for group in groups[done:]]
            try:
                for canvases in self._begin():
                    if isinstance(canvases, DataError):
                        raise canvases
                    done += 1
                    yield canvases.to(self.device, non_blocking=True)
                return
            except (RuntimeError, ConnectionError, EOFError) as error:
                # a killed worker, or its socket, with pictures not yet handed over; the order goes on with new ones
                if isinstance(error, RuntimeError) and "exited unexpectedly" not in str(error):
                    raise
                self._loader._iterator = None
        raise MachineError(
            "workers", f"worker processes died {_RESTARTS} times in one pass", "--workers 0, or more memory"
        )

    def _begin(self) -> Iterator[Any]:
        """A pass of the loader, whose workers may die without stopping what this process is busy with.

        Torch's handler of SIGCHLD raises wherever the main thread is, a training step as well. Without it the
        loader finds a dead worker when it waits for it, within five seconds.
        """
        handled = hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGCHLD) if handled else None
        begun = iter(self._loader)
        if handled:
            signal.signal(signal.SIGCHLD, before)
        return begun


@final
class _Groups:
    """The batches of the pass that is about to start; the loader and its workers outlive a pass."""

    def __init__(self) -> None:
        self.waiting: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.waiting)

    def __len__(self) -> int:
        return len(self.waiting)


@final
class _Canvases(Dataset[Any]):
    """Sample index -> uint8 canvas, or the DataError that reading it gave."""

    def __init__(self, samples: Samples, preprocess: Preprocess, side: int) -> None:
        self._samples, self._preprocess, self._side = samples, preprocess, side

    def __getitem__(self, index: int) -> Tensor | DataError:
        try:
            pixels = self._samples.read(index, at_least=self._side)
        except DataError as error:
            return error
        return torch.from_numpy(self._preprocess.canvas(pixels, self._side))


def _stack(items: list[Tensor | DataError]) -> Tensor | DataError:
    for item in items:
        if isinstance(item, DataError):
            return item
    return torch.stack([item for item in items if isinstance(item, Tensor)])


def free_memory(device: torch.device) -> int:
    """Bytes free on the device: of the GPU, or of the machine's memory."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 4 << 30  # no portable answer: assume a small machine
