"""All folds of a list together: every picture that is not sealed once, answered by who never learned it."""

import csv
import json
import shutil

import numpy as np
import pytest

import striate
from small import photographs, smaller, train
from striate.base.errors import RunError, UsageError
from striate.evaluate.folds import over_folds
from striate.runs.openings import NAME
from striate.runs.out_of_fold import out_of_fold
from striate.runs.run import open_run
from typed import call

pytestmark = pytest.mark.slow
SMALL = {"model": "lenet5", "batch": 9, "epochs": 1, "task_options": {"calibrate": True}}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def data(home):
    return str(photographs(home / "photos"))


@pytest.fixture(scope="module")
def runs(home, data):
    """Two repeats of three folds."""
    folds = [f"{number}/3{repeat}" for repeat in ("", "/1") for number in (1, 2, 3)]
    return [train(home / "runs", data=data, fold=fold, **SMALL) for fold in folds]


def shares(run):
    """By place in split.csv the probabilities that a run gave what it held out, by its own temperature."""
    kept = run.kept["held"]
    return dict(zip(kept.samples.tolist(), run.task.probabilities(kept.rows[:, :-1]), strict=True))


def test_one_list_has_each_picture_once_as_its_own_fold_answered_it(runs, tmp_path):
    found = out_of_fold([runs[2], runs[0], runs[1]])
    assert len({run.task.temperature for run in runs[:3]}) == 3, "answers in three units come to one"
    lines = runs[0].lines
    assert found.names == tuple(line.name for line in lines if line.subset != "test")
    answered = {place: row for run in runs[:3] for place, row in shares(run).items()}
    np.testing.assert_allclose(found.task.probabilities(found.rows[:, :-1]),
                               [answered[place] for place in found.samples], atol=1e-12)  # fmt: skip
    assert [found.task.classes[int(row[-1])] for row in found.rows] == [lines[place].label for place in found.samples]
    held = {place: str(number) for number, run in enumerate(runs[:3], 1) for place in run.kept["held"].samples.tolist()}
    assert found.folds == tuple(held[place] for place in found.samples.tolist())
    for run in runs[:3]:
        assert [each.as_dict() for each in found.by_run[run.name]] == run.result["numbers"]
    for place, mean in enumerate(found.numbers):
        values = np.array([run.result["numbers"][place]["value"] for run in runs[:3]])
        value, low, high = over_folds(values, 12, 18)
        ends = (low, high) if mean.name == "log loss" else (max(0.0, low), min(1.0, high))
        assert (mean.value, mean.low, mean.high) == pytest.approx((value, *ends))
        assert (mean.n, mean.subset) == (36, "held")
    right = sum(float(run.task.measures(run.kept["held"].rows)[0].right.sum()) for run in runs[:3])
    assert found.task.measures(found.rows)[0].right.sum() == right
    table = tmp_path / "out-of-fold.csv"
    found.write(table)
    found.write(table)  # over its own
    rows = list(csv.DictReader(table.read_text().splitlines()))
    written = {
        row["sample"]: row
        for run in runs[:3]
        for row in csv.DictReader((run.folder / "predictions.csv").read_text().splitlines())
    }
    assert list(rows[0]) == ["sample", "fold", "truth", "answer", "probability", "truth_probability"]
    for row in rows:
        assert (row["truth"], row["answer"]) == tuple(written[row["sample"]][name] for name in ("truth", "answer"))
        assert float(row["probability"]) == pytest.approx(float(written[row["sample"]]["probability"]))
    table.write_text("mine")
    with pytest.raises(UsageError, match="striate did not write it"):
        striate.out_of_fold(*runs[:3], table=table)
    assert table.read_text() == "mine"


def test_repeats_are_averaged_picture_by_picture_and_each_fold_counts_once(runs):
    found = striate.out_of_fold(*runs)
    lists = [{place: row for run in some for place, row in shares(run).items()} for some in (runs[:3], runs[3:])]
    both = [(lists[0][place] + lists[1][place]) / 2 for place in found.samples.tolist()]
    np.testing.assert_allclose(found.task.probabilities(found.rows[:, :-1]), both, atol=1e-12)
    assert all(len(each.split()) == 2 for each in found.folds)
    values = np.array([run.result["numbers"][0]["value"] for run in runs])
    assert found.numbers[0].value == pytest.approx(values.mean())
    assert found.numbers[0].high == pytest.approx(min(1, over_folds(values, 12, 18)[2]))
    assert found.numbers[0].n == 72
    assert "accuracy" in str(found)
    assert "held-out accuracy" in repr(found)


def test_a_list_that_is_none_is_refused_in_a_sentence(runs, home, data, tmp_path):
    def refused(some, cause):
        with pytest.raises(RunError, match=cause):
            out_of_fold(some)

    with pytest.raises(UsageError, match="none are given"):
        out_of_fold([])
    refused(runs[:2], "beside it 3/3 of its list is missing")
    refused(runs[:5], "beside it 3/3/1 of its list is missing")
    refused([*runs[:3], runs[1]], "fold 2 of 3, as photos-lenet5-2 is")
    refused([*runs[:2], train(home / "runs", data=data, keep_sealed=True, **SMALL)], "it holds no fold out")
    refused([*runs[:2], train(home / "runs", data=data, fold="3/3", split_seed=1, **SMALL)], "another test set")
    refused([*runs[:2], train(home / "runs", data=data, fold="3/4", **SMALL)], "fold 3 of 4, and .* is fold 1 of 3")
    shutil.copytree(runs[2].folder, tmp_path / "stopped")
    facts = json.loads((tmp_path / "stopped" / "run.json").read_text())
    (tmp_path / "stopped" / "run.json").write_text(json.dumps(facts | {"status": "stopped"}))
    refused([*runs[:2], open_run(tmp_path / "stopped")], "this training is stopped")
    # of another split of train and validation, but with the test set of the same list
    (tmp_path / "other").mkdir()
    lines = [f"{line.name},{'test' if line.subset == 'test' else 'train' if place % 4 else 'val'}"
             for place, line in enumerate(runs[0].lines)]  # fmt: skip
    (tmp_path / "other" / "split.csv").write_text("\n".join(["path,subset", *lines]))
    other = [train(tmp_path / "runs", data=data, fold=f"{number}/3", split=str(tmp_path / "other" / "split.csv"),
                   split_seed=3, seed=1, **SMALL) for number in (1, 2, 3)]  # fmt: skip
    refused([*runs[:3], *other], "are dealt otherwise than those of")


def test_other_tasks_have_their_rows_as_they_are(home):
    recipe = {"task": "segment", "model": "unet_padded", "epochs": 1, **smaller("segment")}
    runs = [train(home / "cells", data="cells:number=20,size=32", fold=f"{number}/2", **recipe) for number in (1, 2)]
    found = out_of_fold(runs)
    rows = {place: row for run in runs for place, row in
            zip(run.kept["held"].samples.tolist(), run.kept["held"].rows, strict=True)}  # fmt: skip
    np.testing.assert_array_equal(found.rows, [rows[place] for place in found.samples.tolist()])
    assert found.suspects is None
    assert found.table.head[:3] == ("sample", "fold", "iou")
    assert found.numbers[0].n == len(found.rows)


def test_labels_are_doubted_by_those_who_never_learned_them_and_no_test_picture_is(runs, home, capsys, tmp_path):
    folder = tmp_path / "list"
    for run in runs[:3]:
        shutil.copytree(run.folder, folder / run.name)
    (folder / "digits-study-1").mkdir()
    (folder / "digits-study-1" / "study.json").write_text("{}")  # beside them, and none of them
    found = striate.audit(folder, page=tmp_path / "audit.html", quiet=True)
    pooled = out_of_fold(runs[:3])
    sealed = {place for place, line in enumerate(runs[0].lines) if line.subset == "test"}
    assert found.suspects == pooled.suspects
    assert found.suspects, "one epoch of nine pictures a step is not enough to agree with every label"
    assert not sealed & {each.place for each in found.suspects}
    assert found.sealed == sealed
    first = found.suspects[0]
    assert first.given == runs[0].lines[first.place].label
    page = (tmp_path / "audit.html").read_text()
    assert "Label suspects" in page
    assert found.names[first.place] in page
    code, out, err = call(capsys, "audit", folder, "--json")
    assert (code, len(json.loads(out.splitlines()[-1])["suspects"])) == (0, len(found.suspects)), err
    code, out, err = call(capsys, "audit", folder)
    assert (code, "label suspects" in out) == (0, True), err
    assert "label suspects" not in call(capsys, "audit", runs[0].folder)[1], "one fold alone has not answered them all"
    assert "label suspects" not in call(capsys, "audit", home / "photos")[1]
    shutil.rmtree(folder / runs[2].name)
    code, _, err = call(capsys, "audit", folder)
    assert (code, "3/3 of its list is missing" in err) == (4, True), err
    assert not list(home.rglob(NAME))
