"""Activations, response normalisation, dropout, augmentation, pools and first filters: what their claims train."""

import math
from dataclasses import asdict, replace

import pytest

from small import Notes, photographs
from striate.claims import augmentation, dropout, first_filters, overlapping_pools, relu, response_norm
from striate.claims.claim import Asked, name, sides_of
from striate.claims.verdict import verdicts
from striate.cost.count import count
from striate.models.build import build
from striate.training.execution import Execution
from striate.training.many import Ended
from striate.training.train import start_run

pytestmark = pytest.mark.slow
SEEDS = (1000, 1001, 1002)
# By module: what its arms set apart, and how many weights the first of them has more, for each channel of a picture.
APART = {
    relu: ({"activation", "init"}, 0),
    response_norm: ({"lrn"}, 0),
    dropout: ({"dropout"}, 0),
    augmentation: ({"augment", "mirror"}, 0),
    overlapping_pools: ({"pool"}, 0),
    first_filters: ({"first"}, 32 * (7 * 7 - 11 * 11)),
}
LABELS = [each.__name__.rpartition(".")[2] for each in APART]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return photographs(tmp_path_factory.mktemp("photos") / "photos")


def asked(pictures, folder):
    """Coloured photographs of three classes."""
    return Asked({"data": str(pictures), "size": 24}, SEEDS, folder)


@pytest.mark.parametrize("module", APART, ids=LABELS)
def test_arms_differ_in_what_is_compared_and_in_nothing_else(module, pictures, tmp_path):
    (sweep,), (expected, more) = module.CLAIM.sweeps, APART[module]
    recipes = sweep.recipes(asked(pictures, tmp_path))
    arms = [recipes[name(arm, sweep.rates[0], SEEDS[0])] for arm in sweep.arms]
    told = [{**asdict(each), "model_options": None, **each.model_options} for each in arms]
    assert {key for key in told[0] if any(each[key] != told[0][key] for each in told)} == expected
    nets = [build(str(each.model), classes=3, channels=3, **each.model_options) for each in arms]
    side = told[0]["size"]
    counted = [count(net, (3, side, side)) for net in nets]
    assert counted[0].params - counted[1].params == 3 * more
    assert (counted[0].macs == counted[1].macs) == (more == 0)
    seeds = {(recipes[each].seed, recipes[each].split_seed) for each in recipes}
    assert seeds == {(seed, seed) for seed in SEEDS}


@pytest.mark.parametrize("module", [
    pytest.param(each, id=label, marks=() if each in (relu, augmentation) else pytest.mark.whole)
    for each, label in zip(APART, LABELS, strict=True)
])  # fmt: skip
def test_each_runs_to_its_verdicts_on_other_pictures(module, pictures, tmp_path, monkeypatch):
    """The same questions of two epochs at one rate; too few to pass a gate, but each seed has its numbers."""
    (sweep,), wanted = module.CLAIM.sweeps, asked(pictures, tmp_path)
    small = replace(sweep, rates=(0.01,), common={**sweep.common, "epochs": 2, "batch": 8})
    monkeypatch.setattr(module, "SWEEP", small)
    ended = {}
    for each, recipe in small.recipes(wanted).items():
        run = start_run(recipe, Execution(cache=False), Notes(), None, tmp_path / each)
        ended[each] = Ended(each, run)
    questions = module.CLAIM.questions(wanted, ended)
    assert len(verdicts(questions)) == len(questions) >= 1
    for question in questions:
        assert len(question.ones) == len(question.others) == len(SEEDS)
        assert all(map(math.isfinite, (*question.ones, *question.others)))


def test_digits_are_never_mirrored_and_other_pictures_as_suits_them(pictures, tmp_path):
    digits = Asked({"data": "digits", "size": 8}, SEEDS, tmp_path)
    (sweep,) = augmentation.CLAIM.sweeps
    mirrored = {
        of.data["data"]: {each.mirror for each in sweep.recipes(of).values() if each.augment == "light"}
        for of in (digits, asked(pictures, tmp_path))
    }
    assert mirrored == {"digits": {False}, str(pictures): {None}}


def test_sides_are_as_asked_and_never_too_small(tmp_path):
    for given, sides in (({"size": 8}, 16), ({"size": 40}, 40), ({}, 16), ({"size": "12x30"}, (16, 30))):
        assert sides_of(Asked(given, SEEDS, tmp_path), 16) == sides
