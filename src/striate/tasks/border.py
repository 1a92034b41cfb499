"""The weight map of Ronneberger et al. 2015, section 3: pixels in the gap between two objects count more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy import ndimage

from striate.data.picture.laid import Array, Kind, Laid
from striate.data.targets import Targets, Whole
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


@final
@dataclass(frozen=True, eq=False)
class Bordered:
    """Masks with the part "weight" on each canvas: what equation 2 adds to the weight of each pixel's class."""

    masks: Targets
    w0: float
    sigma: float

    @property
    def kinds(self) -> Mapping[str, Kind]:
        return {**self.masks.kinds, "weight": "field"}

    @property
    def classes(self) -> tuple[str, ...]:
        return self.masks.classes

    @property
    def strata(self) -> Whole:
        return self.masks.strata

    @property
    def strata_names(self) -> tuple[str, ...]:
        return self.masks.strata_names

    def content(self, index: int) -> bytes:
        return self.masks.content(index)

    def own(self, index: int) -> Mapping[str, Array]:
        return self.masks.own(index)

    def on(self, index: int, laid: Laid) -> Mapping[str, Array]:
        parts = self.masks.on(index, laid)
        mask = np.maximum(parts["mask"], 0)
        objects, _ = instances(parts["objects"], mask) if "objects" in parts else objects_of(mask)
        return {**parts, "weight": border_weights(objects, self.w0, self.sigma)}

    def named(self, classes: Sequence[str]) -> "Bordered":
        return replace(self, masks=self.masks.named(classes))
