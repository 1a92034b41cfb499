"""Pictures explained by a run's network; a sealed one is an opening of its test set, recorded before."""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from striate.base.errors import DataError
from striate.base.words import many
from striate.inside.explained import Explained, Question, explained, tried
from striate.predictor import Predictor
from striate.runs import shown
from striate.runs.evaluation import Of
from striate.runs.sealed import Seal, given_to, unanswered


def explain(
    predictor: Predictor,
    run: Of | None,
    pictures: Any,
    asked: Question,
    max_pixels: int,
    progress: Callable[[int, int], None],
    keep: str | None = None,
) -> list[Explained]:
    """Each picture by each method, in order; what is to be said of all stands with the last. No run has no seal.

    `keep`: what was typed or called, where the pictures are also kept in the run's folder for its page.
    """
    shown.refuse_elsewhere(keep, run)
    if run is not None:
        tried(predictor, asked)
    given, found, places = given_to(pictures, predictor, max_pixels), list[Explained](), list[int]()
    seal = None if run is None else Seal(predictor, run, given, "explain")
    for place, name in enumerate(given.names):
        try:
            found += explained(predictor, (seal or given).read(place), name, asked, max_pixels)
        except DataError as error:
            found.append(Explained(name, "", error.cause))
        places += [place] * (len(found) - len(places))
        progress(place + 1, len(given.names))
    notes = seal.notes() if seal else ()
    if keep is not None and run is not None and seal is not None:
        notes = (*notes, *_kept(run, list(zip(places, found, strict=True)), seal.met, keep))
    return [*found[:-1], dataclasses.replace(found[-1], notes=(*found[-1].notes, *notes))] if found else found


def _kept(run: Of, found: Sequence[tuple[int, Explained]], sealed: Collection[int], command: str) -> Iterator[str]:
    """Keep what was explained; what is to be said of that. A sealed picture waits until its test set has a result."""
    folder, _ = run
    hidden = set(sealed) if sealed and unanswered(run) else set()
    pictures, last = list[shown.Picture](), -1
    for place, each in found:
        if each.picture is None or each.seen is None or place in hidden:
            continue
        name = Path(each.file).name
        if place != last:
            pictures.append(shown.Picture(each.seen, f"{name} as the network sees it"))
        layer, last = f", {each.layer}" if each.layer else "", place
        pictures.append(shown.Picture(each.picture, f"{name}, {each.method}: {each.of}{layer}"))
    yield shown.kept(folder, "explain", shown.Inside("What answers rest on", command, tuple(pictures)))
    if hidden:
        yield f"{many(len(hidden), 'sealed picture')} not kept: the test set of this run has no result yet"
