"""The one list of claims: each is a file of this package, and its name."""

import importlib

from striate.base.errors import UsageError, nearest
from striate.claims.claim import Claim

# A comment stands between those of different kinds.
NAMES = (
    # depth
    "degradation",
    # gradients
    # identity
    # pre-activation
    # batch normalisation
    # activations, local response normalisation, dropout, augmentation, pools
    # input
    # squeeze-excitation, auxiliary heads
    # cardinality, dense connections, first filters
    # ensembles
    # transfer
    # folds
    # U-Net
    # autoencoder
)


def find(name: str) -> Claim:
    """A UsageError with the nearest names where there is none of this name."""
    if name not in NAMES:
        near = nearest(name, NAMES, most=3)
        raise UsageError(
            "claim", f"there is none called {name!r}", ", ".join(near) or "striate claims, which lists them"
        )
    claim: Claim = importlib.import_module(f"{__package__}.{name}").CLAIM
    return claim
