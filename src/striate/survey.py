"""Names become networks here: listed and chosen by a budget, printed beside their papers, counted, compared.

`costs.json` holds each network's numbers, made by docs/make_tables.py and compared with the code in the tests:
a list of a hundred networks is then read and not counted.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.base.errors import UsageError
from striate.base.options import Whole, read
from striate.base.units import by, parse_amount
from striate.models.build import build
from striate.models.catalog import catalog, check_size, find, table, usual_size
from striate.models.entry import Entry, Line

if TYPE_CHECKING:
    from torch import Tensor, nn

    from striate.cost.machine import Rates


@dataclass(frozen=True)
class Listed:
    """A network and its numbers: parameters, and multiply-adds for one picture of the published size.

    `auxiliary` parameters are those of the heads that only train; they are not among `parameters`.
    """

    entry: Entry
    parameters: int
    auxiliary: int
    multiply_adds: int

    def as_dict(self) -> dict[str, Any]:
        numbers = ("parameters", "auxiliary", "multiply_adds")
        return self.entry.as_dict() | {name: getattr(self, name) for name in numbers}


@dataclass(frozen=True)
class Beside:
    """A line of a paper's table with our numbers: `output` as height x width x channels."""

    line: Line
    output: str
    parameters: int
    multiply_adds: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def listed(
    pattern: str | None = None,
    *,
    family: str | None = None,
    max_params: str | None = None,
    max_macs: str | None = None,
) -> list[Listed]:
    """The networks whose name matches `pattern` (with * and ?), of one family, within a budget such as "5M" or "1G".

    A pattern without * and ? that no network has is a `UsageError` with the three nearest names, and so is a
    family that there is not.
    """
    costs = json.loads(resources.files("striate").joinpath("costs.json").read_text())
    families = list(dict.fromkeys(entry.family for entry in catalog().values()))
    if family is not None and family not in families:
        raise UsageError("family", f"there is no family {family}", f"one of {', '.join(families)}")
    most_params = math.inf if max_params is None else parse_amount(max_params, "--max-params")
    most_macs = math.inf if max_macs is None else parse_amount(max_macs, "--max-macs")
    chosen = [
        Listed(entry, **costs[name])
        for name, entry in catalog().items()
        if (pattern is None or fnmatchcase(name, pattern)) and family in (None, entry.family)
    ]
    if not chosen and pattern is not None and not is_pattern(pattern):
        find(pattern)
    return [each for each in chosen if each.parameters <= most_params and each.multiply_adds <= most_macs]


def is_pattern(name: str) -> bool:
    """Whether it stands for several names and is none itself."""
    return bool(set(name) & set("*?["))


def counted(entry: Entry) -> Listed:
    """A network that `costs.json` does not hold, such as one of timm's, with its numbers counted now."""
    from striate.cost.count import count

    result = count(network(entry.name), entry.input)
    auxiliary = sum(row.params for row in result.rows if not row.called)
    return Listed(entry, result.params - auxiliary, auxiliary, result.macs)


def beside(entry: Entry) -> list[Beside]:
    """The paper's own table of a network, line by line, with what is counted here; one published picture.

    Where the paper prints no table of it: a line for each of the network's own children.
    """
    from striate.cost.count import count

    net = network(entry.name)
    result = count(net, entry.input)
    rows = []
    for line in table(entry) or tuple(Line(name, "", (name,)) for name, _ in net.named_children()):
        own = [row for row in result.rows if any(f"{row.module}.".startswith(f"{name}.") for name in line.children)]
        outputs = [row.output for row in own if row.output]
        output = by((*outputs[-1][2:], outputs[-1][1])) if outputs else ""
        params = sum(parameter.numel() for name in line.children for parameter in net.get_submodule(name).parameters())
        rows.append(Beside(line, output, params, sum(row.macs for row in own)))
    return rows


def network(model: str, *, storage: bool = False, **options: Any) -> nn.Module:
    """The network that `model` names: of the catalogue, `timm:NAME`, or "package.module:function" of Python.

    Without `storage` it is built on tensors that have shapes and no memory. `options` are those of the builder.
    """
    import torch

    if not is_named(model):
        return _called(model, options, storage)
    with contextlib.nullcontext() if storage else torch.device("meta"):
        return build(model, **options)


def is_named(model: str) -> bool:
    """Whether a network is called by a name of the catalogue or of timm, and not by a place in Python."""
    return ":" not in model or model.startswith("timm:")


def _called(place: str, options: Mapping[str, Any], storage: bool) -> nn.Module:
    """What a function returns that the user names, such as torchvision.models:mobilenet_v2.

    One that reads the values of a tensor, as of a `linspace` of dropout rates, is built with storage after all.
    """
    import torch
    from torch import nn

    module, _, function = place.partition(":")
    try:
        with _own_folder():
            builder = getattr(importlib.import_module(module), function)
            made = None
            if not storage:
                with contextlib.suppress(Exception), torch.device("meta"):
                    made = builder(**options)
            made = builder(**options) if made is None else made
    except Exception as error:  # whatever the user's own function raises
        hint = "PACKAGE.MODULE:FUNCTION, as in torchvision.models:mobilenet_v2"
        raise UsageError(f"model {place}", f"it cannot be built ({error})", hint) from error
    if not isinstance(made, nn.Module):
        raise UsageError(
            f"model {place}", f"it gives a {type(made).__name__}, not a torch.nn.Module", "another function"
        )
    return made


@contextlib.contextmanager
def _own_folder() -> Iterator[None]:
    """Modules of the current folder can be named, as with `python -m`."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path.pop(0)


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
    model: str, shape: tuple[Any, ...], batch: int, options: Mapping[str, Any], device: str = "cpu", *,
    bfloat16: bool = False, again: bool = False,
) -> tuple[Rates, list[Measured], Measured]:  # fmt: skip
    """Run a network's forward pass here, in float32 or by autocast: the machine's rates, each layer, and the whole.

    A layer is a module without children, all its calls together. The rates are those of the cache unless `again`.
    """
    from striate.cost import machine
    from striate.cost.count import count

    counted = count(network(model, **options), shape, batch=batch, autocast=bfloat16)
    rates = machine.rates(device, again=again)
    least: dict[str, float] = {}
    kinds: dict[str, str] = {}
    for row in counted.rows:
        if row.called:
            takes = rates.least(row.macs, row.bytes_read + row.bytes_written, bfloat16=bfloat16)
            least[row.module] = least.get(row.module, 0.0) + takes
            kinds.setdefault(row.module, row.kind)
    net = network(model, storage=True, **options).eval().to(device)
    leaves = [name for name, module in net.named_modules() if name in least and not any(module.children())]
    spent = machine.seconds(net, random_inputs(shape, batch, device), leaves, bfloat16=bfloat16)
    layers = [Measured(name, kinds[name], least[name], spent[name]) for name in leaves if name in spent]
    return rates, layers, Measured(model, type(net).__name__, sum(least.values()), spent[""])


def random_inputs(shape: tuple[Any, ...], batch: int, device: str) -> list[Tensor]:
    """A batch for each input of a network whose sample has this shape, or these shapes."""
    import torch

    return [torch.randn(batch, *each, device=device) for each in shapes(shape)]


def shapes(shape: tuple[Any, ...]) -> tuple[tuple[Any, ...], ...]:
    """Those of each input, where `sample` gave the one of a single input or several."""
    return shape if isinstance(shape[0], tuple) else (shape,)


def size_text(shape: tuple[Any, ...]) -> str:
    """As it is typed: 3x224x224, with commas between several inputs."""
    return ", ".join(map(by, shapes(shape)))


def sample(model: str, given: str | None, options: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The shape of one sample, and the builder's options for it: another number of channels is one of them.

    `given` is "3x224x224", with commas between several inputs; None means the published size. Sides may be symbols, as
    in 3xHxW. A size that a network of the catalogue does not take is a `UsageError`.
    """
    chosen = dict(options)
    if given is None:
        if not is_named(model):
            raise UsageError("input", f"{model} has no published size", "--input 3x224x224")
        entry = find(model)
        side = usual_size(entry, **options)
        channels = options.get("channels")
        return (entry.input[0] if channels is None else read("channels", Whole, channels), side, side), chosen
    sizes = [tuple(_side(part) for part in size.split("x")) for size in given.lower().split(",")]
    shape = sizes[0] if len(sizes) == 1 else tuple(sizes)
    if len(sizes) > 1 and not all(isinstance(side, int) for size in sizes for side in size):
        raise UsageError("input", f"letters in {given!r} stand for the sides of one picture alone", "numbers")
    if not isinstance(sizes[0][0], int):
        cause = f"letters in {given!r} can stand for height and width; channels are a number"
        raise UsageError("input", cause, "a number first, as in 3xHxW")
    if not is_named(model):
        return shape, chosen
    entry = find(model)
    if len(sizes) > 1 or len(shape) != 3:
        raise UsageError("input", f"{given!r} is not a picture for {model}", "CHANNELSxHEIGHTxWIDTH, as in 3x224x224")
    letters = not all(isinstance(side, int) for side in shape)
    if letters and entry.fixed:
        only = f"{model} takes {entry.least}x{entry.least} and no other size"
        raise UsageError("input", only, f"--input {shape[0]}x{entry.least}x{entry.least}")
    height, width = (side if isinstance(side, int) else entry.least for side in shape[1:])
    check_size(entry, height, width, **options)
    if shape[0] != entry.input[0]:
        chosen.setdefault("channels", str(shape[0]))
    return shape, chosen


def _side(text: str) -> Any:
    text = text.strip()
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    if text.isascii() and text.isalpha():
        import sympy

        return sympy.Symbol(text.upper(), positive=True, integer=True)
    raise UsageError("input", f"{text!r} is not a side", "CHANNELSxHEIGHTxWIDTH, as in 3x224x224 or 3xHxW")


def formulas(net: nn.Module, shape: tuple[Any, ...]) -> tuple[Any, int, Any]:
    """Multiply-adds for one picture with symbols for sides: for all sizes; and a number, and for its multiples.

    The number is the stride of the last feature map, 1 where there is none. In place of a formula for all sizes stands
    the `UsageError` that says why there is none, where there is one for multiples.
    """
    from striate.cost.field import fields
    from striate.cost.symbols import HINT, NetworkFormula

    last = fields(net, tuple(side if isinstance(side, int) else HINT for side in shape)).last
    strides = [int(each) for each in last.field.stride if each == int(each)] if last else []
    stride = max(strides, default=1)
    found = NetworkFormula(net, shape)
    try:
        every = found.over()
    except UsageError as error:
        if stride == 1:
            raise
        every = error
    return every, stride, found.over(stride)
