"""Pictures read by worker processes: how they hand batches over, and what is done when they cannot.

Shared memory is fastest; where there is too little of it they use a pipe, and where no process can be started this one
reads. The batches are the same.
"""

import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from striate.base import processes
from striate.base.errors import DataError, MachineError, StriateError
from striate.data.kept import Kept
from striate.data.picture.laid import Array, Laid, Pixels
from striate.data.picture.pixels import MOST_PIXELS
from striate.data.preprocess import Itself, Preprocess
from striate.data.samples import Indices, met
from striate.data.units import Units

# Seconds that a batch is waited for: no machine needs so many. And how often a dead worker is looked for.
WAIT, _GLANCE = 300.0, 1.0
_RESTARTS = 3
# Bytes of shared memory without which not even the locks of worker processes can be made.
_LEAST = 1 << 18
# What torch says of a worker that is gone, and then of memory that could not be shared.
_GONE = "exited unexpectedly"
_NO_ROOM = ("shared memory", "shm", "ancdata", "Too many open files", "No space left")

Say = Callable[[str], None]
Look = tuple[int, Pixels, Mapping[str, Array], Laid]
# What is handed over: indices, canvases, targets, how they lie; plain, so that pinning memory finds the tensors.
Plain = tuple[Any, Any, dict[str, Any], tuple[Laid, ...]]
Items = list[list[Look] | StriateError]


def nobody(text: str) -> None:
    """Is told, and tells nobody."""


@final
class Looks(Dataset[Any]):
    """Place of a unit -> the rows of its looks, or the StriateError that reading it gave.

    `kept`: where canvases are kept, which then are read there, and written where they are missing.
    """

    def __init__(self, units: Units, preprocess: Preprocess | Itself, kept: Kept | None = None) -> None:
        self._units, self.preprocess, self._kept = units, preprocess, kept

    def __getitem__(self, index: int) -> list[Look] | StriateError:
        units, samples, sample = self._units, self._units.samples, int(self._units.of[index])
        tile = None if units.tile is None else int(units.tile[index])
        try:
            looks = self._looks(index, sample, tile)
            parts = [samples.targets.on(sample, laid) for _, laid in looks]
        except DataError as error:
            return error if samples.split_by == "content" else met(error)
        except StriateError as error:
            return error
        return [(index, canvas, on, laid) for (canvas, laid), on in zip(looks, parts, strict=True)]

    def _looks(self, index: int, sample: int, tile: int | None) -> list[tuple[Pixels, Laid]]:
        read, kept = self._units.samples.read, self._kept
        key = int(self._units.keys(np.array([index]))[0]) if kept else 0
        if kept and (found := kept.take(index, key, tile)):
            return [found]
        # whether it is too large was for the scan to say
        looks = self.preprocess.looks(read(sample), read.where(sample), tile, MOST_PIXELS)
        if kept:
            kept.put(index, key, *looks[0])
        return looks


@final
class Reading:
    """Batches of looks, by `workers` processes, or by this one when there are none.

    `pin`: in memory that a GPU reads from at once. `say` is told of a slower way. A batch that is waited for longer
    than `wait` seconds, and workers that die again and again, are a `MachineError`.
    """

    def __init__(self, looks: Looks, workers: int, pin: bool, say: Say = nobody, wait: float = WAIT) -> None:
        self._looks, self._groups = looks, _Groups()
        self._workers, self._pin, self._say, self._wait = workers, pin, say, wait
        self._shares = True
        self._open()

    def _open(self) -> None:
        several = self._workers > 0
        self._loader: DataLoader[Any] = DataLoader(
            self._looks,
            batch_sampler=self._groups,
            num_workers=self._workers,
            collate_fn=_shared if self._shares else _stacked,
            pin_memory=self._pin,
            persistent_workers=several,
            timeout=min(_GLANCE, self._wait) if several else 0,
            multiprocessing_context=processes.usual() if several else None,
        )

    def batches(self, groups: Sequence[Indices]) -> Iterator[Plain]:
        """For each group of sample indices its batch, in that order; one that cannot be read is a StriateError."""
        self._find_room(groups)
        done = died = 0
        while True:
            self._groups.waiting = [group.tolist() for group in groups[done:]]
            try:
                for batch in self._handed_over():
                    if isinstance(batch, StriateError):
                        raise batch
                    done += 1
                    yield batch
                return
            except (RuntimeError, OSError, EOFError) as error:
                # a killed worker, or its socket, with pictures not yet handed over; the order goes on with new ones
                died += 1
                self._begin_again(error, died)

    def _find_room(self, groups: Sequence[Indices]) -> None:
        """A way to hand these over for which there is shared memory."""
        blank, room = self._looks.preprocess, shared_memory()
        pictures = max(map(len, groups), default=0) * (10 if blank.views == "ten" else 1)
        # two of each worker are ready, one is in use, and one is on its way
        each = blank.channels * blank.depth // 8 * math.prod(blank.frame)
        needed = pictures * each * (2 * self._workers + 2) * processes.together_here()
        if self._workers and room < _LEAST:
            self._alone("there is hardly any shared memory")
        elif self._workers and self._shares and needed > room / 2:
            self._through_a_pipe(f"{room:,} bytes of shared memory are free, and {needed:,} are needed twice")

    def _handed_over(self) -> Iterator[Any]:
        """What the loader gives; it looks now and then whether a worker has died, and waits no longer than it may."""
        begun, asked = self._begun(), time.monotonic()
        while True:
            try:
                batch = next(begun)
            except StopIteration:
                return
            except RuntimeError as error:
                if "timed out" not in str(error) or time.monotonic() - asked >= self._wait:
                    raise
                continue
            yield batch
            asked = time.monotonic()

    def _begun(self) -> Iterator[Any]:
        """A pass of the loader, whose workers may die without stopping what this process is busy with.

        Torch's handler of SIGCHLD raises wherever the main thread is, a training step as well. Without it the
        loader finds a dead worker when it looks for it.
        """
        handled = hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGCHLD) if handled else None
        try:
            return iter(self._loader)
        finally:
            if handled:
                signal.signal(signal.SIGCHLD, before)

    def _begin_again(self, error: Exception, died: int) -> None:
        """Ready to start the workers once more, in another way if need be; raises what no way is left for."""
        text = str(error)
        late, no_room = "timed out" in text, any(words in text for words in _NO_ROOM)
        if isinstance(error, RuntimeError) and not (late or no_room or _GONE in text):
            raise error
        for worker in getattr(self._loader._iterator, "_workers", ()) if late else ():
            worker.kill()  # it would be waited for again when its loader is left
        self._loader._iterator = None
        if late:
            cause = f"no batch came from worker processes for {self._wait:g} s"
            raise MachineError("workers", cause, "--workers 0") from None
        if isinstance(error, BlockingIOError):
            self._alone(f"no process can be started ({error.strerror})")
        elif self._shares and (no_room or died > 1):
            self._through_a_pipe("they gave nothing through shared memory")
        elif died >= _RESTARTS:
            cause = f"worker processes died {died} times in one pass"
            raise MachineError("workers", cause, "--workers 0, or more memory") from None

    def _through_a_pipe(self, why: str) -> None:
        self._shares = False
        self._open()
        self._say(f"worker processes hand pictures over through a pipe, which is slower: {why} (/dev/shm)")

    def _alone(self, why: str) -> None:
        self._workers = 0
        self._open()
        self._say(f"pictures are read without worker processes, which is slower: {why}")


@final
class _Groups:
    """The batches of the pass that is about to start; the loader and its workers outlive a pass."""

    def __init__(self) -> None:
        self.waiting: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.waiting)

    def __len__(self) -> int:
        return len(self.waiting)


def _stacked(items: Items) -> Plain | StriateError:
    """A batch, or what is wrong with the first picture that cannot be read."""
    rows: list[Look] = []
    for item in items:
        if isinstance(item, StriateError):
            return item
        rows += item
    indices, canvases, parts, laid = zip(*rows, strict=True)
    targets = {name: _rows([part[name] for part in parts]) for name in parts[0]}
    return np.array(indices), _rows(canvases), targets, laid


def _rows(arrays: Sequence[Array]) -> Array:
    """One after the other, whatever their own order in memory: a network's last bits depend on it."""
    return np.stack(arrays, out=np.empty((len(arrays), *arrays[0].shape), arrays[0].dtype))


def _shared(items: Items) -> Plain | StriateError:
    """The same in shared memory, where a worker does it: here its lack is an error, and later an endless wait."""
    batch = _stacked(items)
    if isinstance(batch, StriateError) or get_worker_info() is None:
        return batch
    indices, canvases, targets, laid = batch
    return _moved(indices), _moved(canvases), {name: _moved(part) for name, part in targets.items()}, laid


def _moved(array: Array) -> torch.Tensor:
    return torch.from_numpy(array).share_memory_()  # type: ignore[no-untyped-call, no-any-return]


def shared_memory() -> float:
    """Bytes free where processes share memory as files; infinite where the system shares it otherwise."""
    place = Path("/dev/shm")
    return shutil.disk_usage(place).free if place.is_dir() else math.inf
