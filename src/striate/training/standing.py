"""How far a list of trainings is: read from their run folders, so that it is the same on a cluster."""

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from striate.base import words
from striate.base.errors import RunError
from striate.runs import lock, schema
from striate.training.execution import Listener

# Seconds between two looks at the run folders, and names of those under way that are told at once.
LOOK, NAMED = 2.0, 3


@dataclass
class _Far:
    """A training's epochs that are done, all of them where known, and the seconds that each took."""

    done: int = 0
    of: int | None = None
    seconds: float | None = None
    begun: bool = False
    ended: bool = False


@final
class Standing:
    """What a listener is told of a list: what ended as it ends, and all of it now and then."""

    def __init__(self, folder: Path, names: Iterable[str], jobs: int, listener: Listener) -> None:
        self._folder, self._jobs, self._listener = folder, jobs, listener
        self._far = {name: _Far() for name in names}
        self._looked = 0.0

    def ended(self, name: str, cause: str = "") -> None:
        """One is done, or has failed of a cause."""
        far = self._far[name]
        self._look(name)
        far.ended, far.of = True, far.done if cause == "" else far.of
        count = sum(each.ended for each in self._far.values())
        self._listener.say(f"{name}: {f'failed: {cause}' if cause else 'done'} ({count} of {len(self._far)})")

    def tell(self) -> None:
        """Where all stands, where it is time for another look."""
        if time.monotonic() - self._looked < LOOK:
            return
        for name, far in self._far.items():
            if not far.ended:
                self._look(name)
        self._looked = time.monotonic()
        known = [far.of for far in self._far.values() if far.of]
        usual = sum(known) / len(known) if known else 0.0
        runs = [f"{name} {far.done}/{far.of}" for name, far in self._far.items() if far.begun and not far.ended]
        ended = sum(far.ended for far in self._far.values())
        name = f"{ended} of {len(self._far)} trainings done, {words.some(runs, NAMED) or 'starting'}"
        total = sum(far.of or usual for far in self._far.values())
        self._listener.progress(name, sum(far.done for far in self._far.values()), round(total), self._left(usual))

    def wait(self, seconds: float) -> None:
        """Until no training of the list is under way, at most so many seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and any(lock.is_held(self._folder / name) for name in self._far):
            time.sleep(LOOK / 10)

    def _look(self, name: str) -> None:
        far, folder = self._far[name], self._folder / name
        with contextlib.suppress(RunError):  # what is just being made is read at the next look
            facts = schema.glance(folder)
            epochs = schema.read_epochs(folder) if (folder / "epochs.csv").exists() else []
            far.begun, far.done, far.of = True, len(epochs), facts["recipe"].get("epochs")
            far.seconds = sum(row["seconds"] for row in epochs) / len(epochs) if epochs else None

    def _left(self, usual: float) -> float | None:
        """Seconds until the last ends, as the ones before went; None while nothing is known."""
        known = [far.seconds for far in self._far.values() if far.seconds is not None]
        if not known:
            return None
        mean, open_ = sum(known) / len(known), [far for far in self._far.values() if not far.ended]
        work = [((far.of or usual) - far.done) * (far.seconds or mean) for far in open_]
        return max([sum(work) / self._jobs, *work], default=0.0)
