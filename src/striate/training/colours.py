"""Mean, deviation and covariance of the training pictures' colours: of all or of a sample of them, found out once."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np

from striate.base.declared import read
from striate.base.errors import RunError
from striate.data import picture, preprocess, shrink, splits
from striate.data.cache import Known, Say, written_by
from striate.data.feed import Feed, Progress, cut_batches, watched
from striate.data.picture import decode
from striate.data.preprocess import Measured, Preprocess, measure
from striate.data.samples import Indices
from striate.data.units import Units

# Of more pictures so many are measured: the mean of 20,000 is known to a 140th of their spread.
MOST = 20_000


def sample_of(units: Units, learning: Indices) -> Indices:
    """Those of the training pictures that are measured, ascending: all, or so many that their contents choose."""
    if len(learning) <= MOST:
        return learning
    return np.sort(learning[np.argsort(units.keys(learning), kind="stable")[:MOST]])


def note(units: Units, learning: Indices) -> tuple[str, ...]:
    """What is to be said where not all are measured."""
    if len(learning) <= MOST:
        return ()
    what = "pictures" if units.tile is None else "tiles"
    by = "contents" if units.samples.split_by == "content" else "names"
    return (f"mean and deviation are those of {MOST:,} of {len(learning):,} training {what}, chosen by their {by}",)


def colours(
    units: Units, learning: Indices, canvas: Preprocess, feed: Feed, folder: Path | None, say: Say, progress: Progress
) -> Measured:
    """Looked up in the cache `folder`, or measured on the canvases that `feed` gives."""
    chosen = sample_of(units, learning)
    contents = splits.digest(units.samples, np.unique(units.of[chosen]))
    code = written_by(picture, preprocess, shrink)
    of = [contents, len(chosen), canvas.as_dict(), decode.DECODER, code]
    by_content = units.samples.split_by == "content"  # else the key would not tell what is in the files
    known = Known(folder if code and by_content else None, "colours", of, say)
    if (held := known.entries.get(b"")) is not None:
        try:
            found: Measured = read(Measured, json.loads(held), "", "measured")
            return found
        except (ValueError, RunError):
            pass  # of another striate, or damaged beyond its check
    groups = cut_batches(chosen, max(1, 2**22 // math.prod(canvas.sides)))
    found = measure(batch.pictures for batch in watched(feed.batches(groups), len(chosen), progress))
    known.keep({b"": json.dumps(dataclasses.asdict(found)).encode()})
    return found
