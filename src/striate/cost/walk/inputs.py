"""What a network is called with, on the meta device: shapes and types, no storage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any, SupportsIndex

import torch
from torch import Tensor, nn

from striate.base.errors import UsageError
from striate.base.units import Sides
from striate.cost.walk.events import flat
from striate.cost.walk.twin import empty

Inputs = Sequence[Any] | Mapping[str, Any] | Tensor
PLAIN = (type(None), bool, Number, str, torch.dtype)
HINT = "3,224,224 or ((3, 32, 32), (10,)), without the batch"


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of a call, in order and by keyword."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return flat((self.args, self.kwargs))


def meta_inputs(net: nn.Module, inputs: Inputs, batch: int) -> Given:
    """A tensor for each shape and each tensor; shapes get `batch` and, unless they bring one, the network's type.

    - A tensor is one input. So is a row of whole numbers, a tuple or a list: it is always a shape, anywhere.
    - Another row is several inputs, and a mapping is inputs by keyword. Each is a shape, a tensor, None, a number, a
      truth value, a text, or a list, tuple or mapping of such.
    """
    if not isinstance(inputs, (Tensor, Sequence, Mapping)) or isinstance(inputs, str):
        raise UsageError("input size", f"{inputs!r} is no shape", "(3, 224, 224), without the batch")
    if not isinstance(batch, SupportsIndex) or batch < 1:
        raise UsageError("batch", f"{batch!r} is no number of samples", "1 or more")
    dtypes = [each.dtype for each in net.parameters() if each.is_floating_point() or each.is_complex()]
    # Complex numbers only where nothing is real: spectral weights beside real ones are met by what a transform gives.
    dtype = next((each for each in dtypes if each.is_floating_point), (*dtypes, torch.get_default_dtype())[0])

    def made(value: Any) -> Any:
        if isinstance(value, Tensor):
            return empty(value.detach())
        if _is_shape(value):
            kind = getattr(torch, value.kind) if isinstance(value, Sides) else dtype
            try:
                return torch.empty((batch, *value), dtype=kind, device="meta")
            except (TypeError, RuntimeError) as error:
                raise UsageError("input size", f"{value!r} with a batch of {batch!r} is no shape", HINT) from error
        if isinstance(value, Mapping):
            return {name: made(each) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            parts = [made(each) for each in value]
            return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
        if isinstance(value, PLAIN):
            return value
        cause = f"{type(value).__name__} is no shape, tensor, number, text or None, and no list or mapping of them"
        raise UsageError("input size", cause, HINT)

    if isinstance(inputs, Mapping):
        if not all(isinstance(name, str) for name in inputs):
            raise UsageError("input size", f"{inputs!r} has names that are no texts", '{"x": (3, 32, 32)}')
        given = Given((), made(inputs))
    elif isinstance(inputs, Tensor) or _is_shape(inputs):
        given = Given((made(inputs),), {})
    else:
        given = Given(tuple(made(each) for each in inputs), {})
    if not given.tensors and len(inputs):
        shown = inputs[0] if isinstance(inputs, Sequence) and len(inputs) == 1 else inputs
        raise UsageError("input size", f"{shown!r} holds neither a shape nor a tensor", HINT)
    return given


def _is_shape(value: Any) -> bool:
    """A row of whole numbers, also of symbols for them; an empty list is a list of nothing."""
    if not isinstance(value, Sequence) or isinstance(value, str) or value == []:
        return False
    return all(
        isinstance(each, (SupportsIndex, torch.SymInt)) and not isinstance(each, (Tensor, bool)) for each in value
    )
