"""Pictures in memory become samples, or one sentence says why not."""

import pickle
from typing import Any

import numpy as np
import pytest

from striate.base.errors import DataError, StriateError, UsageError
from striate.data.load import read_samples
from striate.data.sources.arrays import from_arrays

GREY = np.random.default_rng(0).integers(0, 256, (6, 5, 7), dtype=np.uint8)


@pytest.mark.parametrize("pictures", [GREY, GREY[..., None], list(GREY), [each[..., None] for each in GREY]])
def test_grey_pictures_in_any_form_are_the_same_samples(pictures: Any) -> None:
    samples = from_arrays(pictures, [0, 1, 0, 1, 0, 1])
    assert samples.fingerprint == from_arrays(GREY, [0, 1, 0, 1, 0, 1]).fingerprint
    assert (samples.read(2)[..., 0] == GREY[2]).all()
    assert (samples.grey, samples.in_memory, samples.root) == (True, True, None)
    assert samples.names[:2] == ("arrays/0", "arrays/1")


def test_pictures_may_differ_in_size_and_one_in_colour_makes_them_colour() -> None:
    samples = from_arrays([GREY[0], np.zeros((3, 3, 3), np.uint8)])
    assert [samples.read(place).shape for place in (0, 1)] == [(5, 7, 1), (3, 3, 3)]
    assert samples.sizes.tolist() == [[5, 7], [3, 3]]
    assert not samples.grey
    assert samples.targets.kinds == {}


def test_the_digest_is_of_pixels_and_shape() -> None:
    flat = from_arrays([np.zeros((4, 6), np.uint8), np.zeros((6, 4), np.uint8), np.zeros((4, 6), np.uint8)])
    assert flat.digests[0] == flat.digests[2] != flat.digests[1]


@pytest.mark.parametrize(
    ("labels", "classes", "strata"),
    [
        ([10, 2, 2, 10, 2, 2], ("2", "10"), [1, 0, 0, 1, 0, 0]),
        (["dog", "cat", "cat", "dog", "cat", "cat"], ("cat", "dog"), [1, 0, 0, 1, 0, 0]),
        (np.array([True, False] * 3), ("False", "True"), [1, 0, 1, 0, 1, 0]),
    ],
)
def test_labels_are_numbers_in_order_or_names_in_order(labels: Any, classes: Any, strata: Any) -> None:
    targets = from_arrays(GREY, labels).targets
    assert (targets.classes, targets.strata.tolist()) == (classes, strata)


@pytest.mark.parametrize(
    ("pictures", "labels", "cause"),
    [
        (GREY.astype(float), None, r"float64 \(5, 7\) is no picture"),
        (np.zeros((2, 3, 4, 4), np.uint8), None, "is no picture"),
        (np.zeros((2, 0, 4), np.uint8), None, "is no picture"),
        ([], None, "no pictures"),
        (GREY, [1, 2], "for 6 pictures"),
        (GREY, np.ones((6, 2)), "for 6 pictures"),
        (GREY, [0.5] * 6, "float64 are no labels"),
        (GREY, ["a", "b", "", "a", "b", "c"], "picture 2 has none"),
        (GREY, np.array(["a", None, "b", "a", "b", "c"], object), "picture 1 has none"),
    ],
)
def test_what_is_no_picture_or_no_label_is_told(pictures: Any, labels: Any, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        from_arrays(pictures, labels)


def test_a_task_with_labels_needs_them_and_one_without_drops_them() -> None:
    with pytest.raises(UsageError, match="without labels"):
        read_samples(GREY)
    assert (
        read_samples((GREY, [0, 1] * 3), labelled=False).fingerprint == read_samples(GREY, labelled=False).fingerprint
    )


def test_arrays_are_judged_like_files_where_they_are_to_be_learned() -> None:
    for labels, cause in (
        ([0] * 6, "a single class, '0'"),
        ([0, 0, 1, 1, 1, 2], "classes with one usable picture: '2'"),
    ):
        with pytest.raises(DataError, match=cause):
            read_samples((GREY, labels))
        assert len(read_samples((GREY, labels), learnable=False)) == 6
    copies = np.concatenate([GREY, GREY[:2], np.zeros((1, 5, 7), np.uint8)])
    notes = read_samples((copies, ["a", "b"] * 3 + ["a", "a", "b"])).notes
    assert any("byte-identical copies" in note for note in notes)
    assert any("label conflict" in note for note in notes)
    assert any("of one colour only" in note for note in notes)


def test_what_the_caller_does_to_the_arrays_afterwards_changes_nothing() -> None:
    mine = GREY.copy()
    samples = read_samples((mine, [0, 1] * 3))
    mine[:] = 0
    assert (samples.read(3)[..., 0] == GREY[3]).all()


@pytest.mark.parametrize(
    ("pictures", "labels", "cause"),
    [
        ((each for each in GREY), [0, 1] * 3, "a list or an array, not generator"),
        (5, [0, 1], "a list or an array, not int"),
        (None, [0, 1], "a list or an array, not NoneType"),
        ([[[1, 2], [3]]], [0], "no picture"),
        (GREY, [[0], [1, 2], 3, 4, 5, 6], "no labels"),
    ],
)
def test_what_is_no_array_is_one_sentence(pictures: Any, labels: Any, cause: str) -> None:
    with pytest.raises(StriateError, match=cause):
        read_samples((pictures, labels))


def test_labels_in_bytes_are_their_text() -> None:
    assert from_arrays(GREY, np.array([b"cat", b"dog"] * 3)).targets.classes == ("cat", "dog")


def test_samples_in_memory_travel_to_other_processes() -> None:
    samples = pickle.loads(pickle.dumps(from_arrays(GREY, [0, 1] * 3)))  # noqa: S301  (our own bytes)
    assert (samples.read(5)[..., 0] == GREY[5]).all()
