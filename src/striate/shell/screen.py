"""What a person sees while a command works: sentences, and in a terminal one bar with rate and time left."""

import sys
from typing import Self, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from striate.base.errors import escaped
from striate.base.processes import speaks


@final
class Screen:
    """`quiet`: sentences go to stderr, for stdout is read by a program. One process of a group speaks."""

    def __init__(self, quiet: bool = False) -> None:
        self._speaks = speaks()
        self._console = Console(stderr=quiet, highlight=False, markup=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(), console=self._console, transient=True,
            disable=not (self._speaks and sys.stdout.isatty()),
        )  # fmt: skip
        self._task = self._bar.add_task("starting", total=None, rate="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        if self._speaks:
            self._console.print(escaped(text))

    def progress(self, name: str, done: int, total: int) -> None:
        if self._bar.disable:
            return
        speed = self._bar.tasks[self._task].speed
        rate = "" if speed is None else f"{speed:.1f}/s"
        if self._bar.tasks[self._task].description != name:
            self._bar.reset(self._task, description=name)
        self._bar.update(self._task, completed=done, total=total, rate=rate)
