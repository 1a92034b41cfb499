"""Whether the processes of a group live: each says so every few seconds, where they met, and listens to the next one.

What a process does between two meetings may take hours; that it is silent never does. A connection that is closed ends
the others at once; this ends them where nothing is closed, for a machine or its network is gone.
"""

import os
import sys
import threading
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

EVERY = 3.0  # seconds between two beats
SOON = 0.05  # the same until the next one is heard
MISSED = 6  # beats of one's own without one of the next: a machine that sleeps as a whole misses none
UNMET = 200  # the same before its first one, while it still starts
LEFT = "left"


@final
class Pulse:
    """Two threads of this process: one asks, and may wait for ever for an answer; one counts how long there is no news.

    `speaks`: it says in one sentence why it ends all.
    """

    def __init__(self, store: "Store", rank: int, world: int, speaks: bool) -> None:
        self._store, self._rank, self._next, self._speaks = store, rank, (rank + 1) % world, speaks
        self._over, self._news, self._missed_most = threading.Event(), 0, UNMET
        self._asking, self._counting = (
            threading.Thread(target=work, name="pulse", daemon=True) for work in (self._ask, self._count)
        )
        self._asking.start()
        self._counting.start()

    def end(self) -> None:
        """This process leaves the group, and is not missed."""
        self._over.set()
        self._counting.join()
        self._asking.join(EVERY)

    def _ask(self) -> None:
        heard, beats, place = b"", 0, f"pulse {self._next}"
        try:
            while not self._over.wait(EVERY if heard else SOON if beats else 0):
                beats += 1
                self._store.set(f"pulse {self._rank}", str(beats))
                now = self._store.get(place) if self._store.check([place]) else b""
                if now not in (b"", heard) or now == LEFT.encode():
                    heard, self._news, self._missed_most = now, self._news + 1, MISSED
            self._store.set(f"pulse {self._rank}", LEFT)
        except RuntimeError:  # the store is gone, and with it the process that kept it
            if not self._over.is_set():
                self._give_up("the place where the processes met is gone")

    def _count(self) -> None:
        missed = known = 0
        while not self._over.wait(EVERY):
            missed, known = (0 if self._news > known else missed + 1), self._news
            if missed >= self._missed_most:
                self._give_up(f"process {self._next} has not been heard of for {missed * EVERY:.0f} seconds")

    def _give_up(self, cause: str) -> None:
        """The thread that trains may wait for the others for ever: this process ends as if it were killed."""
        if self._speaks:
            hint = "striate train --resume with its run folder goes on where it was saved"
            sys.stderr.write(f"error[run]: several processes: {cause}. Try: {hint}\n")
            sys.stderr.flush()
        os._exit(4)
