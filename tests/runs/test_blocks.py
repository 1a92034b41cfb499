"""Blocks and gates of runs: numbers as by hand, on validation pictures alone, paired with the whole network."""

import copy
import dataclasses
import json
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

import striate
from small import photographs, photographs_with_masks, train
from striate.base.errors import DataError, UsageError
from striate.predictor import Predictor
from striate.runs import shown
from striate.runs.blocks import blocks
from striate.runs.openings import times_opened
from striate.runs.run import open_run
from typed import call, rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    recipe = {"model": "resnet20", "model_options": {"se": 16}, "batch": 9, "epochs": 2, "size": 16}
    return train(home / "runs", data=str(photographs(home / "photos")), **recipe)


def given(run, subset):
    """The pictures of a subset, one by one, as the network is given them, and their classes."""
    (member,) = run.predictor.members
    root = run.folder.parents[1] / "photos"
    lines = [line for line in run.lines if line.subset == subset]
    looks = [member.preprocess.looks((root / line.name).read_bytes())[0][0] for line in lines]
    pictures = [member.preprocess.normalise(torch.from_numpy(each)[None]) for each in looks]
    return pictures, np.array([run.classes.index(line.label) for line in lines])


def quiet(done, total):
    pass


@torch.no_grad()
def test_numbers_are_those_by_hand_one_picture_at_a_time(run):
    found = striate.blocks(run)
    net = copy.deepcopy(run.network)
    pictures, classes = given(run, "val")
    assert [each.name for each in found.blocks] == [
        f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3)
    ]
    assert not any(each.projects for each in found.blocks)  # zeros are padded
    norms = {each.name: [] for each in found.blocks}
    right = np.array([int(net(each).argmax()) for each in pictures]) == classes
    for picture in pictures:
        x = net[:3](picture)
        for block in found.blocks:
            layer = net.get_submodule(block.name)
            y = layer.se(layer.bn2(layer.conv2(layer.relu1(layer.bn1(layer.conv1(x))))))
            beside = layer.downsample(x)
            norms[block.name].append([float(part.double().norm()) for part in (y, beside)])
            x = layer.relu(y + beside)
    for block in found.blocks:
        branch, shortcut = np.array(norms[block.name]).T
        assert block.branch == pytest.approx(branch.mean(), rel=1e-6)
        assert block.shortcut == pytest.approx(shortcut.mean(), rel=1e-6)
        assert block.share == pytest.approx((branch / (branch + shortcut)).mean(), rel=1e-6)
        less = copy.deepcopy(net)
        gate = less.get_submodule(block.name).se  # no bias of its own after it: maps times 0 are 0
        gate.forward = torch.zeros_like
        other = np.array([int(less(each).argmax()) for each in pictures]) == classes
        assert block.without == other.mean()
        assert block.lost.difference == pytest.approx(right.mean() - other.mean())
        assert (block.lost.better, block.lost.worse) == ((right & ~other).sum(), (other & ~right).sum())
        assert block.p >= block.lost.p
    assert found.whole.value == right.mean()
    assert found.whole.n == len(pictures)


def test_a_block_whose_branch_is_0_loses_exactly_nothing(run):
    (member,) = run.predictor.members
    net = copy.deepcopy(member.network)
    planted = net.layer2[1]
    with torch.no_grad():
        planted.bn2.weight.zero_()
        planted.bn2.bias.zero_()
    predictor = Predictor((dataclasses.replace(member, network=net),))
    found = blocks(predictor, (run.folder, run.facts), "val", 500, None, 0, quiet)
    block = {each.name: each for each in found.blocks}["layer2.1"]
    assert (block.branch, block.share, block.lost.difference, block.p) == (0.0, 0.0, 0.0, 1.0)
    assert block.without == found.whole.value
    assert block.shortcut > 0


def test_fewer_pictures_are_some_of_the_same_and_none_is_sealed(run):
    before = times_opened(run.folder, run.facts["split"]["test"]["digest"])
    seen = []
    hook = run.network.register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))
    few = striate.blocks(run, pictures=4)
    hook.remove()
    assert few.whole.n == 4
    assert striate.blocks(run, pictures=4) == few
    allowed = {each.numpy().tobytes() for each in given(run, "val")[0]}
    assert {each.numpy().tobytes() for batch in seen for each in batch[:, None]} <= allowed
    whole = striate.blocks(run, subset="train")
    assert whole.whole.n == run.facts["split"]["train"]["n"]
    assert "the network was trained on these pictures" in whole.notes[0]
    assert times_opened(run.folder, run.facts["split"]["test"]["digest"]) == before
    with pytest.raises(UsageError, match="the test set decides nothing"):
        striate.blocks(run, subset="test")


@torch.no_grad()
def test_gates_are_means_over_the_pictures_of_each_class(run):
    found = striate.gates(run)
    net = copy.deepcopy(run.network)
    pictures, classes = given(run, "val")
    kept = {name: [] for name in found.means}
    for name, each in kept.items():
        net.get_submodule(f"{name}.sigmoid").register_forward_hook(
            lambda _m, _a, made, each=each: each.append(made.flatten())
        )
    for picture in pictures:
        net(picture)
    assert list(found.means) == [f"layer{stage}.{block}.se" for stage in (1, 2, 3) for block in range(3)]
    assert found.pictures == tuple(np.bincount(classes))
    for name, each in kept.items():
        values = torch.stack(each).double().numpy()
        for place in range(3):
            np.testing.assert_allclose(found.means[name][place], values[classes == place].mean(0), rtol=1e-6)
            np.testing.assert_allclose(
                found.spreads[name][place], values[classes == place].std(0), rtol=1e-4, atol=1e-6
            )


def test_of_masks_the_measure_of_that_task_is_lost(tmp_path):
    data = photographs_with_masks(tmp_path / "data")
    run = train(tmp_path / "runs", data=str(data), task="segment", model="unet_resnet18", size=32, batch=9, epochs=1)
    found = striate.blocks(run)
    assert found.whole.name == run.result["numbers"][0]["name"]
    assert len(found.blocks) == 8
    assert found.whole.as_dict() == run.evaluate().numbers["numbers"][0]
    for each in found.blocks:
        assert each.lost.method == "bootstrap over pictures"
        assert each.lost.difference == pytest.approx(found.whole.value - each.without)
        assert each.branch > 0


def test_the_command_prints_draws_and_keeps(run, tmp_path, capsys):
    out = tmp_path / "blocks.svg"
    code, said, _ = call(capsys, "blocks", run.folder, "--out", out, "--keep", "--json")
    assert code == 0
    told = json.loads(said.splitlines()[-1])
    found = striate.blocks(run)
    assert [each["branch"] for each in told["blocks"]] == [each.branch for each in found.blocks]
    assert any(note.startswith("1 picture kept in ") for note in told["notes"])
    root = ElementTree.fromstring(out.read_text())
    words = " ".join(text for text in root.itertext())
    assert "norm of F(x)" in words
    assert "layer3" in words
    (kept,) = [each for each in shown.read(run.folder)[0] if each.title.startswith("What each residual block")]
    assert "norm of F(x)" in kept.pictures[0].drawn
    assert "whole network: accuracy" in kept.pictures[0].caption
    code, said, _ = call(capsys, "blocks", run.folder)
    assert [row["block"] for row in rows(said)][:9] == [each.name for each in found.blocks]
    assert f"whole network: {found.whole}" in said
    code, said, _ = call(capsys, "gates", run.folder, "--keep", "--out", tmp_path / "gates.svg")
    assert code == 0
    assert rows(said)[0]["gates of"] == "layer1.0.se"
    assert sorted(path.name for path in (run.folder / "inside").iterdir()) == ["blocks", "gates"]
    striate.write_report(run)
    page = (run.folder / "report.html").read_text()
    assert page.count("data:image/svg+xml") == 2


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("--subset", "test"), "subset"),
        (("--pictures", "0"), "0 is out of range"),
        (("--out", "blocks.png"), "does not end in .svg"),
        (("--force",), "it changes nothing"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(run, words, cause, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for verb in ("blocks", "gates"):
        code, _, err = call(capsys, verb, run.folder, *words)
        assert code in (2, 3)
        assert cause in err
        assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_what_has_no_block_no_picture_or_no_data_is_refused(tmp_path, run):
    pictures, labels = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8), np.arange(40) % 2
    recipe = {"data": (pictures, labels), "epochs": 1, "batch": 8, "size": 16}
    plain = train(tmp_path / "runs", model="plain20", **recipe)
    for asked, cause in ((striate.blocks, "no residual block that is known"), (striate.gates, "no squeeze-excitation")):
        with pytest.raises(UsageError, match=cause):
            asked(plain)
    held = train(tmp_path / "runs", model="resnet20", **recipe)
    with pytest.raises(DataError, match="are nowhere on disk"):
        striate.blocks(held)
    assert striate.blocks(held, data=(pictures, labels)).whole.n == held.facts["split"]["val"]["n"]
    few = dataclasses.replace(
        open_run(run.folder), facts={**run.facts, "split": {**run.facts["split"], "val": {"n": 0}}}
    )
    with pytest.raises(UsageError, match="has no validation pictures"):
        striate.blocks(few)
