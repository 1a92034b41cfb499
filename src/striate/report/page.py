"""The frame of a report: one HTML page without scripts, outside requests or pictures from disk.

What a task has to say stands in sections between its answer and its data."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from striate.base import words
from striate.base.errors import RunError, printable
from striate.base.outputs import Output, known_by
from striate.base.sections import Block, Curve, Matrix, NumberTable, Reliability, Section
from striate.evaluate import paired
from striate.evaluate.numbers import as_told, is_mean
from striate.evaluate.result import doubts
from striate.report import figures, watched
from striate.report.origin import name_of
from striate.runs.shown import LONGEST, Inside, Picture
from striate.runs.watched import Seen

MOST_CELLS = 20  # names up to which a matrix is a table of numbers
MOST_FILTERS = 256
MOST_SKIPPED = 200
MOST_ROWS, WORST = 300, 50  # of a table of classes; and how many of them stand for more
MOST_EPOCHS = 500

# A path from the root of a disk inside a sentence: it would tell a reader the user's name.
ROOTED = re.compile(r"(?<![^\s\"'(=\[:])(?:[A-Za-z]:[\\/]|\\\\|~?/)(?:[^\\/\s\"']+[\\/])+")


@dataclass(frozen=True)
class Example:
    """A training picture before and after several augmentations; uint8 (height, width, 1 or 3)."""

    before: np.ndarray
    after: tuple[np.ndarray, ...]
    label: str


@dataclass(frozen=True)
class Material:
    """Everything that the page shows; `result` is result.json as parsed, `timings` are seconds."""

    title: str
    origin: str  # what was trained, when, how long and on what, in a sentence
    command: str
    result: Mapping[str, Any]
    epochs: Sequence[Mapping[str, float | int | None]]
    best_epoch: int  # 0 where several networks answer, each with weights of its own
    remarks: Sequence[str]  # what is to be said of the curves
    shares: frozenset[str]  # the columns of `epochs`, without their subset, that are proportions
    sections: Sequence[Section]
    filters: np.ndarray | None  # float (out, in, height, width) of the first convolution
    examples: Sequence[Example]
    classes: Sequence[str]  # none where there are no classes
    counts: Mapping[str, Sequence[int]]  # subset -> pictures of each class, or of all
    skipped: Sequence[tuple[str, str]]  # file name, cause
    notes: Sequence[str]
    recipe: Mapping[str, Any]
    versions: Mapping[str, str]
    timings: Mapping[str, float]
    ranged: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)  # rates.csv by column
    inside: Sequence[Inside] = ()  # what verbs kept of what the network does
    watched: Sequence[Seen] = ()  # watch.csv


@dataclass(frozen=True)
class Number:
    """A number as it is printed: never without its interval, n and subset."""

    name: str
    value: str
    interval: str
    n: str
    subset: str
    method: str
    groups: str  # " in 20 groups", where the interval draws these


def output(path: Path, force: bool) -> Output:
    """Where a page is to be written: over an older page, and over nothing else."""
    return Output(str(path), path, known_by('<meta name="generator" content="striate">'), force=force)


def write(material: Material, path: Path, *, force: bool = False) -> None:
    """Write the page to `path`, whole or not at all.

    Raises RunError when the result lacks a field, MachineError when the file cannot be written, UsageError where one is
    there that is no page of striate's.
    """
    output(path, force).write(render(material).encode("utf-8"))


def render(material: Material) -> str:
    """The page as text."""
    numbers = [_number(number) for number in field(material.result, "numbers")]
    if not numbers:
        raise RunError("result.json", "has no number", "evaluate the run again")
    return filled(
        "report.html.j2",
        m=material,
        numbers=numbers,
        baselines=[_number(number) for number in field(material.result, "baselines")],
        before=[_number(each) for name in ("validation", "held") for each in material.result.get(name, ())],
        weights=field(material.result, "weights"),
        subset=words.subset(field(material.result, "subset")),
        openings=field(material.result, "openings") if material.result["subset"] == "test" else None,
        beside=_beside(material.result),
        comparison=_comparison(material.result, numbers[0].name),
        curves=_curves(material),
        ranged=_ranged(material),
        watched=watched.drawn(material.watched),
        sections=shown(material.sections),
        inside=[(each, [(_source(one), one.caption) for one in each.pictures]) for each in material.inside],
        filters=[] if material.filters is None else figures.filters(material.filters[:MOST_FILTERS]),
        subsets={words.subset(name): sum(counts) for name, counts in material.counts.items()},
        places=_fewest(material),
        epochs=_some_epochs(material),
        most_skipped=MOST_SKIPPED,
    )


def filled(template: str, **values: Any) -> str:
    """A page of the frame's parts and style; pictures are `picture`."""
    import jinja2

    templates = resources.files(__package__).joinpath("templates")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: templates.joinpath(name).read_text("utf-8")),
    )
    environment.filters |= {
        "cut": printable,
        "short": figures.short,
        "seconds": words.duration,
        "thousands": "{:,}".format,
        "setting": _setting,
        "plain": _plain,
    }
    values |= {"picture": figures.picture, "among_several": figures.AMONG_SEVERAL}
    return environment.get_template(template).render(values)


def _source(one: Picture) -> Markup:
    return figures.drawing(one.drawn) if isinstance(one.drawn, str) else figures.picture(one.drawn, LONGEST)


def shown(sections: Sequence[Section]) -> list[tuple[Section, list[tuple[str, Any]]]]:
    """Sections with the kind of each block, and the blocks as they are printed."""
    return [(each, [(type(block).__name__, _shown(block)) for block in each.blocks]) for each in sections]


def _safe(value: object) -> object:
    """What every expression of the template passes through; jinja2 then escapes it for HTML."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return ROOTED.sub("…/", printable(value))


def field(record: Mapping[str, Any], name: str) -> Any:
    """A value of result.json; a RunError where it is missing."""
    if name not in record:
        raise RunError("result.json", f"lacks {name!r}", "evaluate the run again")
    return record[name]


def _known(value: Any) -> float:
    """NaN for what was not measured (null in JSON)."""
    return math.nan if value is None else float(value)


def _value(value: float, n: int, method: str) -> str:
    """A mean plainly, a proportion as percent."""
    if not math.isfinite(value):
        return "undefined"
    return as_told(value, n, is_mean(method), 3)


def _number(record: Mapping[str, Any]) -> Number:
    n, method = int(field(record, "n")), str(field(record, "method"))
    value, low, high = (_value(_known(field(record, key)), n, method) for key in ("value", "low", "high"))
    interval = "none" if "undefined" in (low, high) else f"{low.removesuffix(' %')} to {high}"
    subset = words.subset(field(record, "subset"))
    groups = "" if record.get("groups") is None else f" in {words.many(int(record['groups']), 'group')}"
    return Number(str(record.get("name", "")), value, interval, f"{n:,}", subset, method, groups)


def _shown(block: Block) -> Any:
    """A block with its numbers and matrices as they are printed."""
    if isinstance(block, NumberTable):
        rows = [
            (name, count, [_number(field(row, kind)) for kind in block.kinds]) for name, count, row in _worst(block)
        ]
        return {"block": block, "rows": rows}
    if isinstance(block, Curve):
        return figures.shares(block)
    if isinstance(block, Reliability):
        return figures.reliability(block)
    if isinstance(block, Matrix):
        return {"block": block, "drawn": _matrix(block), "together": figures.together(len(block.names))}
    return block


def _worst(block: NumberTable) -> Sequence[tuple[str, int, Mapping[str, Any]]]:
    """All rows, or of very many those with the lowest numbers; what is undefined comes last."""
    if len(block.rows) <= MOST_ROWS:
        return block.rows
    known = [(value, row) for row in block.rows if (value := field(row[2], block.kinds[0])["value"]) is not None]
    return [row for _, row in sorted(known, key=lambda each: each[0])[:WORST]]


def _fewest(material: Material) -> Sequence[int]:
    """Places of all classes, or of very many those with the fewest pictures in the first subset."""
    places = range(len(material.classes))
    if len(places) <= MOST_ROWS:
        return places
    return sorted(places, key=next(iter(material.counts.values())).__getitem__)[:WORST]


def _some_epochs(material: Material) -> Sequence[Mapping[str, Any]]:
    """All of them, or of very many every so many-th, the best and the last."""
    count = len(material.epochs)
    step, wanted = math.ceil(count / MOST_EPOCHS), (material.best_epoch, count)
    return [row for epoch, row in enumerate(material.epochs, 1) if epoch in wanted or epoch % step == 0]


def _beside(result: Mapping[str, Any]) -> list[str]:
    """Whether the network beats each baseline, in words, the strongest first, and what tells too little; a run of
    before says nothing of it."""
    compared = [each for each in result["baselines"] if "paired" in each]
    told = [paired.told(result["numbers"][0], each) for each in sorted(compared, key=lambda each: -each["value"])]
    return told + [f"{doubt[:1].upper()}{doubt[1:]}." for doubt in doubts(result)]


def _comparison(result: Mapping[str, Any], headline: str) -> list[Markup]:
    """The headline among its baselines on the whole scale, and close by those that nearly reach it."""

    def dot(record: Mapping[str, Any], name: str) -> figures.Dot:
        value, low, high = (_known(field(record, key)) for key in ("value", "low", "high"))
        shown = _number(record)
        text = f"{shown.value} ({shown.interval.replace(' to ', '–').removesuffix(' %')})"
        return figures.Dot(name, text, value, low, high)

    first = dot(result["numbers"][0], "this ensemble" if result["weights"] == "members" else "this network")
    dots = [first, *(dot(record, str(field(record, "name"))) for record in result["baselines"])]
    if len(dots) == 1 or is_mean(result["numbers"][0]["method"]):  # a mean has no scale that ends at one
        return []
    drawn = [figures.intervals(dots, (0.0, 1.0), f"{headline} beside the baselines, whole scale")]
    near = [one for one in dots if abs(one.value - first.value) < 0.1]
    if len(near) > 1:
        ends = [end for one in near for end in (one.low, one.high, one.value) if math.isfinite(end)]
        least = math.floor(100 * min(ends))
        span = (least / 100, max(math.ceil(100 * max(ends)), least + 1) / 100)
        drawn.append(figures.intervals(near, span, f"{headline} beside the baselines, close up"))
    return drawn


def _curves(material: Material) -> list[tuple[str, list[str], Markup]]:
    """Heading, names of the lines and figure for each value recorded in training or validation, and for the rate."""
    epochs = [_known(row["epoch"]) for row in material.epochs]
    columns = list(material.epochs[0]) if material.epochs else []
    told = dict.fromkeys(name.partition("_")[2] for name in columns if name.startswith(("train_", "val_")))
    wanted = [
        (name[:1].upper() + name[1:], {f"train_{name}": "training", f"val_{name}": "validation"}, name) for name in told
    ]
    drawn = []
    for heading, lines, value in [*wanted, ("Learning rate", {"rate": "rate"}, "")]:
        series = {
            name: [value if math.isfinite(value) else math.nan for value in values]
            for column, name in lines.items()
            if (values := [_known(row.get(column)) for row in material.epochs])
        }
        series = {name: values for name, values in series.items() if not all(map(math.isnan, values))}
        if series:
            best = (float(material.best_epoch), f"epoch {material.best_epoch}")
            figure = figures.curve(epochs, series, best, f"{heading} by epoch", value in material.shares)
            drawn.append((heading.replace("_", " "), list(series), figure))
    return drawn


def _ranged(material: Material) -> Markup | None:
    """The range test by which the rate was found, where it was."""
    told = material.ranged
    if not told:
        return None
    label = "Loss of a range test by rate"
    return figures.rising(told["rate"], told["loss"], told["smooth"], float(material.recipe["rate"]), label)


def _matrix(block: Matrix) -> Markup | list[dict[str, Any]]:
    """A picture for many names; for few, rows of cells: the count and how strongly to colour it."""
    if len(block.names) > MOST_CELLS:
        label = f"Confusion matrix: {block.down} down, {block.across} across"
        return figures.confusion(block.counts, block.names, label)
    shades = figures.shades(block.counts)

    def cell(row: int, column: int) -> dict[str, Any]:
        right, shade = row == column, float(shades[row, column])
        count = int(block.counts[row, column])
        return {"count": count, "shade": f"{shade:.2f}", "right": right, "strong": right and shade > 0.85}

    places = range(len(block.names))
    return [{"name": name, "cells": [cell(row, column) for column in places]} for row, name in enumerate(block.names)]


def _setting(value: Any) -> str:
    """A recipe's value."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return name_of(str(value))


def _plain(value: Any) -> str:
    """A cell of epochs.csv."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
