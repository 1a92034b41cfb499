"""Canvases that are not square: (height, width), from what is typed to what a network sees."""

import dataclasses
import io
import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as oracle

from pictures import photo
from small import whole
from striate.base.randomness import draws, normals
from striate.base.units import sides, size_of
from striate.data import augment as module
from striate.data.augment import Augment, Augmenter, canvas_for
from striate.data.feed import Batch
from striate.data.picture import decode
from striate.data.picture.canvas import canvas_of, ten_crops
from striate.data.preprocess import Preprocess, from_dict, measure

TALL, WIDE = 32, 56
NAMES = np.arange(40, 52)
PHOTOS = torch.from_numpy(np.stack([photo(TALL, WIDE, seed) for seed in range(12)])).permute(0, 3, 1, 2).contiguous()
FLOATS = PHOTOS.float() / 255


def changed(pictures: torch.Tensor = PHOTOS, size: tuple[int, int] = (TALL, WIDE), **values: Any) -> torch.Tensor:
    names = np.arange(40, 40 + len(pictures))
    batch = Batch(names, pictures, {}, (whole(*pictures.shape[-2:]),) * len(names))
    return Augmenter(Augment(**values), size, measure([PHOTOS]), 0)(batch, 0).pictures


@pytest.mark.parametrize("given", [224, "224", "224x224", (224, 224), [224, 224], "224X224"])
def test_a_square_is_its_side_however_it_is_given(given: object) -> None:
    assert size_of(given) == 224
    assert Preprocess(sides(size_of(given)), 3) == Preprocess(224, 3)
    assert Preprocess((224, 224), 3).as_dict()["size"] == 224


@pytest.mark.parametrize("given", ["224x320", (224, 320), [224, 320], " 224 x 320 "])
def test_height_comes_before_width(given: object) -> None:
    assert size_of(given) == (224, 320)


@pytest.mark.parametrize("given", ["", "x", "224x", "a", 1.5, "1.5", True, None, (1, 2, 3), "1x2x3", [], "9" * 5000])
def test_what_is_no_size_is_none(given: object) -> None:
    with pytest.raises(ValueError, match="no size"):
        size_of(given)


def test_a_saved_pair_comes_back_through_json() -> None:
    way = Preprocess((24, 40), 3, "letterbox")
    found = from_dict(json.loads(json.dumps(way.as_dict())), "run.json")
    assert (found, found.sides, hash(found)) == (way, (24, 40), hash(way))


@pytest.mark.parametrize("how", ["squash", "crop", "letterbox"])
@pytest.mark.parametrize(("height", "width"), [(50, 90), (90, 50), (24, 40), (48, 80), (1, 300), (7, 7)])
def test_a_canvas_is_what_pillow_makes_of_the_same_part(how: Any, height: int, width: int) -> None:
    pixels = photo(height, width)
    canvas, laid = canvas_of(pixels, 3, (24, 40), how)
    image, bilinear = Image.fromarray(pixels), Image.Resampling.BILINEAR
    if how == "letterbox":
        ((left, top, right, bottom),) = laid.forward(np.array([[0.0, 0, width, height]]), "boxes").round().astype(int)
        expected = np.full((24, 40, 3), 128, np.uint8)
        expected[top:bottom, left:right] = image.resize((right - left, bottom - top), bilinear)
    else:
        top, left, bottom, right = laid.shows()
        assert how == "crop" or (top, left, bottom, right) == (0, 0, height, width)
        expected = np.asarray(image.resize((40, 24), bilinear, box=(left, top, right, bottom)))
    assert canvas.shape == (3, 24, 40)
    assert np.abs(canvas.transpose(1, 2, 0).astype(int) - expected).max() <= 1


def test_ten_crops_of_a_wide_canvas() -> None:
    way = dataclasses.replace(Preprocess((28, 56), 1), views="ten")
    assert way.frame == (32, 64)
    looks = way.looks(photo(32, 64)[..., :1])
    assert {canvas.shape for canvas, _ in looks} == {(1, 28, 56)}
    places = [laid.shows() for _, laid in looks[::2]]
    assert places == [(0, 0, 28, 56), (0, 8, 28, 64), (4, 0, 32, 56), (4, 8, 32, 64), (2, 4, 30, 60)]
    mirrored, at = ten_crops(photo(32, 64).transpose(2, 0, 1), whole(32, 64), (28, 56))[3]
    assert (at.back(mirrored[0].astype(np.float32), "field")[:28, 8:] == photo(32, 64)[:28, 8:, 0]).all()


@pytest.mark.parametrize("size", [(16, 40), (40, 16)])
def test_tiles_answer_for_each_pixel_once(size: tuple[int, int]) -> None:
    way = Preprocess(size, 1, "tiles", context=4, stride=4, whole=True)
    assert way.answered == (size[0] - 8, size[1] - 8)
    picture = photo(50, 70).transpose(2, 0, 1)[:1]
    count, seen = np.zeros((50, 70), int), np.zeros((50, 70), np.uint8)
    for laid in way.laid(50, 70):
        canvas = way.canvas(picture, laid)
        assert canvas.shape == (1, *size)
        top, left = (int(way.context - at) for at in laid.offset)
        spot = np.s_[top : top + way.answered[0], left : left + way.answered[1]]
        count[spot] += 1
        inner = canvas[0, 4:-4, 4:-4]
        seen[spot] = inner[: seen[spot].shape[0], : seen[spot].shape[1]]
    assert (count == 1).all()
    assert (seen == picture[0]).all()


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_jpeg_that_lies_sideways_is_reduced_by_its_upright_sides(turn: int) -> None:
    """Upright it is 256 high and 1024 wide: of 30 x 250 a half, and of 250 x 30 all."""
    sideways = turn > 4
    exif = Image.Exif()
    exif[0x0112] = turn
    file = io.BytesIO()
    Image.fromarray(photo(*((1024, 256) if sideways else (256, 1024)))).save(file, "JPEG", exif=exif)
    for at_least, expected in (((30, 250), (128, 512)), ((250, 30), (256, 1024)), ((30, 120), (64, 256))):
        assert decode.read(file.getvalue(), at_least=at_least).pixels.shape[:2] == expected


@pytest.mark.parametrize("name", ["rotate", "scale", "shift"])
def test_geometry_is_that_of_torchvision_in_pixels(name: str) -> None:
    most = {"rotate": 20.0, "scale": 0.2, "shift": 0.15}[name]
    found = changed(**{name: most})
    angle, scale, x, y = (
        (2 * draws(0, "augment", 0, NAMES, 32)[:, column] - 1) * most
        for column in (module._ROTATE, module._SCALE, module._SHIFT_X, module._SHIFT_Y)
    )
    for place, picture in enumerate(FLOATS):
        expected = oracle.affine(
            picture,
            angle=-angle[place] if name == "rotate" else 0.0,
            scale=1 + scale[place] if name == "scale" else 1.0,
            translate=[-WIDE * x[place], -TALL * y[place]] if name == "shift" else [0.0, 0.0],
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        assert (found[place, :, 12:20, 14:42] - expected[:, 12:20, 14:42]).abs().max() < 1e-4


def test_a_deformation_is_as_large_down_as_across() -> None:
    names = np.arange(40, 52)
    drawn = normals(0, "elastic", 0, names, (2, 3, 3))
    batch = Batch(names, PHOTOS, {}, (whole(TALL, WIDE),) * 12)
    changing = Augmenter(Augment(elastic=0.04), (TALL, WIDE), measure([PHOTOS]), 0)
    grid = changing._grid(draws(0, "augment", 0, names, 32), batch, 0)
    still = Augmenter(Augment(shift=1e-9), (TALL, WIDE), measure([PHOTOS]), 0)._grid(
        draws(0, "augment", 0, names, 32) * 0 + 0.5, batch, 0
    )
    pixels = ((grid - still) * torch.tensor([WIDE / 2, TALL / 2])).numpy()
    for corner, (row, column) in {(0, 0): (0, 0), (0, 2): (0, -1), (2, 2): (-1, -1)}.items():
        np.testing.assert_allclose(pixels[:, row, column], 0.04 * TALL * drawn[:, :, *corner], atol=1e-4)


def test_an_erased_rectangle_has_the_papers_form_in_pixels() -> None:
    """Zhong et al. 2020: height to width from 0.3 to 3.33."""
    white = torch.full((800, 3, 60, 120), 255, dtype=torch.uint8)
    holes = changed(white, (60, 120), erase=1.0)[:, 0] < 0.999
    rows, columns = (holes.any(axis).sum(1).double() for axis in (2, 1))
    ratio = (rows / columns)[(rows > 6) & (columns > 6) & (rows < 60) & (columns < 120)]
    assert 0.25 < ratio.min() < 0.4 < 1 < 2.5 < ratio.max() < 4
    assert 0.85 < float(ratio.log().mean().exp()) < 1.15


@pytest.mark.parametrize("resize", ["squash", "tiles"])
def test_a_random_crop_is_cut_from_an_eighth_more_of_each_side(resize: Any) -> None:
    way = Preprocess((28, 56), 3, resize, whole=resize == "tiles")
    larger = canvas_for(Augment(crop=0.3), way)
    assert (larger.size, larger.context) == (((32, 64), 0) if resize == "squash" else ((36, 64), 4))
    pictures = torch.from_numpy(np.stack([photo(*larger.sides, seed) for seed in range(4)])).permute(0, 3, 1, 2)
    assert changed(pictures, (28, 56), crop=0.3).shape == (4, 3, 28, 56)
