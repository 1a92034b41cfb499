"""Pictures of more than one band, beside what is computed of the whole at once."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from pictures import encode, odd_profile
from striate.data.picture.decode import read

HEIGHT, WIDTH = 700, 901  # three bands
CHANCE = np.random.default_rng(5)


def noise(*shape: int, most: int = 256, kind: type = np.uint8) -> np.ndarray:
    return CHANCE.integers(0, most, (HEIGHT, WIDTH, *shape), dtype=kind)


def on_white(layers: np.ndarray) -> np.ndarray:
    alpha = layers[..., -1:].astype(float)
    return np.floor((layers[..., :-1] * alpha + 255 * (255 - alpha)) / 255 + 0.5).astype(np.uint8)


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_in_the_last_band_alone(channels: int) -> None:
    layers = noise(channels)
    layers[..., -1] = 255
    opaque = read(encode(layers))
    assert (opaque.pixels == layers[..., :-1]).all()
    assert opaque.notes == ()
    layers[-1, -1, -1] = 100
    seen = read(encode(layers))
    assert (seen.pixels == on_white(layers)).all()
    assert seen.notes == ("transparent: composited on white",)


def test_transparency_everywhere() -> None:
    for layers in (noise(2), noise(4)):
        assert (read(encode(layers)).pixels == on_white(layers)).all()


def test_palettes_and_their_transparency() -> None:
    image = Image.fromarray(noise(3)).convert("P")
    assert (read(encode(image)).pixels == np.asarray(image.convert("RGB"))).all()
    alpha = bytes(range(256))
    layers = np.dstack([np.asarray(image.convert("RGB")), np.frombuffer(alpha, np.uint8)[np.asarray(image)]])
    assert (read(encode(image, transparency=alpha)).pixels == on_white(layers)).all()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_16_bits(form: str) -> None:
    values = noise(most=65536, kind=np.uint16)
    expected = np.floor(values / 257 + 0.5).astype(np.uint8)
    assert (read(encode(values, form)).pixels[..., 0] == expected).all()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
@pytest.mark.parametrize("white", [255, 4095, 16383])
def test_16_bits_of_which_fewer_are_used(form: str, white: int) -> None:
    values = noise(most=white + 1, kind=np.uint16)
    seen = read(encode(values, form), white=white)
    assert (seen.pixels[..., 0] == np.floor(values.astype(int) * 255 / white + 0.5)).all()
    assert seen.ends == (values.min(), values.max())
    values[0, 0] = 65_535  # further than training went
    assert read(encode(values, form), white=white).pixels[0, 0, 0] == 255


def test_a_file_of_other_than_16_bits_has_its_own_white() -> None:
    for image in (noise(), noise(3)):
        seen = read(encode(image), white=4095)
        assert (seen.pixels.squeeze() == image).all()
        assert seen.ends is None


def test_the_range_of_16_bits_is_that_of_all_bands() -> None:
    values = np.zeros((HEIGHT, WIDTH), np.int32)
    values[-1, -1] = -3
    with pytest.raises(Exception, match="32-bit pixels from -3 to 0"):
        read(encode(Image.fromarray(values), "TIFF"))


def test_ink_through_a_profile_and_without() -> None:
    image = Image.fromarray(noise(4), "CMYK")
    assert (read(encode(image, "TIFF")).pixels == np.asarray(image.convert("RGB"))).all()
    own, srgb = io.BytesIO(odd_profile()), ImageCms.createProfile("sRGB")
    seen = ImageCms.profileToProfile(image, own, srgb, ImageCms.Intent.RELATIVE_COLORIMETRIC, "RGB")
    assert (read(encode(image, "TIFF", icc_profile=odd_profile())).pixels == np.asarray(seen)).all()
