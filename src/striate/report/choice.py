"""The page of a choice: the answer, what accuracy costs, who went no further and why, and who was not tried."""

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path

from striate.base import words
from striate.base.errors import RunError
from striate.base.sections import Section
from striate.base.tables import Table
from striate.base.units import readable_bytes, roughly
from striate.evaluate.numbers import Number, is_mean
from striate.report import page
from striate.report.front import CAPTION, Point, front
from striate.report.origin import name_of
from striate.report.study import NAME, brief
from striate.runs.choice import Choice
from striate.runs.chosen import Limits, Rung


def write(choice: Choice, *, force: bool = False) -> Path:
    """Write the page into the choice's folder; a RunError where none is taken yet."""
    if not choice.asked.told:
        raise RunError(choice.folder, "none was taken yet", f"striate choose --resume {choice.folder}")
    path = choice.folder / NAME
    output = page.output(path, force)
    output.check()
    output.write(render(choice).encode())
    return path


def render(choice: Choice) -> str:
    """The page as text."""
    asked = choice.asked
    numbers = choice.numbers()
    return page.filled(
        "study.html.j2",
        title=choice.folder.name,
        told=f"{words.many(len(asked.candidates), 'network')} to choose from on {asked.data}",
        command=asked.command,
        sentences=choice.table().notes,
        figure=_front(choice, numbers[-1]),
        wide=True,
        caption=CAPTION,
        sections=page.shown(list(_sections(choice, numbers))),
    )


def _front(choice: Choice, last: dict[str, Number]) -> object:
    """Those of the last rung, whose trainings are of one length."""
    adds = {each.model: each.multiply_adds for each in choice.asked.candidates}
    known = {model: each for model, each in last.items() if each.value is not None}
    if not known:
        return None

    def beaten(model: str) -> bool:
        ours = (known[model].or_nan, -adds[model])
        return any(
            (other.or_nan, -adds[name]) != ours and other.or_nan >= ours[0] and adds[name] <= adds[model]
            for name, other in known.items()
        )

    def point(model: str) -> Point:
        low, high = (math.nan if end is None else end for end in (known[model].low, known[model].high))
        return Point(model, adds[model], known[model].or_nan, low, high, not beaten(model))

    points = [point(model) for model in known]
    first = next(iter(known.values()))
    return front(
        points, f"validation {first.name} by multiply-adds", "multiply-adds of one picture", not is_mean(first.method)
    )


def _sections(choice: Choice, numbers: list[dict[str, Number]]) -> Iterable[Section]:
    asked = choice.asked
    yield Section(
        "networks", "Networks", "All that cannot be told from the best on validation, the fastest first.",
        (dataclasses.replace(choice.table(), notes=()),),
    )  # fmt: skip
    lengths = [words.many(rung.epochs, "epoch") for rung in asked.rungs]
    rows = [
        (each.model, each.told, roughly(each.parameters), roughly(each.multiply_adds),
         *(brief(found[each.model]) if each.model in found else "" for found in numbers))
        for each in asked.candidates
    ]  # fmt: skip
    notes = [note for place, rung in enumerate(asked.rungs, start=1) for note in _told(place, rung)]
    head = ("network", "latency", "parameters", "multiply-adds", *lengths)
    yield Section(
        "rungs", "Rungs",
        "Each number is of a training of its own with a whole schedule, on validation, with its 95 % interval. One "
        "goes no further where a paired test says that it is worse than the best, or where there is no time for it.",
        (Table(head, rows, right=range(1, len(head)), notes=notes),),
    )  # fmt: skip
    yield Section(
        "removed", "Not tried", "Counted and timed, and not trained.",
        (Table(("network", "why"), list(asked.removed.items()), otherwise="All were tried."),),
    )  # fmt: skip
    recipe = [(key, name_of(str(value))) for key, value in asked.recipe.items() if value not in (None, {}, [])]
    yield Section(
        "asked", "Asked", "The limits, and one recipe for all; what suits each network was filled in.",
        (Table(("key", "value"), [*_limits(asked.limits), *recipe]),),
    )  # fmt: skip


def _told(place: int, rung: Rung) -> Iterable[str]:
    """What it took, and who went no further."""
    foreseen = "" if rung.foreseen is None else f"; foreseen were {words.duration(rung.foreseen)}"
    yield f"Rung {place}, of {words.many(rung.epochs, 'epoch')}, took {words.duration(rung.took)}{foreseen}."
    yield from (f"{model} goes no further: {why}." for model, why in rung.late.items())
    yield from (f"{rung.went[model]}." for model in (*rung.failed, *rung.left))


def _limits(limits: Limits) -> list[tuple[str, str]]:
    told = {
        "max_latency": None if limits.latency is None else f"{1e3 * limits.latency:.3g} ms",
        "max_params": None if limits.parameters is None else roughly(limits.parameters),
        "max_memory": None if limits.memory is None else readable_bytes(limits.memory),
        "time": None if limits.time is None else words.duration(limits.time),
    }
    return [(name, value) for name, value in told.items() if value is not None]
