"""Data that needs no network: what scikit-learn carries."""

import hashlib

import numpy as np

from striate.data.samples import InMemory, Samples
from striate.data.targets import Labels


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
        digests=tuple(hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures),
        targets=Labels(tuple(str(name) for name in bunch.target_names), bunch.target.astype(np.int64)),
        sizes=np.full((len(pictures), 2), 8, np.int32),
        grey=True,
    )
