"""Network, preprocessing and task together: pictures in, answers out. There is no folder in it."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.base import devices
from striate.base.errors import DataError, Option, UsageError
from striate.base.units import by
from striate.base.words import many
from striate.cost.budget import largest_batch
from striate.data.feed import Batch
from striate.data.picture import decode
from striate.data.picture.canvas import planes
from striate.data.picture.laid import Array, Pixels
from striate.data.picture.layers import layers_of
from striate.data.picture.pixels import PIXELS as PIXELS_READ
from striate.data.picture.pixels import check_most
from striate.data.preprocess import LARGEST, Preprocess, Views, scaled
from striate.data.sources.given import Picture, content, name_of, pictures_of
from striate.data.sources.holes import Holes, holes_in
from striate.network import answered, autocast, batch_of, in_parts, inside, refuse_not_finite, starts
from striate.tasks.prediction import Prediction as Prediction
from striate.tasks.prediction import gathered
from striate.tasks.task import Answer, LabelTask, PictureTask, Task, fills, of_pictures, refuse_others

Progress = Callable[[str, int, int], None]
Reading = Callable[[], decode.Given]
# The most pictures that a network sees at once, and the most pixels of one channel: a GPU has memory for more.
BATCH, PIXELS, PIXELS_OF_A_GPU = 256, 2**19, 2**23
# Bytes that tiles which are answered together may take.
_FOR_TILES, _FOR_TILES_ON_A_GPU = 2**29, 2**32
# The most that are decoded before the network sees them, so that progress is seen.
_AT_ONCE = 64


@final
@dataclass(frozen=True)
class Member:
    """One network, what it looks at and what it was trained for; `weight` is its share among others."""

    network: nn.Module
    preprocess: Preprocess
    task: Task
    weight: float = 1.0

    def __repr__(self) -> str:
        way, count = self.preprocess, sum(each.numel() for each in self.network.parameters())
        shape = by((way.channels, *way.sides))
        return f"Member({type(self.network).__name__}, {count:,} parameters, {self.task.name}, {shape})"


@final
@dataclass(frozen=True)
class Predictor:
    """One network, or several that answer together and may differ in size and means.

    `task` is the first member's, or what several have settled together. Networks are in eval mode while they answer.
    `bfloat16`: in autocast with channels-last memory, as training validates where that is fast; each network's answers
    are float32 in any case.
    """

    members: tuple[Member, ...]
    bfloat16: bool = False
    together: Task | None = None

    @property
    def task(self) -> Task:
        return self.together or self.members[0].task

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
        ways = [each.preprocess for each in self.members]
        sizes = [math.prod(way.frame) * (10 if way.views == "ten" else 1) for way in ways]
        most = PIXELS if self.device.type == "cpu" else PIXELS_OF_A_GPU
        return max(1, min(BATCH, most // max(sizes)))

    def learned(self, task: Task) -> "Predictor":
        """The same predictor with a task that has settled something; of several each keeps its own besides."""
        if len(self.members) > 1:
            return dataclasses.replace(self, together=task)
        return dataclasses.replace(self, members=(dataclasses.replace(self.members[0], task=task),))

    def calibrated(self) -> "Predictor":
        """The same networks, probabilities by the temperature that validation settled of each, or of all together."""
        if self.together is not None:
            return self.learned(self.together.calibrated())
        members = (dataclasses.replace(each, task=each.task.calibrated()) for each in self.members)
        return dataclasses.replace(self, members=tuple(members))

    def try_out(self) -> None:
        """Answer one grey picture: what cannot be answered is told before anything is opened or read."""
        grey = np.full((48, 64, 1), 128, dtype=np.uint8)
        task = self.task
        if of_pictures(task):
            picture = planes(grey, self.members[0].preprocess.channels)
            given = self._with_hole(picture, task, np.ones(picture.shape[1:], bool))
            task.answer(self.said(given, task), picture)
            return
        looks = [[(0, *look) for look in member.preprocess.looks(grey)] for member in self.members]
        answers, _ = self.answers([batch_of(each, self.device) for each in looks])
        refuse_not_finite(answers)
        task.answers(answers.cpu().numpy())

    def looking(self, views: Views, scales: Sequence[int] = ()) -> "Predictor":
        """The same networks with other looks at each picture: "one", or the "ten" crops of AlexNet.

        `scales`: each network looks at canvases of all these sides instead of its own, and the answers are averaged, as
        Simonyan and Zisserman 2014, section 4.2, and He et al. 2015, section 3.4, did. A UsageError where one cannot.
        """
        if of_pictures(self.task) and (scales or views == "ten"):
            cause = "looks at parts of a picture, or in other scales, are not joined to a whole one"
            raise UsageError("scales" if scales else "looks", cause, "leaving it out")
        looks = [
            dataclasses.replace(each, preprocess=dataclasses.replace(each.preprocess, views=views, size=size))
            for each in self.members
            for size in scales or (each.preprocess.size,)
        ]
        for look in looks if scales else ():
            way = look.preprocess
            if not 1 <= way.sides[0] <= LARGEST:
                raise UsageError("scales", f"{way.sides[0]} is out of range", f"sides from 1 to {LARGEST}")
            if not answered(partial(self.outputs, look), (1, way.channels, *way.sides)):
                hint = "other scales, or a network that averages its last maps, such as resnet20"
                raise UsageError("scales", f"this network has no answer for a canvas of {by(way.sides)}", hint)
        return dataclasses.replace(self, members=tuple(looks))

    def answers(self, batches: Sequence[Batch]) -> tuple[Tensor, Batch]:
        """One answer a picture, (n, ...), and the batch with one row a picture, both where float64 can be had.

        `batches` are the same pictures for each member: canvases as read, or in 0..1. One look by one network is
        that network's output, unchanged.
        """
        place = devices.exact(self.device)
        outputs = [
            self.outputs(each, batch.pictures).to(place) for each, batch in zip(self.members, batches, strict=True)
        ]
        batches = [batch.to(place) for batch in batches]
        first = batches[0]
        firsts = [starts(batch.indices) for batch in batches]
        if len(outputs) == 1 and len(firsts[0]) == len(first):
            return outputs[0], first
        joined = []
        ends = [np.append(start[1:], len(batch)) for start, batch in zip(firsts, batches, strict=True)]
        for picture in range(len(firsts[0])):
            looks = [
                (outputs[which][row], self.members[which].weight, self.members[which].task)
                for which in range(len(self.members))
                for row in range(firsts[which][picture], ends[which][picture])
            ]
            joined.append(self.task.joined(*zip(*looks, strict=True)))
        rows = torch.from_numpy(firsts[0]).to(first.pictures.device)
        single = Batch(
            first.indices[firsts[0]], first.pictures[rows], {name: part[rows] for name, part in first.targets.items()},
            tuple(first.laid[row] for row in firsts[0]),
        )  # fmt: skip
        return torch.stack(joined).to(first.pictures.device), single

    @torch.no_grad()
    def outputs(self, member: Member, pictures: Tensor) -> Tensor:
        """What one network answers for canvases (n, channels, height, width), as read or in 0..1."""
        values = self.given(member, pictures)
        training = member.network.training
        member.network.eval()
        try:
            with autocast(values.device, self.bfloat16):
                answers: Tensor = member.network(values).float()
        finally:
            member.network.train(training)
        return answers

    def given(self, member: Member, pictures: Tensor) -> Tensor:
        """What one network is given of canvases (n, channels, height, width), as read or in 0..1.

        Maps that its task gives besides are 0 where they are missing: nothing is said to be hidden.
        """
        values = member.preprocess.normalise(pictures.to(self.device))
        maps, _ = member.task.channels(member.preprocess.channels)
        if values.shape[1] < maps:
            values = functional.pad(values, (0, 0, 0, 0, 0, maps - values.shape[1]))
        return values.contiguous(memory_format=torch.channels_last) if self.bfloat16 else values

    def predict(
        self,
        pictures: Any,
        *,
        top: int | None = None,
        holes: Any = None,
        max_pixels: int = PIXELS_READ,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Any:
        """The Prediction of one picture, or a list of them: one for each of a list, a folder or a pattern.

        One picture is the path of a file, one of PIL's of any mode, a file's bytes, or a uint8 array (height, width) or
        (height, width, 1 or 3); a list may hold any of these, and folders and patterns. A picture that cannot be read
        has a prediction with its cause in `status`; what is no picture at all is a UsageError or a DataError.

        `top`: how many classes a classifier lists, 5 as a rule. `holes`: a picture, or a folder of such by name, that
        is white where one who fills is to fill. `max_pixels`: the most of one picture that are read.
        """
        each, alone = self.listed(pictures)
        found = self.predictions(each, top=top, holes=holes, max_pixels=max_pixels)
        return gathered(found, len(each), alone, progress)

    def listed(self, pictures: Any) -> tuple[list[Picture], bool]:
        """Each picture of what `predict` takes, and whether it was given alone."""
        way = self.members[0].preprocess
        return pictures_of(pictures, layers_of(way.channels, way.depth))

    def predictions(
        self,
        pictures: Sequence[Picture],
        *,
        top: int | None = None,
        holes: Any = None,
        max_pixels: int = PIXELS_READ,
        tiles: Progress = lambda name, done, total: None,
        read: Callable[[int], decode.Given] | None = None,
    ) -> Iterator[Prediction]:
        """Those of the pictures, one after the other; no more than a few are decoded together.

        `tiles` is told of a picture that is answered in many of them; `read` gives what the picture at a place holds.
        """
        check_most(max_pixels)
        task: Task = self.task if top is None else self.task.listing(top)
        marked = self.marked(holes)
        read = read or (lambda place: content(pictures[place], max_pixels))
        named = [(name_of(picture, place), partial(read, place)) for place, picture in enumerate(pictures)]
        if of_pictures(task):
            yield from (self._pictured(*each, task, marked, max_pixels, tiles) for each in named)
            return
        step = min(_AT_ONCE, self.at_once)
        for start in range(0, len(named), step):
            yield from self._labelled(named[start : start + step], task, max_pixels)

    def marked(self, holes: Any) -> Holes | None:
        """What is to be filled; a UsageError where the task fills and nothing is marked, or the other way round."""
        if fills(self.task) and holes is None:
            cause, hint = "nothing is marked to be filled", "a picture that is white there and black elsewhere: "
            raise UsageError("holes", cause, (hint, Option("holes", "MASK.png")))
        if holes is not None and not fills(self.task):
            raise UsageError("holes", f"the task {self.task.name} fills none", "leaving it out")
        return None if holes is None else holes_in(holes)

    def _pictured(
        self, name: str, read: Reading, task: PictureTask, marked: Holes | None, max_pixels: int, tiles: Progress
    ) -> Prediction:
        try:
            way = self.members[0].preprocess
            pixels = way.pixels(read(), name, max_pixels)
            picture = planes(pixels, way.channels)
            hole = None if marked is None else marked.of(name, pixels.shape[:2], max_pixels)
        except DataError as error:
            return Prediction(name, error.cause, task.nothing())
        seen = self._with_hole(picture, task, hole)
        said = self.said(seen, task, lambda done, total: tiles(f"tiles of {Path(name).name}", done, total))
        whole = said if hole is None else np.where(hole, said, picture / 255)
        return Prediction(name, "ok", task.answer(whole, picture))

    def _with_hole(self, picture: Array, task: PictureTask, hole: Array | None) -> Array:
        if hole is None or not fills(task):
            return picture
        pictures, holes = scaled(torch.from_numpy(picture)[None]), torch.from_numpy(hole)[None, None].float()
        return np.asarray(task.with_hole(pictures, holes)[0].numpy())

    def said(
        self, picture: Array, task: PictureTask, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Array:
        """What is said of each pixel of a picture (channels, height, width), uint8 or float32 in 0..1, at its own size.

        Its tiles are answered a few at a time, as many as the predicted memory allows, and what is said of these is
        written down before the next ones are looked at.
        """
        way = self._way()
        laid, done, sheet = way.laid(*picture.shape[1:]), 0, np.empty(0)
        if way.resize != "tiles":
            (own,) = inside(self._scores(way.canvas(picture, laid[0])[None]), way)
            field = laid[0].back(own.permute(1, 2, 0).numpy(), "field")
            return np.asarray(task.said(torch.from_numpy(field).permute(2, 0, 1)[None])[0].numpy())
        step = 1 if len(laid) == 1 else self._tiles_at_once
        while done < len(laid):
            part = laid[done : done + step]
            try:
                scores = self._scores(np.stack([way.canvas(picture, each) for each in part]))
            except (MemoryError, RuntimeError) as error:
                if not devices.out_of_memory(error) or step == 1:
                    raise
                step = -(-step // 2)
                devices.give_back(self.device)
                continue
            for each, own in zip(part, inside(scores, way), strict=True):
                values = task.said(own[None])[0].numpy()
                if not sheet.size:
                    sheet = np.empty((*values.shape[:-2], *picture.shape[1:]), values.dtype)
                (top, left), (height, width) = (int(way.context - at) for at in each.offset), way.answered
                spot = sheet[..., top : top + height, left : left + width]
                spot[...] = values[..., : spot.shape[-2], : spot.shape[-1]]
            done += len(part)
            if len(laid) > step:
                progress(done, len(laid))
        return sheet

    def _way(self) -> Preprocess:
        """How all members look at a picture that is answered whole; a UsageError where they differ."""
        first, *others = (
            dataclasses.replace(each.preprocess, mean=(), deviation=(), version=1) for each in self.members
        )
        if any(each != first for each in others):
            cause = "these networks look at pictures in different sizes, channels or ways"
            raise UsageError("predictors", cause, "runs with the same --size, --channels and --resize")
        return self.members[0].preprocess

    @cached_property
    def _tiles_at_once(self) -> int:
        """So many that their peak, as it is predicted, stays within a fixed budget: equal on every machine."""
        budget = _FOR_TILES if self.device.type == "cpu" else _FOR_TILES_ON_A_GPU
        way, most = self.members[0].preprocess, BATCH
        for each in self.members:
            maps, _ = each.task.channels(way.channels)
            fit = largest_batch(each.network, (maps, *way.sides), budget, training=False)
            most = min(most, max(1, fit.batch))
        return most

    def _scores(self, canvases: Array) -> Tensor:
        """The members' joined outputs for canvases (n, channels, height, width): (n, k, height, width) float32."""
        pictures = torch.from_numpy(canvases)
        outputs = [self.outputs(each, pictures).cpu() for each in self.members]
        scores = outputs[0]
        if len(outputs) > 1:
            weights, tasks = zip(*((each.weight, each.task) for each in self.members), strict=True)
            scores = torch.stack([self.task.joined(each, weights, tasks) for each in zip(*outputs, strict=True)])
        refuse_not_finite(scores)
        return scores

    def _labelled(self, named: Sequence[tuple[str, Reading]], task: LabelTask, max_pixels: int) -> list[Prediction]:
        """Those of a few pictures, which lie in memory together."""
        causes: dict[int, str] = {}
        looks: list[list[tuple[int, Pixels, Any]]] = [[] for _ in self.members]
        for place, (name, read) in enumerate(named):
            try:
                data = read()
                found = [each.preprocess.looks(data, name, max_pixels=max_pixels) for each in self.members]
            except DataError as error:
                causes[place] = error.cause
                continue
            for which, each in enumerate(found):
                looks[which] += [(place, canvas, laid) for canvas, laid in each]
        said: dict[int, Answer] = {}
        if looks[0]:
            answered, _ = in_parts(self.answers, [batch_of(each, self.device) for each in looks])
            for answers, batch in answered:
                refuse_not_finite(answers)
                given = task.answers(answers.cpu().numpy())
                said |= dict(zip(batch.indices.tolist(), given, strict=True))
        return [
            Prediction(name, causes.get(place, "ok"), said.get(place, task.nothing()))
            for place, (name, _) in enumerate(named)
        ]


def together(predictors: Sequence[Predictor], weights: Sequence[float] | None = None) -> Predictor:
    """One predictor of several: each picture is answered by all, and the answers are joined.

    A UsageError where they do not answer the same question.
    """
    if not predictors:
        raise UsageError("predictors", "none are given", "at least one")
    refuse_others([each.task for each in predictors])
    shares = [1.0] * len(predictors) if weights is None else list(weights)
    if len(shares) != len(predictors) or not all(0 < share < math.inf for share in shares):
        raise UsageError("weights", f"{shares} for {many(len(predictors), 'network')}", "a number above 0 for each")
    members = [
        dataclasses.replace(member, weight=member.weight * share)
        for each, share in zip(predictors, shares, strict=True)
        for member in each.members
    ]
    return Predictor(tuple(members))
