"""Several processes that share one work: who is first, how many there are, and what they tell each other.

`torchrun` starts them and says so in the environment; with one process every function is what it is for one.
"""

import contextlib
import importlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from multiprocessing.context import BaseContext, SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    import torch
    from torch import Tensor

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


@contextlib.contextmanager
def group(device: str) -> Iterator[None]:
    """Meets the processes that `torchrun` started; does nothing when there is one."""
    import torch

    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= set(os.environ) or os.environ["WORLD_SIZE"] == "1":
        yield
        return
    cuda = torch.cuda.is_available() and device != "cpu"
    if cuda:
        torch.cuda.set_device(on_this_machine())
    # its functions' defaults keep the group that exists when it is first imported, whose threads then abort at exit
    importlib.import_module("torch.distributed.nn")
    torch.distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield
    finally:
        leave()


def leave() -> None:
    """What follows is the first process's alone."""
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def from_first(text: str) -> str:
    """What the first process says, in every process."""
    import torch

    said = [text]
    if place()[1] > 1:
        torch.distributed.broadcast_object_list(said)
    return said[0]


def take_from_first(tensor: "Tensor") -> None:
    """The first process's values in every process, in place."""
    import torch

    if place()[1] > 1:
        torch.distributed.broadcast(tensor, 0)


def summed(value: float, device: "torch.device") -> float:
    """The sum over all processes."""
    import torch

    if place()[1] == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64, device=device)
    torch.distributed.all_reduce(total)
    return float(total)


def any_says(flag: bool, device: "torch.device") -> bool:
    """Whether any process says so: all act at the same step."""
    import torch

    if place()[1] == 1:
        return flag
    asked = torch.tensor(int(flag), device=device)
    torch.distributed.all_reduce(asked, op=torch.distributed.ReduceOp.MAX)
    return bool(asked)


def stacked(own: "Tensor") -> "Tensor":
    """Every process's tensor of the same shape, in the order of processes: (processes, ...)."""
    import torch

    rank, world = place()
    whole = own.new_zeros(world, *own.shape)
    whole[rank] = own
    torch.distributed.all_reduce(whole)
    return whole


def add_up(tensor: "Tensor") -> None:
    """The sum over all processes, in place."""
    import torch

    torch.distributed.all_reduce(tensor)


def gathered(own: "Tensor | None", first: int, count: int, device: "torch.device") -> "Tensor":
    """Every process's rows (n, k), `own` from place `first` on, as one tensor (count, k) of float64 in all of them.

    The places of the others are zero, so adding is exact. None where a process has no rows.
    """
    import torch

    if place()[1] == 1:
        return torch.empty(0, 0, dtype=torch.float64, device=device) if own is None else own
    width = torch.tensor([0 if own is None else own.shape[1]], device=device)
    torch.distributed.all_reduce(width, op=torch.distributed.ReduceOp.MAX)
    whole = torch.zeros(count, int(width), dtype=torch.float64, device=device)
    if own is not None:
        whole[first : first + len(own)] = own
    torch.distributed.all_reduce(whole)
    return whole
