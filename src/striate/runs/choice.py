"""The folder of a choice: which networks were thought of, what was tried of them, and which one was taken."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from striate.base.errors import escaped
from striate.base.paths import path_of
from striate.base.tables import Table, html_table
from striate.base.units import roughly
from striate.base.words import many
from striate.evaluate.numbers import Number
from striate.runs.chosen import Asked, brief, name_of, read_asked
from striate.runs.compared import answers
from striate.runs.listed import look
from striate.runs.run import Run, open_run


@final
@dataclass(frozen=True)
class Choice:
    """A folder and what stands in its choice.json."""

    folder: Path
    asked: Asked

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        told = look(self.folder)
        return escaped(f"Choice({self.folder.name!r}, {told.status}, {told.model} on {told.data}, {told.told})")

    def _repr_html_(self) -> str:
        return html_table(self.table())

    @property
    def run(self) -> Run | None:
        """The one that is taken, once that is known."""
        return open_run(self.folder / self.asked.run) if self.asked.answer else None

    def of(self, model: str) -> Run:
        """The longest training of a network of the last rung."""
        return open_run(self.folder / name_of(model, len(self.asked.rungs)))

    def numbers(self) -> list[dict[str, Number]]:
        """The first measure on validation of every training that is done, by rung and network."""
        return [
            {model: _number(open_run(self.folder / name_of(model, place))) for model in rung.done}
            for place, rung in enumerate(self.asked.rungs, start=1)
        ]

    def table(self) -> Table:
        """The answer: networks that cannot be told from the best, the fastest first."""
        known = {each.model: each for each in self.asked.candidates}
        rows, linear = [], self.asked.linear
        if linear is not None and linear.as_good:
            rows.append((linear.name, brief(linear.number), "", "", ""))
        for model in self.asked.answer:
            each, number = known[model], brief(_number(self.of(model)))
            rows.append((model, number, each.told, roughly(each.parameters), roughly(each.multiply_adds)))
        chosen = many(len(self.asked.candidates), "network")
        notes = [f"Chosen from {chosen} on validation: the number flatters whoever is chosen.", *self.asked.told]
        notes += [str(each) for each in (self.asked.seeds, linear) if each is not None]
        return Table(("network", "validation", "latency", "parameters", "multiply-adds"), rows, notes=notes)

    def as_dict(self) -> dict[str, Any]:
        return {
            "choice": str(self.folder),
            "answer": list(self.asked.answer),
            "seeds": None if self.asked.seeds is None else dataclasses.asdict(self.asked.seeds),
            "linear": None if self.asked.linear is None else dataclasses.asdict(self.asked.linear),
            "taken": None if self.run is None else str(self.run.folder),
            "candidates": len(self.asked.candidates),
            "result": None if self.run is None else self.run.result,
        }


def open_choice(folder: str | os.PathLike[str]) -> Choice:
    """The choice in `folder`; a RunError when there is none, or it is damaged."""
    path = path_of(folder)
    return Choice(path, read_asked(path))


def _number(run: Run) -> Number:
    """The first measure on validation."""
    return answers(run, "val").number("val")
