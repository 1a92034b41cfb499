"""What goes wrong in a pass, as a sentence that names the innermost module."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.base.errors import UsageError
from striate.base.units import by
from striate.cost.walk.events import Phase

LOSS_HINT = "loss=, a function from what the network returns to one number"
VALUE_READERS = """
    _local_scalar_dense.default equal.default is_nonzero.default masked_select.default nonzero.default _unique2.default
    unique_consecutive.default unique_dim.default repeat_interleave.Tensor bincount.default
"""
VALUE_WORDS = (
    "nonzero",
    "out of meta tensor",
    "meta device type tensor to numpy",
    "on meta tensors",
    "unallocated storage",
)


class DependsOnValues(UsageError):
    """What a network does next depends on values, which a pass without storage does not have."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception of a pass, and where it came from.

    - `where`: the innermost module, or the loss, as an error names it. `given`: the tensors that it was called with.
      `arguments`: how many arguments there were.
    - `refused`: the operator that raised it, where one did.
    - `answer`: in the loss, the shapes that the network returned.
    """

    error: Exception
    where: str
    given: Sequence[Tensor]
    arguments: int
    phase: Phase
    refused: torch._ops.OpOverload | None
    answer: str = ""


def explained(failure: Failure) -> UsageError:
    """The failure as a sentence."""
    error, where, phase = failure.error, failure.where, failure.phase
    text, why = str(error), said(error)
    reads = str(failure.refused).removeprefix("aten.") in VALUE_READERS.split()
    if reads or any(words in text for words in VALUE_WORDS):
        reader = f" ({failure.refused})" if failure.refused is not None else ""
        cause = f"what it computes depends on the values in a tensor{reader}, and counting has only shapes"
        return DependsOnValues(where, cause, "the same without .item(), `if tensor`, .numpy() and selections by a mask")
    if isinstance(error, TypeError) and ("positional argument" in text or "keyword argument" in text):
        hint = "a tuple with one shape for each input, such as ((3, 32, 32), (10,))"
        if "keyword argument" in text:
            hint = 'the names that its forward has, such as {"x": (3, 32, 32)}'
        return UsageError(where, f"it was called with {failure.arguments} inputs and asks for others ({why})", hint)
    if phase == "loss":
        return UsageError(where, f"it cannot take the network's answer, {failure.answer} ({why})", LOSS_HINT)
    if isinstance(error, NotImplementedError):
        cause = f"{failure.refused} cannot run without values ({why})"
        return UsageError(where, cause, "counting the modules around it, each by itself")
    if phase == "forward":
        return UsageError(where, f"it cannot take {shapes(failure.given)} ({why})", "another input size")
    return UsageError(where, f"its {phase} cannot be traced ({why})", "count it without training")


def said(error: BaseException) -> str:
    """The class of an exception and the first line of what it says."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"


def shapes(tensors: Sequence[Tensor]) -> str:
    return " and ".join(by(each.shape) for each in tensors) or "nothing"
