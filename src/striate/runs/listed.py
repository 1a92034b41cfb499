"""Runs at a glance: what a list shows of each. Importing this file does not import torch, which takes seconds."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, final

from striate.base import words
from striate.base.errors import RunError, escaped
from striate.base.tables import Table, html_table
from striate.base.words import duration
from striate.evaluate.numbers import known
from striate.runs import chosen, lock, schema, studied
from striate.runs.openings import CHOICE, STUDY

Order = Literal["date", "name", "model", "duration", "result"]
# What a list shows of a result.
TOLD = ("subset", "n", "numbers", "baselines", "best_epoch", "openings")


@final
@dataclass(frozen=True)
class Listed:
    """`epochs` have ended of `epochs_of`; `began` is in UTC; `cause` says why a run ended early or cannot be read.

    What is not known, as of a run of before, is empty or None. `seconds` of a run that has not ended are those of its
    epochs.
    """

    run: str
    status: str
    model: str = ""
    task: str = ""
    data: str = ""
    epochs: int | None = None
    epochs_of: int | None = None
    began: str = ""
    seconds: float | None = None
    command: str = ""
    result: Mapping[str, Any] | None = None
    cause: str = ""

    @property
    def name(self) -> str:
        return Path(self.run).name

    @property
    def date(self) -> str:
        """When it began, by the clock of this place."""
        return datetime.fromisoformat(self.began).astimezone().strftime("%Y-%m-%d %H:%M") if self.began else ""

    @property
    def progress(self) -> str:
        return "" if self.epochs is None else f"{self.epochs}/{self.epochs_of or '?'}"

    @property
    def duration(self) -> str:
        return "" if self.seconds is None else duration(self.seconds)

    @property
    def told(self) -> str:
        """The number to quote; or why there is none."""
        return known(self.result["numbers"][0]).brief if self.result else self.cause

    def __repr__(self) -> str:
        where = f"{self.model} on {self.data}" if self.model else ""
        parts = [self.status, where, self.told or (f"epoch {self.progress}" if self.progress else "")]
        return escaped(f"Run({self.name!r}, {', '.join(filter(None, parts))})")

    def _repr_html_(self) -> str:
        rows = {
            "status": self.status, "network": self.model, "data": self.data, "epochs": self.progress,
            "began": self.date, "duration": self.duration, "command": self.command, "result": self.told,
        }  # fmt: skip
        return html_table(Table(("run", self.name), [row for row in rows.items() if row[1]]))


def listed(root: Path, order: Order = "date") -> list[Listed]:
    """Every run in `root`, rising, so that the newest, longest or best is the last; what is not known comes first."""
    found = [look(folder) for folder in folders(root)]  # by name, and so are equal ones
    return found if order == "name" else sorted(found, key=lambda each: _key(each, order))


def folders(root: Path) -> list[Path]:
    """Every run folder, every study and every choice in `root`, by name; 9 is before 10."""
    try:
        names = sorted(root.iterdir(), key=_natural) if root.is_dir() else []
    except OSError as error:
        raise RunError(root, f"cannot be listed ({error.strerror})", "a folder that you may read") from None
    return [path for path in names if any(os.path.lexists(path / name) for name in ("run.json", STUDY, CHOICE))]


def status_of(folder: Path, facts: Mapping[str, Any]) -> str:
    """running, stopped by a signal, failed, done; or killed, when it says running and no process holds it."""
    status = str(facts["status"])
    return "killed" if status == "running" and not lock.is_held(folder) else status


def look(folder: Path, facts: Mapping[str, Any] | None = None) -> Listed:
    """One run, of these facts or those on disk; one that cannot be read is damaged, says why, and hides no other."""
    if facts is None and os.path.lexists(folder / STUDY):
        return of_study(folder)
    if facts is None and os.path.lexists(folder / CHOICE):
        return of_choice(folder)
    try:
        facts = facts or schema.glance(folder)
        if facts["status"] == "damaged":
            return Listed(str(folder), "damaged", cause=facts["cause"])
        epochs = schema.read_epochs(folder) if os.path.lexists(folder / "epochs.csv") else []
        result = schema.read_result(folder, facts) if os.path.lexists(folder / "result.json") else None
    except RunError as error:
        return Listed(str(folder), "damaged", cause=f"{Path(error.where).name}: {error.cause}")
    last = facts["recipe"].get("epochs")  # which only training reads
    return Listed(
        run=str(folder),
        status=status_of(folder, facts),
        model=facts["network"]["name"],
        task=str(facts["task"].get("name", "")),
        data=facts["data"]["name"],
        epochs=None if schema.joined(facts) else len(epochs),
        epochs_of=last if isinstance(last, int) else None,
        began=facts.get("began", ""),
        seconds=facts.get("seconds") or sum(row.get("seconds", 0.0) for row in epochs) or None,
        command=facts.get("command", ""),
        result=result and {key: result[key] for key in TOLD if key in result},
        cause=facts.get("cause", ""),
    )


def of_study(folder: Path) -> Listed:
    """A study in one line: its networks, how many trainings are done, and the best number once it is decided."""
    try:
        asked, result = studied.read_asked(folder), studied.read_result(folder)
    except RunError as error:
        return Listed(str(folder), "damaged", cause=f"{Path(error.where).name}: {error.cause}")
    done = sum(_is_done(folder / each.name) for each in asked.trainings)
    many_times = f" x {words.many(len(asked.trainings) // len(asked.models), 'training')}"
    best = result.models[0] if result else None
    number = best and best.number.as_dict() | {"name": f"{best.number.name} of {best.model}"}
    return Listed(
        run=str(folder),
        status="done" if result else "running" if lock.is_held(folder) else "stopped",
        model=words.some(asked.models, 3) + many_times,
        task=asked.task,
        data=asked.data,
        began=asked.began,
        seconds=None if result is None else sum(row.seconds * row.trainings for row in result.models),
        command=asked.command,
        result=number and {"subset": number["subset"], "n": number["n"], "numbers": [number]},
        cause=f"{done} of {words.many(len(asked.trainings), 'training')} done",
    )


def of_choice(folder: Path) -> Listed:
    """A choice in one line: how many networks there were, and the number of the one that was taken."""
    try:
        asked = chosen.read_asked(folder)
    except RunError as error:
        return Listed(str(folder), "damaged", cause=f"{Path(error.where).name}: {error.cause}")
    taken = look(folder / asked.run) if asked.told else None
    among = f"{words.many(len(asked.candidates), 'network')} to choose from"
    return Listed(
        run=str(folder),
        status="done" if taken else "running" if lock.is_held(folder) else "stopped",
        model=f"{asked.answer[0]} of {words.many(len(asked.candidates), 'network')}" if taken else among,
        task=asked.task,
        data=asked.data,
        began=asked.began,
        seconds=asked.spent,
        command=asked.command,
        result=taken and taken.result,
        cause=taken.cause if taken else f"rung {len(asked.rungs)}",
    )


def _is_done(folder: Path) -> bool:
    try:
        return bool(schema.glance(folder)["status"] == "done")
    except RunError:
        return False


def _key(run: Listed, order: Order) -> tuple[Any, ...]:
    """Results of one kind stand together: their first numbers are of one name."""
    number = run.result["numbers"][0] if run.result else {"name": "", "value": None}
    keys: dict[str, tuple[Any, ...]] = {
        "date": (run.began,),
        "model": tuple(_natural(Path(run.model))),
        "duration": (run.seconds or 0.0,),
        "result": (number["name"], number["value"] is not None, number["value"] or 0.0),
    }
    return keys[order]


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]
