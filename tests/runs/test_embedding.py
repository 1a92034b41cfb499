"""Embedding a sealed picture is an opening of the test set: written down before the picture is looked at, and said."""

import shutil
import zipfile

import numpy as np
import pytest

from pictures import photo
from small import files, opened, photographs, train
from striate.base.errors import UsageError
from striate.evaluate import vectors
from striate.runs import subsets

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    photographs(home / "photos")
    return train(home / "runs", data=str(home / "photos"), model="lenet5", batch=9, epochs=1)


def test_only_sealed_pictures_open_the_test_set(run, tmp_path):
    before = opened(run)
    seen = run.embed(files(run, "train", "val"))
    assert (seen.vectors.shape, seen.vectors.dtype, seen.notes, opened(run)) == ((36, 84), np.float32, (), before)
    sealed = files(run, "test")
    found = run.embed([*files(run, "val"), *sealed])
    assert opened(run) == before + 1
    assert found.notes == (f"9 are of this run's sealed test set, which has now been opened {before + 1} times",)
    copy = shutil.copy(sealed[0], tmp_path / "renamed.bin")
    assert run.embed(copy).notes == (
        f"1 is of this run's sealed test set, which has now been opened {before + 2} times",
    )
    assert set(found.labels) == {"class 0", "class 1", "class 2"}
    # with other pictures beside them some processors add in another order
    np.testing.assert_allclose(found.vectors[:9], run.embed(files(run, "val")).vectors, rtol=1e-5, atol=1e-6)


def test_an_opening_is_written_before_the_first_sealed_picture_is_looked_at_and_once(run, monkeypatch):
    before, told = opened(run), []
    sealed = set(map(str, files(run, "test")))
    look = vectors.canvases

    def looking(member, picture, where, most):
        if where in sealed:
            told.append(opened(run) - before)
            if len(told) == 2:
                raise KeyboardInterrupt  # in the middle: what is done again is the same opening
        return look(member, picture, where, most)

    with monkeypatch.context() as patch:
        patch.setattr(vectors, "canvases", looking)
        with pytest.raises(KeyboardInterrupt):
            run.embed(files(run, "val", "test"))
    assert told == [1, 1]
    run.embed(files(run, "val", "test"))
    assert opened(run) == before + 1
    run.embed(files(run, "val", "test"))
    assert opened(run) == before + 2


def test_a_bad_picture_keeps_its_row_and_has_its_cause(run, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    good = files(run, "val")[0]
    found = run.embed([tmp_path / "bad.png", good, tmp_path / "missing.png"])
    assert found.status == ("looks like text", "ok", "no such file")
    assert np.isnan(found.vectors).all(1).tolist() == [True, False, True]
    assert found.names == (str(tmp_path / "bad.png"), str(good), str(tmp_path / "missing.png"))


def test_built_in_sets_and_pictures_in_memory_are_embedded_too(run):
    digits = run.embed("digits")
    assert (digits.vectors.shape, set(digits.labels)) == ((1797, 84), set("0123456789"))
    assert set(run.embed("cells:number=5,size=64").labels) == {""}
    pictures = [photo(20, 30, seed) for seed in range(3)]
    assert run.embed((pictures, ["a", "b", "a"])).labels == ("a", "b", "a")
    assert run.embed(pictures).vectors.tobytes() == run.embed((pictures, ["a", "b", "a"])).vectors.tobytes()


def test_a_table_and_an_archive_are_embedded_as_their_files_and_their_test_set_is_sealed_too(run, tmp_path):
    paths = files(run, "val")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in paths:
            archive.write(path, f"{path.parent.name}/{path.name}")
    alone = run.embed(paths)
    whole = run.embed((str(tmp_path / "photos.zip"),))  # as the shell names it
    assert sorted(whole.labels) == sorted(alone.labels)
    assert sorted(map(bytes, whole.vectors)) == sorted(map(bytes, alone.vectors))
    sealed = files(run, "test")[:1]
    table = sealed[0].parent / "sealed.csv"
    table.write_text("path,label\n" + "".join(f"{path.name},a\n" for path in sealed))
    before = opened(run)
    run.embed(table)
    table.unlink()
    assert opened(run) == before + 1


def test_the_test_set_of_an_evaluation_and_an_embedding_are_counted_together(run):
    before = opened(run)
    run.evaluate(open_test=True)
    assert run.embed(files(run, "test")).notes[0].endswith(f"opened {before + 2} times")
    assert len(subsets.lines(run.folder, run.facts)) == 45


def test_a_step_between_is_at_least_the_two_ends(run):
    with pytest.raises(UsageError, match="1 is out of range"):
        run.between("one.png", "other.png", steps=1)


@pytest.mark.parametrize(("one", "other", "count"), [("one.png", "one.png", 1), ("*/0*.png", "other.png", 19)])
def test_it_is_two_pictures_that_something_lies_between(run, monkeypatch, one, other, count):
    monkeypatch.chdir(run.folder.parents[1] / "photos")
    with pytest.raises(UsageError, match=f"between: these are not two pictures, but {count}"):
        run.between(one, other)
