"""Batch normalisation bears larger rates."""

import math
from collections.abc import Sequence

from striate.claims.batch_norm import ARMS, NETWORK, NORMED, PLAIN, SHORT
from striate.claims.claim import Asked, Claim, Runs, Sweep, name
from striate.claims.measures import trained
from striate.claims.verdict import TIMES, Question

LOSS = 0.5
SWEEP = Sweep(ARMS, (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64), SHORT)


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    of = f"largest rate that ends at a training loss of at most {LOSS:g}"
    normed, plain = (tuple(_largest(runs, arm, seed) for seed in asked.seeds) for arm in (NORMED, PLAIN))
    failed = "" if all(map(math.isfinite, plain)) else "the reference did not train at any rate"
    return [Question(f"of {len(SWEEP.rates)} rates", of, NORMED, PLAIN, normed, plain, "times", 1, TIMES, failed)]


def _largest(runs: Runs, arm: str, seed: int) -> float:
    """NaN where it trains at none."""
    gate = trained(LOSS)
    ended = ((rate, runs[name(arm, rate, seed)]) for rate in SWEEP.rates)
    return max((rate for rate, each in ended if each.run and not each.cause and not gate(each.run)), default=math.nan)


CLAIM = Claim(
    name="batch_norm_rates",
    sentence="Batch normalisation bears larger learning rates.",
    source="Ioffe and Szegedy 2015, sections 3.3 and 4.2.1",
    protocol=f"{NETWORK}. Constant rates, seven of them a factor of 2 apart: the effect is known to such a step. "
    "A training that breaks off for its loss is no longer a number has not trained.",
    gate=f"the network without it trains at one rate at least with every seed, to a training loss of {LOSS:g}",
    lesson="A rate that is too large for one network may suit another: whoever adds or removes a normalisation has to "
    "look for the rate anew.",
    questions=_questions,
    sweeps=(SWEEP,),
)
