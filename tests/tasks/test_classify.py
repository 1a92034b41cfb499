import numpy as np
import pytest
import torch
from sklearn import metrics

from striate.evaluate.numbers import number
from striate.layers import Heads
from striate.tasks.classify import Classify, confusion_matrix, majority, worst
from striate.tasks.measures import Measure

CLASSES = tuple("abcdefgh")


def answered(count: int = 300, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(seed)
    targets = torch.randint(len(CLASSES), (count,), generator=made)
    outputs = torch.randn(count, len(CLASSES), generator=made)
    outputs[torch.arange(count), targets] += 1.0
    return outputs, targets


OUTPUTS, TARGETS = answered()
TASK = Classify(CLASSES)
PROBABILITIES, TRUTH = TASK.answer(OUTPUTS), TARGETS.numpy()
ANSWERS = PROBABILITIES.argmax(1)


def value(measure: Measure) -> float | None:
    return number(measure, "test").value


def test_overall_measures_are_those_of_scikit_learn() -> None:
    found = {measure.name: value(measure) for measure in TASK.measures(PROBABILITIES, TRUTH)}
    assert found == pytest.approx({
        "accuracy": metrics.accuracy_score(TRUTH, ANSWERS),
        "top-5 accuracy": metrics.top_k_accuracy_score(TRUTH, PROBABILITIES, k=5),
        "log loss": metrics.log_loss(TRUTH, PROBABILITIES),
    }, rel=1e-12)  # fmt: skip


def test_the_confusion_matrix_is_that_of_scikit_learn() -> None:
    found = confusion_matrix(ANSWERS, TRUTH, len(CLASSES))
    assert (found == metrics.confusion_matrix(TRUTH, ANSWERS)).all()
    assert confusion_matrix(np.array([1]), np.array([0]), 3).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_precision_recall_and_f1_are_those_of_scikit_learn() -> None:
    expected = metrics.precision_recall_fscore_support(TRUTH, ANSWERS)[:3]
    rows = TASK.by_class(confusion_matrix(ANSWERS, TRUTH, len(CLASSES)))
    assert [name for name, _ in rows] == list(CLASSES)
    for kind, wanted in zip(("precision", "recall", "f1"), expected, strict=True):
        assert [value(measures[kind]) for _, measures in rows] == pytest.approx(list(wanted), rel=1e-12)


def test_a_class_without_answers_or_without_pictures_has_no_number() -> None:
    rows = dict(Classify(("a", "b", "c")).by_class(confusion_matrix(np.array([0, 0]), np.array([0, 1]), 3)))
    assert {name: {kind: value(each) for kind, each in kinds.items()} for name, kinds in rows.items()} == {
        "a": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3)},
        "b": {"precision": None, "recall": 0.0, "f1": 0.0},
        "c": {"precision": None, "recall": None, "f1": None},
    }


def test_without_pictures_no_measure_has_a_value() -> None:
    empty = TASK.measures(np.empty((0, len(CLASSES))), np.empty(0, dtype=np.int64))
    assert [value(measure) for measure in empty] == [None, None, None]


def test_top_5_is_left_out_where_it_says_nothing() -> None:
    five = Classify(CLASSES[:5]).measures(PROBABILITIES[:, :5], TRUTH % 5)
    assert [measure.name for measure in five] == ["accuracy", "log loss"]


def test_a_probability_of_zero_gives_a_large_loss_and_not_an_infinite_one() -> None:
    sure = Classify(("a", "b")).measures(np.array([[1.0, 0.0]]), np.array([1]))
    assert value(sure[-1]) == pytest.approx(708.396, abs=1e-3)  # -ln of the least normal float64, 2^-1022


def test_the_summary_of_an_epoch_and_the_final_measures_agree() -> None:
    summary = TASK.summary(OUTPUTS, TARGETS)
    found = {measure.name: value(measure) for measure in TASK.measures(PROBABILITIES, TRUTH)}
    assert (summary["accuracy"], summary["loss"]) == pytest.approx((found["accuracy"], found["log loss"]), rel=1e-9)


def test_label_smoothing_is_in_the_loss_and_not_in_the_summary() -> None:
    smoothed = Classify(CLASSES, label_smoothing=0.2)
    logs = torch.log_softmax(OUTPUTS, 1)
    expected = -(0.8 * logs[torch.arange(len(TARGETS)), TARGETS] + 0.2 * logs.mean(1))  # Szegedy et al. 2016, 7
    torch.testing.assert_close(smoothed.loss(OUTPUTS, TARGETS), expected)
    assert smoothed.summary(OUTPUTS, TARGETS) == TASK.summary(OUTPUTS, TARGETS)


def test_auxiliary_answers_add_their_weighted_loss_picture_by_picture() -> None:
    smoothed = Classify(CLASSES, label_smoothing=0.1)
    auxiliary = answered(seed=1)[0], answered(seed=2)[0]
    found = smoothed.loss(Heads(OUTPUTS, auxiliary, 0.3), TARGETS)
    main, first, second = (smoothed.loss(each, TARGETS) for each in (OUTPUTS, *auxiliary))
    assert found.shape == (len(TARGETS),)
    torch.testing.assert_close(found, main + 0.3 * (first + second))


def test_the_better_epoch_has_the_higher_accuracy_then_the_lower_loss() -> None:
    epochs = [{"accuracy": 0.9, "loss": 0.4}, {"accuracy": 0.9, "loss": 0.3}, {"accuracy": 0.8, "loss": 0.1}]
    assert max(epochs, key=TASK.score) == epochs[1]


def test_the_majority_is_that_of_training_and_counted_on_the_targets() -> None:
    found = majority(np.array([2, 2, 0]), np.array([0, 2, 2, 1]))
    assert (found.hits, found.n) == (2, 4)


def test_the_worst_are_wrong_answers_the_surest_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    assert worst(probabilities, np.array([0, 0, 0, 1]), 2) == [2, 3]
    assert worst(probabilities, np.array([0, 1, 1, 0]), 5) == []
