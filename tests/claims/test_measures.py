"""What claims read of a run, beside what lies in its folder."""

import csv
import math

import numpy as np
import pytest
from sklearn.datasets import load_digits

from small import train
from striate.claims import measures

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two epochs of the digits, an eighth of which trains, a fifth held out."""
    return train(tmp_path_factory.mktemp("runs"), fold="1/5", split="12/88/0", augment="none")


def test_the_gap_is_between_the_same_weights_on_what_was_held_out_and_on_what_was_learned(run):
    told = list(csv.DictReader((run.folder / "predictions.csv").read_text().splitlines()))
    held = -np.mean([math.log(float(each["truth_probability"])) for each in told])
    names = [line.name for line in run.lines if line.subset == "train"]
    pictures, labels = load_digits(return_X_y=True)
    places = [int(name.rpartition("/")[2]) for name in names]
    answers = run.predict([np.uint8(np.round(pictures[place].reshape(8, 8) * 255 / 16)) for place in places], top=10)
    chances = [dict(each.top)[str(labels[place])] for each, place in zip(answers, places, strict=True)]
    learned = -np.mean(np.log(chances))
    right = np.mean([each.top[0][0] == str(labels[place]) for each, place in zip(answers, places, strict=True)])
    assert measures.learned(run) == pytest.approx({"loss": learned, "accuracy": right}, rel=1e-4)
    assert measures.gap_in_loss(run) == pytest.approx(held - learned, rel=1e-4)
    assert measures.gap_in_error(run) == pytest.approx(measures.held_error(run) - 100 * (1 - right), abs=1e-3)


def test_steps_are_read_where_the_error_first_is_low_enough(run):
    first, last = run.epochs
    assert last["steps"] == 2 * first["steps"]
    errors = [100 * (1 - each["val_accuracy"]) for each in run.epochs]
    assert errors[1] < errors[0]
    assert measures.steps_to(100.0)(run) == first["steps"]
    assert measures.steps_to(sum(errors) / 2)(run) == last["steps"]
    never = errors[1] / 2
    assert measures.steps_within(never)(run) == last["steps"]
    assert measures.steps_within(100.0)(run) == first["steps"]
    assert measures.reaches(errors[1])(run) == ""
    assert measures.reaches(never)(run) == f"the reference never reached {never:g} %"
