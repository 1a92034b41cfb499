"""The range test of the learning rate: what it suggests, and that the training after it is that of the rate typed."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import striate
from small import Notes, digest, job, train
from striate.base.errors import RunError
from striate.report.collect import write
from striate.runs import checkpoint
from striate.runs.run import open_run
from striate.training.ranged import RATES, STEPS, range_test, suggested

GRID = np.geomspace(*RATES["sgd"], STEPS)


def valley(place, noise=0.0, seed=0):
    """Losses that fall to `place` and rise steeply from there on."""
    steps = np.arange(STEPS)
    shape = np.where(steps < place, 1 + np.exp(-steps / 30), 1 + np.exp(-place / 30) + ((steps - place) / 8.0) ** 2)
    return list(shape + noise * np.random.default_rng(seed).normal(size=STEPS))


@given(st.integers(20, 85), st.integers(0, 1000))
def test_it_is_a_third_of_where_the_loss_is_lowest_through_the_noise_of_single_batches(place, seed):
    found = suggested(GRID, valley(place, 0.01, seed))
    assert GRID[place - 16] / 3.1 < found.rate < GRID[min(place + 8, STEPS - 1)] / 2.9


@given(st.integers(20, 85), st.floats(0.01, 100))
def test_the_unit_of_the_loss_does_not_matter(place, factor):
    losses = valley(place)
    assert suggested(GRID, losses).rate == suggested(GRID, [factor * each for each in losses]).rate


def test_one_lucky_batch_decides_nothing():
    losses = valley(60)
    losses[10] = 0.2
    assert suggested(GRID, losses).rate == pytest.approx(suggested(GRID, valley(60)).rate, rel=0.2)


def test_a_loss_that_is_no_number_at_once_is_a_sentence():
    with pytest.raises(RunError, match="the loss is no number at the lowest rate"):
        suggested(GRID, [])


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_network_it_is_given_is_not_touched(tmp_path, optimizer):
    work = job(tmp_path, optimizer=optimizer, rate="auto")
    before = checkpoint.digest(work.net.state_dict())
    found = range_test(work, Notes())
    assert checkpoint.digest(work.net.state_dict()) == before
    assert all(parameter.grad is None for parameter in work.net.parameters())
    assert work.recipe.rate == "auto"
    assert range_test(work, Notes()) == found, "every draw has a key"
    torch.rand(3)
    assert range_test(work, Notes()).rate == found.rate


@pytest.mark.slow
def test_the_training_after_it_has_the_bits_of_the_rate_typed_and_tells_how_it_was_found(tmp_path):
    notes = Notes()
    run = train(tmp_path / "auto", rate="auto", listener=notes)
    rate = run.recipe["rate"]
    assert isinstance(rate, float)
    assert digest(train(tmp_path / "typed", rate=rate)) == digest(run)
    assert any(said.startswith(f"rate {rate}: a third of where the loss was lowest") for said in notes.said)
    assert run.facts["chosen"]["rate"].startswith("a third of where")
    assert json.loads((run.folder / "run.json").read_text())["recipe"]["rate"] == rate
    page = write(run).read_text()
    assert "Loss while the rate rises" in page
    assert "mathdefault" not in page
    text = (run.folder / "rates.csv").read_text()
    for harm, cause in (
        ("rate,loss", "what a training writes"),
        (text.replace(",", ",x", 1), "what a training writes"),
    ):
        (run.folder / "rates.csv").write_text(harm)
        with pytest.raises(RunError, match=cause):
            write(open_run(run.folder))


def test_a_word_that_is_no_rate_is_refused(tmp_path):
    with pytest.raises(striate.base.errors.UsageError, match="'fast' is a str, not number"):
        striate.train("digits", rate="fast", runs=tmp_path)
