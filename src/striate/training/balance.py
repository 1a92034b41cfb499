"""The order of an epoch, also with as many pictures of each class: as long as any other, of (seed, epoch) alone."""

import numpy as np

from striate.base.randomness import permutation
from striate.data.samples import Indices
from striate.training.plan import Job


def order_of(job: Job, train: Indices, epoch: int) -> Indices:
    """The units of an epoch, of `train`; where classes are sampled, one that comes again has another number, and so
    other changes."""
    order = job.units.order(train, job.recipe.seed, epoch)
    if job.recipe.imbalance != "sampling":
        return order
    return balanced(order, job.samples.targets.strata[job.units.of], job.recipe.seed, epoch)


def balanced(order: Indices, strata: Indices, seed: int, epoch: int) -> Indices:
    """As many of `order`, units in the order of an epoch, of each stratum as of others, within one.

    `strata` (units,) are those of all units. Of a large stratum the first of `order` are taken, which are others in the
    next epoch; of a small one all, as often as it takes: a unit that comes for the k-th time is larger by k - 1 times
    the number of all units.
    """
    own = strata[order]
    kinds = np.unique(own)
    share, more = divmod(len(order), len(kinds))
    longer = set(kinds[permutation(seed, "longer strata", epoch, len(kinds))[:more]].tolist())
    parts = []
    for kind in kinds.tolist():
        units, count = order[own == kind], share + (kind in longer)
        turns = np.arange(count) // len(units)
        parts.append(units[np.arange(count) % len(units)] + turns * len(strata))
    together: Indices = np.concatenate(parts)
    return together[permutation(seed, "balanced order", epoch, len(together))]
