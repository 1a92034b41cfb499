"""Pools that overlap lower the error."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from striate.claims.claim import Asked, Claim, Sweep, sides_of
from striate.claims.measures import TRAINED, fewer_errors

OVERLAPPING, APART = "overlapping", "apart"
LEAST = 16  # pixels: of 8 the last pools would see whole maps


def _with(asked: Asked, seed: int, *, pool: int) -> Mapping[str, Any]:
    options = {"init": "he", "lrn": False, "norm": "batch", "pool": pool}
    return {"model": "alexnet_cifar10", "model_options": options, "size": sides_of(asked, LEAST)}


SWEEP = Sweep(
    {OVERLAPPING: partial(_with, pool=3), APART: partial(_with, pool=2)}, (0.01, 0.02, 0.04, 0.08, 0.16),
    {"epochs": 10, "batch": 64, "fold": "1/2"},
)  # fmt: skip


CLAIM = Claim(
    name="overlapping_pools",
    sentence="Pools that overlap lower the error and make overfitting a little harder.",
    source="course slides; Krizhevsky et al. 2012, section 3.4: 0.4 points of the top-1 error",
    protocol="The four-layer network with pools of 3x3 and of 2x2, both of which move by 2: the maps are equally "
    f"large, and so are parameters and multiply-adds. Pictures of at least {LEAST} pixels. Batch normalisation makes "
    "few epochs enough.",
    gate=f"the network with pools of 2x2 ends at a training loss of at most {TRAINED:g}",
    lesson="The paper's gain is smaller than what chance does to a single small test set: of so small an effect only "
    "many pictures and many seeds can tell. Mind the sizes of maps when comparing pools, or parameters differ too.",
    questions=lambda asked, runs: fewer_errors(SWEEP, OVERLAPPING, APART, asked, runs),
    sweeps=(SWEEP,),
    seeds=8,
)
