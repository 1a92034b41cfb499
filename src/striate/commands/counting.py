"""striate count: what a network costs, before a byte is allocated."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from striate.commands.output import Json, print_json, print_rows
from striate.errors import UsageError

if TYPE_CHECKING:
    from striate.cost.count import Count
    from striate.cost.work import Work

WORK = {
    "macs": "multiply-adds", "macs_valid": "without padding", "additions": "additions", "comparisons": "comparisons",
    "transcendental": "transcendental",
}  # fmt: skip


def count(
    model: str,
    /,
    *,
    input: str | None = None,
    batch: int = 1,
    training: bool = False,
    optimizer: Literal["sgd", "momentum", "adamw"] | None = None,
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
        Of the training step; momentum unless said otherwise.
    precision
        bfloat16 is autocast: weights stay float32.
    fits
        The largest batch that fits into this memory, 24GiB or 8GB: of inference, or with --training of the step.
    why
        The formula of each number, with its sizes filled in.
    stages
        Sums of the network's own children instead of every layer.
    operators
        Sums of each operator instead of every layer.
    measure
        Run its forward pass here, and print how much of the least time each layer reaches.
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
    shape, options = survey.sample(model, input, dict(model_options or {}))
    letters = any(not isinstance(side, int | tuple) for side in shape)
    _together(
        {"an --input of letters": letters, "--fits": fits is not None, "--measure": measure, "--why": why,
         "--stages": stages, "--operators": operators, "--draw text": str(draw) == "text"},
        {"--training": training and (letters or measure), "--batch": batch > 1 and (letters or fits is not None),
         "--optimizer without --training": optimizer is not None and not training,
         f"--format {format}": format in ("markdown", "csv") and (letters or measure or stages or operators or why)},
    )  # fmt: skip
    net = survey.network(model, **options)
    as_json = json or format == "json"
    how: dict[str, Any] = {
        "training": training,
        "optimizer": optimizer or "momentum",
        "autocast": precision == "bfloat16",
    }
    if letters:
        _formula(net, shape, as_json)
        return
    if fits is not None:
        _fit(model, net, shape, fits, how | {"device": device}, as_json)
        return
    if measure:
        _measured(model, shape, batch, options, device, as_json)
        return
    if str(draw) == "text":
        from striate.cost.drawing import drawing

        print(drawing(net, shape, title=model).text())
        return
    memory = training or curve is not None
    counted = count_network(net, shape, batch=batch, unknown=unknown, memory=memory, **how)
    result = dataclasses.replace(counted, network=model)
    _pictures(result, net, shape, options, draw, curve, seen)
    if why:
        print(result.why())
    elif stages:
        _stages(result, as_json)
    elif operators:
        head = ["operator", "phase", "calls", *WORK.values()]
        rows = [[each.name, each.phase, each.calls, *_work(each.work)] for each in result.operators()]
        print_rows(head, rows, as_json=as_json)
    else:
        made = {
            "text": result.__str__, "json": result.to_json, "markdown": result.to_markdown, "csv": result.to_csv,
        }  # fmt: skip
        print(made["json" if as_json else format]())


def _together(answers: Mapping[str, bool], others: Mapping[str, bool]) -> None:
    """One answer a command; an option that would change nothing is refused and not ignored."""
    asked = [name for name, said in answers.items() if said]
    if len(asked) > 1:
        raise UsageError(asked[1], f"it gives another answer than {asked[0]}", f"{asked[0]} or {asked[1]}")
    idle = [name for name, said in others.items() if said]
    if idle:
        beside = f"it changes nothing beside {asked[0]}" if asked else "it changes nothing"
        raise UsageError(idle[0], beside, "leaving it out" if asked else "--training as well")


def _stages(result: "Count", as_json: bool) -> None:
    """Sums of the network's own children, and of all."""
    head = ["stage", "output", "parameters", "activations", *list(WORK.values())[:2]]
    rows: list[list[object]] = [
        [
            each.module or "(own)", "x".join(map(str, each.rows[-1].output or ())), each.params, each.activations,
            each.macs, each.macs_valid,
        ]
        for each in result.stages()
    ]  # fmt: skip
    rows.append(["total", "", result.params, result.activations, result.macs, result.macs_valid])
    print_rows(head, rows, as_json=as_json)


def _work(done: "Work") -> list[int]:
    return [getattr(done, column) for column in WORK]


def _fit(model: str, net: Any, shape: tuple[Any, ...], fits: str, how: Mapping[str, Any], as_json: bool) -> None:
    """The largest batch that fits, of inference or of the training step."""
    from striate.cost.budget import largest_batch, parse_bytes

    fit = largest_batch(net, shape, parse_bytes(fits), **how)
    what = "training step" if how["training"] else "inference"
    if as_json:
        peak = fit.peak.bytes if fit.peak else None
        print_json({"model": model, "of": what, "batch": fit.batch, "budget": fit.budget, "peak": peak})
    else:
        print(f"{model}, {what}. {fit}")


def _pictures(
    result: "Count", net: Any, shape: tuple[Any, ...], options: Mapping[str, Any], draw: Path | None,
    curve: Path | None, seen: Path | None,
) -> None:  # fmt: skip
    """Write those that are asked for."""
    from striate import survey
    from striate.cost.curve import curve_figure
    from striate.cost.drawing import drawing
    from striate.cost.gradient_field import gradient_field

    if draw is not None:
        _write(draw, drawing(net, shape, title=result.network).svg())
    if curve is not None and result.memory is not None:
        _write(curve, curve_figure(result.memory))
    if seen is not None:
        real = survey.network(result.network, storage=True, **options)
        found = gradient_field(real, result.last.module if result.last else "", shape)
        print(found, file=sys.stderr)
        _write(seen, found.svg())


def _measured(
    model: str, shape: tuple[Any, ...], batch: int, options: Mapping[str, Any], device: str, as_json: bool
) -> None:
    """Each layer's least time on this machine, the time it takes, and the first as a share of the second."""
    from striate import survey

    rates, layers, whole = survey.measured(model, shape, batch, options, device)
    print(rates, file=sys.stderr if as_json else sys.stdout)
    head = ["module", "kind", "least ms", "measured ms", "reached %"]
    rows = [
        [each.module, each.kind, 1e3 * each.least, 1e3 * each.seconds, 100 * each.reached] for each in (*layers, whole)
    ]
    print_rows(head, rows, as_json=as_json)


def _formula(net: Any, shape: tuple[Any, ...], as_json: bool) -> None:
    """Multiply-adds over symbols: for any size, and for sides that all strides divide."""
    from striate import survey

    formula, stride, whole = survey.formulas(net, shape)
    if as_json:
        print_json({"multiply_adds": str(formula), "multiple_of": stride, "multiply_adds_of_multiples": str(whole)})
        return
    print(f"multiply-adds = {formula}")
    if stride > 1:
        print(f"for multiples of {stride}: {whole}")


def _write(path: Path, text: str) -> None:
    from striate import durable

    durable.write(path, text.encode())
    print(f"wrote {path}", file=sys.stderr)
