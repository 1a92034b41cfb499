"""One network whose weights are the mean of several: from one start alone, and no worse on validation."""

import shutil

import numpy as np
import pytest
import torch

import striate
from small import Notes, digest, photographs, train
from striate.base.errors import RunError, UsageError
from striate.evaluate import rows
from striate.runs import averaged, checkpoint
from striate.runs.openings import NAME
from striate.runs.run import open_run
from striate.training.plan import Execution
from striate.training.train import resume_run
from typed import call

pytestmark = pytest.mark.slow
SHORT = {"model": "resnet20", "size": 12, "batch": 9, "epochs": 3, "precision": "float32", "keep_sealed": True}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return str(photographs(tmp_path_factory.mktemp("photos") / "photos"))


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    return train(tmp_path_factory.mktemp("runs"), data=photos, execution={"keep_epochs": 2}, **SHORT)


def epochs(run):
    return checkpoint.read_epochs(run.folder / "checkpoints", run.network.state_dict())


def mean(run, folder, **how):
    return striate.ensemble(run, runs=folder, average="weights", quiet=True, **how)


def openings(folder):
    path = folder / NAME
    return path.read_text().count("test_set") if path.exists() else 0


def no_worse(run, monkeypatch):
    """So that a mean of so short a training is written whatever validation says."""
    monkeypatch.setattr(averaged, "_refuse_worse", lambda *_: None)


def test_the_last_epochs_are_kept_and_change_no_bit_of_a_training_also_over_a_kill(run, photos, tmp_path):
    assert list(epochs(run)) == [2, 3]
    plain = train(tmp_path / "plain", data=photos, **SHORT)
    assert digest(plain) == digest(run)
    with pytest.raises(RunError, match=r"no several epochs are kept.*keep_epochs=5"):
        mean(plain, tmp_path)

    class Stops(Notes):
        def epoch(self, epoch):
            if epoch.row["epoch"] == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", data=photos, execution={"keep_epochs": 2}, listener=Stops(), **SHORT)
    (folder,) = (tmp_path / "killed").iterdir()
    again = resume_run(folder, Execution(keep_epochs=2), Notes())
    for name, found in epochs(run).items():
        assert checkpoint.digest(epochs(again)[name]) == checkpoint.digest(found)


def test_it_is_the_mean_with_batch_norm_measured_anew_and_a_run_like_any_other(run, tmp_path, monkeypatch, capsys):
    no_worse(run, monkeypatch)
    found = mean(run, tmp_path, keep_sealed=True)
    assert (found.status, found.result["subset"], found.epochs, openings(tmp_path)) == ("done", "val", [], 0)
    weights, every = found.weights, list(epochs(run).values())
    for name, tensor in weights.items():
        whole = torch.stack([each[name].double() for each in every]).mean(0)
        if "running" in name:
            assert not torch.allclose(tensor.double(), whole)
        elif tensor.is_floating_point():
            torch.testing.assert_close(tensor, whole.float(), rtol=0, atol=0)
    torch.testing.assert_close(weights["bn1.running_mean"], _first_mean(found), rtol=1e-4, atol=1e-5)
    samples, places = _own(found), found.kept["val"].samples
    np.testing.assert_array_equal(rows.rows_anew(found.predictor, samples, places), found.kept["val"].rows)
    opened = open_run(shutil.copytree(found.folder, tmp_path / "moved" / "one")).evaluate(open_test=True)
    assert opened.numbers["openings"] == 1
    assert "whose weights are the mean of several" in striate.write_report(found).read_text()
    assert striate.train(_data(run), weights=str(found.folder), epochs=1, batch=9, runs=tmp_path / "on", quiet=True)
    code, out, err = call(capsys, "runs", tmp_path)
    assert (code, "resnet20" in out) == (0, True), err


def _data(run):
    return run.facts["data"]["path"]


def _own(run):
    from striate.runs.own import read_own

    return read_own(run.folder, run.facts, labelled=True, masked=False)


def _first_mean(run):
    """What the first convolution gives over all training pictures, by hand."""
    (member,) = run.predictor.members
    places = [place for place, line in enumerate(run.lines) if line.subset == "train"]
    samples = _own(run)
    canvases = [member.preprocess.looks(samples.read(place))[0][0] for place in places]
    pictures = member.preprocess.normalise(torch.from_numpy(np.stack(canvases)))
    conv = next(each for each in member.network.modules() if isinstance(each, torch.nn.Conv2d))
    with torch.no_grad():
        return conv(pictures).mean((0, 2, 3))


def test_a_mean_that_does_worse_on_validation_is_not_written_and_opens_nothing(run, tmp_path, monkeypatch):
    """Epochs with the last layer turned round answer with the least likely class."""
    broken = open_run(shutil.copytree(run.folder, tmp_path / "broken"))
    own = epochs(broken)
    head = [name for name in own[3] if name.startswith(("fc", "head", "classifier"))]
    assert head
    for epoch, weights in own.items():
        turned = {name: -tensor if name in head else tensor for name, tensor in weights.items()}
        checkpoint.save_epoch(broken.folder / "checkpoints", epoch, turned, 9)
    with pytest.raises(RunError, match=r"on validation the mean of weights does worse.*nothing was written"):
        mean(broken, tmp_path / "new")
    assert openings(tmp_path) == 0
    assert not (tmp_path / "new").exists()


def test_runs_with_different_starts_have_no_mean_and_those_of_one_have(run, photos, tmp_path, monkeypatch):
    values = {**SHORT, "epochs": 1, "data": photos}
    others = [train(tmp_path, seed=seed, **values) for seed in range(2)]
    with pytest.raises(RunError, match="began with different weights: the mean of such answers like none"):
        striate.ensemble(*others, runs=tmp_path, average="weights", quiet=True)
    values.pop("size"), values.pop("model")
    tuned = [train(tmp_path, weights=str(run.folder), seed=seed, **values) for seed in range(2)]
    no_worse(run, monkeypatch)
    soup = striate.ensemble(*tuned, runs=tmp_path, average="weights", quiet=True)
    assert [each["of"] for each in soup.facts["averaged"]] == [each.name for each in tuned]
    assert (soup.result["subset"], soup.result["openings"], openings(tmp_path)) == ("test", 1, 1)
    wide = train(tmp_path, weights=str(run.folder), size=16, **values)
    with pytest.raises(RunError, match="its preprocess is not that of"):
        striate.ensemble(tuned[0], wide, runs=tmp_path, average="weights", quiet=True)
    with pytest.raises(UsageError, match="a mean of weights has no shares"):
        mean(run, tmp_path, weigh="validation")
    with pytest.raises(RunError, match="and this takes one"):
        mean(striate.ensemble(*tuned, runs=tmp_path, quiet=True, keep_sealed=True), tmp_path)
