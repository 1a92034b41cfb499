"""Pictures of cells that are generated: as under a fluorescence microscope, each cell with its exact outline.

Made of raw words of Philox (Salmon et al. 2011), whole numbers, sums, products, quotients and square roots alone,
which every machine rounds alike: equal words give equal bits everywhere.
"""

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, final, get_type_hints

import numpy as np
import numpy.typing as npt

from striate.base.errors import UsageError, near
from striate.base.options import Range, read
from striate.base.randomness import key
from striate.base.words import many
from striate.data.packed import Digests
from striate.data.picture.laid import Pixels
from striate.data.samples import InMemory, Samples
from striate.data.targets import held

Field = npt.NDArray[np.float64]
Ids = npt.NDArray[np.uint16]

CLASSES = ("background", "cell")
SUBSETS = ("train", "train", "val", "test", "test")  # of each five pictures
RADIUS = (5.0, 11.0)  # of a cell, in pixels; its longest reach is less than twice that
LEAST_AREA = 30  # a cell that shows less, at a border or beside others, is left out
AREA_A_CELL, AREA_A_COLONY = 420, 5_000  # pixels of picture
PHOTONS = 200  # that the brightest cell sends to each pixel; fewer where it is difficult
MOST_PIXELS = 200_000_000  # of all pictures, which are held in memory


@final
@dataclass(frozen=True)
class Cells:
    """`difficulty` 0: cells apart, alike and in even light; 1: crowded, blurred, dim ones, in few photons."""

    number: Annotated[int, Range(100, least=5, most=100_000)] = 100
    size: Annotated[int, Range(128, least=32, most=2048)] = 128
    difficulty: Annotated[float, Range(0.5, least=0, most=1)] = 0.5
    seed: Annotated[int, Range(0, least=0, most=2**32 - 1)] = 0

    def picture(self, index: int) -> tuple[Pixels, Ids]:
        """uint8 (size, size, 1), and the cell that each pixel belongs to, uint16 (size, size): 1 ..., 0 for none.

        Cells that touch have a line of ground between them, two pixels wide.
        """
        random = np.random.Philox(key=key(self.seed, "cells", index))
        ids, light = _cells(random, self.size, self.difficulty)
        return _photographed(random, light, self.difficulty), ids


def cells(words: str) -> Samples:
    """The samples that `words` name: "cells", or with some of its options, "cells:number=500,difficulty=0.7"."""
    made = _read(words.removeprefix("cells").removeprefix(":"))
    pictures, ids = zip(*map(made.picture, range(made.number)), strict=True)
    said = (f"{each.name}={value:g}" if isinstance(value, float) else f"{each.name}={value}"
            for each in dataclasses.fields(made) if (value := getattr(made, each.name)) != each.default)  # fmt: skip
    names = tuple(f"cells/{index:05d}" for index in range(made.number))
    return Samples(
        name=":".join(("cells", ",".join(said))).removesuffix(":"),
        source="builtin",
        root=None,
        names=names,
        read=InMemory(pictures, names),
        digests=Digests.of(hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures),
        targets=held(CLASSES, [(each > 0).astype(np.int8) for each in ids], ids),
        sizes=np.full((made.number, 2), made.size, np.int32),
        subsets=tuple(SUBSETS[index % 5] for index in range(made.number)),
        grey=True,
    )


def _read(words: str) -> Cells:
    """A UsageError names the option that cannot be meant, and one that can."""
    declared = get_type_hints(Cells, include_extras=True)
    found: dict[str, Any] = {}
    for word in words.split(",") if words else ():
        name, _, value = word.partition("=")
        if name not in declared:
            raise UsageError(
                "data", f"cells have no option {name!r}", near(name, declared, f"one of {', '.join(declared)}")
            )
        if name in found:
            raise UsageError("data", f"{name} of cells is said twice", "one of them")
        try:
            found[name] = read(name, declared[name], value)
        except UsageError as error:
            within = declared[name].__metadata__[0]
            raise UsageError("data", f"{name} of cells: {error.cause}", f"cells:{name}={within.such:g}") from None
    made = Cells(**found)
    if made.number * made.size**2 > MOST_PIXELS:
        cause = f"{many(made.number, 'cell')} of {made.size} x {made.size} pixels, more than the {MOST_PIXELS:,} in all"
        raise UsageError("data", cause, f"cells:number={MOST_PIXELS // made.size**2},size={made.size}")
    return made


def _cells(random: np.random.Philox, size: int, difficulty: float) -> tuple[Ids, Field]:
    """Whose each pixel is, and how bright it is in truth: 0..1."""
    from scipy import ndimage

    nearest, owner, bright = np.full((size, size), np.inf), np.zeros((size, size), np.int64), np.zeros((size, size))
    for number, (down, across, radius) in enumerate(_places(random, size, difficulty), start=1):
        place, y, x = _around(down, across, 2 * radius, size)
        level = _level(random, y, x, radius)
        own = (level < 1) & (level < nearest[place])
        nearest[place][own], owner[place][own] = level[own], number
        bright[place][own] = 1 - min(0.9, 1.4 * difficulty) * _uniform(random)
    ids = _numbered(_parted(owner))
    deep = ndimage.distance_transform_edt(ids)  # a cell is thin at its edge
    return ids, np.where(ids > 0, bright * (0.4 + 0.15 * np.minimum(deep, 4)), 0.0)


def _places(random: np.random.Philox, size: int, difficulty: float) -> Field:
    """(down, across, radius) of each cell: colonies grow by cells that touch one that is there."""
    colonies = max(1, size * size // AREA_A_COLONY)
    wanted = max(colonies, round(size * size / AREA_A_CELL * _uniform(random, 0.8, 1.2)))
    least = 1.15 - 0.4 * difficulty  # of the distance of two centres, in radii
    places, count = np.empty((wanted, 3)), 0
    for _ in range(20 * wanted):  # a crowded picture takes no more
        if count == wanted:
            break
        radius = _uniform(random, *RADIUS)
        if count < colonies:
            down, across = _uniform(random, 0, size), _uniform(random, 0, size)
        else:
            near = places[int(_uniform(random, 0, count))]
            apart = (near[2] + radius) * (1.25 - 0.4 * difficulty - 0.1 * _uniform(random))
            sine, cosine = _direction(random)
            down, across = near[0] + apart * sine, near[1] + apart * cosine
        away = (places[:count, 0] - down) ** 2 + (places[:count, 1] - across) ** 2
        if 0 <= down < size and 0 <= across < size and (away > (least * (places[:count, 2] + radius)) ** 2).all():
            places[count] = down, across, radius
            count += 1
    return places[:count]


def _level(random: np.random.Philox, down: Field, across: Field, radius: float) -> Field:
    """0 at a cell's centre and 1 at its edge: an ellipse with two and three waves around it."""
    sine, cosine = _direction(random)
    stretch, two, three = _uniform(random, 0.45, 1), _uniform(random, -0.15, 0.15), _uniform(random, -0.15, 0.15)
    away = np.sqrt(down * down + across * across) + 1e-9
    along, side = (across * cosine + down * sine) / away, (down * cosine - across * sine) / away
    edge = radius / np.sqrt(along * along * stretch + side * side / stretch)
    return np.asarray(away / (edge * (1 + two * along * side + three * along * (along * along - 3 * side * side))))


def _parted(owner: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Without the pixels that touch another cell at a side or a corner."""
    ringed, size = np.pad(owner, 1, mode="edge"), len(owner)
    around = [ringed[a : a + size, b : b + size] for a in range(3) for b in range(3)]
    return np.where(np.logical_and.reduce([(near == owner) | (near == 0) for near in around]), owner, 0)


def _numbered(owner: npt.NDArray[np.int64]) -> Ids:
    """The largest piece of each cell that shows enough, numbered 1 ... without a gap."""
    from scipy import ndimage

    pieces, count = ndimage.label(owner, np.ones((3, 3)))
    areas, cells = np.bincount(pieces.ravel(), minlength=count + 1), np.zeros(count + 1, np.int64)
    cells[pieces.ravel()] = owner.ravel()
    largest = {int(cells[piece]): piece for piece in np.argsort(areas, kind="stable") if piece}
    chosen = sorted(piece for piece in largest.values() if areas[piece] >= LEAST_AREA)
    kept = np.zeros(count + 1, np.uint16)
    kept[chosen] = np.arange(1, len(chosen) + 1)
    return np.asarray(kept[pieces])


def _photographed(random: np.random.Philox, light: Field, difficulty: float) -> Pixels:
    """With debris and haze, through a lens, under uneven light, counted by photons."""
    size = len(light)
    for _ in range(round(difficulty * size * size / 2_000)):
        down, across, radius = _uniform(random, 0, size), _uniform(random, 0, size), _uniform(random, 0.6, 1.8)
        place, y, x = _around(down, across, radius, size)
        light[place][y * y + x * x < radius * radius] = _uniform(random, 0.3, 0.9)
    haze = _blurred(_blurred(light, 8), 8, 3)
    seen = 0.04 + 0.75 * _blurred(light, 1 + round(1.8 * difficulty)) + 0.25 * difficulty * haze
    sine, cosine = _direction(random)
    steps = (np.arange(size) + 0.5) / size - 0.5
    seen *= 1 + difficulty * (steps * cosine + steps[:, None] * sine)
    # a photon's luck: sums of twelve bytes, nearly normal, of mean 1530 and deviation 256
    luck = random.random_raw(-(-12 * size * size // 8)).astype("<u8").view(np.uint8)[: 12 * size * size]
    noise = (luck.reshape(12, size, size).sum(0, np.int64) - 1530) / 256
    counted = seen + np.sqrt(seen / (PHOTONS * (1 - 0.9 * difficulty)) + 0.0001) * noise
    return np.asarray(np.rint(255 * np.clip(counted, 0, 1)), np.uint8)[..., None]


def _blurred(light: Field, times: int, step: int = 1) -> Field:
    """By (1, 2, 1) / 4 down and across, so many times, with neighbours `step` pixels away; nearly normal."""
    for _ in range(times):
        for _ in range(2):
            ringed = np.pad(light, ((step, step), (0, 0)), mode="edge")
            light = ((ringed[: -2 * step] + 2 * light + ringed[2 * step :]) / 4).T
    return light


def _around(down: float, across: float, reach: float, size: int) -> tuple[tuple[slice, slice], Field, Field]:
    """The pixels in reach of a place, and how far below and right of it they are."""
    (top, bottom), (left, right) = ((max(0, int(at - reach)), min(size, int(at + reach) + 1)) for at in (down, across))
    y, x = np.arange(top, bottom) + 0.5 - down, np.arange(left, right) + 0.5 - across
    return (slice(top, bottom), slice(left, right)), *np.meshgrid(y, x, indexing="ij")


def _uniform(random: np.random.Philox, low: float = 0.0, high: float = 1.0) -> float:
    return low + (high - low) * ((int(random.random_raw()) >> 11) * 2.0**-53)


def _direction(random: np.random.Philox) -> tuple[float, float]:
    """By its sine and cosine."""
    while True:
        a, b = _uniform(random, -1, 1), _uniform(random, -1, 1)
        if 0.01 < a * a + b * b < 1:
            length = np.sqrt(a * a + b * b)
            return float(a / length), float(b / length)
