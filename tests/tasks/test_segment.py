"""A class for each pixel: losses, answers, rows and the numbers that are made of them."""

import json
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from small import whole
from striate.base.errors import MachineError
from striate.data.feed import Batch
from striate.data.targets import held
from striate.evaluate.numbers import number
from striate.evaluate.result import result
from striate.tasks.measures import Measure, Statistic
from striate.tasks.segment import FEW, Segment, Segmented
from striate.tasks.task import Trial
from striate.tasks.thresholds import by_otsu, otsu

CLASSES = ("ground", "cell", "debris")
TASK, TWO = Segment(CLASSES), Segment(CLASSES[:2])
masks = arrays(np.int32, (3, 8, 9), elements=st.integers(-1, 2))
answers = arrays(np.uint8, (3, 8, 9), elements=st.integers(0, 2))
MASKS = np.random.default_rng(0).integers(-1, 3, (5, 12, 12)).astype(np.int32)
ANSWERS = np.where(np.random.default_rng(1).random(MASKS.shape) < 0.7, np.maximum(MASKS, 0), 1).astype(np.uint8)


def batch(mask: np.ndarray, **parts: np.ndarray) -> Batch:
    targets = {name: torch.from_numpy(np.asarray(part)) for name, part in {"mask": mask, **parts}.items()}
    count, height, width = mask.shape
    return Batch(np.arange(count), torch.zeros(count, 1, height, width), targets, (whole(height, width),) * count)


def rows(task: Segment, mask: np.ndarray, said: np.ndarray, **parts: np.ndarray) -> np.ndarray:
    return task.kept(torch.from_numpy(said), batch(mask, **parts)).numpy()


def value(measure: Measure) -> float | None:
    """Without its interval, which takes two thousand draws."""
    if not isinstance(measure, Statistic):
        return number(measure, "test").value
    found = float(measure.of(measure.rows.sum(0, keepdims=True))[0])
    return None if np.isnan(found) else found


def numbers(task: Segment, kept: np.ndarray) -> dict[str, float | None]:
    return {each.name: value(each) for each in task.measures(kept)}


def scores(mask: np.ndarray, classes: int = 3, high: float = 50.0) -> torch.Tensor:
    """Of a network that is sure of the mask."""
    return high * torch.nn.functional.one_hot(torch.from_numpy(np.maximum(mask, 0)).long(), classes).movedim(-1, 1)


@given(masks)
def test_a_perfect_answer_is_1_in_everything_that_is_defined(mask) -> None:
    found = rows(TASK, mask, np.maximum(mask, 0).astype(np.uint8))
    assert TASK.fits(found)
    assert set(numbers(TASK, found).values()) <= {1.0, None}
    assert set(TASK.summary(torch.from_numpy(found)).values()) == {1.0}


@given(masks, answers, arrays(np.uint8, (3, 8, 9), elements=st.integers(0, 2)))
def test_what_is_said_of_uncounted_pixels_changes_no_number(mask, said, other) -> None:
    objects = np.abs(mask).astype(np.int32)
    changed = np.where(mask < 0, other, said)
    for parts in ({}, {"objects": objects}):
        np.testing.assert_array_equal(rows(TASK, mask, said, **parts), rows(TASK, mask, changed, **parts))


@given(masks, answers)
def test_rows_of_all_pictures_are_those_of_each_and_their_numbers_come_of_sums(mask, said) -> None:
    together = rows(TASK, mask, said)
    assert TASK.fits(together)
    each = [rows(TASK, mask[place : place + 1], said[place : place + 1]) for place in range(len(mask))]
    np.testing.assert_array_equal(together, np.concatenate(each))
    summed = numbers(TASK, together.sum(0, keepdims=True))
    told = numbers(TASK, together)
    assert {name: value for name, value in told.items() if "per picture" not in name} == pytest.approx(
        {name: value for name, value in summed.items() if "per picture" not in name}, nan_ok=True
    )


@given(masks, answers, st.permutations(range(3)))
def test_classes_in_another_order_have_the_same_pixel_numbers(mask, said, order) -> None:
    moved = np.array([*order, -1])
    one = numbers(TASK, rows(TASK, mask, said))
    other = numbers(TASK, rows(TASK, moved[mask].astype(np.int32), moved[said].astype(np.uint8)))
    names = ("mean IoU over the data set", "mean Dice over the data set", "mean IoU per picture", "pixel accuracy")
    assert [other[name] for name in names] == pytest.approx([one[name] for name in names])


def test_numbers_over_the_data_set_are_those_of_scikit_learn() -> None:
    counted = MASKS >= 0
    truth, said = MASKS[counted], ANSWERS[counted]
    kept = rows(TASK, MASKS, ANSWERS)
    found = numbers(TASK, kept)
    assert next(iter(found)) == "mean IoU over the data set"
    assert found["mean IoU over the data set"] == pytest.approx(metrics.jaccard_score(truth, said, average="macro"))
    assert found["mean Dice over the data set"] == pytest.approx(metrics.f1_score(truth, said, average="macro"))
    assert found["pixel accuracy"] == pytest.approx(metrics.accuracy_score(truth, said))
    told = result(TASK, kept, "test")
    by_class = {kind: [each[kind]["value"] for each in told["classes"]] for kind in ("iou", "precision", "recall")}
    precision, recall, _, support = metrics.precision_recall_fscore_support(truth, said)
    assert by_class["iou"] == pytest.approx(metrics.jaccard_score(truth, said, average=None))
    assert (by_class["precision"], by_class["recall"]) == (pytest.approx(precision), pytest.approx(recall))
    assert [each["pixels"] for each in told["classes"]] == support.tolist()
    assert told["confusion"] == metrics.confusion_matrix(truth, said).tolist()
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_of_two_classes_the_second_is_the_one_to_quote() -> None:
    mask, said = np.minimum(MASKS, 1), np.minimum(ANSWERS, 1)
    found = numbers(TWO, rows(TWO, mask, said))
    assert next(iter(found)) == "IoU of cell over the data set"
    assert found["IoU of cell over the data set"] == metrics.jaccard_score(mask[mask >= 0], said[mask >= 0])


def test_a_picture_with_nothing_to_find_has_no_number_of_its_own() -> None:
    nothing = np.zeros((2, 6, 6), np.int32)
    kept = rows(TWO, nothing, nothing.astype(np.uint8))
    found = numbers(TWO, kept)
    assert found["IoU of cell over the data set"] is found["object F1 at IoU 0.5"] is None
    assert found["pixel accuracy"] == 1
    means = [number(each, "test") for each in TWO.measures(kept) if "per picture" in each.name]
    assert [(each.n, each.value) for each in means] == [(0, None), (0, None)]
    assert [row[:3] for row in TWO.table(kept).rows] == [("", "", 1.0)] * 2


def test_many_classes_keep_sums_and_the_same_numbers() -> None:
    many = Segment((*CLASSES, *(f"class {place}" for place in range(FEW))))
    few, wide = rows(TASK, MASKS, ANSWERS), rows(many, MASKS, ANSWERS)
    assert wide.shape[1] == 3 * len(many.classes) + 6
    assert many.fits(wide)
    assert numbers(many, wide) == numbers(TASK, few)
    assert "confusion" not in many.breakdown(wide)
    assert not many.fits(few)


def test_rows_that_cannot_be_are_told() -> None:
    kept = rows(TASK, MASKS, ANSWERS)
    for place, value in ((0, -1.0), (-3, 1e6)):
        wrong = kept.copy()
        wrong[0, place] = value
        assert not TASK.fits(wrong)


def test_a_loss_is_that_of_the_picture_alone_and_of_its_counted_pixels() -> None:
    outputs = torch.randn(5, 3, 12, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    logs = torch.log_softmax(outputs, 1).numpy()
    shares = np.exp(logs)
    for place in range(5):
        counted = MASKS[place] >= 0
        truth = MASKS[place][counted]
        own = logs[place][:, counted]
        expected = -own[truth, np.arange(len(truth))].mean()
        single = batch(MASKS[place : place + 1])
        assert Segment(CLASSES, "cross-entropy").loss(outputs[place : place + 1], single).item() == pytest.approx(
            expected
        )
        dices = []
        for label in (1, 2):
            p, t = shares[place][label][counted], truth == label
            dices.append((2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1))
        assert Segment(CLASSES, "dice").loss(outputs[place : place + 1], single).item() == pytest.approx(
            1 - np.mean(dices)
        )
    each = {kind: Segment(CLASSES, kind).loss(outputs, batch(MASKS)) for kind in ("cross-entropy", "dice")}
    torch.testing.assert_close(TASK.loss(outputs, batch(MASKS)), each["cross-entropy"] + each["dice"])


@given(masks, st.sampled_from(["cross-entropy", "dice", "cross-entropy+dice"]), st.floats(-100, 100))
def test_scores_under_uncounted_pixels_have_no_gradient_and_nothing_is_infinite(mask, kind, high) -> None:
    mask[0], mask[1] = -1, 0  # nothing counted, and no foreground
    task = Segment(CLASSES, kind, border=10.0)
    outputs = scores(np.roll(mask, 1, 0), high=high).float().requires_grad_()
    losses = task.loss(outputs, batch(mask, weight=np.ones(mask.shape, np.float32)))
    losses.sum().backward()
    assert losses.shape == (3,)
    assert losses[0] == 0
    assert torch.isfinite(losses).all()
    assert torch.isfinite(outputs.grad).all()
    assert not outputs.grad.movedim(1, -1)[torch.from_numpy(mask < 0)].any()


def test_scores_of_a_smaller_square_are_those_of_the_middle() -> None:
    outputs = torch.randn(5, 3, 6, 8, generator=torch.Generator().manual_seed(3))
    inner = batch(MASKS[:, 3:9, 2:10], weight=np.ones((5, 6, 8), np.float32))
    outer = batch(MASKS, weight=np.pad(np.ones((5, 6, 8), np.float32), ((0, 0), (3, 3), (2, 2))))
    torch.testing.assert_close(TASK.loss(outputs, outer), TASK.loss(outputs, inner))


def test_weights_of_classes_and_borders_are_added_and_multiply_the_loss_of_a_pixel() -> None:
    outputs = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(4))
    weights, border = (0.5, 2.0, 3.0), np.random.default_rng(5).random((1, 12, 12)).astype(np.float32)
    logs, counted = torch.log_softmax(outputs, 1)[0].numpy(), MASKS[0] >= 0
    truth = MASKS[0][counted]
    each = -logs[:, counted][truth, np.arange(len(truth))] * (np.array(weights)[truth] + border[0][counted])
    task = Segment(CLASSES, "cross-entropy", weights=weights)
    assert task.loss(outputs, batch(MASKS[:1], weight=border)).item() == pytest.approx(each.mean(), rel=1e-5)


def test_balanced_weights_make_each_class_count_alike_and_leave_the_mean_at_1() -> None:
    task = Segment((*CLASSES, "never"), class_weights="balanced")
    measured = task.measured(iter([batch(MASKS[:2]), batch(MASKS[2:])]))
    pixels = np.bincount(MASKS[MASKS >= 0], minlength=4)
    assert pixels * np.array(measured.weights) == pytest.approx([pixels.sum() / 3] * 3 + [0])
    assert measured.weights[3] == 1
    assert TASK.measured(iter(())) is TASK


def test_training_targets_have_border_weights_only_where_they_were_asked_for() -> None:
    plain = held(CLASSES, [MASKS[0]])
    assert TASK.weighed(plain) is plain
    assert Segment(CLASSES, border=10.0).weighed(plain).kinds == {"mask": "ids", "weight": "field"}


def test_what_is_said_is_the_likeliest_class_as_a_byte_where_it_fits_in_one() -> None:
    said = TASK.said(scores(MASKS))
    assert said.dtype == torch.uint8
    assert (said.numpy() == np.maximum(MASKS, 0)).all()
    assert Segment(tuple(map(str, range(257)))).said(torch.zeros(1, 257, 2, 2)).dtype == torch.int32


def test_answers_of_several_networks_are_the_weighted_mean_of_probabilities() -> None:
    outputs, weights = torch.randn(3, 3, 4, 5, generator=torch.Generator().manual_seed(6)), [1.0, 2.0, 1.0]
    joined = TASK.joined(list(outputs), weights, [TASK] * 3)
    expected = np.average(torch.softmax(outputs.double(), 1).numpy(), axis=0, weights=weights)
    np.testing.assert_allclose(torch.softmax(joined.double(), 0).numpy(), expected, rtol=1e-5)


def test_an_answer_tells_pixels_shares_and_objects() -> None:
    ids = np.zeros((4, 5), np.uint8)
    ids[0, 0], ids[1, 1], ids[3, 3:] = 1, 1, 2  # at a corner the first two are one object
    found = TASK.answer(ids, np.zeros((1, *ids.shape), np.uint8))
    assert found.as_dict() == {
        "height": 4, "width": 5, "objects": 2,
        "classes": {
            "ground": {"pixels": 16, "share": 0.8}, "cell": {"pixels": 2, "share": 0.1},
            "debris": {"pixels": 2, "share": 0.1},
        },
    }  # fmt: skip
    assert TASK.columns == ("objects", *CLASSES)
    assert found.cells() == (2, 0.8, 0.1, 0.1)
    assert TASK.nothing() == Segmented()
    assert TASK.nothing().cells() == ()


def test_what_is_shown_of_a_picture_is_small() -> None:
    mask = np.pad(MASKS[:1], ((0, 0), (0, 700), (0, 0)), constant_values=-1)
    said = np.pad(ANSWERS[0], ((0, 700), (0, 0)))
    shown = TASK.shown(said, batch(mask))
    assert {name: (each.dtype, each.shape) for name, each in shown.items()} == {
        "given": (np.uint8, (356, 6, 1)), "truth": (np.uint8, (356, 6)), "answer": (np.uint8, (356, 6)),
    }  # fmt: skip
    assert set(np.unique(shown["truth"])) <= {0, 1, 2, 255}


def test_the_worst_are_remembered() -> None:
    said = np.maximum(MASKS, 0).astype(np.uint8)
    said[3] = (said[3] + 1) % 3
    assert TASK.remembered(rows(TASK, np.repeat(MASKS, 4, 0), np.repeat(said, 4, 0)))[-4:].tolist() == [12, 13, 14, 15]


@given(arrays(np.uint8, (6, 7)))
def test_otsus_threshold_is_that_of_scikit_image(values) -> None:
    from skimage.filters import threshold_otsu

    if values.min() < values.max():
        parts = [values[values <= each] for each in (otsu(values), threshold_otsu(values))]
        spreads = [
            len(low) * (values.size - len(low)) * (low.mean() - values[values > low.max()].mean()) ** 2 for low in parts
        ]
        assert spreads[0] == pytest.approx(spreads[1])
    else:
        assert not by_otsu(torch.from_numpy(values[None, None]).float() / 255).any()


def test_rivals_are_measured_like_the_network_on_the_same_pictures() -> None:
    """Bright cells on dark ground: a threshold and colours find them, the commonest class none."""
    truth = np.random.default_rng(7).integers(0, 2, (6, 10, 10)).astype(np.int32)
    truth[:, :6] = 0
    pictures = torch.from_numpy(np.where(truth, 0.2, 0.8).astype(np.float32))[:, None]
    masked = batch(truth)

    def batches(indices):
        return (
            Batch(np.array([i]), pictures[i : i + 1], {"mask": masked.targets["mask"][i : i + 1]}, masked.laid[:1])
            for i in indices
        )

    found = TWO.baselines(Trial(None, np.arange(2), np.arange(2, 3), np.arange(3, 6), batches))
    assert {each.name: value(each) for each in found} == {
        "the commonest class": 0.0, "nearest mean colour": 1.0, "Otsu's threshold": 1.0,
    }  # fmt: skip
    three = TASK.baselines(Trial(None, np.arange(2), np.arange(2, 3), np.arange(3, 6), batches))
    assert [each.name for each in three] == ["the commonest class", "nearest mean colour"]


def test_what_a_watershed_lacks_is_told_before_the_first_step(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(MachineError) as told:
        Segment(CLASSES, objects="watershed").measured(iter(()))
    assert "pip install 'striate[segment]'" in str(told.value)
    assert Segment(CLASSES).measured(iter(())).weights == ()


def test_a_watershed_cuts_what_is_answered_and_not_what_is_true() -> None:
    rows_, columns = np.mgrid[:40, :60]
    mask = np.minimum((rows_ - 20) ** 2 + (columns - 20) ** 2, (rows_ - 20) ** 2 + (columns - 38) ** 2) <= 100
    kept = rows(Segment(CLASSES[:2], objects="watershed"), mask[None].astype(np.int32), mask[None].astype(np.uint8))
    assert kept[0, -2:].tolist() == [1, 2]
