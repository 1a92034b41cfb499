"""What this machine can do, measured once: hence the least time that a network can take, and how near it comes."""

import contextlib
import json
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from striate.base import devices, durable
from striate.base.errors import StriateError
from striate.base.words import many

SIDE = 2048  # of the matrices multiplied: large enough for the peak
SLOW = 0.5  # seconds of one product, beyond which smaller matrices have to do: some processors emulate bfloat16
COPIED = 256 * 2**20  # bytes, far beyond any cache
SECONDS = 1.0  # spent on each rate at least


@dataclass(frozen=True)
class Rates:
    """The best rates seen: `float32` and `bfloat16` in multiply-adds a second, `memory` in bytes a second.

    `memory` counts bytes read and bytes written, from a copy of 256 MiB.
    """

    device: str
    threads: int
    float32: float
    bfloat16: float
    memory: float

    def least(self, macs: int, moved: int, *, bfloat16: bool = False) -> float:
        """Seconds that this much work and these bytes take at least: the longer of the two."""
        return max(macs / (self.bfloat16 if bfloat16 else self.float32), moved / self.memory)

    def __str__(self) -> str:
        return (
            f"{self.device}, {many(self.threads, 'thread')}: {_giga(self.float32)} G multiply-adds/s in float32, "
            f"{_giga(self.bfloat16)} G in bfloat16, memory {self.memory / 1e9:,.1f} GB/s"
        )


def _giga(rate: float) -> str:
    """In thousands of millions; slow processors emulate bfloat16 at less than one."""
    return f"{rate / 1e9:,.0f}" if rate >= 1e9 else f"{rate / 1e9:.2g}"


def rates(device: str = "cpu", *, again: bool = False) -> Rates:
    """This machine's rates, from the cache unless they were never measured, or `again`: that takes some seconds.

    The cache is `striate/machine.json` in XDG_CACHE_HOME, with a line for each device, number of threads and torch.
    """
    where = devices.named(device)
    key = f"{_name(where)}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    path = _cache()
    known = _read(path)
    if again or key not in known:
        known[key] = asdict(_measured(where))
        # a folder that cannot be written costs a measurement the next time, nothing else
        with contextlib.suppress(OSError, StriateError):
            path.parent.mkdir(parents=True, exist_ok=True)
            durable.write_json(path, known)
    return Rates(**known[key])


def _measured(device: torch.device) -> Rates:
    def product(kind: torch.dtype) -> float:
        side = min(SIDE, 256)
        while True:
            left, right = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
            result = torch.empty_like(left)
            run = partial(torch.mm, left, right, out=result)
            if side >= SIDE or 8 * _once(run, device) > SLOW:  # twice the side, eight times the work
                return side**3 / _best(run, device)
            side *= 2

    source = torch.ones(COPIED // 4, device=device)
    target = torch.empty_like(source)
    memory = 2 * COPIED / _best(lambda: target.copy_(source), device)
    return Rates(_name(device), torch.get_num_threads(), product(torch.float32), product(torch.bfloat16), memory)


def _best(work: Callable[[], Any], device: torch.device) -> float:
    """The shortest of many runs, in seconds: what the machine can do when nothing disturbs it."""
    best, end = _once(work, device), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        best = min(best, _once(work, device))
    return best


def _once(work: Callable[[], Any], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def seconds(
    net: nn.Module, inputs: Sequence[Tensor], names: Sequence[str], *, keywords: Mapping[str, Tensor] | None = None,
    repeats: int = 5, bfloat16: bool = False,
) -> Mapping[str, float]:  # fmt: skip
    """Seconds of a forward pass by module, the median of `repeats` after one to warm up; "" is the whole network.

    `keywords` are inputs by name. `names` are the modules to time; one called several times has the sum. The network
    runs as it is, on its own device, without gradients, under autocast with `bfloat16`; it is not changed.
    """
    named = keywords or {}
    device = next(each.device for each in (*inputs, *named.values()))

    def run() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):  # anew, so that no pass has weights cast
            net(*inputs, **named)

    passes: dict[str, list[float]] = defaultdict(list)
    with torch.no_grad(), _clocks(net, {"", *names}, device) as spent:
        run()
        for _ in range(repeats):
            spent.clear()
            run()
            for name, value in spent.items():
                passes[name].append(value)
    return {name: statistics.median(values) for name, values in passes.items()}


@contextlib.contextmanager
def _clocks(net: nn.Module, names: set[str], device: torch.device) -> Iterator[dict[str, float]]:
    """Hooks that add up each module's seconds; taken off at the end."""
    spent: dict[str, float] = defaultdict(float)
    starts: dict[str, float] = {}
    hooks: list[RemovableHandle] = []

    def started(name: str, *_: object) -> None:
        _wait(device)
        starts[name] = time.perf_counter()

    def ended(name: str, *_: object) -> None:
        _wait(device)
        spent[name] += time.perf_counter() - starts[name]

    try:
        for name, module in net.named_modules():
            if name in names:
                hooks.append(module.register_forward_pre_hook(partial(started, name)))
                hooks.append(module.register_forward_hook(partial(ended, name)))
        yield spent
    finally:
        for hook in hooks:
            hook.remove()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "striate" / "machine.json"


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """What the cache holds; nothing where it is missing or damaged."""
    try:
        known = json.loads(path.read_bytes())
        return {key: asdict(Rates(**value)) for key, value in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
