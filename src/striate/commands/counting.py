"""striate count: what a network costs, before a byte is allocated."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from striate.commands.output import Json, print_json, print_table
from striate.errors import UsageError

if TYPE_CHECKING:
    from striate.cost.count import Count

WORK = ("macs", "additions", "comparisons", "transcendental")


def count(
    model: str,
    /,
    *,
    input: str | None = None,
    batch: int = 1,
    training: bool = False,
    optimizer: Literal["sgd", "momentum", "adamw"] = "momentum",
    precision: Literal["float32", "bfloat16"] = "float32",
    fits: str | None = None,
    why: bool = False,
    stages: bool = False,
    operators: bool = False,
    measure: bool = False,
    device: Literal["cpu", "cuda"] = "cpu",
    unknown: Literal["raise", "report"] = "raise",
    model_options: dict[str, str] | None = None,
    draw: Path | None = None,
    curve: Path | None = None,
    seen: Path | None = None,
    format: Literal["text", "markdown", "csv", "json"] = "text",
    json: Json = False,
) -> None:
    """What a network costs, layer by layer, before a byte is allocated.

    Example: striate count resnet50

    Example: striate count vgg16 --batch 32 --training --fits 24GiB

    Example: striate count resnet50 --input 3xHxW

    Parameters
    ----------
    model
        A name of the catalogue, timm:NAME, or a function that gives a module: torchvision.models:mobilenet_v2.
    input
        CHANNELSxHEIGHTxWIDTH of one sample; commas between several inputs. Letters for sides give a formula.
    batch
        Samples at once.
    training
        The whole step: forward, loss, backward, optimizer; with the peak of its memory.
    optimizer
        Of the training step.
    precision
        bfloat16 is autocast: weights stay float32.
    fits
        The largest batch that fits into this memory: 24GiB, 8GB.
    why
        The formula of each number, with its sizes filled in.
    stages
        Sums of the network's own children instead of every layer.
    operators
        Sums of each operator instead of every layer.
    measure
        Run it here, and print how much of the least time each layer reaches.
    device
        Where --fits and --measure are meant: a GPU's allocator hands out larger blocks.
    unknown
        An operator without a rule is an error, or is listed and left out.
    model_options
        Options of the network, as --model-options.stem 32.
    draw
        Write the architecture, to scale, to this SVG file; "text" prints it here instead of the table.
    curve
        Write the living bytes over the pass to this SVG file.
    seen
        Write the pixels that the middle of the last feature map really sees to this SVG file.
    format
        How the table is printed.
    json
        The same as --format json.
    """
    from striate import survey
    from striate.cost.count import count as count_network

    if batch < 1:
        raise UsageError("batch", f"{batch} samples cannot be counted", "--batch 1 or more")
    options: dict[str, Any] = dict(model_options or {})
    shape = survey.input_of(model, input, **options)
    if survey.is_named(model) and not isinstance(shape[0], tuple):
        options.setdefault("channels", str(shape[0]))
    net = survey.network(model, **options)
    as_json, autocast = json or format == "json", precision == "bfloat16"
    if any(not isinstance(side, int | tuple) for side in shape):
        _formula(net, shape, as_json)
        return
    if fits is not None:
        how = {"training": training, "optimizer": optimizer, "autocast": autocast, "device": device}
        _fit(model, net, shape, fits, how, as_json)
        return
    if measure:
        _measured(model, shape, batch, options, device)
        return
    result = count_network(
        net, shape, batch=batch, training=training, optimizer=optimizer, autocast=autocast,
        unknown=unknown, memory=training or curve is not None,
    )  # fmt: skip
    result = dataclasses.replace(result, network=model)
    if curve is not None and result.memory is not None:
        from striate.cost.curve import curve_figure

        _write(curve, curve_figure(result.memory))
    if draw is not None:
        from striate.cost.drawing import drawing

        drawn = drawing(net, shape, title=model)
        if str(draw) == "text":
            print(drawn.text())
            return
        _write(draw, drawn.svg())
    if seen is not None:
        _write(seen, _gradient_field(model, shape, options))
    if why:
        print(result.why())
    elif operators:
        head = ["operator", "phase", "calls", "multiply-adds", "additions", "comparisons", "transcendental"]
        rows = [
            [each.name, each.phase, each.calls, *(f"{getattr(each.work, name):,}" for name in WORK)]
            for each in result.operators()
        ]
        print_table(head, rows, right=(2, 3, 4, 5, 6))
    else:
        _print(result, "json" if as_json else format, stages)


def _print(result: "Count", format: str, stages: bool) -> None:
    if stages:
        head = ["stage", "output", "parameters", "activations", "multiply-adds", "without padding"]
        rows = [
            [
                each.module or result.network, "x".join(map(str, each.rows[-1].output or ())), f"{each.params:,}",
                f"{each.activations:,}", f"{each.macs:,}", f"{each.macs_valid:,}",
            ]
            for each in result.stages()
        ]  # fmt: skip
        print_table(head, rows, right=(2, 3, 4, 5))
    else:
        made = {
            "text": result.__str__, "json": result.to_json, "markdown": result.to_markdown, "csv": result.to_csv,
        }  # fmt: skip
        print(made[format]())


def _fit(model: str, net: Any, shape: tuple[Any, ...], fits: str, how: dict[str, Any], as_json: bool) -> None:
    """The largest batch that fits."""
    from striate.cost.budget import largest_batch, parse_bytes

    fit = largest_batch(net, shape, parse_bytes(fits), **how)
    if as_json:
        peak = fit.peak.bytes if fit.peak else None
        print_json({"model": model, "batch": fit.batch, "budget": fit.budget, "peak": peak})
    else:
        print(fit)


def _gradient_field(model: str, shape: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    """The pixels that the middle of the last feature map sees, by the gradients of the network as it starts."""
    from striate import survey
    from striate.cost.field import fields
    from striate.cost.gradient_field import gradient_field

    net = survey.network(model, storage=True, **options)
    last = fields(net, shape).last
    found = gradient_field(net, last.module if last else "", shape)
    print(found, file=sys.stderr)
    return found.svg()


def _measured(model: str, shape: tuple[Any, ...], batch: int, options: Mapping[str, Any], device: str) -> None:
    """Each layer's least time on this machine, the time it takes, and the first as a share of the second."""
    from striate import survey

    rates, layers, whole = survey.measured(model, shape, batch, options, device)
    print(rates)
    rows = [
        [each.module, each.kind, f"{1e3 * each.least:.3f}", f"{1e3 * each.seconds:.3f}", f"{100 * each.reached:.0f} %"]
        for each in (*layers, whole)
    ]
    print_table(["module", "kind", "least ms", "measured ms", "reached"], rows, right=(2, 3, 4))


def _formula(net: Any, shape: tuple[Any, ...], json: bool) -> None:
    """Multiply-adds over symbols: for any size, and for sides that all strides divide."""
    from striate import survey

    formula, stride, whole = survey.formulas(net, shape)
    if json:
        print_json({"multiply_adds": str(formula), "multiple_of": stride, "multiply_adds_of_multiples": str(whole)})
        return
    print(f"multiply-adds = {formula}")
    if stride > 1:
        print(f"for multiples of {stride}: {whole}")


def _write(path: Path, text: str) -> None:
    from striate import durable

    durable.write(path, text.encode())
    print(f"wrote {path}", file=sys.stderr)
