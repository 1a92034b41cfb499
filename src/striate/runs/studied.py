"""study.json and result.json of a study: what it was asked, and what came of it. Importing this imports no torch."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, final

from striate.base import reading
from striate.base.declared import OPEN, Count, Text, read
from striate.base.errors import RunError
from striate.base.options import Range
from striate.data.splits import MOST_FOLDS
from striate.evaluate.numbers import Number
from striate.runs.openings import STUDY

FORMAT, MOST = 1, 2**26  # of study.json; bytes of a file
RESULT = "result.json"


def in_files(model: str) -> str:
    """A network's name as files are called: timm:NAME and others have what some file systems do not know."""
    return model.replace(":", "-").replace("/", "-")


@final
@dataclass(frozen=True)
class Training:
    """One of a study: `fold` as a recipe says it, "2/5/1" for the second of five, once repeated."""

    name: str
    model: str
    seed: int
    fold: str | None


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """One recipe, as given, for every network of `models`, every seed and every fold.

    `keep_sealed`: the test set stays closed at the end. `data` is the name of the samples.
    """

    id: Annotated[str, re.compile(r"[0-9a-f]{32}")]
    models: tuple[Text, ...]
    seeds: tuple[Count, ...]
    folds: Annotated[int, Range(5, least=2, most=MOST_FOLDS)] | None = None
    repeats: Annotated[int, Range(1, least=1, most=MOST_FOLDS)] = 1
    keep_sealed: bool = False
    recipe: Mapping[str, Any]
    data: Text
    task: Text
    began: Text = ""
    command: Text = ""

    @property
    def trainings(self) -> list[Training]:
        """All of them, a network after the other within each seed and fold: what is stopped early can be compared."""
        places = [(repeat, fold) for repeat in range(self.repeats) for fold in range(self.folds or 1)]
        return [
            Training(self._name(model, seed, repeat, fold), model, seed, self._fold(repeat, fold))
            for repeat, fold in places
            for seed in self.seeds
            for model in self.models
        ]

    def _fold(self, repeat: int, fold: int) -> str | None:
        if self.folds is None:
            return None
        return f"{fold + 1}/{self.folds}" + (f"/{repeat}" if repeat else "")

    def _name(self, model: str, seed: int, repeat: int, fold: int) -> str:
        """resnet20-seed-0, lenet5-fold-2, lenet5-repeat-1-fold-2: what is the same for all is not told."""
        parts = [in_files(model)]
        parts += [f"seed-{seed}"] if self.folds is None or len(self.seeds) > 1 else []
        parts += [f"repeat-{repeat + 1}"] if self.repeats > 1 else []
        return "-".join([*parts, *([f"fold-{fold + 1}"] if self.folds else [])])


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One network of a study, over all its trainings that are done.

    `number` is on the pictures that decide, `test` on the test set where that was opened; `folds` are the values of
    single folds. `parameters` and `multiply_adds` of one pass over one canvas, which here takes `latency` seconds;
    `seconds` is the mean of its trainings. `front`: no other has a better number for as few multiply-adds.
    """

    model: Text
    trainings: Count
    number: Number
    test: Number | None = None
    folds: tuple[float | None, ...] = ()
    parameters: Count
    multiply_adds: Count | None
    seconds: float
    latency: float | None
    front: bool


@final
@dataclass(frozen=True, kw_only=True)
class Result:
    """result.json of a study, the best network first; what lies between each two stands in `pairs`."""

    subset: Literal["val", "held"]
    models: tuple[Row, ...]
    pairs: tuple[Mapping[str, Any], ...]
    test_pairs: tuple[Mapping[str, Any], ...] = ()
    failed: Mapping[str, str]
    openings: Count | None = None
    sealed: Count = 0
    machine: Text
    threads: Count

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def read_asked(folder: Path) -> Asked:
    """study.json; a RunError where there is none, or it cannot be meant."""
    path = folder / STUDY
    if not path.is_file():
        raise RunError(folder, "no study: there is no study.json in it", "a study that `striate runs` lists")
    for name in (STUDY, RESULT):
        reading.refuse_link(folder / name)
    facts = reading.read_json(path, MOST)
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise RunError(path, f"not a study of format {FORMAT}", "the striate that wrote it")
    found: Asked = read(Annotated[Asked, OPEN], facts, path)
    return found


def read_result(folder: Path) -> Result | None:
    """result.json, or None while there is none."""
    path = folder / RESULT
    if not path.exists():
        return None
    found: Result = read(Annotated[Result, OPEN], reading.read_json(path, MOST), path)
    return found
