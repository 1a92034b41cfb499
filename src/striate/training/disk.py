"""A disk that is full once is survived: what could not be written is tried again with the next save."""

from collections.abc import Callable
from typing import final

from striate.base.errors import MachineError
from striate.training.plan import Listener


@final
class Disk:
    """What a training writes, by name; each is a call that writes what is so at its time."""

    def __init__(self, listener: Listener) -> None:
        self.failing = False
        self._say, self._waiting = listener.say, dict[str, Callable[[], object]]()

    def write(self, name: str, action: Callable[[], object]) -> None:
        """Now; or with the next save, where the last one failed."""
        self._waiting[name] = action
        if not self.failing:
            self._try()

    def save(self, name: str, action: Callable[[], object]) -> None:
        """This and what waits. The first failure is told and survived, the second in a row is a MachineError."""
        self._waiting[name] = action
        self._try()

    def insist(self, name: str, action: Callable[[], object]) -> None:
        """Save what later steps need: a failure is told, and tried again at once."""
        self.save(name, action)
        if self.failing:
            self._try()

    def _try(self) -> None:
        failures = []
        for name, action in list(self._waiting.items()):
            try:
                action()
                del self._waiting[name]
            except MachineError as error:
                failures.append(error)
        before, self.failing = self.failing, bool(failures)
        if failures and before:
            raise failures[0]
        if failures:
            self._say(f"not saved: {failures[0]}. What was saved before stands; it is tried again with the next save")
