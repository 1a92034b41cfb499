"""`--check names`: nothing is opened before training, and what a test set is stays known and counted all the same."""

import os
import signal

import numpy as np
import pytest
from PIL import Image

from small import Notes, digest, train
from striate.base.errors import DataError, Interrupted, RunError, UsageError
from striate.data.load import read_samples
from striate.data.splits import cut
from striate.runs.run import open_run
from striate.training.execution import Execution
from striate.training.train import resume_run

SHORT = {"model": "lenet5", "size": 32, "augment": "none", "batch": 8, "epochs": 2}


@pytest.fixture
def photos(tmp_path):
    """train/, val/ and test/ of two classes, light and dark."""
    rng = np.random.default_rng(0)
    for subset, count in (("train", 12), ("val", 4), ("test", 4)):
        for label, light in (("dark", 60), ("light", 160)):
            folder = tmp_path / "photos" / subset / label
            folder.mkdir(parents=True)
            for place in range(count):
                pixels = rng.integers(light, light + 60, (32, 32), np.uint8)
                Image.fromarray(pixels).save(folder / f"{place:02}.png")
    return tmp_path / "photos"


@pytest.fixture
def flat(photos, tmp_path):
    """The same in class folders alone."""
    for label in ("dark", "light"):
        (tmp_path / "flat" / label).mkdir(parents=True)
        for place, path in enumerate(sorted(photos.glob(f"*/{label}/*.png"))):
            path.rename(tmp_path / "flat" / label / f"{place:02}.png")
    return tmp_path / "flat"


class Impatient(Notes):
    """Sends this process a signal in the second epoch."""

    def progress(self, name, done, total, left=None):
        if name.startswith("epoch 2 of") and done == 1:
            os.kill(os.getpid(), signal.SIGINT)


def table_of(flat):
    rows = [f"{path.relative_to(flat)},{path.parent.name}" for path in sorted(flat.glob("*/*.png"))]
    (flat / "table.csv").write_text("\n".join(["path,label", *rows]))
    return flat / "table.csv"


@pytest.mark.parametrize("source", ["folder", "table"])
def test_nothing_is_opened(flat, source):
    data = flat if source == "folder" else table_of(flat)
    before = read_samples(data, check="names")
    for path in flat.glob("*/*.png"):
        path.write_bytes(b"no picture at all")
    samples = read_samples(data, check="names")
    assert samples.fingerprint == before.fingerprint
    assert samples.split_by == "name"
    assert len(samples) == 40
    assert any("split by name" in note for note in samples.notes)
    with pytest.raises(DataError):
        read_samples(data)


def test_a_row_without_a_file_is_told_as_ever(flat):
    table = table_of(flat)
    (flat / "dark/03.png").unlink()
    samples = read_samples(table, check="names", max_bad=0.1)
    assert [(skip.name, skip.cause) for skip in samples.skipped] == [("dark/03.png", "no such file")]
    assert "dark/03.png" not in samples.names
    with pytest.raises(
        DataError, match=r"1 of 40 files of the data cannot be used, more than 1 %: 1 file: no such file"
    ):
        read_samples(table, check="names")


def test_of_given_subsets_the_weights_are_those_of_a_full_check_and_openings_are_counted_together(photos, tmp_path):
    recipe, notes = {"data": str(photos), **SHORT, "epochs": 1}, Notes()
    full = train(tmp_path / "runs", **recipe)
    named = train(tmp_path / "runs", check="names", listener=notes, **recipe)
    assert digest(named) == digest(full)
    assert (full.result["openings"], named.result["openings"]) == (1, 2)
    assert named.facts["data"]["split_by"] == named.result["split_by"] == "name"
    assert "split_by" not in full.facts["data"]
    assert any("split by name" in text for text in notes.said)
    sealed = (named.folder / "sealed.csv").read_text().split()[1:]
    assert sealed == [line.digest for line in full.lines if line.subset == "test"]
    assert named.facts["split"]["test"]["contents"] == full.facts["split"]["test"]["digest"]
    assert {line.digest for line in named.lines}.isdisjoint(line.digest for line in full.lines)
    found = named.evaluate(str(photos / "test"))
    assert any("8 are of this run's sealed test set, which has now been opened 3 times" in note for note in found.notes)
    assert any("which pictures it was trained on is not known" in note for note in found.notes)


def test_a_training_that_is_stopped_goes_on_with_the_same_bits(flat, tmp_path):
    recipe = {"data": str(flat), "check": "names", **SHORT, "augment": "standard"}
    whole = train(tmp_path / "a", **recipe)
    with pytest.raises(Interrupted):
        train(tmp_path / "b", listener=Impatient(), **recipe)
    stopped = open_run(tmp_path / "b" / whole.folder.name)
    with pytest.raises(RunError, match="until this training is done nobody can tell which pictures are of its sealed"):
        stopped.evaluate(str(flat))
    resumed = resume_run(stopped.folder, Execution(), Notes())
    assert digest(resumed) == digest(whole)
    assert resumed.result["numbers"] == whole.result["numbers"]
    assert (resumed.folder / "split.csv").read_bytes() == (whole.folder / "split.csv").read_bytes()
    (flat / "dark/00.png").rename(flat / "dark/renamed.png")
    with pytest.raises(DataError, match="not the data that"):
        resumed.evaluate(open_test=True)


@pytest.mark.parametrize("harm", [lambda data: b"no picture at all", lambda data: data[:-60]], ids=["text", "cut"])
def test_a_bad_picture_stops_the_training_and_is_named(flat, tmp_path, harm):
    samples = read_samples(flat, check="names")
    learned = samples.names[int(cut(samples, (0.6, 0.2, 0.2), 0).train[5])]
    (flat / learned).write_bytes(harm((flat / learned).read_bytes()))
    with pytest.raises(DataError, match="--check headers finds all that are bad at once") as caught:
        train(tmp_path / "b", data=str(flat), check="names", **SHORT)
    assert caught.value.where == str(flat / learned)


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"task": "reconstruct", "model": "autoencoder"}, "names: the task reconstruct needs the size of each picture"),
        ({"resize": "tiles"}, "tiles"),
    ],
)
def test_what_needs_every_size_is_refused(flat, tmp_path, more, cause):
    with pytest.raises(UsageError, match=cause):
        train(tmp_path / "runs", data=str(flat), check="names", **({"model": "lenet5"} | more))
