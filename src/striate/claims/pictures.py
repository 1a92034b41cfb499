"""The pictures that are asked for, for claims that read them beside their trainings or make others of them."""

from collections import Counter

import numpy as np

from striate.base.errors import DataError
from striate.base.units import sides, size_of
from striate.base.words import some
from striate.claims.claim import Asked
from striate.data.asked import READING
from striate.data.groups import grouped
from striate.data.load import read_samples
from striate.data.near import clusters
from striate.data.picture.laid import Array
from striate.data.preprocess import Preprocess
from striate.data.samples import Indices, Samples

SIDE = 16  # of canvases that are compared pixel by pixel, at most


def labelled(asked: Asked, purpose: str, needed: int) -> tuple[Samples, Indices]:
    """The samples, and the places of those that are independent and not of a test set that the data bring along.

    Of identical pictures and of each group the first. A DataError where a class has fewer than are `needed`.
    """
    reading = {key: asked.data[key] for key in READING if key in asked.data}
    samples, _ = grouped(read_samples(asked.data["data"], **reading), asked.data.get("groups"), clusters)
    units = np.asarray(samples.digests) if samples.groups is None else samples.groups
    free = np.ones(len(samples), bool) if samples.subsets is None else np.asarray(samples.subsets) != "test"
    places = np.flatnonzero(free)
    places = places[np.sort(np.unique(units[places], return_index=True)[1])].astype(np.int64)
    counts = Counter(samples.targets.strata[places].tolist())
    few = [
        f"{name} has {counts[number]}" for number, name in enumerate(samples.targets.classes) if counts[number] < needed
    ]
    if few:
        cause = f"too few different pictures {purpose}: {some(few, 3)}"
        raise DataError(samples.where, cause, f"at least {needed} in every class")
    return samples, places


def pixels(asked: Asked, samples: Samples, places: Indices) -> Array:
    """What a linear classifier is given: canvases of at most 16x16, a row for each picture, in 0..1."""
    side = min(SIDE, *sides(size_of(asked.data.get("size") or SIDE)))
    way = Preprocess(side, asked.data.get("channels") or (1 if samples.grey else 3))
    rows = [way.looks(samples.read(place), samples.read.where(place))[0][0].ravel() for place in places.tolist()]
    return np.asarray(rows, np.float64) / 255
