"""What a training runs on: device, precision, memory format, processes."""

import contextlib
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, final

import numpy as np
import torch
from torch import nn

from striate.base import devices, processes
from striate.base.words import many
from striate.data.picture.decode import DECODER
from striate.network import autocast


@dataclass(frozen=True)
class Machine:
    """`bfloat16` means autocast for the forward pass, with channels-last memory; weights stay float32."""

    device: torch.device
    bfloat16: bool
    rank: int = 0
    world: int = 1

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        return autocast(self.device, self.bfloat16)

    def seed(self, number: int) -> None:
        """Seeds what dropout draws from; `torch.manual_seed` would seek out every other device, each step."""
        if self.device.type == "mps":
            torch.mps.manual_seed(number % 2**63)
            return
        cuda = self.device.type == "cuda"
        generator = torch.cuda.default_generators[self.device.index or 0] if cuda else torch.default_generator
        generator.manual_seed(number % 2**63)

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def __str__(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else processor()
        threads = f", {many(torch.get_num_threads(), 'thread')}" if self.device.type == "cpu" else ""
        processes = f", {self.world} processes" if self.world > 1 else ""
        return f"{name}{threads}, {'bfloat16' if self.bfloat16 else 'float32'}{processes}"


def choose(device: str, precision: str) -> Machine:
    """The machine a recipe asks for; "auto" takes the GPU when there is one, and bfloat16 where it is fast."""
    chosen = devices.named(device)
    if chosen.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        multiplies = _capabilities().get("avx512_bf16") or _capabilities().get("amx_bf16")
        fast = chosen.type == "cpu" and bool(multiplies)
    return Machine(chosen, fast if precision == "auto" else precision == "bfloat16", *processes.place())


def processor() -> str:
    """The processor's name as far as the system tells it."""
    return str(_capabilities().get("cpu_name") or platform.machine())


def _capabilities() -> Mapping[str, Any]:
    """What torch says of the processor; older ones say nothing."""
    return torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}


def channels_last(net: nn.Module, machine: Machine) -> nn.Module:
    """On the device, in the memory format its convolutions are fastest in."""
    net = net.to(machine.device)
    return net.to(memory_format=torch.channels_last) if machine.bfloat16 else net


@contextlib.contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Leaves torch's random state as it was, and asks a GPU for algorithms that repeat bit for bit."""
    cuda = device.type == "cuda"
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        try:
            yield
        finally:
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


def versions(machine: Machine) -> dict[str, str]:
    """What the bits of a result depend on besides recipe and data."""
    return {
        "striate": metadata.version("striate"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "decoder": DECODER,
        "system": f"{platform.system()} {platform.machine()}",
        "machine": str(machine),
    }


@final
class Clock:
    """Seconds by stage, over all parts of a training, from a clock that never goes back."""

    def __init__(self) -> None:
        self._at, self.began = time.monotonic(), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.seconds: dict[str, float] = {}

    def mark(self, stage: str) -> None:
        """What has passed since the last mark was of this stage."""
        now = time.monotonic()
        self.add({stage: now - self._at})
        self._at = now

    def add(self, seconds: Mapping[str, float]) -> None:
        """Those of an earlier part."""
        for stage, more in seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + more

    def told(self) -> dict[str, Any]:
        """For run.json: each stage, and all together."""
        return {"timings": dict(self.seconds), "seconds": sum(self.seconds.values())}
