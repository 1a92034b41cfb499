"""Pictures answered by a run's network; a sealed one is an opening of its test set, recorded before."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from striate.data.sources.given import Picture
from striate.predictor import Prediction, Predictor, Progress
from striate.runs.sealed import Seal, Sealed, of_pictures
from striate.tasks.prediction import gathered


def predict(
    predictor: Predictor,
    sealed: Sealed,
    pictures: Any,
    *,
    top: int | None,
    holes: Any,
    max_pixels: int,
    progress: Callable[[int, int], None],
) -> Any:
    """As `Predictor.predict`."""
    each, alone = predictor.listed(pictures)
    found = predictions(predictor, sealed, each, top=top, holes=holes, max_pixels=max_pixels)
    return gathered(found, len(each), alone, progress)


def predictions(
    predictor: Predictor,
    sealed: Sealed,
    pictures: Sequence[Picture],
    *,
    top: int | None,
    holes: Any,
    max_pixels: int,
    tiles: Progress = lambda name, done, total: None,
) -> Iterator[Prediction]:
    """As `Predictor.predictions`; what is to be said of all stands with the last."""
    seal = Seal(
        predictor, (sealed.folder, sealed.facts), of_pictures(pictures, predictor, max_pixels), "predict", sealed
    )
    last = None
    for each in predictor.predictions(
        pictures, top=top, holes=holes, max_pixels=max_pixels, tiles=tiles, read=seal.read
    ):
        if last is not None:
            yield last
        last = each
    if last is not None:
        yield dataclasses.replace(last, notes=seal.notes())
