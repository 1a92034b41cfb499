"""A name becomes a network, and the size that is typed beside it the shape of a sample."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from striate.base.errors import StriateError, UsageError, near
from striate.base.foreign import is_foreign, raised
from striate.base.options import Whole, read
from striate.base.units import Sides, by
from striate.models.build import build
from striate.models.catalog import check_size, find, usual_size
from striate.survey.places import built

if TYPE_CHECKING:
    from torch import Tensor, nn

Answer = TypeVar("Answer")
Shape = tuple[Any, ...] | Mapping[str, tuple[Any, ...]]  # of one sample: of one input, of several, or by keyword
INTEGERS = ("int64", "int32", "int16", "int8", "uint8", "bool")  # types of numbers of which random ones mean nothing
KINDS = ("float32", "float64", "float16", "bfloat16", "complex64", "complex128", *INTEGERS)


def network(model: str, *, storage: bool = False, **options: Any) -> nn.Module:
    """The network that `model` names: of the catalogue, `timm:NAME`, or a place in Python, see `places`.

    Without `storage` it is built on tensors that have shapes and no memory. `options` are those of the builder.
    """
    import torch

    if not is_named(model):
        return built(model, options, storage=storage)
    with contextlib.nullcontext() if storage else torch.device("meta"):
        return build(model, **options)


def asked(model: str, options: Mapping[str, Any], question: Callable[[nn.Module], Answer]) -> Answer:
    """What a question has for an answer of the network that `model` names, built on tensors without memory.

    A network from outside that looks at values of its own constants has none there: it is built with memory then, and
    asked again.
    """
    from striate.cost.walk.failures import DependsOnValues

    with running(model, every=False):
        try:
            answer = question(network(model, **options))
            stopped = getattr(answer, "stopped", None) is not None  # of a count that may stop there
        except DependsOnValues:
            if ":" not in model:
                raise
            stopped = True
        return question(network(model, storage=True, **options)) if stopped else answer


@contextlib.contextmanager
def running(model: str, *, every: bool = True) -> Iterator[None]:
    """What the code of a network raises is a sentence; without `every`, only of classes that are its own."""
    try:
        yield
    except StriateError:
        raise
    except Exception as error:
        if not every and not is_foreign(error):
            raise
        hint = "another input, or the network by itself in Python"
        raise UsageError(f"model {model}", f"its own code raised {raised(error)}", hint) from error


def is_named(model: str) -> bool:
    """Whether a network is called by a name of the catalogue or of timm, and not by a place in Python."""
    return ":" not in model or model.startswith("timm:")


def random_inputs(shape: Shape, batch: int, device: str) -> tuple[list[Tensor], dict[str, Tensor]]:
    """A batch for each input of a network whose sample has this shape, or these: in order, and by keyword.

    Random normal numbers; whole numbers and truth values are noughts, for who knows which of them mean something.
    """
    import torch

    def drawn(sides: tuple[Any, ...]) -> Tensor:
        kind = getattr(torch, sides.kind) if isinstance(sides, Sides) else torch.get_default_dtype()
        if kind.is_floating_point or kind.is_complex:
            return torch.randn((batch, *sides), device=device).to(kind)
        return torch.zeros((batch, *sides), dtype=kind, device=device)

    if isinstance(shape, Mapping):
        return [], {name: drawn(sides) for name, sides in shape.items()}
    return [drawn(sides) for sides in shapes(shape)], {}


def shapes(shape: Shape) -> tuple[tuple[Any, ...], ...]:
    """Those of each input, where `sample` gave the one of a single input, several, or some by name."""
    if isinstance(shape, Mapping):
        return tuple(shape.values())
    return shape if isinstance(shape[0], tuple) else (shape,)


def one_picture(shape: Shape) -> bool:
    """Whether there is a single input of channels, height and width, in the network's own type."""
    return isinstance(shape, tuple) and len(shape) == 3 and not isinstance(shape[0], tuple) and type(shape) is tuple


def letters(shape: Shape) -> bool:
    """Whether letters stand for some sides."""
    return any(not isinstance(side, int) for sides in shapes(shape) for side in sides)


def size_text(shape: Shape) -> str:
    """As it is typed: 3x224x224, with commas between several inputs, each with its name and type where it has them."""
    names = [f"{name}=" for name in shape] if isinstance(shape, Mapping) else [""] * len(shapes(shape))
    kinds = [f":{each.kind}" if isinstance(each, Sides) else "" for each in shapes(shape)]
    return ", ".join(f"{name}{by(each)}{kind}" for name, each, kind in zip(names, shapes(shape), kinds, strict=True))


def sample(model: str, given: str | None, options: Mapping[str, Any]) -> tuple[Shape, dict[str, Any]]:
    """The shape of one sample, and the builder's options for it: another number of channels is one of them.

    `given` is "3x224x224", with commas between several inputs; None means the published size. Each may have a name, and
    a type: "picture=3x224x224,words=16:int64". Sides may be symbols, as in 3xHxW. A size that a network of the
    catalogue does not take is a `UsageError`.
    """
    chosen = dict(options)
    if given is None:
        if not is_named(model):
            raise UsageError("input", f"{model} has no published size", "--input 3x224x224")
        entry = find(model)
        side = usual_size(entry, **options)
        channels = options.get("channels")
        return (entry.input[0] if channels is None else read("channels", Whole, channels), side, side), chosen
    shape = _read(given)
    if not is_named(model):
        return shape, chosen
    entry = find(model)
    if isinstance(shape, Mapping) or isinstance(shape[0], tuple) or len(shape) != 3:
        raise UsageError("input", f"{given!r} is not a picture for {model}", "CHANNELSxHEIGHTxWIDTH, as in 3x224x224")
    if letters(shape) and entry.fixed:
        only = f"{model} takes {entry.least}x{entry.least} and no other size"
        raise UsageError("input", only, f"--input {shape[0]}x{entry.least}x{entry.least}")
    height, width = (side if isinstance(side, int) else entry.least for side in shape[1:])
    check_size(entry, height, width, **options)
    if shape[0] != entry.input[0]:
        chosen.setdefault("channels", str(shape[0]))
    return shape, chosen


def _read(given: str) -> Shape:
    """What is typed: sides, and for each of several inputs a name, a type, both or neither."""
    parts = [part.strip().rpartition("=") for part in given.split(",")]
    sizes = [_sides(size) for _, _, size in parts]
    if len(sizes) > 1 and letters(tuple(sizes)):
        raise UsageError("input", f"letters in {given!r} stand for the sides of one picture alone", "numbers")
    if not isinstance(sizes[0][0], int):
        cause = f"letters in {given!r} can stand for height and width; channels are a number"
        raise UsageError("input", cause, "a number first, as in 3xHxW")
    names = [name for name, equals, _ in parts if equals]
    if not names:
        return sizes[0] if len(sizes) == 1 else tuple(sizes)
    if len(set(names)) < len(parts) or not all(name.isidentifier() for name in names):
        cause = f"in {given!r} not every input has a name of its own"
        raise UsageError("input", cause, "names for all or for none, as in picture=3x64x64,words=16:int64")
    return dict(zip(names, sizes, strict=True))


def _sides(text: str) -> tuple[Any, ...]:
    size, colon, kind = text.partition(":")
    sides = tuple(_side(part) for part in size.lower().split("x"))
    if not colon:
        return sides
    if kind.lower() not in KINDS:
        hint = f"{size}:" + near(kind, KINDS, f"TYPE, one of {', '.join(KINDS)}", "{}")
        raise UsageError("input", f"{kind!r} in {text!r} is no type of numbers", hint)
    return Sides(sides, kind.lower())


def _side(text: str) -> Any:
    text = text.strip()
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    if text.isascii() and text.isalpha():
        import sympy

        return sympy.Symbol(text.upper(), positive=True, integer=True)
    raise UsageError("input", f"{text!r} is not a side", "CHANNELSxHEIGHTxWIDTH, as in 3x224x224 or 3xHxW")
