import json

import numpy as np
import pytest
import torch

from pictures import photo
from striate.base.errors import RunError
from striate.data.preprocess import Preprocess, from_dict, measure

# One row of four: white left half, black right half.
HALVES = np.repeat(np.array([[255, 255, 0, 0]], np.uint8), 2, 0)[..., None]


def look(preprocess: Preprocess, pixels: np.ndarray) -> np.ndarray:
    ((canvas, _),) = preprocess.looks(pixels)
    return canvas


def batches(count: int = 24, channels: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.stack([photo(16, 16, seed) for seed in range(count)])).permute(0, 3, 1, 2)[:, :channels]


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_deviation_and_covariance_are_over_all_pixels(channels: int) -> None:
    whole = batches(channels=channels)
    values = whole.numpy().transpose(1, 0, 2, 3).reshape(channels, -1) / 255
    found = measure(whole.split(7))
    np.testing.assert_allclose(found.mean, values.mean(1), rtol=1e-12)
    np.testing.assert_allclose(found.deviation, values.std(1), rtol=1e-10)
    np.testing.assert_allclose(found.covariance, np.atleast_2d(np.cov(values, bias=True)), rtol=1e-9)


def test_batches_and_their_order_change_no_bit() -> None:
    whole = batches()
    known = measure([whole])
    shuffled = whole[torch.randperm(len(whole), generator=torch.Generator().manual_seed(0))]
    assert all(measure(part) == known for part in (whole.split(1), whole.split(5), shuffled.split(7)))


def test_pictures_of_one_colour_have_a_deviation_to_divide_by() -> None:
    found = measure([torch.full((2, 1, 4, 4), 100, dtype=torch.uint8)])
    assert (found.mean, found.deviation, found.covariance) == ((100 / 255,), (1 / 255,), ((0.0,),))


def test_normalising_by_what_was_measured_gives_mean_0_and_deviation_1() -> None:
    whole = batches()
    found = measure([whole])
    preprocess = Preprocess(16, 3, mean=found.mean, deviation=found.deviation)
    before = whole.clone()
    values = preprocess.normalise(whole)
    assert values.dtype == torch.float32
    assert values.double().mean((0, 2, 3)).abs().max() < 1e-5
    assert (values.double().std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5
    floats = whole.float() / 255
    kept = floats.clone()
    assert torch.equal(preprocess.normalise(floats), values)
    assert torch.equal(whole, before)
    assert torch.equal(floats, kept)


@pytest.mark.parametrize("resize", ["squash", "crop", "letterbox"])
def test_a_square_of_the_right_size_is_left_as_it_is(resize: str) -> None:
    pixels = photo(16, 16)
    canvas = look(Preprocess(16, 3, resize), pixels)
    assert (canvas == pixels.transpose(2, 0, 1)).all()
    assert (canvas.dtype, canvas.flags.writeable) == (np.uint8, True)  # torch warns of what it may not write


@pytest.mark.parametrize(
    ("resize", "expected"),
    [
        # Every second column is the mean under a triangle two pixels wide each way (Pillow's BILINEAR).
        ("squash", [[255 * 6 / 7, 255 * 1 / 7]] * 2),
        ("crop", [[255, 0]] * 2),  # the middle two columns
        ("letterbox", [[255 * 6 / 7, 255 * 1 / 7], [128, 128]]),  # one row left of two, grey below
    ],
)
def test_a_wide_picture_becomes_a_square(resize: str, expected: list[list[float]]) -> None:
    canvas = look(Preprocess(2, 1, resize), HALVES)
    assert np.abs(canvas[0].astype(float) - expected).max() <= 1
    turned = look(Preprocess(2, 1, resize), HALVES.transpose(1, 0, 2))
    assert (turned[0] == canvas[0].T).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_letterbox_bars_are_mid_grey_and_of_the_right_width(channels: int) -> None:
    for height, width, axis in ((10, 20, 1), (20, 10, 2)):
        canvas = look(Preprocess(8, channels, "letterbox"), np.zeros((height, width, 3), np.uint8))
        assert (canvas.take([0, 1, 6, 7], axis) == 128).all()
        assert (canvas.take([2, 3, 4, 5], axis) == 0).all()


@pytest.mark.parametrize("resize", ["squash", "crop", "letterbox"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 300, 3), (300, 7, 1), (5, 5, 3)])
def test_any_picture_becomes_the_asked_canvas(resize: str, shape: tuple[int, int, int]) -> None:
    for channels in (1, 3):
        canvas = look(Preprocess(11, channels, resize), np.full(shape, 128, np.uint8))
        assert canvas.shape == (channels, 11, 11)
        assert (canvas == 128).all()


def test_grey_is_repeated_for_colour_and_colour_is_weighed_for_grey() -> None:
    grey = photo(8, 8)[..., :1]
    assert (look(Preprocess(8, 3), grey) == grey.transpose(2, 0, 1)).all()
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]] * 3, np.uint8)
    # ITU-R BT.601: 0.299, 0.587, 0.114 of 255.
    assert look(Preprocess(3, 1), colours)[0].tolist() == [[76, 150, 29]] * 3


def test_the_saved_value_comes_back_through_json() -> None:
    preprocess = Preprocess(32, 3, "crop", mean=(0.1, 1 / 3, 0.7), deviation=(0.2, 0.3, 1e-17))
    assert from_dict(json.loads(json.dumps(preprocess.as_dict())), "run.json") == preprocess


@pytest.mark.parametrize("change", [{"mean": None}, {"bogus": 1}, "size"])
def test_a_saved_value_with_a_missing_or_unknown_key_is_refused(change: dict[str, object] | str) -> None:
    values = Preprocess(8, 1).as_dict()
    if isinstance(change, str):
        del values[change]
    else:
        values |= change
    with pytest.raises(RunError):
        from_dict(values, "run.json")
