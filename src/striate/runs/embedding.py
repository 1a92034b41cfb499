"""Pictures of any kind as a run's network holds them; a sealed one is an opening of its test set, recorded before."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from striate.base.errors import DataError, Option, UsageError
from striate.base.words import many
from striate.data.picture.laid import Array
from striate.evaluate import vectors
from striate.evaluate.vectors import Between, Embedded, Pool
from striate.predictor import Predictor
from striate.runs.evaluation import Of
from striate.runs.sealed import Seal, given_to

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
