"""Many tests at once: Holm 1979, "A simple sequentially rejective multiple test procedure"."""

from collections.abc import Sequence

import numpy as np


def holm(ps: Sequence[float]) -> tuple[float, ...]:
    """Each p as it counts beside the others, in their order: of what is below 0.05 nothing is chance, at 95 %.

    The smallest is multiplied by how many there are, the next by one less, and so on; none falls below one before it.
    """
    order = np.argsort(ps, kind="stable")
    found = np.empty(len(ps))
    found[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(ps, float)[order] * np.arange(len(ps), 0, -1)))
    return tuple(found.tolist())
