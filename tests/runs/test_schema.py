"""A run folder that was changed by hand, or by somebody: one sentence, and nothing outside it is opened."""

import dataclasses
import json
import os
import shutil
from typing import get_args, get_type_hints

import numpy as np
import pytest
from safetensors.numpy import save

import striate
from small import photographs, train
from striate.base import durable
from striate.base.errors import DataError, RunError
from striate.base.options import Range
from striate.data.augment import Augment
from striate.models import weights
from striate.report.collect import Pictures
from striate.training.recipe import Recipe
from typed import call

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("mine-1", r"mine-1: no such folder\. Try: runs/mine-1$"),
        ("runs/mine-1/checkpoints/best", r"best: no run: there is no run.json in it\. Try: runs/mine-1$"),
        ("runs/mine-1/run.json", r"run.json: no such folder\. Try: runs/mine-1$"),
        ("runs", r"runs: no run: there is no run.json in it\. Try: a run folder: runs/NAME"),
        ("other-1", r"other-1: no such folder\. Try: a run folder: runs/NAME"),
        ("x" * 300, r"File name too long"),
        ("x\0", r"null"),
    ],
)
def test_the_run_that_is_meant_is_named(named, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "mine-1" / "checkpoints" / "best").mkdir(parents=True)
    (tmp_path / "runs" / "mine-1" / "run.json").write_text("{}")
    with pytest.raises(RunError, match=told):
        striate.open_run(named)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    data = photographs(home / "photos", each=8)
    return striate.train(data, model="lenet5", batch=9, epochs=1, runs=home / "runs").folder


@pytest.fixture
def run(original, tmp_path):
    """A copy to be harmed, of a name without a number."""
    return shutil.copytree(original, tmp_path / "runs" / "photos")


def change(path, key, value):
    """One value of a JSON file, by its dotted key; "gone" takes it out."""
    values = json.loads(path.read_text())
    *above, last = key.split(".")
    table = values
    for name in above:
        table = table[int(name)] if isinstance(table, list) else table[name]
    if value == "gone":
        del table[last]
    else:
        table[last] = value
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        ("format", True, "not a run of striate"),
        ("format", 0, "written in format 0"),
        ("status", "gone", "status is missing"),
        ("status", "odd", "status is 'odd', and not one of running, stopped, failed, done"),
        ("classes", ["class 0", "class 1"], "classes does not agree"),
        ("classes", [1, 2, 3], "classes[0] is 1, and not a text"),
        ("task.name", "gone", "task.name is None, and no task"),
        ("task.classes", [], "classes does not agree"),
        ("task.temperature", 1e9, "task.temperature is 1000000000.0"),
        ("preprocess.size", 2**31, "preprocess.size is 2147483648, and not a whole number from 1 to 4096"),
        ("preprocess.size", 64, "preprocess.size does not agree"),
        ("preprocess.deviation", [0.0], "preprocess.deviation[0] is 0.0"),
        ("preprocess.mean", [0.5, 0.5], "preprocess.mean does not agree"),
        ("preprocess.views", "all", "preprocess.views is 'all'"),
        ("preprocess.odd", 1, "preprocess.odd is no key that is known here"),
        ("network.options", [], "network.options is a list, and not a table"),
        ("network.options.odd", {"a": 1}, "network.options.odd is a table"),
        ("network.options.width", 10**9, "network.options.width is 1000000000"),
        ("network.options.width", "1000000000", "network.options.width is '1000000000'"),
        ("network.odd", 1, "network.odd is no key that is known here"),
        ("recipe.seed", -1, "recipe.seed is -1"),
        ("recipe.check", "gone", "recipe.check is missing"),
        ("recipe.mask_map", "0=a,0=b", "recipe.mask_map: '0=b': what its value means is said twice"),
        ("recipe.ignore", 2**40, "recipe.ignore is 1099511627776"),
        ("recipe.masks", "all", "recipe.masks is 'all'"),
        ("augment.crop", 1e300, "augment.crop is 1e+300"),
        ("measured.covariance", [[1.0]] * 2, "measured does not agree"),
        ("data.pictures", 3, "split does not agree"),
        ("data.path", "a\0b", r"data.path is 'a\x00b'"),
        ("data.fingerprint", "0", "data.fingerprint is '0'"),
        ("split.test.n", -1, "split.test.n is -1"),
        ("split.test.digest", None, "split.test.digest is None"),
        ("versions.decoder", "gone", "versions.decoder is missing"),
        ("began", "yesterday", "began is 'yesterday'"),
        ("seconds", -1.0, "seconds is -1.0"),
        ("earlier", "text", "earlier is 'text', and not a list"),
    ],
)
def test_every_key_of_run_json_is_checked_and_named(run, capsys, key, value, cause):
    change(run / "run.json", key, value)
    with pytest.raises(RunError) as caught:
        striate.open_run(run)
    assert caught.value.where == str(run / "run.json")
    assert cause in caught.value.cause
    code, out, err = call(capsys, "runs", str(run.parent))
    assert (code, err) == (0, "")
    # a list is read without what only training and answering need
    others = ("task", "preprocess", "augment", "measured", "recipe.mask_map")
    seen = not key.startswith(others) and "does not agree" not in cause
    assert ("\tdamaged\trun.json: " in out) == seen
    (told,) = json.loads(call(capsys, "runs", str(run.parent), "--json")[1])["runs"]
    assert (told["status"], bool(told["cause"])) == (("damaged", True) if seen else ("done", False))


def test_other_keys_at_the_top_are_of_a_newer_version_and_let_be(run):
    change(run / "run.json", "new", {"a": [1, 2]})
    change(run / "result.json", "new", 1)
    assert striate.open_run(run).result["new"] == 1
    striate.write_report(run)


@pytest.mark.parametrize("word", ["imagenet", "/etc/hostname", "other.safetensors"])
def test_no_option_of_a_network_fetches_or_opens_weights(run, capsys, monkeypatch, word):
    """Also where somebody who knows the schema changed both places."""
    for key in ("network.options.weights", "recipe.model_options.weights"):
        change(run / "run.json", key, word)
    monkeypatch.setattr(weights, "fill", lambda *_: pytest.fail("weights were looked for"))
    for words in (("predict", str(run), str(run / "none.png")), ("evaluate", str(run)), ("report", str(run))):
        code, _, err = call(capsys, *words)
        assert (code, err.count("\n")) == (4, 1)
        assert "run.json: network: model_options: weights is not an option here" in err


@pytest.mark.parametrize(
    ("name", "options", "cause"),
    [
        ("gone", {}, "no network has this name"),
        ("os:system", {}, "a place in Python is counted and measured, and never trained"),
        ("lenet5", {"odd": "1"}, "lenet5 has no such option"),
        ("lenet5", {"activation": "odd"}, "'odd' is not one of"),
        ("resnet18", {}, "weights of another network"),
        ("timm:resnet10t", {"checkpoint_path": "/etc/hostname"}, "timm would read files by itself"),
    ],
)
def test_a_network_is_one_of_the_catalogue_with_options_of_its_own(run, capsys, name, options, cause):
    change(run / "run.json", "network", {"name": name, "options": options})
    change(run / "run.json", "recipe.model_options", options)
    code, _, err = call(capsys, "predict", str(run), str(run / "none.png"))
    assert (code, err.count("\n"), cause in err) == (4, 1, True), err


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        ("subset", "train", "subset is 'train'"),
        ("n", 4, "n is 4, and not as many as test has pictures"),
        ("numbers", [], "numbers is empty"),
        ("numbers", {"0": 1}, "numbers is a table, and not a list"),
        ("numbers.0.value", 7.5, "accuracy is outside its interval"),
        ("numbers.0.value", None, "accuracy is outside its interval"),
        ("numbers.0.n", "9", "numbers[0].n is '9'"),
        ("numbers.0.name", "gone", "numbers[0].name is missing"),
        ("baselines.0.low", "0", "baselines[0].low is '0'"),
        ("baselines.0.paired", {"low": 0}, "baselines[0].paired.difference is missing"),
        (
            "baselines.0.paired",
            {"difference": 0.5, "low": 0.6, "high": 0.7, "n": 12, "method": "DeLong"},
            "majority class: paired is outside its interval",
        ),
        ("openings", "gone", "openings is missing"),
        ("openings", 0, "openings is 0"),
        ("best_epoch", 0, "best_epoch is 0"),
    ],
)
def test_every_key_of_result_json_is_checked_and_named(run, capsys, key, value, cause):
    values = json.loads((run / "result.json").read_text())
    *above, last = key.split(".")
    table = values[above[0]][0] if above else values
    table.pop(last) if value == "gone" else table.update({last: value})
    (run / "result.json").write_text(json.dumps(values))
    code, _, err = call(capsys, "report", str(run))
    assert (code, err.count("\n")) == (4, 1)
    assert f"result.json: {cause}" in err
    _, out, _ = call(capsys, "runs", str(run.parent))
    assert f"\tdamaged\tresult.json: {cause}" in out


def test_a_number_that_is_undefined_is_one_and_half_a_number_is_none(run, capsys):
    values = json.loads((run / "result.json").read_text())
    values["numbers"][-1] |= {"value": None, "low": None, "high": None}
    (run / "result.json").write_text(json.dumps(values))
    striate.write_report(run)
    assert "does not give the numbers of result.json" in (run / "report.html").read_text()
    values["numbers"][-1]["low"] = 0.1
    (run / "result.json").write_text(json.dumps(values))
    assert "log loss is outside its interval" in call(capsys, "report", str(run), "--force")[2]


@pytest.mark.parametrize("name", ["run.json", "result.json", "epochs.csv", "split.csv", "checkpoints", "kept"])
def test_nothing_behind_a_link_or_a_pipe_is_read(run, capsys, name):
    path = run / name
    path.rename(run.parent / "elsewhere")
    path.symlink_to(run.parent / "elsewhere")
    code, _, err = call(capsys, "report", str(run))
    assert (code, f"{name}: it is a link" in err) == (4, True)
    path.unlink()
    os.mkfifo(path)
    for words in (("runs", str(run.parent)), ("predict", str(run), "none.png"), ("report", str(run))):
        assert "Traceback" not in call(capsys, *words)[2]


def test_a_split_of_another_run_is_refused(run, capsys):
    lines = (run / "split.csv").read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if line.endswith(",test"))
    other = next(i for i, line in enumerate(lines) if line.endswith(",train"))
    swapped = [*lines]
    swapped[place], swapped[other] = lines[place][:-4] + "train", lines[other][:-5] + "test"
    for text, cause in (
        ([*lines[:-1]], "not as many in each subset"),
        ([*lines[:-1], lines[-1] + ",1"], "has 6 fields"),
        ([lines[0], lines[1].replace(",", ",x", 1), *lines[2:]], "line 2 has no digest"),
        (["a,b"], "its head is not one"),
        (swapped, "pictures are not those that run.json tells of"),
    ):
        (run / "split.csv").write_text("\n".join(text) + "\n")
        code, _, err = call(capsys, "evaluate", str(run), "--open-test")
        assert (code, cause in err) == (4, True), err


@pytest.mark.parametrize("way", ["rooted", "above", "escaped", "linked"])
def test_no_name_in_a_split_leads_out_of_the_data(run, tmp_path, way):
    """Whoever knows the digest of a picture that lies elsewhere has it shown in no page for that."""
    data = tmp_path / "photos"
    shutil.copytree(json.loads((run / "run.json").read_text())["data"]["root"], data)
    change(run / "run.json", "data.root", str(data))
    opened = striate.open_run(run)
    place = next(i for i, line in enumerate(opened.lines) if line.name == "class 0/00.jpg")
    assert Pictures(opened.facts, opened.lines, None).read(place)
    outside = tmp_path / "secret.jpg"
    (data / "class 0" / "00.jpg").rename(outside)
    (data / "link.jpg").symlink_to(outside)
    names = {"rooted": str(outside), "above": "../secret.jpg", "escaped": r"\x2e\x2e/secret.jpg", "linked": "link.jpg"}
    lines = [*opened.lines]
    lines[place] = dataclasses.replace(lines[place], name=names[way])
    with pytest.raises(DataError):
        Pictures(opened.facts, lines, None).read(place)


def tampered(folder, name, data):
    """A file of a saved folder with other bytes and a manifest that agrees."""
    files = durable.read_folder(folder)
    shutil.rmtree(folder)
    durable.save_folder(folder, files | {name: data})


@pytest.mark.parametrize("harm", ["nan", "huge", "shape", "type", "more", "none", "other"])
def test_weights_are_those_of_the_network_whatever_the_manifest_says(run, harm, capsys):
    for path in (run / "checkpoints").glob("step-*"):
        shutil.rmtree(path)
    net = striate.open_run(run).network
    tensors = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    first = next(iter(tensors))
    changes = {
        "nan": {first: tensors[first] * np.nan},
        "huge": {name: tensor * 0 + np.float32(3e38) for name, tensor in tensors.items()},
        "shape": {first: tensors[first][:1]}, "type": {first: tensors[first].astype(np.float64)},
        "more": {"another": np.zeros(1, np.float32)}, "other": {first: tensors[first] * 2},
    }  # fmt: skip
    changed = {} if harm == "none" else tensors | changes[harm]
    tampered(run / "checkpoints" / "best", "weights.safetensors", save(changed))
    if harm == "huge":  # and nothing says what the weights were
        shutil.rmtree(run / "kept")
    pictures = json.loads((run / "run.json").read_text())["data"]["root"]
    code, out, err = call(capsys, "predict", str(run), pictures, "--json")
    assert code == 4, out
    causes = {"nan": "no finite number", "huge": "no finite numbers", "other": "not the weights whose answers are kept"}
    assert causes.get(harm, "weights of another network") in err


@pytest.mark.parametrize("harm", ["class", "nan", "width", "others", "type"])
def test_rows_that_are_not_this_runs_are_a_sentence_in_the_page(run, harm):
    kept = striate.open_run(run).kept["test"]
    rows, samples = kept.rows.copy(), kept.samples.copy()
    if harm == "class":
        rows[0, -1] = 99
    elif harm == "nan":
        rows[0, 0] = np.nan
    elif harm == "others":
        samples = samples[::-1].copy()
    rows = {"width": rows[:, :2].copy(), "type": rows.astype(np.float32)}.get(harm, rows)
    other = save({"rows": rows, "samples": samples})
    tampered(run / "kept", "test.safetensors", other)
    striate.write_report(run)
    assert "What was kept of each picture is damaged" in (run / "report.html").read_text()


def test_rows_of_another_result_are_not_told_as_this_one(run):
    kept = striate.open_run(run).kept["test"]
    other = save({"rows": np.roll(kept.rows, 1, 1) * [1, 1, 1, 0], "samples": kept.samples})
    tampered(run / "kept", "test.safetensors", other)
    striate.write_report(run)
    assert "does not give the numbers of result.json" in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("key", "value"), [("epoch", -1), ("parts", 0), ("best_score", "x"), ("history", [{"a": "b"}]), ("odd", 1)]
)
def test_a_generation_whose_state_cannot_be_meant_is_stepped_over(tmp_path, capsys, key, value):
    folder = train(tmp_path, epochs=2, execution={"save_every": 0}).folder
    newest = max((folder / "checkpoints").glob("step-*"))
    state = json.loads((newest / "state.json").read_text()) | {key: value}
    tampered(newest, "state.json", json.dumps(state).encode())
    facts = json.loads((folder / "run.json").read_text()) | {"status": "stopped"}
    (folder / "run.json").write_text(json.dumps(facts))
    code, out, _ = call(capsys, "train", "--resume", str(folder))
    assert code == 0
    assert f"{newest.name} is damaged and was stepped over" in out
    assert f"state.json: {key}" in out


def test_a_recipe_that_no_training_can_mean_is_told_of_the_run(run, capsys):
    for key, value, cause in (
        ("epochs", -1, "out of range"),
        ("optimizer", "odd", "is not one of"),
        ("odd", 1, "no such key"),
    ):
        before = (run / "run.json").read_text()
        change(run / "run.json", f"recipe.{key}", value)
        change(run / "run.json", "status", "stopped")
        code, _, err = call(capsys, "train", "--resume", str(run))
        assert (code, f"run.json: {key}: " in err, cause in err) == (4, True, True), err
        (run / "run.json").write_text(before)


def test_ranges_of_augmentation_are_the_same_in_a_recipe_and_in_a_run():
    keys = {each.name: each.metadata["within"] for each in dataclasses.fields(Recipe)}
    for name, kind in get_type_hints(Augment, include_extras=True).items():
        marks = [mark for part in (kind, *get_args(kind)) for mark in get_args(part)[1:] if isinstance(mark, Range)]
        assert marks == ([keys[name]] if keys[name] else [])
