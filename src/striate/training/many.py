"""Many trainings are a list of recipes: each is a run folder of its own, done at most once.

On this machine, or on a cluster of Dask whose workers see the same files. What was stopped goes on, what fails is
named, and the rest go on.
"""

import contextlib
import dataclasses
import re
import shlex
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, final

import joblib

from striate.base import declared, durable, reading
from striate.base.errors import Fault, MachineError, RunError, StriateError, UsageError
from striate.base.foreign import missing_package, raised
from striate.base.options import Range
from striate.base.words import many
from striate.data.load import Data
from striate.runs import lock
from striate.runs.openings import CHOICE, STUDY
from striate.runs.run import Run, open_run
from striate.training.abreast import abreast, tried
from striate.training.apart import GRACE, Asked, train_apart
from striate.training.execution import DASK, MOST_AT_ONCE, Listener
from striate.training.execution import Carried as Carried
from striate.training.recipe import Recipe
from striate.training.signals import listening
from striate.training.standing import Standing

RECORD = "many.json"
MOST = 2**26  # bytes of a record
LOOK = 0.5  # seconds between two looks at what runs
CONNECTING = 10.0  # seconds until a scheduler has to have answered
Answer = Future[StriateError | None]
Some = Annotated[int, Range(1, least=1, most=MOST_AT_ONCE)]


@final
@dataclass(frozen=True)
class Ended:
    """How a training of a list ended: its run where it came so far, and the cause where it is not done."""

    name: str
    run: Run | None
    cause: str = ""


@final
@dataclass(frozen=True)
class Record:
    """many.json: the threads that bits depend on, and by name what the recipes of this folder set that is not usual."""

    format: Literal[1]
    threads: Some
    jobs: Some
    trainings: Mapping[str, Mapping[str, Any]]


def train_many(
    recipes: Mapping[str, Recipe], folder: Path, carried: Carried, listener: Listener, data: Data | None = None
) -> Mapping[str, Ended]:
    """Have each recipe trained in the run folder `folder`/NAME; how each ended, in the order of `recipes`.

    What is done is not run again, what was stopped goes on; a training that fails is named, and the rest go on.
    SIGINT, SIGTERM and SIGHUP have all that run save, and end the list with that error. `data` are pictures in memory,
    where the recipes cannot name them. While it works the lock of `folder` is held: a RunError where another list is.
    """
    folder = folder.absolute()
    if data is not None and carried.on:
        raise UsageError("on", "pictures in memory are on this machine alone", "a folder that all machines see")
    durable.make_folder(folder)
    with contextlib.ExitStack() as held:
        held.enter_context(lock.alone(folder, listener.say))
        durable.sweep(folder, re.escape(RECORD))
        asked = {
            name: Asked(recipe, folder / name, carried.threads or 1, carried.execution, Path.cwd())
            for name, recipe in recipes.items()
        }
        record = _recorded(asked, folder, carried, listener, data)
        asked = {name: dataclasses.replace(each, threads=record.threads) for name, each in asked.items()}
        ended = {name: Ended(name, run) for name in recipes if (run := _done(folder / name)) is not None}
        standing = Standing(folder, recipes, record.jobs, listener)
        for name in ended:
            standing.ended(name)
        with listening() as stop, _pool(carried.on, record.jobs) as pool:
            waiting = {pool.submit(train_apart, asked[name], data): name for name in recipes if name not in ended}
            try:
                while waiting and stop.by is None:
                    for future in wait(waiting, LOOK, FIRST_COMPLETED)[0]:
                        name = waiting.pop(future)
                        ended[name] = _ended(future, folder / name)
                        standing.ended(name, ended[name].cause)
                    standing.tell()
            finally:
                held.close()  # what still runs sees that nobody holds the list, saves and ends
                for future in waiting:
                    future.cancel()
            if stop.by is not None:
                listener.say("stopping: each training saves first; a second signal does not wait for that")
                standing.wait(GRACE)
                raise stop.error(folder, saved=True, hint=_again(folder))
    return {name: ended[name] for name in recipes}


def _recorded(
    asked: Mapping[str, Asked], folder: Path, carried: Carried, listener: Listener, data: Data | None
) -> Record:
    """The record of this list, with what is asked for now; threads stay as they were."""
    for name in asked:
        if not re.fullmatch(r"\w[\w.+-]{0,199}", name):
            raise UsageError("name", f"{name!r} is no name of a training", "letters, digits, - and _")
    path = folder / RECORD
    before = _read(path) if path.exists() else None
    if before is not None and carried.threads not in (None, before.threads):
        cause = f"this list began with {before.threads}, and equal bits need equal threads"
        raise UsageError("threads", cause, "leaving it out, or a new list")
    now = {name: _unusual(each.recipe) for name, each in asked.items()}
    trainings = {} if before is None else before.trainings
    for name in now.keys() & trainings.keys():
        here, there = now[name], trainings[name]
        if other := [key for key in {**here, **there} if here.get(key) != there.get(key)]:
            cause = f"it was begun with another recipe ({', '.join(other)})"
            raise RunError(folder / name, cause, "another name, or a new list: --runs")
    threads, jobs = carried.threads, carried.jobs
    if before is not None:
        threads, jobs = before.threads, jobs or before.jobs
    elif threads is None and not carried.on:
        listener.progress("trying how many at once", 0, 1)
        fitting, threads, why = abreast(tried(list(asked.values()), data))
        jobs = jobs or fitting
        listener.say(f"{jobs} at once, {many(threads, 'thread')} each: {why}")
    threads = threads or 1  # a cluster's worker has as many trainings at once as it has threads
    jobs = jobs or max(1, joblib.cpu_count() // threads)
    record = Record(1, threads, jobs, {**trainings, **now})
    durable.write_json(path, dataclasses.asdict(record))
    return record


def jobs_of(folder: Path) -> int:
    """How many trainings of the list in `folder` go at once."""
    return _read(folder / RECORD).jobs


def _unusual(recipe: Recipe) -> dict[str, Any]:
    """What a recipe sets, as JSON has it."""
    usual = dataclasses.asdict(Recipe(data=""))
    given = {key: value for key, value in dataclasses.asdict(recipe).items() if value != usual[key]}
    found: dict[str, Any] = durable.as_read(given)
    return found


def _read(path: Path) -> Record:
    reading.refuse_link(path)
    found: Record = declared.read(Record, reading.read_json(path, MOST), path)
    return found


def _done(folder: Path) -> Run | None:
    """The run in a folder where it is done."""
    with contextlib.suppress(RunError):
        run = open_run(folder)
        return run if run.status == "done" and run.result is not None else None
    return None


def _again(folder: Path) -> str:
    """What goes on with the list in this folder."""
    for file, verb in ((STUDY, "study"), (CHOICE, "choose")):
        if (folder / file).exists():
            return f"striate {verb} --resume {shlex.quote(str(folder))}"
    return "the same again: what is done is not done again"


def _ended(future: Answer, folder: Path) -> Ended:
    run = None
    try:
        error = future.result()
    except Exception as failed:  # of the cluster, of a process that could not be started
        error = Fault(folder, raised(failed), _again(folder.parent))
    with contextlib.suppress(RunError):
        run = open_run(folder)
    return Ended(folder.name, run, "" if error is None else str(error))


@contextlib.contextmanager
def _pool(on: str, jobs: int) -> Iterator[Executor]:
    """What trainings are handed to: threads that each wait for a process here, or the workers of a cluster."""
    if not on:
        with ThreadPoolExecutor(jobs) as pool:
            yield pool
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise missing_package(f"--on {on}", error, "cluster") from error
    address = on.removeprefix(DASK)
    try:
        client = Client(address, timeout=CONNECTING)
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # the last two: no certificates; TLS is required
        cause = f"no scheduler of Dask answers there ({raised(error)})"
        hint = "dask scheduler, and for each worker dask worker ADDRESS"
        hint += "; with certificates, as docs/many.md says" if address.startswith("tls") else ""
        raise MachineError(f"--on {on}", cause, hint) from error
    with client:
        pool = client.get_executor(pure=False)
        try:
            yield pool
        finally:
            pool.shutdown(wait=False)
