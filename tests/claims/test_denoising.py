"""The denoising autoencoder: what each is trained for, and what all are asked."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from small import photographs
from striate.claims import denoising
from striate.claims.claim import Asked
from trained_here import trained_here

SEEDS = (1000,)


def test_arms_differ_in_the_noise_alone(tmp_path):
    recipes = denoising.SWEEP.recipes(Asked({"data": "digits", "size": 8}, (1000,), tmp_path))
    plain, other = (recipes[f"{arm}-0.004-1000"] for arm in ("autoencoder", "denoising_autoencoder"))
    assert (plain.task, other.task, other.task_options) == ("reconstruct", "denoise", {"noise": 0.3})
    alike = {"task": "", "task_options": {}}
    assert dataclasses.replace(plain, **alike) == dataclasses.replace(other, **alike)


@pytest.fixture(scope="module")
def small():
    return dataclasses.replace(denoising.SWEEP, rates=(0.016,), common={**denoising.SWEEP.common, "epochs": 3})


@pytest.fixture(scope="module", params=["digits", "folder"])
def trained(request, small, tmp_path_factory):
    home = tmp_path_factory.mktemp("denoising")
    data = {"data": "digits", "size": 8}
    if request.param == "folder":
        data = {"data": str(photographs(home / "photos", side=12)), "size": 12}
        small = dataclasses.replace(small, common={**small.common, "batch": 9})
    asked = Asked(data, SEEDS, home / "runs")
    return small, asked, trained_here(small, asked)


@pytest.mark.slow
def test_it_runs_to_its_verdicts(trained, monkeypatch):
    small, asked, ended = trained
    monkeypatch.setattr(denoising, "SWEEP", small)
    found = denoising.CLAIM.questions(asked, ended)
    assert {each.one for each in found} == {"denoising_autoencoder"}
    assert [each.other for each in found] == ["the noisy picture itself", "autoencoder", "autoencoder"]
    assert all(math.isfinite(each) for question in found for each in (*question.ones, *question.others))
    assert found[0].ones == found[1].ones
    if asked.data["data"] == "digits":  # noise of 0.3, cut at 0 and 1: its variance is 0.09 where nothing is cut
        assert all(0.045 < each < 0.09 for each in found[0].others)


@pytest.mark.slow
def test_measures_by_hand(trained):
    *_, ended = trained
    run, plain = (ended[f"{arm}-0.016-1000"].run for arm in ("denoising_autoencoder", "autoencoder"))
    assert run.lines == plain.lines
    clean, digests = denoising.pictures_of(run, "held")
    assert digests == [line.digest for line in run.lines if line.subset == "held"]
    given = denoising.with_noise(clean)
    assert torch.equal(given, denoising.with_noise(denoising.pictures_of(plain, "held")[0]))
    assert (given - torch.from_numpy(clean) / 255).std() == pytest.approx(0.3, rel=0.05)
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (run.preprocess.mean, run.preprocess.deviation))
    with torch.no_grad():
        answers = run.network((given - mean) / deviation).clamp(0, 1)
    error = float((answers.double() - torch.from_numpy(clean / 255)).square().mean())
    assert denoising.noisy_error(run) == pytest.approx(error, rel=1e-4)
    assert denoising.given_error(run) == denoising.given_error(plain)


@pytest.mark.slow
def test_the_probe_learns_from_codes_of_training_pictures(trained):
    *_, ended = trained
    run = ended["autoencoder-0.016-1000"].run
    digests = sorted({line.digest for line in run.lines})
    labels = {digest: place % 3 for place, digest in enumerate(digests)}
    parts = {}
    for subset in ("train", "held"):
        clean, own = denoising.pictures_of(run, subset)
        with torch.no_grad():
            given = run.predictor.given(run.predictor.members[0], torch.from_numpy(clean))
            parts[subset] = run.network.encoder(given).flatten(1).numpy(), np.array([labels[each] for each in own])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(*parts["train"])
    wrong = 100 * np.mean(classifier.predict(parts["held"][0]) != parts["held"][1])
    assert denoising.probe_error(labels)(run) == pytest.approx(wrong, abs=1.0)


@pytest.mark.slow
def test_a_plain_one_that_has_not_learned_is_no_reference(trained, monkeypatch):
    *_, ended = trained
    run = ended["autoencoder-0.016-1000"].run
    monkeypatch.setattr(denoising, "LEFT", 1e-6)
    assert denoising.learned(run).startswith("the plain autoencoder leaves ")
    monkeypatch.setattr(denoising, "LEFT", 100.0)
    assert denoising.learned(run) == ""
