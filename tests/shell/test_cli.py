"""What a person meets at the shell: help, answers, and one sentence for every bad argument.

Rows C1-C13 of the table of bad configurations and arguments. Not here: C4 (no YAML is read; duplicate keys and the
1 MB cap are in test_recipe.py), C7 (test_a_full_disk..., in test_room.py), C9 (a single last picture, test_loop.py),
C13 (durations come from a monotonic clock and generations are ordered by step; there is no time to be wrong about).
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import datetime

import pytest
from PIL import Image

from small import photographs
from striate.base.words import duration
from striate.evaluate import paired
from striate.runs.openings import times_opened
from striate.runs.run import list_runs, open_run
from striate.shell.cli import main
from striate.shell.output import print_result
from typed import call
from typed import rows as table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on three classes of small photographs, and the folder they lie in."""
    home = tmp_path_factory.mktemp("home")
    data = photographs(home / "photos")
    (data / "class 0" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    with pytest.raises(SystemExit) as left:
        main(["train", str(data), "--model", "resnet20", "--epochs", "2", "--batch", "16", "--size", "32",
              "--max-bad", "0.1", "--runs", str(home / "runs")])  # fmt: skip
    assert left.value.code == 0
    return home / "runs" / "photos-resnet20-1", data


def test_help_imports_nothing_heavy_and_every_verb_shows_an_example():
    code = "import sys\nfrom striate.shell.cli import main\ntry: main(['train', '--help'])\nexcept SystemExit: pass\n"
    code += "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    third_party = set(done.stderr.split()) - set(sys.stdlib_module_names)
    allowed = {"striate", "cyclopts", "rich", "rich_rst", "docstring_parser", "attr", "attrs", "pygments", "docutils"}
    allowed |= {
        "markdown_it",
        "mdurl",
        "typing_extensions",
        "__editable___striate",
        "_virtualenv",
        "distutils-precedence",
    }
    assert {name for name in third_party if not name.startswith("_")} <= allowed
    assert "--label-smoothing" in done.stdout


@pytest.mark.parametrize(
    "verb",
    [
        "train",
        "evaluate",
        "predict",
        "embed",
        "between",
        "gallery",
        "sheet",
        "blocks",
        "gates",
        "claims",
        "report",
        "models",
        "compare",
        "runs",
    ],
)
def test_help_shows_an_example(capsys, verb):
    code, out, _ = call(capsys, verb, "--help")
    assert code == 0
    assert f"Example: striate {verb}" in out


def test_training_leaves_a_whole_run_folder_and_names_the_bad_file(trained):
    run, _ = trained
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "run.json",
        "split.csv",
        "epochs.csv",
        "checkpoints",
        "result.json",
        "predictions.csv",
        "report.html",
    }
    facts = json.loads((run / "run.json").read_text())
    assert [name for name, _ in facts["data"]["skipped"]] == ["class 0/broken.jpg"]
    result = json.loads((run / "result.json").read_text())
    assert {number["name"] for number in result["numbers"]} == {"accuracy", "balanced accuracy", "log loss"}
    assert all(number["low"] <= number["value"] <= number["high"] for number in result["numbers"])
    assert [number["name"] for number in result["baselines"]] == ["majority class", "RBF support vector machine"]
    for each in result["baselines"]:
        both = each["paired"]
        assert both["better"] - both["worse"] == round(result["n"] * (result["numbers"][0]["value"] - each["value"]))


def test_training_ends_with_a_sentence_on_the_strongest_baseline(trained, capsys):
    result = json.loads((trained[0] / "result.json").read_text())
    print_result(result, trained[0])
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("It ")]
    assert said == [paired.told(result["numbers"][0], max(result["baselines"], key=lambda each: each["value"]))]


def test_a_page_is_made_again_of_a_run_that_kept_less(capsys, trained, tmp_path):
    """As runs were written before when, by which command and how baselines did on each picture was kept."""
    run = tmp_path / "old"
    shutil.copytree(trained[0], run)
    kept = (run / "report.html").read_text()
    facts, result = (json.loads((run / name).read_text()) for name in ("run.json", "result.json"))
    for name in ("began", "command", "seconds"):
        del facts[name]
    for each in result["baselines"]:
        del each["paired"]
    (run / "run.json").write_text(json.dumps(facts))
    (run / "result.json").write_text(json.dumps(result))
    assert call(capsys, "report", run)[0] == 0
    page = (run / "report.html").read_text()
    beside = "told apart from the RBF"
    assert beside in kept
    assert "began 20" in kept
    assert "<code>striate train …/photos --model resnet20" in kept
    assert beside not in page
    assert "began" not in page
    assert "<code>" not in page
    assert 'id="origin">resnet20, ' in page


def test_predict_gives_every_picture_a_row_and_a_bad_one_its_cause(capsys, trained, tmp_path):
    run, data = trained
    good = sorted((data / "class 1").iterdir())[:3]
    bad = data / "class 0" / "broken.jpg"
    code, out, _ = call(capsys, "predict", run, *good, bad, tmp_path / "missing.png", "--json")
    rows = json.loads(out.splitlines()[-1])["predictions"]
    assert code == 0
    assert [row["file"] for row in rows] == [str(path) for path in [*good, bad, tmp_path / "missing.png"]]
    assert [row["status"] == "ok" for row in rows] == [True, True, True, False, False]
    assert all(sum(each["probability"] for each in row["top"]) == pytest.approx(1) for row in rows[:3])
    code, out, _ = call(capsys, "predict", run, data / "class 1", "--csv", tmp_path / "answers.csv", "--top", "2")
    lines = (tmp_path / "answers.csv").read_text().splitlines()
    assert lines[0] == "file,status,label,probability,label_2,probability_2"
    assert len(lines) == 16


def test_predict_and_training_see_the_same_pixels(capsys, trained):
    """predictions.csv was written by training; predict must say the same of the same files."""
    run, data = trained
    rows = [line.split(",") for line in (run / "predictions.csv").read_text().splitlines()[1:]]
    code, out, _ = call(capsys, "predict", run, *(data / row[0] for row in rows), "--json")
    said = json.loads(out.splitlines()[-1])["predictions"]
    assert code == 0
    assert [each["label"] for each in said] == [row[2] for row in rows]
    assert [each["probability"] for each in said] == pytest.approx([float(row[3]) for row in rows], abs=1e-5)


def test_ten_crops_and_several_scales_are_asked_for_at_the_shell(capsys, trained, tmp_path):
    original, data = trained
    run = shutil.copytree(original, tmp_path / "runs" / original.name)  # with openings of its own
    pictures = sorted((data / "class 1").iterdir())[:3]
    told = {}
    for name, words in {"alone": [], "scales": ["--scales", 24, 32], "ten": ["--looks", "ten"]}.items():
        code, out, err = call(capsys, "predict", run, *pictures, *words, "--json")
        assert code == 0, err
        told[name] = [row["probability"] for row in json.loads(out.splitlines()[-1])["predictions"]]
    assert told["alone"] != told["scales"] != told["ten"] != told["alone"]
    code, out, err = call(capsys, "evaluate", run, "--open-test", "--scales", 24, 32, "--looks", "ten", "--json")
    answer = json.loads(out.splitlines()[-1])
    assert (code, answer["subset"], answer["n"]) == (0, "test", 9)
    (tmp_path / "mine").mkdir()
    for name in ("out", "mine"):
        code, _, err = call(capsys, "predict", run, *pictures, "--out", tmp_path / name)
        assert (code, "are no pictures" in err) == (2, True)
    assert ((tmp_path / "out").exists(), (tmp_path / "mine").exists()) == (False, True)
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(facts | {"status": "stopped"}))
    _, _, err = call(capsys, "predict", run, *pictures)
    assert "this training is stopped, not done" in err


def test_a_table_of_paths_and_labels_trains(capsys, trained, tmp_path):
    _, data = trained
    lines = [f"{path.relative_to(data)},{path.parent.name}" for path in sorted(data.rglob("*.png"))]
    (data / "pictures.csv").write_text("\n".join(["file,class", *lines]))
    try:
        code, out, err = call(capsys, "train", data / "pictures.csv", "--model", "lenet5", "--epochs", "1",
                              "--runs", tmp_path / "runs", "--json")  # fmt: skip
    finally:
        (data / "pictures.csv").unlink()
    assert code == 0, err
    run = tmp_path / "runs" / "pictures-lenet5-1"
    assert json.loads((run / "run.json").read_text())["data"]["source"] == "table"
    assert json.loads(out.splitlines()[-1])["result"]["n"] == 6


def test_every_opening_of_the_test_set_is_counted(capsys, trained):
    run, _ = trained
    before = json.loads((run / "result.json").read_text())
    code, out, _ = call(capsys, "evaluate", run, "--open-test", "--json")
    again = json.loads(out.splitlines()[-1])
    assert (code, before["openings"]) == (0, 1)
    assert again["openings"] >= 2  # showing it sealed pictures, as tests before this one do, is an opening too
    assert again["numbers"] == before["numbers"]
    _, out, _ = call(capsys, "evaluate", run, "--open-test")
    assert f"opened {again['openings'] + 1} times" in out


def test_evaluate_on_a_folder_says_when_its_pictures_were_trained_on(capsys, trained):
    run, data = trained
    code, out, err = call(capsys, "evaluate", run, data, "--json")
    assert code == 3, "a broken file among labelled pictures is refused, not skipped"
    (data / "class 0" / "broken.jpg").rename(data / "class 0" / "broken.txt")
    code, out, err = call(capsys, "evaluate", run, data, "--json")
    (data / "class 0" / "broken.txt").rename(data / "class 0" / "broken.jpg")
    assert code == 0
    assert json.loads(out.splitlines()[-1])["n"] == 45
    assert "36 of 45 pictures were used in training or validation" in err
    assert "9 are of this run's sealed test set, which has now been opened" in err


def test_evaluate_goes_by_class_names_not_by_their_order(capsys, trained, tmp_path):
    run, data = trained
    for name in ("class 2", "class 1"):
        (tmp_path / "other" / name).mkdir(parents=True)
        for path in sorted((data / name).iterdir())[:5]:
            (tmp_path / "other" / name / path.name).write_bytes(path.read_bytes())
    code, out, _ = call(capsys, "evaluate", run, tmp_path / "other", "--json")
    support = {row["class"]: row["support"] for row in json.loads(out.splitlines()[-1])["classes"]}
    assert (code, support) == (0, {"class 0": 0, "class 1": 5, "class 2": 5})
    (tmp_path / "other" / "class 2").rename(tmp_path / "other" / "clas 2")
    code, _, err = call(capsys, "evaluate", run, tmp_path / "other")
    assert code == 3
    assert "not trained on: clas 2" in err


def test_a_provided_val_folder_is_never_called_a_test_set(capsys, tmp_path):
    for subset in ("train", "val"):
        photographs(tmp_path / "set" / subset, classes=2, each=8 if subset == "train" else 4)
    for path in (tmp_path / "set" / "val").rglob("*.*"):  # the helper's pictures repeat: make these their own
        Image.open(path).rotate(180).save(path.with_suffix(".png"))
        if path.suffix == ".jpg":
            path.unlink()
    code, out, _ = call(capsys, "train", tmp_path / "set", "--model", "lenet5", "--epochs", 1, "--runs", tmp_path / "r")
    assert code == 0
    assert "no test set" in out
    assert "chose the epoch" in out
    assert "n = 8, val" in out
    assert not (tmp_path / "r" / "test-openings.jsonl").exists()


def test_what_the_listing_offers_to_allow_can_be_allowed(capsys, tmp_path):
    data = photographs(tmp_path / "photos", classes=2, each=8)
    elsewhere = photographs(tmp_path / "elsewhere", classes=3, each=8) / "class 2"
    (data / "linked").symlink_to(elsewhere, target_is_directory=True)
    (data / "CLASS 0").mkdir()
    words = ["train", data, "--model", "lenet5", "--epochs", 1, "--runs", tmp_path / "runs", "--json"]
    source = next((data / "class 0").glob("*.png"))
    source.rename(data / "CLASS 0" / source.name)
    code, _, err = call(capsys, *words)
    assert (code, "--merge-classes" in err) == (3, True)
    code, _, err = call(capsys, *words, "--merge-classes", "--follow-links")
    assert code == 0, err
    facts = json.loads((tmp_path / "runs" / "photos-lenet5-1" / "run.json").read_text())
    assert len(facts["classes"]) == 3
    assert call(capsys, "evaluate", tmp_path / "runs" / "photos-lenet5-1", "--open-test")[0] == 0


def test_a_run_keeps_what_was_typed(trained):
    run, data = trained
    words = shlex.split(json.loads((run / "run.json").read_text())["command"])
    assert words[:5] == ["striate", "train", str(data), "--model", "resnet20"]
    assert words[-2:] == ["--runs", str(run.parent)]


def test_runs_lists_results(capsys, trained):
    run, _ = trained
    code, out, _ = call(capsys, "runs", run.parent)
    assert code == 0
    facts, (line,) = json.loads((run / "run.json").read_text()), table(out)
    assert [line[key] for key in ("run", "model", "data", "epochs", "status")] == [
        "photos-resnet20-1", "resnet20", "photos", "2/2", "done",
    ]  # fmt: skip
    assert line["date"] == datetime.fromisoformat(facts["began"]).astimezone().strftime("%Y-%m-%d %H:%M")
    assert line["duration"] == duration(facts["seconds"])
    assert re.fullmatch(r"test accuracy \d+\.\d\d % \(\d+\.\d\d to \d+\.\d\d, n = 9\)", line["result"])
    (told,) = json.loads(call(capsys, "runs", run.parent, "--json")[1])["runs"]
    assert {key: told[key] for key in ("began", "seconds", "command")} == {
        key: facts[key] for key in ("began", "seconds", "command")
    }
    assert (told["result"]["n"], told["task"], told["epochs"], told["epochs_of"]) == (9, "classify", 2, 2)


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("date", ["run-9", "run-10", "run-1"]),
        ("name", ["run-1", "run-9", "run-10"]),
        ("duration", ["run-10", "run-1", "run-9"]),
        ("result", ["run-10", "run-9", "run-1"]),
    ],
)
def test_runs_are_sorted_rising_and_what_is_not_known_comes_first(capsys, trained, tmp_path, order, names):
    run, _ = trained
    made = {
        "run-1": ({"began": "2026-02-01T00:00:00Z", "seconds": 7e4}, 0.9),
        "run-9": ({"began": "2025-03-01T00:00:00Z", "seconds": 8e4}, 0.5),
        "run-10": ({"began": "2025-12-01T00:00:00Z", "status": "stopped", "cause": "by hand"}, None),
    }
    for name, (facts, accuracy) in made.items():
        shutil.copytree(run, tmp_path / name)
        told, result = (json.loads((run / file).read_text()) for file in ("run.json", "result.json"))
        told.pop("seconds")
        (tmp_path / name / "run.json").write_text(json.dumps(told | facts))
        result["numbers"][0] |= {"value": accuracy, "low": 0.0, "high": 1.0}
        (tmp_path / name / "result.json").write_text(json.dumps(result))
    (tmp_path / "run-10" / "result.json").unlink()
    found = table(call(capsys, "runs", tmp_path, "--sort", order)[1])
    assert [line["run"] for line in found] == names
    stopped = next(line for line in found if line["run"] == "run-10")
    assert (stopped["status"], stopped["result"]) == ("stopped", "by hand")
    assert stopped["duration"] == duration(sum(each["seconds"] for each in open_run(run).epochs))


def test_a_run_shows_itself_whatever_became_of_it(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "a-1")
    path = tmp_path / "a-1" / "run.json"
    number = json.loads((tmp_path / "a-1" / "result.json").read_text())["numbers"][0]
    told = (
        f"test accuracy {100 * number['value']:.2f} % ({100 * number['low']:.2f} to {100 * number['high']:.2f}, n = 9)"
    )
    opened = open_run(path.parent)
    assert repr(opened) == f"Run('a-1', done, resnet20 on photos, {told})"
    assert told in opened._repr_html_()
    (tmp_path / "a-1" / "result.json").unlink()
    facts = json.loads(path.read_text())
    for status, shown in (
        ("running", "killed, resnet20 on photos, epoch 2/2"),
        ("failed", "failed, resnet20 on photos, e"),
    ):
        path.write_text(json.dumps(facts | {"status": status, "cause": "e" * (status == "failed")}))
        assert repr(open_run(path.parent)) == f"Run('a-1', {shown})"
    path.write_text("{")
    (damaged,) = list_runs(tmp_path)
    shutil.rmtree(tmp_path / "a-1")
    for run in (damaged, opened):
        assert "damaged, cannot be read" in repr(run) or repr(run) == "Run('a-1', done, resnet20 on photos, epoch 0/2)"
        assert run._repr_html_().count("<table>") == 1


def test_a_list_of_runs_leaves_out_what_is_in_their_names_before_it_is_no_table(capsys, trained, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    heads = []
    for columns in ("200", "85", "40"):
        monkeypatch.setenv("COLUMNS", columns)
        heads.append(call(capsys, "runs", trained[0].parent)[1].splitlines()[0].split())
    assert heads[0] == ["run", "model", "data", "epochs", "date", "duration", "status", "result"]
    assert heads[1] == ["run", "epochs", "date", "duration", "status", "result"]
    assert heads[2][0] == "run:"


def test_a_damaged_run_hides_no_other(capsys, trained, tmp_path):
    run, _ = trained
    for name, text in (("cut-1", '{"format": 1, "sta'), ("empty-1", '{"format": 1}'), ("odd-1", '{"format": "x"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    shutil.copytree(run, tmp_path / run.name)
    code, out, _ = call(capsys, "runs", tmp_path)
    assert code == 0
    assert out.count("damaged") == 3
    assert f"{run.name}\tresnet20\t" in out


def test_the_test_set_of_an_unfinished_training_stays_closed(capsys, trained, tmp_path):
    run, _ = trained
    shutil.copytree(run, tmp_path / run.name)
    facts = json.loads((run / "run.json").read_text())
    (tmp_path / run.name / "run.json").write_text(json.dumps(facts | {"status": "stopped"}))
    code, _, err = call(capsys, "evaluate", tmp_path / run.name, "--open-test")
    assert (code, "stays closed" in err) == (4, True)
    assert not (tmp_path / "test-openings.jsonl").exists()


def test_a_torn_line_among_the_openings_does_not_stop_the_next(capsys, trained, tmp_path):
    run, _ = trained
    shutil.copytree(run, tmp_path / run.name)
    digest = json.loads((run / "run.json").read_text())["split"]["test"]["digest"]
    (tmp_path / "test-openings.jsonl").write_text(json.dumps({"test_set": digest}) + '\n{"test_se')
    before = times_opened(run, digest)
    code, out, _ = call(capsys, "evaluate", tmp_path / run.name, "--open-test", "--json")
    assert (code, json.loads(out.splitlines()[-1])["openings"]) == (0, before + 2), "another's, and this one"


def test_predict_says_when_weights_are_not_the_chosen_ones(capsys, trained, tmp_path):
    run, data = trained
    shutil.copytree(run, tmp_path / run.name)
    with (tmp_path / run.name / "checkpoints" / "best" / "weights.safetensors").open("ab") as file:
        file.write(b"more")
    code, _, err = call(capsys, "predict", tmp_path / run.name, data / "class 1")
    assert (code, "best is damaged" in err) == (0, True)


def test_predict_with_nothing_to_answer_on_is_an_error(capsys, trained, tmp_path):
    code, out, err = call(capsys, "predict", trained[0], tmp_path / "missing.png")
    assert (code, "no such file" in out, "of 1 picture none could be read" in err) == (3, True, True)
    assert call(capsys, "predict", trained[0], tmp_path / "missing.png", "--device", "cuda:99")[0] == 5


def test_models_lists_finds_and_suggests(capsys):
    assert "61,706" in call(capsys, "models", "lenet5")[1] or "LeCun" in call(capsys, "models", "lenet5")[1]
    assert call(capsys, "models", "resnet*")[1].count("\n") >= 10
    code, _, err = call(capsys, "models", "resnt50")
    assert (code, "resnet50" in err) == (2, True)


BAD = {
    "C1 an option that is not there": (["--learning-rte", "1"], 2, "--learning-rte"),
    "C2 a word where a number belongs": (["--epochs", "many"], 2, "--epochs"),
    "C2 part of a picture": (["--batch", "1.5"], 2, "'1.5' is not a whole number"),
    "C3 a rate below zero": (["--rate", "-1"], 2, "rate"),
    "C3 a rate that is not a number": (["--rate", "nan"], 2, "rate"),
    "C3 no epochs": (["--epochs", "0"], 2, "epochs"),
    "C3 an empty batch": (["--batch", "0"], 2, "batch"),
    "C3 dropout above one": (["--dropout", "1.5"], 2, "dropout"),
    "C3 a size the network cannot take": (["--size", "7"], 2, "size"),
    "C3 too many workers": (["--workers", "1000000"], 2, "workers"),
    "C3 workers below zero": (["--workers", "-1"], 2, "workers"),
    "C3 saving every minus one seconds": (["--save-every", "-1"], 2, "save-every"),
    "C3 shares that do not add up": (["--split", "60/20/30"], 2, "split"),
    "C6 a file where the runs should go": (["--runs", "/dev/null"], 5, "/dev/null"),
    "C8 a resumed run with another rate": (["--rate", "1", "--resume", "somewhere"], 2, "resume"),
    "C8 a run that is not there": (None, 4, "nowhere"),
    "C10 a GPU that is not there": (["--device", "cuda:99"], 5, "cuda:99"),
    "C10 a device that is not one": (["--device", "gpu"], 5, "gpu"),
    "C11 a network that is not there": (["--model", "resnet5O"], 2, "resnet5O"),
    "C11 an option that the data decide": (["--model-options.classes", "3"], 2, "classes"),
    "C11 an option the network lacks": (["--model-options.shortcut", "A"], 2, "shortcut"),
    "data that are not there": (["photos-of-cats"], 2, "photos-of-cats"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_argument_gets_one_sentence_and_its_exit_code(capsys, tmp_path, name):
    words, code, named = BAD[name]
    words = ["--resume", "nowhere"] if words is None else ["digits", "--runs", str(tmp_path), *words]
    if name.startswith("C6"):
        words = ["digits", "--runs", "/dev/null/runs"]
    found, _, err = call(capsys, "train", *words)
    lines = [line for line in err.splitlines() if line]
    assert found == code, err
    assert len(lines) == 1, err
    assert lines[0].startswith("error[")
    assert named in lines[0]
    assert ". Try: " in lines[0]
    assert not any(tmp_path.iterdir()), "a refused training leaves nothing behind"


def test_json_gives_an_error_the_same_fields_and_debug_a_traceback(capsys, tmp_path):
    code, out, err = call(capsys, "train", "digits", "--rate", "-1", "--json", "--debug")
    fields = json.loads(out.splitlines()[-1])
    assert (code, fields["error"], fields["where"], fields["exit_code"]) == (2, "usage", "rate", 2)
    assert "Traceback" in err


def test_runs_may_not_lie_inside_the_pictures(capsys, tmp_path):
    data = photographs(tmp_path / "photos", classes=2, each=6)
    before = sorted(str(path) for path in data.rglob("*"))
    code, _, err = call(capsys, "train", data, "--runs", data / "runs", "--model", "lenet5")
    assert (code, "inside the pictures" in err) == (2, True)
    assert sorted(str(path) for path in data.rglob("*")) == before


def test_a_toml_recipe_trains_and_options_win_over_it(capsys, tmp_path):
    photographs(tmp_path / "my photos", classes=2, each=8)
    lines = ['data = "my photos"', 'model = "lenet5"', "epochs = 3", "seed = 5", "[model_options]", "dropout = 0.5"]
    (tmp_path / "recipe.toml").write_text("\n".join(lines))
    words = ["--epochs", 1, "--seed", 0, "--model-options.activation", "relu", "--runs", tmp_path / "runs", "--json"]
    code, out, err = call(capsys, "train", tmp_path / "recipe.toml", *words)
    assert code == 0, err
    recipe = json.loads((tmp_path / "runs" / "my photos-lenet5-1" / "run.json").read_text())["recipe"]
    assert (recipe["epochs"], recipe["seed"], recipe["model"]) == (1, 0, "lenet5")
    assert recipe["model_options"] == {"dropout": 0.5, "activation": "relu"}
    assert json.loads(out.splitlines()[-1])["run"].endswith("my photos-lenet5-1")


def test_a_closed_pipe_is_no_traceback():
    process = subprocess.Popen(
        [sys.executable, "-m", "striate", "models"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait()


def test_a_picture_called_like_markup_or_an_option_is_only_a_name(capsys, trained, tmp_path):
    run, data = trained
    source = next((data / "class 2").iterdir()).read_bytes()
    names = ["[red]x.png", "=1+1.png", "-x.png", "new\nline.png", os.fsdecode(b"caf\xe9.png")]
    for name in names:
        (tmp_path / name).write_bytes(source)
    code, _, _ = call(capsys, "predict", run, tmp_path, "--csv", tmp_path / "answers.csv")
    assert code == 0
    table = (tmp_path / "answers.csv").read_text()
    assert table.count("\n") == 6
    assert "new\\nline.png" in table
    assert "[red]x.png" in table
