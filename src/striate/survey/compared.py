"""Networks beside each other: what each holds, does, needs, sees, takes and was published to get wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from striate.base.errors import UsageError
from striate.base.units import by
from striate.cost import machine
from striate.cost.count import count
from striate.cost.rows import Count
from striate.models.catalog import catalog, find
from striate.models.entry import published_error
from striate.survey import charts
from striate.survey.named import Shape, asked, letters, network, random_inputs, running, sample


@dataclass(frozen=True)
class Compared:
    """One network of a comparison.

    `input` is the shape of one sample, or one shape for each of several inputs, in order or by name; `parameters`,
    without heads that only train. For one picture `multiply_adds`, `activations` (outputs of convolutions and
    linear layers) and `field`, the receptive field of the last feature map in pixels; `training_bytes`, the peak of
    a training step of `batch` pictures; `least` and `measured` seconds of a forward pass of one picture here, the
    second None where nothing was run; `error`, the published one in percent with its `protocol`.
    """

    name: str
    input: Shape
    batch: int
    parameters: int
    multiply_adds: int
    activations: int
    training_bytes: int
    field: str
    least: float
    measured: float | None
    error: float | None
    protocol: str


@dataclass(frozen=True)
class Comparison:
    """The rows, and the two charts as SVG; the first is empty where no network has a published error."""

    rows: tuple[Compared, ...]
    bubbles: str
    layers: str


def compare(
    models: Sequence[str], *, input_size: str | None = None, batch: int = 32, measure: bool = True,
    device: str = "cpu", again: bool = False,
) -> Comparison:  # fmt: skip
    """Count each network, run it a few times where `measure` says so, and draw the charts.

    `input_size` is the same for all, such as "3x224x224"; else each has its published one. Training is SGD with
    momentum in float32. The machine's rates are those of the cache unless `again`.
    """
    samples = [sample(model, input_size, {}) for model in models]  # a wrong name is told before work begins
    if any(letters(shape) for shape, _ in samples):
        raise UsageError("input", f"{input_size} has letters, and networks are compared at one size", "3x224x224")
    rates = machine.rates(device, again=again)
    rows, layers = [], []
    for model, (shape, options) in zip(models, samples, strict=True):
        one, step = asked(model, options, partial(_counted, shape=shape, batch=batch))
        published = published_error(find(model)) if model in catalog() else None
        rows.append(
            Compared(
                name=model,
                input=shape,
                batch=batch,
                parameters=sum(row.params for row in one.rows if row.called),
                multiply_adds=one.macs,
                activations=one.activations,
                training_bytes=step.peak_bytes or 0,
                field=by(one.last.field.size) if one.last else "",
                least=sum(rates.least(row.macs, row.bytes_read + row.bytes_written) for row in one.rows),
                measured=_seconds(model, shape, options, device) if measure else None,
                error=published[0] if published else None,
                protocol=published[1] if published else "",
            )
        )
        layers.append(_layers(model, one))
    shown = [
        charts.Bubble(row.name, row.multiply_adds, row.parameters, row.error, row.protocol)
        for row in rows if row.error is not None
    ]  # fmt: skip
    return Comparison(tuple(rows), charts.bubbles(shown) if shown else "", charts.where(layers))


def _counted(net: nn.Module, shape: Shape, batch: int) -> tuple[Count, Count]:
    """One picture's forward pass, and a training step."""
    return count(net, shape), count(net, shape, batch=batch, training=True, optimizer="momentum")


def _seconds(model: str, shape: Shape, options: Mapping[str, Any], device: str) -> float:
    net = network(model, storage=True, **options).eval().to(device)
    inputs, keywords = random_inputs(shape, 1, device)
    with running(model):
        return machine.seconds(net, inputs, [], keywords=keywords)[""]


def _layers(model: str, one: Count) -> charts.Layers:
    """The layers that hold parameters and multiply: convolutions and linear layers."""
    own = [row for row in one.rows if row.activations and row.params]
    return charts.Layers(model, [row.params for row in own], [row.activations for row in own])
