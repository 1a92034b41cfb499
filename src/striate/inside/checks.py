"""Whether a map is to be trusted: does it change with the weights, and does the answer rest on what it shows.

Both are held against maps that have nothing to do with the picture: the same map elsewhere.
"""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from striate.base.randomness import draws, normals
from striate.data.picture.laid import Array
from striate.inside.calls import answering
from striate.inside.gradient import Score
from striate.tasks.similarity import ssim

# A map without meaning is above all so many others in 1 of 20.
UNRELATED = 19
# Times that weights are drawn again: whether one drawing keeps a map is a matter of luck.
DRAWS = 3
# Parts in which a picture is taken away or put in, and how many pictures a network sees at once.
STEPS, AT_ONCE = 10, 16
Spread = tuple[float, float, float]
"""Mean, lowest and highest of the unrelated maps."""


@final
@dataclass(frozen=True)
class Alike:
    """How alike a map stays where the weights of the last `layers` are drawn again: NaN where it is empty or even."""

    layers: int
    rank: float
    ssim: float


@final
@dataclass(frozen=True)
class Randomised:
    """`at` several depths, of `layers` in all; what unrelated maps have beside it."""

    at: tuple[Alike, ...]
    layers: int
    rank: Spread
    ssim: Spread

    @property
    def judged(self) -> Alike:
        """Where the upper half of the layers is drawn again."""
        return next(each for each in self.at if each.layers >= self.layers / 2)

    @property
    def changes(self) -> bool | None:
        """Whether the map is by then nearer, by rank, to an unrelated one than to itself; None where it is empty."""
        middle = (1 + self.rank[0]) / 2
        return None if math.isnan(self.judged.rank + middle) else self.judged.rank <= middle

    def __str__(self) -> str:
        if self.changes is None:
            return "nothing is told of how it changes with the weights: it is empty or even itself"
        verdict = "changes" if self.changes else "hardly changes"
        return (
            f"{verdict} with the weights: rank correlation {self.judged.rank:.2f} where those of the last "
            f"{self.judged.layers} of {self.layers} layers are drawn again, {_told(self.rank)} of unrelated maps"
        )


@final
@dataclass(frozen=True)
class Faithful:
    """Areas under the probability while the picture is taken away, and put in, by falling strength of the map.

    `gap` is the second less the first; `unrelated` the same of unrelated maps, and `below` how many have less.
    """

    deletion: float
    insertion: float
    unrelated: Spread
    below: int

    @property
    def gap(self) -> float:
        return self.insertion - self.deletion

    @property
    def beats(self) -> bool:
        """Whether its gap is above that of every unrelated map."""
        return self.below == UNRELATED

    def __str__(self) -> str:
        verdict = "beats random" if self.beats else "is not told apart from random"
        areas = f"deletion {self.deletion:.3f}, insertion {self.insertion:.3f}"
        beside = f"above {self.below} of {UNRELATED} unrelated maps, {_told(self.unrelated, '+.3f')}"
        return f"{verdict}: {areas}, gap {self.gap:+.3f}, {beside}"


@final
@dataclass(frozen=True)
class Checks:
    """`faithful` is None where what is explained is no class, whose probability could fall."""

    randomised: Randomised
    faithful: Faithful | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; NaN is None."""
        return {
            "randomised": {**_plain(dataclasses.asdict(self.randomised)), "changes": self.randomised.changes},
            "faithful": self.faithful and {**_plain(dataclasses.asdict(self.faithful)), "beats": self.faithful.beats},
        }

    def told(self) -> tuple[str, ...]:
        """A sentence for each check."""
        return tuple(str(each) for each in (self.randomised, self.faithful) if each is not None)


def checked(
    net: nn.Module, given: Tensor, strength: Array, again: Callable[[nn.Module], Array], layer: str, share: Score | None
) -> Checks:
    """Of a map's strength (height, width) for what the network is given, (1, channels, height, width).

    `again` is the strength by the same method for another network; `layer` the last that the method goes through, ""
    for all; `share` the probability of what is explained.
    """
    return Checks(randomised(net, given, strength, again, layer), share and faithful(net, given, strength, share))


def randomised(
    net: nn.Module, given: Tensor, strength: Array, again: Callable[[nn.Module], Array], layer: str = ""
) -> Randomised:
    """The cascading randomisation of Adebayo et al. 2018, "Sanity checks for saliency maps", section 3.1.

    Weights are drawn anew, the last layer's first, normal with the mean and deviation of each layer's own; the
    statistics of norms stay. It is done to a copy, at one layer, half and all of them, three times; means are told.
    """
    names = _layers(net, given, layer)
    depths = sorted({math.ceil(len(names) * part) or 1 for part in (0.5, 1)} | {1})
    found: list[list[tuple[float, float]]] = [[] for _ in depths]
    for draw in range(DRAWS):
        other, done = copy.deepcopy(net), 0
        for depth, alike in zip(depths, found, strict=True):
            for name in names[::-1][done:depth]:
                _draw(other.get_submodule(name), name, draw)
            done, drawn = depth, again(other)
            alike.append((rank_correlation(strength, drawn), _similarity(strength, drawn)))
    means = [[_spread(each)[0] for each in zip(*alike, strict=True)] for alike in found]
    at = tuple(Alike(depth, *each) for depth, each in zip(depths, means, strict=True))
    # a projection ends where its cell's field does
    lit = np.ix_(*(_extent(np.any(strength > 0, axis=axis)) for axis in (1, 0)))
    unrelated = list(moved(strength[lit]))
    ranks, similar = ([of(strength[lit], each) for each in unrelated] for of in (rank_correlation, _similarity))
    return Randomised(at, len(names), _spread(ranks), _spread(similar))


def _extent(lit: Array) -> Array:
    """The places from the first that is lit to the last; all where none is."""
    places = np.flatnonzero(lit)
    return np.arange(places[0], places[-1] + 1) if len(places) else np.arange(len(lit))


def _layers(net: nn.Module, given: Tensor, last: str) -> list[str]:
    """The modules with weights of their own in the order of their first use, up to the module `last`."""
    used: list[str] = []
    handles = [
        module.register_forward_pre_hook(lambda module, given, name=name: used.append(name))
        for name, module in net.named_modules()
    ]
    try:
        with answering(net), torch.no_grad():
            net(given)
    finally:
        for handle in handles:
            handle.remove()
    order = list(dict.fromkeys(used))
    kept = order[: order.index(last) + 1] if last else order
    return [name for name in kept if any(True for _ in net.get_submodule(name).parameters(recurse=False))]


@torch.no_grad()
def _draw(module: nn.Module, name: str, draw: int) -> None:
    for key, weights in module.named_parameters(recurse=False):
        (drawn,) = normals(0, f"checks {name}.{key}", draw, [0], tuple(weights.shape))
        weights.copy_(weights.mean() + weights.std(correction=0) * torch.from_numpy(drawn).to(weights))


def moved(strength: Array) -> Iterator[Array]:
    """The same map elsewhere, 19 times: shifted around the edges and mirrored by drawn amounts.

    So it keeps its values, its grain and its shapes, and only where they lie is left to chance: for a map without
    meaning it is one like the others.
    """
    for down, across, *turned in draws(0, "checks", 0, range(UNRELATED), 4):
        there = np.roll(
            strength, [int(part * side) for part, side in zip((down, across), strength.shape, strict=True)], (0, 1)
        )
        yield np.flip(there, tuple(axis for axis, draw in enumerate(turned) if draw < 0.5))


def rank_correlation(own: Array, other: Array) -> float:
    """Spearman's, of the places where either map is above 0: none, 0, with one that is empty or even.

    NaN where the map's own values are, or where one of the two is not finite.
    """
    from scipy.stats import rankdata

    used = (own > 0) | (other > 0)
    if not (np.isfinite(own).all() and np.isfinite(other).all() and used.any()):
        return math.nan
    ranks = np.array([rankdata(each[used].clip(0)) for each in (own, other)])
    first, second = np.ptp(ranks, 1) > 0
    return float(np.corrcoef(ranks)[0, 1]) if first and second else 0.0 if first else math.nan


def _similarity(own: Array, other: Array) -> float:
    """Structural similarity of both as shares of their highest; NaN where one is not finite."""
    if not (np.isfinite(own).all() and np.isfinite(other).all()):
        return math.nan
    maps = [torch.from_numpy(each.clip(0) / (each.max() if each.max() > 0 else 1))[None, None] for each in (own, other)]
    return float(ssim(*maps))


def faithful(net: nn.Module, given: Tensor, strength: Array, share: Score) -> Faithful:
    """Deletion and insertion: Petsiuk et al. 2018, "RISE", section 4.1, in ten steps, from and to the mean colour."""
    order = np.empty(strength.size)
    order[np.argsort(-strength, axis=None, kind="stable")] = np.arange(strength.size) / strength.size
    orders = np.stack([order.reshape(strength.shape), *moved(order.reshape(strength.shape))])
    parts = np.arange(1, STEPS) / STEPS
    empty = torch.zeros_like(given)

    def pictures() -> Iterator[Tensor]:
        yield from (given, empty)
        for each in orders:
            for part in parts:
                taken = torch.from_numpy(each < part).to(given.device)
                yield torch.where(taken, empty, given)
                yield torch.where(taken, given, empty)

    whole, none, *between = _shares(net, pictures(), share)
    curves = np.array(between).reshape(len(orders), STEPS - 1, 2)
    # by trapezoids, the two ends of every curve are the same
    deletion, insertion = ((curves.sum(1) + (whole + none) / 2) / STEPS).T
    gaps = insertion - deletion
    return Faithful(float(deletion[0]), float(insertion[0]), _spread(gaps[1:]), int((gaps[1:] < gaps[0]).sum()))


def _shares(net: nn.Module, pictures: Iterator[Tensor], share: Score) -> list[float]:
    found: list[float] = []
    with answering(net), torch.no_grad():
        while batch := [each for _, each in zip(range(AT_ONCE), pictures, strict=False)]:
            found += share(net(torch.cat(batch))).tolist()
    return found


def _spread(values: Sequence[float]) -> Spread:
    found = [value for value in values if not math.isnan(value)]
    return (float(np.mean(found)), min(found), max(found)) if found else (math.nan,) * 3


def _told(spread: Spread, form: str = ".2f") -> str:
    mean, low, high = (format(each, form) for each in spread)
    return f"{mean} ({low} to {high})"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
