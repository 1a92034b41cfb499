"""A study: many trainings of one recipe in one folder, and what was decided between them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import final

from striate.base.errors import RunError, escaped
from striate.base.paths import path_of
from striate.base.tables import Table, html_table
from striate.evaluate.contrasts import Contrast, known
from striate.runs import studied
from striate.runs.listed import of_study
from striate.runs.ranking import sentences
from striate.runs.run import Run, open_run
from striate.runs.studied import Asked, Result


@final
@dataclass(frozen=True)
class Study:
    """A folder and what stands in its study.json."""

    folder: Path
    asked: Asked

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        told = of_study(self.folder)
        return escaped(f"Study({self.name!r}, {told.status}, {told.model} on {told.data}, {told.told})")

    def _repr_html_(self) -> str:
        return html_table(Table(("study", self.name), [(each,) for each in self.told()]))

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def status(self) -> str:
        """done, running or stopped."""
        return of_study(self.folder).status

    @property
    def runs(self) -> Mapping[str, Run]:
        """Its trainings that are done, by name."""
        found = {}
        for each in self.asked.trainings:
            try:
                run = open_run(self.folder / each.name)
            except RunError:
                continue
            if run.status == "done" and run.result is not None:
                found[each.name] = run
        return found

    @cached_property
    def result(self) -> Result | None:
        """result.json, or None while there is none."""
        return studied.read_result(self.folder)

    @property
    def pairs(self) -> list[Contrast]:
        """What lies between each two networks, on the pictures that decide."""
        return [] if self.result is None else [known(each) for each in self.result.pairs]

    def told(self) -> list[str]:
        """In sentences; nothing is claimed that a test leaves open."""
        return [] if self.result is None else sentences(self.result)


def open_study(folder: str | os.PathLike[str]) -> Study:
    """The study in `folder`; a RunError when there is none, or its study.json is damaged."""
    path = path_of(folder)
    return Study(path, studied.read_asked(path))
