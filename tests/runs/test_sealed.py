"""A test set that a training leaves sealed: settings are compared on validation, and it is opened once, counted."""

import json
import shutil

import pytest

import striate
from small import Notes, photographs, train
from striate.base.errors import UsageError
from striate.runs.openings import NAME
from striate.runs.run import open_run
from striate.training.plan import Execution
from striate.training.train import resume_run
from typed import call

pytestmark = pytest.mark.slow
WRITTEN = ("result.json", "predictions.csv", "report.html")


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """The same training twice: with its test set left sealed, and opened at its end."""
    home = tmp_path_factory.mktemp("home")
    kept = [striate.train("digits", epochs=1, runs=home / name, keep_sealed=name == "sealed")
            for name in ("sealed", "opened")]  # fmt: skip
    assert not list(home.glob(f"sealed/**/{NAME}"))
    return kept


@pytest.fixture
def run(originals, tmp_path):
    shutil.copytree(originals[0].folder.parent, tmp_path / "runs")
    return open_run(tmp_path / "runs" / originals[0].name)


def openings(run):
    path = run.folder.parent / NAME
    return sum("test_set" in line for line in path.read_text().splitlines()) if path.exists() else 0


def test_a_sealed_run_answers_on_validation_and_its_page_says_how_to_open_the_test_set(originals, run, capsys):
    result, opened = run.result, originals[1]
    assert (result["subset"], result["sealed"], set(run.kept), "openings" in result) == ("val", 359, {"val"}, False)
    assert {each["subset"] for each in (*result["numbers"], *result["baselines"])} == {"val"}
    assert opened.evaluate().numbers["numbers"] == result["numbers"], "the same bits were trained"
    page = (run.folder / "report.html").read_text()
    assert "The test set is sealed." in page
    assert "striate evaluate RUN --open-test" in page
    assert "There is no test set" not in page
    code, out, err = call(capsys, "evaluate", run.folder)
    assert (code, f"striate evaluate {run.folder} --open-test" in out, "n = 359, val" in out) == (0, True, True), err
    assert "validation accuracy" in call(capsys, "runs", run.folder.parent)[1]
    assert openings(run) == 0


def test_an_opened_run_is_as_one_whose_training_opened_it_and_keeps_its_validation(originals, run, capsys):
    validation = run.result["numbers"]
    code, out, err = call(capsys, "evaluate", run.folder, "--open-test")
    assert (code, "n = 359, test" in out, "opened once" in out) == (0, True, True), err
    assert open_run(run.folder).result == {**originals[1].result, "validation": validation}
    for path in ("kept/test.safetensors", "kept/val.safetensors", "predictions.csv"):
        assert (run.folder / path).read_bytes() == (originals[1].folder / path).read_bytes()
    page = (run.folder / "report.html").read_text()
    assert "opened once: for this result" in page
    assert "It was left sealed until then." in page
    assert openings(run) == 1
    assert run.evaluate(open_test=True).numbers["openings"] == 2


@pytest.mark.parametrize("harm", ["none", "cut", "gone"])
def test_validation_is_answered_from_kept_rows_or_anew_with_equal_numbers(run, harm, monkeypatch):
    path = run.folder / "kept" / "val.safetensors"
    if harm == "gone":
        shutil.rmtree(path.parent)
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        monkeypatch.setitem(run.facts["data"], "path", "/none")  # nothing is read
    found = run.evaluate()
    assert found.numbers["numbers"] == run.result["numbers"]
    assert ["damaged" in note for note in found.notes] == ([True] if harm == "cut" else [])
    if harm == "gone":
        return
    monkeypatch.undo()
    for more in ({"device": "cpu"}, {"moved": "digits"}):
        assert run.evaluate(**more).numbers["numbers"] == run.result["numbers"]
    assert openings(run) == 0


def test_twelve_settings_and_one_look_are_one_opening(tmp_path):
    data = str(photographs(tmp_path / "photos"))
    for seed in range(12):
        run = train(tmp_path / "runs", data=data, model="lenet5", batch=9, epochs=1, keep_sealed=True, seed=seed)
    assert openings(run) == 0
    assert run.evaluate(open_test=True).numbers["openings"] == openings(run) == 1


def test_a_kill_at_the_end_of_a_sealed_training_or_between_opening_and_result_changes_nothing(run, monkeypatch):
    whole = run.result
    for name in WRITTEN:
        (run.folder / name).unlink()
    facts = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps(facts | {"status": "running"}))
    assert resume_run(run.folder, Execution(), Notes()).result == whole
    assert openings(run) == 0
    from striate.runs import evaluation

    def kill(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation.durable, "write_json", kill)
    with pytest.raises(KeyboardInterrupt):
        open_run(run.folder).evaluate(open_test=True)
    monkeypatch.undo()
    assert (open_run(run.folder).result, openings(run)) == (whole, 1)
    assert open_run(run.folder).evaluate(open_test=True).numbers["openings"] == 1
    assert open_run(run.folder).result["subset"] == "test"


def test_what_cannot_be_opened_or_left_closed_is_refused(run, tmp_path, capsys):
    code, _, err = call(capsys, "evaluate", run.folder, "digits", "--open-test")
    assert (code, "other pictures, and this run's own test set at once" in err) == (2, True)
    assert openings(run) == 0
    for subset in ("train", "val"):
        photographs(tmp_path / "set" / subset)
    plain = {"data": str(tmp_path / "set"), "model": "lenet5", "batch": 9, "epochs": 1, "allow_leak": True}
    with pytest.raises(UsageError, match="no test set to leave closed"):
        train(tmp_path / "none", **plain, keep_sealed=True)
    assert not list((tmp_path / "none").glob("*"))
    without = train(tmp_path / "none", **plain)
    code, _, err = call(capsys, "evaluate", without.folder, "--open-test")
    assert (code, "has no test set. Try: leaving out --open-test" in err) == (2, True), err
    code, out, _ = call(capsys, "evaluate", without.folder)
    assert (code, "there is no test set" in out) == (0, True)
