import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from pictures import chunk, encode, grey_tiff, photo, png
from striate.base.errors import DataError
from striate.data.picture.mask import read

IDS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def values(data: bytes, coloured: bool = False) -> np.ndarray:
    found = read(data, "mask", coloured=coloured)
    assert found.coloured == coloured
    assert found.values.dtype == np.int32
    return found.values


def refused(data: bytes, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        read(data, "mask")


def packed_bits(ids: np.ndarray, bits: int) -> bytes:
    """Rows of a grey PNG, several ids a byte, each row with its leading zero byte."""
    unpacked = (ids[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return b"".join(b"\0" + np.packbits(row).tobytes() for row in unpacked.reshape(len(ids), -1))


@given(arrays.arrays(np.uint16, arrays.array_shapes(min_dims=2, max_dims=2, max_side=6)))
def test_M11_every_id_of_8_16_and_32_bits_is_read_as_it_is(ids: np.ndarray) -> None:
    for form in ("PNG", "TIFF"):
        assert (values(encode(ids, form)) == ids).all()
    for form in ("PNG", "TIFF", "BMP"):
        assert (values(encode((ids % 256).astype(np.uint8), form)) == ids % 256).all()
    wide = ids.astype(np.int32) * 30_000 - 7
    assert (values(encode(wide, "TIFF")) == wide).all()
    assert (values(encode(ids.astype(np.float32), "TIFF")) == ids).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_ids_of_a_few_bits_are_not_scaled_to_levels(bits: int) -> None:
    ids = IDS & (2**bits - 1)
    assert (values(png(4, 3, bits, 0, packed_bits(ids, bits))) == ids).all()


def test_M10_a_palette_gives_its_places_or_its_colours() -> None:
    image = Image.fromarray(IDS % 3, "P")
    image.putpalette([0, 0, 0, 255, 0, 0, 9, 8, 7])
    for form in ("PNG", "TIFF", "BMP"):
        assert (values(encode(image, form)) == IDS % 3).all()
    assert (values(encode(image, "GIF"), coloured=True) == np.array([0, 0xFF0000, 0x090807])[IDS % 3]).all()
    assert (values(encode(IDS * 20, "GIF")) == IDS * 20).all(), "whatever their places in the palette"
    assert (values(encode(image), coloured=True) == np.array([0, 0xFF0000, 0x090807])[IDS % 3]).all()
    transparent = encode(image, transparency=1)
    assert (values(transparent) == IDS % 3).all(), "what a palette says of transparency is no id"


def test_M10_colours_are_told_from_grey_in_three_channels() -> None:
    grey, red = np.repeat(IDS[..., None], 3, 2), IDS[..., None] * np.array([1, 0, 2], np.uint8)
    assert (values(encode(grey)) == IDS).all()
    assert (values(encode(grey), coloured=True) == IDS.astype(int) * 0x010101).all()
    assert (values(encode(red), coloured=True) == IDS.astype(int) * 0x010002).all()
    assert read(encode(red), "mask").coloured


def test_M10_a_solid_alpha_channel_is_left_out_and_another_refused() -> None:
    grey, alpha = np.repeat(IDS[..., None], 3, 2), np.full((3, 4, 1), 255, np.uint8)
    assert (values(encode(np.concatenate([grey, alpha], 2))) == IDS).all()
    alpha[0, 0] = 254
    refused(encode(np.concatenate([grey, alpha], 2)), "transparent pixels, which are of no class")


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (encode(photo(), "JPEG"), "a mask in JPEG with lossy compression"),
        (encode(photo(), "WEBP"), "a mask in WEBP with lossy compression"),
        (encode(photo(16, 16), "TIFF", compression="jpeg"), "a mask in TIFF with lossy compression"),
        (encode(IDS, "PPM"), "a mask in PPM, which may scale ids"),
        (encode((IDS / 2).astype(np.float32), "TIFF"), "floating-point numbers that are no ids"),
        (encode(np.full((3, 4), np.nan, np.float32), "TIFF"), "floating-point numbers that are no ids"),
        (grey_tiff(IDS, 8, black_is_zero=0), "its highest number is black"),
        (png(1, 1, 16, 2, bytes(7)), "colours of 16 bits"),
        (encode(Image.new("CMYK", (2, 2)), "TIFF"), "pixels of kind CMYK"),
        (b"", "empty file"),
        (b"<html>", "looks like HTML"),
        (encode(IDS)[:-20], "damaged|truncated"),
        (png(200_000, 2, 8, 0, b""), "side above"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_M10_M11_what_cannot_be_told_exactly_is_one_sentence(data: bytes, cause: str) -> None:
    refused(data, cause)


@given(st.sampled_from(range(1, 9)))
def test_a_mask_is_turned_upright_as_a_picture_is(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    upright = values(encode(IDS, exif=exif))
    assert upright.shape == ((3, 4) if turn < 5 else (4, 3))
    assert sorted(upright.ravel()) == list(range(12))
    few = png(4, 3, 4, 0, packed_bits(IDS, 4), chunk(b"eXIf", exif.tobytes()[6:]))
    assert (values(few) == upright).all()
