"""How far two masks agree: pixels by class, pairs of pixels, and objects found. All are counts, so that they add up."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from scipy import ndimage, sparse
from torch import Tensor

from striate.base.foreign import missing_package
from striate.data.picture.laid import Array

Objects = Literal["components", "watershed"]
# Regions touch at corners too.
NEIGHBOURS = np.ones((3, 3), dtype=bool)
# A truth and an answer are one object where their IoU is above this: each then has at most one partner.
LEAST = 0.5
# Peaks of the distance to the border, smoothed by a Gaussian, are objects of their own from so many pixels apart.
SMOOTH, APART = 1.0, 5


def confusion(truth: Tensor, answers: Tensor, classes: int) -> Tensor:
    """Pixels (n, classes, classes), rows truth and columns answer, of masks (n, h, w); below 0 none is counted."""

    def table(true: Tensor, said: Tensor) -> Tensor:
        return torch.bincount((true * classes + said)[true >= 0], minlength=classes**2).view(classes, classes)

    return torch.stack([
        torch.stack([table(true[part], said[part]) for part in blocks(true.shape[0], true.shape[1])]).sum(0)
        for true, said in zip(truth, answers, strict=True)
    ])  # fmt: skip


def blocks(height: int, width: int) -> list[slice]:
    """Some rows at a time: what counting needs is several times as large as the pictures."""
    rows = max(1, 2**20 // width)
    return [slice(top, top + rows) for top in range(0, height, rows)]


def counted(ids: Array, classes: int) -> Array:
    """Pixels of each class."""
    return np.asarray(sum(np.bincount(ids[part].ravel(), minlength=classes) for part in blocks(*ids.shape)))


def regions(mask: Array, way: Objects = "components") -> Iterator[tuple[Array, int]]:
    """The connected regions of each class above 0, numbered from 1, and how many there are.

    "watershed" cuts them further, where the distance to their border has several peaks.
    """
    for place in np.flatnonzero(counted(mask, int(mask.max()) + 1)):
        if place:
            yield (_cut if way == "watershed" else _connected)(mask == place)


def objects_of(mask: Array, way: Objects = "components") -> tuple[Array, int]:
    """The `regions` of all classes on one sheet, each with a number of its own, and how many there are."""
    found, count = np.zeros(mask.shape, np.int32), 0
    for labelled, more in regions(mask, way):
        np.add(found, labelled + count, out=found, where=labelled > 0, casting="same_kind")
        count += more
    return found, count


def instances(objects: Array, mask: Array) -> tuple[Array, int]:
    """As `objects_of`, where ids above 0 tell the objects of each class."""
    inside = (objects > 0) & (mask > 0)
    keys = objects[inside].astype(np.int64) * (int(mask.max(initial=0)) + 1) + mask[inside]
    known, places = np.unique(keys, return_inverse=True)
    found = np.zeros(mask.shape, np.int32)
    found[inside] = places + 1
    return found, len(known)


def _connected(region: Array) -> tuple[Array, int]:
    labelled, count = ndimage.label(region, NEIGHBOURS)
    return labelled, int(count)


def _cut(region: Array) -> tuple[Array, int]:
    try:
        from skimage.segmentation import watershed
    except ImportError as error:
        raise missing_package("objects watershed", error, "segment") from None
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(region).astype(np.float32), SMOOTH) * region
    peaks, count = _connected(region & (depth == ndimage.maximum_filter(depth, 2 * APART + 1)))
    labelled: Array = watershed(-depth, peaks, mask=region)
    rest, more = _connected(region & (labelled == 0))  # too small for a peak
    return np.where(rest, rest + count, labelled), count + more


def agreement(truth: tuple[Array, int], answer: tuple[Array, int], mask: Array, said: Array) -> Array:
    """Of numbered objects: pairs of pixels that are in one object in both, in the truth, in the answer (ordered pairs
    of counted pixels that lie in true objects); then objects found, true ones and answered ones.

    `mask` and `said` are the classes of the pixels; what is below 0 in `mask` is not counted.
    """
    shape = truth[1] + 1, answer[1] + 1
    table = sparse.csr_array(shape, dtype=np.int64)
    of_true, of_told = (np.zeros(count, np.int64) for count in shape)
    for part in blocks(*mask.shape):
        counts = mask[part] >= 0
        true, told = truth[0][part][counts], answer[0][part][counts]
        table = table + sparse.coo_array((np.ones(len(true), np.int64), (true, told)), shape).tocsr()
        of_true[true], of_told[told] = mask[part][counts], said[part][counts]
    areas = table.sum(1), table.sum(0)
    inside = table[1:]
    pairs = (int(part @ part - part.sum()) for part in (inside.data, inside.sum(1), inside.sum(0)))
    both = inside[:, 1:].tocoo()
    row, column = both.row + 1, both.col + 1
    overlap = both.data / (areas[0][row] + areas[1][column] - both.data)
    hits = int(((overlap > LEAST) & (of_true[row] == of_told[column])).sum())
    return np.array([*pairs, hits, truth[1], answer[1]], dtype=np.float64)
