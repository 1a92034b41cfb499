"""Claims on deep networks: arms that differ in what they say and in nothing else, and what is read of their runs."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from small import Notes
from striate.claims import (
    block_removed,
    pre_activation,
    vanishing_degrades,
    worded,
    zero_init,
    zero_init_without_norm,
)  # fmt: skip
from striate.claims.carried import carry_out
from striate.claims.claim import Asked, Sweep, name
from striate.claims.deeper import more_when_deep
from striate.claims.measures import training_loss
from striate.evaluate.numbers import number
from striate.evaluate.rows import rows_anew
from striate.inside import residual
from striate.models.build import build
from striate.runs.own import own_subsets
from striate.training.execution import Carried
from striate.training.many import Ended, train_many

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deeper")]
DATA = {"data": "digits", "size": 8}
SEEDS = (1000, 1001, 1002)
SHORT = {"epochs": 2, "split": "20/80/0", "batch": 32}
CLAIMS = (block_removed, pre_activation, vanishing_degrades, zero_init, zero_init_without_norm)


def asked(folder, seeds=SEEDS[:1]):
    return Asked(DATA, seeds, folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A plain and a residual network; one without norms at a rate that it bears, and at one that it does not."""
    folder = tmp_path_factory.mktemp("deeper") / "list"
    bare = {"model": "resnet20", "model_options": {"norm": "none"}}
    sweeps = (
        Sweep({"plain": {"model": "plain20"}, "residual": {"model": "resnet20"}}, (0.05,), SHORT),
        Sweep({"bare": bare}, (1e-4, 1e2), SHORT),
    )
    ended = {}
    for sweep in sweeps:
        ended |= train_many(sweep.recipes(asked(folder)), folder, Carried(jobs=2, threads=1), Notes())
    return ended


@pytest.mark.parametrize(
    ("sweep", "one", "other", "differ"),
    [
        (block_removed.SWEEP, "plain32", "resnet32", {"model"}),
        (pre_activation.SWEEP, "preact_resnet56", "resnet56", {"model"}),
        (pre_activation.SWEEP, "preact_resnet20", "resnet20", {"model"}),
        (vanishing_degrades.SWEEP, "plain56", "plain20", {"model"}),
        (zero_init.SWEEP, "zero_resnet56", "resnet56", {"model_options"}),
        (zero_init.SWEEP, "zero_resnet20", "resnet20", {"model_options"}),
        (zero_init_without_norm.SWEEP, "zero", "drawn", {"model_options"}),
    ],
)
def test_arms_differ_in_what_they_say_alone(sweep, one, other, differ):
    recipes = sweep.recipes(asked(Path("nowhere")))
    here, there = (dataclasses.asdict(recipes[name(arm, sweep.rates[0], SEEDS[0])]) for arm in (one, other))
    assert {key for key in here if here[key] != there[key]} == differ
    if {one, other} != {"plain56", "plain20"}:
        built = [_parameters(recipes[name(arm, sweep.rates[0], SEEDS[0])]) for arm in (one, other)]
        assert built[0] == built[1]


def _parameters(recipe):
    with torch.device("meta"):
        return sum(each.numel() for each in build(recipe.model, **recipe.model_options).parameters())


@pytest.mark.parametrize("sweep", [zero_init.SWEEP, zero_init_without_norm.SWEEP])
def test_what_starts_at_zero_is_all_that_is_drawn_otherwise(sweep):
    zero, drawn = list(sweep.arms)[:2]
    nets = []
    for arm in (zero, drawn):
        torch.manual_seed(0)
        nets.append(build(sweep.arms[arm]["model"], **sweep.arms[arm].get("model_options", {})).state_dict())
    changed = {key for key in nets[0] if not torch.equal(nets[0][key], nets[1][key])}
    assert len(changed) == 27
    assert not any(nets[0][key].any() for key in changed)


def test_a_block_taken_out_leaves_its_shortcut_alone(trained):
    """Beside the branch set to zero by a hook, picture for picture of what the fold holds out."""
    run = trained[name("residual", 0.05, SEEDS[0])].run
    split, samples = own_subsets(run.folder, run.facts, run.task, None, "")
    blocks = [each for each in residual.residuals(run.network) if isinstance(each.beside, nn.Identity)]

    def error():
        (measure, *_) = run.task.measures(rows_anew(run.predictor, samples, split.held))
        return 100 * (1 - number(measure, "held").value)

    whole, expected = error(), []
    for each in blocks:
        with residual.without(each):
            expected.append(error() - whole)
    assert len(split.held) > 300
    assert block_removed.lost(run) == pytest.approx(expected)
    assert any(expected)


def test_of_a_plain_network_blocks_go_whole_and_it_is_left_as_it_was(trained):
    run = trained[name("plain", 0.05, SEEDS[0])].run
    before = str(run.network)
    places = block_removed.removable(run.network)
    assert len(places) == 7
    with block_removed.without(*places[0]):
        assert len([each for each in run.network.modules() if isinstance(each, nn.Conv2d)]) == 19 - 2
    assert str(run.network) == before
    found = block_removed.lost(run)
    assert len(found) == 7
    assert all(map(math.isfinite, found))
    assert str(run.network) == before


def test_a_training_that_blew_up_has_the_loss_of_guessing_and_another_failure_has_none(trained):
    small, large = (trained[name("bare", rate, SEEDS[0])] for rate in (1e-4, 1e2))
    assert "gradient's norm" in large.cause
    assert zero_init_without_norm.learned(large) == math.log(10)
    assert zero_init_without_norm.learned(small) == min(math.log(10), training_loss(small.run))
    best = trained[name("residual", 0.05, SEEDS[0])]
    assert zero_init_without_norm.learned(best) == training_loss(best.run) < math.log(10)
    assert math.isnan(zero_init_without_norm.learned(dataclasses.replace(small, cause="no disk")))
    assert math.isnan(zero_init_without_norm.learned(Ended("one", None, "no memory")))


def test_what_helps_more_when_deep_is_a_ratio_of_ratios(trained):
    sweep = Sweep({"plain": {}, "residual": {}}, (0.05,))
    runs = {each: trained[each] for each in (name("plain", 0.05, SEEDS[0]), name("residual", 0.05, SEEDS[0]))}
    first, second = more_when_deep(sweep, asked(Path()), runs, ("plain", "residual"), ("residual", "plain"))
    plain, residual_ = (training_loss(each.run) for each in runs.values())
    assert (first.ones, first.others) == ((plain,), (residual_,))
    assert second.ones == pytest.approx((plain / residual_,))
    assert second.others == pytest.approx((residual_ / plain,))
    assert "did not train" in first.failed  # two epochs are not enough


@pytest.mark.whole
@pytest.mark.parametrize("module", CLAIMS)
def test_each_claim_runs_to_its_verdicts(module, tmp_path, monkeypatch):
    """Of 20 layers instead of more, and a few steps."""
    sweeps = []
    for key in ("REFERENCE", "SWEEP"):
        if (sweep := getattr(module, key, None)) is not None:
            arms = {arm: {**own, "model": _shallow(own["model"])} for arm, own in sweep.arms.items()}
            sweeps.append(dataclasses.replace(sweep, arms=arms, rates=sweep.rates[-1:], common=SHORT))
            monkeypatch.setattr(module, key, sweeps[-1])
    if module is vanishing_degrades or module is block_removed:
        monkeypatch.setattr(module, "RATE", sweeps[-1].rates[0])
    claim = dataclasses.replace(module.CLAIM, sweeps=tuple(sweeps))
    found = carry_out(claim, asked(tmp_path / "list", SEEDS), Carried(jobs=2, threads=1), Notes())
    assert found.verdicts
    assert found.as_dict()["claim"] == claim.name
    for each in found.verdicts:
        assert len(each.question.ones) == len(each.question.others) == len(SEEDS)
    if module is zero_init_without_norm:
        (table,) = found.beside
        assert [row[0] for row in table.rows] == ["shallow", "zero", "drawn"]
        assert {cell for row in table.rows for cell in row[1:]} <= {"", *(f"{n} of {len(SEEDS)}" for n in range(10))}


@pytest.mark.whole
def test_how_much_arrives_stands_beside_whether_it_is_less(tmp_path, monkeypatch):
    module = vanishing_degrades
    arms = {arm: {"model": "plain20"} for arm in module.SWEEP.arms}
    sweep = dataclasses.replace(module.SWEEP, arms=arms, common=SHORT)
    monkeypatch.setattr(module, "SWEEP", sweep)
    claim = dataclasses.replace(module.CLAIM, sweeps=(sweep,))
    told = {}
    for gate in ("", "nothing to explain"):
        monkeypatch.setattr(module, "_same", lambda *given, gate=gate: gate)
        told[gate] = carry_out(claim, asked(tmp_path / "list", (0,)), Carried(threads=1), Notes())
    found = told[""]
    for verdict, row in zip(found.verdicts, found.beside[0].rows, strict=True):
        (one,), (other,) = verdict.question.ones, verdict.question.others
        assert row == (verdict.question.name, worded.times(one), worded.times(other))
    assert told["nothing to explain"].beside == ()


def _shallow(model):
    return model.replace("56", "20").replace("32", "20")
