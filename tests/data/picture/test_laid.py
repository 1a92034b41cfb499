"""What belongs to a picture goes to the canvas and back with it."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from small import whole
from striate.base import units
from striate.data.picture.canvas import canvas_of
from striate.data.picture.laid import Laid

sides = st.integers(1, 60)
canvases = st.integers(1, 40) | st.tuples(st.integers(1, 40), st.integers(1, 40))
ways = st.sampled_from(["squash", "crop", "letterbox"])


def laid(height, width, size, how):
    return canvas_of(np.zeros((height, width, 1), np.uint8), 1, size, how)[1]


@given(sides, sides, canvases, ways, st.randoms(use_true_random=False))
def test_boxes_come_back_where_they_were(height, width, size, how, chance):
    at = laid(height, width, size, how)
    corners = np.sort(np.array([[chance.uniform(0, width), chance.uniform(0, height)] for _ in range(2)]), 0)
    box = corners.reshape(1, 4)
    there = at.forward(box, "boxes")
    assert np.allclose(at.back(there, "boxes"), box, atol=1e-9 * max(height, width))


@given(sides, sides, canvases)
def test_the_whole_picture_lies_inside_a_letterbox_and_fills_one_side(height, width, size):
    (left, top, right, bottom), = laid(height, width, size, "letterbox").forward(
        np.array([[0, 0, width, height]]), "boxes"
    )  # fmt: skip
    assert min(left, top) >= -1e-9
    tall, wide = units.sides(size)
    assert (bottom <= tall + 1e-9, right <= wide + 1e-9) == (True, True)
    assert max((right - left) / wide, (bottom - top) / tall) == pytest.approx(1)
    # whole pixels, and of the picture's own form
    assert abs((right - left) * height - (bottom - top) * width) <= max(height, width) or min(tall, wide) == 1


@given(sides, sides, canvases)
def test_a_crop_shows_the_largest_part_of_the_canvas_form_from_the_middle(height, width, size):
    at, (tall, wide) = laid(height, width, size, "crop"), units.sides(size)
    top, left, bottom, right = at.shows()
    assert (bottom - top) * wide == pytest.approx((right - left) * tall)
    assert max((bottom - top) / height, (right - left) / width) == pytest.approx(1)
    assert (top + bottom, left + right) == (pytest.approx(height), pytest.approx(width))


@given(sides, sides, st.integers(1, 3), ways)
def test_ids_that_are_enlarged_by_a_whole_number_come_back_as_they_were(height, width, times, how):
    side = min(height, width)
    ids = np.random.default_rng(0).integers(0, 9, (height, width))
    at = laid(side, side, side * times, how)
    square_ids = ids[:side, :side]
    there = at.forward(square_ids, "ids", -1)
    assert there.shape == (side * times, side * times)
    assert (there == np.kron(square_ids, np.ones((times, times), int))).all()
    assert (at.back(there, "ids", -1) == square_ids).all()


@given(sides, sides, canvases, ways)
def test_a_field_of_one_value_keeps_it_wherever_the_picture_lies(height, width, size, how):
    at = laid(height, width, size, how)
    there = at.forward(np.full((height, width), 0.25, np.float32), "field", np.nan)
    assert np.isnan(there).any() == (how == "letterbox" and not np.isfinite(there).all())
    assert np.allclose(there[np.isfinite(there)], 0.25)
    back = at.back(np.full(units.sides(size), 0.25, np.float32), "field", np.nan)
    assert back.shape == (height, width)
    assert np.allclose(back[np.isfinite(back)], 0.25)
    seen = [side / by for side, by in zip(units.sides(size), at.scale, strict=True)]
    assert np.isfinite(back).any() or min(seen) < 1, "a crop of less than a pixel may miss the middle of each"
    if how != "crop":
        assert np.isfinite(back).all(), "all of the picture is seen"


def test_a_field_goes_to_the_canvas_as_the_picture_does():
    pixels = np.random.default_rng(1).integers(0, 256, (50, 33, 1), dtype=np.uint8)
    for how in ("squash", "crop", "letterbox"):
        canvas, at = canvas_of(pixels, 1, 24, how)
        field = at.forward(pixels[..., 0].astype(np.float32), "field", 128)
        assert np.abs(field - canvas[0]).max() <= 1  # bytes are rounded between the passes, a field is not


def test_ids_and_fields_outside_of_the_picture_are_marked():
    at = laid(2, 4, 8, "letterbox")
    assert at.forward(np.ones((2, 4), np.int32), "ids", -1).tolist() == [[-1] * 8] * 2 + [[1] * 8] * 4 + [[-1] * 8] * 2
    field = at.forward(np.ones((2, 4), np.float32), "field")
    assert field.tolist() == [[0.0] * 8] * 2 + [[1.0] * 8] * 4 + [[0.0] * 8] * 2
    assert at.forward(np.asarray(3), "number") == 3


def test_a_mirrored_picture_comes_back_the_right_way_round():
    field = np.arange(12, dtype=np.float32).reshape(3, 4)
    at = Laid((3, 4), (3, 4), (1.0, -1.0), (0.0, 4.0))
    assert (at.forward(field, "field") == field[:, ::-1]).all()
    assert (at.back(at.forward(field, "field"), "field") == field).all()
    assert (at.back(at.forward(field.astype(int), "ids"), "ids") == field).all()
    assert at.back(at.forward(np.array([[0, 0, 1, 1]]), "boxes"), "boxes").tolist() == [[0, 0, 1, 1]]


def test_context_is_seen_and_not_answered_for():
    """A network of valid convolutions answers 4 x 4 of a canvas of 8 x 8: the middle."""
    at = Laid((8, 8), (8, 8), (1.0, 1.0), context=2)
    answer = np.arange(16).reshape(4, 4)
    back = at.back(answer, "ids", -1)
    assert (back[2:6, 2:6] == answer).all()
    assert (back == -1).sum() == 64 - 16


def test_a_picture_is_its_own_canvas():
    field = np.random.default_rng(0).random((5, 7, 2)).astype(np.float32)
    assert (whole(5, 7).back(field, "field") == field).all()


def test_the_pictures_room_imports_no_torch():
    code = "import sys, striate.data.picture.canvas, striate.data.picture.decode; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
