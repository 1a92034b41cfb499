"""striate latency: how long each layer takes here, beside the least that this machine could take."""

import sys
from typing import Literal

from striate.base.errors import MachineError
from striate.base.units import Sides
from striate.shell import asked
from striate.shell.output import Json, print_rows, tell, tell_lines, warn_of_rates


def latency(
    model: asked.Model,
    /,
    *,
    input: asked.Input = None,
    batch: asked.Batch = 1,
    precision: asked.Precision = "float32",
    device: Literal["cpu", "cuda"] = "cpu",
    again: bool = False,
    model_options: asked.Options = None,
    json: Json = False,
) -> None:
    """Run a network's forward pass here, and print how much of the least time each layer reaches.

    Example: striate latency resnet18

    Parameters
    ----------
    device
        Where it runs.
    again
        Measure this machine's rates anew. Those of a busy machine are too low.
    """
    shape, options = asked.sample(model, input, model_options, batch)
    from striate.base import devices
    from striate.survey import named
    from striate.survey.latency import measured

    try:
        devices.named(device)
    except MachineError as error:
        raise MachineError(f"--device {device}", "this machine has none that torch can use", "--device cpu") from error
    kinds = sorted({each.kind for each in named.shapes(shape) if isinstance(each, Sides)} & {*named.INTEGERS})
    if kinds:
        tell(f"inputs of {' and '.join(kinds)} are noughts", file=sys.stderr)
    rates, layers, whole = measured(model, shape, batch, options, device, bfloat16=precision == "bfloat16", again=again)
    tell_lines(str(rates), file=sys.stderr if json else sys.stdout)
    warn_of_rates([model] if whole.seconds < whole.least else [])
    head = ["module", "kind", "least ms", "measured ms", "reached %"]
    rows = [
        [each.module, each.kind, 1e3 * each.least, 1e3 * each.seconds, 100 * each.reached] for each in (*layers, whole)
    ]
    print_rows(head, rows, as_json=json)
