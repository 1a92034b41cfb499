"""Network, preprocessing and task together: pictures in, answers out. There is no folder in it."""

import contextlib
import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, final

import numpy as np
import torch
from torch import Tensor, nn

from striate.base import devices
from striate.base.errors import DataError, MachineError, RunError, UsageError
from striate.data.feed import Batch
from striate.data.picture import decode
from striate.data.picture.laid import Pixels
from striate.data.preprocess import Preprocess, Views
from striate.data.sources.folder import list_pictures
from striate.data.workers import Say, nobody
from striate.models.build import build
from striate.models.catalog import find, options_of
from striate.tasks.task import Answer, Task

T = TypeVar("T")
# The most pictures that a network sees at once, and the most pixels of one channel: a GPU has memory for more.
BATCH, PIXELS, PIXELS_OF_A_GPU = 256, 2**19, 2**23
# The most that are decoded before the network sees them, so that progress is seen.
_AT_ONCE = 64


@final
@dataclass(frozen=True)
class Prediction:
    """What is said of one picture, or why it could not be looked at."""

    file: str
    status: str
    """"ok", or the cause."""
    answer: Answer

    @property
    def top(self) -> tuple[tuple[str, float], ...]:
        """Of a classifier: classes and probabilities, the likeliest first."""
        return getattr(self.answer, "top", ())

    @property
    def label(self) -> str | None:
        return self.top[0][0] if self.top else None

    @property
    def probability(self) -> float | None:
        return self.top[0][1] if self.top else None

    @property
    def picture(self) -> Pixels | None:
        """Where the answer is a picture: uint8, of the given one's size."""
        return self.answer.picture

    def as_dict(self) -> dict[str, Any]:
        return {"file": self.file, "status": self.status, **self.answer.as_dict()}


@final
@dataclass(frozen=True)
class Member:
    """One network, what it looks at and what it was trained for; `weight` is its share among others."""

    network: nn.Module
    preprocess: Preprocess
    task: Task
    weight: float = 1.0


@final
@dataclass(frozen=True)
class Predictor:
    """One network, or several that answer together and may differ in size and means.

    `task` is the first member's. Networks are in eval mode while they answer. `bfloat16`: in autocast with
    channels-last memory, as training validates where that is fast; each network's answers are float32 in any case.
    """

    members: tuple[Member, ...]
    bfloat16: bool = False

    @property
    def task(self) -> Task:
        return self.members[0].task

    @property
    def device(self) -> torch.device:
        return next(self.members[0].network.parameters()).device

    def on(self, device: torch.device) -> "Predictor":
        """The same predictor; its networks are moved."""
        for member in self.members:
            member.network.to(device)
        return self

    @property
    def at_once(self) -> int:
        """Pictures that are answered together: so many that memory does not grow with their size or their looks."""
        sides = [each.preprocess.side**2 * (10 if each.preprocess.views == "ten" else 1) for each in self.members]
        most = PIXELS if self.device.type == "cpu" else PIXELS_OF_A_GPU
        return max(1, min(BATCH, most // max(sides)))

    def learned(self, task: Task) -> "Predictor":
        """The same predictor, its first member with a task that has settled something."""
        first, *others = self.members
        return dataclasses.replace(self, members=(dataclasses.replace(first, task=task), *others))

    def try_out(self) -> None:
        """Answer one grey picture: what cannot be answered is told before anything is opened or read."""
        grey = np.full((48, 64, 1), 128, dtype=np.uint8)
        looks = [[(0, *look) for look in member.preprocess.looks(grey)] for member in self.members]
        answers, batch = self.answers([_batch(each, self.device) for each in looks])
        refuse_not_finite(answers)
        self.task.answers(answers.cpu().numpy(), batch.laid)

    def looking(self, views: Views) -> "Predictor":
        """The same networks with other looks at each picture: "one", or the "ten" crops of AlexNet."""
        members = (
            dataclasses.replace(each, preprocess=dataclasses.replace(each.preprocess, views=views))
            for each in self.members
        )
        return dataclasses.replace(self, members=tuple(members))

    def answers(self, batches: Sequence[Batch]) -> tuple[Tensor, Batch]:
        """One answer a picture, (n, ...), and the batch with one row a picture, both where float64 can be had.

        `batches` are the same pictures for each member: canvases as read, or in 0..1. One look by one network is
        that network's output, unchanged.
        """
        place = devices.exact(self.device)
        outputs = [
            self._outputs(each, batch.pictures).to(place) for each, batch in zip(self.members, batches, strict=True)
        ]
        batches = [batch.to(place) for batch in batches]
        first = batches[0]
        starts = [_starts(batch.indices) for batch in batches]
        if len(outputs) == 1 and len(starts[0]) == len(first):
            return outputs[0], first
        joined = []
        ends = [np.append(start[1:], len(batch)) for start, batch in zip(starts, batches, strict=True)]
        for picture in range(len(starts[0])):
            looks = [
                (outputs[which][row], batches[which].laid[row], self.members[which].weight, self.members[which].task)
                for which in range(len(self.members))
                for row in range(starts[which][picture], ends[which][picture])
            ]
            joined.append(self.task.joined(*zip(*looks, strict=True)))
        rows = torch.from_numpy(starts[0]).to(first.pictures.device)
        single = Batch(
            first.indices[starts[0]], first.pictures[rows], {name: part[rows] for name, part in first.targets.items()},
            tuple(first.laid[row] for row in starts[0]),
        )  # fmt: skip
        return torch.stack(joined).to(first.pictures.device), single

    @torch.no_grad()
    def _outputs(self, member: Member, pictures: Tensor) -> Tensor:
        values = member.preprocess.normalise(pictures.to(self.device))
        if self.bfloat16:
            values = values.contiguous(memory_format=torch.channels_last)
        training = member.network.training
        member.network.eval()
        try:
            with autocast(values.device, self.bfloat16):
                answers: Tensor = member.network(values).float()
        finally:
            member.network.train(training)
        return answers

    def predict(
        self,
        pictures: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        top: int | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Prediction]:
        """One prediction per picture of the files, folders and patterns; a bad picture is one with its cause.

        One path is one file, folder or pattern. `top`: how many classes a classifier lists, 5 as a rule.
        """
        task = self.task if top is None else self.task.listing(top)
        named = [pictures] if isinstance(pictures, str | os.PathLike) else pictures
        paths = list_pictures([os.fspath(picture) for picture in named])
        predictions: list[Prediction] = []
        step = min(_AT_ONCE, self.at_once)
        for start in range(0, len(paths), step):
            predictions += self._predict(paths[start : start + step], task)
            progress(len(predictions), len(paths))
        return predictions

    def _predict(self, paths: Sequence[Path], task: Task) -> list[Prediction]:
        """Those of a few pictures, which lie in memory together."""
        causes: dict[int, str] = {}
        looks: list[list[tuple[int, Pixels, Any]]] = [[] for _ in self.members]
        for place, path in enumerate(paths):
            try:
                data = decode.read_bytes(path)
                found = [member.preprocess.looks(data, str(path)) for member in self.members]
            except DataError as error:
                causes[place] = error.cause
                continue
            for which, each in enumerate(found):
                looks[which] += [(place, canvas, laid) for canvas, laid in each]
        said: dict[int, Answer] = {}
        if looks[0]:
            answered, _ = in_parts(self.answers, [_batch(each, self.device) for each in looks])
            for answers, batch in answered:
                refuse_not_finite(answers)
                given = task.answers(answers.cpu().numpy(), batch.laid)
                said |= dict(zip(batch.indices.tolist(), given, strict=True))
        return [
            Prediction(str(path), causes.get(place, "ok"), said.get(place, task.nothing()))
            for place, path in enumerate(paths)
        ]


def together(predictors: Sequence[Predictor], weights: Sequence[float] | None = None) -> Predictor:
    """One predictor of several: each picture is answered by all, and the answers are joined.

    A UsageError where they do not answer the same question.
    """
    if not predictors:
        raise UsageError("predictors", "none are given", "at least one")
    first = predictors[0].task
    for each in predictors[1:]:
        if (each.task.name, each.task.classes) != (first.name, first.classes):
            cause = "these networks answer different questions: their tasks or classes differ"
            raise UsageError("predictors", cause, "runs of one task with the same classes")
    shares = [1.0] * len(predictors) if weights is None else list(weights)
    if len(shares) != len(predictors) or not all(0 < share < math.inf for share in shares):
        raise UsageError("weights", f"{shares} for {len(predictors)} networks", "a number above 0 for each")
    members = [
        dataclasses.replace(member, weight=member.weight * share)
        for each, share in zip(predictors, shares, strict=True)
        for member in each.members
    ]
    return Predictor(tuple(members))


def in_parts(
    work: Callable[[Sequence[Batch]], T], batches: Sequence[Batch], parts: int = 1, say: Say = nobody
) -> tuple[list[T], int]:
    """`work` on each part of the same pictures for each member, and how many parts there were.

    Where memory is too small for one they are twice as many. A single picture that does not fit is a `MachineError`.
    """
    pictures = len(_starts(batches[0].indices))
    while True:
        try:
            return [work(part) for part in _cut(batches, min(parts, pictures))], parts
        except (MemoryError, RuntimeError) as error:
            if not devices.out_of_memory(error):
                raise
        if parts >= pictures:
            raise MachineError("memory", "not even one picture at a time fits", "a smaller size or network")
        parts *= 2
        devices.give_back(batches[0].pictures.device)
        say(f"out of memory: pictures are now answered {-(-pictures // parts)} at a time")


def _cut(batches: Sequence[Batch], parts: int) -> Iterator[list[Batch]]:
    """The batches in so many parts, each with whole pictures."""
    if parts == 1:
        yield list(batches)
        return
    bounds = [np.append(_starts(batch.indices), len(batch)) for batch in batches]
    for part in np.array_split(np.arange(len(bounds[0]) - 1), parts):
        yield [batch[bound[part[0]] : bound[part[-1] + 1]] for batch, bound in zip(batches, bounds, strict=True)]


def refuse_not_finite(answers: Tensor) -> None:
    """A `RunError` for weights that were damaged, however whole their file is: such answers are none."""
    if not torch.isfinite(answers).all():
        raise RunError("network", "its answers are no finite numbers", "training again, with a lower rate or --clip 1")


def network_for(name: str, task: Task, channels: int, options: Mapping[str, Any]) -> nn.Module:
    """A fresh network of the catalogue with the channels and answers that a task asks for.

    Its options are its builder's own: weights, which may be a path or be fetched, are none.
    """
    for key in {"classes", "channels", "weights"} & options.keys():
        raise UsageError("model_options", f"{key} is not an option here", "the class folders, or --channels")
    maps, answers = task.channels(channels)
    free, wanted = options_of(find(name)), dict[str, Any](classes=answers, channels=maps)
    network: nn.Module = build(name, **{key: value for key, value in wanted.items() if key in free} | dict(options))
    return network


def autocast(device: torch.device, bfloat16: bool) -> contextlib.AbstractContextManager[Any]:
    """Of the forward pass; weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16) if bfloat16 else contextlib.nullcontext()


def _starts(indices: np.ndarray) -> np.ndarray:
    """The first row of each picture: the looks at one follow each other."""
    return np.flatnonzero(np.append(True, indices[1:] != indices[:-1]))


def _batch(looks: Sequence[tuple[int, Pixels, Any]], device: torch.device) -> Batch:
    places, canvases, laid = zip(*looks, strict=True)
    return Batch(np.array(places), torch.from_numpy(np.stack(canvases)).to(device), {}, laid)
