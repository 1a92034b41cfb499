"""What goes wrong in a pass, as a sentence that names the innermost module."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striate.base.errors import Option, StriateError, UsageError
from striate.base.foreign import missing_package
from striate.base.units import by
from striate.cost.walk.events import Phase

LOSS_HINT = "loss=, a function from what the network returns to one number"
VALUE_READERS = """
    _local_scalar_dense.default equal.default is_nonzero.default masked_select.default nonzero.default _unique2.default
    unique_consecutive.default unique_dim.default repeat_interleave.Tensor bincount.default
"""
TYPE_WORDS = r"dtype|scalar type|data type|must be (long|int)|[tT]ype .* should be the same|LongTensor|in-place ops"
DEVICE_WORDS = r"NVIDIA|CUDA|HIP|\bmps\b|\bxpu\b|device type|Invalid device|same device"
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


def explained(failure: Failure) -> StriateError:
    """The failure as a sentence."""
    error, where, phase = failure.error, failure.where, failure.phase
    text, why = str(error), said(error)
    if reads_values(failure.refused) or any(words in text for words in VALUE_WORDS):
        reader = f" ({failure.refused})" if failure.refused is not None else ""
        cause = f"what it computes depends on the values in a tensor{reader}, and counting has only shapes"
        return DependsOnValues(where, cause, "the same without .item(), `if tensor`, .numpy() and selections by a mask")
    if isinstance(error, ImportError):
        return missing_package(where, error)
    if isinstance(error, RecursionError):
        return too_deep(where, error)
    if re.search(DEVICE_WORDS, text):
        hint = "x.device, that of its input, for the tensors that it makes and moves"
        return UsageError(where, f"it asks for a device that is not here, and counting needs none ({why})", hint)
    if isinstance(error, TypeError) and ("positional argument" in text or "keyword argument" in text):
        hint = "a tuple with one shape for each input, such as ((3, 32, 32), (10,))"
        if "keyword argument" in text:
            hint = 'the names that its forward has, such as {"x": (3, 32, 32)}'
        return UsageError(where, f"it was called with {failure.arguments} inputs and asks for others ({why})", hint)
    if phase == "loss":
        return UsageError(where, f"it cannot take the network's answer, {failure.answer} ({why})", LOSS_HINT)
    if "derivative" in text:
        return UsageError(where, f"it has no gradient ({why})", "count it without training")
    if isinstance(error, NotImplementedError):
        cause = f"{failure.refused} cannot run without values ({why})"
        return UsageError(where, cause, "counting the modules around it, each by itself")
    if phase != "forward":
        return UsageError(where, f"its {phase} cannot be traced ({why})", "count it without training")
    given = shapes(failure.given)
    if re.search(TYPE_WORDS, text):
        cause = f"it cannot take {given} of {_types(failure.given)} ({why})"
        return UsageError(where, cause, _typed(failure.given, text))
    alone = "more than 1 value per channel" in text
    return UsageError(
        where, f"it cannot take {given} ({why})", (Option("batch", 2),) if alone else "another input size"
    )


def reads_values(operator: torch._ops.OpOverload | None) -> bool:
    return str(operator).removeprefix("aten.") in VALUE_READERS.split()


def too_deep(where: str, error: RecursionError) -> UsageError:
    """Modules within modules, or calls within calls, beyond what Python allows."""
    cause = f"its modules or its calls are nested too deeply for Python ({said(error)})"
    return UsageError(where, cause, f"sys.setrecursionlimit({10 * sys.getrecursionlimit()}), if it ends at all")


def _types(tensors: Sequence[Tensor]) -> str:
    return " and ".join(dict.fromkeys(str(each.dtype).removeprefix("torch.") for each in tensors)) or "no type"


def _typed(given: Sequence[Tensor], text: str) -> str:
    """Whole numbers where it looks something up, else what its weights are."""
    if not re.search(r"indices|index tensor|for index|LongTensor|Long, Int", text):
        return "a tensor of the type of its weights, or a shape, which gets it"
    sides = [each.shape[1:] for each in given if each.is_floating_point() and each.ndim > 1]
    return f"a tensor of int64 for what it looks up, at the shell --input {by(sides[0]) if sides else 16}:int64"


def said(error: BaseException) -> str:
    """The class of an exception and the first line of what it says."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"


def shapes(tensors: Sequence[Tensor]) -> str:
    return " and ".join(by(each.shape) for each in tensors) or "nothing"
