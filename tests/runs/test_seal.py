"""Showing a run's network a sealed picture is an opening of the test set, written down before, and said."""

import dataclasses
import hashlib
import shutil

import numpy as np
import pytest
from PIL import Image

import striate
from small import files, opened, photographs, train
from striate.base.errors import RunError, UsageError
from striate.runs import sealed as seals
from striate.runs import subsets
from striate.runs.run import open_run
from typed import call

pytestmark = pytest.mark.slow
# A row for each verb that shows pictures to a run's network; each gives what it says of them.
SHOWN = {
    "predict": lambda run, pictures: run.predict(pictures)[-1].notes,
    "top": lambda run, pictures: run.predict(pictures, top=1)[-1].notes,
    "embed": lambda run, pictures: run.embed(pictures).notes,
    "explain": lambda run, pictures: striate.explain(run, pictures, method="grad-cam")[-1].notes,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    photographs(home / "photos")
    return train(home / "runs", data=str(home / "photos"), model="lenet5", batch=9, epochs=1)


@pytest.mark.parametrize("shown", SHOWN)
def test_a_sealed_picture_opens_the_test_set_under_any_name_and_no_other_does(run, shown, tmp_path):
    before = opened(run)
    assert SHOWN[shown](run, files(run, "train", "val")) == ()
    assert opened(run) == before
    copies = [shutil.copy(path, tmp_path / f"{place}.bin") for place, path in enumerate(files(run, "test"))]
    said = SHOWN[shown](run, [*files(run, "val")[:2], *copies[:3]])
    assert said == (f"3 are of this run's sealed test set, which has now been opened {before + 1} times",)
    assert opened(run) == before + 1


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize("status", ["running", "stopped"])
def test_the_test_set_of_a_training_that_is_not_done_stays_closed(run, shown, status):
    stopped, before = dataclasses.replace(run, facts={**run.facts, "status": status}), opened(run)
    assert SHOWN[shown](stopped, files(run, "val")) == ()
    with pytest.raises(RunError, match=rf"this training is {status}: its sealed .* stays closed"):
        SHOWN[shown](stopped, files(run, "val", "test"))
    with pytest.raises(RunError, match=rf"{status}: its test set, of which 9 pictures are given, stays closed"):
        stopped.evaluate(sealed_folder(run))
    assert opened(run) == before


def sealed_folder(run):
    folder = run.folder.parents[1] / "sealed"
    for path in files(run, "test"):
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.parent.name)
    return folder


def test_an_answer_that_a_kill_stopped_is_the_same_opening_when_it_is_asked_for_again(run, monkeypatch):
    before, sealed = opened(run), files(run, "test")
    look = type(run.preprocess).looks

    def looking(self, picture, where="picture", *more, **named):
        if where == str(sealed[-1]):
            assert opened(run) == before + 1, "it is written down before the first is looked at"
            raise KeyboardInterrupt
        return look(self, picture, where, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(type(run.preprocess), "looks", looking)
        with pytest.raises(KeyboardInterrupt):
            run.predict(sealed)
    assert run.predict(sealed)[-1].notes[0].endswith(f"opened {before + 1} times")
    assert run.predict(sealed)[-1].notes[0].endswith(f"opened {before + 2} times")
    assert opened(run) == before + 2


def test_what_has_no_answer_opens_nothing(run):
    before = opened(run)
    with pytest.raises(UsageError, match="fills none"):
        run.predict(files(run, "test"), holes="none.png")
    broken = open_run(run.folder)
    with_nan = broken.predictor.members[0].network
    next(with_nan.parameters()).data.fill_(float("nan"))
    with pytest.raises(RunError, match="no finite numbers"):
        broken.predict(files(run, "test"))
    assert opened(run) == before


def test_of_ordinary_pictures_the_table_of_the_split_is_not_understood_and_a_run_without_a_seal_digests_nothing(
    run, monkeypatch
):
    for name, harm in (("by_content", subsets), ("Asked", seals)):
        monkeypatch.setattr(harm, name, lambda *_: pytest.fail("nothing sealed was met"))
    other = np.asarray(Image.open(files(run, "test")[0])) // 2
    assert run.predict(other).notes == ()
    split = {**run.facts["split"], "test": {**run.facts["split"]["test"], "n": 0}}
    without = dataclasses.replace(run, facts={**run.facts, "split": split})
    assert without.predictor
    monkeypatch.setattr(hashlib, "sha256", lambda *_: pytest.fail("there is nothing to look up"))
    assert without.predict(files(run, "test"))[-1].notes == ()


def test_the_shell_says_it_once_and_in_json(run, capsys):
    before = opened(run)
    code, out, err = call(capsys, "predict", run.folder, *files(run, "test"))
    assert (code, err.count("sealed test set"), out.count("sealed")) == (0, 1, 0)
    assert f"9 are of this run's sealed test set, which has now been opened {before + 1} times" in err
    code, out, _ = call(capsys, "predict", run.folder, *files(run, "test"), "--json")
    assert (code, f"opened {before + 2} times" in out) == (0, True)
    code, _, err = call(capsys, "predict", run.folder, *files(run, "val"))
    assert (code, "sealed" in err, opened(run)) == (0, False, before + 2)


def test_pictures_in_memory_are_sealed_as_files_are(tmp_path):
    pictures = [np.random.default_rng(seed).integers(0, 256, (16, 16), dtype=np.uint8) for seed in range(30)]
    run = striate.train(
        (pictures, ["a", "b"] * 15), model="lenet5", epochs=1, batch=9, runs=tmp_path / "runs", quiet=True
    )
    sealed = [place for place, line in enumerate(run.lines) if line.subset == "test"]
    before = opened(run)
    assert run.predict([each for place, each in enumerate(pictures) if place not in sealed])[-1].notes == ()
    assert opened(run) == before
    assert len(run.predict([pictures[sealed[0]]])[-1].notes) == 1
    assert opened(run) == before + 1
