"""How a training is carried out, and who is told of it. Importing this file does not import torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Protocol, final
from urllib.parse import urlsplit

from striate.base.errors import UsageError
from striate.base.words import decimal, duration, subset

MOST_WORKERS = 256
MOST_AT_ONCE = 1024
DASK = "dask:"
CLUSTERS = ("dask:tcp://", "dask:tls://")
MOST_EPOCHS = 1000  # of which weights are kept


@final
@dataclass(frozen=True)
class Epoch:
    """What an epoch came to; as text, one line.

    `row` is its row of epochs.csv, `best` that of the best epoch so far. `shares` are the values that are proportions,
    without their subset. `left`: seconds, at most, until the last of `total` epochs is validated.
    """

    row: Mapping[str, float]
    best: Mapping[str, float]
    total: int
    shares: frozenset[str]
    left: float

    def __str__(self) -> str:
        told = [f"rate {self._shown('rate')}"]
        for name in self.row:
            kind, _, value = name.partition("_")
            if kind in ("train", "val"):
                of = "" if any("validation" in each for each in told) else f"{subset(kind)} "
                told.append(f"{of}{value.replace('_', ' ')} {self._shown(name)}")
        best = "best so far" if self.best is self.row else f"best was {self._shown(self._first, self.best)}"
        left = f", {duration(self.left)} left" if self.left else ""
        seconds = duration(self.row["seconds"])
        return f"epoch {self.row['epoch']} of {self.total}: {', '.join(told)} ({best}), {seconds}{left}"

    def parts(self) -> list[str]:
        """The same for a bar, what matters first: loss and what is aimed at, the best of it, the rate."""
        aim = self._first.partition("_")[2].replace("_", " ")
        loss = f"loss {self._shown('train_loss')}"
        best = f"best {self._shown(self._first, self.best)}"
        return [f"{aim} {self._shown(self._first)}", best, loss, f"rate {self._shown('rate')}"]

    @property
    def _first(self) -> str:
        """The value that a person looks at: the first that is a proportion, or the first of validation."""
        columns = [name for name in self.row if name.startswith("val_")]
        return next((name for name in columns if name.removeprefix("val_") in self.shares), columns[0])

    def _shown(self, name: str, row: Mapping[str, float] | None = None) -> str:
        value = (row or self.row)[name]
        return f"{100 * value:.2f} %" if name.partition("_")[2] in self.shares else decimal(value, 3)


class Listener(Protocol):
    """Who is told of a training: in sentences, by step and by epoch."""

    def say(self, text: str) -> None: ...

    def progress(self, name: str, done: int, total: int, left: float | None = None) -> None:
        """`left`: seconds until all is done, where this is a part of it."""
        ...

    def epoch(self, epoch: Epoch) -> None:
        """After the validation of each."""
        ...


@final
class Silent:
    """Tells nobody."""

    def say(self, text: str) -> None:
        pass

    def progress(self, name: str, done: int, total: int, left: float | None = None) -> None:
        pass

    def epoch(self, epoch: Epoch) -> None:
        pass


@dataclass(frozen=True)
class Execution:
    """How a recipe is carried out; nothing here changes a bit of the result."""

    runs: Path = Path("runs")
    workers: int | None = None
    """Worker processes; None means none for resident pictures, else one a core."""
    memory: Literal["auto", "resident", "streamed"] = "auto"
    save_every: float = 30.0
    """Seconds between generations."""
    tensorboard: Path | None = None
    """The folder where TensorBoard finds each epoch; none as a rule."""
    command: str = ""
    """What was typed or called, for run.json."""
    cache: bool = True
    """Whether what was found out of pictures before is looked up in the user's cache folder, and kept there."""
    canvases: int | None = None
    """Bytes of disk, at most, where streamed pictures are kept as they were decoded; None: they are kept nowhere."""

    keep_epochs: int = 0
    """The weights of so many last epochs are kept as well, to be averaged."""
    watch: bool | int = False
    """Every so many-th step it is looked at what each layer does; True: as many as cost little."""

    @property
    def kept_in(self) -> Path | None:
        """The folder of what was found out before."""
        from striate.data.cache import cache_folder  # numpy is paid for when there is a training

        return cache_folder() if self.cache else None

    def __post_init__(self) -> None:
        if self.workers is not None and not 0 <= self.workers <= MOST_WORKERS:
            raise UsageError("workers", f"{self.workers} is out of range", f"a number from 0 to {MOST_WORKERS}")
        if self.canvases is not None and self.canvases < 1:
            raise UsageError("canvases", f"{self.canvases} bytes hold nothing", "an amount of disk such as 20GiB")
        if not 0 <= self.keep_epochs <= MOST_EPOCHS:
            raise UsageError("keep-epochs", f"{self.keep_epochs} is out of range", f"a number from 0 to {MOST_EPOCHS}")
        if not isinstance(self.watch, bool) and self.watch < 1:
            raise UsageError("watch", f"{self.watch} is out of range", "a number of steps from 1, or none for a choice")
        if not self.save_every >= 0:
            raise UsageError("save-every", f"{self.save_every} is out of range", "a number of seconds, 0 or more")


@final
@dataclass(frozen=True)
class Carried:
    """How a list of trainings is carried out; of what is here `threads` alone decides bits."""

    on: str = ""
    """Where: "" is this machine, "dask:tcp://HOST:PORT" or "dask:tls://HOST:PORT" the scheduler of a cluster."""
    jobs: int | None = None
    """Trainings at the same time; None: as many as fit."""
    threads: int | None = None
    """Of each training; None: as measured for these networks, or as a list that goes on began."""
    execution: Execution = Execution()

    def __post_init__(self) -> None:
        for name, value in (("jobs", self.jobs), ("threads", self.threads)):
            if value is not None and not 1 <= value <= MOST_AT_ONCE:
                raise UsageError(name, f"{value} is out of range", f"a number from 1 to {MOST_AT_ONCE}")
        if self.on and not self.on.startswith(CLUSTERS):
            raise UsageError(
                "on", f"{self.on!r} is no cluster", "dask:tcp://127.0.0.1:8786, or nothing for this machine"
            )
        host = urlsplit(self.on.removeprefix(DASK)).hostname or ""
        if self.on.startswith(CLUSTERS[0]) and not _is_loopback(host):
            cause = f"whoever reaches an open port of {host} runs code there, and reads what is sent"
            raise UsageError("on", cause, f"{CLUSTERS[1]}{host}:8786 with certificates; docs/many.md says how")
        if self.on and self.jobs is not None:
            raise UsageError("jobs", "a cluster has as many at once as its workers have threads", "leaving it out")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
