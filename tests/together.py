"""Several processes that work as one, for a test: they have torch loaded already."""

import multiprocessing
import os
import signal
import socket
import traceback

import cloudpickle

from striate.base import processes, pulse
from striate.runs.openings import NAME


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def started(count, work, *given, beat=None):
    """Processes of one group, each of which calls work(*given); `beat`: seconds between those of a pulse."""
    port = free_port()
    return [begun(_member, rank, count, port, beat, work, given) for rank in range(count)]


def begun(work, *given):
    """A process of its own that calls work(*given).

    It is a copy of one that has no threads: whoever is copied in the middle of a test's own may wait for ever.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["striate.training.train", "torch._dynamo", "sklearn.datasets", "sklearn.svm", "pytest"]
    )
    process = context.Process(target=_called, args=(cloudpickle.dumps((work, given)),))
    process.start()
    return process


def _called(told):
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    work, given = cloudpickle.loads(told)
    try:
        work(*given)
    except Exception:
        traceback.print_exc()
        raise


def _member(rank, count, port, beat, work, given):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "LOCAL_RANK": str(rank)}
    os.environ |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    pulse.EVERY = beat or pulse.EVERY
    work(*given)


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


def killed_after(folder, writes, work, *given):
    """Calls work(*given) in a process that is killed after so many writes since `folder` tells of an opening."""
    assert ended(started(1, _dying, folder / NAME, writes, work, given)) == [-signal.SIGKILL]


def _dying(opened, writes, work, given):
    real, left = os.fsync, iter(range(writes))

    def sync(handle):
        if opened.exists() and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        real(handle)

    os.fsync = sync
    work(*given)
