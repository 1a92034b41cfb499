"""The time that each layer of a network takes here, beside the least that this machine could take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from striate.cost import machine
from striate.cost.count import count
from striate.survey.named import Shape, asked, network, random_inputs, running


@dataclass(frozen=True)
class Measured:
    """A layer's least seconds on this machine, and its seconds when it was run."""

    module: str
    kind: str
    least: float
    seconds: float

    @property
    def reached(self) -> float:
        """The least time as a share of the measured one; 0 where nothing takes time."""
        return self.least / self.seconds if self.seconds else 0.0


def measured(
    model: str, shape: Shape, batch: int, options: Mapping[str, Any], device: str = "cpu", *,
    bfloat16: bool = False, again: bool = False,
) -> tuple[machine.Rates, list[Measured], Measured]:  # fmt: skip
    """Run a network's forward pass here, in float32 or by autocast: the machine's rates, each layer, and the whole.

    A layer is a module without children, all its calls together. The rates are those of the cache unless `again`.
    """
    counted = asked(model, options, lambda net: count(net, shape, batch=batch, autocast=bfloat16))
    rates = machine.rates(device, again=again)
    called = [row for row in counted.rows if row.called]
    kinds = {row.module: row.kind for row in reversed(called)}  # the first of its calls
    least = dict.fromkeys(kinds, 0.0)
    for row in called:
        least[row.module] += rates.least(row.macs, row.bytes_read + row.bytes_written, bfloat16=bfloat16)
    net = network(model, storage=True, **options).eval().to(device)
    leaves = [name for name, module in net.named_modules() if name in least and not any(module.children())]
    inputs, keywords = random_inputs(shape, batch, device)
    with running(model):
        spent = machine.seconds(net, inputs, leaves, keywords=keywords, bfloat16=bfloat16)
    layers = [Measured(name, kinds[name], least[name], spent[name]) for name in leaves if name in spent]
    return rates, layers, Measured(model, type(net).__name__, sum(least.values()), spent[""])
