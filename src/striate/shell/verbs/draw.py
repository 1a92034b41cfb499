"""striate draw: a network's layers, or the pixels that it really sees, as a picture or in words."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from striate.base.errors import UsageError
from striate.shell import asked
from striate.shell.output import Force, Json, print_json, refuse_force, tell_lines

if TYPE_CHECKING:
    from striate.cost.drawing.drawing import Drawing
    from striate.cost.gradient_field import GradientField


def draw(
    model: asked.Model,
    /,
    *,
    of: Literal["layers", "field"] = "layers",
    input: asked.Input = None,
    to: Path | None = None,
    model_options: asked.Options = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Draw a network: its layers here, line by line, or to an SVG file.

    Example: striate draw alexnet

    Example: striate draw alexnet --to alexnet.svg

    Parameters
    ----------
    of
        The layers, sides and channels by their square roots; or the effective receptive field: the pixels that the
        middle of the last feature map really sees, measured with gradients.
    to
        The SVG file.
    """
    refuse_force(force, to)
    output = None if to is None else asked.drawn("--to", to, force)
    shape, options = asked.sample(model, input, model_options)
    drawn, facts = (_field if of == "field" else _layers)(model, shape, options)
    if output is not None:
        asked.write(output, drawn.svg())
    if json:
        print_json(facts)
    elif output is None or of == "field":
        tell_lines(str(drawn))


def _layers(model: str, shape: asked.Shape, options: Mapping[str, Any]) -> tuple["Drawing", dict[str, object]]:
    from striate.cost.drawing.drawing import drawing
    from striate.survey import named

    drawn = named.asked(model, options, lambda net: drawing(net, shape, title=model))
    return drawn, {"title": drawn.title, "layers": [dataclasses.asdict(layer) for layer in drawn.layers]}


def _field(model: str, shape: asked.Shape, options: Mapping[str, Any]) -> tuple["GradientField", dict[str, object]]:
    from striate.survey import named

    if not isinstance(shape, tuple) or not named.one_picture(shape):
        cause = f"it needs one picture, and the input is {named.size_text(shape)}"
        raise UsageError("--of field", cause, "a network of one picture")
    from striate.cost.field.fields import fields
    from striate.cost.gradient_field import gradient_field

    net = named.network(model, storage=True, **options)
    with named.running(model):
        last = fields(net, shape).last
        drawn = gradient_field(net, last.module if last else "", shape)
    names = ("layer", "cell", "box", "effective", "square", "samples")
    return drawn, {name: getattr(drawn, name) for name in names}
