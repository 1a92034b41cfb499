"""Which networks of the catalogue are worth training within limits: counted, timed here, thinned out."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any, final

import torch

from striate.base.errors import RunError, StriateError
from striate.base.units import readable_bytes, roughly, sides
from striate.base.words import duration, some
from striate.cost import machine
from striate.cost.budget import peak_of
from striate.cost.count import count
from striate.models.catalog import catalog, find
from striate.models.entry import published_error
from striate.network import network_for
from striate.runs.chosen import TRUSTED, Candidate, Limits, fastest_first
from striate.tasks import registry
from striate.training.execution import Listener
from striate.training.plan import Plan, fitting
from striate.training.recipe import Recipe

# Candidates at most, and those of one family.
MOST, OF_A_FAMILY = 12, 2
# Multiply-adds of a training step for each of a forward pass: two more in the backward pass.
STEP = 3


# A time is the median of some passes; times are measured until the last few agree, or so often.
AGREEING, TRIES, PASSES = 3, 8, 3


class Removed(Exception):
    """A network is none of the candidates, and why."""


@final
class Undecided(Removed):
    """Whether its latency keeps within the limit cannot be told."""


def candidates(
    recipe: Recipe, plan: Plan, limits: Limits, listener: Listener
) -> tuple[list[Candidate], dict[str, str]]:
    """Those worth training, the fastest first, and of each other network of the task why not.

    `plan` is of the network that suits the data, for these pictures; times are measured here, in this process.
    """
    kind = registry.found(plan.task.name)[0]
    names = [name for name, entry in catalog().items() if entry.task in kind.networks]
    rates = None if limits.time is None else machine.rates("cpu")
    found: list[Candidate] = []
    removed: dict[str, str] = {}
    undecided = ""
    for done, name in enumerate(names, start=1):
        listener.progress("counting and timing networks", done, len(names))
        try:
            found.append(_candidate(name, recipe, plan, limits, rates))
        except (Removed, StriateError) as error:
            removed[name] = error.cause if isinstance(error, StriateError) else str(error)
            undecided = f"{name}: {error}" if isinstance(error, Undecided) else undecided
    if undecided and not found:
        raise RunError("max_latency", undecided, "a machine that does nothing else, or another limit")
    if doubtful := [each.model for each in found if each.most > (1 + TRUSTED) * each.least]:
        cause = f"times of {some(doubtful, 3)} lie more than {100 * TRUSTED:.0f} % apart, measured {TRIES} times"
        listener.say(f"{cause}: this machine is busy, and networks whose times overlap count as equally fast")
    kept, thinned = thin(found)
    return kept, removed | thinned


def _candidate(name: str, recipe: Recipe, plan: Plan, limits: Limits, rates: machine.Rates | None) -> Candidate:
    """What is known of a network that keeps within the limits; else `Removed`, by what is known soonest."""
    entry = find(name)
    size = plan.recipe.size if "size" in plan.chosen and not entry.fixed else recipe.size
    asked = dataclasses.replace(recipe, model=name, size=size, task=plan.recipe.task)
    fit = fitting(asked, plan.samples.targets.classes)
    parameters = sum(each.numel() for each in fit.net.parameters())
    _within("parameters", parameters, limits.parameters, roughly)
    shape = (plan.task.channels(fit.recipe.channels or 3)[0], *sides(fit.recipe.size or entry.input[-1]))
    macs = count(fit.net, shape).macs
    if rates is not None:
        pictures = len(plan.units.within(plan.split.train)) * (fit.recipe.epochs or 1)
        least = rates.least(STEP * macs * pictures, 0, bfloat16=plan.machine.bfloat16)
        _within("least time of its training", least, limits.time, duration)
    if limits.memory is not None:
        peak = peak_of(fit.net, shape, fit.recipe.batch or 1, autocast=plan.machine.bfloat16)
        _within("memory of a training step", peak.bytes, limits.memory, readable_bytes)
    net = network_for(name, plan.task, fit.recipe.channels or 3, fit.options).eval()
    latency, *within = timed(lambda: machine.seconds(net, [torch.zeros(1, *shape)], [], repeats=PASSES)[""])
    if limits.latency is not None and within[0] <= limits.latency < within[1] > (1 + TRUSTED) * within[0]:
        told = " to ".join(map(_milliseconds, within))
        raise Undecided(f"latency here {told}, and {_milliseconds(limits.latency)} lies between: it cannot be told")
    _within("latency here", latency, limits.latency, _milliseconds)
    error = published_error(entry)
    family = entry.builder.rpartition(":")[2]
    return Candidate(name, family, parameters, macs, latency, None if error is None else error[0], tuple(within))


def timed(measured: Callable[[], float]) -> tuple[float, float, float]:
    """The median, the least and the most of times that agree; of all, where none do in so many tries."""
    tries: list[float] = []
    while len(tries) < TRIES:
        tries.append(measured())
        last = tries[-AGREEING:]
        if len(last) == AGREEING and max(last) <= (1 + TRUSTED) * min(last):
            return statistics.median(last), min(last), max(last)
    return statistics.median(tries), min(tries), max(tries)


def _within(what: str, value: float, most: float | None, told: Callable[[Any], str]) -> None:
    if most is not None and value > most:
        raise Removed(f"{what} {told(value)}, above {told(most)}")


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"


def thin(found: Sequence[Candidate]) -> tuple[list[Candidate], dict[str, str]]:
    """At most `MOST`, the fastest first, and why the others are not among them; the smallest always is.

    Out goes what another one beats here and in print, then what stands between the fastest and the largest of its
    family, then what lies closest to others in time.
    """
    removed: dict[str, str] = {}
    smallest = min(found, key=lambda each: (each.parameters, each.latency), default=None)
    for each in found:
        better = [other for other in found if _beats(other, each)]
        if better and each is not smallest:
            best = min(better, key=_latency)
            removed[each.model] = f"{best.model} is as fast here and has the lower published error"
    for family in {each.family for each in found}:
        own = [each for each in found if each.family == family and each.model not in removed]
        ends = {smallest, min(own, key=_latency), max(own, key=_size)} if own else {}
        for each in own:
            if each not in ends:
                removed[each.model] = f"{family} has {OF_A_FAMILY} others, one faster and one larger"
    kept = fastest_first(each for each in found if each.model not in removed)
    while len(kept) > MOST:
        place = min(range(1, len(kept) - 1), key=lambda at: _alone(kept, at) if kept[at] is not smallest else math.inf)
        removed[kept[place].model] = f"{MOST} are tried, and others are about as fast"
        del kept[place]
    return kept, removed


def _latency(candidate: Candidate) -> float:
    return candidate.latency


def _size(candidate: Candidate) -> tuple[int, float]:
    return candidate.multiply_adds, candidate.latency


def _beats(one: Candidate, other: Candidate) -> bool:
    """As fast, as cheap and in print no worse, and better in one of these; of unknown errors nothing is said."""
    if one.error is None or other.error is None:
        return False
    no_worse = one.least <= other.most and one.multiply_adds <= other.multiply_adds and one.error <= other.error
    return no_worse and (one.most < other.least or one.multiply_adds < other.multiply_adds or one.error < other.error)


def _alone(kept: Sequence[Candidate], at: int) -> float:
    """How far apart in time the two beside it are, as a factor."""
    return kept[at + 1].latency / kept[at - 1].latency
