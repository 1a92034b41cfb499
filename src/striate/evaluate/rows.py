"""What is kept of each picture: a predictor's answers over samples become rows of fixed width."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch import Tensor

from striate.base import devices, processes
from striate.data.feed import Batch, Feed, cut_batches, open_feed
from striate.data.load import reading_workers
from striate.data.preprocess import scaled
from striate.data.samples import Indices, Samples
from striate.data.workers import Say, nobody
from striate.predictor import Member, Predictor, in_parts, refuse_not_finite
from striate.tasks.task import Rows, Task


def rows(
    predictor: Predictor,
    samples: Samples,
    indices: Indices,
    sources: Sequence[Feed],
    *,
    between: Callable[[], None] = lambda: None,
    say: Say = nobody,
) -> Tensor:
    """`Task.kept` of each sample of `indices`, (n, k) float64; nothing else of the answers stays in memory.

    `sources` are one for each member. `between` is called equally often in each process; `say` is told where memory
    is too small for a batch, which is then answered in parts. Under `torchrun` every
    process works through its share and all receive the whole, each sample counted once.
    """
    rank, world = processes.place()
    shares = np.array_split(indices, world)
    batch = predictor.at_once
    groups = cut_batches(shares[rank], batch) if len(shares[rank]) else []
    own: Tensor | None = None
    done, parts = 0, 1

    def kept(batches: Sequence[Batch]) -> Tensor:
        return predictor.task.kept(*predictor.answers([given(predictor.task, each, samples) for each in batches]))

    for batches in zip(*(source.batches(groups) for source in sources), strict=True):
        between()
        answered, parts = in_parts(kept, batches, parts, say)
        for found in answered:
            # one place for all, taken once: small pieces that stay between large ones that go would split the memory
            own = found.new_empty(len(shares[rank]), found.shape[1]) if own is None else own
            own[done : done + len(found)] = found
            done += len(found)
    for _ in range(-(-len(indices) // (world * batch)) - len(groups)):  # a process whose share is one batch shorter
        between()
    return processes.gathered(own, sum(map(len, shares[:rank])), len(indices), devices.exact(predictor.device))


def rows_anew(predictor: Predictor, samples: Samples, indices: Indices, workers: int | None = None) -> Rows:
    """As `rows`, as a NumPy array; samples are read anew, by `workers` processes or as many as are worth it.

    A RunError where an answer is no finite number.
    """
    sources = [_read(each, predictor, samples, indices, workers) for each in predictor.members]
    found = rows(predictor, samples, indices, sources).cpu()
    refuse_not_finite(found)
    return np.asarray(found.numpy())


def given(task: Task, batch: Batch, samples: Samples) -> Batch:
    """A batch as evaluation gives it: what is random in it follows from the pictures' content alone."""
    keyed = dataclasses.replace(batch, pictures=scaled(batch.pictures), indices=samples.keys(batch.indices))
    return dataclasses.replace(task.given(keyed, 0, 0), indices=batch.indices)


def as_given(predictor: Predictor, samples: Samples, indices: Indices, workers: int | None = None) -> Iterator[Batch]:
    """Samples as the first member is given them, for those who answer without a network."""
    source = _read(predictor.members[0], predictor, samples, indices, workers)
    for batch in source.batches(cut_batches(indices, predictor.at_once)):
        yield given(predictor.task, batch, samples).to(devices.exact(predictor.device))


def _read(member: Member, predictor: Predictor, samples: Samples, indices: Indices, workers: int | None) -> Feed:
    """Samples read anew, as one member looks at them."""
    many = reading_workers(samples) if workers is None else workers
    return open_feed(samples, indices, member.preprocess, predictor.device, memory="streamed", workers=many)
