"""One network whose weights are the mean of several: the last epochs of a training, or runs from one start.

Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization"; Wortsman et al. 2022, "Model
soups". The mean of weights from different random starts answers like none of them, and is refused.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from striate.base.errors import Option, RunError, printable
from striate.base.words import some
from striate.data.feed import Progress, cut_batches, open_feed
from striate.data.load import reading_workers
from striate.data.samples import Indices, Samples
from striate.data.units import units_of
from striate.evaluate import rows
from striate.predictor import Member, Predictor
from striate.runs import checkpoint, subsets
from striate.runs.checkpoint import Tensors
from striate.runs.joined import Asked, Common, Joined, best_of, kept_of, lines_of, written
from striate.runs.kept import Kept
from striate.runs.run import Run

Norm = nn.modules.batchnorm._BatchNorm


def averaged(runs: Sequence[Run], asked: Asked) -> Run:
    """The run folder of the mean of weights: of a run's kept epochs, or of the chosen weights of several.

    Batch norm's statistics are measured anew on the training pictures as they are. A RunError where the weights have no
    common start, or where their mean does worse on validation than the best run alone; then nothing is written, and the
    test set stays as it was.
    """
    lines, lead, common = lines_of(runs), runs[0], Common(runs[0])
    val, train = subsets.places(lines, "val"), subsets.places(lines, "train")
    named = _of_epochs(lead) if len(runs) == 1 else _of_one_start(runs)
    net = copy.deepcopy(lead.network)
    net.load_state_dict(mean_of([tensors for _, tensors in named]))
    predictor = Predictor((Member(net, lead.preprocess, lead.task),))
    if any(not torch.equal(*pair) for pair in _statistics([tensors for _, tensors in named], net)):
        measure_norms(predictor, common.samples, train, partial(asked.progress, "measuring batch norm"))
    watched = partial(asked.progress, "answering validation pictures")
    own = Kept(rows.rows_anew(predictor, common.samples, val, progress=watched), val)
    _refuse_worse(own, runs, lead, val)
    weights: Tensors = {name: tensor.clone() for name, tensor in net.state_dict().items()}

    def write(folder: Path) -> tuple[Mapping[str, Any], str]:
        checkpoint.save_best(folder / "checkpoints", weights)
        told = [{"of": of, "sha256": checkpoint.digest(tensors)} for of, tensors in named]
        return {"averaged": told, "network": dict(lead.facts["network"])}, checkpoint.digest(weights)

    def kept(subset: str, places: Indices) -> Kept | None:
        return own if subset == "val" and not lead.task.pictures else None

    return written(Joined(tuple(runs), predictor, common, lines, "checkpoints/best", kept, write), asked)


def _of_epochs(run: Run) -> list[tuple[str, Tensors]]:
    """The weights of its last epochs; a RunError where they were not kept."""
    found = checkpoint.read_epochs(run.folder / "checkpoints", run.network.state_dict())
    if len(found) < 2:
        hint = ("training with ", Option("keep_epochs", 5), ", or several runs from one start")
        raise RunError(run.folder, "the weights of no several epochs are kept, so that there is no mean of them", hint)
    return [(f"{printable(run.name)}, epoch {epoch}", weights) for epoch, weights in found.items()]


def _of_one_start(runs: Sequence[Run]) -> list[tuple[str, Tensors]]:
    """The chosen weights of runs of one network on one split that began with the same weights."""
    lead = runs[0]
    for run in runs[1:]:
        for key in ("network", "preprocess", "split"):
            if run.facts[key] != lead.facts[key]:
                hint = "leaving out --average weights: answers can be averaged"
                raise RunError(run.folder, f"its {key} is not that of {lead.name}: there is no mean of weights", hint)
    starts = {_start(run) for run in runs}
    if len(starts) > 1 or None in starts:
        cause = "these runs began with different weights: the mean of such answers like none of them"
        raise RunError(lead.folder, cause, "averaging answers, or runs that began with one --weights RUN")
    return [(printable(run.name), run.weights) for run in runs]


def _start(run: Run) -> str | None:
    """What a run began with: the digest of another's weights, or the name of published ones; None: random numbers."""
    began = run.facts.get("weights", {}).get("sha256") or run.recipe.get("weights")
    return None if began is None else str(began)


def _refuse_worse(own: Kept, runs: Sequence[Run], lead: Run, val: Indices) -> None:
    best = best_of(runs) or lead
    theirs, task = kept_of(best, "val", val), lead.task
    if theirs is None:
        raise RunError(best.folder, "what it answered on validation is not kept, so that nothing tells", "a fresh run")
    ours, other = (task.summary(torch.from_numpy(each.rows)) for each in (own, theirs))
    if task.score(ours) < task.score(other):
        told = some(f"{name} {ours[name]:.4f} against {other[name]:.4f}" for name in ours)
        cause = f"on validation the mean of weights does worse than {best.name}: {told}"
        raise RunError(lead.folder, cause, f"{best.folder} as it is; nothing was written")


def mean_of(weights: Sequence[Tensors]) -> dict[str, Tensor]:
    """Of each tensor of numbers its mean, summed in float64; of counts the first."""
    return {
        name: torch.stack([each[name].double() for each in weights]).mean(0).to(first.dtype)
        if first.is_floating_point()
        else first.clone()
        for name, first in weights[0].items()
    }


def _statistics(weights: Sequence[Tensors], net: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of what batch norm has counted, in the first network and in each other: equal where norms were frozen."""
    names = [f"{name}.{what}" for name, each in net.named_modules() if isinstance(each, Norm)
             for what, _ in each.named_buffers() if what.startswith("running")]  # fmt: skip
    return ((weights[0][name], each[name]) for each in weights[1:] for name in names)


@torch.no_grad()
def measure_norms(predictor: Predictor, samples: Samples, train: Indices, progress: Progress) -> None:
    """Mean and variance of batch norm from the training pictures, not augmented: the mean over their batches."""
    (member,) = predictor.members
    units = units_of(samples, member.preprocess)
    indices = units.within(train)
    feed = open_feed(
        units, indices, member.preprocess, predictor.device, memory="streamed", workers=reading_workers(samples)
    )
    with _measuring(member.network):
        done = 0
        for batch in feed.batches(cut_batches(indices, min(len(indices), predictor.at_once))):
            member.network(predictor.given(member, rows.given(member.task, batch, units).pictures))
            done += len(batch)
            progress(done, len(indices))


@contextmanager
def _measuring(net: nn.Module) -> Iterator[None]:
    """Batch norm forgets and counts anew, as a plain mean; all else, such as dropout, is as in an answer."""
    norms = [each for each in net.modules() if isinstance(each, Norm) and each.track_running_stats]
    before = [each.momentum for each in norms]
    net.eval()
    for each in norms:
        each.reset_running_stats()
        each.momentum = None
        each.train()
    try:
        yield
    finally:
        net.eval()
        for each, momentum in zip(norms, before, strict=True):
            each.momentum = momentum
