"""How long a training still takes, from what its own steps and validations took."""

import time
from typing import final


@final
class Pace:
    """The first step, which warms up, is left out where there are others; no bit of a training depends on it."""

    def __init__(self, validation: float) -> None:
        """`validation`: in how many steps one is done, until one was timed."""
        self.seconds = 0.0
        self._steps, self._first, self._stepping = 0, 0.0, 0.0
        self._guess, self._validations, self._validating = validation, 0, 0.0
        self._at = time.monotonic()

    def begin(self) -> None:
        """Here an epoch begins; what went before is nobody's time."""
        self._at = time.monotonic()

    def stepped(self) -> None:
        took = self._took()
        if self._steps == 0:
            self._first = took
        self._steps, self._stepping = self._steps + 1, self._stepping + took

    def validated(self) -> None:
        self._validations, self._validating = self._validations + 1, self._validating + self._took()

    def step(self) -> float:
        """Seconds of a step."""
        if self._steps < 2:
            return self._first
        return (self._stepping - self._first) / (self._steps - 1)

    def left(self, steps: int, validations: int) -> float:
        """Seconds for so many more of each."""
        each = self._validating / self._validations if self._validations else self._guess * self.step()
        return steps * self.step() + validations * each

    def _took(self) -> float:
        now = time.monotonic()
        took, self._at = now - self._at, now
        self.seconds += took
        return took
