"""What a step does, and what stops a training."""

import dataclasses
import json
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from small import Notes, digest, job, photographs, train
from striate.base.errors import RunError, UsageError
from striate.evaluate import rows
from striate.models.heads import AuxiliaryHead, WithHeads
from striate.runs import checkpoint
from striate.runs.lock import alone
from striate.training.loop import Trainer, fit
from striate.training.objective import Objective
from striate.training.plan import Execution
from striate.training.signals import Stop
from striate.training.train import resume_run

pytestmark = pytest.mark.slow


def weights(net):
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def test_parts_of_a_batch_add_up_to_the_batch(tmp_path):
    results = []
    for parts in (1, 4):
        work = job(tmp_path / str(parts), precision="float32", accumulate=parts, epochs=1)
        trainer = Trainer(work, Notes(), Stop())
        ids = work.split.train[:50]
        trainer.step(next(work.train.batches([ids])), len(ids))
        results.append(torch.cat([parameter.grad.flatten() for parameter in work.net.parameters()]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-6)


class Greedy(nn.Module):
    """A network that does not fit into memory with more than 20 pictures at once."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pictures):
        if len(pictures) > 20:
            raise torch.OutOfMemoryError("out of memory")
        return self.net(pictures)


def test_out_of_memory_halves_until_it_fits_and_the_result_is_that_of_accumulating(tmp_path):
    results = []
    for name, parts, greedy in (("fits", 4, False), ("greedy", 1, True)):
        work = job(tmp_path / name, accumulate=parts, epochs=1)
        if greedy:
            work = dataclasses.replace(work, net=Greedy(work.net))
        notes = Notes()
        trainer = fit(work, notes, Stop())
        results.append(weights(work.net))
    assert trainer.progress.parts == 4
    worked = [text for text in notes.said if "2 parts" in text or "4 parts" in text]
    answered = [text for text in notes.said if "answered" in text and "at a time" in text]
    assert (len(worked), len(answered)) == (2, 4)  # 180 at once are halved to at most 20
    assert worked + answered == [text for text in notes.said if "out of memory" in text]
    assert torch.equal(*results)


def test_a_loss_that_is_not_finite_stops_names_the_files_and_keeps_good_weights(tmp_path):
    work = job(tmp_path, optimizer="sgd", rate=100.0, weight_decay=10.0, schedule="constant", epochs=40)
    with pytest.raises(RunError, match=r"the batch was digits/\d+") as caught:
        fit(work, Notes(), Stop())
    assert "epoch 1, step" in str(caught.value)
    kept, _ = checkpoint.read_newest(work.checkpoints)
    assert all(torch.isfinite(tensor).all() for tensor in kept.weights.values())


def test_a_validation_that_is_not_finite_is_never_chosen(tmp_path):
    options = {"rate": 100.0, "warmup": 0.0, "schedule": "constant", "batch": 5000, "precision": "float32"}
    work = job(tmp_path, model="resnet20", channels=1, model_options={"norm": "none"}, augment="none", **options)
    with pytest.raises(RunError, match=r"validation gave|the loss is"):
        fit(work, Notes(), Stop())
    assert checkpoint.read_newest(work.checkpoints)[0].best is None


def test_the_best_epoch_by_validation_is_kept(tmp_path):
    trained = train(tmp_path, epochs=4, rate=0.002)
    rows = trained.epochs
    best = max(rows, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    assert trained.result["best_epoch"] == best["epoch"]


def test_patience_ends_training(tmp_path):
    """After the first epoch the rate is one that no weight can feel: the first stays the best on every machine."""
    falls = {"schedule": "step", "step_epochs": (1.0, 1.0), "step_factor": 1e-6}
    rows = train(tmp_path, epochs=30, patience=2, augment="none", **falls).epochs
    assert len({(row["val_accuracy"], row["val_loss"]) for row in rows}) == 1
    assert len(rows) == 1 + 2


def test_averaged_weights_are_the_ones_chosen(tmp_path):
    plain = train(tmp_path, epochs=1)
    averaged = train(tmp_path, epochs=1, ema=0.99)
    last, _ = checkpoint.read_newest(averaged.folder / "checkpoints")
    chosen, _, _ = checkpoint.read_best(averaged.folder / "checkpoints")
    assert all(torch.equal(chosen[name], last.optimizer[f"average/{name}"]) for name in chosen)
    same, _ = checkpoint.read_newest(plain.folder / "checkpoints")
    assert all(torch.equal(last.weights[name], same.weights[name]) for name in same.weights), "averaging steered"


def test_weight_decay_spares_norms_and_biases(tmp_path):
    work = job(tmp_path, model="resnet20", channels=1, weight_decay=0.1, optimizer="sgd")
    for group in Trainer(work, Notes(), Stop())._optimizer.param_groups:
        dimensions = {parameter.ndim > 1 for parameter in group["params"]}
        assert dimensions == {group["weight_decay"] > 0}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "step", "constant"])
def test_every_optimizer_and_schedule_learns(tmp_path, optimizer, schedule):
    rate = 0.05 if optimizer == "sgd" else 0.003
    steps = {"step_epochs": [1]} if schedule == "step" else {}
    trained = train(tmp_path, optimizer=optimizer, schedule=schedule, rate=rate, epochs=3, **steps)
    accuracy = trained.result["numbers"][0]
    assert accuracy["value"] > 0.5 > 0.2 > accuracy["n"] ** -1


def test_a_single_last_picture_never_meets_batch_normalisation(tmp_path):
    data = photographs(tmp_path / "pictures", classes=2, each=15)  # 18 training pictures: 17 + 1 would be the trap
    trained = train(tmp_path / "runs", data=str(data), model="resnet20", batch=17, epochs=1, size=32)
    assert trained.status == "done"
    with pytest.raises(UsageError, match="single pictures"):
        train(tmp_path / "runs", data=str(data), model="resnet20", batch=1, epochs=1, size=32)


def test_the_end_of_a_training_reads_with_as_many_processes_as_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "reading_workers", lambda samples: pytest.fail("another number was chosen"))
    data = photographs(tmp_path / "pictures", classes=2, each=10)
    run = train(tmp_path / "runs", execution={"workers": 0}, data=str(data), model="lenet5", batch=9, epochs=1)
    assert run.status == "done"


def test_two_trainings_never_share_a_folder(tmp_path):
    run = train(tmp_path, epochs=1)
    facts = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps(facts | {"status": "running"}))
    with alone(run.folder, print), pytest.raises(RunError, match="another process"):
        resume_run(run.folder, Execution(), Notes())


def test_float32_and_bfloat16_both_train(tmp_path):
    first, second = (train(tmp_path, precision=name, epochs=3) for name in ("float32", "bfloat16"))
    assert digest(first) != digest(second)
    for run in (first, second):
        assert run.result["numbers"][0]["value"] > 0.8
        assert np.isfinite(run.epochs[-1]["train_loss"])


def headed():
    """A network for the digits with two auxiliary heads, the smallest there is."""
    torch.manual_seed(0)
    heads = {
        name: AuxiliaryHead({"fc": nn.Linear(16, 10)}, after=after, weight=0.3)
        for name, after in (("aux1", "first"), ("aux2", "second"))
    }
    return WithHeads(
        OrderedDict(
            flatten=nn.Flatten(), first=nn.Linear(1024, 16), second=nn.Linear(16, 16), **heads, fc=nn.Linear(16, 10)
        )
    )


def stepped(folder, net, **recipe):
    """The loss of one step on 32 pictures, and the step's gradients."""
    work = dataclasses.replace(job(folder, epochs=1, batch=32, **recipe), net=net)
    trainer, ids = Trainer(work, Notes(), Stop()), work.split.train[: 32 + work.augmenter.mixes]
    return trainer.step(next(work.train.batches([ids])), 32)[0], [each.grad for each in net.parameters()]


@pytest.mark.parametrize("options", [{}, {"mixup": 0.4}, {"precision": "bfloat16"}, {"accumulate": 3}])
def test_auxiliary_heads_add_their_weighted_loss_in_every_path(tmp_path, options):
    losses, gradients = zip(
        *(stepped(tmp_path / name, net, **{"precision": "float32"} | options)
          for name, net in (("all", headed()), ("main", _weighing(0.0)), ("twice", _weighing(0.6)))),
        strict=True,
    )  # fmt: skip
    everything, main, twice = losses
    assert everything > main
    assert twice - main == pytest.approx(2 * (everything - main), rel=1e-4)
    assert all(gradient.any() for gradient in gradients[0])
    assert sum(not gradient.any() for gradient in gradients[1]) == 4, "weights and biases of two heads"


def test_all_answers_that_a_loss_sees_are_float32_whatever_the_precision(tmp_path):
    work = job(tmp_path, precision="bfloat16")
    seen = []

    class Watching:
        def loss(self, outputs, batch):
            seen.extend((outputs.logits, *outputs.auxiliary))
            return work.task.loss(outputs, batch)

    (batch,) = work.train.batches([work.split.train[:4]])
    batch = dataclasses.replace(batch, pictures=torch.randn(4, 1, 32, 32))
    Objective(headed(), Watching(), work.machine)(batch)
    assert {each.dtype for each in seen} == {torch.float32}
    assert len(seen) == 3


def _weighing(weight):
    net = headed()
    net.aux1.weight = net.aux2.weight = weight
    return net


def test_a_compiled_network_with_heads_takes_the_same_step(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))  # no C++ compiler needed
    plain, compiled = (
        stepped(tmp_path / str(flag), headed(), precision="float32", compile=flag) for flag in (False, True)
    )
    assert compiled[0] == pytest.approx(plain[0], rel=1e-6)
    torch.testing.assert_close(compiled[1], plain[1])


@pytest.mark.parametrize(
    ("model", "size"), [pytest.param("googlenet", 79, marks=pytest.mark.whole), ("googlenet_bn", 32)]
)
def test_a_network_with_auxiliary_heads_trains_and_resumes_to_the_same_bits(tmp_path, model, size):
    data = photographs(tmp_path / "pictures", classes=2, each=10)
    values = {"data": str(data), "model": model, "size": size, "batch": 4, "epochs": 2, "rate": 1e-3, "seed": 3}
    whole = train(tmp_path / "whole", **values)
    with pytest.raises(Interrupted):
        train(tmp_path / "broken", listener=Interrupting(after=4), execution={"save_every": 0.0}, **values)
    (folder,) = (tmp_path / "broken").glob("pictures-*")
    assert not (folder / "result.json").exists()
    resumed = resume_run(folder, Execution(), Notes())
    assert digest(resumed) == digest(whole)
    assert resumed.epochs[-1]["train_loss"] == whole.epochs[-1]["train_loss"]


class Interrupted(Exception):
    pass


class Interrupting(Notes):
    """Ends a training from within, as abruptly as an exception can."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def progress(self, name, done, total, left=None):
        if name.startswith("epoch"):
            self.left -= 1
            if not self.left:
                raise Interrupted


def test_masks_and_weights_of_training_move_with_their_pictures(tmp_path):
    options = {"model_options": {"width": 2}, "task_options": {"border": 10.0}}
    work = job(tmp_path, data="cells:number=10,size=64", augment="none", mirror=True, batch=6, **options)
    (batch,) = work.train.batches([work.units.within(work.split.train)])
    after = work.augmenter(batch, 0)
    turned = set()
    for row in range(len(batch)):
        picture = batch.pictures[row].float() / 255
        turn = not torch.allclose(after.pictures[row], picture, atol=1e-5)
        assert torch.allclose(after.pictures[row], picture.flip(-1) if turn else picture, atol=1e-5)
        for name in ("mask", "objects", "weight"):
            part = batch.targets[name][row]
            assert torch.allclose(after.targets[name][row], part.flip(-1) if turn else part, atol=1e-4), name
        turned.add(turn)
    assert turned == {True, False}
