"""SIGTERM, SIGINT and SIGHUP ask once for a stop at the next step; a second one stops at once.

One that is ignored already, as under nohup, stays so.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import final

from striate.base.errors import HungUp, Interrupted, StriateError, Terminated

# Windows has no SIGHUP.
_STOPS = {
    getattr(signal, name): kind
    for name, kind in (("SIGTERM", Terminated), ("SIGINT", Interrupted), ("SIGHUP", HungUp))
    if hasattr(signal, name)
}


@final
class Stop:
    """Set by a signal, read between steps."""

    def __init__(self) -> None:
        self.by: int | None = None

    def error(self, where: object, saved: bool, hint: str = "") -> StriateError:
        """`hint` is how to go on, where it is not one training that was stopped."""
        what = "everything so far is saved" if saved else "the last save failed, an older one stands"
        return _STOPS[self.by or signal.SIGTERM](
            where, f"stopped by a signal, {what}", hint or f"striate train --resume {where}"
        )


@contextlib.contextmanager
def listening() -> Iterator[Stop]:
    """A Stop that signals set; outside the main thread nothing listens."""
    stop = Stop()

    def receive(number: int, frame: FrameType | None) -> None:
        if stop.by is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.by = number

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    heeded = [number for number in _STOPS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, receive) for number in heeded}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
