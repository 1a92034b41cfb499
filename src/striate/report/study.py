"""The page of a study: who is best and what lies between each two, and what accuracy costs."""

import math
from collections.abc import Iterable
from pathlib import Path

from striate.base import words
from striate.base.errors import RunError
from striate.base.sections import Block, Section
from striate.base.tables import Table
from striate.evaluate.contrasts import Contrast, known
from striate.evaluate.numbers import Number, as_told, is_mean
from striate.report import page
from striate.report.front import CAPTION, Point, front
from striate.report.origin import name_of
from striate.runs.ranking import of_fold
from striate.runs.studied import Result, Row
from striate.runs.study import Study

NAME = "report.html"


def write(study: Study, *, force: bool = False) -> Path:
    """Write the page into the study's folder; a RunError where nothing is decided yet."""
    result = study.result
    if result is None:
        raise RunError(study.folder, f"this study is {study.status} and has no result", "resuming it")
    path = study.folder / NAME
    output = page.output(path, force)
    output.check()
    output.write(render(study, result).encode())
    return path


def render(study: Study, result: Result) -> str:
    """The page as text."""
    asked = study.asked
    told = f"{words.many(len(asked.models), 'network')}, {words.many(len(asked.trainings), 'training')} on {asked.data}"
    return page.filled(
        "study.html.j2",
        title=study.name,
        told=told,
        command=asked.command,
        sentences=study.told(),
        figure=_front(result),
        wide=True,
        caption=CAPTION,
        sections=page.shown(list(_sections(study, result))),
    )


def networks(result: Result) -> Table:
    """A row for each network, the best first."""
    head = ["network", "trainings", words.subset(result.subset), *(["test"] if _tested(result) else [])]
    head += ["parameters", "multiply-adds", "training", "latency", "front"]
    rows = [
        [
            row.model, f"{row.trainings}", brief(row.number), *([brief(row.test)] if _tested(result) else []),
            f"{row.parameters:,}", "" if row.multiply_adds is None else f"{row.multiply_adds:,}",
            words.duration(row.seconds),
            "" if row.latency is None else f"{1e3 * row.latency:.3g} ms", "yes" if row.front else "",
        ]
        for row in result.models
    ]  # fmt: skip
    of = result.models[0].number
    notes = [
        f"{of.name} with its 95 % interval by {of.method}. Multiply-adds and latency are of one picture; latency here, "
        f"in {words.many(result.threads, 'thread')}, and training the mean of one. Front: none is as good for less."
    ]
    return Table(tuple(head), rows, notes=notes, right=range(1, len(head) - 1))


def brief(told: Number | None) -> str:
    """98.1 % (96.0 to 99.1)."""
    if told is None or told.value is None or told.low is None or told.high is None:
        return "undefined"
    value, low, high = (as_told(each, told.n, is_mean(told.method)) for each in (told.value, told.low, told.high))
    return f"{value} ({low.removesuffix(' %')} to {high.removesuffix(' %')})"


def _tested(result: Result) -> bool:
    return any(row.test is not None for row in result.models)


def _front(result: Result) -> object:
    points = [point for row in result.models if (point := _point(row)) is not None]
    number = result.models[0].number
    label = f"{words.subset(result.subset)} {number.name} by multiply-adds"
    return front(points, label, "multiply-adds of one picture", not is_mean(number.method)) if points else None


def _point(row: Row) -> Point | None:
    told, cost = row.number, row.multiply_adds
    if cost is None or told.value is None:
        return None
    low, high = (math.nan if each is None else each for each in (told.low, told.high))
    return Point(row.model, cost, told.value, low, high, row.front)


def _sections(study: Study, result: Result) -> Iterable[Section]:
    subset = words.subset(result.subset)
    pairs: list[Block] = [_pairs([known(each) for each in result.pairs], f"On {subset} pictures, which decide")]
    if result.test_pairs:
        pairs.append(_pairs([known(each) for each in result.test_pairs], "On the test set, opened at the end"))
    yield Section(
        "networks", "Networks", "The best first, by the pictures that decide. Differences stand below.",
        (networks(result),),
    )  # fmt: skip
    if result.pairs:
        why = (
            "What the one has more than the other on the same pictures. p is adjusted for how many pairs there are "
            "(Holm 1979): at 0.05 and above they cannot be told apart."
        )
        yield Section("pairs", "Each two", why, tuple(pairs))
    if any(row.folds for row in result.models):
        rows = [(row.model, *(of_fold(row, each) for each in row.folds)) for row in result.models]
        most = max(len(row.folds) for row in result.models)
        rows = [(*row, *[""] * (1 + most - len(row))) for row in rows]
        head = ("network", *(f"fold {place + 1}" for place in range(most)))
        why = "Each fold was held out of one training, whose epoch was chosen on pictures of its own."
        yield Section("folds", "Folds", why, (Table(head, rows, right=range(1, 1 + most)),))
    recipe = [(key, name_of(str(value))) for key, value in study.asked.recipe.items() if value not in (None, {}, [])]
    yield Section(
        "asked",
        "Asked",
        "One recipe for all; what suits each network was filled in.",
        (Table(("key", "value"), recipe),),
    )


def _pairs(found: list[Contrast], caption: str) -> Table:
    head = ("network", "", "other", "difference", "95 % interval", "p", "to tell it takes")
    rows = [
        (
            each.one, each.verdict, each.other, each.more, each.interval,
            each.sure.removeprefix("p ").removeprefix("= "),
            each.takes,
        )
        for each in found
    ]  # fmt: skip
    return Table(head, rows, caption=caption, right=(3, 4, 5, 6))
