"""Fine-tuning: what learns, at which rate, from when on; what stays, to the last bit; that it resumes exactly."""

import os
import shutil
import signal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import striate
from small import Notes, digest, job, photographs, photographs_with_masks, train
from striate.base.errors import Interrupted, RunError, UsageError
from striate.models import weights
from striate.runs.run import open_run
from striate.training import plan as planning
from striate.training.finetune import DECAY, Tuning
from striate.training.loop import Trainer
from striate.training.plan import Execution
from striate.training.recipe import recipe_of
from striate.training.signals import Stop
from striate.training.stages import Stage
from striate.training.train import resume_run

SMALL = {"batch": 9, "epochs": 4, "size": 32}
FIVE = tuple(Stage((name,), (f"{name}.weight",)) for name in "abcde")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    photographs(home / "photos", each=9)
    photographs(home / "others", classes=2, each=9)
    return home


@pytest.fixture(scope="module")
def first(home):
    return train(home / "runs", data=str(home / "photos"), model="resnet20", **SMALL | {"epochs": 1})


def tuned(home, run, kind, listener=None, **recipe):
    values = SMALL | {"data": str(home / "others"), "weights": os.fspath(run), "finetune": kind, "keep_sealed": True}
    return train(home / "runs", listener=listener, **values | recipe)


@given(st.integers(1, 200), st.integers(1, 12))
def test_gradual_frees_one_stage_after_the_other_and_all_learn_over_the_last_half(epochs, count):
    tuning = Tuning("gradual", FIVE[:1] * count, 0.5, "kept")
    found = [tuning.learning(epoch, epochs) for epoch in range(epochs)]
    assert found == sorted(found)
    assert found[0] == 1
    assert set(found[-(-epochs // 2) :]) <= {count}


@pytest.mark.parametrize(("kind", "learning"), [("head", {1}), ("full", {5})])
def test_the_head_alone_or_all_learn_in_every_epoch(kind, learning):
    assert {Tuning(kind, FIVE, 0.5, "kept").learning(epoch, 9) for epoch in range(9)} == learning


def test_rates_fall_from_the_head_on():
    assert Tuning("full", FIVE, 0.5, "kept").rates() == [0.0625, 0.125, 0.25, 0.5, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize("norms", ["kept", "batch"])
def test_a_frozen_body_stays_to_the_last_bit_but_for_the_statistics_that_are_asked_for(home, first, norms):
    run = tuned(home, first, "head", frozen_norms=norms, optimizer="adamw", weight_decay=0.5, ema=0.9)
    last = weights.read(max((run.folder / "checkpoints").glob("step-*")) / "weights.safetensors")
    for name, tensor in first.weights.items():
        statistics = "running" in name or "tracked" in name
        if not name.startswith("fc."):
            same = torch.equal(last[name], tensor)
            assert same == (norms == "kept" or not statistics), name
    assert run.recipe["frozen_norms"] == norms
    state = weights.read(max((run.folder / "checkpoints").glob("step-*")) / "optimizer.safetensors")
    assert {name.partition("/")[2] for name in state if not name.startswith("average")} == {"fc.weight", "fc.bias"}


@pytest.mark.slow
def test_gradual_frees_stages_as_it_says_and_their_optimizer_begins_then(home, first):
    notes = Notes()
    run = tuned(home, first, "gradual", notes, optimizer="adamw")
    assert any("fc from epoch 1" in said and "conv1 to layer1.2 from epoch 3" in said for said in notes.said)
    state = weights.read(max((run.folder / "checkpoints").glob("step-*")) / "optimizer.safetensors")
    steps = {name: int(state[f"step/{name}"]) for name in ("fc.bias", "layer3.0.bn1.bias", "conv1.weight")}
    assert steps == {"fc.bias": 8, "layer3.0.bn1.bias": 6, "conv1.weight": 4}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [pytest.param("gradual", "sgd", marks=pytest.mark.whole), ("gradual", "adamw"), ("head", "sgd"), ("full", "sgd")],
)
def test_stopped_in_any_epoch_and_resumed_it_has_the_bits_of_one_that_was_not(home, first, tmp_path, kind, optimizer):
    recipe = {"optimizer": optimizer, "ema": 0.9, "augment": "strong", "clip": 1.0}
    shutil.copytree(first.folder, tmp_path / "from")
    whole = tuned(home, tmp_path / "from", kind, **recipe)
    values = SMALL | recipe | {"data": str(home / "others"), "weights": str(tmp_path / "from"), "finetune": kind}
    for epoch in (1, 2, 3) if kind == "gradual" else (2,):
        runs = tmp_path / str(epoch)
        with pytest.raises(Interrupted):
            train(runs, listener=Impatient(epoch), keep_sealed=True, **values)
        (folder,) = (path for path in runs.iterdir() if path.is_dir())
        if epoch == 2:
            shutil.rmtree(tmp_path / "from")  # what it started from is not needed any more
        resumed = resume_run(folder, Execution(), Notes())
        assert digest(resumed) == digest(whole), epoch
        assert resumed.preprocess == whole.preprocess
        if epoch == 2:
            shutil.copytree(first.folder, tmp_path / "from")


class Impatient(Notes):
    """Sends this process a signal after the first step of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def progress(self, name, done, total, left=None):
        if name.startswith(f"epoch {self._epoch} of") and done == 1:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_nothing_is_computed_backwards_in_a_frozen_body(home, first, tmp_path):
    values = SMALL | {"data": str(home / "others"), "weights": os.fspath(first.folder), "precision": "float32"}
    entered = {}
    for kind in ("head", "full"):
        trainer = Trainer(job(tmp_path / kind, finetune=kind, **values), Notes(), Stop())
        seen = entered[kind] = []
        for module in trainer.job.net.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(lambda *args, seen=seen: seen.append(args[-1].requires_grad))
        group = trainer.job.split.train[:9]
        (batch,) = trainer.job.train.batches([group])
        trainer.step(batch, len(group))
    assert entered["head"] == [False] * 19
    assert entered["full"] == [True] * 19


@pytest.mark.slow
def test_weights_alone_mean_full_and_none_is_what_it_was_before(home, first):
    notes = Notes()
    chosen = tuned(home, first, None, notes)
    assert (chosen.recipe["finetune"], chosen.recipe["rate"], chosen.recipe["layer_decay"]) == ("full", 0.01, DECAY)
    assert chosen.facts["chosen"].keys() >= {"finetune", "rate"}
    assert any(said.startswith("finetune full: it starts from trained weights") for said in notes.said)
    assert chosen.preprocess.mean == first.preprocess.mean
    none = tuned(home, first, "none")
    assert (none.recipe["rate"], none.recipe["layer_decay"]) == (0.05, None)
    assert none.preprocess.mean != first.preprocess.mean
    assert "finetune" not in none.facts


@pytest.mark.slow
def test_preprocessing_follows_a_file_that_says_what_it_expects(home, first, tmp_path):
    net = first.network
    told = '{"mean": [0.1, 0.2, 0.3], "deviation": [0.4, 0.5, 0.6], "size": 32}'
    weights.save(net, tmp_path / "told.safetensors", preprocess=told)
    weights.save(net, tmp_path / "silent.safetensors")
    weights.save(net, tmp_path / "odd.safetensors", preprocess='{"mean": [2], "deviation": [0.4]}')
    weights.save(net, tmp_path / "grey.safetensors", preprocess='{"mean": [0.2], "deviation": [0.4]}')
    run = tuned(home, tmp_path / "told.safetensors", "head", model="resnet20", epochs=1)
    assert (run.preprocess.mean, run.preprocess.deviation) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    for name, why in (
        (
            "silent",
            "does not say what pictures its weights expect: mean and deviation are those of the training pictures",
        ),
        ("grey", "is for 1 channel, and there are 3: mean and deviation are those of the training pictures"),
    ):
        notes = Notes()
        run = tuned(home, tmp_path / f"{name}.safetensors", "head", notes, model="resnet20", epochs=1)
        assert any(why in said for said in notes.said)
        assert run.preprocess.mean == tuple(run.facts["measured"]["mean"])
    with pytest.raises(RunError, match=r"odd\.safetensors: preprocess\.mean\[0\] is 2"):
        tuned(home, tmp_path / "odd.safetensors", "head", model="resnet20", epochs=1)


@pytest.mark.slow
def test_the_encoder_of_a_unet_is_frozen_and_all_that_starts_anew_learns(home, tmp_path):
    weights.save(striate.build("resnet18", classes=3), tmp_path / "resnet18.safetensors")
    data = str(photographs_with_masks(tmp_path / "pairs", count=10))
    recipe = {"data": data, "model": "unet_resnet18", "size": 32, "epochs": 1, "batch": 3, "keep_sealed": True}
    run = train(tmp_path / "runs", weights=str(tmp_path / "resnet18.safetensors"), finetune="head", **recipe)
    before = weights.read(tmp_path / "resnet18.safetensors")
    for name, tensor in run.weights.items():
        if name.startswith("encoder."):
            assert torch.equal(tensor, before[name.removeprefix("encoder.")]), name
    assert {each.partition(".")[0] for each in run.facts["finetune"]["anew"]} == {"decoder", "last"}


def test_a_network_without_a_norm_gets_an_optimizer_whose_steps_do_not_depend_on_its_gradients(home):
    def chosen(**given):
        values = {"data": str(home / "photos"), "size": 32, "batch": 9, "weights": "x.pth"} | given
        found = planning.plan_of(recipe_of(**values), Execution(), Notes())
        recipe = found.recipe
        return (recipe.optimizer, recipe.rate, recipe.clip), found.chosen.keys() & {"optimizer", "rate", "clip"}

    plain = {"model": "vgg11", "model_options": {"dense": False}}
    assert chosen(**plain) == (("adamw", 3e-4, None), {"optimizer", "rate"})
    assert chosen(**plain, finetune="head") == (("adamw", 3e-3, None), {"optimizer", "rate"})
    assert chosen(**plain, optimizer="sgd") == (("sgd", 0.01, 1.0), {"rate", "clip"})
    assert chosen(**plain, rate=0.002) == (("adamw", 0.002, None), set())
    assert chosen(model="resnet20") == (("sgd", 0.01, None), {"rate"})
    assert chosen(**plain, finetune="none") == (("sgd", 0.05, None), set())
    assert chosen(model="lenet5", data="digits") == (("adamw", 0.001, None), {"rate"})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"finetune": "head"}, "finetune: head changes nothing: it starts from random weights"),
        ({"layer_decay": 0.5}, "layer_decay: 0.5 changes nothing: it starts from random weights"),
        ({"part": "c1"}, "part: c1 changes nothing: it starts from random weights"),
        ({"weights": "x.pth", "finetune": "head", "layer_decay": 0.5}, "finetune head knows one rate"),
        ({"weights": "x.pth", "frozen_norms": "batch"}, "finetune full freezes no layer"),
        ({"weights": "x.pth", "finetune": "heads"}, "'heads' is not one of head, full, gradual, none"),
        ({"weights": "x.pth", "layer_decay": 2.0}, "2.0 is out of range"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, dict) else None,
)
def test_what_cannot_be_meant_is_a_sentence(tmp_path, given, why):
    with pytest.raises(UsageError) as error:
        striate.train("digits", runs=tmp_path, **given)
    assert why in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_whose_facts_of_fine_tuning_are_damaged_is_told(home, first):
    run = tuned(home, first, "head", epochs=1)
    text = (run.folder / "run.json").read_text()
    (run.folder / "run.json").write_text(text.replace('"anew": [', '"anew": [3, ', 1))
    with pytest.raises(RunError, match=r"finetune\.anew\[0\] is 3"):
        open_run(run.folder)
