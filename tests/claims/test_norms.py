"""Batch and input normalisation: each claim to its end on a small problem, and arms that differ in that alone."""

import dataclasses
import importlib
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from small import Notes, photographs
from striate.claims import batch_norm_init, batch_norm_rates, batch_norm_smooth, input_normalisation
from striate.claims.batch_norm import ARMS, NORMED, PLAIN, four_layers
from striate.claims.carried import carry_out
from striate.claims.catalogue import find
from striate.claims.claim import COMMON, Asked, name
from striate.claims.starts import begun
from striate.inside.landscape import Along
from striate.models import weights
from striate.models.build import build
from striate.network import network_for
from striate.runs import checkpoint
from striate.runs.landscape import training_batches
from striate.runs.run import open_run
from striate.training.execution import Carried, Execution
from striate.training.many import Ended
from striate.training.recipe import recipe_of
from striate.training.train import start_run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("norms")]
SEEDS = (1000, 1001, 1002)
FEW = {"split": "10/90/0", "fold": "1/2", "epochs": 2, "batch": 32, "schedule": "constant"}
WORDS = {"CONFIRMED", "REFUTED", "NOT SEEN", "INCONCLUSIVE"}
# Those that train the same arms at the same rate share their runs; all weights are kept, as one of them asks.
SHARED = ("batch_norm_smooth", "batch_norm_speed", "batch_norm_rates", "batch_norm_regularises")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("norms")


def asked_in(folder: Path, seeds=SEEDS) -> Asked:
    return Asked({"data": "digits", "size": 8}, seeds, folder)


def small(sweep):
    arms = {key: own for key, own in sweep.arms.items() if not key.endswith(("x0.3", "x3", "x10"))}
    return dataclasses.replace(sweep, arms=arms, rates=(0.02,), common=FEW)


def trained_here(sweep, asked):
    """Trained in this process, where a list finds them done."""
    for each, recipe in sweep.recipes(asked).items():
        if not (asked.folder / each).exists():
            start_run(recipe, Execution(keep_epochs=2), Notes(), None, asked.folder / each)


def carried(module, asked, monkeypatch):
    names = [key for key, value in vars(module).items() if any(value is each for each in module.CLAIM.sweeps)]
    sweeps = tuple(small(getattr(module, each)) for each in names)
    for each, sweep in zip(names, sweeps, strict=True):
        monkeypatch.setattr(module, each, sweep)
        trained_here(sweep, asked)
    return carry_out(dataclasses.replace(module.CLAIM, sweeps=sweeps), asked, Carried(jobs=1, threads=1), Notes())


@pytest.mark.parametrize("claim", [*SHARED, "batch_norm_init", "input_normalisation"])
def test_each_claim_comes_to_verdicts(claim, folder, monkeypatch):
    module = importlib.import_module(find(claim).questions.__module__)
    seeds = SEEDS if claim in SHARED else SEEDS[:1]
    monkeypatch.setattr(batch_norm_init, "SCALES", (0.1, 1.0))
    found = carried(module, asked_in(folder / ("shared" if claim in SHARED else claim), seeds), monkeypatch)
    assert found.verdicts
    for each in found.verdicts:
        assert each.word in WORDS
        assert len(each.question.ones) == len(each.question.others) == len(seeds)
    assert found.trainings == sum(len(each.arms) * len(seeds) for each in found.claim.sweeps)
    assert found.as_dict()["claim"] == claim


def test_arms_differ_in_the_norm_alone():
    recipes = [recipe_of(data="digits", **own) for own in ARMS.values()]
    plain, normed = (dataclasses.asdict(each) for each in recipes)
    assert {key for key in plain if plain[key] != normed[key]} == {"model_options"}
    assert {**plain["model_options"], "norm": "batch"} == normed["model_options"]
    first, second = (build(each.model, **each.model_options) for each in recipes)
    shapes = [{key: tuple(value.shape) for key, value in net.named_parameters()} for net in (first, second)]
    without = {key: shape for key, shape in shapes[1].items() if not key.startswith("bn")}
    assert without == {key: shape for key, shape in shapes[0].items() if not key.startswith("conv") or "weight" in key}


@pytest.mark.parametrize(
    "own", [{}, {"size": 16, "channels": 1, "batch": 4, "split": "50/50/0"}], ids=["digits", "folder"]
)
def test_a_training_from_its_own_start_is_the_same_to_the_bit(own, tmp_path):
    """So what a claim changes at the start is all that differs: rates, bounds and pictures are as without a file."""
    data = {"data": str(photographs(tmp_path / "pictures")), **own} if own else {"data": "digits", "size": 8}
    asked, seed = Asked(data, SEEDS[:1], tmp_path), SEEDS[0]
    common = {**COMMON, "rate": 0.02, "seed": seed, "split_seed": seed, **FEW, **data}
    runs = [
        start_run(recipe_of(**{**common, **arm}), Execution(), Notes(), None, tmp_path / each)
        for each, arm in {"fresh": ARMS[PLAIN], "begun": begun(asked, seed, "start", ARMS[PLAIN])}.items()
    ]
    assert runs[0].preprocess == runs[1].preprocess
    ours = [run.network.state_dict() for run in runs]
    assert all(torch.equal(ours[0][key], ours[1][key]) for key in ours[0])
    assert [each["train_loss"] for each in runs[0].epochs] == [each["train_loss"] for each in runs[1].epochs]


def test_while_there_is_no_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    batch_norm_init.SWEEP.recipes(asked_in(Path(), SEEDS[:1]))
    assert not list(tmp_path.iterdir())


def test_scales_are_of_the_convolutions_alone(folder):
    asked = asked_in(folder / "scales", SEEDS[:1])
    sweep = batch_norm_init.SWEEP
    for arm in ARMS:
        files = {
            scale: weights.read(sweep.arms[f"{arm}-x{scale:g}"](asked, SEEDS[0])["weights"])
            for scale in batch_norm_init.SCALES
        }
        for scale, held in files.items():
            for key, value in held.items():
                times = scale if key.startswith("conv") and key.endswith("weight") else 1.0
                assert torch.equal(value, files[1.0][key] * times), (scale, key)


def test_inputs_differ_in_mean_and_deviation_alone(folder, monkeypatch):
    asked = asked_in(folder / "input_normalisation", SEEDS[:1])
    carried(input_normalisation, asked, monkeypatch)
    runs = {arm: open_run(asked.folder / name(arm, 0.02, SEEDS[0])) for arm in ("normalised", "0..1", "0..255")}
    seen = {arm: (run.preprocess.mean, run.preprocess.deviation) for arm, run in runs.items()}
    assert seen["0..1"] == ((0.0,) * 3, (1.0,) * 3)
    assert seen["0..255"] == ((0.0,) * 3, (1 / 255,) * 3)
    measured = runs["normalised"].facts["measured"]
    assert seen["normalised"] == (tuple(measured["mean"]), tuple(measured["deviation"]))
    starts = [weights.read(run.recipe["weights"]) for run in runs.values()]
    assert all(torch.equal(starts[0][key], each[key]) for each in starts for key in each)
    told = [{**run.recipe, "weights": ""} for run in runs.values()]
    assert told[0] == told[1] == told[2]


def test_the_largest_rate_and_the_width_of_scales_by_hand(folder, monkeypatch):
    """Of a run that has trained and one that has not, as if they were those of several rates and scales."""
    asked = asked_in(folder / "shared")
    carried(batch_norm_rates, asked, monkeypatch)
    runs = {arm: open_run(asked.folder / name(arm, 0.02, SEEDS[0])) for arm in ARMS}
    loss = {arm: run.epochs[-1]["train_loss"] for arm, run in runs.items()}
    assert loss[NORMED] < loss[PLAIN]
    between = math.sqrt(loss[NORMED] * loss[PLAIN])
    good, bad, broken = Ended("", runs[NORMED]), Ended("", runs[PLAIN]), Ended("", runs[NORMED], "not finite")
    monkeypatch.setattr(batch_norm_rates, "LOSS", between)
    monkeypatch.setattr(batch_norm_rates, "SWEEP", dataclasses.replace(batch_norm_rates.SWEEP, rates=(1.0, 2.0, 4.0)))
    largest = partial(batch_norm_rates._largest, arm=PLAIN, seed=0)
    ended = dict(zip((name(PLAIN, rate, 0) for rate in (1.0, 2.0, 4.0)), (good, good, broken), strict=True))
    assert largest(ended) == 2.0
    assert largest({**ended, name(PLAIN, 2.0, 0): bad}) == 1.0
    assert math.isnan(largest(dict.fromkeys(ended, bad)))
    monkeypatch.setattr(batch_norm_init, "LOSS", between)
    scales = dict(zip(batch_norm_init.SCALES, (bad, good, good, good, broken), strict=True))
    width = {name(f"{PLAIN}-x{scale:g}", 0.01, 0): each for scale, each in scales.items()}
    assert batch_norm_init._width(width, PLAIN, 0.01, 0) == pytest.approx(10)
    assert math.isnan(batch_norm_init._width(dict.fromkeys(width, bad), PLAIN, 0.01, 0))


def test_the_range_along_the_gradient_by_hand(folder, monkeypatch):
    """Weights minus a step of the gradient, by torch's own optimizer, the norm seeing its batch."""
    asked = asked_in(folder / "shared")
    carried(batch_norm_smooth, asked, monkeypatch)
    run = open_run(asked.folder / name(NORMED, 0.02, SEEDS[0]))
    monkeypatch.setattr(batch_norm_smooth, "PICTURES", 32)
    monkeypatch.setattr(batch_norm_smooth, "BATCH", 32)
    found = batch_norm_smooth.alongs(run)
    kept = checkpoint.read_epochs(run.folder / "checkpoints", run.weights)
    assert len(found) == len(kept) == 2
    member = run.predictor.members[0]
    ((batch,), seen) = training_batches(run, member, None, 32, 32, torch.device("cpu"))
    assert seen == 32
    net = network_for(run.facts["network"]["name"], run.task, 3, run.facts["network"]["options"])
    for step, expected in zip(found[1].steps, found[1].losses, strict=True):
        net.load_state_dict(dict(kept[2]))
        net.train()
        nn.functional.cross_entropy(net(batch.pictures), batch.targets["label"].long()).backward()
        torch.optim.SGD(net.parameters(), lr=step).step()
        moved = nn.functional.cross_entropy(net(batch.pictures), batch.targets["label"].long())
        net.zero_grad()
        assert moved.item() == pytest.approx(expected, rel=1e-4)


def test_ranges_at_equal_steps_and_at_equal_loss():
    def stood(loss, wide):
        return Along("", loss, 1.0, (1.0, 2.0), (loss, loss + wide), (1.0, 1.0))

    found = [stood(2.0, 4.0), stood(1.0, 2.0), stood(0.25, 0.5), stood(0.6, 9.0), stood(0.1, 9.0)]
    assert batch_norm_smooth.at_equal_steps(found[:3]) == pytest.approx(4 ** (1 / 3))
    assert batch_norm_smooth.at_equal_loss(found) == pytest.approx(1.0)  # half way from 1 to 1/4, as logarithms go
    assert math.isnan(batch_norm_smooth.at_equal_loss(found[:2]))
    assert math.isnan(batch_norm_smooth.at_equal_steps([]))


def test_of_each_training_as_many_epochs_are_kept_as_a_claim_asks(tmp_path):
    """By a list of processes, as a user has it."""
    sweep = dataclasses.replace(small(batch_norm_smooth.SWEEP), arms={PLAIN: four_layers()})
    claim = dataclasses.replace(
        batch_norm_smooth.CLAIM, sweeps=(sweep,), keep_epochs=2, questions=lambda asked, runs: []
    )
    carry_out(claim, asked_in(tmp_path, SEEDS[:1]), Carried(jobs=1, threads=1), Notes())
    run = open_run(tmp_path / name(PLAIN, 0.02, SEEDS[0]))
    assert list(checkpoint.read_epochs(run.folder / "checkpoints", run.weights)) == [1, 2]
