"""What the values of masks mean: looked at in every mask before training, and applied whenever one is read."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import numpy as np

from striate.base.errors import DataError, Hint, Option, StriateError, UsageError
from striate.base.words import many, some
from striate.data.picture import decode, mask
from striate.data.picture.laid import Array
from striate.data.picture.pixels import MOST_PIXELS
from striate.data.samples import checked
from striate.data.targets import Masks, ReadMask

Kind = Literal["classes", "objects"]
Beside = tuple[str, str | None]  # names of a picture's mask and of its object ids
_OBJECTS = ("background", "object")
# One mask with more different values, or all with more classes, is rather of objects, or a photograph.
MOST_VALUES, MANY_CLASSES, _MOST_CLASSES, _MOST_MAPPED = 1_000, 50, 1 << 16, 20
_OBJECTS_OR_EXACT = (
    Option("masks", "objects"),
    " for ids of objects; else masks that are neither smoothed nor photographs",
)
_PIXELS = 1 << 20
_ENTRY = re.compile(r"\s*(?:#([0-9a-f]{6})|(-?\d{1,9}))\s*=\s*(.*?)\s*", re.IGNORECASE | re.DOTALL)
HINT = "for each picture a mask of its name and size, as PNG or TIFF, with a class id for each pixel"
_MAPS = "0=background,255=cell, or #000000=background,#ff0000=cell; a value without a name counts nowhere"


@final
@dataclass(frozen=True)
class Legend:
    """`meaning`: (value, class) in the order of the classes, "" for what counts nowhere; None where value k is class k.

    Values are ids, or colours as 0xRRGGBB where `coloured`. `ignore` is an id that counts nowhere besides.
    `objects`: each id above 0 is an object of its own, and all are of one class. Without a map -1 counts nowhere.
    """

    meaning: tuple[tuple[int, str], ...] | None = None
    coloured: bool = False
    ignore: int | None = None
    objects: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """In order; none where only the masks can tell."""
        return _OBJECTS if self.objects else tuple(dict.fromkeys(name for _, name in self.meaning or () if name))

    @property
    def table(self) -> Mapping[int, int]:
        """The place of each value that is not a place itself."""
        if self.objects:
            return {}
        nowhere = {} if self.ignore is None else {self.ignore: -1}
        places = {"": -1} | {name: place for place, name in enumerate(self.classes)}
        return nowhere | {value: places[name] for value, name in self.meaning or ()}

    def told(self, value: int) -> str:
        return f"#{value:06x}" if self.coloured else str(value)

    def places(self, values: Array) -> Array:
        """Values to places of classes, int32, -1 where none counts; every value is one that the scan has seen."""
        if self.objects:
            found = (values > 0).astype(np.int32)
        elif self.meaning is None:
            found = values.astype(np.int32)
        else:
            known, to = np.array(sorted(self.table.items()), np.int32).T
            found = np.concatenate([to[np.searchsorted(known, part)] for part in _parts(values)])
        if self.ignore is not None:
            found[values == self.ignore] = -1
        return found

    def ids(self, values: Array) -> Array:
        """Values to object ids, 0 for none."""
        return np.where(self.places(values) == 1, values, 0)


def legend(
    mask_map: str | None, ignore: int | None, masks: Kind, listed: Sequence[tuple[str, str]] = (), where: object = ""
) -> Legend:
    """As a recipe says; or, where it has no map, as a file `where` lists: rows of (value, class)."""
    if masks == "objects":
        if mask_map:
            raise UsageError("mask_map", "every value above 0 is an object of its own", "masks = 'classes', or no map")
        return Legend(ignore=ignore, objects=True)
    fault: type[StriateError] = DataError if mask_map is None else UsageError
    entries = [f"{value}={name}" for value, name in listed]
    if mask_map is not None:
        entries, where = mask_map.split(","), "mask_map"
    meaning: dict[int, str] = {}
    colours = {entry.strip().startswith("#") for entry in entries}
    for entry in entries:
        found = _ENTRY.fullmatch(entry)
        if not found:
            raise fault(where, f"{entry!r} is no value of a mask with its class", _MAPS)
        value = int(found[1], 16) if found[1] else int(found[2])
        if meaning.setdefault(value, found[3]) != found[3] or value == ignore:
            raise fault(where, f"{entry!r}: what its value means is said twice", "each value once")
    if len(colours) > 1:
        raise fault(where, "some values are colours and some are ids", _MAPS)
    if entries and len(set(filter(None, meaning.values()))) < 2:
        raise fault(where, "fewer than two classes: nothing to tell apart", _MAPS)
    if True in colours and ignore is not None:
        raise UsageError(
            "ignore", f"{ignore} is an id, and the masks have colours", "a colour without a name in the map"
        )
    return Legend(tuple(meaning.items()) or None, True in colours, ignore)


@final
@dataclass(frozen=True)
class Seen:
    """What one mask is: SHA-256 of its files; pixels by value, of objects by place, None for too many values."""

    digests: tuple[str, ...]
    counts: Mapping[int, int] | None
    coloured: bool = False
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Pairs:
    """The masks of a listing, and the object ids where it has any, below its root: "" where a picture has none.

    `told` is what to say of the pairs where some cannot be used.
    """

    masks: tuple[str, ...]
    objects: tuple[str, ...] | None
    legend: Legend
    told: str = ""

    def of(self, place: int) -> Beside:
        """The mask of a picture and its object ids, where there are any."""
        return self.masks[place], None if self.objects is None else self.objects[place]


def look(root: Path, beside: Beside, size: tuple[int, int], legend: Legend, max_pixels: int) -> Seen:
    """What the mask of a picture of this size is; a DataError where it cannot be used. The caller holds `quiet`."""
    digests, notes, first = [], list[str](), None
    for what, each in zip(("mask", "picture of object ids"), beside, strict=True):
        if each is None:
            continue
        if not each:
            raise DataError(root, f"no {what} of its name", "")
        path = root / each
        try:
            data, coloured = decode.read_bytes(path, max_pixels), legend.coloured and first is None
            found = mask.values(data, str(path), coloured=coloured, max_pixels=max_pixels)
        except DataError as error:
            raise DataError(path, f"its {what}: {error.cause}", error.hint) from None
        if found.values.shape != size:
            (tall, wide), (height, width) = found.values.shape, size
            turned = ", turned by a quarter (an EXIF orientation that one of them lacks?)" * ((wide, tall) == size)
            raise DataError(path, f"its {what} is {wide} x {tall} pixels, the picture {width} x {height}{turned}", "")
        digests.append(hashlib.sha256(data).hexdigest())
        notes += [f"its {what}: {note}" for note in found.notes]
        first = first or found
    assert first is not None
    return Seen(tuple(digests), counted(first.values, legend), first.coloured, tuple(notes))


def seen_in_memory(values: Array, legend: Legend) -> Seen:
    """The same of a mask that is in memory already."""
    digest = hashlib.sha256(str(values.shape).encode() + np.ascontiguousarray(values).tobytes()).hexdigest()
    return Seen((digest,), counted(values, legend))


def counted(values: Array, legend: Legend) -> Mapping[int, int] | None:
    """Pixels by value, of objects by place; None where there are too many different ones to be classes."""
    found: Counter[int] = Counter()
    for part in _parts(legend.places(values) if legend.objects else values):
        kinds, counts = np.unique(part, return_counts=True)
        found.update(dict(zip(kinds.tolist(), counts.tolist(), strict=True)))
        if len(found) > MOST_VALUES:
            return None
    return dict(found)


def _parts(values: Array) -> Iterator[Array]:
    """A few rows at a time: what searching and sorting need is several times as large."""
    rows = max(1, _PIXELS // values.shape[1])
    return (values[top : top + rows] for top in range(0, len(values), rows))


@final
@dataclass(frozen=True)
class MaskFiles:
    """The files of `Pairs` as `ReadMask` gives them; `digests` of each mask's files."""

    root: Path
    masks: Sequence[str]
    objects: Sequence[str] | None
    digests: Sequence[tuple[str, ...]]
    legend: Legend

    def __call__(self, index: int) -> tuple[Array, Array | None]:
        legend, digests = self.legend, self.digests[index]
        values = self._values(self.masks[index], digests[0], legend.coloured)
        if self.objects is not None:
            return legend.places(values), self._values(self.objects[index], digests[1], False)
        return legend.places(values), legend.ids(values) if legend.objects else None

    def _values(self, name: str, digest: str, coloured: bool) -> Array:
        path = self.root / name
        data = checked(decode.read_bytes(path, MOST_PIXELS), digest, str(path))
        return mask.read(data, str(path), coloured=coloured).values


def settled(legend: Legend, seen: Sequence[tuple[str, Seen]], where: object, strict: bool) -> tuple[str, ...]:
    """The classes that these masks have, by name of the mask what it is; a DataError where they cannot be classes.

    `strict`: they are to be learned, so that there are several, and no value is out of the ordinary.
    """
    if not legend.objects:
        _stop_if_without_meaning(legend, seen, where, strict)
    places = _total(_by_place(legend, each) for _, each in seen)
    del places[-1]
    if strict and len(places) < 2:
        cause = "no pixel of any mask counts"
        for place in places:
            cause = f"every pixel that counts is {(legend.classes or range(place + 1))[place]}: nothing to tell apart"
        raise DataError(where, cause, "masks of two classes at least")
    if legend.classes:
        return legend.classes
    if not strict or (_are_classes(places) and not _smoothed(places)):
        if places and not 0 <= min(places) <= max(places) < _MOST_CLASSES:
            raise DataError(where, f"values that are no classes: {_histogram(places, legend)}", _map(places, legend))
        return tuple(map(str, range(max(places, default=0) + 1)))
    raise _no_classes(legend, places, where)


def _stop_if_without_meaning(legend: Legend, seen: Sequence[tuple[str, Seen]], where: object, strict: bool) -> None:
    """Every value is one that the legend knows, of the kind that it knows."""
    if crowded := [name for name, each in seen if each.counts is None]:
        cause = f"masks of more than {MOST_VALUES:,} different values, which are no classes: {some(crowded)}"
        raise DataError(where, cause, _OBJECTS_OR_EXACT)
    if other := [(name, each) for name, each in seen if each.coloured != legend.coloured]:
        painted = Legend(coloured=not legend.coloured)
        shown = _total(each.counts for _, each in other)
        what = "nothing says which class each is" if legend.meaning is None else "their values are given otherwise"
        count = many(len(other), "mask")
        cause = f"{count} in {'colours' if painted.coloured else 'ids'}, and {what}: "
        raise DataError(where, cause + _histogram(shown, painted), _map(shown, painted))
    if legend.meaning is not None:
        total = _total(each.counts for _, each in seen)
        if beyond := Counter({value: count for value, count in total.items() if value not in legend.table}):
            first = next(name for name, each in seen if set(each.counts or ()) & set(beyond))
            cause = f"values that the map does not name: {_histogram(beyond, legend, total.total())}; first in {first}"
            hint = f"a class for each; {legend.told(next(iter(beyond)))}= without a name counts it nowhere"
            raise DataError(where, cause, hint if strict else "masks whose values mean what they do in training")


def _total(counts: Iterable[Mapping[int, int] | None]) -> Counter[int]:
    total: Counter[int] = Counter()
    for each in counts:
        total.update(each or {})
    return total


def _are_classes(values: Collection[int]) -> bool:
    """Whether they count from 0, with more of them there than missing."""
    return min(values) == 0 and 2 * len(values) > max(values) + 1


def _smoothed(counts: Counter[int]) -> bool:
    return len(counts) > MANY_CLASSES and counts[0] + counts[255] > 0.9 * counts.total()


def _no_classes(legend: Legend, counts: Counter[int], where: object) -> DataError:
    told, most, inner = _histogram(counts, legend), max(counts), set(counts) - {255}
    if min(counts) == 1 and len(counts) == most:
        cause = f"ids 1 to {most} and no 0, where classes count from 0: {told}"
        return DataError(where, cause, _map(counts, legend))
    if _smoothed(counts):
        cause = (
            f"{many(len(counts), 'value')}, nearly all of them 0 or 255, like two classes with smoothed edges: {told}"
        )
        return DataError(where, cause, "masks without smoothing, of two values")
    hint = _map(counts, legend)
    if 255 in counts and len(inner) > 1:
        hint = (Option("ignore", 255), ", if 255 marks what is not to count; a map of values to classes; or masks "
                "without smoothed edges")  # fmt: skip
    return DataError(where, f"values that are no classes 0, 1, 2 ...: {told}", hint)


def _histogram(counts: Counter[int], legend: Legend, all_: int | None = None) -> str:
    total = all_ or counts.total()
    shares = (f"{legend.told(value)} ({100 * count / total:.3g} %)" for value, count in counts.most_common())
    return f"{some(shares, 8)} of all pixels"


def _map(counts: Counter[int], legend: Legend) -> Hint:
    """A map for these values, the names to be filled in; where they are too many, what else they may be."""
    if len(counts) > _MOST_MAPPED:
        return _OBJECTS_OR_EXACT
    names = ["background", "foreground"] if len(counts) == 2 and min(counts) == 0 else []
    pairs = zip(sorted(counts), names or [f"class{place}" for place in range(len(counts))], strict=True)
    return (Option("mask_map", ",".join(f"{legend.told(value)}={name}" for value, name in pairs)), ", with your names")


def targets(read: ReadMask, legend: Legend, classes: tuple[str, ...], seen: Sequence[Seen], objects: bool) -> Masks:
    """Of masks that `settled` has approved."""
    found = [_by_place(legend, each) for each in seen]
    said = f"{legend.meaning} {legend.ignore} {legend.objects}"
    return Masks(
        classes,
        read,
        tuple(hashlib.sha256("\0".join((*each.digests, said)).encode("utf-8", "replace")).hexdigest() for each in seen),
        np.array([any(place > 0 for place in places) for places in found], np.int64),
        tuple(sorted({place for places in found for place in places if place >= 0})),
        objects,
    )


def notes(
    legend: Legend, classes: Sequence[str], seen: Sequence[tuple[str, Seen]], subsets: Sequence[str] | None
) -> list[str]:
    """What a person should know of these masks: shares of pixels, and what is rare or absent; `seen` by name."""
    found = [_by_place(legend, each) for _, each in seen]
    total = _total(found)
    all_, ignored = total.total(), total.pop(-1, 0)
    shares = (f"{classes[place]!r} {100 * count / all_:.3g} %" for place, count in total.most_common())
    said = [f"pixels by class: {some(shares, 10)}" + f"; {100 * ignored / all_:.3g} % count nowhere" * bool(ignored)]
    for kind, places_ in (("in which nothing counts", [{-1}]), (f"of {classes[0]!r} alone", [{0}, {-1, 0}])):
        if names := [name for (name, _), places in zip(seen, found, strict=True) if set(places) in places_]:
            said.append(f"{many(len(names), 'mask')} {kind}: {some(names)}")
    sides: dict[str, Counter[int]] = {}
    for subset, places in zip(subsets or ("",) * len(found), found, strict=True):
        sides.setdefault(f"{subset}/ has" if subset else "there is", Counter()).update(places)
    for side, places in sides.items():
        if absent := [repr(name) for place, name in enumerate(classes) if not places[place]]:
            said.append(f"{side} no pixel of {some(absent)}")
    if len(classes) > MANY_CLASSES:
        said.append(f"{many(len(classes), 'class')}: where these are ids of objects, masks = 'objects' says so")
    return said


def _by_place(legend: Legend, seen: Seen) -> Counter[int]:
    """Pixels by place, -1 for those that count nowhere."""
    table, found = legend.table, Counter[int]()
    for value, count in (seen.counts or {}).items():
        found[table.get(value, value)] += count
    return found
