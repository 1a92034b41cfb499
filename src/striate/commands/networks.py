"""striate models, count and compare: which networks there are and what they cost."""

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from striate.commands.output import Json, print_json, print_table
from striate.errors import UsageError

if TYPE_CHECKING:
    from striate.survey import Listed


def models(
    pattern: str | None = None,
    /,
    *,
    family: str | None = None,
    max_params: str | None = None,
    max_macs: str | None = None,
    json: Json = False,
) -> None:
    """The catalogue of networks, or one of them beside its paper.

    Example: striate models 'resnet*' --max-params 30M

    Example: striate models googlenet

    Parameters
    ----------
    pattern
        A name, or a pattern with * and ?; 'timm:PATTERN' lists timm's names.
    family
        Networks of one paper's file only: resnet, vgg, densenet ...
    max_params
        At most so many parameters: 5M, 500K.
    max_macs
        At most so many multiply-adds for a picture of the published size: 1G.
    json
        The last line of output is one JSON object.
    """
    from striate import survey

    if pattern is not None and pattern.startswith("timm:"):
        _list_timm(pattern, json)
        return
    chosen = survey.listed(pattern, family=family, max_params=max_params, max_macs=max_macs)
    if len(chosen) == 1 and chosen[0].entry.name == pattern:
        _show(chosen[0], json)
    elif json:
        print_json({"models": [each.as_dict() for each in chosen]})
    else:
        head = ["name", "year", "paper", "input", "parameters", "multiply-adds", "known for"]
        rows = [
            [
                each.entry.name, each.entry.year, each.entry.authors, "x".join(map(str, each.entry.input)),
                f"{each.parameters:,}", f"{each.multiply_adds:,}", each.entry.known_for,
            ]
            for each in chosen
        ]  # fmt: skip
        print_table(head, rows, right=(4, 5))


def _list_timm(pattern: str, json: bool) -> None:
    from striate.models import outside

    names = outside.names(pattern)
    if json:
        print_json({"models": [{"name": name} for name in names]})
    else:
        print("\n".join(names))


def _show(chosen: "Listed", json: bool) -> None:
    """One network: what the paper printed, line by line, beside what is counted here."""
    from striate import survey

    lines = survey.beside(chosen.entry)
    if json:
        print_json({"models": [chosen.as_dict() | {"table": [each.as_dict() for each in lines]}]})
        return
    print(chosen.entry)
    print(f"  parameters {chosen.parameters:,}, multiply-adds {chosen.multiply_adds:,} for one picture as published")
    if not lines:
        return
    print()
    columns: dict[str, Callable[[survey.Beside], str]] = {
        "layer": lambda each: each.line.layer,
        "as printed": lambda each: each.line.words,
        "output printed": lambda each: each.line.output,
        "output here": lambda each: each.output,
        "parameters printed": lambda each: each.line.parameters,
        "parameters here": lambda each: f"{each.parameters:,}",
        "multiply-adds printed": lambda each: each.line.multiply_adds,
        "multiply-adds here": lambda each: f"{each.multiply_adds:,}",
    }
    filled = {head: [cell(each) for each in lines] for head, cell in columns.items()}
    shown = {head: cells for head, cells in filled.items() if any(cells)}
    right = [place for place, head in enumerate(shown) if "parameters" in head or "multiply" in head]
    print_table(list(shown), list(zip(*shown.values(), strict=True)), right=right)


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
    measure: bool = False,
    device: Literal["cpu", "cuda"] = "cpu",
    unknown: Literal["raise", "report"] = "raise",
    model_options: Mapping[str, str] | None = None,
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
    measure
        Run it here, and print how much of the least time each layer reaches.
    device
        Where --fits and --measure are meant: a GPU's allocator hands out larger blocks.
    unknown
        An operator without a rule is an error, or is listed and left out.
    model_options
        Options of the network, as --model-options.stem 32.
    draw
        Write the architecture, to scale, to this SVG file.
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

    options: dict[str, Any] = dict(model_options or {})
    shape = survey.input_of(model, input, **options)
    if "channels" not in options and not isinstance(shape[0], tuple) and ":" not in model:
        options["channels"] = str(shape[0])
    net = survey.network(model, **options)
    if any(not isinstance(side, int | tuple) for side in shape):
        _formula(net, shape, json or format == "json")
        return
    autocast = precision == "bfloat16"
    if fits is not None:
        from striate.cost.budget import largest_batch, parse_bytes

        fit = largest_batch(
            net, shape, parse_bytes(fits), training=training, optimizer=optimizer, autocast=autocast, device=device
        )
        peak = fit.peak.bytes if fit.peak else None
        print_json({"model": model, "batch": fit.batch, "budget": fit.budget, "peak": peak}) if json else print(fit)
        return
    if measure:
        _measured(model, shape, batch, options, device)
        return
    result = count_network(
        net, shape, batch=batch, training=training, optimizer=optimizer, autocast=autocast,
        unknown=unknown, memory=training or curve is not None,
    )  # fmt: skip
    result = dataclasses.replace(result, network=model)
    if draw is not None:
        from striate.cost.drawing import drawing

        _write(draw, drawing(net, shape).svg())
    if curve is not None and result.memory is not None:
        from striate.cost.curve import curve_figure

        _write(curve, curve_figure(result.memory))
    if json or format == "json":
        print(result.to_json())
    elif why:
        print(result.why())
    else:
        print({"text": result.__str__, "markdown": result.to_markdown, "csv": result.to_csv}[format]())


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


def compare(
    *models: str,
    input: str | None = None,
    batch: int = 32,
    measure: bool = True,
    to: Path = Path("comparison"),
    json: Json = False,
) -> None:
    """Networks beside each other: one table and two charts.

    Example: striate compare alexnet vgg16 googlenet resnet50

    Parameters
    ----------
    models
        Names as for striate count.
    input
        CHANNELSxHEIGHTxWIDTH for all; else each has its published size.
    batch
        Pictures in a training step, for the memory it takes.
    measure
        Run each network on one picture.
    to
        The folder for bubbles.svg and layers.svg.
    json
        The last line of output is one JSON object.
    """
    if not models:
        raise UsageError("models", "none are named", "striate compare alexnet vgg16 resnet50")
    from striate import durable
    from striate.comparison import compare as compare_networks
    from striate.cost.budget import readable_bytes

    found = compare_networks(models, input_size=input, batch=batch, measure=measure)
    to.mkdir(parents=True, exist_ok=True)
    written = {"bubbles.svg": found.bubbles, "layers.svg": found.layers}
    for name, text in written.items():
        if text:
            durable.write(to / name, text.encode())
    if json:
        print_json({"compared": [row.as_dict() for row in found.rows], "charts": str(to)})
        return
    head = [
        "network", "input", "parameters", "multiply-adds", "activations", f"training at {batch}", "field",
        "least ms", "measured ms", "published top-1 error", "how",
    ]  # fmt: skip
    rows = [
        [
            row.name, "x".join(map(str, row.input)), f"{row.parameters:,}", f"{row.multiply_adds:,}",
            f"{row.activations:,}", readable_bytes(row.training_bytes), row.field, f"{1e3 * row.least:.2f}",
            "" if row.measured is None else f"{1e3 * row.measured:.1f}",
            "" if row.error is None else f"{row.error:.2f} %", row.protocol,
        ]
        for row in found.rows
    ]  # fmt: skip
    print_table(head, rows, right=(2, 3, 4, 5, 7, 8, 9))
    print(f"charts  {to}", file=sys.stderr)
