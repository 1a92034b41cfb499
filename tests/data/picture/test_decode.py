"""Row ids I1-I24 are those of the table of bad picture files that this suite works through.

Rows without a test here, and why:
  I2-I4  cut and damaged files: test_damage.py.
  I19  smaller than the network: decoding allows 1 x 1; the least side belongs to the network (catalogue).
  I24  time limit: it is the scan that has one, see test_audit.py.
  I22  pictures of one colour: counted by the scan, see test_audit.py.
  I21  lossless JPEG: no encoder at hand writes one; arithmetic, progressive and 12-bit are covered.
"""

import base64
import io
import os
import socket
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pictures import chunk, encode, grey_tiff, odd_profile, photo, png, put, tiff
from striate.base.errors import DataError
from striate.data.picture import decode
from striate.data.picture.decode import Picture
from striate.data.picture.pixels import PIXELS

# cjpeg 2.1.5 -arithmetic on photo(16, 16); its first three pixels by djpeg 2.1.5.
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAx"
    "NDQ0Hyc5PTgyPC4zNDL/2wBDAQkJCQwLDBgNDRgyIRwhMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIy"
    "MjIyMjIyMjL/yQARCAAQABADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/AKGsQ5lYI70uvGRX62MjK3lYmNq+"
    "P7CDuOi8X/FLZluckFuMx1XJf/U5SwogERYoHP/Z"
)
ARITHMETIC_PIXELS = [[0x75, 0x01, 0x0C], [0x77, 0x08, 0x0E], [0x7B, 0x14, 0x0D]]


def read(source: Path | bytes, at_least: int | None = None) -> Picture:
    """Of a file, or of bytes."""
    if isinstance(source, Path):
        return decode.read(decode.read_bytes(source), str(source), at_least=at_least)
    return decode.read(source, at_least=at_least)


def cause(source: Path | bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(source)
    return caught.value.cause


def test_I1_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    assert cause(put(tmp_path / "a.png", b"")) == "empty file"


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"\xef\xbb\xbf  <html lang=en>", "HTML"),
        (b'{"error": "not found"}', "JSON"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code>', "XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
        (b"404: Not Found", "text"),
        (bytes(600), "zero bytes"),
    ],
)
def test_I5_what_a_failed_download_left_is_named(tmp_path: Path, head: bytes, words: str) -> None:
    assert words in cause(put(tmp_path / "a.jpg", head))


def test_I5_the_hint_for_a_git_lfs_pointer_is_the_command() -> None:
    with pytest.raises(DataError) as caught:
        read(b"version https://git-lfs.github.com/spec/v1\n")
    assert caught.value.hint == "run `git lfs pull`"


def test_I6_a_png_named_jpeg_is_read_and_noted(tmp_path: Path) -> None:
    picture = read(put(tmp_path / "a.JPEG", encode(photo())))
    assert (picture.pixels == photo()).all()
    assert picture.notes == ("PNG named as JPEG",)


@pytest.mark.parametrize("name", ["a", "a.JPG", "a.jfif", "a.000123", "a."])
def test_I7_the_bytes_decide_and_not_the_name(tmp_path: Path, name: str) -> None:
    assert read(put(tmp_path / name, encode(photo(), "JPEG"))).pixels.shape == (96, 128, 3)


def test_I8_ink_without_a_profile_is_read_by_the_plain_formula() -> None:
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[..., 0] = 255  # cyan only
    picture = read(encode(Image.fromarray(ink, "CMYK"), "JPEG", quality=100))
    assert np.abs(picture.pixels.astype(int) - [0, 255, 255]).max() <= 2
    assert picture.notes == ("CMYK without a profile",)


def test_I8_ink_goes_through_the_profile_of_the_picture() -> None:
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[:, 8:, 0] = 255
    picture = read(encode(Image.fromarray(ink, "CMYK"), "TIFF", icc_profile=odd_profile()))
    assert picture.notes == ("CMYK through its ICC profile",)
    assert np.abs(picture.pixels[:, 0].astype(int) - 255).max() <= 2
    # L* 50 is sRGB 119 (CIE 15, IEC 61966-2-1); eight bits of table cost a level or two.
    assert np.abs(picture.pixels[:, 15].astype(int) - 119).max() <= 3


def test_I8_a_broken_profile_is_ignored_and_noted() -> None:
    image = Image.fromarray(np.zeros((8, 8, 4), np.uint8), "CMYK")
    notes = read(encode(image, "JPEG", icc_profile=b"not a profile" * 20)).notes
    assert notes == ("broken ICC profile ignored", "CMYK without a profile")


def test_I8_inverted_ink_as_adobe_writes_it_is_not_a_negative() -> None:
    white = Image.fromarray(np.zeros((16, 16, 4), np.uint8), "CMYK")
    data = encode(white, "JPEG")
    assert b"Adobe" in data
    assert read(data).pixels.min() >= 253


def test_I8_ycck_is_read_as_the_ink_it_stands_for() -> None:
    # Adobe stores 255 - ink; YCCK stores the complement of that, the ink itself, as YCbCr (Adobe TN 5116).
    data = bytearray(encode(Image.fromarray(np.zeros((16, 16, 4), np.uint8), "CMYK"), "JPEG"))
    marker = data.index(b"Adobe")
    data[marker + 11] = 2  # transform: YCCK
    pixels = read(bytes(data)).pixels[0, 0].astype(int)
    # Y = Cb = Cr = 255 is (255, 255 - 44 - 91, 255) after clipping (JFIF 1.02): ink (255, 120, 255), K 0.
    assert np.abs(pixels - [0, 135, 0]).max() <= 2


SIXTEEN = np.array([[0, 128, 129], [4096, 32768, 65535]], np.uint16)
# round(255 v / 65535): 128/257 = 0.498, 129/257 = 0.502, 4096/257 = 15.94, 32768/257 = 127.502.
EIGHT = [[0, 0, 1], [16, 128, 255]]


@pytest.mark.parametrize(
    "data",
    [
        encode(SIXTEEN, "PNG"),
        encode(SIXTEEN, "TIFF"),
        encode(SIXTEEN, "PPM"),
        grey_tiff(SIXTEEN.astype(">u2"), 16, order=">"),
        grey_tiff(65535 - SIXTEEN, 16, black_is_zero=0),
    ],
    ids=["png", "tiff", "pgm", "big-endian tiff", "white-is-zero tiff"],
)
def test_I9_16_bit_grey_is_scaled_and_not_clipped(data: bytes) -> None:
    picture = read(data)
    assert picture.pixels[..., 0].tolist() == EIGHT
    assert picture.notes == ("16-bit scaled to 8",)


def test_I9_12_bit_tiff_is_scaled_by_its_own_depth() -> None:
    tags = {256: (3, [2]), 257: (3, [1]), 258: (3, [12]), 259: (3, [1]), 262: (3, [1]), 277: (3, [1])}
    assert read(tiff(tags, b"\xff\xf8\x00")).pixels.ravel().tolist() == [255, 128]  # 4095 and 2048 of 4095


def test_I9_16_bit_colour_keeps_its_high_bytes() -> None:
    rows = b"\0" + struct.pack(">6H", 0x1234, 0x00FF, 0xFF00, 0x8000, 0x7FFF, 0xFFFF)
    assert read(png(2, 1, 16, 2, rows)).pixels.ravel().tolist() == [0x12, 0, 0xFF, 0x80, 0x7F, 0xFF]


@pytest.mark.parametrize("values", [np.array([[-5, 7]], np.int16), np.array([[0, 70000]], np.int32)], ids=str)
def test_I9_grey_without_a_known_range_is_refused(values: np.ndarray) -> None:
    assert "no range is known" in cause(grey_tiff(values, 8 * values.itemsize, form=2))


def test_I10_floating_point_is_refused_with_the_count_of_nan() -> None:
    values = np.array([[0.5, np.nan], [np.inf, np.nan]], np.float32)
    assert cause(grey_tiff(values, 32, form=3)) == "floating-point pixels, 2 of them NaN: no range is known"


def over_white(colour: int, alpha: int) -> int:
    return int((colour * alpha + 255 * (255 - alpha)) / 255 + 0.5)


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 4), min_size=1, max_size=40))
def test_I11_transparent_colours_are_laid_on_white_with_exact_rounding(values: list[tuple[int, ...]]) -> None:
    layers = np.array([values, [(255, 0, 0, 0)] * len(values)], np.uint8)
    expected = [[over_white(colour, value[3]) for colour in value[:3]] for value in values]
    picture = read(encode(layers))
    assert picture.pixels[0].tolist() == expected
    assert (picture.pixels[1] == 255).all()
    assert picture.notes == ("transparent: composited on white",)


def test_I11_grey_with_alpha_stays_grey() -> None:
    picture = read(encode(np.array([[[0, 0], [0, 51], [90, 255]]], np.uint8)))
    assert picture.pixels.tolist() == [[[255], [204], [90]]]


def test_I11_an_opaque_alpha_is_dropped_without_a_note() -> None:
    picture = read(encode(np.dstack([photo(), np.full((96, 128), 255, np.uint8)])))
    assert (picture.pixels == photo()).all()
    assert picture.notes == ()


def test_I12_a_palette_with_transparent_entries_is_laid_on_white() -> None:
    palette, alpha = chunk(b"PLTE", bytes([255, 0, 0, 0, 0, 255])), chunk(b"tRNS", b"\x00\xff")
    picture = read(png(2, 1, 8, 3, b"\0\0\1", palette, alpha))
    assert picture.pixels.tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_I12_a_transparent_colour_of_a_colour_or_grey_png_is_laid_on_white() -> None:
    red = read(png(2, 1, 8, 2, b"\0\xff\0\0\0\0\xff", chunk(b"tRNS", struct.pack(">3H", 255, 0, 0))))
    assert red.pixels.tolist() == [[[255, 255, 255], [0, 0, 255]]]
    grey = read(png(2, 1, 8, 0, b"\0\x07\x08", chunk(b"tRNS", struct.pack(">H", 7))))
    assert grey.pixels.tolist() == [[[255], [8]]]


def test_I13_one_bit_and_grey_have_one_channel() -> None:
    assert read(png(2, 1, 1, 0, b"\0\x80")).pixels.tolist() == [[[255], [0]]]
    assert read(encode(photo()[..., 0])).pixels.shape == (96, 128, 1)


@pytest.mark.parametrize("channels", [5, 6, 7])
def test_I13_more_than_four_channels_are_refused_with_the_count(
    channels: int, capfd: pytest.CaptureFixture[str]
) -> None:
    tags = {
        256: (3, [2]),
        257: (3, [2]),
        258: (3, [8] * channels),
        259: (3, [1]),
        262: (3, [2]),
        277: (3, [channels]),
    }
    assert cause(tiff(tags, bytes(4 * channels))) == f"{channels} channels, at most 4 are read"
    assert capfd.readouterr().err == ""


CORNERS = np.full((16, 32), 20, np.uint8)
CORNERS[:8, :8], CORNERS[:8, 24:], CORNERS[8:, :8] = 240, 160, 90
# Where the stored picture's top left, top right and bottom left corners are to be seen (EXIF 2.32, 4.6.4.A).
TURNS = {
    1: ("top left", "top right", "bottom left"),
    2: ("top right", "top left", "bottom right"),
    3: ("bottom right", "bottom left", "top right"),
    4: ("bottom left", "bottom right", "top left"),
    5: ("top left", "bottom left", "top right"),
    6: ("top right", "bottom right", "top left"),
    7: ("bottom right", "top right", "bottom left"),
    8: ("bottom left", "top left", "bottom right"),
}
PLACES = {"top left": (0, 0), "top right": (0, -1), "bottom left": (-1, 0), "bottom right": (-1, -1)}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_I14_every_exif_orientation_is_applied(turn: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    picture = read(encode(Image.fromarray(CORNERS), form, exif=exif, **options))
    assert picture.pixels.shape[:2] == ((16, 32) if turn < 5 else (32, 16))
    seen = [int(picture.pixels[PLACES[place]][0]) for place in TURNS[turn]]
    assert np.abs(np.array(seen) - [240, 160, 90]).max() <= 6
    assert picture.notes == (() if turn == 1 else ("turned by its EXIF orientation",))


@pytest.mark.parametrize(
    "directory",
    [b"II*\0\xff\xff\xff\x7f", b"garbage!!", b"MM\0*\0\0\0\x08\0\x05\x01\x12"],
    ids=["offset", "noise", "cut"],
)
def test_I15_broken_exif_is_ignored_with_a_note(directory: bytes) -> None:
    data, body = encode(photo(), "JPEG"), b"Exif\0\0" + directory
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    picture = read(data)
    assert picture.pixels.shape == (96, 128, 3)
    assert picture.notes == ("empty or broken EXIF ignored",)


@pytest.mark.parametrize("turn", [0, 9, 65535])
def test_I15_an_orientation_that_does_not_exist_is_ignored(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    assert (read(encode(photo(), exif=exif)).pixels == photo()).all()


def test_I15_broken_metadata_and_a_text_bomb_leave_the_pixels_alone() -> None:
    data = encode(photo())
    broken = bytearray(chunk(b"iCCP", b"a\0\0broken"))
    broken[-1] ^= 1
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80 << 20), 9))
    picture = read(data[:33] + bytes(broken) + bomb + data[33:])
    assert (picture.pixels == photo()).all()
    assert picture.notes == ("broken PNG metadata ignored",)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_I16_of_several_frames_the_first_is_taken_and_the_count_noted_where_the_header_has_it(form: str) -> None:
    frames = [Image.fromarray(np.full((16, 16, 3), value, np.uint8)) for value in (0, 120, 240)]
    options = {"lossless": True} if form == "WEBP" else {}
    picture = read(encode(frames[0], form, save_all=True, append_images=frames[1:], **options))
    assert (picture.pixels == 0).all()
    assert picture.notes == (f"first of {'several' if form in ('GIF', 'TIFF') else 3} frames",)


@pytest.mark.parametrize("side", [8_000, 12_000, 20_000])
def test_I17_a_bomb_is_refused_before_memory_is_taken_and_without_a_warning(side: int) -> None:
    bomb = png(side, side, 1, 0, b"\0")  # no pixels follow: only an early refusal can name the size
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "pixels, more than 52,000,000" in cause(bomb)


def test_I18_a_strip_is_refused_by_its_ratio_and_a_long_one_by_its_side() -> None:
    assert cause(png(510, 10, 8, 0, bytes(511) * 10)) == "510 x 10 is longer than 50 to 1"
    assert "side above 30,000" in cause(png(60_000, 1, 8, 0, bytes(60_001)))
    assert read(png(500, 10, 8, 0, bytes(501) * 10)).pixels.shape == (10, 500, 1)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b'<?xml version="1.0"?>\n<svg xmlns="a">', "SVG"),
        (b"<svg width='1'>", "SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "EPS"),
        (b"%PDF-1.7", "PDF"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"SIMPLE  =                    T", "FITS"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"II*\0\x10\0\0\0CR\x02\0", "camera raw"),
        (b"PK\x03\x04\x14\0", "archive"),
        (b"\x7fELF\x02\x01", "starts with 7f 45 4c 46"),
    ],
)
def test_I20_formats_that_are_not_read_are_named(head: bytes, words: str) -> None:
    assert words in cause(head.ljust(700, b"\x01"))


def test_I20_a_camera_raw_file_is_not_its_thumbnail(tmp_path: Path) -> None:
    assert cause(put(tmp_path / "a.nef", encode(photo(), "TIFF"))) == "a camera raw file"


LOSSLESS = ("JPEG2000", {}), ("JPEG2000", {"no_jp2": True, "tile_size": (32, 32)})


@pytest.mark.parametrize(("form", "options"), [*LOSSLESS, ("AVIF", {"quality": 95})])
def test_formats_of_newer_cameras_and_of_archives_are_read(form: str, options: dict[str, Any]) -> None:
    for pixels in (photo(40, 60), photo(40, 60)[..., :1]):
        data = encode(pixels.squeeze(), form, **options)
        found = read(data)
        assert found.pixels.shape == pixels.shape
        assert np.abs(found.pixels.astype(int) - pixels).mean() <= (0 if form == "JPEG2000" else 15)
        assert decode.header(data, "picture")[:2] == (pixels.shape[2] == 1, (40, 60))
        for cut in (100, len(data) // 2, len(data) - 9):
            assert (
                "damaged" in cause(data[:cut]) or "begins as" in cause(data[:cut]) or "truncated" in cause(data[:cut])
            )


def test_an_avif_is_turned_laid_on_white_and_its_first_frame_is_taken() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = read(encode(photo(40, 60), "AVIF", exif=exif))
    assert (turned.pixels.shape, turned.notes) == ((60, 40, 3), ("turned by its EXIF orientation",))
    hidden = np.zeros((16, 16, 4), np.uint8)
    assert (read(encode(hidden, "AVIF")).pixels == 255).all()
    frames = [Image.fromarray(photo(16, 16, seed)) for seed in range(3)]
    several = read(encode(frames[0], "AVIF", save_all=True, append_images=frames[1:]))
    assert several.notes == ("first of 3 frames",)


def test_jpeg_2000_of_16_bits_and_in_ink() -> None:
    values = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    deep = decode.read(encode(values, "JPEG2000"), white=4095)
    assert deep.ends == (0, 4095)
    assert (deep.pixels[..., 0] == np.floor(values.astype(int) * 255 / 4095 + 0.5)).all()
    assert "CMYK without a profile" in read(encode(Image.fromarray(photo()).convert("CMYK"), "JPEG2000")).notes


def test_jpeg_2000_promises_in_its_coded_data_what_is_checked() -> None:
    data = encode(photo(40, 60), "JPEG2000")
    at = data.index(b"\xff\x4f\xff\x51") + 8
    assert "30,000 x 30,000" in cause(data[:at] + struct.pack(">II", 30_000, 30_000) + data[at + 8 :])
    assert "tiles" in cause(data[:at] + struct.pack(">6I", 900, 900, 0, 0, 1, 1) + data[at + 24 :])
    assert cause(data[: at + 32] + b"\0\x09" + data[at + 34 :]) == "9 channels, at most 4 are read"


def test_what_pillow_was_built_without_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode.features, "check", lambda name: False)
    for form in ("AVIF", "JPEG2000"):
        with pytest.raises(DataError, match=f"{form}, which the Pillow that is installed cannot read") as caught:
            read(encode(photo(), form))
        assert caught.value.hint.startswith("pip install --upgrade pillow")


def test_I21_an_arithmetic_jpeg_is_decoded() -> None:
    assert read(ARITHMETIC).pixels[0, :3].tolist() == ARITHMETIC_PIXELS


def test_I23_the_decoder_is_named_with_versions() -> None:
    assert decode.DECODER.startswith("pillow ")
    assert "libjpeg-turbo " in decode.DECODER


def test_L12_a_pipe_a_socket_and_a_folder_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert cause(tmp_path / "pipe.jpg") == "not a regular file (pipe)"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.jpg"))
        assert "not a regular file" in cause(tmp_path / "s.jpg")
    assert cause(tmp_path) == "not a regular file (folder)"


def test_a_missing_file_and_a_dangling_link_are_named(tmp_path: Path) -> None:
    assert cause(tmp_path / "none.png") == "no such file"
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    assert cause(tmp_path / "link.png") == "dangling link"


def test_a_file_without_permission_is_named_with_its_mode(tmp_path: Path) -> None:
    path = put(tmp_path / "a.png", encode(photo()))
    path.chmod(0o000)
    if os.access(path, os.R_OK):
        pytest.skip("this process may read any file (root)")
    assert cause(path) == "permission denied (mode 0000)"


@pytest.mark.parametrize(("at_least", "side"), [(300, 512), (256, 512), (128, 256), (64, 128), (8, 64), (None, 512)])
def test_a_large_jpeg_is_reduced_while_both_sides_stay_twice_what_is_asked(at_least: int | None, side: int) -> None:
    data = encode(photo(512, 640), "JPEG")
    height, width, _ = read(data, at_least=at_least).pixels.shape
    assert (height, width) == (side, side * 640 // 512)


def test_only_jpeg_is_reduced() -> None:
    assert read(encode(photo()), at_least=1).pixels.shape == (96, 128, 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_a_header_tells_what_reading_gives(form: str) -> None:
    for image in (Image.fromarray(photo()), Image.fromarray(photo()[..., 0])):
        data = encode(image, form)
        (grey, size, notes, _), picture = decode.header(data, "picture"), read(data)
        assert size == picture.pixels.shape[:2] == (96, 128)
        assert (grey, notes) == (picture.pixels.shape[2] == 1, picture.notes)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "TIFF", "WEBP", "PNG"])
def test_a_header_tells_the_upright_size(form: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encode(photo(), form, exif=exif)
    assert decode.header(data, "picture")[1] == read(data).pixels.shape[:2]


def test_a_header_tells_the_upright_size_of_a_png_whose_orientation_lies_behind_its_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data, turn = encode(photo()), exif.tobytes()[6:]
    data = data[:-12] + chunk(b"eXIf", turn) + data[-12:]
    assert decode.header(data, "picture")[1] == read(data).pixels.shape[:2] == (128, 96)


def test_lossless_formats_give_the_very_pixels() -> None:
    for form, options in {"PNG": {}, "BMP": {}, "TIFF": {}, "PPM": {}, "WEBP": {"lossless": True}}.items():
        assert (read(encode(photo(), form, **options)).pixels == photo()).all()


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("1", "png"), ("L", "png"), ("LA", "png"), ("P", "png"), ("RGB", "png"), ("RGBA", "png"), ("CMYK", "tif"),
        ("I;16", "png"), ("P", "gif"), ("RGB", "jpg"), ("CMYK", "jpg"),
    ],
)  # fmt: skip
def test_a_picture_of_pillow_is_read_as_its_file_is(tmp_path: Path, mode: str, suffix: str) -> None:
    values = np.arange(9 * 8 * 4, dtype=np.uint8).reshape(8, 9, 4)
    image = Image.fromarray(values).convert("RGB" if mode in ("P", "1") else "RGBA")
    image = Image.fromarray(values[..., 0].astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    path, exif = tmp_path / f"a.{suffix}", Image.Exif()
    exif[0x0112] = 6
    image.save(path, **({"exif": exif} if suffix in ("jpg", "png") else {}))
    before = path.read_bytes()
    with Image.open(path) as opened:
        found = decode.pixels_of(opened, "a", None)
    assert np.array_equal(found, decode.read(before, str(path)).pixels)
    if suffix != "jpg":
        turned = np.rot90(found) if suffix == "png" else found
        assert np.array_equal(decode.pixels_of(image, "a", None), turned)


def test_a_picture_of_pillow_has_the_limits_of_a_file() -> None:
    for image, cause in (
        (Image.new("1", (PIXELS // 4096 + 1, 4096)), f"more than {PIXELS:,}"),
        (Image.new("F", (8, 8)), "no range is known"),
        (Image.new("HSV", (8, 8)), "pixels of kind HSV are not read"),
    ):
        with pytest.raises(DataError, match=cause):
            decode.pixels_of(image, "a")
    closed = Image.open(io.BytesIO(b"P5 2 2 255 abcd"))
    closed.close()
    with pytest.raises(DataError, match="Pillow cannot load it"):
        decode.pixels_of(closed, "a")
