"""Folds against splits, on samples that share nothing."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from small import photographs
from striate.base.errors import DataError
from striate.claims import k_folds
from striate.claims.claim import Asked
from striate.claims.verdict import verdicts

DIGITS = Asked({"data": "digits", "size": 8}, (1000, 1001, 1002), None)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found():
    return list(k_folds.estimated(DIGITS, shuffles=1))


def test_samples_are_apart_and_their_truth_is_the_error_outside(found):
    assert len(found) == 3
    for one, other in itertools.combinations(found, 2):
        assert not set(one.pictures) & set(other.pictures)
    assert max(len(each.pictures) for each in found) <= k_folds.MOST
    pictures, labels = load_digits(return_X_y=True)
    (own, outside) = found[0].pictures, np.setdiff1d(np.arange(len(labels)), found[0].pictures)
    assert set(labels[own]) == set(range(10))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(pictures[own], labels[own])
    wrong = 100 * np.mean(classifier.predict(pictures[outside]) != labels[outside])
    assert found[0].truth == pytest.approx(wrong, abs=0.3)  # pixels are rounded to bytes


def test_each_way_tests_as_many_pictures_as_it_says(found):
    """A share of wrong ones is a whole number of them: of one split, of five, and in folds of each picture once."""
    for each in found:
        n = len(each.pictures)
        tested = math.ceil(n / 5)
        for estimates, of in ((each.one, tested), (each.several, 5 * tested)):
            assert (wrong := estimates * of / 100) == pytest.approx(np.round(wrong))
        assert n * each.folds / 100 == pytest.approx(np.round(n * each.folds / 100), abs=0.5 / 5)
        assert (np.abs(each.folds - each.truth) < 10).all()


def test_it_runs_on_a_folder(tmp_path, monkeypatch):
    """Few colour pictures of three classes."""
    monkeypatch.setattr(k_folds, "SHUFFLES", 3)
    folder = photographs(tmp_path / "photos", each=15, side=8)
    asked = Asked({"data": str(folder), "size": 6}, (1000, 1001, 1002), tmp_path)
    found = verdicts(k_folds.CLAIM.questions(asked, {}))
    assert [len(each.question.ones) for each in found] == [3, 3, 3]
    with pytest.raises(DataError, match=r"for 4 samples in 5 folds: class 0 has 15, .*at least 20 in every class"):
        list(k_folds.estimated(dataclasses.replace(asked, seeds=(0, 1, 2, 3)), 1))
