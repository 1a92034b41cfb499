"""Whether a map is to be trusted, on networks that were trained to tell planted shapes."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import DEEP, SHALLOW, SIDE, lies_in, planted, trained

import striate
from striate.data.preprocess import Preprocess
from striate.evaluate.intervals import differing
from striate.inside import activation, checks, gradient
from striate.inside.deconvnet import deconvnet
from striate.inside.explained import Explained, strength
from striate.predictor import Member, Predictor
from striate.report.explained import advantages, render
from striate.tasks.classify import Classify

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shallow():
    return trained(SHALLOW)


@pytest.fixture(scope="module")
def deep():
    return trained(DEEP)


def score(label):
    return lambda outputs: outputs[:, label]


def on(values):
    """The strength of each place of the picture."""
    if values.ndim == 2:
        values = torch.nn.functional.interpolate(values[None, None], (SIDE, SIDE), mode="bilinear")[0, 0]
    return strength(values.reshape(-1, SIDE, SIDE).numpy() if values.ndim > 2 else values.numpy())


def others(count, seed=2):
    """Pictures that no network was trained on, one at a time."""
    pictures, labels, boxes = planted(count, seed)
    return [(pictures[i : i + 1], int(labels[i]), boxes[i]) for i in range(count)]


def test_the_map_that_answers_to_a_shape_lights_it_by_a_deconvnet(shallow):
    pictures, labels, _ = planted(200, seed=1)  # of the training pictures
    with torch.no_grad():
        highest = shallow[:11](pictures).flatten(2).amax(2)
    apart = torch.stack([highest[labels == k].mean(0) - highest[labels != k].mean(0) for k in range(3)])
    right = (apart / (highest.std(0) + 1e-6)).argmax(1).tolist()
    hits = [lies_in(on(deconvnet(shallow, x, feature=right[label]).values), box) for x, label, box in others(100)]
    assert deconvnet(shallow, pictures[:1]).layer == "10"
    assert np.mean(hits) >= 0.95


def test_activation_maps_light_the_shape(shallow):
    made = [activation.grad_cam(shallow, x, score(label))[0] for x, label, _ in others(100)]
    mapped = [activation.cam(shallow, x, label)[0] for x, label, _ in others(100)]
    for maps in (made, mapped):
        assert np.mean([lies_in(on(each), box) for each, (_, _, box) in zip(maps, others(100), strict=True)]) >= 0.95


def flagged(net, of, layer=""):
    """How many of six pictures' maps are said to hardly change with the weights."""
    found = []
    for x, label, _ in others(6, seed=3):
        again = of(x, label)
        found.append(checks.randomised(net, x, on(again(net)), lambda other, of=again: on(of(other)), layer))
    assert all(each.layers == (16 if layer else 17) for each in found)
    assert all([one.layers for one in each.at] == [1, math.ceil(each.layers / 2), each.layers] for each in found)
    return sum(each.changes is False for each in found)


def test_randomisation_flags_guided_backpropagation_and_neither_grad_cam_nor_the_gradient(deep):
    """Nie et al. 2018 and Sixt et al. 2020: what is above has little say in a map of the first."""
    before = {key: value.clone() for key, value in deep.state_dict().items()}
    assert flagged(deep, lambda x, label: lambda net: gradient.guided(net, x, score(label))) >= 5
    assert flagged(deep, lambda x, label: lambda net: activation.grad_cam(net, x, score(label))[0]) <= 1
    assert flagged(deep, lambda x, label: lambda net: gradient.plain(net, x, score(label))) <= 1
    assert all(torch.equal(value, deep.state_dict()[key]) for key, value in before.items())


def test_randomisation_flags_the_deconvnet(deep):
    def projected(x, label):
        seen = deconvnet(deep, x)
        return lambda net: deconvnet(net, x, feature=seen.feature, of=seen.cell).values

    assert flagged(deep, projected, "25") >= 5


def test_deletion_and_insertion_tell_a_map_from_others_over_pictures(shallow):
    """With an interval over pictures, by eight of them; noise and the same map elsewhere are not told apart."""
    gains, draw = {"own": [], "noise": [], "elsewhere": []}, np.random.default_rng(0)
    for x, label, _ in others(8):
        own = on(activation.grad_cam(shallow, x, score(label))[0])
        maps = {
            "own": own,
            "noise": draw.normal(size=own.shape),
            "elsewhere": np.roll(own, draw.integers(6, 18, 2), (0, 1)),
        }
        for name, each in maps.items():
            found = checks.faithful(shallow, x, each, lambda made, at=label: made.softmax(1)[:, at])
            gains[name].append(found.gap - found.unrelated[0])
            assert found.beats == (found.below == checks.UNRELATED)
    low = {}
    for name, each in gains.items():
        _, low[name], _ = differing(np.stack([each, np.ones(8)], 1), lambda sums: sums[:, 0] / sums[:, 1])
    assert low["own"] > 0.1
    assert low["noise"] < 0
    assert low["elsewhere"] < 0


def test_what_is_taken_away_first_is_the_strongest():
    """A network whose answer is one pixel: its map has areas that can be told by hand."""

    def share(pictures):
        return pictures[:, 0, 3, 5]

    given, lit = torch.ones(1, 1, 10, 10), np.zeros((10, 10))
    lit[3, 5] = 1
    found = checks.faithful(torch.nn.Identity(), given, lit, share)
    # of ten steps the first takes the pixel away: half a trapezoid is left
    assert found.deletion == pytest.approx(0.05)
    assert found.insertion == pytest.approx(0.95)
    assert checks.faithful(torch.nn.Identity(), given, -lit, share).gap == pytest.approx(-0.9)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 99))
def test_unrelated_maps_are_the_same_map_elsewhere(height, width, seed):
    own = np.random.default_rng(seed).random((height, width))
    elsewhere = list(checks.moved(own))
    assert len(elsewhere) == checks.UNRELATED
    for each in elsewhere:
        np.testing.assert_array_equal(np.sort(each, axis=None), np.sort(own, axis=None))
        np.testing.assert_allclose(abs(np.fft.fft2(each))[0], abs(np.fft.fft2(own))[0])
    assert checks.rank_correlation(own, own) == pytest.approx(1)
    assert checks.rank_correlation(own, 1.01 - own) == pytest.approx(-1)
    assert checks.rank_correlation(own, np.zeros_like(own)) == 0
    assert math.isnan(checks.rank_correlation(np.zeros_like(own), own))


def test_unrelated_maps_lie_anywhere():
    lit = np.zeros((8, 8))
    lit[0, 0] = 1
    assert len({int(each.argmax()) for each in checks.moved(lit)}) > 10


def test_a_map_that_is_even_tells_nothing_and_has_no_number_in_json():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())
    x = torch.ones(1, 3, 6, 6)
    found = checks.randomised(net, x, np.zeros((6, 6)), lambda other: np.zeros((6, 6)))
    assert found.changes is None
    assert "nothing is told" in str(found)
    alone = np.zeros((6, 6))
    alone[2, 3] = 1  # which is even wherever it lies
    assert checks.randomised(net, x, alone, lambda other: alone).changes is None
    json.dumps(checks.Checks(found, None).as_dict(), allow_nan=False)


def test_checks_are_in_what_is_explained_and_in_its_page_and_over_pictures(shallow):
    predictor = Predictor(
        (
            Member(
                shallow,
                Preprocess(SIDE, 3, mean=(100 / 255,), deviation=(40 / 255,)),
                Classify(("cross", "ring", "stripes")),
            ),
        )
    )
    pictures = [((x[0].permute(1, 2, 0) * 40 + 100).clamp(0, 255).numpy().astype(np.uint8)) for x, _, _ in others(6)]
    found = striate.explain(predictor, pictures, method="grad-cam", checks=True)
    assert all(isinstance(each, Explained) and each.checks.faithful is not None for each in found)
    assert [one.layers for one in found[0].checks.randomised.at] == [1, 4, 7]
    (gain,) = advantages(found)
    assert (gain["method"], gain["n"]) == ("grad-cam", 6)
    assert gain["low"] <= gain["value"] <= gain["high"]
    assert advantages(found[:5]) == []
    page = render(found, "Inside")
    assert page.count("with the weights: rank correlation") == 6
    assert gain["told"].split(":")[0] in page
    assert striate.explain(predictor, pictures[0], method="grad-cam")[0].checks is None
