import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import DataError
from striate.data.picture.canvas import canvas_of
from striate.data.picture.laid import Laid
from striate.data.samples import InMemory, Samples
from striate.data.splits import cut
from striate.data.targets import Masks, held

SHARES = (0.6, 0.2, 0.2)
MASK = np.arange(24, dtype=np.int32).reshape(4, 6) % 4 - 1
OBJECTS = np.arange(24, dtype=np.int32).reshape(4, 6)


def masks(*values: int, objects: bool = False) -> Masks:
    """Targets of 2 x 2 masks, each all of one value but for a pixel of class 0."""
    made = [np.array([[0, value], [value, value]]) for value in values]
    return held(("ground", "cell", "debris"), made, [each * 7 for each in made] if objects else None)


def samples(targets: Masks, subsets: tuple[str, ...] | None = None) -> Samples:
    count = len(targets.contents)
    names = tuple(map(str, range(count)))
    return Samples(
        name="made", source="arrays", root=None, names=names,
        read=InMemory(np.zeros((count, 2, 2, 1), np.uint8), names),
        digests=tuple(hashlib.sha256(name.encode()).hexdigest() for name in names), targets=targets,
        sizes=np.full((count, 2), 2, np.int32), subsets=subsets,
    )  # fmt: skip


def test_parts_lie_where_the_picture_lies_and_nothing_counts_outside() -> None:
    targets = held(("ground", "cell", "debris"), [MASK], [OBJECTS])
    assert targets.kinds == {"mask": "ids", "objects": "ids"}
    own = targets.own(0)
    assert {part.dtype for part in own.values()} == {np.dtype(np.int32)}
    assert (own["mask"] == MASK).all()
    assert (own["objects"] == OBJECTS).all()
    laid = Laid((4, 6), (6, 8), (1.0, 1.0), (1.0, 1.0))
    on = targets.on(0, laid)
    assert (on["mask"] == np.pad(MASK, 1, constant_values=-1)).all()
    assert (on["objects"] == np.pad(OBJECTS, 1)).all()


def test_a_mask_is_as_large_as_a_picture_that_was_decoded_at_a_half() -> None:
    mask = np.kron(MASK, np.ones((8, 8), np.int32))
    targets = held(("ground", "cell", "debris"), [mask])
    canvas, whole = canvas_of(np.zeros((32, 48, 1), np.uint8), 1, 16, "letterbox")
    _, half = canvas_of(np.zeros((16, 24, 1), np.uint8), 1, 16, "letterbox")
    assert canvas.shape[1:] == targets.on(0, whole)["mask"].shape
    assert (targets.on(0, half)["mask"] == targets.on(0, whole)["mask"]).all()


@given(st.permutations(["ground", "cell", "debris", "more"]))
def test_another_order_of_classes_keeps_every_pixel_its_name(order: list[str]) -> None:
    first = held(("ground", "cell", "debris"), [MASK])
    again = first.named(order)
    for targets in (again, again.named(sorted(order)), pickle.loads(pickle.dumps(again))):  # noqa: S301
        named = np.array([*targets.classes, "nothing"])[targets.own(0)["mask"]]
        assert (named == np.array([*first.classes, "nothing"])[MASK]).all()
        assert {targets.classes[place] for place in targets.present} == set(first.classes)
    assert again.contents == first.contents


def test_a_class_that_was_not_trained_on_is_told_only_where_it_has_a_pixel() -> None:
    assert masks(1, 1).named(("ground", "cell")).own(0)["mask"].max() == 1
    with pytest.raises(DataError, match="not trained on: debris"):
        masks(1, 2).named(("ground", "cell"))


def test_a_changed_mask_is_other_data() -> None:
    one, other = masks(1, 2, objects=True), masks(1, 1, objects=True)
    assert one.content(0) == other.content(0)
    assert one.content(1) != other.content(1)
    assert one.content(0) != masks(1, 2).content(0), "object ids count as well"
    assert samples(one).fingerprint != samples(other).fingerprint
    assert one.content(0).decode().isalnum()


def test_pictures_with_and_without_foreground_are_cut_alike() -> None:
    targets = masks(*[0] * 10, *[1, 2] * 15)
    split = cut(samples(targets), SHARES, 0)
    found = [np.bincount(targets.strata[side]).tolist() for side in (split.train, split.val, split.test)]
    assert found == [[6, 18], [2, 6], [2, 6]]


@pytest.mark.parametrize("values", [(0, 1, 1, 1, 1), (1, 1, 1), (0, 0, 0, 1)])
def test_a_few_pictures_without_foreground_are_no_class_that_is_too_small(values: tuple[int, ...]) -> None:
    split = cut(samples(masks(*values)), SHARES, 0)
    assert sorted(np.concatenate([split.train, split.val, split.test])) == list(range(len(values)))
    assert min(len(split.train), len(split.val), len(split.test)) >= 1


def test_too_few_pictures_with_masks_are_too_few() -> None:
    with pytest.raises(DataError, match="too few different pictures for 3 subsets: 2"):
        cut(samples(masks(0, 1)), SHARES, 0)
