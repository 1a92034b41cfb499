"""Squeeze-excitation, heads, cardinality, dense connections, U-Net's concatenations: what their claims train."""

import math
from dataclasses import asdict, replace

import pytest
import torch
from torch.nn import functional

from small import Notes, photographs, photographs_with_masks
from striate.base import durable
from striate.claims import auxiliary_heads, cardinality, dense_connections, squeeze_excitation, unet_skips
from striate.claims.claim import Asked, name
from striate.claims.gradients import beginning
from striate.claims.verdict import verdicts
from striate.cost.count import count
from striate.models.build import build
from striate.runs.run import open_run
from striate.training.execution import Execution
from striate.training.many import Ended
from striate.training.train import start_run

pytestmark = pytest.mark.slow
SEEDS = (1000, 1001, 1002)
# By module: what its arms set apart, and parameters and multiply-adds of the first arm by those of the second.
APART = {
    squeeze_excitation: ({"model_options"}, 269_722 / 278_602, 0.997),
    cardinality: ({"model"}, 314_122 / 310_682, 0.976),
    dense_connections: ({"model", "model_options"}, 269_722 / 238_306, 0.491),
    unet_skips: ({"model_options"}, 1.112, 1.249),
    auxiliary_heads: ({"model_options"}, 9_960_638 / 5_610_154, 1.0),
}
CLASSIFIERS = (squeeze_excitation, cardinality, dense_connections)  # whose one question is of errors
LABELS = [each.__name__.rpartition(".")[2] for each in APART]
DIGITS = Asked({"data": "digits", "size": 8}, SEEDS, None)


@pytest.mark.parametrize("module", APART, ids=LABELS)
def test_arms_differ_in_what_is_compared_and_by_what_the_protocol_tells(module):
    (sweep,), (expected, parameters, work) = module.CLAIM.sweeps, APART[module]
    recipes = sweep.recipes(DIGITS)
    one, other, *_ = (recipes[name(arm, sweep.rates[0], SEEDS[0])] for arm in sweep.arms)
    assert {key for key, value in asdict(one).items() if value != asdict(other)[key]} == expected
    cells = module is unet_skips
    nets = [build(each.model, classes=2 if cells else 10, channels=1 if cells else 3, **each.model_options)
            for each in (one, other)]  # fmt: skip
    side = 64 if cells else one.size
    counted = [count(net, (1 if cells else 3, side, side)) for net in nets]
    weights = [sum(each.numel() for each in net.parameters()) for net in nets]
    assert weights[0] / weights[1] == pytest.approx(parameters, rel=1e-3)
    assert counted[0].macs / counted[1].macs == pytest.approx(work, rel=1e-3)


def test_cells_are_drawn_anew_for_each_seed_and_deformed_in_one_arm_only():
    (sweep,) = unet_skips.CLAIM.sweeps
    recipes = sweep.recipes(DIGITS)
    assert {each.data for each in recipes.values()} == {f"cells:number=80,size=64,seed={seed}" for seed in SEEDS}
    assert {key.partition("-")[0] for key, each in recipes.items() if each.elastic} == {"unet_deformed"}
    joined, deformed = (asdict(recipes[name(arm, sweep.rates[0], SEEDS[0])]) for arm in ("unet", "unet_deformed"))
    assert {key for key in joined if joined[key] != deformed[key]} == {"elastic"}
    own = sweep.recipes(replace(DIGITS, data={"data": "mine", "size": 96}))
    assert {(each.data, each.size, each.split) for each in own.values()} == {("mine", 96, "75/25/0")}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    return photographs(root / "photos", each=8), photographs_with_masks(root / "masked", count=12, side=32)


@pytest.mark.parametrize("module", [
    pytest.param(each, id=label, marks=() if each is cardinality else pytest.mark.whole)
    for each, label in zip(APART, LABELS, strict=True)
])  # fmt: skip
def test_each_runs_to_its_verdicts_on_other_pictures(module, folders, tmp_path, monkeypatch):
    """The same questions of two epochs at one rate: coloured pictures of three classes."""
    (sweep,) = module.CLAIM.sweeps
    photos, masked = folders
    wanted = Asked({"data": str(masked if module is unet_skips else photos), "size": 16}, SEEDS, tmp_path)
    small = replace(sweep, rates=(0.01,), common={**sweep.common, "epochs": 2})
    monkeypatch.setattr(module, "SWEEP", small)
    ended = {}
    for each, recipe in small.recipes(wanted).items():
        ended[each] = Ended(each, start_run(recipe, Execution(cache=False), Notes(), None, tmp_path / each))
    questions = module.CLAIM.questions(wanted, ended)
    assert len(verdicts(questions)) == len(questions) == (1 if module in CLASSIFIERS else 2)
    for question in questions:
        assert len(question.ones) == len(question.others) == len(SEEDS)
        assert all(map(math.isfinite, (*question.ones, *question.others)))
        more = module is unet_skips or "gradient" in question.of
        assert question.claimed == (1 if more else -1)


def test_what_finds_only_background_is_no_reference(folders, tmp_path):
    """A short training by hand, and the same with a result that says so."""
    wanted = Asked({"data": str(folders[1]), "size": 16}, (0,), tmp_path)
    recipe = replace(unet_skips.SWEEP.recipes(wanted)["unet-0.2-0"], epochs=8)
    run = start_run(recipe, Execution(cache=False), Notes(), None, tmp_path / "joined")
    pixels = run.result["confusion"]
    of = range(len(pixels))
    overlaps = [pixels[i][i] / (sum(pixels[i]) + sum(row[i] for row in pixels) - pixels[i][i]) for i in of]
    assert unet_skips.overlap(run) == pytest.approx(100 * sum(overlaps) / len(overlaps))
    assert max(overlaps[1:]) > unet_skips.LEAST
    assert unet_skips.answers(run) == ""
    classes = [{**each, "iou": {**each["iou"], "value": 0.05}} for each in run.result["classes"][1:]]
    durable.write_json(run.folder / "result.json", {**run.result, "classes": [run.result["classes"][0], *classes]})
    assert "IoU 0.05" in unet_skips.answers(open_run(run.folder))


def test_the_gradient_of_heads_is_that_of_all_losses_together(folders, tmp_path):
    begun = beginning(Asked({"data": str(folders[0]), "size": 32}, (0,), tmp_path), 0)
    found = [auxiliary_heads.arriving(begun, heads) for heads in (True, False)]
    pictures, labels = begun.batch.pictures, begun.batch.targets["label"]
    for weight, expected in zip((0.3, 0.0), found, strict=True):
        net = begun.network("googlenet_bn", {"dropout": 0.0}).double().train()
        answers = net(pictures)
        losses = [functional.cross_entropy(each, labels) for each in (answers.logits, *answers.auxiliary)]
        (gradient,) = torch.autograd.grad(losses[0] + weight * sum(losses[1:]), [net.conv1.conv.weight])
        assert expected == pytest.approx(float(gradient.norm()), rel=1e-6)
    assert found[0] != pytest.approx(found[1], rel=1e-5)
