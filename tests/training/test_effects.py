"""Options that would change nothing are refused before a long training, by what was given and not by defaults."""

import dataclasses

import numpy as np
import pytest

import striate
from small import Notes, photographs, photographs_with_masks
from striate.base.errors import UsageError
from striate.shell.cli import main
from striate.training import plan as planning
from striate.training.recipe import recipe_of

ARRAYS = (np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8), ["a", "b"] * 10)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    photographs(home / "photos")
    photographs_with_masks(home / "pairs", count=10)
    for subset in ("train", "val"):
        photographs(home / "parts" / subset)
    return home


def plan(home, data, **given):
    values = {"model": "unet_padded" if data in ("pairs", "cells") else "lenet5", "batch": 4} | given
    held = ARRAYS if data == "arrays" else None
    named = data if data in ("digits", "cells", "arrays") else str(home / data)
    execution = planning.Execution(runs=home / "runs")
    return planning.plan_of(recipe_of(data=named, **values), execution, Notes(), held)


@pytest.mark.parametrize(
    ("data", "given", "why"),
    [
        ("photos", {"step_epochs": [3.0]}, "step_epochs: 3.0 changes nothing: the schedule cosine has no steps"),
        ("photos", {"step_factor": 0.5}, "step_factor: 0.5 changes nothing: the schedule cosine has no steps"),
        ("photos", {"epochs": 5, "schedule": "step", "step_epochs": [5.0]}, "training ends after epoch 5"),
        ("photos", {"epochs": 5, "patience": 4}, "cannot pass before the last of 5"),
        ("photos", {"optimizer": "adamw", "nesterov": False}, "nesterov: turning it off changes nothing: AdamW"),
        ("photos", {"momentum": 0.0, "nesterov": False, "optimizer": "sgd"}, "there is no momentum"),
        ("photos", {"channels": 1, "hue": 0.1}, "hue: 0.1 changes nothing: 1 channels have no colour"),
        ("photos", {"channels": 1, "colour_noise": 0.1}, "have no colour"),
        ("digits", {"channels": 3, "saturation": 0.1}, "the pictures of digits are grey"),
        ("pairs", {"resize": "squash", "context": 4}, "context: 4 changes nothing: squash makes no tiles of a picture"),
        ("photos", {"mask_map": "0=a,1=b"}, "no masks of photos are read"),
        ("photos", {"masks": "objects"}, "masks: objects changes nothing"),
        ("cells", {"ignore": 3}, "no masks of cells are read"),
        ("digits", {"check": "headers"}, "check: headers changes nothing: digits has no files that are read"),
        ("arrays", {"max_bad": 0.5}, "has no files that are read"),
        ("arrays", {"follow_links": True}, "follow_links: it changes nothing"),
        ("pairs", {"merge_classes": True}, "pairs has no class folders"),
        ("photos", {"allow_leak": True}, "photos has no subsets of its own"),
        (
            "parts",
            {"split": "70/20/10", "allow_leak": True},
            "split: 70/20/10 changes nothing: the data have train, val",
        ),
        ("digits", {"layout": "classes"}, "layout: classes changes nothing: digits is no folder"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, dict) else None,
)
def test_what_would_change_nothing_is_refused_with_its_reason(home, data, given, why):
    with pytest.raises(UsageError) as error:
        plan(home, data, **given)
    assert why in str(error.value)
    assert error.value.where in given


@pytest.mark.parametrize(
    ("data", "given"),
    [
        ("photos", {"epochs": 5, "schedule": "step", "step_epochs": [3.0, 9.0], "step_factor": 0.5, "patience": 3}),
        ("photos", {"optimizer": "adamw", "momentum": 0.8, "hue": 0.0, "augment": "strong", "channels": 1}),
        ("photos", {"augment": "none", "mirror": True, "check": "headers", "max_bad": 0.0, "merge_classes": True}),
        ("parts", {"allow_leak": True}),
        ("pairs", {"ignore": 2, "resize": "tiles", "context": 4, "size": 32}),
        ("pairs", {"model": "unet", "resize": "squash"}),
        ("arrays", {"patience": 2}),
    ],
    ids=str,
)
def test_what_changes_something_and_what_presets_bring_along_is_taken(home, data, given):
    found = plan(home, data, **given)
    again = {key: value for key, value in dataclasses.asdict(found.recipe).items() if key != "data"}
    if found.recipe.split is not None and "val" in (found.samples.subsets or ()):
        again["split"] = None
    assert plan(home, data, **again).recipe == found.recipe, "a recipe that is filled in is taken as it is"


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "runs/x", "a.png", "--force"), ("memory", "lenet5", "--force"), ("draw", "lenet5", "--force"),
        ("train", "--resume", "runs/x", "--runs", "elsewhere"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_verb_refuses_what_would_change_nothing(capsys, words):
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert "changes nothing" in capsys.readouterr().err


def test_from_python_too(tmp_path):
    with pytest.raises(UsageError, match="nesterov: turning it off changes nothing"):
        striate.train("digits", optimizer="adamw", nesterov=False, runs=tmp_path)
