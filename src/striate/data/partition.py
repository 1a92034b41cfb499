"""Groups among subsets: whole, every stratum near its shares in each, every subset with some of each.

A stratum may lie in many groups and a group in many strata, so that there is no cut that is exact, and the best is not
worth finding. Groups are dealt in an order that is keyed, each to the subset that is shortest of what it has; then
one is moved while that helps. Of several orders the best is taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import final

from striate.base.randomness import key

# Orders that are tried where there are no more groups than this, and how often all are looked at again.
ORDERS, FEW, PASSES = 16, 200, 20
# What a stratum that is missing from a subset costs: more than all that is uneven.
MISSING = 1e6
# All pictures together are one more stratum.
ALL = -1


def dealt(
    groups: Sequence[Mapping[int, int]], keys: Sequence[int], shares: Sequence[float], seed: int, all_need: bool
) -> list[int]:
    """The subset of each group, of those that have a share.

    `groups` are pictures by stratum; `keys` a number for each that its content decides, so that their order decides
    nothing. `all_need`: every subset needs every stratum, not only some picture.
    """
    totals: dict[int, int] = {}
    for group in groups:
        for stratum, count in group.items():
            totals[stratum] = totals.get(stratum, 0) + count
    whole = sum(totals.values())
    parts = [
        {**{stratum: count / totals[stratum] for stratum, count in group.items()}, ALL: sum(group.values()) / whole}
        for group in groups
    ]
    orders = range(ORDERS if len(groups) <= FEW else 1)
    found = (
        _Deal(parts, shares, (ALL, *totals) if all_need else (ALL,)).by(
            sorted(range(len(groups)), key=lambda place: (key(seed, "split", turn, keys[place]), keys[place]))
        )
        for turn in orders
    )
    return min(found, key=lambda deal: deal.cost).sides


@final
class _Deal:
    """One way to deal the groups; `cost` is the sum of (had - wanted)^2 / wanted over strata and subsets."""

    def __init__(self, parts: Sequence[Mapping[int, float]], shares: Sequence[float], needed: Iterable[int]) -> None:
        strata = sorted({stratum for part in parts for stratum in part})  # sums of floats are in one order always
        self._parts, self._shares, self._needed = parts, shares, frozenset(needed)
        self._over = [dict.fromkeys(strata, -share) for share in shares]
        self._counts = [dict.fromkeys(strata, 0) for _ in shares]
        self.sides = [-1] * len(parts)

    def by(self, order: Sequence[int]) -> "_Deal":
        subsets = range(len(self._shares))
        for place in order:
            self._put(place, min(subsets, key=lambda side: self._gain(place, side, 1)))
        for _ in range(PASSES):
            moved = False
            for place in order:
                leaving = self._gain(place, own := self.sides[place], -1) + self._lost(place, own)
                costs = [self._gain(place, side, 1) - self._found(place, side) for side in subsets]
                costs[own] = -leaving
                best = min(subsets, key=costs.__getitem__)
                if costs[best] + leaving < -1e-9:
                    self._put(place, best)
                    moved = True
            if not moved:
                break
        return self

    @property
    def cost(self) -> float:
        uneven = sum(
            over**2 / share for side, share in zip(self._over, self._shares, strict=True) for over in side.values()
        )
        return uneven + MISSING * sum(not counts[stratum] for counts in self._counts for stratum in self._needed)

    def _put(self, place: int, side: int) -> None:
        before, self.sides[place] = self.sides[place], side
        for stratum, part in self._parts[place].items():
            self._over[side][stratum] += part
            self._counts[side][stratum] += 1
            if before >= 0:
                self._over[before][stratum] -= part
                self._counts[before][stratum] -= 1

    def _gain(self, place: int, side: int, sign: int) -> float:
        """What it costs that a group comes to a subset, or leaves it (-1)."""
        over = self._over[side]
        cost = sum(part * (sign * 2 * over[stratum] + part) for stratum, part in self._parts[place].items())
        return cost / self._shares[side]

    def _lost(self, place: int, side: int) -> float:
        """What it costs that a subset is left without some of its strata."""
        counts = self._counts[side]
        return MISSING * sum(counts[stratum] == 1 for stratum in self._parts[place] if stratum in self._needed)

    def _found(self, place: int, side: int) -> float:
        counts = self._counts[side]
        return MISSING * sum(counts[stratum] == 0 for stratum in self._parts[place] if stratum in self._needed)
