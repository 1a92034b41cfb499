"""What each sample is to be answered with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
import numpy.typing as npt

from striate.base.errors import DataError, nearest
from striate.data.picture.laid import Array, Kind, Laid

Whole = npt.NDArray[np.int64]


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

    def content(self, index: int) -> bytes:
        """What enters the fingerprint of the data: a changed target is other data."""
        ...

    def on(self, index: int, laid: Laid) -> Mapping[str, Array]:
        """The parts of one sample as they lie on its canvas; made in the process that reads the picture."""
        ...

    def named(self, classes: Sequence[str]) -> "Targets":
        """The same in another order of classes; a DataError where one is not among them."""
        ...


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
        return self.classes[int(self.strata[index])].encode("utf-8", "surrogateescape")

    def on(self, index: int, laid: Laid) -> Mapping[str, Array]:
        return {"label": np.asarray(self.strata[index])}

    def named(self, classes: Sequence[str]) -> "Labels":
        """By class name, for the order of another folder's classes means nothing here."""
        foreign = [name for name in self.classes if name not in classes]
        if foreign:
            near = nearest(foreign[0], classes)[0]
            raise DataError(
                "classes", f"classes this network was not trained on: {', '.join(foreign[:10])}",
                f"class folders named as in training ({near!r} is near {foreign[0]!r})",
            )  # fmt: skip
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

    def content(self, index: int) -> bytes:
        return b""

    def on(self, index: int, laid: Laid) -> Mapping[str, Array]:
        return {}

    def named(self, classes: Sequence[str]) -> "Nothing":
        return self
