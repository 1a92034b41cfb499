"""What a pass tells those who watch it: the step, its module calls and its operator calls."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

Phase = Literal["forward", "loss", "backward", "optimizer"]
PHASES: tuple[Phase, ...] = get_args(Phase)
NO_CALL = -1  # of an operator that belongs to no module call: the loss, and the step of a parameter nobody called


@dataclass(frozen=True, slots=True)
class Call:
    """One operator call, as the dispatcher saw it, after it ran.

    `module` is the qualified name of the innermost module being called, "" for the network itself. `leaf_call` is the
    running number of that module call (0 is the network's own; a module called twice has two numbers), or `NO_CALL`.
    In the backward phase both are those of the module call whose forward made the node, except while a checkpoint
    computes a part again: then they are those of the new call. In the optimizer phase they are those of the module
    that owns the parameter and of its first call. The loss, and its backward, belong to module "" and `NO_CALL`.

    Tensors in `args` and `outputs` die when the network lets go of them: an observer that keeps one changes what lives.
    """

    operator: torch._ops.OpOverload
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: tuple[Tensor, ...]
    module: str
    leaf_call: int
    phase: Phase

    @property
    def packet(self) -> Any:
        """The operator without its overload."""
        return self.operator.overloadpacket

    @property
    def result(self) -> torch.Size:
        """The shape of the first output."""
        return self.outputs[0].shape

    def shape(self, place: int = 0) -> torch.Size:
        """Of an argument that is a tensor."""
        return self.args[place].shape  # type: ignore[no-any-return]

    def argument(self, place: int, default: Any) -> Any:
        """The dispatcher leaves out what is the default."""
        return self.args[place] if len(self.args) > place else default

    def tensors(self) -> list[Tensor]:
        """Those among the arguments and in their lists."""
        return tensors((*self.args, *self.kwargs.values()))


def tensors(args: Iterable[Any]) -> list[Tensor]:
    """Those among the arguments of an operator and in their lists."""
    found: list[Tensor] = []
    for each in args:
        if isinstance(each, Tensor):
            found.append(each)
        elif isinstance(each, (list, tuple)):
            found.extend(one for one in each if isinstance(one, Tensor))
    return found


def flat(value: Any) -> tuple[Tensor, ...]:
    """The tensors in nested tuples, lists, mappings and dataclass-like results, in order."""
    if isinstance(value, Tensor):
        return (value,)
    if isinstance(value, (tuple, list)):
        return tuple([tensor for each in value for tensor in flat(each)])
    if isinstance(value, Mapping):
        return tuple([tensor for each in value.values() for tensor in flat(each)])
    return ()


@dataclass(slots=True)
class Traced:
    """What the pass runs on. At `Observer.begin` all but `outputs` is there.

    - `net`: the twin on meta, in training or evaluation mode, wrappers such as `DataParallel` taken off.
    - `inputs`: the tensors that it is called with.
    - `names`: the qualified name of each module of `net`, "" for `net` itself; a shared module has its first.
    - `optimizer_state`: the tensors that the optimizer kept from the step before, by parameter name.
    - `left_out`: module -> how many hooks of its own are not run.
    - `outputs`: what the network returned.
    """

    net: nn.Module
    inputs: tuple[Tensor, ...]
    names: Mapping[nn.Module, str]
    optimizer_state: Mapping[str, tuple[Tensor, ...]]
    training: bool
    left_out: Mapping[str, int]
    outputs: Any = None


class Observer:
    """Is told what happens in the pass, in order: of each event that it has a method for.

    It looks at shapes, types and storages, and calls no operator.
    """

    def begin(self, traced: Traced) -> None:
        """The network is on meta, its inputs are made, and nothing was called yet."""

    def module_entered(self, name: str, call: int, inputs: tuple[Tensor, ...]) -> None:
        """The module is about to run: its tensor arguments, flattened. In the backward phase: a checkpoint does so."""

    def module_left(self, name: str, call: int, outputs: tuple[Tensor, ...]) -> None:
        """The module has returned these tensors, flattened; none where a checkpoint stopped it early."""

    def called(self, call: Call) -> None:
        """An operator has run."""

    def phase_ended(self, phase: Phase) -> None:
        """Forward only: "forward". Training: "forward", "loss", "backward", and "optimizer" where one was asked for."""
