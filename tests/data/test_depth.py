"""Files of 16 bits of which a data set uses fewer: one scale for all, found in training, kept with the weights."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import striate
from pictures import encode, fill, put
from striate.data.feed import Streamed
from striate.data.load import read_samples
from striate.data.preprocess import from_dict
from striate.data.units import units_of


def scan_of(root: Path, tops: list[int]) -> Path:
    """Class folders of pictures of 16 bits, each from 0 to the level given."""
    numbers = np.random.default_rng(4)
    for place, top in enumerate(tops):
        values = numbers.integers(0, top + 1, (32, 32), dtype=np.uint16)
        values[0, :2] = 0, top
        put(root / "ab"[place % 2] / f"{place}.png", encode(values))
    return root


@pytest.mark.parametrize("check", ["full", "headers"])
def test_the_scan_finds_how_many_bits_are_used_and_no_picture_is_called_empty(tmp_path: Path, check: str) -> None:
    samples = read_samples(scan_of(tmp_path, [4000, 900, 200, 120]), check=check)
    assert dict(zip(samples.names, samples.tops, strict=True)) == {
        "a/0.png": 4000, "a/2.png": 200, "b/1.png": 900, "b/3.png": 120,
    }  # fmt: skip
    assert [samples.white(np.array(some, int)) for some in ([0, 1, 2, 3], [1, 2], [1, 3], [])] == [
        4095,
        1023,
        255,
        65_535,
    ]
    assert not [note for note in samples.notes if "one colour" in note]


def test_files_of_8_bits_need_none(tmp_path: Path) -> None:
    assert read_samples(fill(tmp_path, "cat dog")).white(np.arange(6)) == 65_535
    assert from_dict({"size": 8, "channels": 1}, "run.json").white == 65_535  # a run of before


@pytest.mark.slow
def test_a_run_keeps_the_scale_of_its_training_pictures_and_predicts_with_it(tmp_path: Path) -> None:
    data = scan_of(tmp_path / "data", [4000 - place for place in range(20)])
    run = striate.train(str(data), model="lenet5", epochs=1, batch=9, channels=1, augment="none", runs=tmp_path)
    assert run.preprocess.white == 4095
    (note,) = (each for each in run.facts["data"]["notes"] if "reach" in each)
    assert note.endswith("in training: levels 0 to 4,095 become 0 to 255 (--depth 16 keeps all)")
    samples = read_samples(data)
    path = data / samples.names[3]
    ((canvas, _),) = run.preprocess.looks(path.read_bytes())
    feed = Streamed(units_of(samples), run.preprocess, torch.device("cpu"), 0)
    assert (next(iter(feed.batches([np.array([3])]))).pictures[0].numpy() == canvas).all()
    assert len(np.unique(canvas)) > 200
    before = dataclasses.replace(run.preprocess, white=65_535)
    assert len(np.unique(before.looks(path.read_bytes())[0][0])) < 20
