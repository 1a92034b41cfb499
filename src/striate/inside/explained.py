"""One picture explained by one method, as a value that can be looked at."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.base.errors import MachineError, UsageError, escaped, near
from striate.data.picture.laid import Array, Laid, Pixels
from striate.data.picture.layers import visible
from striate.data.picture.pixels import PIXELS
from striate.inside import activation, attribution, gradient
from striate.inside.box import Box, box_of
from striate.inside.checks import Checks, checked
from striate.inside.deconvnet import deconvnet
from striate.inside.plate import around_grey, inked, most
from striate.inside.target import Target, look, only, target_of
from striate.predictor import Member, Predictor
from striate.tasks.task import of_pictures

# Maps of places, of which a box can be made.
MAPS = ("cam", "grad-cam")
METHODS = ("deconvnet", "cam", "grad-cam", "guided", "integrated", "smooth", "occlusion")
# Of the shorter side of what is drawn.
LEAST = 256


@final
@dataclass(frozen=True, eq=False)
class Explained:
    """`values` on the canvas that the network saw: a map (height, width), or one number for each of the picture's own,
    (channels, height, width); None where `status`, "ok" elsewhere, says why there are none.

    `of` is what is explained, `layer` whose maps were looked at, "" where none was; `canvas` is uint8 (height, width, 1
    or 3) and `laid` says where the picture lies on it. `checks` are there where they were asked for; `boxed` draws the
    box into `picture`.
    """

    file: str
    method: str
    status: str
    of: str = ""
    layer: str = ""
    values: Array | None = None
    canvas: Pixels | None = None
    notes: tuple[str, ...] = ()
    laid: Laid | None = None
    checks: Checks | None = None
    boxed: bool = False

    def __repr__(self) -> str:
        told = self.status if self.values is None else f"{self.of}{f' at {self.layer}' if self.layer else ''}"
        return escaped(f"Explained({self.file!r}, {self.method}: {told})")

    @cached_property
    def picture(self) -> Pixels | None:
        """What it looks like, uint8 (height, width, 3): a map in colours over the picture; of single pixels what is
        projected around grey, or how strong it is."""
        if self.values is None or self.canvas is None:
            return None
        if self.values.ndim == 2:
            drawn = _enlarged(_over(self.values, self.canvas))
            return _outlined(drawn, self.box, self.laid) if self.boxed and self.box and self.laid else drawn
        if self.method in ("deconvnet", "guided"):
            return _enlarged(around_grey(self.values))
        return _enlarged(inked(_shares(strength(self.values))))

    @cached_property
    def box(self) -> Box | None:
        """Of a map by CAM or Grad-CAM, (left, top, right, bottom) in pixels of the picture: see `box_of`."""
        if self.values is None or self.laid is None or self.method not in MAPS:
            return None
        return box_of(self.values, self.laid)

    @cached_property
    def seen(self) -> Pixels | None:
        """The canvas, as large as `picture`."""
        return None if self.canvas is None else _enlarged(self.canvas)


@final
@dataclass(frozen=True)
class Question:
    """`methods` of METHODS, none for CAM or, where it does not serve, Grad-CAM. The rest is as each takes it."""

    methods: tuple[str, ...] = ()
    label: str | None = None
    layer: str | None = None
    feature: int | None = None
    every: bool = False
    """What does not serve is told instead of refused."""
    checks: bool = False
    box: bool = False


def question(
    method: str | Sequence[str] | None,
    label: str | None,
    layer: str | None,
    feature: int | None,
    *,
    checks: bool = False,
    box: bool = False,
) -> Question:
    """Checked; "all" is every method."""
    asked = (method,) if isinstance(method, str) else tuple(method or ())
    if asked == ("all",):
        return Question(METHODS, label, layer, feature, every=True, checks=checks, box=box)
    for each in asked:
        if each not in METHODS:
            raise UsageError("method", f"{each!r} is none", near(each, METHODS, f"one of {', '.join(METHODS)}, or all"))
    if feature is not None and "deconvnet" not in asked:
        raise UsageError("feature", "it is of a deconvnet's feature map", 'method="deconvnet", or leaving it out')
    if layer is not None and asked and not {"deconvnet", "grad-cam"} & set(asked):
        raise UsageError("layer", f"{' and '.join(asked)} looks at none that is chosen", "grad-cam or deconvnet")
    if box and asked and not set(MAPS) & set(asked):
        raise UsageError("box", f"{' and '.join(asked)} makes no map that a box is read from", "cam or grad-cam")
    return Question(tuple(dict.fromkeys(asked)), label, layer, feature, checks=checks, box=box)


def tried(predictor: Predictor, asked: Question) -> None:
    """A UsageError where what is asked cannot be, found on a grey canvas before any picture is read or opened."""
    member = only(predictor)
    way = member.preprocess
    if not asked.every and {"integrated", "occlusion"} & set(asked.methods):
        attribution.captum()
    quick = tuple(each for each in asked.methods if each not in ("integrated", "smooth", "occlusion"))
    if quick or not asked.methods:
        grey = np.full((*(way.answered if way.whole else way.frame), 1), 128, np.uint8)
        explained(predictor, grey, "a grey picture", dataclasses.replace(asked, methods=quick, checks=False), PIXELS)
    else:
        target_of(predictor, member, torch.zeros(1, way.channels, *way.sides), asked.label)


def explained(predictor: Predictor, picture: Any, name: str, asked: Question, max_pixels: int) -> list[Explained]:
    """One picture by each method; a DataError for one that cannot be read, a UsageError for what cannot be asked."""
    member = only(predictor)
    pixels, laid = look(member, picture, name, max_pixels, ("pictures", "a map"))
    canvas = torch.from_numpy(pixels[None]).to(predictor.device)
    target = target_of(predictor, member, canvas, asked.label)
    shown = visible(pixels.transpose(1, 2, 0))
    found = []
    for method in asked.methods or _usual(member):
        try:
            made = _by(method, member, predictor.given(member, canvas), target, asked)
        except (UsageError, MachineError) as error:
            if asked.every:
                found.append(Explained(name, method, error.cause, target.told, canvas=shown))
                continue
            if not asked.methods and method == "cam":
                continue
            raise
        values, notes = _on(made.values, canvas), made.notes
        if not values.any():
            notes = (*notes, f"{method} is 0 everywhere: nothing speaks for what is explained")
        checks = _checks(made, member, predictor.given(member, canvas), target, canvas) if asked.checks else None
        found.append(Explained(name, method, "ok", made.of, made.layer, values, shown, notes, laid, checks, asked.box))
        if not asked.methods:
            break
    return found


def _usual(member: Member) -> tuple[str, ...]:
    return ("grad-cam",) if of_pictures(member.task) else ("cam", "grad-cam")


@final
@dataclass(frozen=True, eq=False)
class _Made:
    """`again` is the same question to another network; `until` the last layer that it goes through, "" for all."""

    values: Tensor
    layer: str
    of: str
    again: Callable[[nn.Module], Tensor]
    until: str = ""
    notes: tuple[str, ...] = ()


def _by(method: str, member: Member, given: Tensor, target: Target, asked: Question) -> _Made:
    net, score = member.network, target.score
    if method == "deconvnet":
        seen = deconvnet(net, given, layer=asked.layer, feature=asked.feature)
        told = f"map {seen.feature}, {seen.activation:.4g} at its highest"

        def again(other: nn.Module) -> Tensor:  # of the same cell: another one lies elsewhere whatever the weights
            return deconvnet(other, given, layer=seen.layer, feature=seen.feature, of=seen.cell or "map").values

        return _Made(seen.values, seen.layer, told, again, seen.layer)
    if method in MAPS:
        if method == "grad-cam":
            coarsest = of_pictures(member.task)
            values, layer = activation.grad_cam(net, given, score, layer=asked.layer, coarsest=coarsest)
        elif target.label is None:
            raise UsageError("cam", f"the task {member.task.name} answers no class of a whole picture", "grad-cam")
        else:
            values, layer = activation.cam(net, given, target.label)
        # of a CAM too: what is positive of both is the same where both serve
        return _Made(values, layer, target.told, lambda other: activation.grad_cam(other, given, score, layer=layer)[0])
    if method == "integrated":
        values, left = attribution.integrated(net, given, score)
        notes = (f"integrated gradients are {left:.0%} from complete after {attribution.MOST_STEPS} steps",)
        rough = partial(attribution.integrated, picture=given, score=score, most=attribution.STEPS)
        return _Made(
            values, "", target.told, lambda other: rough(other)[0], notes=notes if left > attribution.COMPLETE else ()
        )
    of = {"guided": gradient.guided, "smooth": gradient.smooth, "occlusion": attribution.occlusion}[method]
    return _Made(of(net, given, score), "", target.told, partial(of, picture=given, score=score))


def _checks(made: _Made, member: Member, given: Tensor, target: Target, canvas: Tensor) -> Checks:
    def again(other: nn.Module) -> Array:
        return strength(_on(made.again(other), canvas))

    own = strength(_on(made.values, canvas))
    return checked(member.network, given, own, again, made.until, target.share)


def strength(values: Array) -> Array:
    """Of each place, (height, width): a map's own, and how strong a pixel's channels are together."""
    return values if values.ndim == 2 else np.abs(values.sum(0))


def _on(values: Tensor, canvas: Tensor) -> Array:
    """A map of a layer as it lies over the canvas, bilinear; of what a network is given the picture's own channels."""
    values = values.detach().float().cpu()
    if values.ndim == 2:
        values = functional.interpolate(values[None, None], tuple(canvas.shape[2:]), mode="bilinear")[0, 0]
    else:
        values = values.reshape(-1, *values.shape[-2:])[: canvas.shape[1]]
    return np.asarray(values.numpy())


def _shares(values: Array) -> Array:
    """In 0..1: what is positive, as a share of nearly the highest."""
    return np.clip(values / most(values), 0, 1)


def _over(values: Array, canvas: Pixels) -> Pixels:
    """Colours of a map half over the grey picture, as strong as the map is there."""
    grey = canvas.mean(2, keepdims=True).repeat(3, 2)
    shares = _shares(values)
    strength = 0.25 + 0.5 * shares[..., None]
    return np.asarray(np.rint((1 - strength) * grey + strength * inked(shares)), np.uint8)


def _enlarged(pixels: Pixels) -> Pixels:
    """A small picture with each pixel as a square."""
    times = math.ceil(LEAST / min(pixels.shape[:2]))
    return pixels.repeat(times, 0).repeat(times, 1) if min(pixels.shape[:2]) < LEAST else pixels


def _outlined(drawn: Pixels, box: Box, laid: Laid) -> Pixels:
    """With the outline of a box of the picture: white, and black beside it, so that it is seen everywhere."""
    from PIL import Image, ImageDraw

    (corners,) = laid.forward(np.array([box]), "boxes") * (drawn.shape[0] / laid.canvas[0])
    left, top, right, bottom = np.rint(corners).astype(int).tolist()
    image = Image.fromarray(drawn)
    for away, colour in ((0, "white"), (1, "black")):
        within = (left + away, top + away, max(left, right - 1) - away, max(top, bottom - 1) - away)
        if within[0] <= within[2] and within[1] <= within[3]:
            ImageDraw.Draw(image).rectangle(within, outline=colour)
    return np.asarray(image)
