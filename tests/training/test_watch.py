"""What is watched of a training is what happened in it, and changes none of its bits."""

import contextlib
import dataclasses
import math
import os
import shutil
import signal
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from samples import sampled
from small import Notes, digest, job, photographs, recipe_for, train
from striate.base.errors import Interrupted, RunError, UsageError
from striate.models.build import build
from striate.models.catalog import catalog, find
from striate.runs.run import open_run
from striate.runs.watched import HEAD, Seen, layers, read_watch, striking, write_watch
from striate.training.execution import Execution
from striate.training.loop import Trainer
from striate.training.signals import Stop
from striate.training.train import resume_run
from striate.training.watch import LEAST, MOST, SHARE, looking, often
from together import ended, started

PHOTOS = {"size": 16, "batch": 9, "epochs": 1}
RANDOM = {"model": "resnet20", "dropout": 0.3, "augment": "strong", "ema": 0.9}
WAYS = {
    "in parts": (1, {**RANDOM, **PHOTOS, "accumulate": 2, "clip": 0.1}),
    "bfloat16": (True, {**RANDOM, **PHOTOS, "precision": "bfloat16"}),
    "a critic": (2, {**recipe_for("inpaint"), **PHOTOS, "size": 32}),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_it_changes_no_bit(tmp_path, way):
    asked, recipe = WAYS[way]
    data = str(photographs(tmp_path / "photos"))
    plain, run = (train(tmp_path, data=data, execution={"watch": watch}, **recipe) for watch in (False, asked))
    assert digest(plain) == digest(run)
    assert read_watch(plain.folder) == []
    every = 2 if asked is True else asked  # while it is not chosen
    assert sorted({row.step for row in read_watch(run.folder)}) == list(range(0, int(run.epochs[-1]["steps"]), every))


def together(folder, data, watch):
    train(folder, data=data, execution={"watch": watch}, precision="float32", device="cpu", **RANDOM, **PHOTOS)


@pytest.mark.slow
def test_several_processes_end_with_the_bits_of_several_that_are_not_watched_and_see_what_one_sees(tmp_path):
    data, runs = str(photographs(tmp_path / "photos")), {}
    for name, count, watch in (("plain", 2, False), ("two", 2, 2), ("one", 1, 2)):
        assert ended(started(count, together, tmp_path / name, data, watch)) == [0] * count
        runs[name] = open_run(tmp_path / name / "photos-resnet20-1")
    assert digest(runs["two"]) == digest(runs["plain"])
    two, one = (read_watch(runs[name].folder) for name in ("two", "one"))
    assert [(row.step, row.layer) for row in two] == [(row.step, row.layer) for row in one]
    first, other = one[0], two[0]  # before any norm, which sees a process's own pictures
    assert (other.mean, other.deviation) == pytest.approx((first.mean, first.deviation), rel=1e-4)
    for ours, theirs in zip(two[: len(layers(one))], one, strict=False):
        assert ours.deviation == pytest.approx(theirs.deviation, rel=0.2)
        assert ours.dead == pytest.approx(theirs.dead, abs=0.1, nan_ok=True)


@pytest.mark.slow
def test_the_compiler_s_code_is_not_looked_into_and_its_bits_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))  # no C++ compiler needed
    torch._dynamo.reset()
    recipe = {
        "data": str(photographs(tmp_path / "photos")),
        "model": "lenet5",
        "compile": True,
        "epochs": 1,
        "batch": 9,
    }
    plain, run = (train(tmp_path, execution={"watch": watch}, precision="float32", **recipe) for watch in (False, 2))
    assert digest(run) == digest(plain)
    rows = read_watch(run.folder)
    assert [row.layer for row in rows[:5]] == ["c1", "c3", "c5", "f6", "output"]
    assert all(math.isnan(row.deviation) and row.gradient > 0 and row.update > 0 for row in rows)


class Stops(Notes):
    """Stops a training in the middle of its second epoch."""

    def progress(self, name, done, total, left=None):
        if name.startswith("epoch 2 of") and done == 2:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("back", [False, True], ids=["where it stopped", "a generation earlier, as after a kill"])
def test_a_training_that_was_stopped_leaves_the_same_rows_none_twice_and_none_missing(tmp_path, back):
    recipe = {"data": str(photographs(tmp_path / "photos")), "model": "lenet5", "batch": 6}
    how = {"watch": 2, "save_every": 0.0}
    whole = train(tmp_path / "a", execution=how, **recipe)
    with pytest.raises(Interrupted):
        train(tmp_path / "b", execution=how, listener=Stops(), **recipe)
    folder = tmp_path / "b" / "photos-lenet5-1"
    if back:
        for newest in sorted((folder / "checkpoints").glob("step-*"))[1:]:
            shutil.rmtree(newest)
    run = resume_run(folder, Execution(), Notes())
    assert digest(run) == digest(whole)
    assert (run.folder / "watch.csv").read_bytes() == (whole.folder / "watch.csv").read_bytes()


@pytest.mark.slow
def test_a_table_that_was_damaged_meanwhile_is_told_and_ends_no_training(tmp_path):
    data, folder = str(photographs(tmp_path / "photos")), tmp_path / "photos-lenet5-1"
    with pytest.raises(Interrupted):
        train(tmp_path, data=data, model="lenet5", batch=6, execution={"watch": 3, "save_every": 0.0}, listener=Stops())
    (folder / "watch.csv").write_text("step\n")
    notes = Notes()
    run = resume_run(folder, Execution(), notes)
    assert any(said.startswith("what was watched before is lost") for said in notes.said)
    assert read_watch(run.folder)[0].step > 0


class Rectified(nn.Module):
    """Units of which the first three are dead whatever comes, one of them by a function and none by a module."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3), nn.Linear(8, 10)
        with torch.no_grad():
            self.first.bias[:1], self.second.bias[:2] = -100.0, -100.0
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.relu(self.first(x))
        return self.last(torch.relu(self.second(x)).mean((2, 3)))


def test_what_is_told_of_a_step_is_what_it_did(tmp_path):
    torch.manual_seed(0)
    work = job(tmp_path, precision="float32", optimizer="sgd", momentum=0.0, rate=0.1, warmup=0.0, clip=1e-3,
               schedule="constant", weight_decay=0.0, augment="none", split="10/10/80")  # fmt: skip
    net = Rectified()
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    trainer = Trainer(dataclasses.replace(work, net=net, watch=1), Notes(), Stop())
    trainer.set_out()
    indices = trainer.job.units.within(work.split.train)[:20]
    (batch,) = trainer.job.train.batches([indices])
    made = []
    net.second.register_forward_hook(lambda module, given, output: made.append(output.detach().clone()))
    trainer.step(batch, len(indices))
    rows = {row.layer: row for row in trainer._watch.rows}
    assert list(rows) == ["first", "second", "last"]
    assert [rows[name].dead for name in ("first", "second")] == [0.25, 0.25]
    assert math.isnan(rows["last"].dead), "nothing rectifies behind it"
    assert rows["second"].mean == pytest.approx(float(made[0].mean()), rel=1e-5)
    assert rows["second"].deviation == pytest.approx(float(made[0].std(correction=0)), rel=1e-5)
    clipped = {name: float(each.grad.norm()) for name, each in net.named_parameters()}
    assert math.hypot(*clipped.values()) == pytest.approx(1e-3, rel=1e-3)
    for name, row in rows.items():
        was, size = before[f"{name}.weight"], float(before[f"{name}.weight"].norm())
        moved = net.get_parameter(f"{name}.weight").detach() - was
        assert row.update == pytest.approx(float(moved.norm()) / size, rel=1e-3)
        assert row.update == pytest.approx(
            trainer._optimizer.param_groups[0]["lr"] * clipped[f"{name}.weight"] / size, rel=1e-3
        )
        assert row.gradient > 2 * clipped[f"{name}.weight"], "as it was before it was clipped"


SMALLER = {"unet": {"width": 4}, "unet_padded": {"width": 4}}
SHOWN = (
    "lenet5",
    "unet_padded",
    "autoencoder",
    "googlenet",
    "resnet20",
    "seresnet18",
    "nin_cifar10",
    "densenet_l40_12",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", sampled(catalog(), kept=SHOWN))
def test_every_network_of_the_catalogue_computes_the_same_bits_and_shows_each_layer_that_learns(name):
    entry = find(name)
    side = entry.least if entry.fixed else max(entry.least, 64 - (64 - entry.least) % entry.step)
    options = SMALLER.get(name, {}) | ({"dense": False} if name.startswith("vgg") else {})
    torch.manual_seed(0)
    net = build(name, **options).train()
    x = torch.randn(2, entry.input[0], side, side)
    state = {key: value.clone() for key, value in net.state_dict().items()}
    found, ends = {}, []
    for place in (contextlib.nullcontext(), looking(net, 2, found)):
        net.load_state_dict(state)
        net.zero_grad()
        torch.manual_seed(1)
        with place:
            outputs = net(x)
        parts = outputs if isinstance(outputs, tuple) else (outputs,)
        sum(part.float().square().mean() for part in parts if isinstance(part, torch.Tensor)).backward()
        ends.append([each.grad.clone() for each in net.parameters() if each.grad is not None])
    assert all(map(torch.equal, *ends))
    learns = {key.removesuffix(".weight") for key, each in net.named_parameters()
              if each.grad is not None and each.ndim > 1 and key.endswith(".weight")}  # fmt: skip
    assert learns <= found.keys()
    assert all(torch.isfinite(each.sums).all() and each.sums[0] > 0 for each in found.values())
    assert not any(module._forward_hooks for module in net.modules())


def test_a_pass_of_a_process_without_pictures_adds_nothing():
    found, net = {}, Rectified()
    with looking(net, 0, found):
        net(torch.ones(1, 1, 8, 8))
    assert [len(each.alive) for each in found.values()] == [4, 8, 0]
    assert not any(each.sums.any() or each.alive.any() for each in found.values())


def test_a_unit_that_is_alive_in_one_part_of_a_batch_is_alive():
    found, net = {}, nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU())
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(2))
    for row in ([1.0, -1.0], [-1.0, -1.0]):
        with looking(net, 1, found):
            F.relu6(net(torch.tensor([row])))  # a second rectifier is not the layer's own
    assert found["0"].alive.tolist() == [1.0, 0.0]


@given(cost=st.floats(0, 100), steps=st.integers(0, 10**8))
def test_watching_takes_no_more_than_its_share_and_no_more_rows_than_are_drawn(cost, steps):
    every = often(cost, steps)
    assert every >= LEAST
    assert cost / every <= SHARE * (1 + 1e-9)
    assert steps / every <= MOST
    assert every == LEAST or cost / (every - 1) > SHARE * (1 - 1e-9) or steps / (every - 1) > MOST


ROW = Seen(0, 1, "conv1", 1.0, 1e-3, -0.5, 1.0, 0.25)


def test_a_table_is_read_as_it_was_written(tmp_path):
    rows = [ROW, dataclasses.replace(ROW, layer="=fc", dead=math.nan), dataclasses.replace(ROW, step=2, gradient=1e-30)]
    write_watch(tmp_path, rows)
    assert repr(read_watch(tmp_path)) == repr(rows)
    assert repr(-0.5) in (tmp_path / "watch.csv").read_text().splitlines()[1].split(",")


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (["step,epoch"], "its head is not"),
        (["0,1,conv1,1,1,1,1"], "7 fields"),
        (["0,1,conv1,1,1,1,1,2"], "dead 2"),
        (["0,1,conv1,-1,1,1,1,1"], "gradient -1"),
        (["0,1,conv1,inf,1,1,1,1"], "gradient inf"),
        (["0,1,conv1,x,1,1,1,1"], "could not convert"),
        (["-1,1,conv1,1,1,1,1,1"], "step -1"),
        (["0,0,conv1,1,1,1,1,1"], "of layer"),
        (["0,1,,1,1,1,1,1"], "of layer"),
        ([f"0,1,{'x' * 401},1,1,1,1,1"], "of layer"),
        (["2,1,conv1,1,1,1,1,1", "0,1,conv1,1,1,1,1,1"], "not in order"),
        (["0,1,conv1,1,1,1,1,1", "0,1,conv1,1,1,1,1,1"], "twice"),
    ],
)
def test_a_table_that_no_training_writes_is_refused(tmp_path, lines, cause):
    head = [] if cause.startswith("its head") else [",".join(HEAD)]
    (tmp_path / "watch.csv").write_text("\n".join([*head, *lines]) + "\n")
    with pytest.raises(RunError, match=cause):
        read_watch(tmp_path)


def test_what_is_striking_is_told_in_a_sentence():
    last = dataclasses.replace(ROW, layer="fc")
    assert striking([ROW, last]) == ""
    dead = dataclasses.replace(ROW, dead=0.95)
    assert striking([dead, dataclasses.replace(last, dead=0.91)]) == (
        "95% of the units of conv1 are dead, and those of 1 more"
    )
    assert striking([dead, dataclasses.replace(last, step=1)]) == "", "only the last step counts"
    assert "of conv1 by 20%: the rate is high" in striking([dataclasses.replace(ROW, update=0.2), last])
    assert "the gradient of conv1 is 1e-05 of that of fc" in striking([dataclasses.replace(ROW, gradient=1e-5), last])


@pytest.mark.parametrize("wrong", [0, -3])
def test_a_number_of_steps_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(UsageError, match="watch"):
        Execution(watch=wrong)
