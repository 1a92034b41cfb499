"""What a user would try before a network: filters, as strong as serves validation pictures best, and ways to fill."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import final

import numpy as np
from scipy import ndimage

from striate.data.picture.laid import Array
from striate.tasks.measures import Mean

# So many pictures, and numbers of theirs, are tried with each strength.
MOST_TRIED, MOST_NUMBERS = 64, 2**20


@final
@dataclass(frozen=True)
class Rival:
    """`restored` is a picture (c, h, w) float32 from the given one, its hole (h, w) or None, and one of `strengths`.

    `name` has the strength in it. It is not tried on more than `most` pixels: that would take minutes.
    """

    name: str
    restored: Callable[[Array, Array, float], Array]
    strengths: tuple[float, ...] = (0.0,)
    most: int = 2**25
    needs: str = ""


@final
@dataclass(frozen=True)
class Asked:
    """One picture to restore: as `given` (c, h, w), its `hole` (h, w) bool, and the `score` of an answer."""

    given: Array
    hole: Array
    score: Callable[[Array], float]


def beside(rivals: Sequence[Rival], val: Iterable[Asked], tested: Iterable[Asked], pixels: int) -> list[Mean]:
    """The scores of each rival on the tested pictures, `pixels` in all; one that was not tried has none, and says why.

    Its strength is the one with the highest mean score on the validation pictures.
    """
    left_out = {
        rival.name: f"not tried: pip install 'striate[{rival.needs}]'" if rival.needs and not find_spec("skimage")
        else f"not tried on {pixels / 1e6:,.0f} million pixels"
        for rival in rivals
        if pixels > rival.most or (rival.needs and not find_spec("skimage"))
    }  # fmt: skip
    tried = [rival for rival in rivals if rival.name not in left_out]
    chosen = _chosen(tried, val)
    scores: list[list[float]] = [[] for _ in tried]
    for asked in tested:
        for rival, strength, own in zip(tried, chosen, scores, strict=True):
            own.append(asked.score(rival.restored(asked.given, asked.hole, strength)))
    found = [
        Mean(rival.name.format(strength), tuple(own))
        for rival, strength, own in zip(tried, chosen, scores, strict=True)
    ]
    words = [(rival.name.partition(",")[0], left_out[rival.name]) for rival in rivals if rival.name in left_out]
    return found + [Mean(f"{name} ({why})", ()) for name, why in words]


def _chosen(rivals: Sequence[Rival], val: Iterable[Asked]) -> list[float]:
    """The strength of each that serves the first pictures best; the first one where there are none."""
    totals = [np.zeros(len(rival.strengths)) for rival in rivals]
    for asked in _few(val) if any(len(rival.strengths) > 1 for rival in rivals) else ():
        for rival, total in zip(rivals, totals, strict=True):
            if len(rival.strengths) > 1:
                total += [asked.score(rival.restored(asked.given, asked.hole, each)) for each in rival.strengths]
    return [rival.strengths[int(total.argmax())] for rival, total in zip(rivals, totals, strict=True)]


def _few(val: Iterable[Asked]) -> Iterator[Asked]:
    numbers = 0
    for place, asked in enumerate(val):
        if place == MOST_TRIED or (place and numbers + asked.given.size > MOST_NUMBERS):
            return
        numbers += asked.given.size
        yield asked


def _median(given: Array, hole: Array, side: float) -> Array:
    return np.asarray(ndimage.median_filter(given, size=(1, int(side), int(side))))


def _gaussian(given: Array, hole: Array, sigma: float) -> Array:
    return np.asarray(ndimage.gaussian_filter(given, (0, sigma, sigma)))


def _non_local(given: Array, hole: Array, strength: float) -> Array:
    """Buades, Coll and Morel 2005: patches of 5x5 within 6 pixels."""
    from skimage.restoration import denoise_nl_means

    # with an axis of a single channel scikit-image 0.26 answers something else; a side of one pixel it drops
    picture, axis = (given[0], None) if len(given) == 1 else (given, 0)
    found = denoise_nl_means(picture, patch_size=5, patch_distance=6, h=strength, channel_axis=axis)
    return np.asarray(found).reshape(given.shape)


def _total_variation(given: Array, hole: Array, weight: float) -> Array:
    """Rudin, Osher and Fatemi 1992, by Chambolle's iteration."""
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(given, weight=weight, channel_axis=0))


def _rim(given: Array, hole: Array, strength: float) -> Array:
    """Each hole filled with the mean of the pixels around it."""
    parts, _ = ndimage.label(hole, np.ones((3, 3)))
    filled = given.copy()
    for part, window in enumerate(ndimage.find_objects(parts), 1):
        near = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in window)
        own = parts[near] == part
        rim = ndimage.binary_dilation(own, np.ones((3, 3))) & ~hole[near]
        if rim.any():
            filled[:, *near][:, own] = given[:, *near][:, rim].mean(1, keepdims=True)
    return filled


def _nearest(given: Array, hole: Array, strength: float) -> Array:
    places = ndimage.distance_transform_edt(hole, return_distances=False, return_indices=True)
    return np.asarray(given[:, *places])


def _biharmonic(given: Array, hole: Array, strength: float) -> Array:
    """Damelin and Hoang 2018."""
    from skimage.restoration import inpaint_biharmonic

    return given if hole.all() else np.asarray(inpaint_biharmonic(given, hole, channel_axis=0))


FILTERS = (
    Rival("median filter, {0:g}x{0:g}", _median, (3, 5, 7)),
    Rival("Gaussian filter, sigma {:g}", _gaussian, (0.5, 0.7, 1, 1.4, 2, 3), most=2**28),
    Rival("non-local means, h {:g}", _non_local, (0.05, 0.1, 0.2, 0.3, 0.45, 0.7), most=2**24, needs="segment"),
    Rival("total variation, weight {:g}", _total_variation, (0.03, 0.06, 0.12, 0.25, 0.5, 1), needs="segment"),
)
FILLINGS = (
    Rival("mean of the rim", _rim),
    Rival("nearest pixel", _nearest),
    Rival("biharmonic filling", _biharmonic, most=2**23, needs="segment"),
)
