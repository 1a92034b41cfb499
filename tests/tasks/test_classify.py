import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn import metrics

from small import whole
from striate.base.errors import RunError, UsageError
from striate.base.sections import NumberTable, Reliability, Seen
from striate.data.feed import Batch
from striate.evaluate.numbers import number
from striate.evaluate.result import result
from striate.layers import Heads
from striate.tasks import registry
from striate.tasks.classify import Classify, confusion_matrix, confusions, majority, worst
from striate.tasks.measures import Measure
from striate.tasks.task import Trial

CLASSES = tuple("abcdefgh")


def answered(count: int = 300, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(seed)
    targets = torch.randint(len(CLASSES), (count,), generator=made)
    outputs = torch.randn(count, len(CLASSES), generator=made)
    outputs[torch.arange(count), targets] += 1.0
    return outputs, targets


def batch(targets: torch.Tensor) -> Batch:
    laid = (whole(1, 1),) * len(targets)
    return Batch(np.arange(len(targets)), torch.zeros(len(targets), 1, 1, 1), {"label": targets}, laid)


def rows(task: Classify, outputs: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    return task.kept(outputs, batch(targets)).numpy()


OUTPUTS, TARGETS = answered()
TASK = Classify(CLASSES)
ROWS, TRUTH = rows(TASK, OUTPUTS, TARGETS), TARGETS.numpy()
PROBABILITIES = TASK.probabilities(OUTPUTS.numpy())
ANSWERS = PROBABILITIES.argmax(1)


def value(measure: Measure) -> float | None:
    return number(measure, "test").value


def test_overall_measures_are_those_of_scikit_learn() -> None:
    found = {measure.name: value(measure) for measure in TASK.measures(ROWS)}
    assert found == pytest.approx({
        "accuracy": metrics.accuracy_score(TRUTH, ANSWERS),
        "top-5 accuracy": metrics.top_k_accuracy_score(TRUTH, PROBABILITIES, k=5),
        "balanced accuracy": metrics.balanced_accuracy_score(TRUTH, ANSWERS),
        "log loss": metrics.log_loss(TRUTH, PROBABILITIES),
    }, rel=1e-12)  # fmt: skip


def test_the_confusion_matrix_is_that_of_scikit_learn() -> None:
    found = confusion_matrix(ANSWERS, TRUTH, len(CLASSES))
    assert (found == metrics.confusion_matrix(TRUTH, ANSWERS)).all()
    assert confusion_matrix(np.array([1]), np.array([0]), 3).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_precision_recall_and_f1_are_those_of_scikit_learn() -> None:
    expected = metrics.precision_recall_fscore_support(TRUTH, ANSWERS)[:3]
    rows = TASK.by_class(ROWS)
    assert [name for name, _ in rows] == list(CLASSES)
    for kind, wanted in zip(("precision", "recall", "f1"), expected, strict=True):
        assert [value(measures[kind]) for _, measures in rows] == pytest.approx(list(wanted), rel=1e-12)


def test_a_class_without_answers_or_without_pictures_has_no_number() -> None:
    rows = dict(Classify(("a", "b", "c")).by_class(np.array([[1.0, 0, 0, 0], [1, 0, 0, 1]])))
    assert {name: {kind: value(each) for kind, each in kinds.items()} for name, kinds in rows.items()} == {
        "a": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3)},
        "b": {"precision": None, "recall": 0.0, "f1": 0.0},
        "c": {"precision": None, "recall": None, "f1": None},
    }


def test_without_pictures_no_measure_has_a_value() -> None:
    empty = TASK.measures(np.empty((0, len(CLASSES) + 1)))
    assert [value(measure) for measure in empty] == [None, None, None, None]


def test_top_5_is_left_out_where_it_says_nothing() -> None:
    five = Classify(CLASSES[:5]).measures(np.column_stack([OUTPUTS[:, :5], TRUTH % 5]))
    assert [measure.name for measure in five] == ["accuracy", "balanced accuracy", "log loss"]


def test_a_probability_of_zero_gives_a_large_loss_and_not_an_infinite_one() -> None:
    sure = Classify(("a", "b")).measures(np.array([[2000.0, 0.0, 1.0]]))
    assert value(sure[-1]) == pytest.approx(708.396, abs=1e-3)  # -ln of the least normal float64, 2^-1022


def test_the_summary_of_an_epoch_and_the_final_measures_agree() -> None:
    summary = TASK.summary(torch.from_numpy(ROWS))
    found = {measure.name: value(measure) for measure in TASK.measures(ROWS)}
    assert (summary["accuracy"], summary["loss"]) == pytest.approx((found["accuracy"], found["log loss"]), rel=1e-9)


def test_label_smoothing_is_in_the_loss_and_not_in_the_summary() -> None:
    smoothed = Classify(CLASSES, label_smoothing=0.2)
    logs = torch.log_softmax(OUTPUTS, 1)
    expected = -(0.8 * logs[torch.arange(len(TARGETS)), TARGETS] + 0.2 * logs.mean(1))  # Szegedy et al. 2016, 7
    torch.testing.assert_close(smoothed.loss(OUTPUTS, batch(TARGETS)), expected)
    assert smoothed.summary(torch.from_numpy(ROWS)) == TASK.summary(torch.from_numpy(ROWS))


def test_auxiliary_answers_add_their_weighted_loss_picture_by_picture() -> None:
    smoothed = Classify(CLASSES, label_smoothing=0.1)
    auxiliary = answered(seed=1)[0], answered(seed=2)[0]
    found = smoothed.loss(Heads(OUTPUTS, auxiliary, 0.3), batch(TARGETS))
    main, first, second = (smoothed.loss(each, batch(TARGETS)) for each in (OUTPUTS, *auxiliary))
    assert found.shape == (len(TARGETS),)
    torch.testing.assert_close(found, main + 0.3 * (first + second))


def test_the_better_epoch_has_the_higher_accuracy_then_the_lower_loss() -> None:
    epochs = [{"accuracy": 0.9, "loss": 0.4}, {"accuracy": 0.9, "loss": 0.3}, {"accuracy": 0.8, "loss": 0.1}]
    assert max(epochs, key=TASK.score) == epochs[1]


def test_the_majority_is_that_of_training_and_counted_on_the_targets() -> None:
    found = majority(np.array([2, 2, 0]), np.array([0, 2, 2, 1]))
    assert found.right.tolist() == [False, True, True, False]


def test_a_linear_model_answers_the_pictures_in_the_order_that_they_are_asked_in() -> None:
    """Bright above or below: a line tells them, and not where the truth is said to be another one."""
    truth = np.arange(40) % 2
    pictures = torch.rand(40, 1, 16, 16, generator=torch.Generator().manual_seed(1)) / 4
    for place, each in enumerate(truth):
        pictures[place, 0, 8 * each : 8 * each + 8] += 0.5
    said = truth.copy()
    said[[33, 38]] = 1 - said[[33, 38]]
    samples = SimpleNamespace(targets=SimpleNamespace(strata=said))

    def batches(indices):
        yield dataclasses.replace(batch(torch.zeros(len(indices))), pictures=pictures[indices])

    asked = np.arange(39, 29, -1)
    found = Classify(("upper", "lower")).linear(Trial(samples, np.arange(20), np.arange(20, 30), asked, batches))
    assert found.name == "logistic regression"
    assert found.right.tolist() == [each not in (33, 38) for each in asked]


def test_the_worst_are_wrong_answers_the_surest_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    assert worst(probabilities, np.array([0, 0, 0, 1]), 2) == [2, 3]
    assert worst(probabilities, np.array([0, 1, 1, 0]), 5) == []


def test_rows_are_float64_with_logits_and_truth_unchanged() -> None:
    assert (ROWS.dtype, ROWS.shape) == (np.float64, (300, len(CLASSES) + 1))
    assert (ROWS[:, :-1].astype(np.float32) == OUTPUTS.numpy()).all()
    assert (ROWS[:, -1] == TRUTH).all()


def test_the_result_of_rows_is_plain_and_tells_every_class() -> None:
    told = result(TASK, ROWS, "test")
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert (told["subset"], told["n"], [row["class"] for row in told["classes"]]) == ("test", 300, list(CLASSES))
    assert told["confusion"] == metrics.confusion_matrix(TRUTH, ANSWERS).tolist()
    assert {key for row in told["classes"] for key in row} == {"class", "support", "precision", "recall", "f1"}
    assert told["calibration"].keys() == {"before"}


def test_a_temperature_is_settled_from_rows_and_changes_no_answer() -> None:
    """Logits three times too large: the best temperature is about three, and the log loss falls."""
    sharp = rows(TASK, 3 * OUTPUTS, TARGETS)
    asked = Classify(CLASSES, calibrate=True)
    settled = asked.settled(sharp)
    assert TASK.settled(sharp) == dataclasses.replace(TASK, temperature=settled.temperature)
    assert list(map(value, TASK.settled(sharp).measures(sharp))) == list(map(value, TASK.measures(sharp)))
    assert TASK.settled(sharp).table(sharp) == TASK.table(sharp)
    assert TASK.settled(sharp).calibrated() == settled
    best = asked.settled(ROWS).temperature
    assert settled.temperature == pytest.approx(3 * best, rel=1e-3)
    before, after = (value(task.measures(sharp)[-1]) for task in (asked, settled))
    assert after < before
    around = [
        dataclasses.replace(settled, temperature=settled.temperature * by).measures(sharp)[-1] for by in (0.9, 1.1)
    ]
    assert all(after < value(each) for each in around)
    assert list(map(value, settled.measures(sharp)[:2])) == list(map(value, TASK.measures(sharp)[:2]))
    assert settled.answers(3 * OUTPUTS.numpy())[0].top[0][0] == asked.answers(3 * OUTPUTS.numpy())[0].top[0][0]
    for task in (settled, TASK.settled(sharp)):
        told = result(task, sharp, "val")["calibration"]
        assert told["temperature"] == settled.temperature
        assert told["after"]["high"] < told["before"]["low"]


def test_a_temperature_stays_between_its_bounds_where_every_answer_is_right() -> None:
    sure = rows(TASK, 9 * torch.nn.functional.one_hot(TARGETS, len(CLASSES)).float(), TARGETS)
    assert 0.05 <= Classify(CLASSES, calibrate=True).settled(sure).temperature < 1


def test_several_looks_are_joined_to_the_mean_of_their_probabilities() -> None:
    for task in (TASK, dataclasses.replace(TASK, temperature=2.0).calibrated()):
        looks, weights = OUTPUTS[:3], [1.0, 2.0, 1.0]
        joined = task.joined(list(looks), weights, [task] * 3)
        expected = np.average(task.probabilities(looks.numpy()), axis=0, weights=weights)
        np.testing.assert_allclose(task.probabilities(joined[None].numpy())[0], expected, rtol=1e-12)


def test_the_table_of_predictions_tells_truth_answer_and_their_probabilities() -> None:
    table = TASK.table(ROWS)
    assert table.head == ("truth", "answer", "probability", "truth_probability")
    for row, truth, shares in zip(table.rows, TRUTH, PROBABILITIES, strict=True):
        assert row == (CLASSES[truth], CLASSES[shares.argmax()], shares.max(), shares[truth])


def test_answers_list_as_many_classes_as_asked_the_likeliest_first() -> None:
    for top, count in ((1, 1), (5, 5), (99, len(CLASSES))):
        task = TASK.listing(top)
        answer = task.answers(OUTPUTS.numpy())[7]
        assert [label for label, _ in answer.top] == [CLASSES[k] for k in np.argsort(-PROBABILITIES[7])[:count]]
        assert len(answer.cells()) == len(task.columns) == 2 * count
    assert TASK.nothing().as_dict() == {"label": None, "probability": None, "top": []}


def test_of_many_classes_a_result_grows_with_their_number_and_not_with_its_square() -> None:
    sizes = []
    for count in (100, 101, 202):
        task = Classify(tuple(map(str, range(count))))
        told = task.breakdown(np.column_stack([np.eye(count), np.arange(count)]))
        assert ("confusion" in told) == (count == 100)
        sizes.append(len(str(told)))
    assert sizes[2] < 2.1 * sizes[1] < 2.1 * sizes[0]


def test_the_most_frequent_confusions_are_the_largest_cells_off_the_diagonal() -> None:
    matrix = np.array([[9, 0, 4], [1, 8, 0], [0, 7, 2]])
    assert confusions(matrix, "abc", 10) == [("c", "b", 7, 9), ("a", "c", 4, 13), ("b", "a", 1, 9)]


def test_a_task_comes_back_from_its_saved_form() -> None:
    task = Classify(CLASSES, label_smoothing=0.1, calibrate=True, temperature=1.7)
    assert registry.from_dict(json.loads(json.dumps(registry.as_dict(task))), "run.json") == task


def test_options_are_read_as_words_and_refused_by_name() -> None:
    made = registry.task_named("classify", CLASSES, {"calibrate": "true"}, {"label_smoothing": 0.2})
    assert made == Classify(CLASSES, label_smoothing=0.2, calibrate=True)
    for options, cause in (({"calibrate": "maybe"}, "not one of true, false"), ({"temperature": 2}, "no such option")):
        with pytest.raises(UsageError, match=cause):
            registry.task_named("classify", CLASSES, options, {})
    with pytest.raises(UsageError, match="classify"):
        registry.found("clasify")
    for values in ({"name": "classify"}, {"name": "gone"}, {"name": "classify", "classes": [], "odd": 1}):
        with pytest.raises(RunError):
            registry.from_dict(values, "run.json")


class Gone:
    """Pictures of which none is there any more."""

    def name(self, place: int) -> str:
        return str(place)

    def picture(self, place: int, side: int) -> Seen:
        return Seen(None, "gone")

    def of(self, place: int) -> dict[str, np.ndarray]:
        return {}


def test_a_page_shows_how_sure_it_was_before_and_after_and_the_errors_as_papers_print_them() -> None:
    task = dataclasses.replace(TASK, temperature=2.0)
    for subset in ("test", "val"):
        told = result(task, ROWS, subset)
        confusion, section, *_ = task.sections(ROWS, told, Gone())
        figure, table = section.blocks
        assert isinstance(figure, Reliability)
        assert isinstance(table, NumberTable)
        assert len(section.why) < 400
        assert ("which flatters" in section.why) == (subset == "val")
        assert [kept["error"]["value"] for _, _, kept in table.rows] == [
            told["calibration"][key]["value"] for key in ("before", "after")
        ]
        for sure, line in zip((PROBABILITIES.max(1), task.calibrated().probabilities(OUTPUTS.numpy()).max(1)),
                              figure.lines.values(), strict=True):  # fmt: skip
            assert sum(n for *_, n in line) == 300
            assert sum(right for _, right, _ in line) == (ANSWERS == TRUTH).sum()
            assert np.mean([mean for mean, *_ in line]) == pytest.approx(sure.mean())
    top1, top5 = told["errors"]
    assert [top1["name"], top5["name"]] == ["top-1 error", "top-5 error"]
    assert top1["value"] == pytest.approx(1 - metrics.accuracy_score(TRUTH, ANSWERS))
    assert top5["value"] == pytest.approx(1 - metrics.top_k_accuracy_score(TRUTH, PROBABILITIES, k=5))
    assert f"top-1 error {100 * top1['value']:.2f} %" in confusion.why
    few = Classify(CLASSES[:3]).breakdown(np.column_stack([np.eye(3), np.arange(3)]))
    assert "errors" not in few


def test_nothing_is_calibrated_before_validation_has_settled_it() -> None:
    with pytest.raises(UsageError, match="settled"):
        TASK.calibrated()
    with pytest.raises(UsageError, match="no probabilities"):
        registry.task_named("denoise", (), {}, {}).calibrated()
