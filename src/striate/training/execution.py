"""How a training is carried out, and who is told of it. Importing this file does not import torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from striate.base.errors import UsageError

MOST_WORKERS = 256


class Listener(Protocol):
    """Who is told of progress."""

    def say(self, text: str) -> None: ...

    def progress(self, name: str, done: int, total: int) -> None: ...


@dataclass(frozen=True)
class Execution:
    """How a recipe is carried out; nothing here changes a bit of the result."""

    runs: Path = Path("runs")
    workers: int | None = None
    """Worker processes; None means none for resident pictures, else one a core."""
    memory: Literal["auto", "resident", "streamed"] = "auto"
    save_every: float = 30.0
    """Seconds between generations."""
    command: str = ""
    """What was typed or called, for run.json."""

    def __post_init__(self) -> None:
        if self.workers is not None and not 0 <= self.workers <= MOST_WORKERS:
            raise UsageError("workers", f"{self.workers} is out of range", f"a number from 0 to {MOST_WORKERS}")
        if not self.save_every >= 0:
            raise UsageError("save-every", f"{self.save_every} is out of range", "a number of seconds, 0 or more")
