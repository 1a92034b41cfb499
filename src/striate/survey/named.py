"""A name becomes a network, and the size that is typed beside it the shape of a sample."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from striate.base.errors import UsageError
from striate.base.options import Whole, read
from striate.base.units import by
from striate.models.build import build
from striate.models.catalog import check_size, find, usual_size

if TYPE_CHECKING:
    from torch import Tensor, nn

Answer = TypeVar("Answer")


def network(model: str, *, storage: bool = False, **options: Any) -> nn.Module:
    """The network that `model` names: of the catalogue, `timm:NAME`, or "package.module:function" of Python.

    Without `storage` it is built on tensors that have shapes and no memory. `options` are those of the builder.
    """
    import torch

    if not is_named(model):
        return _called(model, options, storage)
    with contextlib.nullcontext() if storage else torch.device("meta"):
        return build(model, **options)


def asked(model: str, options: Mapping[str, Any], question: Callable[[nn.Module], Answer]) -> Answer:
    """What a question has for an answer of the network that `model` names, built on tensors without memory.

    A network from outside that looks at values of its own constants has none there: it is built with memory then, and
    asked again.
    """
    from striate.cost.walk.failures import DependsOnValues

    try:
        answer = question(network(model, **options))
        stopped = getattr(answer, "stopped", None) is not None  # of a count that may stop there
    except DependsOnValues:
        if ":" not in model:
            raise
        stopped = True
    return question(network(model, storage=True, **options)) if stopped else answer


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
