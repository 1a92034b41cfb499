"""Explaining pictures: sealed ones are an opening, what cannot be asked opens nothing, every task has its target."""

import dataclasses
import sys

import numpy as np
import pytest
from nets import seeded
from PIL import Image
from safetensors.torch import save_file

import striate
from pictures import photo
from small import photographs, train
from striate.base.errors import MachineError, RunError, UsageError
from striate.data.preprocess import Preprocess
from striate.inside.explained import METHODS, explained, question
from striate.models.build import build
from striate.predictor import Member, Predictor, together
from striate.runs.openings import times_opened
from striate.tasks.anomaly import Anomaly
from striate.tasks.classify import Classify
from striate.tasks.reconstruct import Reconstruct
from striate.tasks.segment import Segment
from typed import call, rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    photographs(home / "photos")
    return train(
        home / "runs",
        data=str(home / "photos"),
        model="lenet5",
        model_options={"activation": "relu"},
        batch=9,
        epochs=1,
    )


def opened(run):
    return times_opened(run.folder, run.facts["split"]["test"]["digest"])


def files(run, *names):
    root = run.folder.parents[1] / "photos"
    return [root / line.name for name in names for line in run.lines if line.subset == name]


def test_a_sealed_picture_is_an_opening_and_another_is_none(run):
    before = opened(run)
    found = striate.explain(run, files(run, "train")[:2])
    assert [each.method for each in found] == ["grad-cam", "grad-cam"]  # lenet5 does not end in a mean
    assert opened(run) == before
    assert not any("sealed" in note for each in found for note in each.notes)
    found = striate.explain(run, [*files(run, "val")[:1], *files(run, "test")[:2]])
    assert opened(run) == before + 1
    told = f"2 are of this run's sealed test set, which has now been opened {before + 1} times"
    assert told in found[-1].notes


@pytest.mark.parametrize(
    ("asked", "cause"),
    [
        ({"label": "class 9"}, "'class 9' is no class of this network"),
        ({"label": "class 9", "method": "occlusion"}, "'class 9' is no class of this network"),
        ({"method": "cam"}, "does not end in the mean"),
        ({"method": "none"}, "'none' is none"),
        ({"method": "grad-cam", "layer": "c9"}, "'c9' is no layer"),
        ({"method": "cam", "layer": "c3"}, "cam looks at none that is chosen"),
        ({"method": "deconvnet", "feature": 99}, "has maps 0 to 15, and no 99"),
        ({"feature": 1}, "it is of a deconvnet's feature map"),
        ({"weights": "imagenet"}, "a run has its own"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence_and_opens_no_test_set(run, asked, cause):
    before = opened(run)
    with pytest.raises(UsageError, match=cause):
        striate.explain(run, files(run, "test"), **asked)
    assert opened(run) == before


def test_the_test_set_of_a_training_that_is_not_done_stays_closed(run):
    stopped, before = dataclasses.replace(run, facts={**run.facts, "status": "stopped"}), opened(run)
    with pytest.raises(RunError, match=r"this training is stopped: its sealed .* stays closed"):
        striate.explain(stopped, files(run, "test"))
    assert opened(run) == before


def test_every_method_at_once_with_the_reason_of_those_that_do_not_serve(run):
    pytest.importorskip("captum.attr")
    found = {each.method: each for each in striate.explain(run, files(run, "val")[0], method="all")}
    assert tuple(found) == METHODS
    assert found["cam"].status.startswith("the network does not end in the mean of a layer's maps")
    assert found["cam"].values is None
    assert found["cam"].picture is None
    for name in set(METHODS) - {"cam"}:
        values = found[name].values
        assert values.shape[-2:] == (32, 32)
        assert values.ndim == (2 if name in ("grad-cam", "occlusion") else 3)
        assert np.isfinite(values).all()
        assert np.abs(values).max() > 0
        assert found[name].picture.shape == (256, 256, 3)
        assert found[name].picture.std() > 1


def test_where_captum_is_missing_that_is_told_before_anything_is_opened(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    before = opened(run)
    with pytest.raises(MachineError, match=r"it needs the package captum"):
        striate.explain(run, files(run, "test"), method="occlusion")
    assert opened(run) == before
    found = {each.method: each for each in striate.explain(run, files(run, "val")[0], method="all")}
    assert found["occlusion"].status == "it needs the package captum, which is not installed"
    assert found["grad-cam"].status == "ok"


def test_another_class_has_another_map_and_the_answered_one_is_meant_otherwise(run):
    pictures = files(run, "val")
    answered = run.predict(pictures[0]).label
    usual, same = striate.explain(run, pictures[0])[0], striate.explain(run, pictures[0], label=answered)[0]
    assert usual.of.startswith(answered)
    np.testing.assert_array_equal(usual.values, same.values)
    others = [name for name in run.classes if name != answered]
    assert any((striate.explain(run, pictures[0], label=each)[0].values != usual.values).any() for each in others)


def test_the_command_writes_pictures_and_a_page_and_nothing_over_another(run, tmp_path, capsys):
    one, other = files(run, "val")[:2]
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    out = tmp_path / "out"
    words = ("explain", run.folder, one, bad, other, "--method", "grad-cam", "deconvnet", "--out", out)
    code, said, _ = call(capsys, *words)
    table = rows(said.rpartition("\n4 pictures")[0])
    assert code == 0
    assert [row["method"] for row in table] == ["grad-cam", "deconvnet", "", "grad-cam", "deconvnet"]
    assert table[2]["written"] == "looks like text"
    with Image.open(table[1]["written"]) as image:
        assert image.size == (256, 256)
    page = (out / "explained.html").read_text()
    assert page.count("<img") == 6
    assert "looks like text" in page
    assert call(capsys, *words)[0] == 2
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["explained.html", *(f"{each.stem}-{way}.png" for each in (one, other) for way in ("grad-cam", "deconvnet"))]
    )
    code, _, err = call(capsys, "explain", run.folder, bad, "--out", tmp_path / "none")
    assert (code, (tmp_path / "none").exists()) == (3, False)
    assert "looks like text" in err
    assert call(capsys, "explain", run.folder, "--out", tmp_path / "none")[0] == 2


def of_task(task, name, side=32, channels=3, **options):
    maps, answers = task.channels(channels)
    wanted = {"outputs": answers} if name == "autoencoder" else {"classes": answers}
    net = seeded(lambda: build(name, channels=maps, **wanted, **options))
    whole = {"whole": True, "resize": "letterbox"} if task.pictures else {}
    return Predictor((Member(net, Preprocess(side, channels, mean=(0.5,), deviation=(0.25,), **whole), task),))


TASKS = {
    "segment": (Segment(("behind", "cell")), "unet_padded", {"width": 4}),
    "reconstruct": (Reconstruct(name="reconstruct", noise=0.0, hidden=0.0), "autoencoder", {}),
    "inpaint": (Reconstruct(name="inpaint", noise=0.0), "unet_padded", {"width": 4}),
    "anomaly": (Anomaly(("good", "odd")), "autoencoder", {}),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", ["grad-cam", "guided", "deconvnet", "smooth", "occlusion", "integrated"])
def test_a_network_whose_answer_is_a_picture_has_its_own_target(task, method):
    if method in ("occlusion", "integrated"):
        pytest.importorskip("captum.attr")
    kind, name, options = TASKS[task]
    predictor = of_task(kind, name, **options)
    picture = photo(40, 24, seed=3)
    (found,) = explained(predictor, picture, "one", question(method, None, None, None), 52_000_000)
    assert found.values.shape[-2:] == (32, 32)
    assert found.values.ndim == 2 or len(found.values) == 3
    assert np.isfinite(found.values).all()
    empty = not found.values.any()
    assert found.notes == (("grad-cam is 0 everywhere: nothing speaks for what is explained",) if empty else ())
    if method != "deconvnet":
        assert found.of.startswith("mean squared error" if task != "segment" else ("behind", "cell"))


def test_of_a_task_without_classes_none_is_explained():
    kind, name, options = TASKS["reconstruct"]
    with pytest.raises(UsageError, match="the task reconstruct answers no classes"):
        explained(of_task(kind, name, **options), photo(32, 32), "one", question(None, "cat", None, None), 52_000_000)


def test_one_network_is_looked_into_and_one_canvas():
    one = of_task(Classify(("a", "b")), "resnet20")
    with pytest.raises(UsageError, match="2 networks answer together"):
        striate.explain(together([one, one]), photo(32, 32))
    kind, name, options = TASKS["segment"]
    (member,) = of_task(kind, name, **options).members
    tiled = Predictor((dataclasses.replace(member, preprocess=Preprocess(32, 3, "tiles", whole=True, stride=16)),))
    with pytest.raises(UsageError, match="is looked at in 4 tiles"):
        striate.explain(tiled, photo(48, 48))


def test_a_network_of_the_catalogue_needs_weights_that_say_what_pictures_they_expect(tmp_path, monkeypatch):
    net = seeded(lambda: build("resnet20"))
    told = '{"mean": [0.4, 0.5, 0.6], "deviation": [0.2, 0.2, 0.3]}'
    save_file(net.state_dict(), tmp_path / "told.safetensors", {"preprocess": told})
    save_file(net.state_dict(), tmp_path / "bare.safetensors")
    Image.fromarray(photo(40, 50)).save(tmp_path / "one.png")
    (found,) = striate.explain("resnet20", tmp_path / "one.png", weights=tmp_path / "told.safetensors")
    assert (found.method, found.layer, found.values.shape) == ("cam", "layer3.2.relu", (32, 32))
    assert found.of.split()[0] in map(str, range(10))
    with pytest.raises(RunError, match="does not say what pictures its weights expect"):
        striate.explain("resnet20", tmp_path / "one.png", weights=tmp_path / "bare.safetensors")
    with pytest.raises(UsageError, match="without weights it has learned nothing"):
        striate.explain("resnet20", tmp_path / "one.png")
    with pytest.raises(UsageError, match="no network has this name"):
        striate.explain("resnet2000", tmp_path / "one.png")
    with pytest.raises(UsageError, match="a network to segment"):
        striate.explain("unet", tmp_path / "one.png")
