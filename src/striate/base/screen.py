"""What a person sees of long work: sentences, and in a terminal one bar, else a line where it takes long."""

import sys
import time
from collections.abc import Sequence
from typing import Protocol, Self, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from striate.base.errors import escaped
from striate.base.processes import speaks
from striate.base.words import duration

# Off a terminal: seconds of silence after which is told how far a work is; twice as many each time, up to the most.
SILENCE, MOST_SILENCE = 10.0, 60.0
BAR = 12  # columns; a terminal has a bar where it has four times as many


class Told(Protocol):
    """What an epoch came to: a line as text, or in parts, the first the most worth knowing."""

    def parts(self) -> Sequence[str]: ...


@final
class Screen:
    """`quiet`: sentences go to stderr, for stdout is read by a program. One process of a group speaks."""

    def __init__(self, quiet: bool = False) -> None:
        self._speaks = speaks()
        # in a notebook lines as well: rich's bar there needs another package
        self._console = Console(stderr=quiet, highlight=False, markup=False, soft_wrap=True, force_jupyter=False)
        terminal = (sys.stderr if quiet else sys.stdout).isatty() and not self._console.is_dumb_terminal
        columns = [BarColumn(BAR)] if self._console.width >= 4 * BAR else []
        self._bar = Progress(
            TextColumn("{task.description}"), *columns, TextColumn("{task.fields[told]}"), console=self._console,
            transient=True, disable=not (self._speaks and terminal),
        )  # fmt: skip
        self._taken = 2 + (BAR + 1) * len(columns)
        self._task = self._bar.add_task("starting", total=None, told="")
        self._epoch: Sequence[str] = ()
        self._silence, self._said = SILENCE, time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        self._said = time.monotonic()
        if self._speaks:
            self._console.print(escaped(text))

    def progress(self, name: str, done: int, total: int, left: float | None = None) -> None:
        if self._bar.disable:
            if time.monotonic() - self._said >= self._silence:
                self._silence = min(2 * self._silence, MOST_SILENCE)
                self.say(f"{name}: {done:,} of {total:,}" + ("" if left is None else f", {duration(left)} left"))
            return
        task = self._bar.tasks[self._task]
        if task.description != name:
            self._bar.reset(self._task, description=name)
        left = task.time_remaining if left is None else left
        speed = [] if task.speed is None else [f"{task.speed:.1f}/s"]
        parts = [f"{done:,}/{total:,}", *([] if left is None else [f"{duration(left)} left"]), *self._epoch, *speed]
        told = fitting(parts, self._console.width - self._taken - len(name))
        self._bar.update(self._task, completed=done, total=total, told=told)

    def epoch(self, epoch: Told) -> None:
        """A line; in a terminal the bar shows it from now on."""
        self._epoch = epoch.parts()
        if self._bar.disable:
            self.say(str(epoch))


def fitting(parts: Sequence[str], columns: int) -> str:
    """So many of the parts as fit into so many columns, the first first."""
    told = ""
    for part in parts:
        longer = f"{told}  {part}".lstrip()
        if len(longer) > columns:
            break
        told = longer
    return told
