"""Row ids I2-I4 and I21 are those of the table of bad picture files; the others are in test_decode.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pictures import encode, photo, scan_bounds
from striate.base.errors import DataError
from striate.data.picture.decode import read


def cause(source: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(source)
    return caught.value.cause


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_I2_a_cut_jpeg_tells_how_much_there_is(share: float) -> None:
    data = encode(photo(256, 320), "JPEG")
    begin, finish = scan_bounds(data)
    found = cause(data[: begin + int(share * (finish - begin))])
    assert found.startswith("truncated at ")
    assert abs(int(found.split()[2]) - 100 * share) <= 7  # a row of blocks is 6 %


@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP"])
def test_I2_other_cut_files_tell_how_much_there_is(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    data = encode(photo(), form, **options)
    found = cause(data[: len(data) // 2])
    assert found.startswith("truncated at ")
    assert abs(int(found.split()[2]) - 50) <= 10


@pytest.mark.parametrize("form", ["GIF", "TIFF", "PPM"])
def test_I2_a_cut_file_is_never_half_a_picture(form: str) -> None:
    data = encode(photo(), form)
    assert "truncated" in cause(data[: len(data) // 2]) or "damaged" in cause(data[: len(data) // 2])


KINDS = [
    {},
    {"optimize": True},
    {"progressive": True},
    {"subsampling": 0},
    {"restart_marker_rows": 1},
    {"quality": 98},
    {"quality": 30},
]


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_I3_a_cut_jpeg_with_a_false_end_is_suspected(options: dict[str, object], share: float) -> None:
    data = encode(photo(256, 320), "JPEG", **options)
    cut = data[: int(share * len(data))] + b"\xff\xd9"
    assert any(note.startswith("damaged?") for note in read(cut).notes)


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_I3_a_jpeg_with_a_zeroed_sector_is_suspected(options: dict[str, object], share: float) -> None:
    data = encode(photo(256, 320), "JPEG", **options)
    at = int(share * len(data))
    assert any(note.startswith("damaged?") for note in read(data[:at] + bytes(512) + data[at + 512 :]).notes)


def flat(value: int | tuple[int, int, int]) -> np.ndarray:
    return np.full((240, 320, 3), value, np.uint8)


def bordered(value: int) -> np.ndarray:
    pixels = photo(240, 320)
    pixels[120:] = value
    return pixels


@pytest.mark.parametrize("options", [*KINDS, {"optimize": True, "restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize(
    "pixels",
    [photo(240, 320), flat(128), flat(0), flat((200, 30, 60)), bordered(128), bordered(255)],
    ids=["photo", "grey", "black", "red", "grey border", "white border"],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_I3_a_sound_jpeg_is_never_suspected(options: dict[str, object], pixels: np.ndarray, mode: str) -> None:
    image = Image.fromarray(pixels).convert(mode)
    assert (
        read(encode(image, "JPEG", **{k: v for k, v in options.items() if mode == "RGB" or k != "subsampling"})).notes
        == ()
    )


def test_I4_a_flipped_bit_in_a_png_is_damage_even_where_pillow_would_not_look() -> None:
    data = bytearray(encode(photo()))
    data[data.index(b"IDAT") + 4 + 1000] ^= 1
    assert cause(bytes(data)) == "damaged: the checksum of its IDAT chunk is wrong"


def test_I21_a_12_bit_jpeg_is_named() -> None:
    data = bytearray(encode(photo(), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    assert cause(bytes(data)) == "a 12-bit JPEG"


def test_I21_a_jpeg_of_endless_scans_is_refused() -> None:
    data = encode(photo(), "JPEG", progressive=True)
    start, finish = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    assert "scans in one JPEG" in cause(data[:finish] + data[start:finish] * 600 + data[finish:])


SEEDS = [encode(photo(24, 24), form) for form in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")] + [
    encode(photo(24, 24), "TIFF", compression=kind) for kind in ("tiff_lzw", "jpeg", "tiff_deflate", "packbits")
]


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=8)), max_size=6),
    st.integers(0, 4000),
)
def test_any_bytes_give_a_picture_or_a_sentence(seed: bytes, edits: list[tuple[int, bytes]], cut: int) -> None:
    data = bytearray(seed)
    for at, new in edits:
        at %= len(data)
        data[at : at + len(new)] = new
    try:
        pixels = read(bytes(data[: max(cut, 12)])).pixels
    except DataError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] in (1, 3)
    assert pixels.size > 0


@given(st.binary(max_size=300))
def test_noise_is_no_picture_and_the_sentence_is_the_same_each_time(data: bytes) -> None:
    with pytest.raises(DataError) as first:
        read(data)
    with pytest.raises(DataError) as second:
        read(data)
    assert str(first.value) == str(second.value)
