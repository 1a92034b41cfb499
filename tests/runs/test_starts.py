"""A new training that starts from the weights of another run: what it takes along, and what it must tell."""

import json
import os
import shutil

import numpy as np
import pytest

import striate
from small import Notes, photographs, train
from striate.base.errors import RunError, UsageError
from striate.runs import subsets
from striate.runs.checkpoint import digest
from striate.runs.starts import start_of
from striate.training.plan import Execution
from striate.training.recipe import read_toml, recipe_of
from striate.training.train import resume_run

pytestmark = pytest.mark.slow
SMALL = {"batch": 9, "epochs": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(home):
    data = str(photographs(home / "photos"))
    return train(home / "runs", data=data, model="lenet5", channels=3, **SMALL | {"epochs": 2})


def started(home, run, **recipe):
    notes = Notes()
    data = recipe.pop("data", str(home / "photos"))
    return train(home / "runs", listener=notes, data=data, weights=os.fspath(run), **SMALL | recipe), notes.said


def test_it_begins_where_the_other_ended_on_the_same_split_and_says_that_it_is_a_new_run(home, first):
    run, said = started(home, first.folder, rate=1e-12, keep_sealed=True)
    told = f"starts from the weights of {first.folder} (2 epochs): a new run, with a new schedule"
    assert said[0] == told
    assert not any("flatter" in each for each in said)
    assert run.recipe["model"] == "lenet5"
    assert run.preprocess.channels == 3
    for name, tensor in first.weights.items():
        np.testing.assert_allclose(run.weights[name], tensor, atol=1e-6)
    assert run.facts["weights"]["id"] == first.facts["id"]
    assert run.facts["weights"]["run"] == str(first.folder)
    assert len(run.facts["weights"]["sha256"]) == 64
    assert len(run.epochs) == 1


def test_pictures_that_the_weights_know_are_counted_along_a_whole_chain(home, first):
    kept = {line.digest for line in first.lines if line.subset == "test"}
    second, said = started(home, first, split_seed=3)
    known = [line for line in second.lines if line.subset == "test" and line.digest not in kept]
    sentence = f"the weights of {first.name} have seen {len(known)} of the 9 test pictures: the test numbers flatter"
    assert known
    assert sentence in said
    assert any("--split 60/20/20 --split-seed 0" in each for each in said)
    assert sentence in second.warnings
    assert "numbers flatter" in striate.write_report(second).read_text()
    third, said = started(home, second, split_seed=3)
    assert any(f"have seen {len(known)} of the 9 test pictures" in each for each in said), "by the first of the chain"
    assert not any("keeps them apart" in each for each in said)
    assert set(subsets.seen(third.folder).values()) == {"train", "val"}
    own = {line.digest for line in second.lines if line.subset != "test"}
    before = {line.digest for line in first.lines if line.subset != "test"}
    assert set(subsets.seen(third.folder)) == own | before


def test_a_killed_one_goes_on_and_still_knows_where_it_came_from(home, first):
    run, _ = started(home, first, split_seed=3)
    whole = run.result
    facts = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps(facts | {"status": "running"}))
    shutil.copytree(first.folder, first.folder.with_name("moved"))
    again = resume_run(run.folder, Execution(), Notes())
    assert again.result == whole
    for key in ("weights", "earlier", "id"):
        assert again.facts[key] == facts[key]


def test_other_classes_have_a_head_of_their_own_and_it_is_said(home, first, tmp_path):
    photographs(tmp_path / "two", classes=2)
    _, said = started(home, first, data=str(tmp_path / "two"))
    assert "starts anew: the file has 3 classes, the network 2" in " ".join(said)
    others = photographs(tmp_path / "three")
    (others / "class 0").rename(others / "zebra")
    _, said = started(home, first, data=str(others))
    assert "output starts anew: it told class 0, class 1, class 2 apart, and now class 1, class 2, zebra" in said


def test_what_does_not_fit_is_a_sentence_with_both_networks_and_leaves_no_folder(home, first):
    before = sorted((home / "runs").iterdir())
    with pytest.raises(RunError, match="a run of lenet5, not of resnet20 as here") as error:
        started(home, first, model="resnet20")
    assert "model='lenet5' with its options" in str(error.value)
    assert sorted((home / "runs").iterdir()) == before


@pytest.mark.parametrize("harm", ["stopped", "damaged", "no weights", "none"])
def test_a_run_that_is_not_whole_is_told(home, first, tmp_path, harm):
    copy = tmp_path / "copy"
    if harm != "none":
        shutil.copytree(first.folder, copy)
    facts = json.loads((first.folder / "run.json").read_text())
    if harm == "stopped":
        (copy / "run.json").write_text(json.dumps(facts | {"status": "stopped"}))
        _, said = started(home, copy)
        assert f"{copy} is stopped, not done: these are its best weights until now" in said
        return
    if harm == "damaged":
        (copy / "run.json").write_text("{")
    elif harm == "no weights":
        shutil.rmtree(copy / "checkpoints")
        (copy / "checkpoints").mkdir()
    cause = {"damaged": "run.json", "no weights": "no weights are saved here", "none": "no such file"}[harm]
    with pytest.raises(RunError, match=cause):
        started(home, copy)


def test_a_run_is_named_by_a_path_by_itself_or_beside_a_recipe(home, first, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "runs")
    for named in (first, first.folder, f"~/runs/{first.name}", first.name, f"{first.name}/checkpoints/best"):
        start = start_of(recipe_of(data="digits", weights=named).weights)
        assert start.facts["id"] == first.facts["id"]
        assert start.facts["sha256"] == digest(first.weights)
    for named in (None, "imagenet", "runs", f"{first.name}/none"):
        assert start_of(named) is None
    (home / "recipe.toml").write_text(f"data = 'photos'\nweights = 'runs/{first.name}'\n")
    monkeypatch.chdir(tmp_path)
    assert read_toml(home / "recipe.toml").weights == str(home / "runs" / first.name)


def test_more_epochs_of_a_run_that_goes_on_are_named_as_a_new_run(first):
    with pytest.raises(UsageError, match=f"more epochs are a new run: striate train DATA --weights {first.folder}"):
        striate.train(resume=first.folder, epochs=80)
    with pytest.raises(RunError, match=f"more epochs are a new run: `striate train DATA --weights {first.folder}`"):
        resume_run(first.folder, Execution(), Notes())
