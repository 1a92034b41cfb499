"""Pictures with masks, as a person meets them at the shell. Row ids M7-M12 are those of the table of odd masks."""

import json

import numpy as np
import pytest
from PIL import Image

from small import photographs_with_masks
from typed import call

pytestmark = pytest.mark.slow
MAP = "0=dark,128=middle,255=bright"
SMALL = ("--size", "16", "--model-options.width", "2", "--epochs", "1", "--batch", "6", "--augment", "none", "--json")


def told(capsys, *words):
    """Exit code and the one JSON object that is printed last."""
    code, out, err = call(capsys, *map(str, words))
    assert out, err
    return code, json.loads(out.splitlines()[-1])


@pytest.fixture
def data(tmp_path):
    """Classes 0, 128 and 255."""
    folder = photographs_with_masks(tmp_path / "pairs", count=9, side=16)
    for path in (folder / "masks").iterdir():
        mask = np.asarray(Image.open(path))
        Image.fromarray(np.array([0, 128, 255], np.uint8)[mask]).save(path)
    return folder


def test_what_masks_mean_is_asked_once_and_known_from_then_on(capsys, tmp_path, data):
    code, said = told(capsys, "train", data, *SMALL, "--runs", tmp_path / "runs")
    assert (code, said["error"]) == (3, "data")
    assert "0 (" in said["cause"]
    assert said["try"] == "--ignore 255, if 255 marks what is not to count; a map of values to classes; or masks " \
                          "without smoothed edges"  # fmt: skip
    code, said = told(capsys, "train", data, *SMALL, "--mask-map", MAP, "--runs", tmp_path / "runs")
    assert code == 0, said
    facts = json.loads((tmp_path / "runs" / "pairs-unet_padded-1" / "run.json").read_text())
    assert (facts["classes"], facts["task"]["name"]) == (["dark", "middle", "bright"], "segment")
    assert any("pixels by class: " in note for note in facts["data"]["notes"])
    run = said["run"]
    data.rename(tmp_path / "moved")
    code, said = told(capsys, "evaluate", run, "--open-test", "--data", tmp_path / "moved", "--json")
    assert code == 0, said
    assert (
        said["numbers"]
        == json.loads((tmp_path / "runs" / "pairs-unet_padded-1" / "result.json").read_text())["numbers"]
    )
    code, said = told(capsys, "evaluate", run, photographs_with_masks(tmp_path / "others", count=3), "--json")
    assert (code, said["error"]) == (3, "data")
    assert "values that the map does not name: " in said["cause"]
    assert "mean what they do in training" in said["try"]


def test_masks_are_not_learned_as_classes_by_mistake(capsys, data, tmp_path):
    code, said = told(capsys, "train", data, "--model", "lenet5", "--runs", tmp_path / "runs", "--json")
    assert (code, said["error"]) == (2, "usage")
    assert "has pictures and masks, and no classes to classify" in said["cause"]
    assert said["try"] == "--task segment, or a network that was made for it"


def test_faults_of_pairs_are_one_sentence_or_a_note(capsys, tmp_path, data):
    words = ("train", data, *SMALL, "--mask-map", MAP, "--runs", tmp_path / "runs")
    (data / "masks" / "03.png").rename(data / "masks" / "three.png")
    code, said = told(capsys, *words)
    assert (code, said["error"]) == (3, "data")
    assert "9 pictures and 9 masks make 8 pairs; without a mask: images/03.png" in said["cause"]
    code, said = told(capsys, *words, "--max-bad", "0.2")
    assert code == 0, said
    facts = json.loads((tmp_path / "runs" / "pairs-unet_padded-1" / "run.json").read_text())
    assert facts["data"]["skipped"] == [["images/03.png", "no mask of its name"]]
    assert "without a picture: masks/three.png" in facts["data"]["notes"][0]
