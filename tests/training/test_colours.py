"""Mean and deviation are those of all training pictures, or of a sample that is said; they are measured once."""

import numpy as np
import pytest
import torch

from small import job, photographs
from striate.data.cache import VARIABLE
from striate.data.feed import Resident
from striate.data.preprocess import measure
from striate.training import colours

pytestmark = pytest.mark.slow


def counted(monkeypatch):
    """What is asked of resident pictures, in their order."""
    asked, own = list[int](), Resident.batches

    def batches(self, groups):
        for batch in own(self, groups):
            asked.extend(map(int, batch.indices))
            yield batch

    monkeypatch.setattr(Resident, "batches", batches)
    return asked


def test_what_was_measured_is_known_from_before(tmp_path, monkeypatch):
    photos = photographs(tmp_path / "photos")
    recipe = {"data": str(photos), "model": "lenet5", "size": 32, "epochs": 1}
    plain = job(tmp_path / "a", **recipe).preprocess
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kept"))
    asked = counted(monkeypatch)
    first = job(tmp_path / "b", **recipe)
    assert sorted(asked) == first.split.train.tolist()
    asked.clear()
    assert plain == first.preprocess == job(tmp_path / "c", **recipe).preprocess
    assert asked == []
    other = job(tmp_path / "d", **recipe | {"split_seed": 1})
    assert sorted(asked) == other.split.train.tolist()
    asked.clear()
    job(tmp_path / "e", **recipe | {"resize": "crop"})
    assert len(asked) == len(other.split.train)


def test_what_is_known_by_name_alone_is_measured_anew(tmp_path, monkeypatch):
    """Its bytes may be others by now."""
    photos = photographs(tmp_path / "photos")
    recipe = {"data": str(photos), "model": "lenet5", "size": 32, "epochs": 1, "check": "names"}
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kept"))
    asked = counted(monkeypatch)
    first = job(tmp_path / "a", **recipe)
    count = len(asked)
    assert count >= len(first.split.train)
    monkeypatch.setattr(colours, "MOST", 10)
    assert colours.note(first.units, first.split.train)[0].endswith("chosen by their names")
    monkeypatch.undo()
    asked = counted(monkeypatch)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kept"))
    job(tmp_path / "b", **recipe)
    assert len(asked) == count


def test_above_so_many_it_is_a_sample_that_the_contents_choose_and_the_notes_say_so(tmp_path, monkeypatch):
    photos = photographs(tmp_path / "photos")
    recipe = {"data": str(photos), "model": "lenet5", "size": 32, "epochs": 1, "augment": "none"}
    whole = job(tmp_path / "a", **recipe)
    assert not any("mean and deviation" in note for note in whole.samples.notes)
    monkeypatch.setattr(colours, "MOST", 10)
    asked = counted(monkeypatch)
    some = job(tmp_path / "b", **recipe)
    train, keys = some.split.train, some.samples.keys(some.split.train)
    assert sorted(asked) == sorted(train[np.argsort(keys)[:10]].tolist())
    pictures = torch.cat([batch.pictures for batch in some.train.batches([np.array(sorted(asked))])])
    assert some.preprocess.mean == measure([pictures]).mean != whole.preprocess.mean
    assert f"mean and deviation are those of 10 of {len(train)} training pictures, chosen by their contents" in (
        some.samples.notes
    )
