"""The loss around the weights of a run, on its own training pictures; the run is left as it is."""

import copy
import dataclasses
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.base import devices
from striate.base.randomness import permutation
from striate.base.words import many
from striate.data.feed import Batch, cut_batches, open_feed
from striate.data.load import Data, reading_workers
from striate.data.units import units_of
from striate.evaluate.rows import given
from striate.inside.landscape import Along, Landscape, Losses, Progress, along, plane
from striate.predictor import Member
from striate.runs import checkpoint
from striate.runs.own import own_subsets
from striate.runs.run import Run

CHOSEN, START = "the chosen weights", "the start"


def landscape(
    run: Run, of: str, points: int, pictures: int, start: Callable[[], nn.Module] | None, data: Data | None,
    device: str, progress: Progress,
) -> Landscape:  # fmt: skip
    """`start` gives the network as its training began, None where that is not known."""
    net, place = copy.deepcopy(run.network), devices.named(device)
    member = dataclasses.replace(run.predictor.members[0], network=net.to(place))
    batches, seen = training_batches(run, member, data, pictures, run.predictor.at_once, place)
    losses = _losses(member, batches)
    if of == "plane":
        found = plane(losses, int(run.recipe["seed"]), points, progress)
        return Landscape(of, seen, found, _frozen(net))
    rate, states = float(run.recipe["rate"]), _states(run, start)
    alongs, notes, done = list[Along](), list[str](), count(1)

    def tick() -> None:
        progress(next(done), len(states) * points)

    for name, state in states.items():
        net.load_state_dict(dict(state))
        if name == START and _norms(net):
            _settle(net, losses)
            notes.append("at the start running statistics have seen nothing: they are those of these pictures")
        alongs.append(along(losses, name, rate, points, tick))
    if start is None:
        notes.append("it began with trained weights, which are not kept: the start is left out")
    return Landscape(of, seen, tuple(alongs), (*_frozen(net), *notes))


def training_batches(
    run: Run, member: Member, data: Data | None, pictures: int, at_once: int, device: torch.device
) -> tuple[list[Batch], int]:
    """Training pictures that the seed draws, as the network is given them when it is evaluated."""
    task, facts = member.task, run.facts
    hint = "striate.landscape(run, data=(pictures, labels)) from Python"
    split, samples = own_subsets(run.folder, facts, task, data, hint)
    order = permutation(int(facts["recipe"]["seed"]), "landscape", 0, len(split.train))
    chosen = np.sort(split.train[order[:pictures]])
    samples = dataclasses.replace(samples, targets=task.weighed(samples.targets))
    units = units_of(samples, member.preprocess)
    looked = units.within(chosen)
    feed = open_feed(units, looked, member.preprocess, device, memory="streamed", workers=reading_workers(samples))
    found = []
    for batch in feed.batches(cut_batches(looked, at_once)):
        held = given(task, batch, units)
        found.append(dataclasses.replace(held, pictures=member.preprocess.normalise(held.pictures)))
    return found, len(chosen)


def _losses(member: Member, batches: list[Batch]) -> Losses:
    """The task's own loss, by the network in evaluation mode."""
    net = member.network.eval()

    def loss(batch: Batch) -> Tensor:
        return member.task.loss(net(batch.pictures), batch)

    return Losses(net, loss, batches)


def _states(run: Run, start: Callable[[], nn.Module] | None) -> Mapping[str, Mapping[str, Any]]:
    """Weights by name, as the training went: the start, the epochs that were kept, the chosen ones."""
    kept = checkpoint.read_epochs(run.folder / "checkpoints", run.weights)
    return {
        **({} if start is None else {START: start().state_dict()}),
        **{f"epoch {epoch}": weights for epoch, weights in kept.items()},
        CHOSEN: run.weights,
    }


def _norms(net: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [each for each in net.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]


def _frozen(net: nn.Module) -> tuple[str, ...]:
    told = f"the running statistics of {many(len(_norms(net)), 'batch norm')} are frozen: none sees its own batch"
    return (told,) if _norms(net) else ()


def _settle(net: nn.Module, losses: Losses) -> None:
    """Running statistics that are the mean of those of all batches."""
    norms = _norms(net)
    before = [each.momentum for each in norms]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None
        each.train()
    losses.here()
    for each, momentum in zip(norms, before, strict=True):
        each.momentum = momentum
        each.eval()
