"""The report of one training: one HTML page without scripts, outside requests or pictures from disk."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from markupsafe import Markup

from striate.base import durable
from striate.base.errors import RunError, printable
from striate.report import figures

MOST_CELLS = 20  # classes up to which the confusion matrix is a table of numbers
MOST_FILTERS = 256
MOST_SKIPPED = 200
SUBSETS = {"train": "training", "val": "validation", "test": "test"}

# A path from the root of a disk inside a sentence: it would tell a reader the user's name.
ROOTED = re.compile(r"(?<![^\s\"'(=\[:])(?:[A-Za-z]:[\\/]|\\\\|~?/)(?:[^\\/\s\"']+[\\/])+")


@dataclass(frozen=True)
class Mistake:
    """A picture that was answered wrongly; uint8 pixels (height, width, 1 or 3)."""

    pixels: np.ndarray
    name: str
    truth: str
    answer: str
    probability: float
    truth_probability: float


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
    result: Mapping[str, Any]
    epochs: Sequence[Mapping[str, float | int | None]]
    best_epoch: int
    confusion: np.ndarray  # int (classes, classes): rows truth, columns answer
    classes: Sequence[str]
    mistakes: Sequence[Mistake]  # worst first
    filters: np.ndarray | None  # float (out, in, height, width) of the first convolution
    examples: Sequence[Example]
    counts: Mapping[str, Sequence[int]]  # subset -> pictures per class
    skipped: Sequence[tuple[str, str]]  # file name, cause
    notes: Sequence[str]
    recipe: Mapping[str, Any]
    versions: Mapping[str, str]
    timings: Mapping[str, float]


@dataclass(frozen=True)
class Number:
    """A number as it is printed: never without its interval, n and subset."""

    name: str
    value: str
    interval: str
    n: str
    subset: str
    method: str


def write(material: Material, path: Path) -> None:
    """Write the page to `path`, whole or not at all.

    Raises RunError when the result lacks a field, MachineError when the file cannot be written.
    """
    durable.write(path, render(material).encode("utf-8"))


def render(material: Material) -> str:
    """The page as text."""
    import jinja2

    template = resources.files(__package__).joinpath("templates/report.html.j2").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cut": printable,
        "short": figures.short,
        "seconds": lambda value: f"{value:,.1f} s" if value < 120 else f"{value / 60:,.1f} min",
        "setting": _setting,
        "plain": _plain,
        "percent": lambda value: f"{100 * value:.1f} %",
    }
    numbers = [_number(number) for number in _field(material.result, "numbers")]
    if not numbers:
        raise RunError("result.json", "has no number", "evaluate the run again")
    return environment.from_string(template).render(
        m=material,
        numbers=numbers,
        baselines=[_number(number) for number in _field(material.result, "baselines")],
        weights=_field(material.result, "weights"),
        per_class=[_class(row) for row in _field(material.result, "classes")],
        subset=_subset(_field(material.result, "subset")),
        openings=_field(material.result, "openings") if material.result["subset"] == "test" else None,
        comparison=_comparison(material.result, numbers[0].name),
        curves=_curves(material),
        confusion=_confusion(material),
        pairs=_pairs(material.confusion, material.classes),
        picture=figures.picture,
        filters=[] if material.filters is None else figures.filters(material.filters[:MOST_FILTERS]),
        subsets={_subset(name): list(counts) for name, counts in material.counts.items()},
        most_skipped=MOST_SKIPPED,
    )


def _safe(value: object) -> object:
    """What every expression of the template passes through; jinja2 then escapes it for HTML."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return ROOTED.sub("…/", printable(value))


def _field(record: Mapping[str, Any], name: str) -> Any:
    if name not in record:
        raise RunError("result.json", f"lacks {name!r}", "evaluate the run again")
    return record[name]


def _subset(name: str) -> str:
    return SUBSETS.get(name, name)


def _known(value: Any) -> float:
    """NaN for what was not measured (null in JSON)."""
    return math.nan if value is None else float(value)


def _value(value: float, n: int, method: str) -> str:
    """A mean plainly; a proportion as percent, with no more digits than `n` pictures can tell apart."""
    if not math.isfinite(value):
        return "undefined"
    if method == "normal":
        return f"{value:.3f}"
    return f"{100 * value:.{1 if n < 2000 else 2 if n < 20_000 else 3}f} %"


def _number(record: Mapping[str, Any]) -> Number:
    n, method = int(_field(record, "n")), str(_field(record, "method"))
    value, low, high = (_value(_known(_field(record, key)), n, method) for key in ("value", "low", "high"))
    interval = "none" if "undefined" in (low, high) else f"{low.removesuffix(' %')} to {high}"
    subset = _subset(_field(record, "subset"))
    return Number(str(record.get("name", "")), value, interval, f"{n:,}", subset, method)


def _class(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: _number(_field(row, name)) for name in ("recall", "precision", "f1")}
    return {"name": str(_field(row, "class")), "support": int(_field(row, "support")), "numbers": shown}


def _comparison(result: Mapping[str, Any], headline: str) -> list[Markup]:
    """The headline among its baselines on the whole scale, and close by those that nearly reach it."""

    def dot(record: Mapping[str, Any], name: str) -> figures.Dot:
        value, low, high = (_known(_field(record, key)) for key in ("value", "low", "high"))
        shown = _number(record)
        text = f"{shown.value} ({shown.interval.replace(' to ', '–').removesuffix(' %')})"
        return figures.Dot(name, text, value, low, high)

    first = dot(result["numbers"][0], "this network")
    dots = [first, *(dot(record, str(_field(record, "name"))) for record in result["baselines"])]
    if len(dots) == 1 or result["numbers"][0]["method"] == "normal":  # a mean has no scale that ends at one
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
    """Heading, names of the lines and figure for each of loss, accuracy and rate that was recorded."""
    epochs = [_known(row["epoch"]) for row in material.epochs]
    wanted = (
        ("Loss", {"train_loss": "training", "val_loss": "validation"}, False),
        ("Accuracy", {"train_accuracy": "training", "val_accuracy": "validation"}, True),
        ("Learning rate", {"rate": "rate"}, False),
    )
    drawn = []
    for heading, columns, percent in wanted:
        series = {
            name: [value if math.isfinite(value) else math.nan for value in values]
            for column, name in columns.items()
            if (values := [_known(row.get(column)) for row in material.epochs])
        }
        series = {name: values for name, values in series.items() if not all(map(math.isnan, values))}
        if series:
            best = (float(material.best_epoch), f"epoch {material.best_epoch}")
            figure = figures.curve(epochs, series, best, f"{heading} by epoch", percent)
            drawn.append((heading, list(series), figure))
    return drawn


def _confusion(material: Material) -> Markup | list[dict[str, Any]]:
    """A picture for many classes; for few, rows of cells: the count and how strongly to colour it."""
    if len(material.classes) > MOST_CELLS:
        label = "Confusion matrix: truth down, answer across"
        return figures.confusion(material.confusion, material.classes, label)
    shades = figures.shades(material.confusion)

    def cell(row: int, column: int) -> dict[str, Any]:
        right, shade = row == column, float(shades[row, column])
        count = int(material.confusion[row, column])
        return {"count": count, "shade": f"{shade:.2f}", "right": right, "strong": right and shade > 0.85}

    places = range(len(material.classes))
    return [
        {"name": name, "cells": [cell(row, column) for column in places]} for row, name in enumerate(material.classes)
    ]


def _pairs(confusion: np.ndarray, classes: Sequence[str], most: int = 10) -> list[tuple[str, str, int, int]]:
    """The most frequent confusions: truth, answer, how often, of how many pictures of that truth."""
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    places = [divmod(int(place), len(classes)) for place in order]
    totals = confusion.sum(axis=1)
    return [(classes[t], classes[a], int(wrong[t, a]), int(totals[t])) for t, a in places if wrong[t, a]]


def _setting(value: Any) -> str:
    """A recipe's value; of a path from the root only its last part, the rest is the user's own business."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(text).is_absolute():
            return f"…/{kind(text).name}"
    return text


def _plain(value: Any) -> str:
    """A cell of epochs.csv."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
