"""What each sample is to be answered with."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Protocol, final

import numpy as np
import numpy.typing as npt

from striate.base.errors import DataError, near
from striate.data.picture.laid import Array, Kind, Laid

Whole = npt.NDArray[np.int64]
# What a part is where no picture lies: of a mask, nothing that counts.
OUTSIDE = MappingProxyType({"mask": -1})


class Targets(Protocol):
    """Immutable and picklable; one row a sample."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Each part by name, and what geometry does to it."""
        ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def strata(self) -> Whole:
        """What splits keep in proportion: int64 (n,)."""
        ...

    @property
    def strata_names(self) -> tuple[str, ...]:
        """What strata are called where every subset needs pictures of each; empty where they only balance a split."""
        ...

    def content(self, index: int) -> bytes:
        """What enters the fingerprint of the data: a changed target is other data."""
        ...

    def own(self, index: int) -> Mapping[str, Array]:
        """The parts of one sample in its picture's own pixels; made in the process that reads the picture."""
        ...

    def on(self, index: int, laid: Laid) -> Mapping[str, Array]:
        """The same as they lie on its canvas."""
        ...

    def named(self, classes: Sequence[str]) -> "Targets":
        """The same in another order of classes; a DataError where one is not among them."""
        ...


def lay(parts: Mapping[str, Array], kinds: Mapping[str, Kind], laid: Laid) -> dict[str, Array]:
    """Parts in a picture's own pixels as they lie on its canvas, also where `laid` is of that picture made smaller."""
    return {
        name: _fitting(laid, part, kinds[name]).forward(part, kinds[name], OUTSIDE.get(name, 0))
        for name, part in parts.items()
    }


def _fitting(laid: Laid, part: Array, kind: Kind) -> Laid:
    """`laid` for a part that may be larger than the picture, of which a JPEG is decoded at a half, say."""
    own = part.shape[:2]
    if kind not in ("ids", "field") or own == laid.picture:
        return laid
    down, across = (by * side / mine for by, side, mine in zip(laid.scale, laid.picture, own, strict=True))
    return replace(laid, picture=own, scale=(down, across))


def _foreign(names: Sequence[str], classes: Sequence[str], hint: str) -> None:
    """A DataError where some names are no classes of a network; `hint` says how names come about."""
    if foreign := [name for name in names if name not in classes]:
        cause = f"classes this network was not trained on: {', '.join(foreign[:10])}"
        raise DataError("classes", cause, hint + near(foreign[0], classes, "", f" ({{!r}} is near {foreign[0]!r})"))


@final
@dataclass(frozen=True, eq=False)
class Labels:
    """One class a sample: `strata` int64 (n,) index `classes`; the part "label"."""

    classes: tuple[str, ...]
    strata: Whole

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return {"label": "number"}

    def content(self, index: int) -> bytes:
        return self._contents[self.strata.item(index)]

    @cached_property
    def _contents(self) -> tuple[bytes, ...]:
        return tuple(name.encode("utf-8", "surrogateescape") for name in self.classes)

    @property
    def strata_names(self) -> tuple[str, ...]:
        return self.classes

    def own(self, index: int) -> Mapping[str, Array]:
        return {"label": np.asarray(self.strata[index])}

    def on(self, index: int, laid: Laid) -> Mapping[str, Array]:
        return self.own(index)

    def named(self, classes: Sequence[str]) -> "Labels":
        """By class name, for the order of another folder's classes means nothing here."""
        _foreign(self.classes, classes, "class folders named as in training")
        places = np.array([classes.index(name) for name in self.classes], dtype=np.int64)
        return Labels(tuple(classes), np.asarray(places[self.strata]))


@final
@dataclass(frozen=True, eq=False)
class Nothing:
    """Pictures alone: what is learned from them is made of themselves."""

    count: int

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return {}

    @property
    def classes(self) -> tuple[str, ...]:
        return ()

    @property
    def strata(self) -> Whole:
        return np.zeros(self.count, dtype=np.int64)

    @property
    def strata_names(self) -> tuple[str, ...]:
        return ()

    def content(self, index: int) -> bytes:
        return b""

    def own(self, index: int) -> Mapping[str, Array]:
        return {}

    def on(self, index: int, laid: Laid) -> Mapping[str, Array]:
        return {}

    def named(self, classes: Sequence[str]) -> "Nothing":
        return self


class ReadMask(Protocol):
    """What belongs to a picture, by its place; picklable."""

    def __call__(self, index: int) -> tuple[Array, Array | None]:
        """Places of classes (height, width), -1 where no class counts; and object ids, 0 for none, where there are."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Masks:
    """A class for each pixel: the part "mask", and "objects" where `objects` says so; int32 (height, width).

    `contents` name what each mask holds and means, in printable words. `strata` tell pictures with foreground, which
    is any class but the first, from those without. `present`: the places of `classes` of which there is a pixel.
    `places`: where each place that `read` gives stands among `classes`. `beside` makes the part "weight" of the others
    on a canvas.
    """

    classes: tuple[str, ...]
    read: ReadMask
    contents: tuple[str, ...]
    strata: Whole
    present: tuple[int, ...]
    objects: bool = False
    places: tuple[int, ...] | None = None
    beside: Callable[[Mapping[str, Array]], Array] | None = None

    @property
    def kinds(self) -> Mapping[str, Kind]:
        kinds: dict[str, Kind] = {"mask": "ids", "objects": "ids"} if self.objects else {"mask": "ids"}
        return kinds if self.beside is None else {**kinds, "weight": "field"}

    @property
    def strata_names(self) -> tuple[str, ...]:
        return ()

    def content(self, index: int) -> bytes:
        return self.contents[index].encode()

    def own(self, index: int) -> Mapping[str, Array]:
        mask, objects = self.read(index)
        if self.places is not None:
            mask = np.array((*self.places, -1), np.int32)[mask]  # the last of them is what -1 finds
        parts = {"mask": mask} if objects is None else {"mask": mask, "objects": objects}
        return {name: np.asarray(part, np.int32) for name, part in parts.items()}

    def on(self, index: int, laid: Laid) -> Mapping[str, Array]:
        parts = lay(self.own(index), self.kinds, laid)
        return parts if self.beside is None else {**parts, "weight": self.beside(parts)}

    def named(self, classes: Sequence[str]) -> "Masks":
        """By class name, as labels are; a class of which there is no pixel need not be known."""
        used = [self.classes[place] for place in self.present]
        _foreign(used, classes, "masks, or a classes.csv beside them, that mean what they do in training")
        new = [classes.index(name) if name in classes else -1 for name in self.classes]
        places = tuple(new if self.places is None else (new[place] for place in self.places))
        present = tuple(sorted({new[place] for place in self.present}))
        return replace(self, classes=tuple(classes), places=places, present=present)


@final
@dataclass(frozen=True, eq=False)
class HeldMasks:
    """Masks in memory, as `ReadMask` gives them."""

    masks: Sequence[Array]
    objects: Sequence[Array] | None = None

    def __call__(self, index: int) -> tuple[Array, Array | None]:
        return self.masks[index], None if self.objects is None else self.objects[index]


def held(classes: Sequence[str], masks: Sequence[Array], objects: Sequence[Array] | None = None) -> Masks:
    """Targets of masks in memory: places of classes or -1, and object ids, whole numbers (height, width)."""
    found = [np.unique(mask) for mask in masks]
    parts = zip(masks, *([] if objects is None else [objects]), strict=True)
    return Masks(
        tuple(classes),
        HeldMasks(masks, objects),
        tuple(hashlib.sha256(b"".join(_bytes(each) for each in both)).hexdigest() for both in parts),
        np.array([values.max(initial=-1) > 0 for values in found], np.int64),
        tuple(sorted({int(value) for values in found for value in values if value >= 0})),
        objects is not None,
    )


def _bytes(part: Array) -> bytes:
    return str(part.shape).encode() + np.ascontiguousarray(part, np.int32).tobytes()
