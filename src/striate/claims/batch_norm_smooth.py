"""Batch normalisation smooths the loss."""

import copy
import dataclasses
import math
from collections.abc import Sequence
from itertools import pairwise

import torch

from striate.claims.batch_norm import ARMS, EPOCHS, NETWORK, NORMED, PLAIN, SHORT
from striate.claims.claim import Asked, Claim, Runs, Sweep, name
from striate.claims.measures import trained
from striate.claims.verdict import TIMES, Question
from striate.inside.landscape import Along, Losses, along
from striate.runs import checkpoint
from striate.runs.landscape import training_batches
from striate.runs.run import Run
from striate.training.many import Ended

LOSS = 0.5
POINTS, PICTURES, BATCH = 6, 256, 128
SWEEP = Sweep(ARMS, (0.01, 0.02, 0.04), SHORT)


def alongs(run: Run) -> list[Along]:
    """After each epoch, in training mode: a norm sees its batch, as it did when these weights were learned."""
    net = copy.deepcopy(run.network).train()
    member = dataclasses.replace(run.predictor.members[0], network=net)
    batches, _ = training_batches(run, member, None, PICTURES, BATCH, torch.device("cpu"))
    losses = Losses(net, lambda batch: member.task.loss(net(batch.pictures), batch), batches)
    found = []
    for epoch, weights in checkpoint.read_epochs(run.folder / "checkpoints", run.weights).items():
        net.load_state_dict(dict(weights))
        found.append(along(losses, f"epoch {epoch}", float(run.recipe["rate"]), POINTS, lambda: None))
    return found


def at_equal_steps(found: Sequence[Along]) -> float:
    """The range of the losses along the gradient, the geometric mean over epochs; NaN without any."""
    return math.exp(sum(math.log(_range(each)) for each in found) / len(found)) if found else math.nan


def at_equal_loss(found: Sequence[Along]) -> float:
    """That range where the loss first passes `LOSS`, between two epochs by logarithms; NaN where it never does."""
    for before, after in pairwise(found):
        if before.loss > LOSS >= after.loss:
            share = math.log(before.loss / LOSS) / math.log(before.loss / after.loss)
            return math.exp((1 - share) * math.log(_range(before)) + share * math.log(_range(after)))
    return math.nan


def _range(each: Along) -> float:
    return max(each.losses) - min(each.losses)


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    """At equal rates alone: the way along the gradient is measured in steps of the rate."""
    of, found = "range of the training loss along the gradient", list[Question]()
    for rate in SWEEP.rates:
        normed, plain = ([_alongs(runs[name(arm, rate, seed)]) for seed in asked.seeds] for arm in (NORMED, PLAIN))
        failed = SWEEP.failed(asked, runs, PLAIN, rate, trained(LOSS))
        for at, measure in (("equal steps", at_equal_steps), (f"an equal loss of {LOSS:g}", at_equal_loss)):
            ones, others = (tuple(map(measure, each)) for each in (normed, plain))
            told = f"both at rate {rate:g}, at {at}"
            found.append(Question(told, of, NORMED, PLAIN, ones, others, "times", -1, TIMES, failed))
    return found


def _alongs(ended: Ended) -> list[Along]:
    return [] if ended.run is None or ended.cause else alongs(ended.run)


CLAIM = Claim(
    name="batch_norm_smooth",
    sentence="Batch normalisation smooths the loss landscape.",
    source="study notes; Santurkar et al. 2018, section 3.1 and Figure 4a",
    protocol=f"{NETWORK}; the same constant rate for both, three of them a factor of 2 apart. After each of "
    f"{EPOCHS} epochs the weights are moved against the gradient of {PICTURES} training pictures by a half to four "
    f"times the rate, and the range of the losses there is taken; norms see batches of {BATCH}, as in training. At "
    "equal steps it is the geometric mean over epochs; at equal loss that between the two epochs that pass it.",
    gate=f"the network without it trains, to a training loss of {LOSS:g}: one that is stuck looks smooth",
    lesson="How rough a loss looks depends on where one stands: far down the range is smaller for any network. So a "
    "comparison at equal steps also measures who is further, and one at equal loss does not.",
    questions=_questions,
    sweeps=(SWEEP,),
    keep_epochs=EPOCHS,
)
