"""What a network costs, for any `nn.Module`: rows, totals, and the arithmetic behind every number."""

from typing import Literal

from torch import nn

from striate.base.errors import Option, UsageError
from striate.cost.ledger import Ledger
from striate.cost.memory import Memory, Peak
from striate.cost.rows import Count, sums
from striate.cost.walk.events import Call, Observer
from striate.cost.walk.failures import DependsOnValues
from striate.cost.walk.trace import Inputs, Loss, trace


def count(
    net: nn.Module,
    input_size: Inputs,
    *,
    batch: int = 1,
    training: bool = False,
    loss: Loss | None = None,
    optimizer: str | None = "sgd",
    autocast: bool = False,
    input_gradient: bool = False,
    hooks: bool = False,
    unknown: Literal["raise", "report"] = "raise",
    memory: bool | None = None,
) -> Count:
    """Count what `net` does with inputs of this size, without running it and without memory for it.

    - `input_size`: the shape of one sample, such as (3, 224, 224); a tuple of shapes for several inputs; or tensors.
      Inputs by keyword are a mapping, `{"x": (3, 64, 64), "mask": None}`: see `trace`.
    - `training`: a whole step: forward in training mode, loss, backward, and a step of `optimizer`, which is "sgd",
      "momentum", "adamw" or None. Otherwise the forward pass in evaluation mode.
    - `hooks`: forward hooks and pre-hooks run too. Without it they are left out, and `Count.hooks` says how many:
      a hook may write to what is the caller's own, and a count changes nothing of it.
    - `unknown`: what to do about an operator without a rule, or whose rule breaks down: "raise" names it, "report"
      lists it in `Count.unknown` and counts the others. A network that looks at values of its input is refused, or
      counted up to there: `Count.stopped` says where and why.
    - `memory`: whether to find `peak_bytes`; by default in training only.

    The other options, and the errors, are those of `striate.cost.walk.trace.trace`.
    """
    if unknown not in ("raise", "report"):
        raise UsageError("unknown", f"{unknown!r} is not known", "raise or report")
    report = unknown == "report"
    ledger, peak = Ledger(report_unknown=report), Memory()
    broken: set[Observer] = set()

    def leave_out(observer: Observer, call: Call) -> None:
        broken.add(observer)
        ledger.leave_out(call, "" if observer is ledger else "the memory of ")

    asked = training if memory is None else memory
    observers: list[Observer] = [ledger, peak] if asked else [ledger]
    stopped = None
    try:
        trace(
            net, input_size, observers, batch=batch, training=training, loss=loss, optimizer=optimizer,
            autocast=autocast, input_gradient=input_gradient, hooks=hooks, on_fault=leave_out if report else None,
        )  # fmt: skip
    except DependsOnValues as error:
        if not report:
            hint = (Option("unknown", "report"), ", which counts what comes before, or ", error.hint)
            raise DependsOnValues(error.where, error.cause, hint) from error
        stopped = f"{error.where}: {error.cause}"
    known = peak.peak() if asked and stopped is None and peak not in broken else None
    return _counted(ledger, stopped, known)


def _counted(ledger: Ledger, stopped: str | None, peak: Peak | None) -> Count:
    """What the ledger of a pass adds up to."""
    traced, rows = ledger.traced, ledger.rows()
    parameters = list(traced.net.parameters())
    trainable = sum(each.numel() for each in parameters if each.requires_grad)
    params = sum(each.numel() for each in parameters)  # a shared one is in one row, or in none
    return Count(
        **sums(rows) | {"params": params},
        network=type(traced.net).__name__,
        inputs=tuple(tuple(each.shape) for each in traced.inputs),
        batch=traced.inputs[0].shape[0] if traced.inputs and traced.inputs[0].ndim else 1,
        training=traced.training,
        trainable=trainable,
        frozen=params - trainable,
        buffers=sum(each.numel() for each in traced.net.buffers()),
        rows=rows,
        last=ledger.fields.last if stopped is None else None,
        left_out=traced.left_out,
        unknown=ledger.unknown,
        stopped=stopped,
        memory=peak,
    )
