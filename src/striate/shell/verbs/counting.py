"""striate count: what a network costs, before a byte is allocated."""

import dataclasses
import functools
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

from striate.base.errors import MachineError, UsageError
from striate.base.units import by, parse_bytes
from striate.shell.output import Amount, Json, print_json, print_rows, terminal_width, warn_of_rates

if TYPE_CHECKING:
    from striate.cost.rows import Count

TABLE = frozenset({"--training", "--batch", "--precision", "--unknown", "--draw", "--curve", "--seen"})
# What each answer heeds; a formula and a drawing in text heed none of these.
HEEDED: Mapping[str, Collection[str]] = {
    "the table": TABLE | {"--format"},
    "--why": TABLE,
    "--stages": TABLE,
    "--operators": TABLE,
    "--fits": ("--training", "--precision", "--device"),
    "--measure": ("--batch", "--precision", "--device", "--again"),
}
NEEDED = {"--device": ", or --fits or --measure", "--again": ", or --measure"}
# What the library writes in a hint, and how that is typed here.
TYPED = (
    (r"\bunknown='report'", "--unknown report"),
    (r"\btraining=False", "leaving out --training"),
    (r"\b([a-z]\w*)=([^\s,;]+)", r"--model-options.\1 \2"),
)
Words = ParamSpec("Words")


def _as_typed(verb: Callable[Words, None]) -> Callable[Words, None]:
    """A command whose hints are written as options of the shell."""

    @functools.wraps(verb)
    def command(*words: Words.args, **options: Words.kwargs) -> None:
        try:
            verb(*words, **options)
        except UsageError as error:
            hint = error.hint
            for pattern, typed in TYPED:
                hint = re.sub(pattern, typed, hint)
            raise UsageError(error.where, error.cause, hint) from error

    return command


@_as_typed
def count(
    model: str,
    /,
    *,
    input: str | None = None,
    batch: int = 1,
    training: bool = False,
    optimizer: Literal["sgd", "momentum", "adamw"] | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    fits: Amount = None,
    why: bool = False,
    stages: bool = False,
    operators: bool = False,
    measure: bool = False,
    again: bool = False,
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
    again
        With --measure: measure this machine's rates anew. Those of a busy machine are too low.
    device
        Where --fits and --measure are meant: a GPU's allocator hands out larger blocks.
    unknown
        An operator without a rule is an error, or is listed and left out.
    model_options
        Options of the network, as --model-options.stem 32.
    draw
        Write the architecture, sides and channels by their square roots, to this SVG file; "text" prints it here.
    curve
        Write the living bytes over the pass to this SVG file.
    seen
        Write the pixels that the middle of the last feature map really sees to this SVG file.
    format
        How the table is printed.
    json
        The same as --format json.
    """
    from striate.survey.named import network, sample, size_text

    in_text, as_json, bfloat16 = str(draw) == "text", json or format == "json", precision == "bfloat16"
    files = {"--draw": None if in_text else draw, "--curve": curve, "--seen": seen}
    _sound(model, batch, model_options or {}, files)
    shape, options = sample(model, input, dict(model_options or {}))
    letters = any(not isinstance(side, int | tuple) for side in shape)
    _together(
        {"an --input of letters": letters, "--fits": fits is not None, "--measure": measure, "--why": why,
         "--stages": stages, "--operators": operators, "--draw text": in_text},
        {"--training": training, f"--batch {batch}": batch > 1, f"--precision {precision}": bfloat16,
         f"--unknown {unknown}": unknown == "report", f"--device {device}": device != "cpu", "--again": again,
         f"--format {format}": format in ("markdown", "csv"),
         **{f"{option} {path}": path is not None for option, path in files.items()}},
    )  # fmt: skip
    if optimizer is not None and not training:
        raise UsageError("--optimizer", "it changes nothing without --training", "--training as well")
    if json and format in ("markdown", "csv"):
        raise UsageError("--json", f"it asks for another form than --format {format}", "one of the two")
    if seen is not None and (len(shape) != 3 or not isinstance(shape[0], int)):
        cause = f"it needs one picture, and the input is {size_text(shape)}"
        raise UsageError("--seen", cause, "a network of one picture")
    budget = None if fits is None else parse_bytes(fits, "--fits")
    if measure:
        _measured(model, shape, batch, options, device, bfloat16=bfloat16, again=again, as_json=as_json)
        return
    net = network(model, **options)
    how: dict[str, Any] = {"training": training, "optimizer": optimizer or "momentum", "autocast": bfloat16}
    if letters:
        _formula(net, shape, as_json)
    elif budget is not None:
        _fit(model, net, shape, budget, how | {"device": device}, as_json)
    elif in_text:
        _drawn(model, net, shape, as_json)
    else:
        how |= {"batch": batch, "unknown": unknown, "memory": training or curve is not None}
        result = _counted(model, net, shape, how)
        _pictures(result, net, shape, options, draw, curve, seen)
        _print(result, "--why" * why or "--stages" * stages or "--operators" * operators, as_json, format)


def _sound(model: str, batch: int, options: Mapping[str, str], files: Mapping[str, Path | None]) -> None:
    """Refuse what is wrong by itself, before anything is counted."""
    from striate.survey.named import is_named

    if batch < 1:
        raise UsageError("batch", f"{batch} samples cannot be counted", "--batch 1 or more")
    if "weights" in options and is_named(model):
        raise UsageError("--model-options.weights", "counting needs no weights", "leaving it out")
    there: dict[str, str] = {}
    for option, path in files.items():
        if path is None:
            continue
        if path.suffix.lower() != ".svg":
            hint = f"{option} NAME.svg{', or --draw text' if option == '--draw' else ''}"
            raise UsageError(f"{option} {path}", "an SVG file is written, and this name does not end in .svg", hint)
        other = there.setdefault(os.path.realpath(path), option)
        if other != option:
            raise UsageError(f"{option} {path}", f"{other} writes the same file", "another name")


def _together(answers: Mapping[str, bool], others: Mapping[str, bool]) -> None:
    """One answer a command; an option that would change nothing is refused and not ignored."""
    asked = [name for name, said in answers.items() if said]
    if len(asked) > 1:
        raise UsageError(asked[1], f"it gives another answer than {asked[0]}", f"{asked[0]} or {asked[1]}")
    answer = asked[0] if asked else "the table"
    for name, said in others.items():
        option = name.partition(" ")[0]
        if said and option not in HEEDED.get(answer, ()):
            hint = f"leaving it out{NEEDED.get(option, '')}"
            raise UsageError(name, f"it changes nothing beside {answer}", hint)


def _counted(model: str, net: Any, shape: tuple[Any, ...], how: Mapping[str, Any]) -> "Count":
    """The count under the name that was asked for."""
    from striate.cost.count import count as count_network

    return dataclasses.replace(count_network(net, shape, **how), network=model)


def _print(result: "Count", answer: str, as_json: bool, form: str) -> None:
    """The whole count in the form that was asked for, or one of its other answers."""
    from striate.cost.work import OPERATIONS

    if answer or form == "csv":  # the others tell it themselves
        print(*result.not_counted(), sep="\n", end="\n" * bool(result.unknown), file=sys.stderr)
    if answer == "--why":
        _why(result, as_json)
    elif answer == "--stages":
        _stages(result, as_json)
    elif answer == "--operators":
        head = ["operator", "phase", "calls", *OPERATIONS.values()]
        rows = [
            [each.name, each.phase, each.calls, *(getattr(each.work, column) for column in OPERATIONS)]
            for each in result.operators()
        ]
        print_rows(head, rows, as_json=as_json)
    elif as_json:
        print(result.to_json())
    elif form == "text":
        print(result.to_text(terminal_width()))
    else:
        print(result.to_csv() if form == "csv" else result.to_markdown())


def _why(result: "Count", as_json: bool) -> None:
    """The formulas, row by row."""
    if not as_json:
        print(result.why())
        return
    rows = [row for row in result.rows if row.works]
    print_json({"rows": [{"module": row.module, "kind": row.kind, "why": row.why().splitlines()} for row in rows]})


def _drawn(model: str, net: Any, shape: tuple[Any, ...], as_json: bool) -> None:
    """The drawing in text, or what it shows."""
    from striate.cost.drawing.drawing import drawing

    drawn = drawing(net, shape, title=model)
    if as_json:
        print_json({"title": drawn.title, "layers": [dataclasses.asdict(layer) for layer in drawn.layers]})
    else:
        print(drawn.text())


def _stages(result: "Count", as_json: bool) -> None:
    """Sums of the network's own children, and of all."""
    from striate.cost.work import OPERATIONS

    head = ["stage", "output", "parameters", "activations", *list(OPERATIONS.values())[:2]]
    rows: list[list[object]] = [
        [
            each.module or "(own)", by(each.rows[-1].output or ()), each.params, each.activations,
            each.macs, each.macs_valid,
        ]
        for each in result.stages()
    ]  # fmt: skip
    rows.append(["total", "", result.params, result.activations, result.macs, result.macs_valid])
    print_rows(head, rows, as_json=as_json)


def _fit(model: str, net: Any, shape: tuple[Any, ...], budget: int, how: Mapping[str, Any], as_json: bool) -> None:
    """The largest batch that fits, of inference or of the training step."""
    from striate.cost.budget import largest_batch

    fit = largest_batch(net, shape, budget, **how)
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
    from striate.cost.curve import curve_figure
    from striate.cost.drawing.drawing import drawing
    from striate.cost.gradient_field import gradient_field
    from striate.survey.named import network

    if draw is not None:
        _write(draw, drawing(net, shape, title=result.network).svg())
    if curve is not None and result.memory is not None:
        _write(curve, curve_figure(result.memory))
    if seen is not None:
        real = network(result.network, storage=True, **options)
        found = gradient_field(real, result.last.module if result.last else "", shape)
        print(found, file=sys.stderr)
        _write(seen, found.svg())


def _measured(
    model: str, shape: tuple[Any, ...], batch: int, options: Mapping[str, Any], device: str, *, bfloat16: bool,
    again: bool, as_json: bool,
) -> None:  # fmt: skip
    """Each layer's least time on this machine, the time it takes, and the first as a share of the second."""
    from striate.base import devices
    from striate.survey.latency import measured

    try:
        devices.find(device)
    except MachineError as error:
        raise MachineError(f"--device {device}", "this machine has none that torch can use", "--device cpu") from error
    rates, layers, whole = measured(model, shape, batch, options, device, bfloat16=bfloat16, again=again)
    print(rates, file=sys.stderr if as_json else sys.stdout)
    warn_of_rates([model] if whole.seconds < whole.least else [])
    head = ["module", "kind", "least ms", "measured ms", "reached %"]
    rows = [
        [each.module, each.kind, 1e3 * each.least, 1e3 * each.seconds, 100 * each.reached] for each in (*layers, whole)
    ]
    print_rows(head, rows, as_json=as_json)


def _formula(net: Any, shape: tuple[Any, ...], as_json: bool) -> None:
    """Multiply-adds over symbols: for any size, and for sides that all strides divide."""
    from striate.survey.formula import formulas

    formula, stride, whole = formulas(net, shape)
    if isinstance(formula, UsageError):
        print(formula.cause, file=sys.stderr)
        formula = None
    if as_json:
        told = None if formula is None else str(formula)
        print_json({"multiply_adds": told, "multiple_of": stride, "multiply_adds_of_multiples": str(whole)})
        return
    if formula is not None:
        print(f"multiply-adds = {formula}")
    if stride > 1:
        print(f"for multiples of {stride}: {whole}")


def _write(path: Path, text: str) -> None:
    from striate.base import durable

    durable.write(path, text.encode())
    print(f"wrote {path}", file=sys.stderr)
