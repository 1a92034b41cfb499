"""Samples in batches: resident (one uint8 tensor on the device) or streamed (worker processes).

Both hand out the same batches for the same indices, so nothing later can tell them apart.
"""

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from striate.base.errors import DataError, MachineError
from striate.data.picture.laid import Laid
from striate.data.preprocess import Preprocess
from striate.data.samples import Indices, Keys, Samples

Memory = Literal["auto", "resident", "streamed"]
_RESTARTS = 3


@dataclass(frozen=True)
class Batch:
    """One row a look: at a single look each these are pictures; `indices` repeats where a picture has several.

    `pictures` are canvases (n, channels, side, side): uint8 as read, float32 in 0..1 once they are changed, and
    normalised for the network. `targets` are the parts of each row, tensors of n; `laid` says how each lies.
    """

    indices: Indices | Keys
    pictures: Tensor
    targets: Mapping[str, Tensor]
    laid: tuple[Laid, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, part: slice) -> "Batch":
        targets = {name: values[part] for name, values in self.targets.items()}
        return Batch(self.indices[part], self.pictures[part], targets, self.laid[part])


class Feed(Protocol):
    """Some samples, by batch."""

    def batches(self, groups: Sequence[Indices]) -> Iterator[Batch]:
        """For each group of sample indices the batch of their uint8 canvases, in that order."""
        ...


def cut_batches(order: Indices, batch: int) -> list[Indices]:
    """An epoch's order in the fewest batches of at most `batch`, of nearly equal size: no straggler of one."""
    return np.array_split(order, -(-len(order) // batch))


def open_feed(
    samples: Samples,
    indices: Indices,
    preprocess: Preprocess,
    device: torch.device,
    *,
    memory: Memory = "auto",
    workers: int = 0,
) -> "Resident | Streamed":
    """Resident when the canvases fit in a quarter of the free memory (or as asked), else streamed.

    Several looks at a picture are always streamed: nothing looks twice at them.
    """
    streamed = Streamed(samples, preprocess, device, workers)
    needed = len(indices) * preprocess.channels * preprocess.side**2
    if preprocess.views != "one" or memory == "streamed" or (memory == "auto" and needed > free_memory(device) / 4):
        return streamed
    return Resident(streamed, indices, len(samples))


@final
class Resident:
    """Every sample read once, at one look, and kept on the device."""

    def __init__(self, source: "Streamed", indices: Indices, count: int) -> None:
        self._rows = np.full(count, -1, dtype=np.int64)
        self._rows[indices] = np.arange(len(indices))
        self._device = source.device
        chunks = list(source.batches(cut_batches(indices, 256))) if len(indices) else []
        self._store = torch.cat([chunk.pictures for chunk in chunks]) if chunks else torch.empty(0, dtype=torch.uint8)
        names = chunks[0].targets if chunks else ()
        self._targets = {name: torch.cat([chunk.targets[name] for chunk in chunks]) for name in names}
        shared: dict[Laid, Laid] = {}  # pictures of one size lie alike
        self._laid = np.empty(len(indices), dtype=object)
        self._laid[:] = [shared.setdefault(laid, laid) for chunk in chunks for laid in chunk.laid]

    def batches(self, groups: Sequence[Indices]) -> Iterator[Batch]:
        for group in groups:
            rows = self._rows[group]
            if rows.min(initial=0) < 0:
                raise IndexError("a sample that is not resident")
            at = torch.from_numpy(rows).to(self._device)
            targets = {name: values[at] for name, values in self._targets.items()}
            yield Batch(group, self._store[at], targets, tuple(self._laid[rows]))


@final
class Streamed:
    """Read anew each time, by `workers` processes, or by this one when there are none."""

    def __init__(self, samples: Samples, preprocess: Preprocess, device: torch.device, workers: int) -> None:
        self.device = device
        self._groups = _Groups()
        self._loader: DataLoader[Any] = DataLoader(
            _Looks(samples, preprocess),
            batch_sampler=self._groups,
            num_workers=workers,
            collate_fn=_batch,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
        )

    def batches(self, groups: Sequence[Indices]) -> Iterator[Batch]:
        done = 0
        for _ in range(_RESTARTS):
            self._groups.waiting = [group.tolist() for group in groups[done:]]
            try:
                for batch in self._begin():
                    if isinstance(batch, DataError):
                        raise batch
                    done += 1
                    yield self._moved(batch)
                return
            except (RuntimeError, ConnectionError, EOFError) as error:
                # a killed worker, or its socket, with pictures not yet handed over; the order goes on with new ones
                if isinstance(error, RuntimeError) and "exited unexpectedly" not in str(error):
                    raise
                self._loader._iterator = None
        raise MachineError(
            "workers", f"worker processes died {_RESTARTS} times in one pass", "--workers 0, or more memory"
        )

    def _moved(self, batch: "_Plain") -> Batch:
        indices, pictures, targets, laid = batch
        moved = {name: values.to(self.device, non_blocking=True) for name, values in targets.items()}
        return Batch(indices.numpy(), pictures.to(self.device, non_blocking=True), moved, tuple(laid))

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


# What a worker hands over: indices, canvases, targets, how they lie; plain, so that pinning memory finds the tensors.
_Plain = tuple[Tensor, Tensor, dict[str, Tensor], tuple[Laid, ...]]
_Look = tuple[int, Tensor, dict[str, Tensor], Laid]


@final
class _Looks(Dataset[Any]):
    """Sample index -> the rows of its looks, or the DataError that reading it gave."""

    def __init__(self, samples: Samples, preprocess: Preprocess) -> None:
        self._samples, self._preprocess = samples, preprocess

    def __getitem__(self, index: int) -> list[_Look] | DataError:
        samples = self._samples
        try:
            looks = self._preprocess.looks(samples.read(index), samples.read.where(index))
            parts = [samples.targets.on(index, laid) for _, laid in looks]
        except DataError as error:
            return error
        return [
            (index, torch.from_numpy(canvas), {name: torch.from_numpy(part) for name, part in on.items()}, laid)
            for (canvas, laid), on in zip(looks, parts, strict=True)
        ]


def _batch(items: list[list[_Look] | DataError]) -> _Plain | DataError:
    rows: list[_Look] = []
    for item in items:
        if isinstance(item, DataError):
            return item
        rows += item
    indices, canvases, parts, laid = zip(*rows, strict=True)
    targets = {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
    return torch.tensor(indices), torch.stack(canvases), targets, laid


def free_memory(device: torch.device) -> int:
    """Bytes free on the device: of the GPU, or of the machine's memory."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 4 << 30  # no portable answer: assume a small machine
