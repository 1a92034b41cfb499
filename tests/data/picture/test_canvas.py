"""A picture becomes the same square under every Pillow that is allowed."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from striate.data.picture.canvas import canvas_of, ten_crops

# sha256 over 500 canvases, 250 sizes squashed and 250 cropped or letterboxed, by `digest` below. Equal with Pillow
# 12.3.0 and 13.0.0, and equal to what one call of 12.3.0 gives: see the test of `one_call`.
GOLDEN = "6bab8ffc67062f743e1a47e72448b067c38245f3f0c291da95cee99e1e6c9d0f"
COUNT = 500


def pictures(count: int = COUNT):
    """Random sizes up to 700 pixels, tall and wide, grey and colour; PCG64 gives the same bits everywhere."""
    draws = np.random.Generator(np.random.PCG64(12))
    for place in range(count):
        height, width = (int(side) for side in draws.integers(1, 700, 2))
        pixels = draws.integers(0, 256, (height, width, 1 if place % 5 == 0 else 3), dtype=np.uint8)
        yield pixels, int(draws.choice([32, 64, 224, 299])), ("squash", "crop", "squash", "letterbox")[place % 4]


def digest(made) -> str:
    whole = hashlib.sha256()
    for canvas in made:
        whole.update(canvas.tobytes())
    return whole.hexdigest()


def one_call(pixels, size, how):
    """What striate did before: one call of Pillow's, in an order of its choice."""
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    width, height = image.size
    if how == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        made = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    elif how == "squash":
        made = image.resize((size, size), Image.Resampling.BILINEAR)
    else:
        longest = max(width, height)
        inner = (max(1, round(size * width / longest)), max(1, round(size * height / longest)))
        made = Image.new(image.mode, (size, size), 128 if image.mode == "L" else (128,) * 3)
        made.paste(image.resize(inner, Image.Resampling.BILINEAR), ((size - inner[0]) // 2, (size - inner[1]) // 2))
    values = np.asarray(made)
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


def squares():
    return (canvas_of(pixels, pixels.shape[2], size, how)[0] for pixels, size, how in pictures())


def test_five_hundred_canvases_have_the_bits_of_every_allowed_pillow():
    assert digest(squares()) == GOLDEN


def test_one_call_of_pillow_differs_by_one_level_at_most():
    for (pixels, size, how), canvas in zip(pictures(60), squares(), strict=False):
        assert np.abs(one_call(pixels, size, how).astype(int) - canvas).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_ten_crops_are_the_corners_the_centre_and_their_mirrors(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, channels), dtype=np.uint8)
    canvas, laid = canvas_of(pixels, channels, 40, "squash")
    crops = ten_crops(canvas, laid, 32)
    places = [(0, 0), (0, 8), (8, 0), (8, 8), (4, 4)]
    for place, (crop, where) in enumerate(crops):
        top, left = places[place // 2]
        plain = canvas[:, top : top + 32, left : left + 32]
        assert (crop == (plain[:, :, ::-1] if place % 2 else plain)).all()
        assert where.shows() == (top, left, top + 32, left + 32)
        field = where.forward(pixels[..., 0].astype(np.float32), "field")
        assert np.allclose(field, crop[0])
