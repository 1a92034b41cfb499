"""What a network holds of a picture before it answers, as a vector; and what lies between two of them."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor, nn

from striate.base.errors import UsageError
from striate.base.words import many
from striate.data.feed import Batch
from striate.data.picture import decode
from striate.data.picture.canvas import planes
from striate.data.picture.laid import Array, Laid, Pixels
from striate.network import in_parts, inside, refuse_not_finite
from striate.predictor import Member, Predictor
from striate.tasks.task import PictureTask, of_pictures

Pool = Literal["mean", "none"]


@final
@dataclass(frozen=True, eq=False)
class Embedded:
    """Pictures as vectors, float32 (n, d): a row for each; where one could not be looked at it is nan and `status`,
    "ok" elsewhere, says why. `labels` are classes, or the names of the folders that files lie in."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    status: tuple[str, ...]
    vectors: Array
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        bad = sum(each != "ok" for each in self.status)
        pictures = many(len(self.names), "picture") + (f", {bad} not read" if bad else "")
        return f"Embedded({pictures}, vectors of {self.vectors.shape[1]})"


@final
@dataclass(frozen=True, eq=False)
class Between:
    """uint8 (n, height, width, 1 or 3): the first picture as given, what is made of the codes from its own to the
    last one's, and the last picture as given."""

    pictures: Pixels
    notes: tuple[str, ...] = ()


def pool_of(predictor: Predictor) -> Pool:
    """How maps become a vector as a rule: the code of an autoencoder stays whole, where it was trained on pictures that
    fit on one canvas, which then has no context; other maps are averaged."""
    member = predictor.members[0]
    return "none" if _has_code(member.network) and not member.preprocess.context else "mean"


def canvases(member: Member, picture: decode.Given, where: str, max_pixels: int) -> tuple[list[Laid], Iterator[Array]]:
    """How a picture lies on each of the canvases that a network sees of it, and these."""
    way = member.preprocess
    if not way.whole:
        looks = way.looks(picture, where, max_pixels=max_pixels)
        return [laid for _, laid in looks], (canvas for canvas, _ in looks)
    own = planes(way.pixels(picture, where, max_pixels), way.channels)
    laid = way.laid(*own.shape[1:])
    return laid, (way.canvas(own, each) for each in laid)


def of_canvases(predictor: Predictor, looks: Iterable[tuple[int, Array]], pool: Pool) -> dict[int, Array]:
    """The vector of each picture, float32 (d,), by its place; of several canvases their mean.

    `looks` are places and canvases, those of a picture one after the other. Of a network with a bottleneck it is the
    bottleneck, of a classifier what enters its last layer with weights.
    """
    sums: dict[int, Array] = {}
    counts: dict[int, int] = {}
    rest = iter(looks)
    while part := list(islice(rest, predictor.at_once)):
        for (place, _), vector in zip(
            part, _seen(predictor, np.stack([canvas for _, canvas in part]), pool), strict=True
        ):
            sums[place] = sums.get(place, 0) + vector
            counts[place] = counts.get(place, 0) + 1
    return {place: (total / counts[place]).astype(np.float32) for place, total in sums.items()}


def refuse_no_code(predictor: Predictor) -> PictureTask:
    """The task of a network that makes a picture of its bottleneck; a UsageError for any other."""
    task, hint = predictor.task, "a run whose network is an autoencoder"
    if not of_pictures(task):
        raise UsageError("between", "this network makes no pictures", hint)
    if not _has_code(predictor.members[0].network):
        cause = "this network makes no picture of its bottleneck alone: maps of the way down go past it"
        raise UsageError("between", cause, hint)
    return task


def between(predictor: Predictor, ends: Sequence[tuple[Array, Laid]], steps: int) -> Pixels:
    """What the decoder makes of codes from one canvas's to the other's, in equal steps: uint8 (steps + 2, height,
    width, channels), the canvases themselves at both ends; as much of them as either picture lies on."""
    member, task, (first, last) = predictor.members[0], refuse_no_code(predictor), (canvas for canvas, _ in ends)

    def mixed(module: nn.Module, given: Any, codes: Tensor) -> Tensor:
        shares = torch.linspace(0, 1, steps, device=codes.device).view(-1, 1, 1, 1)
        return torch.lerp(codes[:1], codes[-1:], shares)

    handle = member.network.get_submodule("encoder").register_forward_hook(mixed)
    try:
        outputs = predictor.outputs(member, torch.from_numpy(np.stack([first] * (steps - 1) + [last])))
    finally:
        handle.remove()
    refuse_not_finite(outputs)
    said = task.said(inside(outputs, member.preprocess)).cpu().numpy()
    given = inside(torch.from_numpy(np.stack([first, last])), member.preprocess).numpy()
    strip = np.concatenate([given[:1], np.rint(255 * said).astype(np.uint8), given[1:]])
    down, across = (_span([laid for _, laid in ends], axis) for axis in (0, 1))
    return strip[:, :, down, across].transpose(0, 2, 3, 1)


def _span(laid: Sequence[Laid], axis: int) -> slice:
    """From where to where either picture lies, inside the context."""
    first = min(each.offset[axis] - each.context for each in laid)
    last = max(each.offset[axis] - each.context + each.scale[axis] * each.picture[axis] for each in laid)
    return slice(max(0, round(first)), round(last))


def plane(vectors: Array) -> tuple[Array, tuple[float, float]]:
    """The first two principal components of vectors (n, d): (n, 2), and their shares of the variance.

    Of two signs the one by which the farthest point of each is positive.
    """
    centred = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    wide = centred.shape[1] > centred.shape[0]
    values, axes = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values, axes = values[::-1].clip(0), axes[:, ::-1][:, :2]
    points = axes * np.sqrt(values[:2]) if wide else centred @ axes
    farthest = points[np.abs(points).argmax(0), np.arange(points.shape[1])]
    points = np.pad(np.where(farthest < 0, -points, points), ((0, 0), (0, 2 - points.shape[1])))
    first, second = np.append(values, 0.0)[:2] / (values.sum() or 1.0)
    return points, (float(first), float(second))


def _has_code(network: nn.Module) -> bool:
    """Whether an answer is made of the bottleneck alone."""
    return isinstance(network, nn.Sequential) and [*dict(network.named_children())] == ["encoder", "decoder"]


def _seen(predictor: Predictor, pictures: Array, pool: Pool) -> Array:
    """The vectors of canvases (n, channels, height, width), float64 (n, d)."""
    member = predictor.members[0]

    def seen(batches: Any) -> Array:
        with _watched(member) as found:
            predictor.outputs(member, batches[0].pictures)
        maps = found[0].cpu().double()
        refuse_not_finite(maps)
        flat = maps.flatten(2).mean(2) if pool == "mean" and maps.ndim > 2 else maps.flatten(1)
        return np.asarray(flat.numpy())

    values = torch.from_numpy(pictures)
    laid = (Laid.itself(*values.shape[2:]),) * len(values)
    parts, _ = in_parts(seen, [Batch(np.arange(len(values)), values, {}, laid)])
    return np.concatenate(parts)


@contextlib.contextmanager
def _watched(member: Member) -> Iterator[list[Tensor]]:
    """A list that holds, after a pass, what leaves the encoder, or what entered the last layer with weights."""
    found: list[Tensor] = []

    def leaves(module: nn.Module, given: Any, maps: Tensor) -> None:
        found[:] = [maps]

    def enters(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        found[:] = given[:1]

    if of_pictures(member.task):  # a U-Net runs the parts of its encoder one by one
        *_, last = member.network.get_submodule("encoder").children()
        handles = [last.register_forward_hook(leaves)]
    else:
        weighing = [
            each for each in member.network.modules() if any(own.ndim > 1 for own in each.parameters(recurse=False))
        ]
        handles = [each.register_forward_pre_hook(enters) for each in weighing]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
