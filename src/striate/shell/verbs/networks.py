"""striate models and compare: which networks there are, alone and beside each other."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from striate.base.errors import UsageError
from striate.base.outputs import marked
from striate.base.units import by, readable_bytes
from striate.base.words import decimal
from striate.shell import asked
from striate.shell.output import (
    Amount,
    Force,
    Json,
    print_json,
    print_table,
    refuse_force,
    tell,
    tell_lines,
    warn_of_rates,
)  # fmt: skip

if TYPE_CHECKING:
    from striate.survey.compared import Compared
    from striate.survey.listed import Beside, Listed


def models(
    pattern: str | None = None,
    /,
    *,
    family: str | None = None,
    max_params: Amount = None,
    max_macs: Amount = None,
    json: Json = False,
) -> None:
    """The catalogue of networks, or one of them beside its paper.

    Example: striate models 'resnet*' --max-params 30M

    Example: striate models googlenet

    Parameters
    ----------
    pattern
        A name, or a pattern with * and ?; timm:NAME and 'timm:PATTERN' are timm's.
    family
        Networks of one paper's file only: resnet, vgg, densenet ...
    max_params
        At most so many parameters: 5M, 500K.
    max_macs
        At most so many multiply-adds for a picture of the published size: 1G.
    """
    from striate.survey.listed import listed

    limits = {"--family": family, "--max-params": max_params, "--max-macs": max_macs}
    said = [name for name, value in limits.items() if value is not None]
    if pattern is not None and pattern.startswith("timm:"):
        if said:
            raise UsageError(said[0], "it changes nothing beside timm's names", "leaving it out")
        _of_timm(pattern, json)
        return
    chosen = listed(pattern, family=family, max_params=max_params, max_macs=max_macs)
    if not chosen:
        tell("no network is within these limits" if said else f"no name matches {pattern}", file=sys.stderr)
    if len(chosen) == 1 and chosen[0].entry.name == pattern:
        _show(chosen[0], json)
    elif json:
        print_json({"models": [each.as_dict() for each in chosen]})
    else:
        head = ["name", "year", "paper", "task", "input", "parameters", "multiply-adds", "known for"]
        rows = [
            [
                each.entry.name, each.entry.year, each.entry.paper.cited, each.entry.task,
                by(each.entry.input),
                f"{each.parameters:,}", f"{each.multiply_adds:,}", each.entry.known_for,
            ]
            for each in chosen
        ]  # fmt: skip
        print_table(head, rows, right=(5, 6))


def _of_timm(pattern: str, json: bool) -> None:
    """timm's names that match a pattern; a single name is shown as those of the catalogue are."""
    from striate.models import outside
    from striate.survey.listed import counted, is_pattern

    if not is_pattern(pattern):
        _show(counted(outside.entry_of(pattern)), json)
        return
    names = outside.names(pattern)
    if not names:
        tell(f"no name matches {pattern}", file=sys.stderr)
    if json:
        print_json({"models": [{"name": name} for name in names]})
    for name in () if json else names:
        tell(name)


def _show(chosen: "Listed", json: bool) -> None:
    """One network: what the paper printed, line by line, beside what is counted here."""
    from striate.survey.listed import beside

    lines = beside(chosen.entry)
    if json:
        print_json({"models": [chosen.as_dict() | {"table": [asdict(each) for each in lines]}]})
        return
    tell_lines(str(chosen.entry))
    more = f" and {chosen.auxiliary:,} of auxiliary heads" if chosen.auxiliary else ""
    tell(
        f"  parameters {chosen.parameters:,}{more}, multiply-adds {chosen.multiply_adds:,} for one picture as published"
    )
    if not lines:
        return
    tell()
    columns: dict[str, Callable[[Beside], str]] = {
        "layer": lambda each: each.line.layer,
        "as described": lambda each: each.line.words,
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


def compare(
    *models: str,
    input: str | None = None,
    batch: int | None = None,
    measure: bool | None = None,
    again: bool = False,
    to: Path | None = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Networks beside each other: one table and two charts. Or finished runs: a paired test on the same pictures.

    Example: striate compare alexnet vgg16 googlenet resnet50

    Example: striate compare runs/digits-lenet5-1 runs/digits-resnet20-1

    Parameters
    ----------
    models
        Names as for striate count; or run folders.
    input
        CHANNELSxHEIGHTxWIDTH for all; else each has its published size.
    batch
        Pictures in a training step, for the memory it takes: 32 as a rule.
    measure
        Run each network on one picture, as is done unless told otherwise.
    again
        Measure this machine's rates anew: those of a busy machine are too low, and the least times too long.
    to
        The folder for bubbles.svg and layers.svg: comparison, as a rule.
    """
    if not models:
        raise UsageError("models", "none are named", "striate compare alexnet vgg16 resnet50")
    folders = [each for each in models if _is_run(each)]
    if not folders:
        _compare_by_cost(
            models, input, 32 if batch is None else batch, measure is not False, again, to or Path("comparison"), force,
            json,
        )  # fmt: skip
        return
    if len(folders) < len(models):
        other = next(each for each in models if each not in folders)
        cause = f"{folders[0]} is a run and {other} a network: they are compared by different things"
        raise UsageError("models", cause, "runs alone, or networks alone")
    for name, given in {"input": input, "batch": batch, "measure": measure, "again": again or None, "to": to}.items():
        if given is not None:
            raise UsageError(f"--{name}", "it changes nothing where runs are compared", "leaving it out")
    refuse_force(force)
    import striate

    found = striate.compare(*folders)
    if json:
        print_json(found.as_dict())
        return
    for name, number in found.numbers.items():
        tell(f"{name}: {number}")
    for line in str(found).splitlines():
        tell(line)


def _is_run(name: str) -> bool:
    """Whether a run folder is meant, and no network: a name of the catalogue has no slash, and code a colon."""
    return (Path(name) / "run.json").exists() or ("/" in name and ":" not in name)


def _compare_by_cost(
    models: Sequence[str], input: str | None, batch: int, measure: bool, again: bool, to: Path, force: bool, json: bool
) -> None:
    if batch < 1:
        raise UsageError("batch", f"{batch} samples cannot be counted", "--batch 1 or more")
    from striate.base import durable
    from striate.survey.named import sample

    for model in models:
        sample(model, input, {})  # a wrong name is told before a folder is made
    durable.make_folder(to)  # and a wrong folder before minutes of counting
    outputs = [asked.drawn("--to", to / name, force) for name in ("bubbles.svg", "layers.svg")]
    from striate.survey.compared import compare as compare_networks

    found = compare_networks(models, input_size=input, batch=batch, measure=measure, again=again)
    for output, text in zip(outputs, (found.bubbles, found.layers), strict=True):
        if text:
            output.write(marked(text))
        else:
            kept = f"; the one in {to} is not of this comparison" if output.path.exists() else ""
            tell(
                f"no {output.path.name}: none of these networks has a published error on ImageNet{kept}",
                file=sys.stderr,
            )
    warn_of_rates([row.name for row in found.rows if row.measured is not None and row.measured < row.least])
    if json:
        print_json({"compared": [asdict(row) for row in found.rows], "charts": str(to)})
    else:
        print_compared(found.rows, batch)
        tell(f"charts  {to}", file=sys.stderr)


def print_compared(compared: Sequence["Compared"], batch: int) -> None:
    """A line for each network."""
    from striate.survey.named import size_text

    head = [
        "network", "input", "parameters", "multiply-adds", "activations", f"training at {batch}", "field",
        "least ms", "measured ms", "published top-1 error", "how",
    ]  # fmt: skip
    rows = [
        [
            row.name, size_text(row.input), f"{row.parameters:,}", f"{row.multiply_adds:,}",
            f"{row.activations:,}", readable_bytes(row.training_bytes), row.field, decimal(1e3 * row.least, 2),
            "" if row.measured is None else decimal(1e3 * row.measured, 1),
            "" if row.error is None else f"{row.error:.2f} %", row.protocol,
        ]
        for row in compared
    ]  # fmt: skip
    print_table(head, rows, right=(2, 3, 4, 5, 7, 8, 9))
