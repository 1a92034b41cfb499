"""The landscape of a run: its own training pictures, its own loss, and nothing of it changed."""

import hashlib
import json

import numpy as np
import pytest
import torch

import striate
from small import data_of, photographs, recipe_for, train
from striate.base.errors import DataError, RunError, UsageError
from striate.runs import landscape as landscapes
from striate.runs import subsets
from striate.runs.run import open_run
from striate.shell.cli import app

pytestmark = pytest.mark.slow
RECIPE = {"model": "resnet20", "size": 16, "batch": 9, "epochs": 2, "keep_sealed": True}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("landscape")
    return train(home / "runs", data=str(photographs(home / "photos")), execution={"keep_epochs": 1}, **RECIPE)


def files(run):
    paths = (path for path in sorted(run.folder.rglob("*")) if path.is_file() and "inside" not in path.parts)
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def loss_of(run, places):
    """Cross-entropy of what the run answers to its pictures, with the recipe's label smoothing."""
    root, lines = run.facts["data"]["root"], [run.lines[place] for place in places]
    answers = [dict(each.top) for each in run.predict([f"{root}/{line.name}" for line in lines], top=3)]
    chances = torch.tensor([[answer[name] for name in run.classes] for answer in answers]).double()
    truth = torch.tensor([run.classes.index(line.label) for line in lines])
    return float(torch.nn.functional.cross_entropy(chances.log(), truth, label_smoothing=run.task.label_smoothing))


def test_the_middle_is_the_run_s_loss_on_training_pictures_and_the_run_is_left_as_it_was(run):
    before, weights = files(run), {name: value.clone() for name, value in run.network.state_dict().items()}
    found = striate.landscape(run, points=3, pictures=10_000)
    places = subsets.places(run.lines, "train")
    assert found.pictures == len(places)
    assert found.found.loss == pytest.approx(loss_of(run, places), rel=1e-4)
    assert files(open_run(run.folder)) == before
    assert all(torch.equal(weights[name], value) for name, value in run.network.state_dict().items())
    assert striate.landscape(run.folder, points=3, pictures=10_000) == found
    assert any("frozen" in note for note in found.notes)
    assert found.svg.startswith("<svg ")
    assert "at the weights" in str(found)


def test_only_training_pictures_are_looked_at(run, monkeypatch):
    looked, given = [], landscapes.given

    def seen(task, batch, units):
        looked.append(units.of[batch.indices])
        return given(task, batch, units)

    monkeypatch.setattr(landscapes, "given", seen)
    striate.landscape(run, points=3, pictures=10)
    places = np.concatenate(looked)
    assert len(set(places)) == len(places) == 10
    assert set(places) <= set(subsets.places(run.lines, "train"))


def test_along_the_gradient_there_is_the_start_each_epoch_that_was_kept_and_the_end(run):
    found = striate.landscape(run, of="gradient", points=3, pictures=12)
    assert [each.state for each in found.found] == ["the start", "epoch 2", "the chosen weights"]
    assert any("at the start running statistics" in note for note in found.notes)
    rate = run.recipe["rate"]
    assert all(each.steps == pytest.approx((rate / 2, 2.25 * rate, 4 * rate)) for each in found.found)
    start, last = found.found[0], found.found[-1]
    assert start.loss == pytest.approx(np.log(3), abs=1.0)
    assert min(last.losses) < last.loss, "against the gradient the loss falls"
    again = train(run.folder.parent / "again", data=run.facts["data"]["path"], **RECIPE | {"epochs": 1})
    other = striate.landscape(again, of="gradient", points=3, pictures=12)
    assert other.found[0] == start, "the seed alone decides how a training begins"
    assert other.found[1] != last


def test_it_is_a_figure_a_line_and_a_part_of_the_report(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["landscape", str(run.folder), "--points", "3", "--pictures", "6", "--keep", "--json"]
    app(words, result_action="return_value")
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["losses"][1][1] == told["loss"] == told["plain"][1]
    assert (tmp_path / "landscape.svg").read_text().count("<svg ") == 1
    page = striate.write_report(run).read_text()
    assert "Loss around the weights" in page
    (tmp_path / "landscape.svg").write_text("somebody's")
    with pytest.raises(UsageError, match="striate did not write it"):
        app(words, result_action="return_value")


@pytest.mark.parametrize(
    ("asked", "cause"),
    [
        ({"points": 4}, "points"),
        ({"points": 1}, "points"),
        ({"points": 103}, "points"),
        ({"pictures": 0}, "pictures"),
        ({"of": "moon"}, "'moon' is none"),
    ],
)
def test_what_cannot_be_asked_is_refused(run, asked, cause):
    with pytest.raises(UsageError, match=cause):
        striate.landscape(run, **asked)


def test_pictures_in_memory_are_asked_for_and_those_of_others_refused(tmp_path):
    numbers = np.random.default_rng(0)
    data = numbers.integers(0, 256, (40, 16, 16, 1), dtype=np.uint8), np.arange(40) % 2
    run = train(tmp_path, data=data, **RECIPE | {"epochs": 1})
    with pytest.raises(DataError, match="in memory"):
        striate.landscape(run, points=3)
    assert striate.landscape(run, points=3, pictures=4, data=data).pictures == 4
    with pytest.raises(DataError, match="not the data"):
        striate.landscape(run, points=3, data=(data[0][::-1] // 2, data[1]))


@pytest.mark.parametrize(
    "task", ["inpaint", *(pytest.param(task, marks=pytest.mark.whole) for task in ("segment", "anomaly"))]
)
def test_every_task_has_a_landscape(tmp_path, task):
    made = train(tmp_path / "runs", data=data_of("folder", tmp_path, task), **recipe_for(task) | {"epochs": 1})
    for of in ("plane", "gradient"):
        found = striate.landscape(made, of=of, points=3, pictures=4)
        assert "loss" in str(found)


def test_several_networks_are_refused(tmp_path, run):
    other = train(tmp_path, data=run.facts["data"]["path"], **RECIPE | {"seed": 1})
    joined = striate.ensemble(run, other, runs=tmp_path, keep_sealed=True, quiet=True)
    with pytest.raises(RunError, match="takes one"):
        striate.landscape(joined, points=3)
