"""What is learned of a picture: all that the rest of the house knows of a task.

A task is a frozen dataclass, written to run.json and read back without any data. What evaluation keeps of a picture
is a row of fixed width, float64: numbers, intervals, tables and pages are made of such rows alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, final

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from striate.base.errors import UsageError
from striate.base.sections import Section, Seen
from striate.base.tables import Table
from striate.data.feed import Batch
from striate.data.picture.laid import Array
from striate.data.samples import Indices, Samples
from striate.data.splits import Flags
from striate.data.targets import Targets
from striate.tasks.measures import Measure

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Rows = npt.NDArray[np.float64]
# What a network answers for a batch: a tensor, or a tuple of such where it has auxiliary heads.
Outputs = Any


def option(default: Any, help: str) -> Any:
    """A field of a task that a person may set, as --task-options.NAME; its type says which values it takes."""
    return field(default=default, metadata={"help": help})


class Answer(Protocol):
    """What is said of one picture."""

    @property
    def picture(self) -> Array | None:
        """Of the given one's size, where the answer is one: uint8 (h, w, 1 or 3), or ids of classes (h, w)."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        ...

    def cells(self) -> tuple[object, ...]:
        """Its values under the task's `columns`."""
        ...


class Shown(Protocol):
    """What a page can show of the pictures that were answered, by their place among the rows."""

    def name(self, place: int) -> str: ...

    def picture(self, place: int, side: int) -> Seen:
        """The user's own picture, decoded no larger than a square of `side` needs; or why it has gone."""
        ...

    def of(self, place: int) -> Mapping[str, Array]:
        """What `PictureTask.shown` kept of it; empty where nothing was."""
        ...


@final
@dataclass(frozen=True)
class Trial:
    """What rivals of a network may know: samples to learn from, to choose by and to be tested on.

    `batches` gives samples as they are given to the network in evaluation; to a `PictureTask` one at a time, at its own
    size.
    """

    samples: Samples
    train: Indices
    val: Indices
    tested: Indices
    batches: Callable[[Indices], Iterator[Batch]]


class AnyTask(Protocol):
    """Frozen; `name` is what it is called at the shell."""

    labelled: ClassVar[bool]
    """Whether samples need labels, or masks."""
    masked: ClassVar[bool]
    """Whether it is masks that they need."""
    one_class: ClassVar[bool]
    """Whether it learns from one class: the others may be in the test alone, or not be there."""
    pictures: ClassVar[bool]
    """Whether it is a `PictureTask`."""
    networks: ClassVar[frozenset[str]]
    """The catalogue's kinds of network that can learn it."""
    mixes: ClassVar[bool]
    """Whether two samples may be mixed, their losses weighed."""
    shares: ClassVar[frozenset[str]]
    """The values of `summary` that are proportions."""
    recipe: ClassVar[Mapping[str, Any]]
    """What suits it where a recipe is silent, over what suits the data."""

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its answers, where it has any."""
        ...

    def channels(self, pictures: int) -> tuple[int, int]:
        """Maps in and numbers out of the network, for pictures of so many channels."""
        ...

    def given(self, batch: Batch, seed: int, epoch: int) -> Batch:
        """What the network is given, and the targets that follow from it: pictures are float32 in 0..1.

        Every draw is a function of (seed, epoch, index). In evaluation seed and epoch are 0 and the indices are keys
        of the pictures' content, so that a picture is always given in the same way. Not called for prediction.
        """
        ...

    def may_learn(self, targets: Targets) -> Flags | None:
        """Which samples may be trained and validated on, (n,); the others are for the test alone. None: all."""
        ...

    def measured(self, train: Iterator[Batch]) -> "Task":
        """The task with what it takes from the training pictures, once, before step one: the shares of classes."""
        ...

    def weighed(self, targets: Targets) -> Targets:
        """The targets with the parts that training alone needs."""
        ...

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """What training lowers, one value per picture: shape (n,)."""
        ...

    def partner(self, pictures: int) -> nn.Module | None:
        """A network that is trained beside one for pictures of so many channels, and never shipped: a critic.

        Called with (outputs, batch) it gives what it adds to the loss, (n,); the gradient is reversed where the
        network is to deceive it.
        """
        ...

    def joined(self, outputs: Sequence[Tensor], weights: Sequence[float], tasks: Sequence["Task"]) -> Tensor:
        """One answer from several at one picture, (...), by one network or several.

        `tasks` are those that the networks were trained for, with what each has settled.
        """
        ...

    def believed(self, kept: Rows) -> tuple[Rows, Indices] | None:
        """The probability of each class, (n, classes), and the class that each picture was given, (n,); None where
        whole pictures are given none."""
        ...

    def joined_rows(self, kept: Sequence[Rows], weights: Sequence[float], tasks: Sequence["Task"]) -> Rows | None:
        """The rows of several networks together, from those of each: of the same pictures in one order.

        None where a row does not hold the answer.
        """
        ...

    def fitted(self, kept: Sequence[Rows], tasks: Sequence["Task"]) -> Sequence[float] | None:
        """The weight of each of several networks, 0 or more, that suits validation best, from its rows; they sum to 1.

        None where rows do not tell.
        """
        ...

    def kept(self, answers: Tensor, batch: Batch) -> Tensor:
        """The row of each picture: (n, k) float64. Of a `PictureTask` the answers are what is `said`, and all parts of
        the batch have their height and width."""
        ...

    def fits(self, kept: Rows) -> bool:
        """Whether finite rows that were read from a disk can be its own."""
        ...

    def summary(self, kept: Tensor) -> dict[str, float]:
        """A few numbers for the row of an epoch."""
        ...

    def score(self, summary: Mapping[str, float]) -> tuple[float, ...]:
        """What the choice of an epoch goes by, higher is better."""
        ...

    def settled(self, kept: Rows) -> "Task":
        """The task with what it learns from the rows of validation alone: a temperature, a threshold."""
        ...

    def calibrated(self) -> "Task":
        """The task with answers as sure as validation says they may be; a UsageError where it says nothing of that."""
        ...

    def facing(self, classes: Sequence[str]) -> "Task":
        """The task for data with these classes, where it can judge others than it learned of."""
        ...

    def measures(self, kept: Rows) -> Sequence[Measure]:
        """The numbers of a result; the first is the one to quote."""
        ...

    def breakdown(self, kept: Rows) -> Mapping[str, Any]:
        """What result.json holds besides: plain values, and measures anywhere in them."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The head of a table of answers."""
        ...

    def nothing(self) -> Answer:
        """The answer for a picture that cannot be read."""
        ...

    def listing(self, top: int) -> "Task":
        """The task with answers that list so many classes; a UsageError where there are none."""
        ...

    def table(self, kept: Rows) -> Table:
        """A row for each picture, for predictions.csv."""
        ...

    def baselines(self, trial: Trial) -> Sequence[Measure]:
        """The first measure of what a user would try before a network, on the same pictures in their order."""
        ...

    def linear(self, trial: Trial) -> Measure | None:
        """The same of a linear model on pixels; None where there is none."""
        ...

    def sections(self, kept: Rows, result: Mapping[str, Any], shown: Shown) -> Sequence[Section]:
        """What a page says of these rows; `result` is result.json."""
        ...


class Usual:
    """What most tasks leave as it is, for those who do not say otherwise."""

    def given(self, batch: Batch, seed: int, epoch: int) -> Batch:
        return batch

    def may_learn(self, targets: Targets) -> Flags | None:
        return None

    def measured(self, train: Iterator[Batch]) -> Self:
        return self

    def weighed(self, targets: Targets) -> Targets:
        return targets

    def partner(self, pictures: int) -> nn.Module | None:
        return None

    def believed(self, kept: Rows) -> tuple[Rows, Indices] | None:
        return None

    def joined_rows(self, kept: Sequence[Rows], weights: Sequence[float], tasks: Sequence[Any]) -> Rows | None:
        return None

    def fitted(self, kept: Sequence[Rows], tasks: Sequence[Any]) -> Sequence[float] | None:
        return None

    def settled(self, kept: Rows) -> Self:
        return self

    def calibrated(self: AnyTask) -> "Task":
        raise UsageError("calibrated", f"the task {self.name} has no probabilities of classes", "leaving it out")

    def facing(self, classes: Sequence[str]) -> Self:
        return self

    def breakdown(self, kept: Rows) -> Mapping[str, Any]:
        return {}

    def linear(self, trial: Trial) -> Measure | None:
        return None

    def listing(self: AnyTask, top: int) -> "Task":
        raise UsageError("top", f"the task {self.name} lists no classes", "leaving it out")


class LabelTask(AnyTask, Protocol):
    """A few numbers are said of a picture."""

    def answers(self, outputs: Array) -> Sequence[Answer]:
        """What is said of each picture, from the network's answers (n, ...)."""
        ...


class PictureTask(AnyTask, Protocol):
    """Something is said of each pixel: the answer is a picture of the given one's size, and measured there."""

    def said(self, outputs: Tensor) -> Tensor:
        """The network's numbers (n, k, h, w) -> class places (n, h, w), or values in 0..1 (n, channels, h, w)."""
        ...

    def answer(self, said: Array, picture: Array) -> Answer:
        """From what is said of one picture, and the picture itself: (channels, h, w), uint8."""
        ...

    def remembered(self, kept: Rows) -> Indices:
        """Places of the pictures of which something is kept for the page, a few."""
        ...

    def shown(self, said: Array, batch: Batch) -> Mapping[str, Array]:
        """What is kept of one of them: small pictures, uint8."""
        ...


class FillingTask(PictureTask, Protocol):
    """Asked only of what a person marks in a picture; elsewhere the picture is the answer."""

    @property
    def fills(self) -> bool:
        """Whether it does: a task that never does has no such property."""
        ...

    def with_hole(self, pictures: Tensor, hole: Tensor) -> Tensor:
        """What the network is given of pictures (n, c, h, w) in 0..1, to be filled where the hole (n, 1, h, w) is 1."""
        ...


Task = LabelTask | PictureTask


def of_pictures(task: Task) -> "TypeIs[PictureTask]":
    return task.pictures


def fills(task: Task) -> "TypeIs[FillingTask]":
    return bool(getattr(task, "fills", False))


def refuse_others(tasks: Sequence[Task]) -> None:
    """A UsageError where they are not of one question."""
    if len({(task.name, task.classes) for task in tasks}) > 1:
        cause = "these networks answer different questions: their tasks or classes differ"
        raise UsageError("predictors", cause, "runs of one task with the same classes")
