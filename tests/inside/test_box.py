"""From a map to a box, in pixels of the picture."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from planted import SIDE, planted, trained
from torch.nn import functional

import striate
from pictures import photo
from small import photographs, train
from striate.base.errors import UsageError
from striate.data.picture.laid import Laid
from striate.data.preprocess import Preprocess
from striate.inside import activation
from striate.inside.box import box_of
from striate.inside.explained import question
from striate.predictor import Member, Predictor
from striate.tasks.classify import Classify
from typed import call


def test_it_is_around_the_largest_part_above_a_fifth_of_the_maximum():
    lit = np.zeros((10, 12))
    lit[1, 1] = 10  # the highest, and small
    lit[4:7, 5:9], lit[7, 9] = 2.1, 2.1  # the last touches by a corner alone
    lit[8, 0:6] = 1.9
    assert box_of(lit, Laid.itself(10, 12)) == (5, 4, 9, 7)
    assert box_of(np.zeros((4, 4)), Laid.itself(4, 4)) is None
    assert box_of(-lit, Laid.itself(10, 12)) is None


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["squash", "crop", "letterbox"]), st.integers(20, 90), st.integers(20, 90), st.integers(0, 99))
def test_it_is_where_the_canvas_shows_that_part_of_the_picture(resize, height, width, seed):
    """A mark of the picture, seen on the canvas, comes back to where it was, to the pixels that scaling costs."""
    way = Preprocess(32, 1, resize)
    top, left = np.random.default_rng(seed).integers(0, (height - 10, width - 10))
    mark = np.zeros((height, width), np.float32)
    mark[top : top + 10, left : left + 10] = 1
    (_, laid), *_ = way.looks(np.zeros((height, width, 1), np.uint8))
    seen = laid.forward(mark, "field", -1)  # around a picture nothing is positive
    found = box_of(np.where(seen < 0, 9, seen), laid)  # and a map may be high there
    first, second, last, end = laid.shows()
    wanted = (max(left, second), max(top, first), min(left + 10, end), min(top + 10, last))
    if wanted[0] + 3 > wanted[2] or wanted[1] + 3 > wanted[3]:
        return  # the crop shows next to nothing of it
    slack = 1.5 * max(1 / side for side in laid.scale) + 0.5
    np.testing.assert_allclose(found, wanted, atol=slack)
    assert 0 <= found[0] < found[2] <= width
    assert 0 <= found[1] < found[3] <= height


@pytest.mark.slow
def test_it_overlaps_a_planted_shape():
    net = trained((12, "pool", 16))  # whose maps are half as long as a picture
    predictor = Predictor((Member(net, Preprocess(SIDE, 3), Classify(("cross", "ring", "stripes"))),))
    pictures, labels, boxes = planted(40, seed=2)
    overlaps = []
    for picture, label, (a, b, c, d) in zip(pictures, labels.tolist(), boxes, strict=True):
        values, _ = activation.grad_cam(net, picture[None], lambda made, at=label: made[:, at])
        lit = functional.interpolate(values[None, None], (SIDE, SIDE), mode="bilinear")[0, 0].numpy()
        left, top, right, bottom = box_of(lit, Laid.itself(SIDE, SIDE))
        common = max(0, min(right, c) - max(left, a)) * max(0, min(bottom, d) - max(top, b))
        overlaps.append(common / ((right - left) * (bottom - top) + (c - a) * (d - b) - common))
    assert np.mean(overlaps) >= 0.4  # of the whole picture it is 0.11
    shown = photo(48, 60)
    plain, boxed = (striate.explain(predictor, shown, method="grad-cam", box=each)[0] for each in (False, True))
    assert plain.box == boxed.box is not None
    assert (plain.picture != boxed.picture).any()


def test_another_method_has_none():
    with pytest.raises(UsageError, match="guided and smooth makes no map that a box is read from"):
        question(["guided", "smooth"], None, None, None, box=True)
    assert question(["guided", "cam"], None, None, None, box=True).box


@pytest.mark.slow
def test_the_command_tells_it_in_pixels_of_the_picture(capsys, tmp_path):
    home = tmp_path / "photos"
    photographs(home)
    run = train(tmp_path / "runs", data=str(home), model="resnet20", size=16, batch=9, epochs=1)
    one = next(home / line.name for line in run.lines if line.subset == "val")
    words = ("explain", run.folder, one, "--method", "grad-cam", "--out")
    told = call(capsys, *words, tmp_path / "one", "--box", "--json", "--checks")[1]
    (each,) = json.loads(told.splitlines()[-1])["explained"]
    with Image.open(one) as image:
        left, top, right, bottom = each["box"] or (0, 0, 1, 1)  # none where nothing speaks for the class
        assert 0 <= left < right <= image.width
        assert 0 <= top < bottom <= image.height
    assert set(each["checks"]) == {"randomised", "faithful"}
    code, said, _ = call(capsys, *words, tmp_path / "other", "--box", "--checks")
    assert code == 0
    assert ("left " in said) == (each["box"] is not None)
    assert "with the weights" in said
    assert "of unrelated maps" in said
    words = ("explain", run.folder, one, "--method", "guided", "--box", "--out", tmp_path / "none")
    assert call(capsys, *words)[0] == 2
