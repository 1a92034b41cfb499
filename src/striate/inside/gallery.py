"""What each map of a layer answers to most over many pictures, as in Figure 2 of Zeiler and Fergus 2014.

Of each map the nine strongest activations, one a picture; each projected to the picture by a deconvnet, alone, all
others of the layer zero; beside it the patch of the picture that it depends on, which is its receptive field.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, final

import numpy as np
import torch

from striate.base.errors import Option, UsageError, escaped
from striate.base.units import by
from striate.base.words import many
from striate.cost.field.fields import Field, fields
from striate.cost.field.steps import Interval
from striate.data.picture.laid import Array, Pixels
from striate.data.picture.layers import visible
from striate.inside.asked import MAPS, Asked
from striate.inside.calls import Call, answering, calls, place_of
from striate.inside.deconvnet import units, way_to
from striate.inside.plate import Plate, around_grey, block, sized
from striate.inside.strongest import Strongest, highest, made_by
from striate.predictor import Member, Predictor

# Canvases that a network sees at once, projections that are made at once, and units that one gallery may show.
AT_ONCE, TOGETHER, MOST = 16, 4, 576


@final
@dataclass(frozen=True, eq=False)
class Unit:
    """One cell of a map for one picture. `box` is its receptive field on the canvas that the network saw, cut off at
    the border: first and last row, first and last column. `patch` (uint8, height, width, 1 or 3) and `projection`
    (float, channels, height, width; None without a deconvnet) are what lies there; `at` is where the box begins in a
    field that no border cuts.
    """

    file: str
    activation: float
    cell: tuple[int, int]
    box: tuple[Interval, Interval]
    at: tuple[int, int]
    patch: Pixels
    projection: Array | None


@final
@dataclass(frozen=True, eq=False)
class Shown:
    """A map of the layer, and its strongest units, the strongest first; none where it is never active."""

    feature: int
    units: tuple[Unit, ...]


@final
@dataclass(frozen=True, eq=False)
class Gallery:
    """`field` is the height and width of a receptive field, of a canvas where that is smaller; `count` are the pictures
    that were looked through; `top` of them are shown of a map."""

    layer: str
    field: tuple[int, int]
    count: int
    top: int
    maps: tuple[Shown, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shown = f"{many(len(self.maps), 'map')} over {many(self.count, 'picture')}, field {by(self.field)}"
        return escaped(f"Gallery({self.layer}: {shown})")

    @property
    def projected(self) -> bool:
        """Whether there are projections."""
        return any(unit.projection is not None for each in self.maps for unit in each.units)

    def as_dict(self) -> dict[str, Any]:
        """Its numbers: of each map the file, activation, cell and box of its units."""
        names = ("file", "activation", "cell", "box")
        maps = [
            {"feature": each.feature, "units": [{name: getattr(unit, name) for name in names} for unit in each.units]}
            for each in self.maps
        ]
        told = {"layer": self.layer, "field": self.field, "pictures": self.count, "top": self.top, "maps": maps}
        return {**told, "notes": list(self.notes)}

    @property
    def picture(self) -> Pixels:
        """All maps, uint8 (height, width, 3): of each the projections, and right of them the patches."""
        active = [each for each in self.maps if each.units]
        if not active:
            return np.full((1, 1, 3), 255, np.uint8)
        return Plate(
            [self.drawn(each) for each in active],
            [f"map {each.feature}" for each in active],
            math.ceil(math.sqrt(len(active))),
        ).pixels

    def drawn(self, shown: Shown) -> Pixels:
        """A map that is active: its projections, each as strong as it is itself, and right of them its patches."""
        columns = math.ceil(math.sqrt(self.top))
        patches = block([self._tile(each.patch, each.at) for each in shown.units], columns, self.top)
        made = [
            self._tile(around_grey(each.projection), each.at) for each in shown.units if each.projection is not None
        ]
        if not made:
            return patches
        between = np.full((len(patches), 6, 3), 255, np.uint8)
        return np.concatenate([block(made, columns, self.top), between, patches], 1)

    def _tile(self, picture: Pixels, at: tuple[int, int]) -> Pixels:
        """In a whole field, the part that lies beyond the border grey."""
        tile = np.full((*self.field, picture.shape[2]), 127, np.uint8)
        tile[at[0] : at[0] + picture.shape[0], at[1] : at[1] + picture.shape[1]] = picture
        return sized(tile)


@final
@dataclass(frozen=True)
class Place:
    """The layer of a network that is looked at: how often it is called, which maps are asked of its `shape` (maps,
    rows, columns), the receptive field of its cells, and the sides of the canvas."""

    layer: str
    times: int
    features: tuple[int, ...]
    shape: tuple[int, int, int]
    field: Field
    sides: tuple[int, int]

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of a field, or of the canvas where that is smaller."""
        height, width = map(min, self.field.size, self.sides)
        return height, width

    def box(self, cell: tuple[int, int]) -> tuple[tuple[Interval, Interval], tuple[int, int]]:
        """A cell's field on the canvas, and where that begins in a tile."""
        rows, columns = self.field.inside(cell)
        uncut = self.field.sees(cell)
        top, left = (
            here[0] - (all_of_it[0] if size <= side else 0)
            for here, all_of_it, size, side in zip((rows, columns), uncut, self.field.size, self.sides, strict=True)
        )
        return (rows, columns), (top, left)


def place(predictor: Predictor, member: Member, asked: Asked) -> Place:
    """What is asked, tried on a grey canvas before any picture is read; a UsageError where it cannot be."""
    way, net = member.preprocess, member.network
    grey = predictor.given(member, torch.full((1, way.channels, *way.sides), 0.5))
    with answering(net):
        found = calls(net, grey)
    last = _layer(found, asked)
    maps, rows, columns = last.value.shape[1:]
    if wrong := [each for each in asked.features if not 0 <= each < maps]:
        raise UsageError("feature", f"{last.name} has maps 0 to {maps - 1}, and no {wrong[0]}", "some of them")
    count = min(MAPS if asked.maps is None else asked.maps, maps)
    chosen = tuple(dict.fromkeys(asked.features)) or tuple(number * maps // count for number in range(count))
    if len(chosen) * asked.top > MOST:
        cause = f"{asked.top} units of {many(len(chosen), 'map')} are more than the {MOST} that one gallery shows"
        raise UsageError("maps", cause, "fewer maps, or fewer units of each")
    known = fields(net, tuple(grey.shape[1:]))
    field = known.at(last.name)
    if field is None:
        cause = f"the receptive field of {last.name} cannot be told: {known.why_not(last.name)}"
        raise UsageError("layer", cause, "another layer")
    times = sum(call.name == last.name for call in found)
    return Place(last.name, times, chosen, (maps, rows, columns), field, way.sides)


def _layer(found: list[Call], asked: Asked) -> Call:
    """The last call of the layer; where no deconvnet comes back from it, patches are the hint."""
    if asked.patches:
        return found[place_of(found, str(asked.layer))]
    last = None if asked.layer is None else found[place_of(found, asked.layer)]
    try:
        way = way_to(found, asked.layer)
    except UsageError as error:
        hint = (Option("patches", True), ": what it answers to without projections; or a layer before it")
        raise UsageError(error.where, error.cause, hint if last else error.hint) from None
    if not way[-1].maps:
        raise UsageError("layer", f"{way[-1].name} makes no maps", "a layer that does")
    return way[-1]


def searched(
    predictor: Predictor, member: Member, where: Place, looks: Iterable[tuple[int, Sequence[Array]]], top: int
) -> Strongest:
    """The strongest units of every map of the layer over all pictures, each given by its number and its canvases."""
    found = Strongest(where.shape[0], top)
    flat = ((picture, look, canvas) for picture, canvases in looks for look, canvas in enumerate(canvases))
    with answering(member.network):
        for batch in _parts(flat, min(AT_ONCE, predictor.at_once)):
            given = predictor.given(member, torch.from_numpy(np.stack([canvas for _, _, canvas in batch])))
            values, cells = highest(made_by(member.network, given, where.layer, where.times))
            for (picture, look, _), value, cell in zip(batch, values, cells, strict=True):
                found.take(picture, look, value, cell)
    found.finish()
    return found


def shown(
    predictor: Predictor,
    member: Member,
    where: Place,
    found: Strongest,
    asked: Asked,
    read: Callable[[int], tuple[str, Sequence[Array]]],
    progress: Callable[[int, int], None],
) -> tuple[Shown, ...]:
    """What was found of the maps that are asked for; `read` gives a picture's name and its canvases again."""
    ranked = [(feature, rank) for feature in where.features for rank in range(asked.top)]
    wanted = sorted((found.pictures[at], found.looks[at], *at) for at in ranked if found.pictures[at] >= 0)
    made: dict[tuple[int, int], Unit] = {}
    for (picture, look), each in groupby(wanted, lambda one: one[:2]):
        places = [(feature, rank) for _, _, feature, rank in each]
        cells = [divmod(int(found.cells[at]), where.shape[2]) for at in places]
        name, canvases = read(int(picture))
        chosen = [(feature, *cell) for (feature, _), cell in zip(places, cells, strict=True)]
        projected = None if asked.patches else _projected(predictor, member, where, canvases[look], chosen)
        pixels = visible(canvases[look].transpose(1, 2, 0))
        for number, (at, cell) in enumerate(zip(places, cells, strict=True)):
            box, begin = where.box(cell)
            inside = tuple(slice(first, last + 1) for first, last in box)
            projection = None if projected is None else projected[number][:, *inside].copy()
            made[at] = Unit(name, float(found.values[at]), cell, box, begin, pixels[inside].copy(), projection)
        progress(len(made), len(wanted))
    return tuple(
        Shown(feature, tuple(made[feature, rank] for rank in range(asked.top) if (feature, rank) in made))
        for feature in where.features
    )


def _projected(
    predictor: Predictor, member: Member, where: Place, canvas: Array, chosen: Sequence[tuple[int, int, int]]
) -> Array:
    """The projections of single units of one canvas, of the picture's own channels."""
    given = predictor.given(member, torch.from_numpy(canvas[None]))
    with answering(member.network):
        way = way_to(calls(member.network, given), where.layer)
        parts = [units(way, part).float().cpu() for part in _parts(chosen, TOGETHER)]
    return np.asarray(torch.cat(parts)[:, : len(canvas)].numpy())


def _parts(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    left = iter(items)
    while part := list(islice(left, size)):
        yield part
