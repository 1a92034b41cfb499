import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pictures import chunk, encode, grey_tiff, photo
from striate.base.errors import DataError
from striate.data.picture.layers import Layers, layers_of, of_array, read, visible

GREY = np.random.default_rng(0).integers(0, 65_536, (9, 12), dtype=np.uint16)
BYTES = np.random.default_rng(1).integers(0, 256, (9, 12, 4), dtype=np.uint8)


def pages(*parts: np.ndarray, **options: Any) -> bytes:
    first, *others = map(Image.fromarray, parts)
    return encode(first, "TIFF", save_all=True, append_images=others, **options)


def refused(data: bytes, wanted: Layers) -> str:
    with pytest.raises(DataError) as caught:
        read(data, "p", wanted)
    return caught.value.cause


def test_photographs_are_one_or_three_layers_of_8_bits() -> None:
    assert layers_of(None, 8) is layers_of(1, 8) is layers_of(3, 8) is None
    assert layers_of(1, 16) == Layers(1, 16)
    assert layers_of(4, 8) == Layers(4)


def test_16_bits_of_grey_are_kept() -> None:
    for data in (encode(Image.fromarray(GREY), "PNG"), grey_tiff(GREY, 16), encode(Image.fromarray(GREY), "PPM")):
        found = read(data, "p", Layers(1, 16))
        assert found.dtype == np.uint16
        assert (found[..., 0] == GREY).all()
    inverted = read(grey_tiff(GREY, 16, black_is_zero=0), "p", Layers(1, 16))
    assert (inverted[..., 0] == 65_535 - GREY).all()


def test_depths_are_read_as_each_other_over_their_whole_range() -> None:
    found = read(encode(Image.fromarray(BYTES[..., 0]), "PNG"), "p", Layers(1, 16))
    assert (found[..., 0] == 257 * BYTES[..., 0].astype(int)).all()
    found = read(pages(GREY, GREY), "p", Layers(2))
    assert found.dtype == np.uint8
    assert (found[..., 1] == np.rint(GREY / 257)).all()


def test_transparency_is_a_layer_and_nothing_is_laid_on_white() -> None:
    assert (read(encode(Image.fromarray(BYTES), "PNG"), "p", Layers(4)) == BYTES).all()
    assert (read(encode(Image.fromarray(BYTES), "TIFF"), "p", Layers(4)) == BYTES).all()
    assert (read(encode(Image.fromarray(BYTES[..., :2], "LA"), "PNG"), "p", Layers(2)) == BYTES[..., :2]).all()


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_pages_are_layers(compression: str) -> None:
    layers = np.stack([GREY, GREY // 2, GREY // 3, GREY // 4, GREY // 5], 2)
    data = pages(*layers.transpose(2, 0, 1), compression=compression)
    assert (read(data, "p", Layers(5, 16)) == layers).all()


@pytest.mark.parametrize(
    ("data", "wanted", "cause"),
    [
        (pages(GREY, GREY, GREY), Layers(2, 16), "3 layers, and not 2"),
        (pages(*[GREY] * 20), Layers(2, 16), "3 layers, and not 2"),
        (pages(*[GREY] * 20), Layers(16, 16), "more than 16 layers, and not 16"),
        (encode(photo()), Layers(4), "3 layers, and not 4"),
        (pages(GREY, GREY[:5]), Layers(2, 16), "page 2 has another size than the first"),
        (pages(BYTES[..., 0], photo(9, 12)), Layers(2), "4 layers, and not 2"),
        (pages(BYTES[..., 0], BYTES[..., 1], compression="jpeg"), Layers(2), "page 2 is compressed in a way"),
        (pages(GREY, GREY)[:-40], Layers(2, 16), "page 2 cannot be decoded"),
        (encode(Image.new("CMYK", (8, 8)), "JPEG"), Layers(4), "pixels of kind CMYK are not read as layers"),
        (encode(Image.fromarray(photo()).quantize(8), "PNG"), Layers(4), "pixels of kind P are not read as layers"),
        (encode(Image.fromarray(GREY.astype(np.float32)), "TIFF"), Layers(4), "pixels of kind F are not"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_layers_are_a_sentence(data: bytes, wanted: Layers, cause: str) -> None:
    assert cause in refused(data, wanted)


def test_16_bit_colours_of_a_png_are_not_taken_for_what_they_are_not() -> None:
    data = encode(photo(8, 8))
    head = data[16:24] + b"\x10\x02\0\0\0"
    rows = zlib.compress((b"\0" + bytes(8 * 6)) * 8)
    deep = data[:8] + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    assert "16-bit colours of a PNG" in refused(deep, Layers(3, 16))


def test_arrays_are_copied_and_must_have_the_layers() -> None:
    given = BYTES.copy()
    found = of_array(given, "p", Layers(4, 16))
    given[:] = 0
    assert (found == 257 * BYTES.astype(int)).all()
    assert of_array(GREY, "p", Layers(1, 16)).shape == (9, 12, 1)
    for bad, cause in ((BYTES, "4 layers, and not 5"), (GREY.astype(float), "float64"), (GREY[:0], "no picture")):
        with pytest.raises(DataError, match=cause):
            of_array(bad, "p", Layers(5))


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (2, 1), (3, 3), (4, 3), (7, 3)])
def test_a_person_is_shown_one_layer_or_three(count: int, shown: int) -> None:
    layers = np.stack([GREY] * count, 2)
    assert visible(layers).shape == (9, 12, shown)
    assert visible(layers).dtype == np.uint8
    assert Image.open(io.BytesIO(encode(Image.fromarray(visible(layers).squeeze()), "PNG"))).size == (12, 9)
