"""What is said of a training before its first step and after the first ones: how much, how long, from which weights."""

import math
from collections.abc import Iterator

import numpy as np

from striate.base.units import by, roughly
from striate.base.words import duration, many, plural
from striate.cost.ledger import Ledger
from striate.cost.memory import Memory
from striate.cost.walk.trace import trace
from striate.data.feed import free_memory
from striate.models import weights
from striate.models.catalog import find, least_size
from striate.tasks.task import of_pictures
from striate.training import sharing
from striate.training.pace import Pace
from striate.training.plan import Job
from striate.training.recipe import FOR_PICTURES

# How much longer than the other a side is, of pictures to which it matters that they are brought to a square.
WIDE = 1.4
# Fewer photographs than this gain by published weights.
FEW = 1000
# What they gained where it was measured: test accuracy in per cent by way, as benchmarks/finetune.py recorded it.
RECORDED, GAINED, ANSWERS = "finetune-2026-11-29.md", {"full": 61.0, "scratch": 32.7}, 205
GAIN = (
    f"on 120 photographs of 8 classes a VGG-16 that began with them answered {GAINED['full']:.0f} % rightly, and one "
    f"from random weights {GAINED['scratch']:.0f} % ({ANSWERS} answers, five splits); yours may gain less or more"
)


def before(job: Job, steps: int) -> Iterator[str]:
    """Of a training that starts anew, with so many steps an epoch; a sentence each."""
    yield from _imbalance(job)
    yield from _enlarged(job)
    yield from _of_another_form(job)
    yield from _published(job)
    yield from _normalised(job, steps)
    yield from () if job.tuning is None else job.tuning.told(job.net, job.recipe)
    yield from _work(job, steps)


def time(job: Job, pace: Pace, pictures: float, left: float, since: int) -> str:
    """How long the epochs take that are not among the first `since`; a step has so many `pictures`."""
    epochs = (job.recipe.epochs or 0) - since
    what = "tiles" if len(job.units) > len(job.samples) else "pictures"
    rate = pictures / max(pace.step(), 1e-9)
    return (
        f"{'at most' if job.recipe.patience else 'about'} {duration(pace.seconds + left)} for {epochs:,} "
        f"{'more ' if since else ''}{plural('epoch', epochs)}, at {rate:,.{0 if rate >= 10 else 1}f} {what} a second"
    )


def _imbalance(job: Job) -> Iterator[str]:
    """How classes of different sizes are made to count alike."""
    if job.recipe.imbalance in (None, "none"):
        return
    own, classes = job.samples.targets.strata[job.split.train], job.samples.targets.classes
    counts = np.bincount(own, minlength=len(classes))
    most, least = int(counts.argmax()), int(np.where(counts > 0, counts, counts.max()).argmin())
    share = len(own) / (counts > 0).sum()
    if counts[most] == counts[least]:
        yield f"imbalance {job.recipe.imbalance}: each class has as many training pictures, so that it changes nothing"
        return
    if job.recipe.imbalance == "weights":
        said = " and ".join(f"{share / counts[each]:.3g} of {classes[each]!r}" for each in (least, most))
        yield f"losses are weighed by class, {said} (pictures of a class inversely, 1 in the mean)"
    else:
        said = " and ".join(f"{share / counts[each]:.3g} times of {classes[each]!r}" for each in (least, most))
        yield f"classes are sampled alike: an epoch has each picture {said} in the mean, changed anew each time"


def _enlarged(job: Job) -> Iterator[str]:
    """That pictures have fewer pixels than the network sees."""
    canvas, entry, sizes = job.preprocess.sides, find(job.network["name"]), job.samples.known_sizes(job.split.train)
    height, width = (int(each) for each in np.median(sizes, axis=0))
    if job.preprocess.resize == "tiles" or 2 * height * width > math.prod(canvas):
        return
    which = "" if (sizes == sizes[0]).all() else ", as most are,"
    said = f"pictures of {by((height, width))} pixels{which} are enlarged to {by(canvas)}"
    least = least_size(entry, **job.network["options"])
    enough = least + max(0, -(-(max(height, width) - least) // entry.step)) * entry.step
    if entry.fixed:
        said += f", for {entry.name} takes no other size"
    elif canvas == (canvas[0],) * 2 and enough < canvas[0] and job.recipe.weights is None:
        said += f": --size {enough} takes about {100 * enough**2 / math.prod(canvas):.0f} % of the time"
    yield said


def _of_another_form(job: Job) -> Iterator[str]:
    """That pictures which are all wide, or all tall, are brought to a square."""
    side, entry, sizes = job.preprocess.size, find(job.network["name"]), job.samples.known_sizes(job.split.train)
    low, form, high = np.quantile(sizes[:, 1] / sizes[:, 0], (0.05, 0.5, 0.95))
    how = {"squash": "squashed", "crop": "cut", "letterbox": "letterboxed"}.get(job.preprocess.resize)
    if not isinstance(side, int) or how is None or entry.fixed or high > 1.1 * low or 1 / WIDE < form < WIDE:
        return
    least = least_size(entry, **job.network["options"])
    wanted = [side / form**0.5, side * form**0.5]  # as many pixels as before
    height, width = (least + max(0, round((each - least) / entry.step)) * entry.step for each in wanted)
    told = f"{form:.1f} times as wide as high" if form > 1 else f"{1 / form:.1f} times as high as wide"
    if height != width:
        yield f"pictures are {told}, and {how} to {side}x{side}: --size {height}x{width} keeps their form"


def _published(job: Job) -> Iterator[str]:
    """That published weights were not asked for, where there are some that fit, or pictures are few."""
    entry, pictures = find(job.network["name"]), len(job.split.train)
    if job.recipe.weights is not None:
        return
    few = (
        job.task.labelled
        and not of_pictures(job.task)
        and job.preprocess.channels == 3
        and not job.samples.grey
        and pictures < FEW
    )
    size = roughly(4 * sum(each.numel() for each in job.net.parameters()), "B")
    if weights.published_fit(job.net, entry):
        said = (
            f"{entry.name} starts from random weights; with --weights imagenet it starts from published ones, fetched "
        )
        yield f"{said}once (about {size}), and fewer pictures and epochs do" + (f": {GAIN}" if few else "")
    elif few:
        said = (
            f"{many(pictures, 'picture')} are few for random weights. Of photographs, published ones know much already"
        )
        yield f"{said} (--model {FOR_PICTURES['model']} --weights imagenet): {GAIN}"


def _normalised(job: Job, steps: int) -> Iterator[str]:
    """What batch normalisation sees of a batch, where several processes share it."""
    recipe, world = job.recipe, job.machine.world
    if world == 1 or not sharing.normalised(job.net):
        return
    whole = math.ceil(len(job.units.within(job.split.train)) / steps / recipe.accumulate)
    if recipe.sync_norms:
        yield f"batch normalisation sees the {many(whole, 'picture')} of all {world} processes at once"
    else:
        own = many(math.ceil(whole / world), "picture")
        yield (
            f"batch normalisation sees what its own of {world} processes has of {whole} pictures, at most {own}; "
            "with --sync-norms it sees all of them, as one process would"
        )


def _work(job: Job, steps: int) -> Iterator[str]:
    """How much there is to do, and how much memory a step needs; nothing where the network cannot be counted."""
    recipe, machine, epochs = job.recipe, job.machine, job.recipe.epochs or 0
    train, val = (len(job.units.within(indices)) for indices in (job.split.train, job.split.val))
    part = math.ceil(train / (steps * machine.world * recipe.accumulate))
    ledger, memory = Ledger(report_unknown=True), Memory("cuda" if machine.device.type == "cuda" else "cpu")
    optimizer = "adamw" if recipe.optimizer == "adamw" else "momentum" if recipe.momentum else "sgd"
    shape = (job.task.channels(job.preprocess.channels)[0], *job.preprocess.sides)
    try:
        trace(
            job.net, shape, (ledger, memory), batch=part, training=True, optimizer=optimizer, autocast=machine.bfloat16
        )
    except Exception:  # what a network makes of tensors without storage, no training may fail of
        return
    works = [(phase, tally.macs) for row in ledger.rows() for phase, tally in row.phases.items()]
    forward, whole = (sum(macs for phase, macs in works if phase in kinds) for kinds in (("forward",), dict(works)))
    total = epochs * (train * whole + val * forward) / part
    kept = sum(each.nbytes for each in job.net.state_dict().values()) * (1 + bool(recipe.ema))  # the best, an average
    needed, free = memory.peak().bytes + kept, free_memory(machine.device)
    said = f"{many(epochs, 'epoch')} of {many(steps, 'step')}"
    said += f", {'more than ' if ledger.unknown else ''}{roughly(total)} multiply-adds"
    said += f"; a step takes about {roughly(needed, 'B')} of memory beside the pictures"
    if needed > free:
        parts = recipe.accumulate * 2 ** math.ceil(math.log2(needed / free))
        said += f", and {roughly(free, 'B')} are free: --accumulate {parts} takes less, or a smaller --batch"
    yield said
