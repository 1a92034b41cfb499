"""How far confidence lies from the share that is right: the expected calibration error, debiased, with its interval.

It is the root of the mean square of the gaps (Kumar, Liang and Ma 2019, "Verified uncertainty calibration", section 2)
over ten parts of equally many pictures. Luck alone opens gaps, so what it opens on average is taken off (Broecker 2012;
Kumar, section 4). The sum of the squares is distributed about as a noncentral chi-square variable of the same mean and
variance (Patnaik 1949), and the interval holds the errors at which it would not be among the 2.5 % that are largest or
smallest. So it holds at 0, where a bootstrap never does: each of its draws opens gaps of its own. The error by parts is
at most that by every single confidence, and nearly as large where gaps change slowly.
"""

import math

import numpy as np

from striate.evaluate.grouped import Groups
from striate.evaluate.intervals import UNDEFINED, Found, Values
from striate.tasks.measures import Calibration

PARTS, EACH = 10, 5


def error(measure: Calibration, groups: Groups | None = None) -> Found:
    """The error, 0 to 1; where `groups` (n,) are independent, luck is theirs. Undefined of fewer than ten units."""
    n = len(measure.right)
    unit = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(unit.max(initial=-1)) + 1
    if (count := min(PARTS, units // EACH)) < 2:
        return UNDEFINED
    parts = measure.parts(count)
    gaps, moves = _gaps(measure, parts, unit, units)
    luck = moves.T @ moves * units / (units - count)
    mean, squares = float(np.trace(luck)), float((luck**2).sum())
    # no less luck than if one picture of one part were wrong: where all are right, more may be wrong than were seen
    if mean < (least := count / n**2):
        mean, squares = least, least**2
    scale, freedom = squares / mean, mean**2 / squares
    seen = float((gaps**2).sum()) / scale
    value, low = max(0.0, seen - freedom), _noncentrality(seen, freedom, 0.975)
    high = _noncentrality(max(seen, freedom), freedom, 0.025)  # gaps smaller than those of luck tell no more than these
    low, value, high = (math.sqrt(scale * each) for each in (min(low, value), value, max(high, value)))
    return min(1.0, value), min(1.0, low), min(1.0, high)


def _gaps(measure: Calibration, parts: list[np.ndarray], unit: Groups, units: int) -> tuple[Values, Values]:
    """Mean gaps of the parts (parts,), and what each unit adds to them by luck (units, parts): both times the root of
    the share of pictures that a part has."""
    gap, n = measure.right - measure.confidence, len(unit)
    gaps, moves = np.empty(len(parts)), np.empty((units, len(parts)))
    for place, part in enumerate(parts):
        weight = math.sqrt(len(part) / n)
        gaps[place] = weight * gap[part].mean()
        off = gap[part] - gap[part].mean()
        moves[:, place] = np.bincount(unit[part], off, minlength=units) * weight / len(part)
    return gaps, moves


def _noncentrality(seen: float, freedom: float, share: float) -> float:
    """That of which so large a share lies below what was seen; 0 where even without any less does."""
    from scipy.optimize import brentq
    from scipy.stats import chi2, ncx2

    def over(noncentrality: float) -> float:
        below = ncx2.cdf(seen, freedom, noncentrality) if noncentrality else chi2.cdf(seen, freedom)
        return float(below) - share

    if over(0.0) <= 0:
        return 0.0
    most = seen + 1
    while over(most) > 0:
        most *= 2
    return float(brentq(over, 0.0, most))
