"""What each module of a network was given and made of a picture, and by which modules it came there."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from striate.base.errors import UsageError, near


@final
@dataclass(frozen=True, eq=False)
class Call:
    """One call of a module; `value` is what it made, before anything changed that in place.

    `before` is the place of the call that made what it was given, -1 for the picture itself, and None where that was
    made by no module: a sum, or an activation that is called as a function. A module with children has a call of its
    own only where none of these made what it answers: a block that adds or joins.
    """

    name: str
    module: nn.Module
    given: Tensor
    value: Tensor
    before: int | None

    @property
    def maps(self) -> bool:
        """Whether it makes maps, (n, maps, height, width)."""
        return self.value.ndim == 4

    @property
    def cells(self) -> int:
        """Of each map; 0 where there are no maps."""
        return self.value[0, 0].numel() if self.maps else 0


@contextlib.contextmanager
def answering(net: nn.Module) -> Iterator[None]:
    """The network in evaluation mode, gradients recorded; left as it was."""
    training = {module: module.training for module in net.modules()}
    net.eval()
    try:
        with torch.enable_grad():
            yield
    finally:
        for module, mode in training.items():
            module.training = mode


@torch.no_grad()
def calls(net: nn.Module, picture: Tensor) -> list[Call]:
    """Every call in order, for pictures (n, channels, height, width), the network in the mode that it is in.

    Nothing of the network is changed. Tensors are known by themselves and by how often they were changed in place, so
    that what happens between modules is never missed.
    """
    found: list[Call] = []
    entered: dict[int, tuple[Tensor, int | None]] = {}  # by module: it is left before it is entered again
    made: dict[int, tuple[int, int]] = {id(picture): (-1, picture._version)}
    held: list[Any] = []  # so that no tensor of the pass gives its number to another one

    def before(module: nn.Module, given: tuple[Any, ...]) -> None:
        tensors = [each for each in given if isinstance(each, Tensor)]
        if tensors:
            place, version = made.get(id(tensors[0]), (None, 0))
            known = len(given) == 1 and version == tensors[0]._version
            pooled = isinstance(module, nn.MaxPool2d)  # of the others only the shape is asked
            entered[id(module)] = tensors[0].clone() if pooled else tensors[0], place if known else None

    def after(name: str, module: nn.Module, given: tuple[Any, ...], value: Any) -> None:
        inner = (
            any(module.children()) and isinstance(value, Tensor) and made.get(id(value), (0, -1))[1] == value._version
        )
        if isinstance(value, Tensor) and id(module) in entered and not inner:
            held.append(value)
            made[id(value)] = len(found), value._version
            found.append(Call(name, module, entered[id(module)][0], value.clone(), entered[id(module)][1]))

    handles = []
    for name, module in net.named_modules():
        if name:
            handles.append(module.register_forward_pre_hook(before))
            handles.append(module.register_forward_hook(partial(after, name)))
    try:
        held.append(net(picture))
    finally:
        for handle in handles:
            handle.remove()
    return found


def path(found: Sequence[Call], place: int) -> list[Call]:
    """The calls from the picture to the one at `place`, in order; a UsageError where there is more between them."""
    steps = [found[place]]
    while (before := steps[-1].before) != -1:
        if before is None:
            cause = f"what enters {steps[-1].name} is made by no module: a sum, a join, or a function such as F.relu"
            raise UsageError("layer", cause, "a layer before it")
        steps.append(found[before])
    return steps[::-1]


def place_of(found: Sequence[Call], layer: str) -> int:
    """The place of the last call of a layer with maps, or of the last one in it where it is a block that answers what
    that made; a UsageError where there is none."""
    names = list(dict.fromkeys(call.name for call in found if call.maps))
    if layer not in names:
        if inner := [place for place, call in enumerate(found) if call.maps and call.name.startswith(f"{layer}.")]:
            return inner[-1]
        hint = near(layer, names, "one of its layers: " + ", ".join(names[-5:]))
        raise UsageError("layer", f"{layer!r} is no layer that makes maps of this picture", hint)
    return max(place for place, call in enumerate(found) if call.name == layer)
