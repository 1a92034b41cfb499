import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from striate.base.errors import UsageError
from striate.data.load import built_in, read_samples
from striate.data.sources.cells import Cells, cells
from striate.data.splits import cut

AROUND = np.ones((3, 3))


def test_the_bits_of_two_pictures_and_their_cells() -> None:
    # of this generator itself, on x86-64; every machine must give them
    whole = hashlib.sha256()
    for made, index in ((Cells(), 0), (Cells(size=200, difficulty=0.9, seed=7), 41)):
        for part in made.picture(index):
            whole.update(str((part.dtype, part.shape)).encode() + part.astype("<u2").tobytes())
    assert whole.hexdigest() == "497f8d7f323a5d47e9b3de56b66bb3c14f9a4418c06bd37b9995ad54e2b5f97d"


@settings(max_examples=25, deadline=None)
@given(st.integers(32, 150), st.floats(0, 1), st.integers(0, 2**32 - 1), st.integers(0, 10**5))
def test_each_cell_is_one_piece_and_apart_from_all_others(size: int, difficulty: float, seed: int, index: int) -> None:
    picture, ids = Cells(size=size, difficulty=difficulty, seed=seed).picture(index)
    assert (picture.shape, picture.dtype, ids.shape) == ((size, size, 1), np.uint8, (size, size))
    pieces, count = ndimage.label(ids, AROUND)
    assert set(np.unique(ids)) == set(range(count + 1)), "numbered without a gap, as many as there are pieces"
    assert len(np.unique(pieces.astype(np.int64) * (count + 1) + ids)) == count + 1, "a piece is a cell"
    assert min(np.bincount(ids.ravel())[1:], default=30) >= 30


def test_cells_are_brighter_than_the_ground_and_crowd_where_it_is_difficult() -> None:
    touching = []
    for difficulty in (0.0, 0.5, 1.0):
        pictures = [Cells(difficulty=difficulty).picture(index) for index in range(5)]
        light = [(picture[..., 0][ids > 0].mean(), picture[..., 0][ids == 0].mean()) for picture, ids in pictures]
        assert all(cell > 2 * ground for cell, ground in light)
        grown = [ndimage.label(ndimage.binary_dilation(ids > 0, AROUND), AROUND)[1] for _, ids in pictures]
        touching.append(sum(ids.max() for _, ids in pictures) / sum(grown))
    assert min(touching[1:]) > 3 * touching[0], "cells to a colony"


def test_the_set_says_which_pictures_are_sealed() -> None:
    samples = read_samples("cells:size=32", masked=True)
    assert (samples.name, samples.source, samples.grey, len(samples)) == ("cells:size=32", "builtin", True, 100)
    split = cut(samples, (0.6, 0.2, 0.2), 0)
    assert [len(side) for side in (split.train, split.val, split.test)] == [40, 20, 40]
    assert len(set(samples.digests)) == 100
    assert (samples.sizes == 32).all()
    parts = samples.targets.own(3)
    assert ((parts["objects"] > 0) == (parts["mask"] == 1)).all()
    assert samples.targets.classes == ("background", "cell")
    again = pickle.loads(pickle.dumps(samples))  # noqa: S301  (our own bytes)
    assert again.fingerprint == cells("cells:size=32").fingerprint != cells("cells:size=32,seed=1").fingerprint


def test_a_picture_is_the_same_in_a_larger_set_and_pictures_alone_have_no_targets() -> None:
    few, more = (
        read_samples("cells:number=5,size=40", labelled=False),
        read_samples("cells:number=6,size=40", masked=True),
    )
    assert few.digests == more.digests[:5]
    assert few.targets.kinds == {}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("cells", "cells"),
        ("cells:", "cells"),
        ("cells:number=100,size=128", "cells"),
        ("cells:seed=3,number=5", "cells:number=5,seed=3"),
        ("cells:difficulty=.70,number=5", "cells:number=5,difficulty=0.7"),
    ],
)
def test_a_set_is_called_by_what_is_not_usual(words: str, name: str) -> None:
    assert built_in(words)
    samples = cells(words)
    assert samples.name == name
    assert len(samples) in (5, 100)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("cells:sise=64", r"data: cells have no option 'sise'. Try: 'size'"),
        ("cells:size", r"data: size of cells: '' is not a whole number from 32 to 2048. Try: cells:size=128"),
        ("cells:size=64.5", r"size of cells: '64.5' is not a whole number from 32 to 2048"),
        ("cells:difficulty=2", r"difficulty of cells: '2' is not a number from 0 to 1. Try: cells:difficulty=0.5"),
        ("cells:number=4", r"number of cells: '4' is not a whole number from 5 to 100000"),
        ("cells:size=64,size=32", r"data: size of cells is said twice. Try: one of them"),
        ("cells:size=64,", r"data: cells have no option ''"),
        ("cells:number=9999,size=2048", r"more than the 200,000,000 in all. Try: cells:number=47,size=2048"),
    ],
)
def test_what_no_cells_can_mean_is_told(words: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read_samples(words)


@pytest.mark.parametrize(
    ("data", "whether"), [("cells", True), ("digits", True), ("cellos", False), ("d:igits", False)]
)
def test_what_is_built_in(data: str, whether: bool) -> None:
    assert built_in(data) == whether
