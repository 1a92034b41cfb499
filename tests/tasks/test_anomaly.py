"""Pictures unlike those that were learned: scores, the threshold, and what may be learned."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from small import train, whole
from striate.base.errors import DataError, UsageError
from striate.data.feed import Batch
from striate.data.targets import Labels
from striate.evaluate.result import result
from striate.tasks.anomaly import Anomaly

TASK = Anomaly(classes=("dent", "good", "hole"))


def batch_of(truth, labels):
    return Batch(
        np.arange(len(truth)), truth, {"picture": truth, "label": torch.tensor(labels)}, (whole(8, 8),) * len(truth)
    )


def rows(good, odd):
    """Rows of good pictures with these scores, and of such with a hole."""
    return np.array([[score, 0.0, 1.0] for score in good] + [[score, 1.0, 2.0] for score in odd])


def test_a_row_is_the_mean_squared_error_and_whether_it_is_of_the_good_class():
    truth, answers = torch.rand(3, 3, 8, 9), torch.rand(3, 3, 8, 9)
    kept = TASK.kept(answers, batch_of(truth, [1, 0, 2])).numpy()
    np.testing.assert_allclose(kept[:, 0], (answers - truth).double().square().mean((1, 2, 3)), rtol=1e-6)
    assert kept[:, 1:].tolist() == [[0, 1], [1, 0], [1, 2]]
    assert TASK.fits(kept)
    for change in ([0, -1.0], [1, 0.5], [2, 3.0], [2, 0.0]):
        odd = kept.copy()
        odd[0, change[0]] = change[1]
        assert not TASK.fits(odd)


@pytest.mark.parametrize("window", [1, 3, 8, 20])
def test_the_score_by_window_is_the_largest_mean_of_any_place(window):
    errors = torch.rand(2, 9, 12, dtype=torch.float64)
    down, across = min(window, 9), min(window, 12)
    expected = errors.unfold(1, down, 1).unfold(2, across, 1).mean((3, 4)).flatten(1).amax(1)
    found = Anomaly(classes=("good",), window=window).scores(errors)
    torch.testing.assert_close(found, expected)
    small = torch.zeros(1, 50, 50, dtype=torch.float64)
    small[0, 20, 20] = 1.0
    assert float(Anomaly(classes=("good",), window=window).scores(small)) == pytest.approx(1 / window**2)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.5])
@pytest.mark.parametrize("n", [1, 7, 40])
def test_the_threshold_lets_no_more_good_ones_through_than_was_asked(share, n):
    task = Anomaly(classes=TASK.classes, false_alarms=share)
    kept = rows(np.random.default_rng(n).random(n), [0.001, 0.9])
    settled = task.settled(kept)
    above = (kept[:n, 0] > settled.threshold).sum()
    assert above == int(share * n + 1e-9)
    assert settled.settled(kept) == settled


def test_the_numbers_are_the_area_and_what_the_threshold_makes_of_each_class():
    kept = rows([0.1, 0.2, 0.3], [0.25, 0.5])
    task = Anomaly(classes=TASK.classes, threshold=0.28)
    area, recall, alarms = task.measures(kept)
    assert (recall.right.tolist(), alarms.right.tolist()) == ([False, True], [False, False, True])
    told = result(task, kept, "test")
    assert told["numbers"][0]["value"] == pytest.approx(5 / 6)
    assert [(row["class"], row["support"]) for row in told["classes"]] == [("dent", 0), ("good", 3), ("hole", 2)]
    assert told["classes"][0]["above the threshold"]["value"] is None
    assert area.positive.sum() == 2
    curve = task._curve(kept)
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (1, 1, 0, 0)
    assert np.trapezoid(curve.y[::-1], curve.x[::-1]) == pytest.approx(told["numbers"][0]["value"])


def test_only_the_good_class_may_be_learned_and_one_that_is_not_there_is_named():
    targets = Labels(("dent", "good"), np.array([0, 1, 1, 0]))
    assert TASK.may_learn(targets).tolist() == [False, True, True, False]
    with pytest.raises(UsageError, match=r"task_options\.good: 'god' is no class of these pictures: 'dent', 'good'"):
        Anomaly(classes=("dent", "good"), good="god").may_learn(targets)


def test_an_answer_is_told_from_the_picture_itself():
    picture = np.full((1, 6, 7), 51, np.uint8)
    task = Anomaly(classes=TASK.classes, threshold=0.05)
    told = task.answer(np.full((1, 6, 7), 0.5, np.float32), picture)
    assert told.as_dict() == {"score": pytest.approx(0.09), "anomalous": True}
    assert (told.picture == np.rint(255 * 0.6)).all()
    assert told.picture.shape == (6, 7, 1)
    assert task.nothing().as_dict() == {"score": None, "anomalous": None}


def parts(folder, side=16):
    """Stripes, and in the test some with a bright square: a set as of MVTec."""
    numbers = np.random.default_rng(3)
    for name, count in (("train/good", 24), ("test/good", 8), ("test/square", 8), ("ground_truth/square", 8)):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = 90 + 50 * np.sin(np.arange(side) / 2 + numbers.uniform(0, 6)) + numbers.normal(0, 4, (side, side))
            if "square" in name:
                pixels[4:9, 5:10] = 255
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / name / f"{index:02}.png")
    return folder


@pytest.mark.slow
def test_a_set_with_good_pictures_alone_in_train_is_learned_and_anomalies_are_told(tmp_path, capsys):
    from striate.shell.cli import main

    data = parts(tmp_path / "parts")
    with pytest.raises(DataError, match="--task anomaly, which learns from one class"):
        train(tmp_path / "runs", data=str(data))
    run = train(tmp_path / "runs", data=str(data), task="anomaly", task_options={"window": 5}, batch=9, epochs=12)
    area, recall, alarms = run.result["numbers"]
    assert (area["name"], area["n"], recall["n"], alarms["n"]) == ("AUC", 16, 8, 8)
    assert area["low"] > 0.5
    assert {each["name"] for each in run.result["baselines"]} == {
        "the mean training picture",
        "17 principal components",
    }
    assert (run.task.threshold < 1) == (run.task.good == "good")
    page = striate.write_report(run).read_text()
    assert page.count('title="errors"') == 6 + 6 + 6
    assert "the threshold" in page
    lines = (run.folder / "split.csv").read_text().splitlines()[1:]
    assert not [line for line in lines if "square" in line and not line.endswith(",test")]
    (data / "test" / "square").rename(tmp_path / "dented")
    (tmp_path / "others").mkdir()
    (tmp_path / "dented").rename(tmp_path / "others" / "dented")
    (data / "test" / "good").rename(tmp_path / "others" / "good")
    told = run.evaluate(tmp_path / "others").numbers
    assert told["numbers"][0]["value"] == area["value"]
    assert [(row["class"], row["support"]) for row in told["classes"] if row["support"]] == [("good", 8), ("dented", 8)]
    with pytest.raises(SystemExit):
        main(
            ["predict", str(run.folder), str(tmp_path / "others" / "dented"), "--json", "--out", str(tmp_path / "out")]
        )
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    flagged = sum(row["anomalous"] for row in found["predictions"])
    assert flagged == told["classes"][-1]["above the threshold"]["value"] * 8
    assert len(found["written"]) == 8


@pytest.mark.slow
def test_any_labelled_source_may_have_a_good_class_and_a_set_of_it_alone_is_learned(tmp_path):
    home = tmp_path / "one" / "fine"
    parts(tmp_path / "parts")
    home.parent.mkdir()
    (tmp_path / "parts" / "train" / "good").rename(home)
    recipe = {"task": "anomaly", "task_options": {"good": "fine"}, "batch": 4, "epochs": 1}
    run = train(tmp_path / "runs", data=str(home.parent), **recipe)
    assert [each["value"] for each in run.result["numbers"][:2]] == [None, None]
    assert run.result["numbers"][2]["n"] == run.result["n"] > 0
    assert "undefined" in striate.write_report(run).read_text()
    pictures = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
    held = train(tmp_path / "runs", data=(pictures, [0] * 9 + [1] * 3), **recipe | {"task_options": {"good": 0}})
    assert [line.rsplit(",", 1)[1] for line in (held.folder / "split.csv").read_text().splitlines()[-3:]] == [
        "test"
    ] * 3
