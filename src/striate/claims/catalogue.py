"""The one list of claims: each is a file of this package, and its name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from striate.base.errors import UsageError, nearest

if TYPE_CHECKING:
    from striate.claims.claim import Claim

# What a claim is put to the test on unless pictures are asked for.
DIGITS = "digits"
# A comment stands between those of different kinds.
NAMES = (
    # depth
    "degradation",
    # gradients
    "vanishing_gradient",
    "shortcut_gradient",
    "gradient_at_least_one",
    "vanishing_degrades",
    # identity
    "zero_init",
    "zero_init_without_norm",
    "block_removed",
    # pre-activation
    "pre_activation",
    # batch normalisation
    "batch_norm_speed",
    "batch_norm_rates",
    "batch_norm_smooth",
    "batch_norm_init",
    "batch_norm_regularises",
    # activations, local response normalisation, dropout, augmentation, pools
    "relu",
    "response_norm",
    "dropout",
    "augmentation",
    "overlapping_pools",
    # input
    "input_normalisation",
    # squeeze-excitation, auxiliary heads
    "squeeze_excitation",
    "auxiliary_heads",
    # cardinality, dense connections, first filters
    "cardinality",
    "dense_connections",
    "first_filters",
    # ensembles
    "ensembles",
    # transfer
    "transfer",
    # folds
    "k_folds",
    # U-Net
    "unet_skips",
    # autoencoder
    "denoising",
)


def known(name: str) -> str:
    """The name; a UsageError with the nearest ones where there is none such."""
    if name in NAMES:
        return name
    near = ", ".join(nearest(name, NAMES, most=3))
    raise UsageError("claim", f"there is none called {name!r}", near or "striate claims, which lists them")


def find(name: str) -> Claim:
    """A UsageError with the nearest names where there is none of this name."""
    claim: Claim = importlib.import_module(f"{__package__}.{known(name)}").CLAIM
    return claim
