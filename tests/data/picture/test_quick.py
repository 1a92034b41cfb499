"""JPEGs by simplejpeg: Pillow, asked directly, is the oracle."""

import hashlib
import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from pictures import encode, photo
from striate.base.errors import DataError
from striate.data.picture import decode, four, quick

pytest.importorskip("simplejpeg")

COLOURS, GREY = Image.fromarray(photo(203, 317)), Image.fromarray(photo(203, 317)).convert("L")
INK = Image.fromarray(np.dstack([photo(203, 317), photo(203, 317)[..., :1]]), "CMYK")


def turned(turn: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = turn
    return exif


KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "4:2:0": (COLOURS, {"subsampling": 2}),
    "4:2:2": (COLOURS, {"subsampling": 1}),
    "4:4:4": (COLOURS, {"subsampling": 0}),
    "grey": (GREY, {}),
    "worst quality": (COLOURS, {"quality": 3}),
    "best quality": (COLOURS, {"quality": 100}),
    "progressive": (COLOURS, {"progressive": True}),
    "restarts": (COLOURS, {"restart_marker_blocks": 5}),
    "optimised": (COLOURS, {"optimize": True}),
    "profile": (COLOURS, {"icc_profile": bytes(3000)}),
    "comment": (COLOURS, {"comment": "a" * 2000}),
    "ink": (INK, {}),
    "stored as RGB": (COLOURS, {"keep_rgb": True}),
    **{f"turned {turn}": (COLOURS, {"exif": turned(turn)}) for turn in range(1, 9)},
}
# Of these Pillow alone says what they are.
PILLOW = ("ink", "stored as RGB")


def by_pillow(data: bytes, at_least: int) -> np.ndarray:
    image: Any = Image.open(io.BytesIO(data))
    image.draft(None, (2 * at_least, 2 * at_least))
    image = ImageOps.exif_transpose(image)
    pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def quickly(data: bytes, at_least: int) -> Any:
    image: Any = Image.open(io.BytesIO(data))
    image.draft(None, (2 * at_least, 2 * at_least))
    return quick.pixels(data, image)


@pytest.mark.parametrize("at_least", [200, 60, 40, 12, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_are_those_of_pillow(kind: str, at_least: int) -> None:
    image, options = KINDS[kind]
    data = encode(image, "JPEG", **options)
    assert (quickly(data, at_least) is None) == (kind in PILLOW)
    found = decode.read(data, at_least=at_least).pixels
    assert np.array_equal(found, by_pillow(data, at_least))


@pytest.mark.parametrize("side", [1, 7, 8, 17, 63, 64, 65])
def test_so_are_those_of_small_ones(side: int) -> None:
    for height, width in ((side, 40), (40, side), (side, side)):
        data = encode(photo(height, width), "JPEG")
        for at_least in (1, 2, 5, 16):
            assert np.array_equal(decode.read(data, at_least=at_least).pixels, by_pillow(data, at_least))


def test_what_is_left_of_a_progressive_one_too() -> None:
    data = encode(photo(130, 170), "JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    for start in starts[1:]:
        cut = data[:start] + b"\xff\xd9"
        assert np.array_equal(decode.read(cut, at_least=40).pixels, by_pillow(cut, 40))


def damaged(data: bytes) -> dict[str, bytes]:
    middle = len(data) // 2
    return {
        "cut": data[:middle],
        "cut, with an end": data[:middle] + b"\xff\xd9",
        "without its end": data[:-2],
        "a false marker": data[:middle] + b"\xff\xc0" + data[middle:],
        "bytes lost": data[:middle] + data[middle + 40 :],
    }


@pytest.mark.parametrize("kind", damaged(bytes(8)))
def test_what_libjpeg_warns_of_is_left_to_pillow(kind: str) -> None:
    data = damaged(encode(photo(256, 320), "JPEG"))[kind]
    try:
        expected: Any = by_pillow(data, 128)
    except (OSError, SyntaxError):
        expected = None
    if expected is None:
        with pytest.raises(DataError, match=r"truncated|damaged"):
            decode.read(data, at_least=128)
        return
    assert kind == "bytes lost" or quickly(data, 128) is None
    assert np.array_equal(decode.read(data, at_least=128).pixels, expected)


def test_a_library_that_decodes_otherwise_is_not_used(tmp_path: Any) -> None:
    (tmp_path / "simplejpeg.py").write_text(
        "from PIL import Image\nimport io, numpy\n"
        "def decode_jpeg_header(data):\n"
        "    image = Image.open(io.BytesIO(data))\n"
        "    return image.height, image.width, 'Gray' if image.mode == 'L' else 'YCbCr', ''\n"
        "def decode_jpeg(data, colours, min_height, min_width):\n"
        "    image = Image.open(io.BytesIO(data))\n"
        "    image.draft(None, (min_width, min_height))\n"
        "    pixels = numpy.array(image if image.mode == 'L' else image.convert('RGBA'))\n"
        "    pixels.flat[0] ^= OTHER\n"
        "    return pixels.reshape(*pixels.shape[:2], -1)\n"
    )
    said = (
        "import simplejpeg; simplejpeg.OTHER = int({}); from striate.data.picture import quick; print(quick._agrees())"
    )
    for other, used in ((0, "True"), (1, "False")):
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); " + said.format(other)]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == used


def test_without_it_pillow_decodes() -> None:
    data = encode(photo(96, 128), "JPEG")
    said = (
        "import sys; sys.modules['simplejpeg'] = None; from striate.data.picture import decode, quick; import hashlib;"
        f"print(quick._agrees(), hashlib.sha256(decode.read({data!r}, at_least=20).pixels.tobytes()).hexdigest())"
    )
    found = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True).stdout.split()
    own = decode.read(data, at_least=20).pixels
    assert quickly(data, 20) is not None
    assert found == ["False", hashlib.sha256(own.tobytes()).hexdigest()]


def test_pixels_in_four_bytes_go_to_pillow_and_back() -> None:
    for image in (COLOURS, GREY):
        pixels = four.pixels_of(image)
        assert np.array_equal(np.asarray(four.image_of(pixels).convert(image.mode)), np.asarray(image))
    held = np.arange(4 * 5 * 4, dtype=np.uint8).reshape(4, 5, 4)
    for part in (held[..., 1:], held[1:, :, :3], held[..., :3]):  # of one only the memory is as Pillow's
        assert np.array_equal(np.asarray(four.image_of(part).convert("RGB")), part)
