"""Several processes that share one work: who is first, how many there are, and what they tell each other.

`torchrun` starts them and says so in the environment; with one process every function is what it is for one.
"""

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing.context import BaseContext, SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import TYPE_CHECKING, Any, final

from striate.base.errors import RunError, StriateError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch._C._distributed_c10d import Store

# Threads that start processes: what is hidden for the one must not become the script of the next.
_ONE_BY_ONE = threading.Lock()


@contextlib.contextmanager
def _without_script() -> Iterator[None]:
    """What is started meanwhile is not told of the script that runs here, and so cannot run it again."""
    with _ONE_BY_ONE:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = script


@final
class _Started(SpawnProcess):
    """A new Python."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # what multiprocessing starts a process by
        with _without_script():
            return SpawnProcess._Popen(process_obj)


if sys.platform == "linux":
    from multiprocessing.context import ForkServerProcess

    @final
    class _Copied(ForkServerProcess):
        """A copy of a Python that has done nothing yet."""

        @staticmethod
        def _Popen(process_obj: Any) -> Any:
            with _without_script():
                return ForkServerProcess._Popen(process_obj)


@final
class Afresh(SpawnContext):
    """Starts processes anew. A script needs no `if __name__ == "__main__"` for them: they never see it."""

    Process = _Started


def prepared(*modules: str) -> type[BaseProcess]:
    """A process as `Afresh` starts it, copied from one that has imported `modules` where copies are safe: seconds less.

    The one that is copied is started for this alone, once, and has no threads.
    """
    if sys.platform != "linux":
        return _Started
    from multiprocessing.forkserver import set_forkserver_preload

    set_forkserver_preload(list(modules))
    return _Copied


def usual() -> BaseContext:
    """Copies of this process where that is the system's way, which start at once; new ones elsewhere."""
    chosen = multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
    return multiprocessing.get_context("fork") if chosen == "fork" else Afresh()


def speaks() -> bool:
    """Whether this process writes and speaks for all; known before they have met, and without torch."""
    return os.environ.get("RANK", "0") == "0"


def on_this_machine() -> int:
    """This process's number among those of the group that run on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def together_here() -> int:
    """How many processes of the group run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def place() -> tuple[int, int]:
    """Rank and number of the processes that have met; (0, 1) when there is one."""
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


class Parted(RunError):
    """One of the processes is gone, and the others cannot go on without it."""


@contextlib.contextmanager
def group(device: str) -> Iterator[Callable[[], None]]:
    """Meets the processes that `torchrun` started, and gives what leaves them; does nothing when there is one.

    Nobody waits for one that is gone: a closed connection is `Parted` in whatever all do together, and a silent one
    ends the process (`Pulse`). So those who live may be waited for as long as they need.
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= set(os.environ) or os.environ["WORLD_SIZE"] == "1":
        yield lambda: None
        return
    leave = _meet(device)
    try:
        yield leave
    except StriateError as error:
        if isinstance(error, Parted) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # by which torchrun would cut its last sentence short
        leave(f"{error.where}: {error.cause}")
        raise
    finally:
        leave()


def _meet(device: str) -> Callable[..., None]:
    import torch
    from torch import distributed
    from torch._C._distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    from striate.base.pulse import Pulse

    cuda = torch.cuda.is_available() and device != "cpu"
    if cuda:
        torch.cuda.set_device(on_this_machine())
    # its functions' defaults keep the group that exists when it is first imported, whose threads then abort at exit
    importlib.import_module("torch.distributed.nn")
    store, rank, world = next(iter(rendezvous("env://")))
    pulse = Pulse(store.clone(), rank, world, speaks())
    distributed.init_process_group(
        "nccl" if cuda else "gloo", store=PrefixStore("group", store), rank=rank, world_size=world,
        timeout=timedelta(days=7),
    )  # fmt: skip

    def leave(word: str = "") -> None:
        """What follows is the first process's alone; `word`: why this one cannot go on."""
        if not distributed.is_initialized():
            return
        words = _words()
        with contextlib.suppress(RuntimeError):  # where they met may be gone
            words.set(f"word {rank}", word)
        pulse.end()
        distributed.destroy_process_group()
        if word and rank:  # when a process ends torchrun ends all, and the first one is to speak before
            with contextlib.suppress(RuntimeError):
                words.wait(["word 0"], timedelta(seconds=10))

    return leave


def _words() -> "Store":
    """Where each process says why it leaves."""
    from torch.distributed.distributed_c10d import _get_default_store

    return _get_default_store()


@contextlib.contextmanager
def _together() -> Iterator[None]:
    """What all do at once; `Parted` where one is gone, with what it said."""
    try:
        yield
    except RuntimeError as error:
        cause, (rank, world) = "one of its other processes has ended", place()
        with contextlib.suppress(RuntimeError):
            for other in range(world):
                if other != rank and _words().check([f"word {other}"]) and (word := _words().get(f"word {other}")):
                    cause = f"its process {other} has ended: {word.decode()}"
                    break
        raise Parted("several processes", cause, "striate train --resume with its run folder") from error


def from_first(text: str) -> str:
    """What the first process says, in every process; sent as bytes, for what is unpickled could be code."""
    import torch

    if place()[1] == 1:
        return text
    device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
    held = torch.tensor(list(text.encode("utf-8", "surrogatepass")), dtype=torch.uint8, device=device)
    size = torch.tensor(len(held), device=device)
    take_from_first(size)
    if place()[0]:
        held = held.new_empty(int(size))
    take_from_first(held)
    return bytes(held.tolist()).decode("utf-8", "surrogatepass")


def take_from_first(tensor: "Tensor") -> None:
    """The first process's values in every process, in place."""
    import torch

    if place()[1] > 1:
        with _together():
            torch.distributed.broadcast(tensor, 0)


def summed(value: float, device: "torch.device") -> float:
    """The sum over all processes."""
    import torch

    if place()[1] == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64, device=device)
    add_up(total)
    return float(total)


def any_says(flag: bool, device: "torch.device") -> bool:
    """Whether any process says so: all act at the same step."""
    import torch

    if place()[1] == 1:
        return flag
    return bool(_most(torch.tensor(int(flag), device=device)))


def stacked(own: "Tensor") -> "Tensor":
    """Every process's tensor of the same shape, in the order of processes: (processes, ...)."""
    rank, world = place()
    whole = own.new_zeros(world, *own.shape)
    whole[rank] = own
    add_up(whole)
    return whole


def add_up(tensor: "Tensor") -> None:
    """The sum over all processes, in place."""
    import torch

    with _together():
        torch.distributed.all_reduce(tensor)


def _most(tensor: "Tensor") -> int:
    """The largest of all processes' whole numbers."""
    import torch

    with _together():
        torch.distributed.all_reduce(tensor, op=torch.distributed.ReduceOp.MAX)
    return int(tensor)


def gathered(own: "Tensor | None", first: int, count: int, device: "torch.device") -> "Tensor":
    """Every process's rows (n, k), `own` from place `first` on, as one tensor (count, k) of float64 in all of them.

    The places of the others are zero, so adding is exact. None where a process has no rows.
    """
    import torch

    if place()[1] == 1:
        return torch.empty(0, 0, dtype=torch.float64, device=device) if own is None else own
    width = _most(torch.tensor([0 if own is None else own.shape[1]], device=device))
    whole = torch.zeros(count, width, dtype=torch.float64, device=device)
    if own is not None:
        whole[first : first + len(own)] = own
    add_up(whole)
    return whole
