"""Pictures explained by a run's network; a sealed one is an opening of its test set, recorded before."""

import dataclasses
from collections.abc import Callable
from typing import Any

from striate.base.errors import DataError
from striate.inside.explained import Explained, Question, explained, tried
from striate.predictor import Predictor
from striate.runs.evaluation import Of
from striate.runs.sealed import Seal, given_to


def explain(
    predictor: Predictor,
    run: Of | None,
    pictures: Any,
    asked: Question,
    max_pixels: int,
    progress: Callable[[int, int], None],
) -> list[Explained]:
    """Each picture by each method, in order; what is to be said of all stands with the last. No run has no seal."""
    if run is not None:
        tried(predictor, asked)
    given, found = given_to(pictures, predictor, max_pixels), list[Explained]()
    seal = None if run is None else Seal(predictor, run, given, "explain")
    for place, name in enumerate(given.names):
        try:
            found += explained(predictor, (seal or given).read(place), name, asked, max_pixels)
        except DataError as error:
            found.append(Explained(name, "", error.cause))
        progress(place + 1, len(given.names))
    notes = seal.notes() if seal else ()
    return [*found[:-1], dataclasses.replace(found[-1], notes=(*found[-1].notes, *notes))] if found else found
