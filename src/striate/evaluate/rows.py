"""What is kept of each picture: a predictor's answers over samples become rows of fixed width."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from striate.base import devices, processes
from striate.data.feed import Batch, Feed, Progress, Streamed, cut_batches, open_feed, unwatched, watched
from striate.data.load import reading_workers
from striate.data.picture.laid import Array
from striate.data.preprocess import Itself, scaled
from striate.data.samples import Indices, Samples
from striate.data.units import Units, units_of
from striate.data.workers import Say, nobody
from striate.network import in_parts, inside, refuse_not_finite
from striate.predictor import Member, Predictor
from striate.tasks.task import PictureTask, Rows, Task, of_pictures


def rows(
    predictor: Predictor,
    units: Units,
    indices: Indices,
    sources: Sequence[Feed],
    *,
    between: Callable[[], None] = lambda: None,
    say: Say = nobody,
    progress: Progress = unwatched,
) -> Tensor:
    """`Task.kept` of each unit of `indices`, (n, k) float64; nothing else of the answers stays in memory.

    What is said of pixels is measured inside the canvases. `sources` are one for each member. `between` is called
    equally often in each process; `say` is told where memory is too small for a batch, which is then answered in parts.
    Under `torchrun` every process works through its share and all receive the whole, each unit counted once.
    """
    rank, world = processes.place()
    shares = np.array_split(indices, world)
    batch = predictor.at_once
    groups = cut_batches(shares[rank], batch) if len(shares[rank]) else []
    own: Tensor | None = None
    done, parts = 0, 1

    def kept(batches: Sequence[Batch]) -> Tensor:
        task = predictor.task
        answers, asked = predictor.answers([given(task, each, units) for each in batches])
        if of_pictures(task):
            way = predictor.members[0].preprocess
            answers = task.said(inside(answers, way))
            asked = asked.inside(way.answered, way.context)
        return task.kept(answers, asked)

    for batches in zip(*(source.batches(groups) for source in sources), strict=True):
        between()
        answered, parts = in_parts(kept, batches, parts, say)
        for found in answered:
            # one place for all, taken once: small pieces that stay between large ones that go would split the memory
            own = found.new_empty(len(shares[rank]), found.shape[1]) if own is None else own
            own[done : done + len(found)] = found
            done += len(found)
        progress(done, len(shares[rank]))
    for _ in range(-(-len(indices) // (world * batch)) - len(groups)):  # a process whose share is one batch shorter
        between()
    return processes.gathered(own, sum(map(len, shares[:rank])), len(indices), devices.exact(predictor.device))


def rows_anew(
    predictor: Predictor, samples: Samples, indices: Indices, workers: int | None = None, progress: Progress = unwatched
) -> Rows:
    """As `rows`, as a NumPy array; samples are read anew, by `workers` processes or as many as are worth it.

    A RunError where an answer is no finite number. Where something is said of each pixel, it is measured on the
    pictures' own pixels.
    """
    if of_pictures(task := predictor.task):
        asked = watched(as_given(predictor, samples, indices, workers), len(indices), progress)
        return np.concatenate([task.kept(_said(predictor, task, each), each).numpy() for each in asked])
    sources = [_read(each, predictor, samples, indices, workers) for each in predictor.members]
    found = rows(predictor, units_of(samples), indices, sources, progress=progress).cpu()
    refuse_not_finite(found)
    return np.asarray(found.numpy())


def passes(
    predictor: Predictor, samples: Samples, indices: Indices, workers: int | None = None, progress: Progress = unwatched
) -> Iterator[Indices]:
    """Samples go through the network, whose modules are listened to: the sample of each canvas, or the one of all."""
    task = predictor.task
    for batch in watched(as_given(predictor, samples, indices, workers), len(indices), progress):
        if of_pictures(task):
            _said(predictor, task, batch)
        else:
            predictor.answers([batch])
        yield np.asarray(batch.indices, np.int64)


def shown(
    predictor: Predictor, task: PictureTask, samples: Samples, indices: Indices, workers: int | None
) -> Iterator[Mapping[str, Array]]:
    """What is kept of a few pictures for a page."""
    for batch in as_given(predictor, samples, indices, workers):
        yield task.shown(_said(predictor, task, batch)[0].numpy(), batch)


def _said(predictor: Predictor, task: PictureTask, batch: Batch) -> Tensor:
    """What is said of the one picture of a batch, at its own size: (1, ...)."""
    return torch.from_numpy(predictor.said(batch.pictures[0].numpy(), task))[None]


def given(task: Task, batch: Batch, units: Units) -> Batch:
    """A batch as evaluation gives it: what is random in it follows from the pictures' content alone."""
    keyed = dataclasses.replace(batch, pictures=scaled(batch.pictures), indices=units.keys(batch.indices))
    return dataclasses.replace(task.given(keyed, 0, 0), indices=batch.indices)


def as_given(predictor: Predictor, samples: Samples, indices: Indices, workers: int | None = None) -> Iterator[Batch]:
    """Samples as the first member is given them, for those who answer without a network.

    Where something is said of each pixel they come one at a time, at their own size.
    """
    units, way = units_of(samples), predictor.members[0].preprocess
    if of_pictures(predictor.task):
        tallest, widest = samples.sizes[indices].max(0, initial=1).tolist()
        itself = Itself(way.channels, (tallest, widest), depth=way.depth, white=way.white)
        source: Feed = Streamed(units, itself, torch.device("cpu"), _readers(samples, workers))
        groups, place = list(indices[:, None]), torch.device("cpu")
    else:
        source = _read(predictor.members[0], predictor, samples, indices, workers)
        groups, place = cut_batches(indices, predictor.at_once), devices.exact(predictor.device)
    for batch in source.batches(groups):
        yield given(predictor.task, batch, units).to(place)


def _read(member: Member, predictor: Predictor, samples: Samples, indices: Indices, workers: int | None) -> Feed:
    """Samples read anew, as one member looks at them."""
    many = _readers(samples, workers)
    return open_feed(units_of(samples), indices, member.preprocess, predictor.device, memory="streamed", workers=many)


def _readers(samples: Samples, workers: int | None) -> int:
    return reading_workers(samples) if workers is None else workers
