"""A whole training on masks: its numbers, its page, and the masks that it writes."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

import striate
from small import photographs_with_masks
from striate.evaluate.result import result
from striate.shell.cli import main

pytestmark = pytest.mark.slow
RECIPE = {"task": "segment", "augment": "none", "optimizer": "adamw", "schedule": "one-cycle", "batch": 4, "rate": 0.01}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return photographs_with_masks(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(tmp_path_factory, data):
    options = {"model_options": {"width": 4}, "epochs": 6, "runs": tmp_path_factory.mktemp("runs")}
    return striate.train(str(data), model="unet_padded", **RECIPE, **options)


def test_training_finds_more_than_colours_tell(run):
    first, *_ = run.result["numbers"]
    assert (first["name"], first["method"]) == ("mean IoU over the data set", "bootstrap over pictures")
    assert first["low"] > {each["name"]: each["value"] for each in run.result["baselines"]}["the commonest class"]
    assert [row["class"] for row in run.result["classes"]] == ["0", "1", "2"]
    assert sum(map(sum, run.result["confusion"])) == run.result["n"] * 40 * 48
    assert {"val_IoU", "val_Dice", "val_pixel_accuracy"} <= run.epochs[0].keys()


def test_the_numbers_follow_from_the_rows_and_evaluating_again_gives_them(run):
    told = result(run.task, run.kept["test"].rows, "test")
    assert {key: run.result[key] for key in told} == told
    assert run.evaluate(open_test=True).numbers["numbers"] == run.result["numbers"]
    lines = (run.folder / "predictions.csv").read_text().splitlines()
    assert lines[0] == "sample,iou,dice,pixel_accuracy,objects_found,objects_true,objects_answered"
    assert len(lines) == 1 + run.result["n"]


def test_the_page_shows_truth_answer_and_errors_of_the_worst_pictures(run):
    page = (run.folder / "report.html").read_text()
    for word in ("truth", "answer", "errors"):
        assert page.count(f'title="{word}"') == min(12, run.result["n"])
    assert "Training: n = 18; validation: n = 6" in page
    striate.write_report(run)
    assert (run.folder / "report.html").read_text() == page


def test_predict_writes_the_masks_that_python_gets(run, data, tmp_path, capsys):
    pictures = [str(data / "images" / f"{place:02d}.png") for place in (3, 7)]
    with pytest.raises(SystemExit) as end:
        main(["predict", str(run.folder), *pictures, "--out", str(tmp_path / "out"), "--overlays", "--json"])
    assert not end.value.code
    told = json.loads(capsys.readouterr().out)
    names = [path.rpartition("/")[2] for path in told["written"]]
    assert names == ["03.png", "03-overlay.png", "07.png", "07-overlay.png", "classes.csv"]
    for each, found in zip(run.predict(pictures), told["predictions"], strict=True):
        stem = each.file.rpartition("/")[2]
        assert (np.asarray(Image.open(tmp_path / "out" / stem)) == each.picture).all()
        assert np.asarray(Image.open(tmp_path / "out" / stem.replace(".", "-overlay."))).shape == (40, 48, 3)
        assert sum(part["share"] for part in found["classes"].values()) == pytest.approx(1)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["predict", str(run.folder), *pictures])
    assert capsys.readouterr().out.splitlines()[0] == "file\tstatus\tobjects\t0\t1\t2"


def test_the_published_network_learns_from_tiles_with_mirrored_borders(data, tmp_path):
    options = {"model_options": {"width": 2}, "channels": 1, "epochs": 1, "runs": tmp_path}
    run = striate.train(str(data), model="unet", **RECIPE, **options)
    assert (run.preprocess.context, run.preprocess.resize) == (92, "tiles")
    found = run.predict(str(data / "images" / "00.png"))
    assert found.picture.shape == (40, 48)
    assert repr(found).startswith(f"Prediction({found.file!r}: mask of 48x40")
    shown = base64.b64decode(found._repr_html_().partition("base64,")[2].partition('"')[0])
    assert Image.open(io.BytesIO(shown)).size == (48, 40)
