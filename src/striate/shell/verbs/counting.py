"""striate count: what a network costs, layer by layer, before a byte is allocated."""

import dataclasses
import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from striate.base.errors import UsageError
from striate.base.units import by
from striate.shell import asked
from striate.shell.output import Json, print_json, print_rows, tell, tell_lines, terminal_width

if TYPE_CHECKING:
    from torch import nn

    from striate.cost.rows import Count


def count(
    model: asked.Model,
    /,
    *,
    input: asked.Input = None,
    batch: asked.Batch = 1,
    training: asked.Training = False,
    optimizer: asked.Optimizer = None,
    precision: asked.Precision = "float32",
    show: Literal["layers", "stages", "operators", "why"] = "layers",
    hooks: Annotated[bool, Parameter(negative="")] = False,
    unknown: Literal["raise", "report"] = "raise",
    model_options: asked.Options = None,
    format: Literal["text", "markdown", "csv"] = "text",
    json: Json = False,
) -> None:
    """What a network costs, layer by layer, before a byte is allocated.

    Example: striate count resnet50

    Example: striate count vgg16 --batch 32 --training --show stages

    Parameters
    ----------
    show
        Every layer; sums of the network's own children, or of each operator; or why: each number as a formula.
    hooks
        Run the forward hooks that a network registers itself; without it they are left out, and the table says so.
    unknown
        An operator without a rule, and what comes after a look at the input's values: an error, or listed and left out.
    format
        How it is printed.
    """
    if json and format != "text":
        raise UsageError("--json", f"it asks for another form than --format {format}", "one of the two")
    how = asked.step(training, optimizer, precision)
    shape, options = asked.sample(model, input, model_options, batch)
    from striate.cost.count import count as count_network
    from striate.survey import named

    peak = training and show == "layers"

    def question(net: "nn.Module") -> "Count":
        return count_network(net, shape, batch=batch, hooks=hooks, unknown=unknown, memory=peak, **how)

    counted = named.asked(model, options, question)
    result = dataclasses.replace(counted, network=model)
    if show != "layers" or format == "csv":  # the others tell it themselves
        for line in result.not_counted():
            tell(line, file=sys.stderr)
    if show == "layers":
        _print_layers(result, format, json)
    elif show == "why" and format == "text" and not json:
        tell_lines(result.why())
    else:
        table = {"stages": _stages, "operators": _operators, "why": _why}[show](result)
        print_rows(*table, form=format, as_json=json)


def _print_layers(result: "Count", form: str, as_json: bool) -> None:
    if as_json:
        print_json(result.as_dict())
    elif form == "text":
        tell_lines(result.to_text(terminal_width()))
    else:
        tell_lines(result.to_csv().rstrip() if form == "csv" else result.to_markdown())


def _stages(result: "Count") -> tuple[list[str], list[list[object]]]:
    """Sums of the network's own children, and of all."""
    from striate.cost.work import OPERATIONS

    names = ("params", "activations", *list(OPERATIONS)[:2])
    parts = [(each.module or "(own)", by(each.rows[-1].output or ()), each) for each in result.stages()]
    rows = [[name, output, *attrgetter(*names)(each)] for name, output, each in [*parts, ("total", "", result)]]
    return ["stage", "output", "parameters", "activations", *list(OPERATIONS.values())[:2]], rows


def _operators(result: "Count") -> tuple[list[str], list[list[object]]]:
    """Sums of each operator in each phase."""
    from striate.cost.work import OPERATIONS

    rows = [[each.name, each.phase, each.calls, *attrgetter(*OPERATIONS)(each.work)] for each in result.operators()]
    return ["operator", "phase", "calls", *OPERATIONS.values()], rows


def _why(result: "Count") -> tuple[list[str], list[list[object]]]:
    """The formulas of each row, a list of lines."""
    return ["module", "kind", "why"], [
        [row.module, row.kind, row.why().splitlines()] for row in result.rows if row.works
    ]
