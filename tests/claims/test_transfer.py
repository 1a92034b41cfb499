"""Transfer: which pictures each arm is given, and from which weights it begins."""

import dataclasses
import hashlib
import io
import math
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from small import photographs
from striate.base.errors import DataError
from striate.claims import transfer
from striate.claims.claim import Asked
from trained_here import trained_here

DIGITS = {"data": "digits", "size": 8}


def held(path):
    with zipfile.ZipFile(path) as archive:
        return {each: archive.read(each) for each in archive.namelist()}


def test_the_halves_are_all_pictures_of_all_classes_once_and_unchanged(tmp_path):
    asked = Asked(DIGITS, (1000,), tmp_path)
    pictures, labels = load_digits(return_X_y=True)
    found, classes = Counter(), {}
    for half in ("first", "others"):
        files = held(transfer.archive(asked, half))
        classes[half] = {each.partition("/")[0] for each in files}
        for name, content in files.items():
            label, pixels = int(name[6:10]), np.asarray(Image.open(io.BytesIO(content)))
            found[label, pixels.tobytes()] += 1
    assert not classes["first"] & classes["others"]
    assert [len(each) for each in classes.values()] == [5, 5]
    true = {
        (label, np.uint8(np.round(picture * 255 / 16)).tobytes())
        for picture, label in zip(pictures, labels.tolist(), strict=True)
    }
    assert set(found) == true
    assert set(found.values()) == {1}


def test_files_are_copied_as_they_are_and_never_changed(tmp_path):
    folder = photographs(tmp_path / "photos", classes=5, each=15)
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    asked = Asked({"data": str(folder), "size": 8}, (1000,), tmp_path / "runs")
    halves = [held(transfer.archive(asked, half)) for half in ("first", "others")]
    assert [len(each) for each in halves] == [30, 45]
    copied = Counter(hashlib.sha256(each).digest() for half in halves for each in half.values())
    assert copied == Counter(hashlib.sha256(each).digest() for each in before.values())
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


@pytest.mark.parametrize(
    ("classes", "each", "told"),
    [(3, 15, "it has 3 classes, and each half needs two"), (4, 14, "too few different pictures for transfer")],
)
def test_what_cannot_be_halved_is_refused(tmp_path, classes, each, told):
    folder = photographs(tmp_path / "photos", classes=classes, each=each)
    with pytest.raises(DataError, match=told):
        transfer.archive(Asked({"data": str(folder)}, (0,), tmp_path / "runs"), "first")
    assert not (tmp_path / "runs").exists()


def test_a_claim_without_a_folder_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (recipe,) = transfer.FIRST.recipes(Asked(DIGITS, (0,), Path())).values()
    assert recipe.data == "digits"
    assert list(tmp_path.iterdir()) == []


def test_arms_differ_in_the_weights_they_begin_with_and_in_what_learns(tmp_path):
    asked = Asked(DIGITS, (1000,), tmp_path)
    recipes = transfer.OTHERS.recipes(asked)
    for count in transfer.EPOCHS:
        alike = set()
        for way in transfer.WAYS:
            recipe = recipes[f"{way}_{count}-0.02-1000"]
            assert (recipe.weights is None) == (way == "from_scratch")
            assert recipe.weights in (None, str(tmp_path / "first-0.08-1000"))
            told = dataclasses.asdict(recipe) | {"weights": None, "finetune": None, "layer_decay": None}
            alike.add(repr(told))
        assert len(alike) == 1


@pytest.mark.slow
def test_it_runs_to_its_verdicts(tmp_path, monkeypatch):
    """Two epochs, one rate, one number of pictures: which is the number that is said, and the head alone has moved."""
    asked = Asked(DIGITS, (1000,), tmp_path)
    monkeypatch.setattr(transfer, "EPOCHS", {30: 2})
    first = dataclasses.replace(transfer.FIRST, common={**transfer.FIRST.common, "epochs": 2})
    arms = {arm: own for arm, own in transfer.OTHERS.arms.items() if arm.endswith("30")}
    others = dataclasses.replace(transfer.OTHERS, rates=(0.08,), arms=arms)
    monkeypatch.setattr(transfer, "FIRST", first)
    monkeypatch.setattr(transfer, "OTHERS", others)
    ended = trained_here(first, asked) | trained_here(others, asked)
    found = transfer.CLAIM.questions(asked, ended)
    assert [each.one for each in found] == ["all_layers_30", "last_layer_30"]
    assert all(math.isfinite(each) for question in found for each in (*question.ones, *question.others))
    assert all(each.failed.startswith("the first half: the reference never reached 20 %") for each in found)
    runs = {
        arm: ended[f"{arm}-0.08-1000"].run for arm in ("first", "from_scratch_30", "last_layer_30", "all_layers_30")
    }
    splits = {arm: [(line.name, line.subset) for line in run.lines] for arm, run in runs.items()}
    assert splits["from_scratch_30"] == splits["last_layer_30"] == splits["all_layers_30"]
    learned = Counter(name.partition("/")[0] for name, subset in splits["all_layers_30"] if subset == "train")
    assert len(learned) == 5
    assert set(learned.values()) <= {29, 30, 31}
    assert not learned.keys() & {name.partition("/")[0] for name, _ in splits["first"]}
    kept = runs["first"].weights
    moved = {
        arm: {key.partition(".")[0] for key, value in runs[arm].weights.items() if not torch.equal(value, kept[key])}
        for arm in ("last_layer_30", "all_layers_30")
        if not kept["fc10.weight"].equal(runs[arm].weights["fc10.weight"])
    }
    assert moved["last_layer_30"] == {"fc10"}
    assert {"conv1", "conv2", "conv3", "fc10"} <= moved["all_layers_30"]
