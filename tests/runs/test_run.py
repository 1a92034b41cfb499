"""The run folder as everything after a training finds it: pages, rows, splits, and folders of older versions."""

import itertools
import json
import shutil

import numpy as np
import pytest

import striate
from pictures import fill
from small import Notes, digest, photographs, train
from striate.base.errors import DataError, RunError, StriateError
from striate.data.preprocess import TWO_PASSES
from striate.evaluate.result import result
from striate.runs import subsets
from striate.runs.kept import read_kept
from striate.runs.run import open_run
from striate.training import plan as planning
from striate.training.plan import Execution
from striate.training.train import resume_run
from typed import call

pytestmark = pytest.mark.slow


def facts_of(run, **changes):
    """run.json with changes; None takes a key out."""
    path = run / "run.json"
    facts = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in facts.items() if value is not None}))


def openings(run):
    return (run.parent / "test-openings.jsonl").read_text().count("\n")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    data = photographs(home / "photos")
    run = striate.train(data, model="resnet20", size=32, batch=9, epochs=2, runs=home / "runs")
    return run.folder, data


@pytest.fixture
def run(original, tmp_path):
    """A copy of the runs and the pictures, to be harmed."""
    folder, data = original
    shutil.copytree(folder.parent, tmp_path / "runs")
    shutil.copytree(data, tmp_path / "photos")
    copy = tmp_path / "runs" / folder.name
    moved = json.loads((copy / "run.json").read_text())["data"] | {
        "path": str(tmp_path / "photos"), "root": str(tmp_path / "photos"),
    }  # fmt: skip
    facts_of(copy, data=moved)
    return copy


def test_a_run_keeps_the_call_that_it_came_of(original):
    folder, data = original
    call = f"striate.train({str(data)!r}, model='resnet20', size=32, batch=9, epochs=2)"
    assert open_run(folder).facts["command"] == call


def test_rows_of_validation_and_test_are_all_that_the_numbers_need(run):
    opened = open_run(run)
    found, lines = opened.kept, opened.lines
    for subset in ("val", "test"):
        assert found[subset].samples.tolist() == subsets.places(lines, subset).tolist()
        assert found[subset].rows.dtype == np.float64
    told = result(opened.task, found["test"].rows, "test")
    assert {key: opened.result[key] for key in told} == told


def test_a_page_is_written_again_byte_for_byte_and_opens_no_test_set(run, capsys):
    page = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    code, out, err = call(capsys, "report", run)
    assert (code, out, err) == (0, f"report  {run / 'report.html'}\n", "")
    assert (run / "report.html").read_bytes() == page
    assert openings(run) == 1
    assert json.loads(call(capsys, "report", run, "--json")[1]) == {
        "run": str(run), "report": str(run / "report.html"),
    }  # fmt: skip


def test_a_training_that_died_before_its_page_is_given_one(run, capsys):
    page = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    (run / f".striate-{'0' * 16}.partial").write_text("half a page")
    code, out, _ = call(capsys, "train", "--resume", run)
    assert (code, "accuracy" in out) == (0, True)
    assert [path.name for path in run.glob(".*")] == [".lock"]
    assert (run / "report.html").read_bytes() == page
    assert openings(run) == 1
    code, _, err = call(capsys, "train", "--resume", run)
    assert (code, "this training is finished" in err) == (4, True)


def test_a_picture_that_has_gone_or_changed_is_a_sentence_in_the_page(run, tmp_path):
    page = (run / "report.html").read_text()
    assert "cannot be shown" not in page
    mistakes = page.count('<figure><img src="data:image/png')
    assert mistakes
    for path in (tmp_path / "photos").rglob("*.png"):
        path.write_bytes(b"something else")
    for path in (tmp_path / "photos").rglob("*.jpg"):
        path.unlink()
    striate.write_report(run)
    after = (run / "report.html").read_text()
    assert after.count("this picture cannot be shown: ") == mistakes
    assert "changed since the data were scanned" in after
    shutil.rmtree(tmp_path / "photos")
    striate.write_report(run)
    assert (run / "report.html").read_text().count("no such file") == mistakes


@pytest.mark.parametrize("harm", ["cut", "gone", "flipped"])
def test_damaged_rows_are_a_sentence_in_the_page_and_stop_nothing(run, harm):
    path = run / "kept" / "test.safetensors"
    data = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data[:-9] if harm == "cut" else data)
    striate.write_report(run)
    page = (run / "report.html").read_text()
    assert "What was kept of each picture is damaged" in page
    assert "Confusion" not in page


@pytest.mark.parametrize("answered", [True, False])
def test_a_kill_between_the_opening_and_the_result_opens_no_test_set_again(run, answered):
    whole = open_run(run).result
    rows = (run / "kept" / "test.safetensors").read_bytes()
    for name in ("result.json", "predictions.csv", "report.html"):
        (run / name).unlink()
    for debris in (".kept.old", f".striate-{'0' * 16}.partial", "checkpoints/.best.partial"):
        (run / debris).mkdir()
    (run / ".mine.partial").mkdir()
    if not answered:
        shutil.rmtree(run / "kept")
    facts_of(run, status="running")
    resumed = resume_run(run, Execution(), Notes())
    assert resumed.result == whole
    assert (run / "kept" / "test.safetensors").read_bytes() == rows
    assert openings(run) == 1
    assert [path.name for path in run.rglob(".*") if path.name != ".lock"] == [".mine.partial"]


def test_a_kill_in_the_middle_of_an_evaluation_leaves_one_opening_for_it_and_its_repetition(run):
    opened = open_run(run)
    tried = itertools.count()

    def stop(*_):
        if next(tried) % 2:  # the first is of nothing, to see whether it fits
            raise KeyboardInterrupt

    hook = opened.network.register_forward_hook(stop)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            opened.evaluate(open_test=True)
        assert openings(run) == 2
    hook.remove()
    assert [opened.evaluate(open_test=True).numbers["openings"] for _ in range(2)] == [2, 3]
    assert [opened.evaluate(open_test=True, views="ten").numbers["openings"] for _ in range(2)] == [4, 5]


def test_a_run_that_was_copied_to_another_place_knows_how_often_its_test_set_was_opened(run, tmp_path):
    open_run(run).evaluate(open_test=True)
    shutil.copytree(run, tmp_path / "elsewhere" / "renamed")
    copy = open_run(tmp_path / "elsewhere" / "renamed")
    assert copy.evaluate(open_test=True).numbers["openings"] == 3
    assert openings(copy.folder) == 3
    assert openings(run) == 2


def test_rows_of_other_weights_are_not_taken_for_these(run):
    of = json.loads((run / "kept" / "of.json").read_text())["weights"]
    opened = open_run(run)
    assert set(read_kept(run, opened.facts, opened.lines, of)) == {"val", "test"}
    assert read_kept(run, opened.facts, opened.lines, "0" * 64) == {}


def test_a_run_that_goes_on_reads_its_split_and_cuts_none(run, monkeypatch):
    facts_of(run, status="running")
    (run / "result.json").unlink()
    before = open_run(run).lines
    monkeypatch.setattr(planning.splits, "cut", lambda *_: pytest.fail("the split was cut again"))
    assert resume_run(run, Execution(), Notes()).status == "done"
    assert open_run(run).lines == before
    assert open_run(run).evaluate(open_test=True).numbers["n"] == 9


def test_a_run_that_goes_on_from_another_folder_still_knows_its_data(tmp_path, monkeypatch):
    """The recipe keeps the words that were typed; run.json keeps where they led to."""
    data = photographs(tmp_path / "photos")
    lines = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted(data.rglob("*.*"))]
    (tmp_path / "photos.csv").write_text("\n".join(["path,label", *lines]))
    (tmp_path / "elsewhere").mkdir()
    for named in ("photos", "photos.csv"):
        monkeypatch.chdir(tmp_path)
        folder = train(tmp_path / "runs", data=named, model="lenet5", batch=9, epochs=1).folder
        facts_of(folder, status="running")
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert resume_run(folder, Execution(), Notes()).facts["data"]["path"] == str(tmp_path / named)
        assert open_run(folder).evaluate(open_test=True).numbers["n"] == 9


def unfinished(run):
    facts_of(run, status="running")
    for name in ("result.json", "report.html"):
        (run / name).unlink()


def test_data_that_have_moved_are_named_and_go_on_to_the_same_bits(run, tmp_path, capsys):
    bits, whole = digest(open_run(run)), open_run(run).result
    unfinished(run)
    (tmp_path / "photos").rename(tmp_path / "moved")
    code, _, err = call(capsys, "train", "--resume", run)
    assert (code, err.count("\n"), "where they have moved, --data PATH" in err) == (3, 1, True), err
    code, _, err = call(capsys, "train", "--resume", run, "--data", tmp_path / "moved")
    assert code == 0, err
    finished = open_run(run)
    assert (finished.result, digest(finished)) == (whole, bits)
    for key in ("path", "root"):
        assert finished.facts["data"][key] == str(tmp_path / "moved")
    assert "cannot be shown" not in (run / "report.html").read_text()
    (tmp_path / "moved").rename(tmp_path / "again")
    with pytest.raises(DataError, match="data='PATH'"):
        finished.evaluate(open_test=True)
    assert finished.evaluate(open_test=True, moved=tmp_path / "again").numbers["numbers"] == whole["numbers"]
    code, out, err = call(capsys, "evaluate", run, "--open-test")
    assert (code, "n = 9, test" in out) == (0, True), err


@pytest.mark.parametrize("harm", ["changed", "sealed", "gone", "all gone", "damaged", "added", "renamed"])
def test_data_that_are_not_the_same_are_refused_by_name_and_the_run_stays_as_it_is(run, tmp_path, capsys, harm):
    photos, lines = tmp_path / "photos", subsets.lines(run, open_run(run).facts)
    sealed = [photos / line.name for line in lines if line.subset == "test"]
    others = [photos / line.name for line in lines if line.subset == "train" and line.name.startswith("class 0")]
    whole = "the 9 sealed pictures are whole"
    if harm in ("changed", "sealed"):
        victims = sealed[:2] if harm == "sealed" else others[:1]
        for victim in victims:
            victim.write_bytes(others[-1].read_bytes())
        named = f"changed {victims[0].parent.name}/{victims[0].name}"
        told = (
            "2 changed; 2 of 9 sealed pictures are not as they were; " if harm == "sealed" else f"1 changed; {whole}; "
        )
    elif harm == "damaged":
        for victim in others[:4]:
            victim.write_bytes(b"nothing")
        told, named = f"4 gone; {whole}; gone class 0/", " and 1 more"
    elif harm == "gone":
        others[0].unlink()
        told, named = f"1 gone; {whole}; ", f"gone class 0/{others[0].name}"
    elif harm == "all gone":
        shutil.rmtree(photos)
        photos.mkdir()
        told, named = "", "--data PATH"
    elif harm == "added":
        shutil.copy(others[0], photos / "class 1" / "new.jpg")
        told, named = f"1 added; {whole}; ", "added class 1/new.jpg"
    else:
        others[0].rename(others[0].with_name("other.png"))
        told, named = f"1 moved or renamed; {whole}; ", f"moved or renamed class 0/{others[0].name}"
    photos.rename(tmp_path / "moved")
    before = (run / "run.json").read_bytes()
    code, _, err = call(capsys, "evaluate", run, "--data", tmp_path / "moved")
    assert (code, err.count("\n"), told in err, named in err) == (3, 1, True, True), err
    assert (openings(run), (run / "run.json").read_bytes()) == (1, before)
    unfinished(run)
    before = (run / "run.json").read_bytes()
    (tmp_path / "moved").rename(photos)
    code, _, err = call(capsys, "train", "--resume", run)
    assert (code, err.count("\n"), told in err, named in err) == (3, 1, True, True), err
    assert (openings(run), (run / "run.json").read_bytes()) == (1, before)


def test_where_data_lie_is_asked_for_a_run_that_has_some(run, tmp_path, capsys):
    for words in (
        ("train", "--data", tmp_path / "photos"),
        ("train", tmp_path / "photos", "--resume", run),
        ("evaluate", run, tmp_path / "photos", "--data", tmp_path / "photos"),
    ):
        code, _, err = call(capsys, *words)
        assert (code, "data" in err) == (2, True), err


@pytest.mark.parametrize("harm", ["swapped", "gone", "no table"])
def test_a_split_that_is_not_that_of_the_data_is_refused(run, harm):
    facts_of(run, status="running")
    path = run / "split.csv"
    lines = path.read_text().splitlines()
    if harm == "gone":
        path.unlink()
    else:
        lines[1], lines[2] = lines[2], lines[1]
        path.write_text("\n".join(lines) if harm == "swapped" else "nothing of this kind")
    with pytest.raises(RunError, match=r"split\.csv"):
        resume_run(run, Execution(), Notes())


def older(run, decoder):
    """The folder as format 1 had it: no task, no rows, no measured colours, pictures resized in one call."""
    facts = json.loads((run / "run.json").read_text())
    preprocess = {key: value for key, value in facts["preprocess"].items() if key not in ("views", "version")}
    data = {key: value for key, value in facts["data"].items() if key not in ("source", "root")}
    versions = facts["versions"] | {"decoder": decoder}
    recipe = {key: value for key, value in facts["recipe"].items() if key not in ("task", "task_options")}
    facts_of(
        run, format=1, task=None, timings=None, measured=None, preprocess=preprocess, data=data, versions=versions,
        recipe=recipe,
    )  # fmt: skip
    shutil.rmtree(run / "kept")


def test_a_run_of_format_1_opens_answers_and_says_how_it_differs(run, tmp_path, capsys):
    resized = json.loads((run / "run.json").read_text())["preprocess"] | {"version": TWO_PASSES}
    facts_of(run, preprocess=resized)  # as it was before whole numbers
    new, pictures = open_run(run), sorted((tmp_path / "photos" / "class 2").iterdir())
    expected = [each.as_dict() for each in new.predict(pictures)]
    numbers = new.evaluate(open_test=True).numbers["numbers"]
    older(run, "pillow 13.0.0, libjpeg-turbo 3.1")
    old = open_run(run)
    assert [each.as_dict() for each in old.predict(pictures)] == expected
    assert old.task.classes == new.classes
    assert any("may differ by one level" in note for note in old.warnings)
    assert old.evaluate(open_test=True).numbers["numbers"] == numbers
    code, _, err = call(capsys, "report", run)
    assert code == 0, err
    page = (run / "report.html").read_text()
    assert "before rows were kept of each picture" in page
    assert f"{100 * new.result['numbers'][0]['value']:.1f} %" in page
    older_decoder = json.loads((run / "run.json").read_text())["versions"] | {"decoder": "pillow 12.3.0, x"}
    facts_of(run, versions=older_decoder)
    assert not any("may differ by one level" in note for note in open_run(run).warnings), (
        "12.3 resized as it is done now"
    )


@pytest.mark.parametrize("name", ["planted:net", "planted.py:net", "{folder}/planted.py:net"])
def test_a_run_that_names_code_is_refused_and_nothing_is_run(run, tmp_path, capsys, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "planted.py").write_text("from pathlib import Path\nPath('run').touch()\n")
    network = json.loads((run / "run.json").read_text())["network"]
    facts_of(run, network=network | {"name": name.format(folder=tmp_path)})
    code, _, err = call(capsys, "predict", run, next((tmp_path / "photos").rglob("*.png")))
    assert (code, err.count("\n")) != (0, 0)
    assert "Traceback" not in err
    with pytest.raises(StriateError):
        open_run(run).predictor  # noqa: B018  (it is read)
    assert not (tmp_path / "run").exists()


def test_a_run_of_format_1_goes_on(run):
    older(run, "pillow 13.0.0, libjpeg-turbo 3.1")
    facts_of(run, status="running")
    for name in ("result.json", "report.html"):
        (run / name).unlink()
    notes = Notes()
    finished = resume_run(run, Execution(), notes)
    assert finished.status == "done"
    assert any("not bit-exact" in said and "resizing was 1, is 2" in said for said in notes.said)
    assert set(open_run(run).kept) == {"val", "test"}
    assert any("resizing was 1, is 2" in note for note in open_run(run).warnings), "also after it went on"
    assert "resizing was 1, is 2" in striate.write_report(run).read_text()


def test_data_that_are_called_val_are_not_taken_for_validation(run, tmp_path, capsys):
    (tmp_path / "photos").rename(tmp_path / "val")
    code, out, _ = call(capsys, "evaluate", run, tmp_path / "val")
    assert (code, "n = 45, val/" in out, "chose the epoch" in out) == (0, True, False)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("epochs.csv", ""),
        ("epochs.csv", "epoch\nx\n"),
        ("epochs.csv", None),
        ("result.json", "{}"),
        ("result.json", None),
    ],
)
def test_a_damaged_file_of_a_run_is_one_sentence_when_its_page_is_asked_for(run, capsys, name, text):
    (run / name).unlink() if text is None else (run / name).write_text(text)
    code, _, err = call(capsys, "report", run)
    assert (code, err.count("\n"), name in err) == (4, 1, True), err


def test_a_damaged_result_hides_no_other_run(run, capsys):
    shutil.copytree(run, run.parent / "sound-1")
    (run / "result.json").write_text('{"numbers": [')
    code, out, _ = call(capsys, "runs", run.parent)
    assert (code, "damaged" in out, "done\ttest accuracy" in out) == (0, True, True)


def test_names_that_a_spreadsheet_would_run_are_shown_as_they_are(tmp_path):
    data = photographs(tmp_path / "photos")
    (data / "class 0").rename(data / "=one")
    run = train(tmp_path / "runs", data=str(data), model="lenet5", batch=9, epochs=1)
    page = striate.write_report(run).read_text()
    assert "<span>=one</span>" in page
    assert "&#39;=one" not in page.replace("&#39;=one&#39;", "")  # in quotes it is one of many names
    assert "cannot be shown" not in page


def test_an_unfinished_run_has_no_page_and_a_newer_format_is_refused(run, capsys):
    facts_of(run, status="stopped")
    (run / "result.json").unlink()
    code, _, err = call(capsys, "report", run)
    assert (code, "has no result" in err) == (4, True)
    facts_of(run, format=3)
    with pytest.raises(RunError, match="reads up to 2"):
        open_run(run)


def test_arrays_are_trained_on_resumed_evaluated_and_shown_from_python(tmp_path):
    draws = np.random.default_rng(0)
    labels = np.array(["dark", "light"] * 20)
    pictures = draws.integers(0, 60, (40, 12, 12), dtype=np.uint8) + np.where(labels == "light", 150, 0)[
        :, None, None
    ].astype(np.uint8)
    run = striate.train((pictures, labels), model="lenet5", epochs=3, batch=9, runs=tmp_path / "runs")
    assert run.classes == ("dark", "light")
    assert run.result["numbers"][0]["value"] == 1.0
    assert "cannot be shown" not in (run.folder / "report.html").read_text()
    assert run.evaluate((pictures, labels)).numbers["n"] == 40
    with pytest.raises(DataError, match="nowhere on disk"):
        run.evaluate(open_test=True)
    again = run.evaluate(open_test=True, moved=(pictures, labels)).numbers
    assert (again["numbers"], again["openings"]) == (run.result["numbers"], 3)
    with pytest.raises(RunError, match="not the pictures"):
        striate.write_report(run, (pictures[:-1], labels[:-1]))
    page = (run.folder / "report.html").read_text()
    striate.write_report(run, (pictures, labels))
    assert (run.folder / "report.html").read_text() == page
    (run.folder / "report.html").unlink()
    for others in ((255 - pictures, labels), (pictures[:3], labels[:3])):
        with pytest.raises(StriateError, match="not the pictures"):
            striate.train(others, resume=run.folder)
        assert not (run.folder / "report.html").exists()
    facts_of(run.folder, status="running")
    with pytest.raises(RunError, match="were in memory"):
        striate.train(resume=run.folder)
    assert striate.train((pictures, labels), resume=run.folder).status == "done"


def test_a_temperature_is_settled_and_kept_and_used_where_it_was_asked_for(tmp_path):
    plain, settled = (
        striate.train("digits", epochs=2, runs=tmp_path, task_options=options) for options in ({}, {"calibrate": True})
    )
    temperature = settled.result["calibration"]["temperature"]
    assert plain.result["calibration"]["temperature"] == plain.task.temperature == settled.task.temperature
    assert settled.task.temperature == temperature != 1.0
    assert settled.task.settled(settled.kept["val"].rows).temperature == temperature
    before, after = (run.result["numbers"] for run in (plain, settled))
    assert before[0] == after[0], "no answer changes"
    assert before[-1]["value"] != after[-1]["value"]
    rows = [(run.folder / "kept" / "test.safetensors").read_bytes() for run in (plain, settled)]
    assert rows[0] == rows[1], "logits are kept as they are"
    assert settled.evaluate(open_test=True).numbers["numbers"] == after


def test_without_a_test_set_validation_says_so_and_other_pictures_give_the_number(tmp_path, capsys):
    fill(tmp_path / "data", "train car bus", 5)
    recipe = {"model": "lenet5", "epochs": 1, "batch": 9, "layout": "classes", "runs": tmp_path}
    run = striate.train(str(tmp_path / "data"), split="80/20/0", **recipe)
    assert {name: run.facts["split"][name]["n"] for name in ("train", "val", "test")} == {
        "train": 12,
        "val": 3,
        "test": 0,
    }
    assert (run.result["subset"], run.result["n"], "openings" in run.result) == ("val", 3, False)
    assert "There is no test set" in (run.folder / "report.html").read_text()
    assert call(capsys, "evaluate", run.folder)[1].splitlines()[-1].startswith("there is no test set")
    other = run.evaluate(str(fill(tmp_path / "other", "train car bus", 2, first=90)))
    assert (other.numbers["n"], other.numbers["subset"], other.notes) == (6, "other", ())
    with pytest.raises(StriateError, match="split: 70/20/10 changes nothing: the data have test, train, val"):
        striate.train("cells", split="70/20/10", runs=tmp_path)
    with pytest.raises(StriateError, match="layout: classes changes nothing: digits is no folder"):
        striate.train("digits", layout="classes", runs=tmp_path)
