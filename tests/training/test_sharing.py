"""Several processes compute what one does: order, draws, statistics, gradients."""

import dataclasses
import resource
import sys
from collections import OrderedDict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from small import Notes, job, train
from striate.base import processes
from striate.models.heads import AuxiliaryHead, WithHeads
from striate.training.loop import Trainer, fit
from striate.training.machine import Machine
from striate.training.sharing import pieces, read
from striate.training.signals import Stop
from together import Watched, ended, met, started


@given(
    count=st.integers(1, 40), world=st.integers(2, 5), accumulate=st.integers(1, 4), halved=st.integers(0, 4),
    mixes=st.booleans(),
)  # fmt: skip
def test_each_picture_of_a_batch_is_in_one_piece_and_each_process_has_as_many_pieces(
    count, world, accumulate, halved, mixes
):
    """What all work through at once is a part of the batch as one process cuts it, or a cut of such a part."""
    seen, met_in = [], []
    for rank in range(world):
        machine = Machine(torch.device("cpu"), False, rank, world)
        mine = read(count, machine, accumulate, mixes)
        found = pieces(count, machine, accumulate, accumulate * 2**halved, mixes)
        for each in found:
            rows = mine[each.start : each.start + each.rows + mixes]
            assert len(rows) == each.rows + mixes
            assert not mixes or rows[-1] == (rows[-2] + 1) % count, "beside the last picture is its partner"
            seen.extend(rows[: each.count])
        met_in.append(found)
    assert sorted(seen) == list(range(count))
    for together in zip(*met_in, strict=True):
        assert {each.whole for each in together} == {sum(each.count for each in together)}
        assert [each.first for each in together] == list(np.cumsum([0, *(each.count for each in together)]))[:world]
    if not halved:
        parts = np.array_split(np.arange(count), min(accumulate, count))
        assert [together[0].whole for together in zip(*met_in, strict=True)] == list(map(len, parts))


def double(net):
    """A network that computes in float64."""
    net.register_forward_pre_hook(lambda net, given: (given[0].double(),))
    return net.double()


class Depth(nn.Module):
    """Leaves the features of a picture out at random, as timm's DropPath does."""

    def forward(self, x):
        if not self.training:
            return x
        return x + x * x.new_empty((len(x),) + (1,) * (x.ndim - 1)).bernoulli_(0.7)


def network():
    """It draws and normalises in all the ways that are shared, and has a head beside its own."""
    torch.manual_seed(1)
    layers = (
        nn.Conv2d(1, 6, 3, stride=2, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout2d(0.2), Depth(),
        nn.Conv2d(6, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8, affine=False), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(32, 16), nn.Dropout(0.3), nn.Linear(16, 10),
    )  # fmt: skip
    head = AuxiliaryHead({"fc": nn.Linear(32, 10)}, after="9", weight=0.3)
    return WithHeads(OrderedDict({**{str(place): layer for place, layer in enumerate(layers)}, "head": head}))


SYNCED = {"precision": "float32", "device": "cpu", "sync_norms": True}
CASES = {
    "everything": (
        37, {"batch": 8, "augment": "strong", "ema": 0.9, "clip": 0.5, "accumulate": 3, "optimizer": "sgd"}
    ),
    "a last batch of one": (13, {"batch": 2, "rate": 1e-3}),
    "a critic": (9, {"task": "inpaint", "model": "autoencoder", "batch": 4}),
    "stages that thaw": (12, {"batch": 4, "finetune": "gradual", "model": "lenet5"}),
}  # fmt: skip


def trained(folder, name, before):
    """What a few pictures teach, as one file for each process."""
    count, values = CASES[name]
    if "finetune" in values:
        values = values | {"weights": str(before)}
    work = job(folder / name / str(processes.place()), **SYNCED, **values)
    split = dataclasses.replace(work.split, train=work.split.train[:count], val=work.split.val[:11])
    net = double(work.net if "model" in values else network())
    partner = None if work.partner is None else work.partner.double()
    seen = []
    work = dataclasses.replace(work, split=split, net=net, partner=partner, train=Watched(work.train, seen))
    trainer = fit(work, Notes(), Stop())
    found = {"net": net.state_dict(), "history": trainer.progress.history, "seen": seen}
    found["average"] = trainer._average.net.state_dict() if trainer._average else {}
    found["partner"] = {} if partner is None else partner.state_dict()
    rank, world = processes.place()
    torch.save(found, folder / f"{name} {rank} of {world}")


def _all(folder, before):
    for name in CASES:
        trained(folder, name, before)
    for precision in ("float32", "bfloat16"):
        steps(folder, precision)


def steps(folder, precision):
    """The loss of each of 20 steps of a network of the catalogue, in its own precision and order of memory."""
    values = {"model": "resnet20", "dropout": 0.3, "batch": 9, "size": 8, "augment": "none"}
    work = job(folder / precision / str(processes.place()), **SYNCED | values | {"precision": precision})
    trainer, losses = Trainer(work, Notes(), Stop()), []
    trainer.set_out()
    for order in np.array_split(work.split.train[:180], 20):
        share = order[read(len(order), work.machine, 1, False)]
        loss, _ = trainer.step(next(work.train.batches([share])), len(order))
        losses.append(processes.summed(loss, work.machine.device) / len(order))
        trainer.progress.step += 1
    rank, world = processes.place()
    torch.save(losses, folder / f"{precision} {rank} of {world}")


@pytest.mark.slow
def test_two_processes_are_one(tmp_path):
    before = train(tmp_path, model="lenet5", epochs=1, precision="float32").folder
    members = started(2, partial(met, _all), tmp_path, before)
    _all(tmp_path, before)
    assert ended(members) == [0, 0]
    for name in CASES:
        one, first, second = (torch.load(tmp_path / f"{name} {place}") for place in ("0 of 1", "0 of 2", "1 of 2"))
        for kind in ("net", "average", "partner"):
            assert one[kind].keys() == first[kind].keys()
            for key, values in one[kind].items():
                torch.testing.assert_close(first[kind][key], values, rtol=0, atol=1e-9, msg=f"{name}: {kind} {key}")
                assert torch.equal(first[kind][key], second[kind][key]), f"{name}: {kind} {key}"
    for precision, near in (("float32", 1e-4), ("bfloat16", 0.05)):
        one, two = (torch.load(tmp_path / f"{precision} 0 of {world}") for world in (1, 2))
        assert two == pytest.approx(one, abs=near), precision


def lacking(notes):
    return [text for text in notes.said if text.startswith("out of memory: each batch")]


def lacks(folder, where):
    """A step for which the memory of the second process is too small, in its forward or in its backward pass."""
    torch.manual_seed(1)
    layers = nn.BatchNorm2d(1), nn.Conv2d(1, 256, 3, padding=1), nn.BatchNorm2d(256), nn.ReLU(), nn.Conv2d(256, 4, 9)
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    limits, notes = [], Notes()

    def limit(*given):
        if not limits and processes.place() == (1, 2):
            limits.append(resource.getrlimit(resource.RLIMIT_AS))
            pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (pages + (100 if where == "forward" else 30) * 2**20, limits[0][1]))

    def lift(*given):
        """What a library sets aside once may be more than is free, however small the parts."""
        if limits and len(lacking(notes)) >= 3:
            resource.setrlimit(resource.RLIMIT_AS, limits[0])

    net.register_forward_pre_hook(lift)
    net.register_forward_pre_hook(limit) if where == "forward" else net.register_forward_hook(limit)
    work = job(folder / where / str(processes.place()[0]), batch=128, epochs=1, **SYNCED)
    split = dataclasses.replace(work.split, train=work.split.train[:128], val=work.split.val[:9])
    trainer = fit(dataclasses.replace(work, split=split, net=net), notes, Stop())
    torch.save((trainer.progress.parts, net.state_dict(), lacking(notes)), folder / f"{where} {processes.place()[0]}")


def _lacks(folder):
    for where in ("forward", "backward"):
        lacks(folder, where)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep to this limit")
def test_memory_that_lacks_in_one_process_is_answered_by_all(tmp_path):
    """While the other one waits in a layer that all normalise together, or with its gradients."""
    assert ended(started(2, partial(met, _lacks), tmp_path)) == [0, 0]
    for where in ("forward", "backward"):
        (parts, net, told), (others, other, _) = (torch.load(tmp_path / f"{where} {rank}") for rank in (0, 1))
        assert parts == others > 1
        assert len(told) == parts.bit_length() - 1
        assert all(torch.equal(net[name], other[name]) for name in net)
