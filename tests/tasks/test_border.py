"""The border weights of the U-Net paper beside its equation 2, computed pixel by pixel."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from small import whole
from striate.data.targets import held
from striate.tasks.border import border_weights, bordered


def equation_2(objects: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    weights = np.zeros(objects.shape)
    known = [np.argwhere(objects == place) for place in np.unique(objects) if place]
    for place in np.argwhere(objects == 0):
        nearest = sorted(np.sqrt(((each - place) ** 2).sum(1)).min() for each in known)
        if len(nearest) > 1:
            weights[tuple(place)] = w0 * np.exp(-((nearest[0] + nearest[1]) ** 2) / (2 * sigma**2))
    return weights


@given(arrays(np.int32, (14, 17), elements=st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, 5])), st.floats(0.5, 5))
def test_the_weights_are_those_of_equation_2(objects, sigma) -> None:
    np.testing.assert_allclose(border_weights(objects, 10, sigma), equation_2(objects, 10, sigma), atol=1e-5)


def test_far_objects_and_one_alone_weigh_nothing() -> None:
    objects = np.zeros((8, 90), np.int32)
    objects[3:5, 3:5] = 7
    assert not border_weights(objects, 10, 5).any()
    objects[3:5, 85:87] = 2
    assert border_weights(objects, 10, 5).max() < 1e-6
    objects[3:5, 7:9] = 3
    # two pixels of gap: distances 1 and 2 from its first pixel
    assert border_weights(objects, 10, 5)[3, 5] == pytest.approx(10 * np.exp(-9 / 50), rel=1e-6)


@pytest.mark.parametrize("told", [True, False])
def test_masks_come_with_their_weights_and_are_otherwise_the_same(told) -> None:
    mask = np.array([[1, 0, 1, -1], [1, 0, 1, 0]], np.int32)
    objects = np.array([[4, 0, 9, 0], [4, 0, 9, 0]], np.int32)
    plain = held(("ground", "cell"), [mask], [objects] if told else None)
    made = pickle.loads(pickle.dumps(bordered(plain, 10, 5)))  # noqa: S301 - as worker processes get it
    found = made.on(0, whole(2, 4))
    assert made.kinds == {**plain.kinds, "weight": "field"}
    assert (made.classes, made.content(0), made.strata_names) == (plain.classes, plain.content(0), ())
    assert (found["mask"] == mask).all()
    np.testing.assert_allclose(found["weight"], equation_2(objects, 10, 5), atol=1e-5)
    assert made.named(("cell", "ground")).on(0, whole(2, 4))["mask"].tolist() == [[0, 1, 0, -1], [0, 1, 0, 1]]
