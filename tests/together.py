"""Several processes that work as one, forked from a test: they have torch loaded already."""

import multiprocessing
import os
import signal
import socket
import traceback

from striate.base import processes


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def started(count, work, *given):
    """Processes of one group, each of which calls work(*given)."""
    port, context = free_port(), multiprocessing.get_context("fork")

    def member(rank):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "LOCAL_RANK": str(rank)}
        os.environ |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
        try:
            work(*given)
        except Exception:
            traceback.print_exc()
            raise

    members = [context.Process(target=member, args=(rank,)) for rank in range(count)]
    for each in members:
        each.start()
    return members


def ended(members, seconds=300):
    """Their exit codes; whoever has not ended by then is killed."""
    for each in members:
        each.join(seconds)
    codes = [each.exitcode for each in members]
    for each in members:
        if each.exitcode is None:
            each.kill()
            each.join()
    return codes


def met(work, *given):
    """Calls work(*given) where the processes have met."""
    with processes.group("cpu"):
        work(*given)


class Watched:
    """Hands pictures on and remembers whose they were."""

    def __init__(self, pictures, seen):
        self._pictures, self._seen = pictures, seen

    def batches(self, groups):
        for batch in self._pictures.batches(groups):
            self._seen.append(batch.indices.tolist())
            yield batch
