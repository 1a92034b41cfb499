"""Near-duplicates: pictures that are one picture encoded again, resized, brightened or slightly cropped.

Two looks at the sketches of all pictures. The first finds candidates: the low frequencies of the grey picture, as the
perceptual hash pHash takes them (Zauner 2010, "Implementation and benchmarking of perceptual image hash functions",
section 3.2.1), of the whole and of four corners, kept as small whole numbers instead of signs, so that comparing them
is exact. The second lays a window of one picture on the other, moving its four edges by Gauss and Newton's way (Lucas
and Kanade 1981), and asks how much of what is left to see they do not share.

A distance is sqrt(1 - r), r being the correlation of what both show on 16 x 16; so brightness and contrast do not
count. What is near is calibrated on the set itself: handwritten digits resemble one another more than photographs do.
Mirrored and turned pictures are others, for a turned 6 is a 9; so is a picture in other colours, or in grey.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
from scipy.fft import dct
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from striate.base.randomness import permutation
from striate.data.picture import decode
from striate.data.picture.pixels import MOST_PIXELS
from striate.data.picture.sketch import SIDE, Sketches, chromas, lumas, sketch, stacked
from striate.data.samples import Samples

Floats = npt.NDArray[np.floating[Any]]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# No copy was seen to lie farther; and within the least even handwritten digits have no two that differ.
MOST, LEAST = 0.12, 0.036
# What is near, as a part of the distance that 0.1 % of the pairs of different pictures do not reach.
QUANTILE, PART = 0.001, 0.28
# Below so many levels of deviation there is nothing to compare.
PLAIN = 2.0
# Colours weaker than so many levels tell nothing.
_GREYISH = 6.0

# How much of a side may be cropped off at one end, in pixels of a sketch; where the looks begin: top, bottom, left,
# right of a window. The whole, and four that leave out 7 %.
_CROP = 0.13 * SIDE
_CORNERS = [(start, start + 0.93 * SIDE) for start in (0.007 * SIDE, 0.063 * SIDE)]
_WINDOWS = np.array([(0, SIDE, 0, SIDE), *(down + across for down in _CORNERS for across in _CORNERS)], np.float32)

# The first look: frequencies a side, the length of a hash, how far candidates lie at most, how many of them a picture
# has and there are, and above how many pictures no corners are compared.
_FREQUENCIES, _LENGTH, _FIRST, _EACH, _CANDIDATES, _LARGE = 6, 127, 0.08, 20, 300_000, 40_000
# The second: cells a side, steps, pixels by which an edge is moved to see the slope, and beyond which multiple of what
# is wanted a pair is given up after each step.
_GRID, _STEPS, _NUDGE, _HOPE = 16, 4, 0.25, (4.0, 3.0, 2.0, 1.5, 1.0)
# Pictures whose pairs calibrate, how many of these are tried, and pairs or pictures at once.
_SAMPLE, _TRIED, _BLOCK = 600, 20_000, 1024


@final
@dataclass(frozen=True, eq=False)
class Near:
    """Pairs of places, `first` < `second`, with their distances (m,), all at most `threshold`; and which places are
    too `plain` (n,) to be compared."""

    first: Places
    second: Places
    distance: Floats
    threshold: float
    plain: Flags

    @property
    def clusters(self) -> Places:
        """(n,): equal numbers for pictures that a chain of near pairs joins, in the order of their first."""
        return joined(len(self.plain), self.first, self.second)


def joined(count: int, first: Places, second: Places) -> Places:
    """(count,): equal numbers for places that pairs join, numbered in the order of their first places."""
    edges = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(count, count))
    found = connected_components(edges, directed=False)[1]
    _, begin, numbers = np.unique(found, return_index=True, return_inverse=True)
    places: Places = np.argsort(np.argsort(begin)).astype(np.int64)[numbers]
    return places


def clusters(samples: Samples, progress: Callable[[int, int], None] | None = None) -> Places:
    """(n,): equal numbers for samples that a chain of near-duplicates joins, in the order of their first.

    `progress` gets (done, all) where pictures have to be read for it.
    """
    return near(sketched(samples, progress)).clusters


def sketched(samples: Samples, progress: Callable[[int, int], None] | None = None) -> Sketches:
    """(n, BYTES): those that the scan has made, or made now."""
    if samples.sketches is not None:
        return samples.sketches
    made = []
    for index in range(len(samples)):
        pixels = decode.pixels_of(samples.read(index), samples.read.where(index), max_pixels=MOST_PIXELS)
        made.append(sketch(pixels))
        if progress:
            progress(len(made), len(samples))
    return stacked(made)


def near(sketches: Sketches) -> Near:
    """The near pairs among sketches (n, BYTES); the same whatever the order of the pictures."""
    different, place = np.unique(sketches[:, :-1], axis=0, return_inverse=True)  # the grain apart
    place = place.reshape(-1)
    plain = lumas(different).std((1, 2)) < PLAIN
    kept = np.flatnonzero(~plain)
    pictures = different[kept]
    hashes = _hashes(pictures, _WINDOWS if len(kept) <= _LARGE else _WINDOWS[:1])
    threshold, limit = _calibrated(pictures, hashes)
    first, second = _candidates(hashes, limit)
    distance = _distances(pictures, hashes, first, second, threshold)
    found = (distance <= threshold) & _same_colours(pictures, first, second)
    one, other, far = _of_all(kept[first[found]], kept[second[found]], distance[found], place, plain)
    return Near(one, other, far, threshold, plain[place])


def _of_all(
    first: Places, second: Places, distance: Floats, place: Places, plain: Flags
) -> tuple[Places, Places, Floats]:
    """Pairs among different sketches, as pairs of the first pictures that have them; and those of one sketch."""
    order = np.argsort(place, kind="stable")
    _, begin, count = np.unique(place[order], return_index=True, return_counts=True)
    head = order[begin]
    others = order[(np.arange(len(order)) != np.repeat(begin, count)) & ~plain[place[order]]]
    one = np.concatenate([head[first], head[place[others]]])
    other = np.concatenate([head[second], others])
    far = np.concatenate([distance, np.zeros(len(others), np.float32)])
    one, other = np.minimum(one, other), np.maximum(one, other)
    sort = np.lexsort((other, one))
    return one[sort], other[sort], far[sort]


def _same_colours(pictures: Sketches, first: Places, second: Places) -> Flags:
    """Whether pairs differ in colour by less than half of it; a brighter copy is more colourful as well."""
    one, other = chromas(pictures[first]), chromas(pictures[second])
    strength = np.maximum(_rms(one), _rms(other))
    same: Flags = _rms(one - other) <= np.maximum(_GREYISH, strength / 2)
    return same


def _rms(rows: Floats) -> Floats:
    values: Floats = np.sqrt((rows**2).mean(1))
    return values


def _area(low: Floats, high: Floats, cells: int) -> Floats:
    """(p, cells, SIDE): what each of so many equal cells of [low, high) (p,) averages of a line of pixels."""
    width = ((high - low) / cells)[:, None, None]
    begin = low[:, None, None] + np.arange(cells, dtype=np.float32)[None, :, None] * width
    pixel = np.arange(SIDE, dtype=np.float32)
    covered = np.minimum(begin + width, pixel + 1) - np.maximum(begin, pixel)
    weights: Floats = covered.clip(0, None) / width
    return weights


def _hashes(pictures: Sketches, windows: Floats) -> Floats:
    """(k, n, 35): for each window the low frequencies of every picture, whole numbers of length about 127."""
    waves = dct(np.eye(SIDE, dtype=np.float32), axis=0, norm="ortho")[:_FREQUENCIES]
    made, parts = [], range(0, len(pictures), 20 * _BLOCK)
    for top, bottom, left, right in windows:
        down = waves @ _area(np.array([top]), np.array([bottom]), SIDE)[0]
        across = waves @ _area(np.array([left]), np.array([right]), SIDE)[0]
        waved = [down @ lumas(pictures[at : at + 20 * _BLOCK]).astype(np.float32) @ across.T for at in parts]
        found = np.concatenate([np.empty((0, *waves.shape[:1] * 2)), *waved]).reshape(-1, _FREQUENCIES**2)[:, 1:]
        made.append(np.rint(found * (_LENGTH / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1))))
    return np.stack(made).astype(np.float32)


def _compared(hashes: Floats, first: Places, second: Places) -> Floats:
    """(2, k, p): 1 - r of windows of the first with the whole of the second, and the other way."""
    one = [(of[first] * hashes[0][second]).sum(1) for of in hashes]
    other = [(of[second] * hashes[0][first]).sum(1) for of in hashes]
    return 1 - np.array([one, other], dtype=np.float32) / np.float32(_LENGTH**2)


def _calibrated(pictures: Sketches, hashes: Floats) -> tuple[float, float]:
    """How far near pictures lie at most, and how far by the first look candidates do."""
    count = len(pictures)
    tried = np.sort(permutation(0, "near", 0, count)[:_SAMPLE])
    one, other = np.triu_indices(len(tried), 1)
    if not len(one):
        return MOST, 0.0
    first, second = tried[one], tried[other]
    parts = range(0, len(one), 20_000)
    looks = [_compared(hashes, first[at : at + 20_000], second[at : at + 20_000]).min((0, 1)) for at in parts]
    look = np.concatenate(looks)
    share = min(1.0, min(_CANDIDATES, _EACH * count) / (count * (count - 1) / 2))
    limit = min(_FIRST, float(np.quantile(look, share)))

    rank, far = int(QUANTILE * len(look)), np.empty(0, np.float32)
    order = np.argsort(look, kind="stable")[:_TRIED]
    for at in range(0, len(order), _BLOCK):
        part = order[at : at + _BLOCK]
        far = np.append(far, _distances(pictures, hashes, first[part], second[part], 1.0))
        seen, close = order[: len(far)], far <= MOST
        clusters = joined(len(tried), one[seen[close]], other[seen[close]])
        others = np.sort(far[clusters[one[seen]] != clusters[other[seen]]])
        if len(others) > 5 * rank:  # the nearest by the first look are nearly in the order of the second
            break
    quantile = float(others[min(rank, len(others) - 1)]) if len(others) else MOST / PART
    return float(np.clip(PART * quantile, LEAST, MOST)), limit


def _candidates(hashes: Floats, limit: float) -> tuple[Places, Places]:
    """Pairs, first < second, of which a window is within the limit of the other's whole."""
    count = hashes.shape[1]
    least = np.float32((1 - limit) * _LENGTH**2)
    found = [np.empty((2, 0), np.int64)]
    for row in range(0, count, _BLOCK):
        rows = hashes[:, row : row + _BLOCK]
        for column in range(row, count, _BLOCK):
            columns = hashes[:, column : column + _BLOCK]
            product = rows[0] @ columns[0].T
            for of_row, of_column in zip(rows[1:], columns[1:], strict=True):
                np.maximum(product, of_row @ columns[0].T, out=product)
                np.maximum(product, rows[0] @ of_column.T, out=product)
            places = np.flatnonzero(product >= least)
            if len(places):
                pair = np.stack([places // product.shape[1] + row, places % product.shape[1] + column])
                found.append(pair[:, pair[0] < pair[1]])
    first, second = np.concatenate(found, 1)
    return first, second


def _distances(pictures: Sketches, hashes: Floats, first: Places, second: Places, wanted: float) -> Floats:
    """(p,): the distance of each pair, window of the first or of the second; those beyond `wanted` roughly."""
    made = [np.empty(0, np.float32)]
    grey = lumas(pictures)
    for at in range(0, len(first), _BLOCK):
        one, other = first[at : at + _BLOCK], second[at : at + _BLOCK]
        nearest = _compared(hashes, one, other).argmin(1)
        there = _aligned(grey[one], grey[other], _WINDOWS[nearest[0]], wanted)
        made.append(np.minimum(there, _aligned(grey[other], grey[one], _WINDOWS[nearest[1]], wanted)))
    return np.concatenate(made)


def _aligned(of: Sketches, on: Sketches, windows: Floats, wanted: float) -> Floats:
    """(p,): how far a window of one picture, from `windows` (p, 4) on, lies from the whole of another at the best."""
    whole = _unit(on.reshape(-1, _GRID, SIDE // _GRID, _GRID, SIDE // _GRID).mean((2, 4), dtype=np.float32))[0]
    picture, best, going = of.astype(np.float32), np.full(len(of), np.inf, np.float32), np.arange(len(of))
    for step in range(_STEPS + 1):
        down, across = _area(windows[:, 0], windows[:, 1], _GRID), _area(windows[:, 2], windows[:, 3], _GRID)
        left, right = down @ picture, picture @ across.transpose(0, 2, 1)
        unit, length = _unit(left @ across.transpose(0, 2, 1))
        rest = whole - unit
        best[going] = np.minimum(best[going], np.sqrt((rest**2).sum(1) / 2))
        keep = best[going] <= wanted * _HOPE[step]
        if step == _STEPS or not keep.any():
            break
        moved = _step(windows, (down, across), (left, right), unit, length, rest)
        windows, picture, whole, going = moved[keep], picture[keep], whole[keep], going[keep]
    return best


def _step(
    windows: Floats, areas: tuple[Floats, Floats], sides: tuple[Floats, Floats], unit: Floats, length: Floats,
    rest: Floats,
) -> Floats:  # fmt: skip
    """The windows with their four edges moved to where less is left over."""
    slopes = []
    for edge in range(4):
        moved, inward = windows.copy(), _NUDGE if edge % 2 == 0 else -_NUDGE
        moved[:, edge] += inward
        if edge < 2:
            change = (_area(moved[:, 0], moved[:, 1], _GRID) - areas[0]) @ sides[1]
        else:
            change = sides[0] @ (_area(moved[:, 2], moved[:, 3], _GRID) - areas[1]).transpose(0, 2, 1)
        slope = change.reshape(len(windows), -1) / inward
        slope -= slope.mean(1, keepdims=True)
        slopes.append((slope - unit * (slope * unit).sum(1, keepdims=True)) / length)
    jacobian = np.stack(slopes, 2)
    square = jacobian.transpose(0, 2, 1) @ jacobian
    damping = 1e-3 * np.trace(square, axis1=1, axis2=2)[:, None, None] / 4 + 1e-7
    move = np.linalg.solve(
        square + damping * np.eye(4, dtype=np.float32), jacobian.transpose(0, 2, 1) @ rest[..., None]
    )
    least, most = np.array([0, SIDE - _CROP] * 2, np.float32), np.array([_CROP, SIDE] * 2, np.float32)
    there: Floats = (windows + move[..., 0].clip(-1.5, 1.5)).clip(least, most)
    return there


def _unit(cells: Floats) -> tuple[Floats, Floats]:
    """(p, cells) with mean 0 and length 1, and the lengths (p, 1); what is plain is shorter."""
    rows = cells.reshape(len(cells), -1)
    rows = rows - rows.mean(1, keepdims=True)
    length = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), PLAIN * _GRID)
    return rows / length, length
