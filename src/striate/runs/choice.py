"""The folder of a choice: which networks were thought of, what was tried of them, and which one was taken."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, final

from striate.base import declared, reading
from striate.base.declared import Count, Text
from striate.base.errors import RunError
from striate.base.options import Range
from striate.base.paths import path_of
from striate.base.tables import Table
from striate.base.units import roughly
from striate.base.words import decimal, many, share
from striate.evaluate.numbers import Number, is_mean
from striate.runs.compared import answers
from striate.runs.openings import CHOICE
from striate.runs.run import Run, open_run

MOST = 2**24  # bytes of choice.json
Seconds = Annotated[float, Range(1, least=0)]


@final
@dataclass(frozen=True)
class Limits:
    """What a network may take: seconds of a picture here, parameters, bytes of a training step; and seconds in all."""

    latency: Seconds | None = None
    parameters: Annotated[float, Range(1, least=1)] | None = None
    memory: Count | None = None
    time: Seconds | None = None


@final
@dataclass(frozen=True)
class Candidate:
    """What is known of a network before it is trained; `error` is its published one on ImageNet, in per cent."""

    model: Text
    family: Text
    parameters: Count
    multiply_adds: Count
    latency: Seconds
    error: float | None = None


@final
@dataclass(frozen=True)
class Rung:
    """Trainings of one length, each with its own whole schedule: who is trained, for whom there is no time, and who
    went no further, and why."""

    epochs: Count
    models: tuple[Text, ...]
    late: Mapping[str, Text] = field(default_factory=dict)
    left: Mapping[str, Text] = field(default_factory=dict)
    ended: bool = False

    @property
    def kept(self) -> list[str]:
        return [each for each in self.models if each not in self.left]


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """choice.json: `removed` says why of networks that were not tried; `answer` are those that cannot be told from the
    best, the fastest first, which is taken; `told` what was said of it, once all is done. An epoch has `pictures`."""

    format: Literal[1]
    id: Text
    recipe: Mapping[str, Any]
    limits: Limits
    pictures: Count
    candidates: tuple[Candidate, ...]
    removed: Mapping[str, str]
    rungs: tuple[Rung, ...] = ()
    answer: tuple[Text, ...] = ()
    told: tuple[Text, ...] = ()
    spent: Seconds = 0.0


@final
@dataclass(frozen=True)
class Choice:
    """A folder and what stands in its choice.json."""

    folder: Path
    asked: Asked

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def run(self) -> Run | None:
        """The one that is taken, once that is known."""
        return self.of(self.asked.answer[0]) if self.asked.answer else None

    def of(self, model: str) -> Run:
        """The longest training of a network of the last rung."""
        return open_run(self.folder / name_of(model, len(self.asked.rungs)))

    def table(self) -> Table:
        """The answer: networks that cannot be told from the best, the fastest first."""
        known = {each.model: each for each in self.asked.candidates}
        rows = []
        for model in self.asked.answer:
            each, number = known[model], _number(self.of(model))
            rows.append(
                (model, number, f"{1e3 * each.latency:.3g} ms", roughly(each.parameters), roughly(each.multiply_adds))
            )
        chosen = many(len(self.asked.candidates), "network")
        notes = [f"Chosen from {chosen} on validation: the number flatters whoever is chosen.", *self.asked.told]
        return Table(("network", "validation", "latency", "parameters", "multiply-adds"), rows, notes=notes)

    def as_dict(self) -> dict[str, Any]:
        return {
            "choice": str(self.folder),
            "answer": list(self.asked.answer),
            "taken": None if self.run is None else str(self.run.folder),
            "candidates": len(self.asked.candidates),
            "result": None if self.run is None else self.run.result,
        }


def name_of(model: str, rung: int) -> str:
    """The name of a network's training on a rung, which is counted from 1."""
    return f"{model.replace(':', '-')}-rung-{rung}"


def open_choice(folder: str | os.PathLike[str]) -> Choice:
    """The choice in `folder`; a RunError when there is none, or it is damaged."""
    path = path_of(folder)
    if not (path / CHOICE).is_file():
        raise RunError(path, f"no choice: there is no {CHOICE} in it", "the folder that `striate choose` told")
    reading.refuse_link(path / CHOICE)
    return Choice(path, declared.read(Asked, reading.read_json(path / CHOICE, MOST), path / CHOICE))


def _number(run: Run) -> str:
    """The first measure on validation."""
    return brief(answers(run, "val").number("val"))


def brief(told: Number) -> str:
    """accuracy 98.1 % (96.0 % to 99.1 %, n = 359)."""
    if told.value is None or told.low is None or told.high is None:
        return f"{told.name} undefined"
    ends = (told.value, told.low, told.high)
    mean = is_mean(told.method)
    value, low, high = (decimal(each, 2) if mean else share(each, told.n) for each in ends)
    return f"{told.name} {value} ({low} to {high}, n = {told.n:,})"
