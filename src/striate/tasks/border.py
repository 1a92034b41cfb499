"""The weight map of Ronneberger et al. 2015, section 3: pixels in the gap between two objects count more."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import ndimage

from striate.data.picture.laid import Array
from striate.data.targets import Masks, Targets
from striate.tasks.overlap import instances, objects_of

# Deviations beyond which a gap is none: exp(-18) is 1.5e-8.
FAR = 6


def border_weights(objects: Array, w0: float, sigma: float) -> Array:
    """w0 exp(-(d1 + d2)^2 / (2 sigma^2)) on pixels of no object, float32: equation 2 without its class weight.

    d1 and d2 are the distances in pixels to the nearest and to the second nearest object (ids above 0).
    """
    reach = int(np.ceil(FAR * sigma)) + 1
    first, second = np.full((2, *objects.shape), np.inf)
    for place, found in enumerate(ndimage.find_objects(objects), 1):
        if found is None:
            continue
        near = tuple(slice(max(0, each.start - reach), each.stop + reach) for each in found)
        distance = ndimage.distance_transform_edt(objects[near] != place)
        second[near] = np.minimum(second[near], np.maximum(first[near], distance))
        first[near] = np.minimum(first[near], distance)
    weights = w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    return np.where(objects > 0, 0, weights).astype(np.float32)


def bordered(targets: Targets, w0: float, sigma: float) -> Masks:
    """Masks with the part "weight" on each canvas: what equation 2 adds to the weight of each pixel's class."""
    assert isinstance(targets, Masks)
    return replace(targets, beside=partial(_weights, w0, sigma))


def _weights(w0: float, sigma: float, parts: Mapping[str, Array]) -> Array:
    mask = np.maximum(parts["mask"], 0)
    objects, _ = instances(parts["objects"], mask) if "objects" in parts else objects_of(mask)
    return border_weights(objects, w0, sigma)
