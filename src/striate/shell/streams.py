"""Standard output and error as a command meets them: they may be closed, full, or a terminal that is gone."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, final

from striate.base.errors import MachineError


@contextlib.contextmanager
def guarded(*, lasting: bool) -> Iterator[None]:
    """Both streams while a command works.

    `lasting`: the work goes on when one of them fails, and what is still said there is lost. Otherwise a reader that
    left ends the command, as everywhere, and any other trouble is a `MachineError`.
    """
    before = sys.stdout, sys.stderr
    out, err = _Guarded(before[0], "standard output", lasting), _Guarded(before[1], "standard error", lasting)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        if lasting and out.lost and not isinstance(out.lost, BrokenPipeError):
            with contextlib.suppress(OSError, ValueError):
                print(f"warning: standard output could not be written ({out.lost.strerror})", file=before[1])


@final
class _Guarded:
    """A text stream whose writes never raise what a caller would have to expect of a terminal."""

    def __init__(self, stream: TextIO | None, name: str, lasting: bool) -> None:
        self._stream = open(os.devnull, "w") if stream is None else stream  # noqa: SIM115, PTH123 - None: it was closed
        self._name, self._lasting = name, lasting
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        self._tried(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._tried(self._stream.flush)

    def _tried(self, work: Any) -> None:
        if self.lost:
            return
        try:
            work()
        except OSError as error:
            self.lost = error
            self._leave()
            if self._lasting:
                return
            if isinstance(error, BrokenPipeError):
                raise
            cause = f"it cannot be written ({error.strerror})"
            raise MachineError(self._name, cause, "a terminal or a file with room") from None

    def _leave(self) -> None:
        """What is still in its buffers goes nowhere, at the end of the program too."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
