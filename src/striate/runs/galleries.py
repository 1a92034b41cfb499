"""The gallery of a layer over a run's training pictures, or over pictures that are named."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from striate.base.errors import DataError
from striate.base.words import many, some
from striate.data.load import Data
from striate.data.picture.laid import Array
from striate.data.picture.pixels import MOST_PIXELS
from striate.inside import gallery as inside
from striate.inside.asked import Asked
from striate.inside.gallery import Gallery
from striate.inside.target import only
from striate.predictor import Predictor, Progress
from striate.runs import shown
from striate.runs.evaluation import Of
from striate.runs.own import own_subsets
from striate.runs.sealed import Given, Seal, given_to, unanswered

# Of a map that is kept for the run's page, in pixels.
LONGEST = 640


def gallery(
    predictor: Predictor,
    run: Of | None,
    pictures: Any,
    asked: Asked,
    max_pixels: int,
    progress: Progress,
    keep: str | None = None,
    data: Data | None = None,
) -> Gallery:
    """No `pictures` are the training pictures of the run, which lie in `data` where these have moved; a sealed one of
    those that are named is an opening.

    `keep`: what was typed or called, where the maps are also kept in the run's folder for its page.
    """
    shown.refuse_elsewhere(keep, run)
    member = only(predictor, "gallery")
    where = inside.place(predictor, member, asked)
    if pictures is None and run is not None:
        given, seal, max_pixels = _trained_on(predictor, run, data), None, MOST_PIXELS
    else:
        given = given_to(pictures, predictor, max_pixels)
        seal = None if run is None else Seal(predictor, run, given, "gallery")
    names, failed, count = given.names, list[str](), len(given.names)

    def canvases(place: int, data: Any) -> Sequence[Array]:
        return [canvas for canvas, _ in member.preprocess.looks(data, names[place], max_pixels=max_pixels)]

    def looks() -> Iterator[tuple[int, Sequence[Array]]]:
        for place in range(count):
            try:
                yield place, canvases(place, (seal or given).read(place))
            except DataError as error:
                failed.append(f"{names[place]}: {error.cause}")
            progress("pictures", place + 1, count)

    found = inside.searched(predictor, member, where, looks(), asked.top)
    read = count - len(failed)
    if not read:
        raise DataError(names[0], f"of {many(count, 'picture')} none could be read", "JPEG, PNG or other pictures")
    maps = inside.shown(
        predictor, member, where, found, asked,
        lambda place: (names[place], canvases(place, given.read(place))),
        lambda done, total: progress("units", done, total),
    )  # fmt: skip
    silent = [str(each.feature) for each in maps if not each.units]
    notes = [*failed]
    if read < asked.top:
        notes.append(f"{many(asked.top, 'picture')} of each map were asked for, and there are {read}")
    if silent:
        notes.append(f"never active in {many(read, 'picture')}: {many(len(silent), 'map')} ({some(silent, 12)})")
    if where.field.gated:
        notes.append("a gate makes every cell depend on the whole picture: patches are what it scales")
    made = Gallery(where.layer, where.tile, read, asked.top, maps, (*notes, *(seal.notes() if seal else ())))
    if keep is None or run is None:
        return made
    return dataclasses.replace(made, notes=(*made.notes, _kept(run, made, keep, bool(seal and seal.met))))


def _kept(run: Of, made: Gallery, command: str, sealed: bool) -> str:
    """Keep each map; what is to be said of that. Sealed pictures wait until their test set has a result."""
    folder, _ = run
    if sealed and unanswered(run):
        return "nothing is kept: sealed pictures are among these, and the test set of this run has no result yet"
    pictures = [
        shown.Picture(made.drawn(each), f"map {each.feature}, {each.units[0].activation:.4g} at its highest")
        for each in made.maps
        if each.units
    ]
    title = f"What {made.layer} answers to, over {many(made.count, 'picture')}"
    return shown.kept(folder, "gallery", shown.Inside(title, command, tuple(pictures)), LONGEST)


def _trained_on(predictor: Predictor, run: Of, data: Data | None) -> Given:
    """The training pictures of a run, read from where they lie; a DataError where they are nowhere."""
    split, samples = own_subsets(*run, predictor.task, data, "pictures by name, or data=")
    own = split.train.tolist()
    names = tuple(samples.names[place] for place in own)
    digests = samples.digests
    return Given(names, ("",) * len(own), lambda place: samples.read(own[place]), lambda place, _: digests[own[place]])
