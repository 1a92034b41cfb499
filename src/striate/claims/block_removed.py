"""One block taken out of a trained network: with shortcuts little is lost, without them nearly all."""

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch import nn

from striate.claims.claim import Asked, Claim, Runs, Sweep, name
from striate.claims.measures import own_pictures, trained
from striate.claims.verdict import POINTS, Question
from striate.data.feed import open_feed
from striate.data.load import reading_workers
from striate.data.units import units_of
from striate.evaluate.numbers import number
from striate.evaluate.rows import rows
from striate.predictor import Predictor
from striate.runs.run import Run
from striate.training.many import Ended

RATE = 0.02
PLAIN, RESIDUAL = "plain32", "resnet32"
SWEEP = Sweep({each: {"model": each} for each in (PLAIN, RESIDUAL)}, (RATE,), {"epochs": 27, "split": "90/10/0"})
READ: dict[str, Callable[[Sequence[float]], float]] = {
    "mean of all blocks": lambda lost: float(np.mean(lost)),
    "median of all blocks": lambda lost: float(np.median(lost)),
}


def lost(run: Run) -> list[float]:
    """Percentage points of error on what the fold holds out that are added without each block, one at a time.

    Blocks that change the shape of what passes stay: without them no network is left.
    """
    split, samples = own_pictures(run)
    member = run.predictor.members[0]
    net = copy.deepcopy(member.network)
    predictor = Predictor((type(member)(net, member.preprocess, member.task),), run.predictor.bfloat16)
    units = units_of(samples)
    feed = open_feed(units, split.held, member.preprocess, predictor.device, workers=reading_workers(samples))

    def error() -> float:
        measure = run.task.measures(rows(predictor, units, split.held, [feed]).cpu().numpy())[0]
        return 100 * (1 - float(number(measure, "held").value or 0.0))

    whole, found = error(), []
    for stage, place in removable(net):
        with without(stage, place):
            found.append(error() - whole)
    return found


def removable(net: nn.Module) -> list[tuple[nn.Sequential, int]]:
    """Stages, and the places in them of blocks that give maps of the shape that they are given."""
    stages = [each for name, each in net.named_children() if name.startswith("layer")]
    return [
        (stage, place)
        for stage in stages
        if isinstance(stage, nn.Sequential)
        for place, block in enumerate(stage)
        if _keeps(block)
    ]


def _keeps(block: nn.Module) -> bool:
    convolutions = [each for each in block.modules() if isinstance(each, nn.Conv2d)]
    strides = {each.stride for each in convolutions}
    return strides == {(1, 1)} and convolutions[0].in_channels == convolutions[-1].out_channels


@contextlib.contextmanager
def without(stage: nn.Sequential, place: int) -> Iterator[None]:
    """A shortcut is all that is left of a residual block: what it is given is the answer of a ReLU, which stays."""
    block = stage[place]
    stage[place] = nn.Identity()
    try:
        yield
    finally:
        stage[place] = block


def _of(ended: Ended) -> list[float]:
    return [math.nan] if ended.run is None or ended.cause else lost(ended.run)


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    gate = trained(0.5)
    failed = SWEEP.failed(asked, runs, RESIDUAL, RATE, gate) or SWEEP.failed(asked, runs, PLAIN, RATE, gate)
    every = {arm: [_of(runs[name(arm, RATE, seed)]) for seed in asked.seeds] for arm in (PLAIN, RESIDUAL)}
    of = "error added without one block"
    return [
        Question(
            told, of, PLAIN, RESIDUAL, tuple(map(read, every[PLAIN])), tuple(map(read, every[RESIDUAL])),
            "points", 1, POINTS, failed,
        ) for told, read in READ.items()
    ]  # fmt: skip


CLAIM = Claim(
    name="block_removed",
    sentence="Shortcuts make an ensemble of shallow networks: one block can be taken out, and of a plain network it "
    "cannot.",
    source="study notes; Veit et al. 2016, section 4.1",
    protocol="Trained plain and residual networks of 32 layers, equal parameters and steps; each block that keeps the "
    "shape of its maps is taken out alone, nothing is trained again.",
    gate="both networks end at a training loss of at most 0.5",
    lesson="With a shortcut, what a block is given reaches the next one whether the block is there or not; in a plain "
    "network nothing else carries it. Which block is missed most shows where a network does its work.",
    questions=_questions,
    sweeps=(SWEEP,),
)
