"""Which networks of the catalogue are worth training within limits: counted, timed here, thinned out."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, final

import torch

from striate.base.errors import StriateError
from striate.base.units import readable_bytes, roughly, sides
from striate.base.words import duration
from striate.cost import machine
from striate.cost.budget import peak_of
from striate.cost.count import count
from striate.models.catalog import catalog, find
from striate.models.entry import published_error
from striate.network import network_for
from striate.runs.chosen import Candidate, Limits
from striate.tasks import registry
from striate.training.execution import Listener
from striate.training.plan import Plan, fitting
from striate.training.recipe import Recipe

# Candidates at most, and those of one family.
MOST, OF_A_FAMILY = 12, 2
# Multiply-adds of a training step for each of a forward pass: two more in the backward pass.
STEP = 3


@final
class Removed(Exception):
    """A network is none of the candidates, and why."""


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
    for done, name in enumerate(names, start=1):
        listener.progress("counting and timing networks", done, len(names))
        try:
            found.append(_candidate(name, recipe, plan, limits, rates))
        except (Removed, StriateError) as error:
            removed[name] = error.cause if isinstance(error, StriateError) else str(error)
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
    latency = machine.seconds(net, [torch.zeros(1, *shape)], [])[""]
    _within("latency here", latency, limits.latency, _milliseconds)
    error = published_error(entry)
    family = entry.builder.rpartition(":")[2]
    return Candidate(name, family, parameters, macs, latency, None if error is None else error[0])


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
    kept = sorted((each for each in found if each.model not in removed), key=_latency)
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
    ours, theirs = (one.latency, one.multiply_adds, one.error), (other.latency, other.multiply_adds, other.error)
    return ours != theirs and all(own <= rival for own, rival in zip(ours, theirs, strict=True))


def _alone(kept: Sequence[Candidate], at: int) -> float:
    """How far apart in time the two beside it are, as a factor."""
    return kept[at + 1].latency / kept[at - 1].latency
