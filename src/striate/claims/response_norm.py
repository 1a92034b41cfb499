"""Local response normalisation lowers the error."""

from striate.claims.claim import Claim, Sweep
from striate.claims.measures import TRAINED, fewer_errors

NORMED, PLAIN = "lrn", "plain"
SWEEP = Sweep(
    {
        name: {"model": "alexnet_cifar10", "model_options": {"init": "he", "lrn": name == NORMED}}
        for name in (NORMED, PLAIN)
    },
    (0.01, 0.02, 0.04, 0.08),
    {"epochs": 30, "batch": 64, "fold": "1/2"},
)


CLAIM = Claim(
    name="response_norm",
    sentence="Local response normalisation across channels lowers the error.",
    source="Krizhevsky et al. 2012, section 3.3: 13 to 11 % on CIFAR-10; course slides: it did little",
    protocol="The four-layer network for small pictures with and without it, after its first two pools, with the "
    "paper's constants; it has no parameters. A training step on one core takes about 1.7 times as long with it on "
    "pictures of 8 pixels, and about 3 times on 32: benchmarks/response_norm.py times both in turn.",
    gate=f"the network without it ends at a training loss of at most {TRAINED:g}",
    lesson="An effect of a point or two needs many pictures that are held out, or many seeds, before it can be told "
    "from none. Its price is certain, for it has to be computed in each step.",
    questions=lambda asked, runs: fewer_errors(SWEEP, NORMED, PLAIN, asked, runs),
    sweeps=(SWEEP,),
    seeds=8,
)
