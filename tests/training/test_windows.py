"""Training from shards: the bits of a folder where a window holds all, and bits of its own wherever it is stopped."""

import numpy as np
import pytest

from shards import shards_of
from small import Notes, digest, job, photographs, recipe_for, train
from striate.base.errors import DataError, Interrupted
from striate.data import samples
from striate.runs.run import open_run
from striate.training.plan import Execution
from striate.training.train import resume_run
from training.test_exactness import Impatient, rows
from training.test_processes import shared

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:This DataLoader will create")]
RECIPE = recipe_for("classify") | {"batch": 4}


@pytest.fixture
def windows(monkeypatch):
    """Windows of few pictures, so that few make several."""
    monkeypatch.setattr(samples, "WINDOW", 8)


def test_where_a_window_holds_all_shards_give_the_bits_of_the_folder_stopped_or_not(tmp_path):
    folder = photographs(tmp_path / "photos")
    whole = train(tmp_path / "a", data=str(folder), **RECIPE)
    data = shards_of(folder, tmp_path / "tars", 3)
    with pytest.raises(Interrupted):
        train(tmp_path / "b", data=data, listener=Impatient(4), **RECIPE)
    resumed = resume_run(tmp_path / "b" / "set-resnet20-1", Execution(), Notes())
    assert (digest(resumed), rows(resumed)) == (digest(whole), rows(whole))
    assert resumed.facts["data"]["fingerprint"] == whole.facts["data"]["fingerprint"]
    assert resumed.facts["split"] == whole.facts["split"]
    for name in ("split.csv", "predictions.csv"):
        assert (resumed.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert "" == resumed.facts["data"]["order"] == whole.facts["data"]["order"]


def test_a_training_stopped_within_a_window_ends_with_the_same_bits(tmp_path, windows):
    folder = photographs(tmp_path / "photos")
    data = shards_of(folder, tmp_path / "tars", 9)
    whole = train(tmp_path / "a", data=data, execution={"memory": "streamed", "workers": 2}, **RECIPE)
    assert any("9 shards: in training 2 are read at a time" in note for note in whole.facts["data"]["notes"])
    with pytest.raises(Interrupted):
        train(tmp_path / "b", data=data, listener=Impatient(4), **RECIPE)
    stopped = tmp_path / "b" / "set-resnet20-1"
    moved = shards_of(folder, tmp_path / "other", 5)
    with pytest.raises(DataError, match="in other shards: in their order it cannot go on"):
        resume_run(stopped, Execution(), Notes(), moved)
    with pytest.raises(DataError, match="in other shards"):
        resume_run(stopped, Execution(), Notes(), str(folder))
    assert open_run(stopped).status == "stopped"
    (tmp_path / "tars").rename(tmp_path / "moved")
    resumed = resume_run(stopped, Execution(), Notes(), data.replace("tars", "moved"))
    assert (digest(resumed), rows(resumed)) == (digest(whole), rows(whole))


def test_a_batch_is_read_from_few_shards(tmp_path, windows):
    data = shards_of(photographs(tmp_path / "photos"), tmp_path / "tars", 9)
    made = job(tmp_path / "run", data=data, **RECIPE)
    of = made.samples.shards.of
    train = made.units.within(made.split.train)
    counts = [
        len(set(of[part]))
        for epoch in range(4)
        for part in np.array_split(made.units.order(train, 0, epoch), len(train) // 4)
    ]
    assert max(counts) <= 4
    assert np.mean(counts) < 3


def test_two_processes_see_shards_in_the_order_of_one(tmp_path):
    data = shards_of(photographs(tmp_path / "photos"), tmp_path / "tars", 9)
    one, first, second = shared(tmp_path, "classify", data)
    assert [a + b for a, b in zip(first["seen"], second["seen"], strict=True)] == one["seen"]
    assert first["seen"] != second["seen"]
