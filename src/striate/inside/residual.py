"""What each residual block adds to what passes it by, the network without one, and squeeze-excitation's gates."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from striate.base.errors import UsageError
from striate.data.picture.laid import Array

# Of each kind of block the modules that its branch F may end in, the last one first: what that makes is added to the
# shortcut, which is what `downsample` makes, or, where there is none, what the block is given.
LAST = {
    "striate.models.resnet.BasicBlock": ("se", "bn2"),
    "striate.models.resnet.Bottleneck": ("se", "bn3"),
    "striate.models.preact.ActivatedBasic": ("se", "conv2"),
    "striate.models.preact.ActivatedBottleneck": ("se", "conv3"),
    "torchvision.models.resnet.BasicBlock": ("bn2",),
    "torchvision.models.resnet.Bottleneck": ("bn3",),
    "timm.models.resnet.BasicBlock": ("se", "bn2"),
    "timm.models.resnet.Bottleneck": ("se", "bn3"),
    "timm.models.resnetv2.PreActBasic": ("conv2",),
    "timm.models.resnetv2.PreActBottleneck": ("conv3",),
    "timm.models.resnetv2.Bottleneck": ("norm3",),
    "timm.models._efficientnet_blocks.InvertedResidual": ("bn3",),
    "timm.models._efficientnet_blocks.DepthwiseSeparableConv": ("bn2",),
}
# Of each kind of squeeze-excitation the module that makes its gates, (n, channels, 1, 1).
GATE = {
    "striate.layers.SqueezeExcitation": "sigmoid",
    "torchvision.ops.misc.SqueezeExcitation": "scale_activation",
    "timm.layers.squeeze_excite.SEModule": "gate",
    "timm.layers.squeeze_excite.EffectiveSEModule": "gate",
    "timm.models._efficientnet_blocks.SqueezeExcite": "gate",
    "timm.models.senet.SEModule": "sigmoid",
}


@final
@dataclass(frozen=True, eq=False)
class Residual:
    """A block that answers with F(x) + x: `last` makes F(x). `projects`: x goes through weights of its own."""

    name: str
    block: nn.Module
    last: nn.Module

    @property
    def beside(self) -> nn.Module | None:
        found = getattr(self.block, "downsample", None)
        return found if isinstance(found, nn.Module) else None

    @property
    def projects(self) -> bool:
        return self.beside is not None and any(True for _ in self.beside.parameters())


def residuals(net: nn.Module) -> list[Residual]:
    """Every residual block in the order of the network; a UsageError of one that has none that is known."""
    found = []
    for name, module in net.named_modules():
        ends = LAST.get(_kind(module), ()) if getattr(module, "has_skip", True) else ()
        last = next((each for end in ends if isinstance(each := getattr(module, end, None), nn.Module)), None)
        if last is not None:
            found.append(Residual(name, module, last))
    if not found:
        cause = "it has no residual block that is known: what passes no block by would be lost with the block"
        raise UsageError("blocks", cause, "a network such as resnet20, preact_resnet18 or timm:resnet50")
    return found


def gates(net: nn.Module) -> dict[str, nn.Module]:
    """By the name of each squeeze-excitation the module that makes its gates; a UsageError where there is none."""
    kinds = ((name, module, GATE.get(_kind(module))) for name, module in net.named_modules())
    found = {name: getattr(module, gate) for name, module, gate in kinds if gate is not None}
    if not found:
        cause = "it has no squeeze-excitation that is known, and so no gates"
        raise UsageError("gates", cause, "a network such as seresnet50, or one with --model-options.se 16")
    return found


def _kind(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__name__}"


@contextlib.contextmanager
def without(each: Residual) -> Iterator[None]:
    """The network with F(x) = 0 in this block, whose shortcut stays: Veit et al. 2016, section 4.1."""
    handle = each.last.register_forward_hook(lambda module, given, made: torch.zeros_like(made))
    try:
        yield
    finally:
        handle.remove()


@final
class Heard:
    """What was heard of each module, canvas for canvas, in the order of the passes."""

    def __init__(self, count: int) -> None:
        self._parts: list[list[Array]] = [[] for _ in range(count)]

    def add(self, which: int, values: Tensor) -> None:
        self._parts[which].append(values.detach().double().cpu().numpy())

    @property
    def canvases(self) -> int:
        """How many passed until now."""
        return sum(map(len, self._parts[0]))

    def of(self, which: int) -> Array:
        """float64 (canvases, ...)."""
        return np.concatenate(self._parts[which])


@contextlib.contextmanager
def norms(blocks: Sequence[Residual]) -> Iterator[tuple[Heard, Heard]]:
    """Of every canvas the Euclidean norms of F(x), and of what it is added to: (canvases,) of each block."""
    branch, shortcut = Heard(len(blocks)), Heard(len(blocks))
    with contextlib.ExitStack() as hooks:
        for which, each in enumerate(blocks):
            hooks.callback(each.last.register_forward_hook(_made(partial(_add_norm, branch, which))).remove)
            told = partial(_add_norm, shortcut, which)
            beside = each.beside
            if beside is None:
                hooks.callback(each.block.register_forward_pre_hook(_given(told)).remove)
            else:
                hooks.callback(beside.register_forward_hook(_made(told)).remove)
        yield branch, shortcut


@contextlib.contextmanager
def gating(modules: Sequence[nn.Module]) -> Iterator[Heard]:
    """The gates of every canvas that passes: (canvases, channels) of each module."""
    heard = Heard(len(modules))
    with contextlib.ExitStack() as hooks:
        for which, each in enumerate(modules):
            hooks.callback(each.register_forward_hook(_made(partial(_add_flat, heard, which))).remove)
        yield heard


def _add_norm(heard: Heard, which: int, values: Tensor) -> None:
    heard.add(which, torch.linalg.vector_norm(values.flatten(1), dim=1, dtype=torch.float64))


def _add_flat(heard: Heard, which: int, values: Tensor) -> None:
    heard.add(which, values.flatten(1))


def _made(told: Callable[[Tensor], None]) -> Any:
    def hook(module: nn.Module, given: Any, made: Tensor) -> None:
        told(made)

    return hook


def _given(told: Callable[[Tensor], None]) -> Any:
    def hook(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        told(given[0])

    return hook
