"""A claim's trainings: arms that differ in what they say and in nothing else, rates that validation chooses."""

import csv
import dataclasses
import math

import pytest

from small import Notes
from striate.claims.carried import carry_out
from striate.claims.claim import COMMON, Asked, Claim, Sweep, least_validation_loss, name
from striate.claims.measures import held_error, steps_to, trained, training_loss
from striate.claims.verdict import LEVEL
from striate.runs.run import open_run
from striate.training.execution import Carried
from striate.training.many import Ended
from striate.training.recipe import Recipe

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("claim")]
DATA = {"data": "digits", "size": 8}
SWEEP = Sweep(
    {"with": {"model_options": {"init": "he"}}, "without": {"model_options": {"init": "he", "lrn": False}}},
    (0.05, 1e-7),
    {"model": "alexnet_cifar10", "epochs": 2, "fold": "1/10"},
)
SEEDS = (1, 2, 3)
LOSS = "training loss"


def _questions(asked, runs):
    return SWEEP.compared(asked, runs, "with", "without", LOSS, training_loss, "times", -1, trained(10.0))


CLAIM = Claim("lrn", "It helps.", "a test", "as it stands", "none", "none", _questions, (SWEEP,))


def asked(folder, seeds=SEEDS):
    return Asked(DATA, seeds, folder)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("claim") / "list"
    return folder, carry_out(CLAIM, asked(folder), Carried(jobs=2, threads=1), Notes())


def differing(one: Recipe, other: Recipe):
    here, there = dataclasses.asdict(one), dataclasses.asdict(other)
    return {key for key in here if here[key] != there[key]}


def test_of_one_seed_arms_differ_in_what_they_say_alone(tmp_path):
    recipes = SWEEP.recipes(asked(tmp_path))
    assert len(recipes) == 2 * 2 * 3
    assert differing(recipes[name("with", 0.05, 1)], recipes[name("without", 0.05, 1)]) == {"model_options"}
    assert differing(recipes[name("with", 0.05, 1)], recipes[name("with", 1e-7, 1)]) == {"rate"}
    assert differing(recipes[name("with", 0.05, 1)], recipes[name("with", 0.05, 2)]) == {"seed", "split_seed"}


def test_what_claims_have_alike_acts_on_no_picture_and_opens_no_test_set(tmp_path):
    for recipe in SWEEP.recipes(asked(tmp_path)).values():
        assert (recipe.augment, recipe.mirror, recipe.label_smoothing, recipe.weight_decay) == ("none", False, 0.0, 0.0)
        assert recipe.split == COMMON["split"] == "80/20/0"


def test_an_arm_may_be_told_by_what_is_asked_and_the_seed(tmp_path):
    sweep = Sweep({"own": lambda asked, seed: {"weights": str(asked.folder / f"before-{seed}")}}, (0.1,), {"epochs": 1})
    recipe = sweep.recipes(asked(tmp_path))[name("own", 0.1, 2)]
    assert recipe.weights == str(tmp_path / "before-2")


def test_the_best_rate_is_that_of_validation_and_the_result_is_of_what_was_held_out(found):
    folder, told = found
    best = {each.arm: each.rate for each in told.trained if each.best}
    assert best == {"with": 0.05, "without": 0.05}  # the other rate moves nothing
    assert len(told.trained) == 4
    runs = {each: Ended(each, _run(folder, each)) for each in SWEEP.recipes(asked(folder))}
    of = [SWEEP.middle(asked(folder), runs, "with", rate) for rate in SWEEP.rates]
    by_hand = [
        math.prod(least_validation_loss(runs[name("with", rate, seed)].run) for seed in SEEDS) ** (1 / 3)
        for rate in SWEEP.rates
    ]
    assert of == pytest.approx(by_hand)
    run = runs[name("with", 0.05, 1)].run
    held = [row for row in _rows(run) if row["subset"] == "held"]
    assert {row["subset"] for row in _rows(run)} == {"train", "val", "held"}
    told = _rows(run, "predictions.csv")
    assert len(told) == len(held)
    wrong = sum(each["truth"] != each["answer"] for each in told)
    assert held_error(run) == pytest.approx(100 * wrong / len(held))


def test_a_claim_is_told_by_the_numbers_of_its_runs(found):
    folder, told = found
    (verdict,) = told.verdicts
    assert verdict.question.ones == tuple(
        _run(folder, name("with", 0.05, seed)).epochs[-1]["train_loss"] for seed in SEEDS
    )
    assert verdict.level == 1 - LEVEL
    assert told.trainings == 12
    assert told.seeds == SEEDS
    assert told.work > 0
    record = told.as_dict()
    assert record["claim"] == "lrn"
    assert record["verdicts"][0]["question"]["ones"] == list(verdict.question.ones)


def test_what_is_trained_is_not_trained_again_and_time_is_for_whole_seeds(found):
    folder, told = found
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}
    notes = Notes()
    half = told.work / len(SEEDS) / 2 / 2  # of what a seed takes with two at once; that it is there takes no time
    again = carry_out(CLAIM, asked(folder), Carried(jobs=2, threads=1), notes, within=half)
    assert again.seeds == SEEDS[:1]
    assert again.verdicts[0].word == "INCONCLUSIVE"
    assert "1 of 3 seeds" in " ".join(notes.said)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")} == before
    assert carry_out(CLAIM, asked(folder), Carried(jobs=2, threads=1), Notes()).verdicts == told.verdicts


def test_a_reference_that_failed_or_did_not_train_makes_a_question_inconclusive(found):
    folder, _ = found
    here = asked(folder)
    runs = {each: Ended(each, _run(folder, each)) for each in SWEEP.recipes(here)}
    gate = trained(1e-9)
    (question,) = SWEEP.compared(here, runs, "with", "without", LOSS, training_loss, "times", -1, gate)
    assert "did not train" in question.failed
    runs[name("without", 0.05, 2)] = Ended("without", None, "no memory")
    assert SWEEP.best(here, runs, "without") == 1e-7  # a rate at which a training failed is none
    assert "no memory" in SWEEP.failed(here, runs, "without", 0.05)
    assert math.isnan(SWEEP.of(here, runs, "without", 0.05, training_loss)[1])


def test_steps_to_an_error_are_those_of_the_first_epoch_that_has_it(found):
    folder, _ = found
    run = _run(folder, name("with", 0.05, 1))
    errors = [100 * (1 - each["val_accuracy"]) for each in run.epochs]
    assert steps_to(errors[0])(run) == run.epochs[0]["steps"]
    assert math.isnan(steps_to(min(errors) - 1e-6)(run))


def _run(folder, training):
    return open_run(folder / training)


def _rows(run, file="split.csv"):
    with (run.folder / file).open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("data", "said"), [("digits", "drawn cells"), ("photos", "photos")])
def test_what_it_learns_from_in_place_of_digits_is_what_is_told(data, said, tmp_path):
    claim = dataclasses.replace(CLAIM, questions=lambda asked, runs: [], sweeps=(), pictures="drawn cells")
    wanted = dataclasses.replace(asked(tmp_path), data={"data": data, "size": 8})
    assert carry_out(claim, wanted, Carried(jobs=1, threads=1), Notes()).data == said
