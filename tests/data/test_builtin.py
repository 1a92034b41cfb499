import hashlib
import pickle

import numpy as np
from sklearn.datasets import load_digits

from striate.data.sources.builtin import digits


def test_digits_are_the_pictures_of_scikit_learn_with_ink_bright() -> None:
    samples, bunch = digits(), load_digits()
    assert len(samples) == 1797  # Alpaydin and Kaynak 1998, the test part of the set
    assert samples.targets.classes == tuple("0123456789")
    assert (samples.names[0], samples.names[1796]) == ("digits/0000", "digits/1796")
    assert samples.targets.strata.dtype == np.int64
    assert np.bincount(samples.targets.strata).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    for index in (0, 900, 1796):
        picture = samples.read(index)
        assert (picture.shape, picture.dtype) == ((8, 8, 1), np.uint8)
        # round(255 v / 16) for v = 0..16: a blank page is 0, full ink 255, half ink 127.5 rounds up.
        assert (picture[..., 0] == np.floor(255 * bunch.images[index] / 16 + 0.5)).all()
        assert samples.targets.strata[index] == bunch.target[index]
        assert samples.digests[index] == hashlib.sha256(picture.tobytes()).hexdigest()
    assert samples.grey
    assert samples.skipped == ()


def test_digits_are_the_same_each_time_and_after_pickling() -> None:
    copy = pickle.loads(pickle.dumps(digits()))  # noqa: S301  (our own bytes)
    assert copy.fingerprint == digits().fingerprint
    assert (copy.read(3) == digits().read(3)).all()
