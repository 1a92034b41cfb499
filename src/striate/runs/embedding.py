"""Pictures of any kind as a run's network holds them; a sealed one is an opening of its test set, recorded before."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, final

import numpy as np

from striate.base.errors import DataError, Option, RunError, UsageError
from striate.base.words import many
from striate.data.load import is_source, read_samples
from striate.data.picture.laid import Array, Pixels
from striate.data.picture.layers import layers_of
from striate.data.picture.pixels import check_most
from striate.data.samples import Samples, digest_of
from striate.data.sources import builtin
from striate.data.sources.given import content, name_of, pictures_of
from striate.data.targets import Labels
from striate.evaluate import vectors
from striate.evaluate.vectors import Between, Embedded, Pool
from striate.predictor import Predictor
from striate.runs import subsets
from striate.runs.evaluation import Asked, Of, told

# Of the pictures between two others.
MOST_STEPS = 100


def embed(
    predictor: Predictor,
    run: Of,
    pictures: Any,
    pool: Pool | None,
    max_pixels: int,
    progress: Callable[[int, int], None],
) -> Embedded:
    """Each picture as a vector. `pool`: "mean" averages maps over their places, "none" keeps every number."""
    how = pool or vectors.pool_of(predictor)
    given, status = given_to(pictures, predictor, max_pixels), dict[int, str]()
    seal = Seal(predictor, run, given, "embed")

    def looks() -> Iterator[tuple[int, Array]]:
        for place, name in enumerate(given.names):
            try:
                laid, canvases = vectors.canvases(predictor.members[0], seal.read(place), name, max_pixels)
            except DataError as error:
                status[place] = error.cause
                continue
            if len(laid) > 1 and how == "none":
                cause = f"{name} is looked at in {many(len(laid), 'tile')}, whose maps make no one vector"
                raise UsageError("pool", cause, (Option("pool", "mean"),))
            yield from ((place, canvas) for canvas in canvases)
            progress(place + 1, len(given.names))

    found = vectors.of_canvases(predictor, looks(), how)
    none = np.full(next(map(len, found.values()), 0), np.nan, np.float32)
    table = np.array([found.get(place, none) for place in range(len(given.names))], np.float32)
    said = tuple(status.get(place, "ok") for place in range(len(given.names)))
    return Embedded(given.names, given.labels, said, table.reshape(len(said), -1), seal.notes())


def between(predictor: Predictor, run: Of, pair: Sequence[Any], steps: int, max_pixels: int) -> Between:
    """What the decoder makes on the way from one picture's code to another's."""
    if not 2 <= steps <= MOST_STEPS:
        raise UsageError("steps", f"{steps} is out of range", f"a number from 2 to {MOST_STEPS}")
    given = given_to(pair, predictor, max_pixels)
    if len(given.names) != 2:
        raise UsageError("between", f"these are not two pictures, but {len(given.names)}", "two pictures")
    vectors.refuse_no_code(predictor)
    seal, ends = Seal(predictor, run, given, "embed"), []
    for place, name in enumerate(given.names):
        laid, canvases = vectors.canvases(predictor.members[0], seal.read(place), name, max_pixels)
        if len(laid) > 1:
            hint = ("pictures that fit in one, or a run with ", Option("resize", "squash"))
            raise UsageError("between", f"{name} is looked at in {many(len(laid), 'tile')}, and has no one code", hint)
        ends += list(zip(canvases, laid, strict=True))
    return Between(vectors.between(predictor, ends, steps), seal.notes())


@final
@dataclass(frozen=True)
class Given:
    """Pictures by their place: each with its SHA-256, which split.csv may know."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    read: Callable[[int], tuple[bytes | Pixels, str]]


def given_to(pictures: Any, predictor: Predictor, max_pixels: int) -> Given:
    """What `predict` takes; or a built-in set, a table, an archive or a data set, or arrays with their labels."""
    check_most(max_pixels)
    named, way = pictures, predictor.members[0].preprocess
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
    found, _ = pictures_of(named, layers_of(way.channels, way.depth))

    def read(place: int) -> tuple[bytes | Pixels, str]:
        picture = content(found[place], max_pixels)
        if isinstance(picture, bytes):
            return picture, hashlib.sha256(picture).hexdigest()
        pixels = way.pixels(picture, name_of(found[place], place), max_pixels)
        return pixels, digest_of(pixels)

    labels = (path.absolute().parent.name if isinstance(path, Path) else "" for path in found)
    return Given(tuple(map(name_of, found, count())), tuple(labels), read)


def _of_samples(samples: Samples) -> Given:
    classes = samples.targets.classes if isinstance(samples.targets, Labels) else ()
    labels = tuple(classes[each] if classes else "" for each in samples.targets.strata)
    return Given(tuple(samples.names), labels, lambda place: (samples.read(place), samples.digests[place]))


@final
class Seal:
    """Reads pictures for `asked`; before the first sealed one is handed out, the opening is written down."""

    def __init__(self, predictor: Predictor, run: Of, given: Given, asked: str) -> None:
        predictor.try_out()
        self._run, self._given, self._opened, self._met = run, given, 0, 0
        self._sealed = {digest for digest, subset in subsets.by_content(*run).items() if subset == "test"}
        self._asked = Asked(predictor, run, "\0".join((asked, *given.names)))
        self._notes: list[str] = []

    def read(self, place: int) -> bytes | Pixels:
        data, digest = self._given.read(place)
        if digest in self._sealed:
            folder, facts = self._run
            if facts["status"] != "done":
                cause = f"this training is {facts['status']}: its sealed {self._given.names[place]} stays closed"
                raise RunError(folder, cause, "resuming it, or pictures of no test set")
            if not self._met:
                self._opened, self._notes = self._asked.open()
            self._met += 1
        return data

    def notes(self) -> tuple[str, ...]:
        """What is to be said at the end, when all is answered."""
        self._asked.answered()
        return (*self._notes, told(self._met, self._opened)) if self._met else ()
