"""Counts of pixels, pairs and objects beside scikit-learn, scikit-image and the definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label
from skimage.metrics import adapted_rand_error
from sklearn import metrics

from striate.tasks.overlap import agreement, blocks, confusion, counted, instances, objects_of

masks = arrays(np.int32, (9, 11), elements=st.integers(0, 3))


def discs(*places: tuple[int, int, int], side: int = 60) -> np.ndarray:
    """A mask with discs of (row, column, radius), ids from 1 where they do not yet lie on another."""
    rows, columns = np.mgrid[:side, :side]
    found = np.zeros((side, side), np.int32)
    for number, (row, column, radius) in enumerate(places, 1):
        found[((rows - row) ** 2 + (columns - column) ** 2 <= radius**2) & (found == 0)] = number
    return found


@given(masks, masks, arrays(np.bool_, (9, 11)))
def test_the_confusion_is_that_of_scikit_learn_on_counted_pixels(truth, answer, ignored) -> None:
    ignored[0, 0] = False
    given_truth = np.where(ignored, -1, truth)
    found = confusion(torch.from_numpy(given_truth[None]), torch.from_numpy(answer[None].astype(np.uint8)), 4)[0]
    assert (found.numpy() == metrics.confusion_matrix(truth[~ignored], answer[~ignored], labels=range(4))).all()


@given(masks)
def test_objects_are_the_regions_of_scikit_image(mask) -> None:
    found, count = objects_of(mask)
    expected, most = label(mask, background=0, return_num=True, connectivity=2)
    assert count == most == found.max()
    pairs = {(int(one), int(other)) for one, other in zip(found.ravel(), expected.ravel(), strict=True)}
    assert len(pairs) == len(set(found.ravel())) == len(set(expected.ravel()))


@given(masks, masks)
def test_instances_are_ids_told_apart_by_class(objects, mask) -> None:
    found, count = instances(objects, mask)
    assert ((found > 0) == ((objects > 0) & (mask > 0))).all()
    own = {(int(i), int(o), int(m)) for i, o, m in zip(found.ravel(), objects.ravel(), mask.ravel(), strict=True) if i}
    assert len(own) == count == len({each[0] for each in own}) == len({each[1:] for each in own})


@given(masks, masks)
def test_the_adapted_rand_score_is_that_of_scikit_image(truth, answer) -> None:
    true, told = objects_of(truth), objects_of(answer)
    both, of_true, of_told, *_ = agreement(true, told, truth, answer)
    if of_true + of_told:
        with np.errstate(divide="ignore", invalid="ignore"):
            assert 2 * both / (of_true + of_told) == pytest.approx(1 - adapted_rand_error(true[0], told[0])[0])


@given(masks, masks)
def test_an_object_is_found_where_an_answer_of_its_class_covers_more_than_half_of_their_union(truth, answer) -> None:
    (true, many), (told, most) = objects_of(truth), objects_of(answer)
    hits = 0
    for one in range(1, many + 1):
        for other in range(1, most + 1):
            both = (true == one) & (told == other)
            same = truth[true == one][0] == answer[told == other][0]
            hits += bool(same and both.sum() / ((true == one) | (told == other)).sum() > 0.5)
    assert agreement((true, many), (told, most), truth, answer)[3:].tolist() == [hits, many, most]


def test_an_answer_of_exactly_half_is_none() -> None:
    truth, answer = np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 0]])
    assert agreement(objects_of(truth), objects_of(answer), truth, answer)[3:].tolist() == [0, 1, 1]


def test_the_watershed_parts_discs_that_touch_and_leaves_one_whole() -> None:
    ids = discs((20, 20, 10), (20, 38, 10), (48, 30, 8))
    mask = (ids > 0).astype(np.int32)
    assert objects_of(mask)[1] == 2
    found, count = objects_of(mask, "watershed")
    assert count == 3
    assert ((found > 0) == (mask > 0)).all()
    assert agreement(instances(ids, mask), (found, count), mask, mask)[3:].tolist() == [3, 3, 3]


@given(masks)
def test_the_watershed_only_cuts(mask) -> None:
    whole, many = objects_of(mask)
    found, count = objects_of(mask, "watershed")
    assert ((found > 0) == (whole > 0)).all()
    assert count == len(set(found[found > 0])) >= many
    assert len(set(zip(found[found > 0].tolist(), whole[whole > 0].tolist(), strict=True))) == count


def test_a_large_picture_is_counted_in_parts_to_the_same_counts() -> None:
    numbers = np.random.default_rng(9)
    mask, said = (numbers.integers(low, 3, (1, 2**21)).astype(np.int32) for low in (-1, 0))
    true, told = (numbers.integers(0, 50, mask.shape).astype(np.int32) * (each > 0) for each in (mask, said))
    tables, found = [], []
    for shape in ((1, 2**21), (2**11, 2**10)):  # in one part, and in two
        parts = [each.reshape(shape) for each in (true, told, mask, said)]
        found.append(agreement((parts[0], 49), (parts[1], 49), *parts[2:]).tolist())
        tables.append(confusion(*(torch.from_numpy(each[None]) for each in parts[2:]), 3))
    assert found[0] == found[1]
    assert torch.equal(*tables)
    assert (counted(said, 3) == counted(said.reshape(2**11, -1), 3)).all()
    assert len(blocks(2**11, 2**10)) == 2
