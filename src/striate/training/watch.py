"""What each layer does while it learns, seen in some of the steps; no bit of a training depends on it.

In a step that is watched the outputs of layers with weights, and of the rectifiers behind them, are looked at as they
pass, the gradients before they are clipped, and the weights before and after they change. No other step has a hook.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from striate.base import devices, processes
from striate.base.errors import RunError
from striate.runs import watched
from striate.runs.watched import Seen
from striate.training.disk import Disk
from striate.training.plan import Job

# What is 0 where a unit is dead; a sigmoid or a GELU is never told to be.
RECTIFIERS = (F.relu, F.relu_, F.relu6, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)
# Of a step's cost, what watching may take of all steps: less than is promised, for it is measured on few.
SHARE = 0.02
# Nor is it oftener than every so many-th, for on a busy machine a measurement may miss what watching costs.
LEAST = 10
# Steps of each kind that are measured before it is chosen which are watched; the first of each warms up.
TIMED = 6
# Steps that are watched, at most, where their number is chosen.
MOST = 500


@final
class Watch:
    """Every so many-th step from the first on; `every` is None where none is, and 0 until it is chosen.

    While it is 0 every other step is watched, and these are compared with the others.
    """

    def __init__(self, job: Job, steps: int, say: Callable[[str], None]) -> None:
        """`steps`: of the whole training. The compiler's code is not looked into: there only weights are watched."""
        asked, net = job.watch, job.net
        self.every: int | None = asked if not isinstance(asked, bool) else 0 if asked else None
        self.rows: list[Seen] = []
        self._folder, self._compiled = job.checkpoints.parent, job.recipe.compile
        self._net, self._machine, self._steps, self._say = net, job.machine, steps, say
        self._weights = {name: layer.weight for name, layer in layers(net).items()}
        self._now: int | None = None
        self._found: dict[str, Outputs] = {}
        self._norms: dict[str, tuple[float, float]] = {}
        self._seconds: tuple[list[float], list[float]] = [], []
        self._began, self._told = 0.0, False

    def begin(self, step: int) -> None:
        """A step, which may be one that is begun again."""
        self._now = step if self.every is not None and step % (self.every or 2) == 0 else None
        self._found, self._norms = {}, {}
        if self._measuring:
            self._began = self._clock()

    @contextlib.contextmanager
    def passing(self, count: int) -> Iterator[None]:
        """A pass over a part of the batch, of which the first `count` pictures are this process's."""
        if self._now is None or self._compiled:
            yield
            return
        with looking(self._net, count, self._found):
            yield

    @contextlib.contextmanager
    def updating(self) -> Iterator[None]:
        """The change of the weights; each process makes the same, so the first one alone looks."""
        if self._now is None or not self._machine.first:
            yield
            return
        own = {name: each for name, each in self._weights.items() if each.grad is not None}
        weights = [each.detach() for each in own.values()]
        gradients = _norms([each.grad for each in own.values()])
        try:
            held = [each.clone() for each in weights]
        except (MemoryError, RuntimeError) as error:
            if not devices.out_of_memory(error):
                raise
            held = []
        sizes = _norms(weights)
        yield
        if held:
            torch._foreach_sub_(held, weights)
        steps = [math.nan if not size else step / size for step, size in zip(_norms(held), sizes, strict=False)]
        steps = steps or [math.nan] * len(own)
        self._norms = dict(zip(own, zip(gradients, steps, strict=True), strict=True))

    def end(self, epoch: int) -> None:
        """Keep what was seen of the step; and choose which are watched, once enough of them were timed."""
        if self._now is not None:
            seen = self._gathered()
            if self._machine.first:
                names = [*seen, *(name for name in self._norms if name not in seen)]
                none = math.nan, math.nan
                self.rows += [
                    Seen(self._now, epoch, name, *self._norms.get(name, none), *seen.get(name, (*none, math.nan)))
                    for name in names
                ]
        if self._measuring:
            self._seconds[self._now is not None].append(self._clock() - self._began)
            if min(map(len, self._seconds)) >= TIMED:
                self._choose()

    def save(self, disk: Disk) -> None:
        """What was seen until now, in the run folder."""
        if self.rows:
            disk.write(watched.FILE, lambda: watched.write_watch(self._folder, self.rows))

    def go_on(self, every: int | None, step: int) -> None:
        """A training that was watched goes on so at `step`, in the same steps; later ones are seen again."""
        if every is None:
            return
        self.every = every
        try:
            self.rows = [each for each in watched.read_watch(self._folder) if each.step < step]
        except RunError as error:
            self._say(f"what was watched before is lost: {error}")

    def tell_the_end(self) -> None:
        """What is striking, if anything is."""
        if self.rows and (found := watched.striking(self.rows)):
            self._say(f"{watched.FILE}: {found}")

    @property
    def _measuring(self) -> bool:
        return self.every not in (None, 1) and not self._told  # where all are watched there is nothing beside them

    def _choose(self) -> None:
        plain, more = (min(each[1:]) for each in self._seconds)  # other work only ever adds
        cost = max(0.0, more - plain) / plain if plain else 0.0
        self.every = int(processes.from_first(str(self.every or often(cost, self._steps))))
        self._told = True
        if self._machine.first:
            self._say(
                f"watching every {self.every} steps: it adds {cost:.0%} to one of them, {cost / self.every:.1%} to all"
            )

    def _clock(self) -> float:
        """Of the processors' own time; a device that works on its own is waited for."""
        if self._machine.device.type == "cpu":
            return time.process_time()
        torch.accelerator.synchronize()
        return time.monotonic()

    def _gathered(self) -> dict[str, tuple[float, float, float]]:
        """Mean, deviation and share of dead units by layer, of the pictures of all processes."""
        if not self._found:
            return {}
        flat = torch.cat([torch.cat([each.sums, each.alive]) for each in self._found.values()])
        if self._machine.world > 1:
            processes.add_up(flat)
        sizes = [3 + len(each.alive) for each in self._found.values()]
        found = {}
        for name, part in zip(self._found, torch.split(flat.cpu(), sizes), strict=True):
            count, total, squares = part[:3].tolist()
            mean = total / count if count else math.nan
            spread = math.sqrt(max(0.0, squares / count - mean**2)) if count else math.nan
            found[name] = mean, spread, float((part[3:] == 0).double().mean())  # of none that is no number
        return found


def often(cost: float, steps: int) -> int:
    """Every how many of so many steps are watched, where it adds `cost` to one as a part of what that takes."""
    return max(LEAST, math.ceil(cost / SHARE), math.ceil(steps / MOST))


def layers(net: nn.Module) -> dict[str, Any]:
    """Those with weights of two and more dimensions: norms have none."""
    weights = {name: getattr(each, "weight", None) for name, each in net.named_modules()}
    named = {name for name, weight in weights.items() if isinstance(weight, nn.Parameter) and weight.ndim > 1}
    return {name: each for name, each in net.named_modules() if name in named}


@contextlib.contextmanager
def looking(net: nn.Module, count: int, found: dict[str, "Outputs"]) -> Iterator[None]:
    """Inside, what the layers of `net` give for `count` pictures is added to `found`, in the order in which they run.

    With a `count` of 0 the pass is there for others: its layers are found, and nothing is added.
    """
    before = _Pass(count, found)
    hooks = [layer.register_forward_hook(before.after(name)) for name, layer in layers(net).items()]
    try:
        with _Rectifiers(before.rectified):
            yield
    finally:
        for hook in hooks:
            hook.remove()


@final
class Outputs:
    """Sums over what a layer gave, and in how many parts of the batch each unit of its rectifier was above 0."""

    def __init__(self, device: torch.device) -> None:
        kind = torch.float32 if device.type == "mps" else torch.float64
        self.sums, self.alive = torch.zeros(3, dtype=kind, device=device), torch.zeros(0, dtype=kind, device=device)


@final
class _Pass:
    """What is found in one pass; a process with no picture of its own adds nothing."""

    def __init__(self, count: int, found: dict[str, Outputs]) -> None:
        self._count, self._found, self._last = count, found, ""

    def after(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def look(module: nn.Module, given: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or not output.is_floating_point() or not output.numel():
                return
            x, self._last = output.detach(), name
            layer = self._found.setdefault(name, Outputs(x.device))
            if self._count:
                norm = torch.linalg.vector_norm(x, dtype=torch.float32).to(layer.sums)
                layer.sums += torch.stack(
                    [torch.full_like(norm, x.numel()), x.sum(dtype=torch.float32).to(norm), norm**2]
                )

        return look

    def rectified(self, output: Tensor) -> None:
        """Of the layer that ran last before it; a second one behind the same layer is no more its own."""
        if not self._last or output.ndim < 2 or not output.numel():
            return
        layer, self._last = self._found[self._last], ""
        unit = 2 if output.ndim == 3 else 1  # of tokens the last
        highest = output.detach().amax([axis for axis in range(output.ndim) if axis != unit])
        if len(layer.alive) != len(highest):
            layer.alive = layer.alive.new_zeros(len(highest))
        if self._count:
            layer.alive += (highest > 0).to(layer.alive)


@final
class _Rectifiers(TorchFunctionMode):
    """Inside, what each rectifier gives is shown to `told`."""

    def __init__(self, told: Callable[[Tensor], None]) -> None:
        super().__init__()
        self._told = told

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if function in RECTIFIERS:
            self._told(result)
        return result


def _norms(tensors: Sequence[Tensor | None]) -> list[float]:
    there = [each for each in tensors if each is not None]
    return torch.stack(torch._foreach_norm(there)).tolist() if there else []
