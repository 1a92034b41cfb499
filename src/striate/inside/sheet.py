"""A layer as a sheet: its filters, or what it makes of one picture, each numbered as in the network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor, nn

from striate.base.errors import UsageError, escaped, near
from striate.base.words import many
from striate.data.picture.laid import Array, Pixels
from striate.inside.calls import answering, calls
from striate.inside.plate import Plate, around_grey, inked, sized

Scale = Literal["each", "all"]
# Filters and input channels of a deep layer, and maps, that a sheet shows at most.
FILTERS, CHANNELS, MAPS = 16, 64, 2048


@final
@dataclass(frozen=True, eq=False)
class Sheet:
    """`of` a layer's "filters", (filters, channels, height, width), or "activations", (maps, height, width).

    `numbers` are those of the filters or maps in the network. `norms` are the Euclidean norms of whole filters, `means`
    the mean activations; `dead` are filters of norm 0, or maps with nothing above 0 for this picture. `scale`: each is
    drawn by its own strongest weight or activation, or all by one.
    """

    of: Literal["filters", "activations"]
    layer: str
    values: Array
    numbers: tuple[int, ...]
    norms: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    dead: tuple[int, ...] = ()
    scale: Scale = "each"
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return escaped(f"Sheet({many(len(self.numbers), 'filter' if self.norms else 'map')} of {self.layer})")

    @property
    def plate(self) -> Plate:
        """As it is drawn: filters of 1 or 3 channels as pictures, of others a row of channels; activations are dark
        where they are 0 or less."""
        if self.of == "activations":
            scale = _strongest(np.clip(self.values, 0, None), self.scale)
            tiles = [sized(inked(np.clip(each, 0, None) / by)) for each, by in zip(self.values, scale, strict=True)]
            return Plate(tiles, list(map(str, self.numbers)), math.ceil(math.sqrt(len(tiles))))
        scale = _strongest(np.abs(self.values), self.scale)
        shown = self.values / scale[:, None, None, None]
        named = [f"{number}  {norm:.3g}" for number, norm in zip(self.numbers, self.norms, strict=True)]
        if self.coloured:
            tiles = [sized(around_grey(each, 1.0)) for each in shown]
            return Plate(tiles, named, math.ceil(math.sqrt(len(tiles))))
        rows = [[sized(around_grey(channel[None], 1.0), 16) for channel in each] for each in shown]
        labels = [label if not at else "" for label in named for at in range(shown.shape[1])]
        return Plate([tile for row in rows for tile in row], labels, shown.shape[1])

    @property
    def told(self) -> str:
        """How it is drawn, in words."""
        by = "each by its own strongest" if self.scale == "each" else "all by the strongest of all"
        if self.of == "activations":
            return f"numbered from 0, drawn {by} activation; dark is 0 or less"
        rows = "" if self.coloured else ", a row for each, its input channels from left to right"
        return f"with number and norm{rows}; drawn {by} weight, 0 is grey"

    @property
    def coloured(self) -> bool:
        """Whether filters are shown as pictures."""
        return self.values.shape[1] in (1, 3)

    @property
    def picture(self) -> Pixels:
        """uint8 (height, width, 3)."""
        return self.plate.pixels

    def svg(self) -> str:
        """The same as an SVG file, its numbers as text."""
        return self.plate.svg()

    def as_dict(self) -> dict[str, Any]:
        told = {"of": self.of, "layer": self.layer, "numbers": self.numbers, "dead": self.dead, "scale": self.scale}
        return {**told, **({"norms": self.norms} if self.norms else {"means": self.means}), "notes": list(self.notes)}


def filters(net: nn.Module, layer: str | None, features: Sequence[int], scale: Scale) -> Sheet:
    """The filters of a convolution, the first where none is named; `features` are numbers of filters, from 0.

    Of a layer with 1 or 3 input channels all of them; of another the first 16 and of each the first 64 channels.
    """
    known = {name: each for name, each in net.named_modules() if isinstance(each, nn.Conv2d | nn.ConvTranspose2d)}
    if not known:
        raise UsageError("layer", "this network has no convolution", "another network")
    name = next(iter(known)) if layer is None else layer
    if name not in known:
        raise UsageError("layer", f"{name!r} is no convolution", near(name, known, f"such as {next(iter(known))}"))
    conv = known[name]
    weight = conv.weight.detach().cpu().float()
    if isinstance(conv, nn.ConvTranspose2d):  # its weights stand by what is given, and a filter is of what is made
        parts = weight.reshape(conv.groups, -1, *weight.shape[1:])
        weight = parts.transpose(1, 2).flatten(0, 1)
    count, channels = weight.shape[:2]
    _refuse_unknown(name, features, count, "filters")
    small = channels in (1, 3)
    chosen = tuple(features) or tuple(range(count if small else min(count, FILTERS)))
    norms = [float(each.double().square().sum().sqrt()) for each in weight]
    dead = tuple(number for number in range(count) if not norms[number])
    notes = [f"{many(len(dead), 'filter')} of {count} have norm 0"] if dead else []
    if len(chosen) < count:
        notes.append(f"{len(chosen)} of {many(count, 'filter')} are shown")
    if not small and channels > CHANNELS:
        notes.append(f"of each filter the first {CHANNELS} of {channels} input channels are shown; its norm is of all")
    values = weight[list(chosen), : channels if small else CHANNELS].numpy()
    return Sheet("filters", name, np.asarray(values), chosen, tuple(norms[each] for each in chosen), dead=dead,
                 scale=scale, notes=tuple(notes))  # fmt: skip


def activations(net: nn.Module, given: Tensor, layer: str | None, features: Sequence[int], scale: Scale) -> Sheet:
    """What a layer makes of one picture (1, channels, height, width); the last with several cells where none is named.

    A layer is any module, blocks included; of several calls of it the last is meant.
    """
    with answering(net):
        name = layer or next((call.name for call in reversed(calls(net, given)) if call.cells > 1), "")
        if name not in dict(net.named_modules()) or not name:
            names = [each for each, _ in net.named_modules() if each]
            raise UsageError("layer", f"{name!r} is no layer of this network", near(name, names, "one of its layers"))
        made = _made(net, given, name)
    if made is None or made.ndim != 4:
        cause = "is not called for this picture" if made is None else f"makes numbers {tuple(made.shape)}, and no maps"
        raise UsageError("layer", f"{name} {cause}", "a layer that makes maps")
    values = made[0].detach().float().cpu()
    _refuse_unknown(name, features, len(values), "maps")
    chosen = tuple(features) or tuple(range(min(len(values), MAPS)))
    means = values.double().mean((1, 2)).tolist()
    dead = tuple(number for number, highest in enumerate(values.amax((1, 2)).tolist()) if highest <= 0)
    notes = [f"{many(len(dead), 'map')} of {len(values)} have nothing above 0 for this picture"] if dead else []
    if len(chosen) < len(values):
        notes.append(f"{len(chosen)} of {many(len(values), 'map')} are shown")
    return Sheet("activations", name, np.asarray(values[list(chosen)].numpy()), chosen,
                 means=tuple(means[each] for each in chosen), dead=dead, scale=scale, notes=tuple(notes))  # fmt: skip


@torch.no_grad()
def _made(net: nn.Module, given: Tensor, layer: str) -> Tensor | None:
    """What the layer made when it was called last, before anything changed that in place."""
    held: list[Tensor] = []

    def hold(module: nn.Module, inputs: Any, made: Any) -> None:
        if isinstance(made, Tensor):
            held[:] = [made.clone()]

    handle = net.get_submodule(layer).register_forward_hook(hold)
    try:
        net(given)
    finally:
        handle.remove()
    return held[0] if held else None


def _refuse_unknown(layer: str, features: Sequence[int], count: int, what: str) -> None:
    if wrong := [each for each in features if not 0 <= each < count]:
        raise UsageError("feature", f"{layer} has {what} 0 to {count - 1}, and no {wrong[0]}", "some of them")


def _strongest(values: Array, scale: Scale) -> Array:
    """Of each the number that is drawn as the strongest, and 1 where there is nothing."""
    highest = values.reshape(len(values), -1).max(1)
    if scale == "all":
        highest[:] = highest.max()
    return np.where(highest > 0, highest, 1.0)
