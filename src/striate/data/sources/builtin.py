"""Data that need no network: what scikit-learn carries, and what is generated."""

import hashlib

import numpy as np

from striate.data.packed import Digests
from striate.data.samples import InMemory, Samples
from striate.data.sources.cells import cells
from striate.data.targets import Labels

NAMES = ("digits", "cells")


def built_in(data: object) -> bool:
    """Whether this names a built-in set: one of `NAMES`, or cells with options, "cells:size=256,seed=1"."""
    return isinstance(data, str) and (data in NAMES or data.startswith("cells:"))


def named(words: str) -> Samples:
    """The samples of a built-in set."""
    return digits() if words == "digits" else cells(words)


def digits() -> Samples:
    """1,797 handwritten digits of 8 x 8 grey pixels, ink bright on dark, 10 classes.

    Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), the test part, as
    scikit-learn carries it. Values 0..16 become round(255 v / 16).
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pictures = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    names = tuple(f"digits/{index:04d}" for index in range(len(pictures)))
    return Samples(
        name="digits",
        source="builtin",
        root=None,
        names=names,
        read=InMemory(pictures, names),
        digests=Digests.of(hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures),
        targets=Labels(tuple(str(name) for name in bunch.target_names), bunch.target.astype(np.int64)),
        sizes=np.full((len(pictures), 2), 8, np.int32),
        grey=True,
    )
