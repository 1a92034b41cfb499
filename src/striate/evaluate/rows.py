"""What is kept of each picture: a predictor's answers over samples become rows of fixed width."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from striate.base import processes
from striate.data.feed import Batch, Feed, cut, open_feed
from striate.data.load import reading_workers
from striate.data.preprocess import Preprocess, scaled
from striate.data.samples import Indices, Samples
from striate.predictor import Predictor
from striate.tasks.task import Rows, Task

# The most pictures that a network sees at once, and the most pixels of one channel.
BATCH, PIXELS = 256, 2**22


def feeds(predictor: Predictor, samples: Samples, indices: Indices) -> list[Feed]:
    """Samples read anew for each member of a predictor."""
    workers = reading_workers(samples)
    return [
        open_feed(samples, indices, each.preprocess, predictor.device, memory="streamed", workers=workers)
        for each in predictor.members
    ]


def rows(
    predictor: Predictor,
    samples: Samples,
    indices: Indices,
    sources: Sequence[Feed],
    *,
    between: Callable[[], None] = lambda: None,
) -> Tensor:
    """`Task.kept` of each sample of `indices`, (n, k) float64; nothing else of the answers stays in memory.

    `sources` are one for each member. `between` is called equally often in each process. Under `torchrun` every
    process works through its share and all receive the whole, each sample counted once.
    """
    rank, world = processes.place()
    shares = np.array_split(indices, world)
    batch = at_once([each.preprocess for each in predictor.members])
    groups = cut(shares[rank], batch) if len(shares[rank]) else []
    found = []
    for batches in zip(*(source.batches(groups) for source in sources), strict=True):
        between()
        asked = [given(predictor.task, each, samples) for each in batches]
        found.append(predictor.task.kept(*predictor.answers(asked)))
    for _ in range(-(-len(indices) // (world * batch)) - len(groups)):  # a process whose share is one batch shorter
        between()
    own = torch.cat(found) if found else None
    return processes.gathered(own, sum(map(len, shares[:rank])), len(indices), predictor.device)


def at_once(preprocesses: Sequence[Preprocess]) -> int:
    """Pictures that are answered together: so many that memory does not grow with their size."""
    pixels = max(each.side**2 * (10 if each.views == "ten" else 1) for each in preprocesses)
    return max(1, min(BATCH, PIXELS // pixels))


def kept(predictor: Predictor, samples: Samples, indices: Indices) -> Rows:
    """As `rows`, read anew, as a NumPy array."""
    return np.asarray(rows(predictor, samples, indices, feeds(predictor, samples, indices)).cpu().numpy())


def given(task: Task, batch: Batch, samples: Samples) -> Batch:
    """A batch as evaluation gives it: what is random in it follows from the pictures' content alone."""
    keyed = dataclasses.replace(batch, pictures=scaled(batch.pictures), indices=samples.keys(batch.indices))
    return dataclasses.replace(task.given(keyed, 0, 0), indices=batch.indices)


def as_given(predictor: Predictor, samples: Samples, indices: Indices) -> Iterator[Batch]:
    """Samples as the first member is given them, for those who answer without a network."""
    first = dataclasses.replace(predictor, members=predictor.members[:1])
    (source,) = feeds(first, samples, indices)
    for batch in source.batches(cut(indices, at_once([predictor.members[0].preprocess]))):
        yield given(predictor.task, batch, samples)
