"""Batches beside each other."""

import torch

from striate.data.feed import Batch


def same(one: Batch, other: Batch) -> bool:
    """Equal in everything."""
    return (
        one.indices.tolist() == other.indices.tolist()
        and torch.equal(one.pictures, other.pictures)
        and one.pictures.stride() == other.pictures.stride()
        and {name: part.tolist() for name, part in one.targets.items()}
        == {name: part.tolist() for name, part in other.targets.items()}
        and one.laid == other.laid
    )
