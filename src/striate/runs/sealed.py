"""Pictures that are shown to a run's network, and its seal: a sealed one is an opening of its test set.

Whatever shows a run's network pictures of any kind reads them here: predict, embed, explain, gallery, sheet.
"""

import hashlib
import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, final

import numpy as np

from striate.base.reading import read_bytes
from striate.data.load import is_source, read_samples
from striate.data.picture import decode
from striate.data.picture.pixels import check_most
from striate.data.samples import Samples, digest_of
from striate.data.sources import builtin
from striate.data.sources.given import Picture, content, name_of
from striate.data.targets import Labels
from striate.predictor import Predictor
from striate.runs import schema, subsets
from striate.runs.evaluation import Asked, Facts, Of, refuse_sealed, told


@final
@dataclass(frozen=True)
class Given:
    """Pictures by their place: what each holds, and of that the SHA-256, which split.csv may know."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    read: Callable[[int], decode.Given]
    digest: Callable[[int, decode.Given], str]


def given_to(pictures: Any, predictor: Predictor, max_pixels: int) -> Given:
    """What `predict` takes; or a built-in set, a table, an archive or a data set, or arrays with their labels."""
    check_most(max_pixels)
    named = pictures
    if isinstance(named, list | tuple) and len(named) == 1 and isinstance(named[0], str):
        named = named[0]
    if isinstance(named, str) and builtin.built_in(named):
        return _of_samples(builtin.named(named))
    if is_source(named):
        return _of_samples(read_samples(named, learnable=False, max_pixels=max_pixels))
    if isinstance(named, tuple) and not all(isinstance(each, str | os.PathLike) for each in named):
        return _of_samples(read_samples(named, learnable=False))
    if isinstance(named, np.ndarray) and named.ndim == 3 and named.shape[2] not in (1, 3):
        named = list(named)  # grey ones, as training takes them
    return of_pictures(predictor.listed(named)[0], predictor, max_pixels)


def of_pictures(found: Sequence[Picture], predictor: Predictor, max_pixels: int) -> Given:
    """Files, and what is in memory; what is called by a file of theirs has its folder for a label."""
    way = predictor.members[0].preprocess

    def digest(place: int, picture: decode.Given) -> str:
        if isinstance(picture, bytes):
            return hashlib.sha256(picture).hexdigest()
        return digest_of(way.pixels(picture, name_of(found[place], place), max_pixels))

    labels = tuple(path.absolute().parent.name if isinstance(path, Path) else "" for path in found)
    return Given(tuple(map(name_of, found, count())), labels, lambda place: content(found[place], max_pixels), digest)


def _of_samples(samples: Samples) -> Given:
    classes = samples.targets.classes if isinstance(samples.targets, Labels) else ()
    labels = tuple(classes[each] if classes else "" for each in samples.targets.strata)
    return Given(tuple(samples.names), labels, samples.read, lambda place, _: samples.digests[place])


@final
@dataclass(frozen=True)
class Sealed:
    """The digests of a run's sealed pictures, which are read when they are first asked for."""

    folder: Path
    facts: Facts

    def __bool__(self) -> bool:
        return bool(self.facts["split"]["test"]["n"])

    def __contains__(self, digest: object) -> bool:
        return digest in self._suspects and digest in self._all

    @cached_property
    def _suspects(self) -> Collection[str]:
        """The sealed ones, and perhaps others: a long table is understood only when one of these is met."""
        if self.facts["data"].get("split_by", "content") != "content":
            return self._all
        lines = read_bytes(self.folder / subsets.NAME, schema.MOST_LINES).split(b"\n")
        tested = b"\n".join(line for line in lines if b"test" in line[-8:])
        return frozenset(each.decode() for each in re.findall(rb"[0-9a-f]{64}", tested))

    @cached_property
    def _all(self) -> Collection[str]:
        return frozenset(
            digest for digest, subset in subsets.by_content(self.folder, self.facts).items() if subset == "test"
        )


def unanswered(run: Of) -> bool:
    """Whether the run has no result of its test set yet: until then nothing that shows a sealed picture is kept."""
    folder, facts = run
    return bool(schema.read_result(folder, facts)["subset"] != "test")


@final
class Seal:
    """Reads pictures for `asked`; before the first sealed one is handed out, the opening is written down."""

    def __init__(self, predictor: Predictor, run: Of, given: Given, asked: str, sealed: Sealed | None = None) -> None:
        self._predictor, self._run, self._given = predictor, run, given
        self._question = "\0".join((asked, *given.names))
        self._sealed = sealed or Sealed(*run)
        self._asked: Asked | None = None
        self._opened = 0
        self.met: set[int] = set()  # the places of sealed pictures that were handed out
        self._notes: list[str] = []

    def read(self, place: int) -> decode.Given:
        data = self._given.read(place)
        if self._sealed and self._given.digest(place, data) in self._sealed:
            self._open(self._given.names[place])
            self.met.add(place)
        return data

    def notes(self) -> tuple[str, ...]:
        """What is to be said at the end, when all is answered."""
        if self._asked is None:
            return ()
        self._asked.answered()
        return (*self._notes, told(len(self.met), self._opened))

    def _open(self, name: str) -> None:
        refuse_sealed(self._run, f"its sealed {name}")
        if self._asked is None:
            self._predictor.try_out()  # what cannot be answered opens nothing
            self._asked = Asked(self._predictor, self._run, self._question)
            self._opened, self._notes = self._asked.open()
