"""Which device a name means."""

import torch

from striate.base import processes
from striate.base.errors import MachineError


def named(name: str) -> torch.device:
    """auto, cpu, cuda, cuda:N or mps; "auto" is cuda or cpu. A MachineError lists what is there."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    apples = ["mps"] if torch.backends.mps.is_available() else []
    if name == "auto" and not gpus:
        return torch.device("cpu")
    if name in ("auto", "cuda") and gpus:  # each process of a group takes its own
        return torch.device(gpus[processes.on_this_machine() % len(gpus)])
    if name not in (there := ["cpu", *gpus, *apples]):
        raise MachineError("device", f"{name!r} is not on this machine", f"one of auto, {', '.join(there)}")
    return torch.device(name)


def exact(device: torch.device) -> torch.device:
    """Where what this device computed is added up in float64: there, or on the CPU where it has no such numbers."""
    return torch.device("cpu") if device.type == "mps" else device


def out_of_memory(error: BaseException) -> bool:
    """Whether memory was lacking; torch says it in many ways."""
    lacking = ("can't allocate memory", "out of memory", "STATUS_ALLOC_FAILED")
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    # oneDNN compiles a step into memory; what it cannot compute at all lacks a primitive's description
    return str(error) == "could not create a primitive" or any(words in str(error) for words in lacking)


def give_back(device: torch.device) -> None:
    """What torch keeps for itself of a device's memory."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
