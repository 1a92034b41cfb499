"""Pictures that are answered whole: tiles of any size give what one canvas would, at the picture's own pixels."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from small import photographs, train
from striate.base.errors import UsageError
from striate.data.load import read_samples
from striate.data.picture.canvas import cut, tiles
from striate.data.preprocess import Preprocess
from striate.data.units import units_of
from striate.models.build import build
from striate.predictor import Member, Predictor
from striate.tasks import registry

PLAIN = registry.task_named("reconstruct", (), {}, {})
side = st.integers(1, 40)


def predictor(network, size, context=0, stride=16, resize="tiles", channels=1):
    way = Preprocess(
        size, channels, resize, (0.5,) * channels, (0.25,) * channels, context=context, stride=stride, whole=True
    )
    return Predictor((Member(network.eval(), way, PLAIN),))


def picture(height, width, channels=1, seed=0):
    """Smooth and within a narrow band, so that answers are not cut at 0 and 1."""
    coarse = torch.rand(1, channels, 9, 9, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)[0]
    return (80 + 90 * smooth.clamp(0, 1)).to(torch.uint8).numpy()


@given(side, side, st.integers(1, 20), st.integers(0, 12))
def test_tiles_answer_for_each_pixel_once(height, width, step, context):
    size = step + 2 * context + 3
    seen = np.zeros((height, width), int)
    for laid in tiles(height, width, size, context, step):
        top, left = (context - int(at) for at in laid.offset)
        seen[top : top + step, left : left + step] += 1
        assert laid.canvas == (size, size)
    assert (seen == 1).all()


@given(side, side, st.integers(1, 16), st.integers(0, 60))
def test_a_canvas_goes_on_mirrored_as_numpy_does(height, width, step, context):
    own = np.random.default_rng(0).integers(0, 256, (2, height, width), dtype=np.uint8)
    beyond = context + step
    around = np.pad(own, ((0, 0), (beyond, beyond), (beyond, beyond)), mode="reflect")
    for laid in tiles(height, width, step + 2 * context, context, step)[::3]:
        top, left = (beyond - int(at) for at in laid.offset)
        expected = around[:, top : top + laid.canvas[0], left : left + laid.canvas[1]]
        np.testing.assert_array_equal(cut(own, laid), expected)


def small(name, **options):
    """A network whose answers stay within 0..1."""
    torch.manual_seed(0)
    net = build(name, classes=1, channels=1, width=4, **options)
    with torch.no_grad():
        net.last.weight.mul_(0.05)
        net.last.bias.fill_(0.5)
    return net


@pytest.fixture(scope="module")
def valid():
    return small("unet")


def test_tiles_of_the_published_network_are_the_whole_picture(valid):
    """Ronneberger et al. 2015, Figure 2: what is answered for in a tile does not depend on where the tile begins."""
    own = picture(110, 150)
    at_once = predictor(valid, 348, 92).said(own, PLAIN)  # an answer of 164 pixels a side
    assert (at_once.shape, at_once.dtype) == ((1, 110, 150), np.float32)
    assert at_once.std() > 1e-3
    for size in (204, 252):  # answers of 20 and 68, used for 16 and 64
        np.testing.assert_allclose(predictor(valid, size, 92).said(own, PLAIN), at_once, rtol=0, atol=5e-6)
    wrong = predictor(valid, 252, 92, stride=1).said(own, PLAIN)  # 68 apart: the pools meet other pixels
    assert np.abs(wrong - at_once).max() > 1e-4


def test_what_surrounds_a_tile_makes_a_padded_network_nearly_the_whole():
    padded = small("unet_padded", norm=None)
    own = picture(128, 128)
    at_once = predictor(padded, 128).said(own, PLAIN)
    errors = [  # within the picture: at its border zeros stand against a mirror
        np.abs(predictor(padded, size, context).said(own, PLAIN) - at_once)[:, 24:-24, 24:-24].mean()
        for size, context in ((64, 0), (96, 16), (128, 32))
    ]
    assert errors[0] > errors[1] > errors[2] > 0


@pytest.mark.parametrize("resize", ["squash", "letterbox"])
def test_a_resized_picture_is_answered_at_its_own_size(resize, valid):
    said = predictor(valid, 204, 92, resize=resize).said(picture(40, 56), PLAIN)
    assert said.shape == (1, 40, 56)


def test_memory_that_is_too_small_for_many_tiles_is_met_with_fewer(valid, monkeypatch):
    own, asked = picture(70, 70), []
    whole = predictor(valid, 204, 92).said(own, PLAIN)
    scores = Predictor._scores

    def little(self, canvases):
        asked.append(len(canvases))
        if len(canvases) > 2:
            raise MemoryError
        return scores(self, canvases)

    monkeypatch.setattr(Predictor, "_scores", little)
    np.testing.assert_allclose(predictor(valid, 204, 92).said(own, PLAIN), whole, rtol=0, atol=1e-6)
    assert max(asked) > 2 >= asked[-1]


def test_units_are_the_tiles_of_each_sample(tmp_path):
    samples = read_samples(str(photographs(tmp_path / "photos")), labelled=False)
    way = Preprocess(32, 3, "tiles", context=8, stride=4, whole=True)
    units = units_of(samples, way)
    expected = [len(way.laid(*map(int, size))) for size in samples.sizes]
    assert np.bincount(units.of, minlength=len(samples)).tolist() == expected
    assert units.within(np.array([1])).tolist() == list(range(expected[0], expected[0] + expected[1]))
    assert len(set(units.keys(np.arange(len(units))).tolist())) == len(units)
    assert units_of(samples).within(np.array([2, 5])).tolist() == [2, 5]
    assert units.name(1).endswith("(tile 2)")


@pytest.mark.slow
def test_the_published_network_learns_restores_and_says_what_it_cannot(tmp_path):
    data = str(photographs(tmp_path / "photos"))
    options = {"task": "reconstruct", "model": "unet", "model_options": {"width": 2}, "batch": 9, "channels": 3}
    run = train(tmp_path / "runs", data=data, epochs=1, **options)
    assert (run.preprocess.context, run.preprocess.size, run.preprocess.answered) == (92, 236, (48, 48))
    found = run.predict(sorted((tmp_path / "photos" / "class 0").iterdir())[:2])
    assert {each.picture.shape for each in found} == {(40, 48, 3)}
    for wrong, cause in (
        ({"context": 8}, "loses 92 pixels"),
        ({"size": 188}, "nothing is left"),
        ({"resize": "crop"}, "without an answer"),
    ):
        with pytest.raises(UsageError, match=cause):
            train(tmp_path / "runs", data=data, epochs=1, **options, **wrong)
    with pytest.raises(UsageError, match="means nothing to the task"):
        train(tmp_path / "runs", data=data, model="lenet5", resize="tiles", epochs=1)


def test_networks_that_look_differently_are_not_joined(valid):
    one, other = (predictor(valid, size, 92).members[0] for size in (204, 252))
    with pytest.raises(UsageError, match="different sizes"):
        Predictor((one, other)).said(picture(20, 20), PLAIN)
    both = Predictor((one, dataclasses.replace(one, weight=3.0))).said(picture(20, 20), PLAIN)
    np.testing.assert_allclose(both, Predictor((one,)).said(picture(20, 20), PLAIN), atol=1e-6)
