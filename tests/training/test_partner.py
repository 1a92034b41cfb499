"""A network that is trained beside another: the same bits however stopped, and nothing of it in what is shipped."""

import dataclasses
from functools import partial

import pytest
import torch

from small import Notes, job
from striate.runs import checkpoint
from striate.tasks.critic import Critic
from striate.training.loop import Trainer, fit
from striate.training.signals import Stop

pytestmark = pytest.mark.slow
# no norm: the sums of parts are compared with the whole
OPTIONS = {"width": 16, "norm": "none"}
RECIPE = {"task": "denoise", "ema": 0.9, "clip": 0.5, "batch": 540, "size": 16, "model_options": OPTIONS}


def work(folder, weight=0.05, **recipe):
    """A training with a critic beside it, that saves after every step."""
    made = job(folder, **RECIPE | recipe)
    torch.manual_seed(5)
    return dataclasses.replace(made, partner=Critic(1, weight), save_every=0.0)


class Gone(Exception):
    """What a kill is to a test."""


class Killed(Notes):
    def __init__(self, step):
        super().__init__()
        self._left = step

    def progress(self, name, done, total, left=None):
        self._left -= 1
        if not self._left:
            raise Gone


def bits(trainer):
    newest, _ = checkpoint.read_newest(trainer.job.checkpoints)
    tensors = {**newest.weights, **newest.optimizer, **newest.best}
    return tensors | {f"beside.{name}": tensor for name, tensor in newest.partner.items()}


def test_a_training_with_a_critic_that_was_killed_ends_with_the_same_bits(tmp_path):
    whole = fit(work(tmp_path / "whole", accumulate=2), Notes(), Stop())
    for step in (2, 2):
        with pytest.raises(Gone):
            fit(work(tmp_path / "cut", accumulate=2), Killed(step), Stop())
    resumed = fit(work(tmp_path / "cut", accumulate=2), Notes(), Stop())
    one, other = bits(whole), bits(resumed)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert any(name.startswith("exp_avg/partner.") for name in one)
    for row, again in zip(whole.progress.history, resumed.progress.history, strict=True):
        assert row["train_partner"] == again["train_partner"] > 0
        assert row["train_loss"] == again["train_loss"]


def test_the_critic_steers_the_network_and_is_in_none_of_its_weights(tmp_path):
    ends = {}
    for weight in (0.0, 0.05):
        trainer = fit(dataclasses.replace(work(tmp_path / str(weight), weight), save_every=600.0), Notes(), Stop())
        ends[weight] = torch.cat([parameter.detach().flatten() for parameter in trainer.job.net.parameters()])
        names = trainer.job.net.state_dict().keys()
        newest, _ = checkpoint.read_newest(trainer.job.checkpoints)
        assert names == newest.weights.keys() == newest.best.keys() == trainer.best.keys()
        assert {name for name in newest.optimizer if name.startswith("average/")} == {f"average/{n}" for n in names}
        assert len(trainer.progress.history[-1].keys() & {"train_loss", "train_partner"}) == 2
    assert not torch.equal(ends[0.0], ends[0.05])


def test_the_gradients_of_both_are_clipped_together_and_those_of_parts_add_up(tmp_path):
    found = []
    for parts in (1, 4):
        trainer = Trainer(work(tmp_path / str(parts), accumulate=parts, clip=1e-3), Notes(), Stop())
        ids = trainer.job.split.train[:40]
        loss, beside = trainer.step(next(trainer.job.train.batches([ids])), len(ids))
        gradients = [each.grad for net in (trainer.job.net, trainer.job.partner) for each in net.parameters()]
        found.append([loss, beside])
        assert float(torch.stack([each.norm() for each in gradients]).norm()) == pytest.approx(1e-3, rel=1e-3)
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-1), "spectral norms are sharpened with each part"


def test_a_compiled_training_takes_the_same_step(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))  # no C++ compiler needed
    found = []
    for flag in (False, True):
        trainer = Trainer(work(tmp_path / str(flag), compile=flag, precision="float32"), Notes(), Stop())
        ids = trainer.job.split.train[:40]
        losses = trainer.step(next(trainer.job.train.batches([ids])), len(ids))
        found.append((losses, [each.grad for each in trainer.job.partner.parameters()]))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-3, atol=1e-6)
