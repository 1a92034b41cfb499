"""What a picture may cost: refused by what its bytes say, before anything is decoded."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import chunk, encode, photo, png, put, tiff
from striate.base.errors import DataError, UsageError
from striate.data.picture import gif
from striate.data.picture.decode import header, read, read_bytes
from striate.data.picture.pixels import PIXELS, check_most


def cause(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(data)
    return caught.value.cause


def sized(data: bytes, height: int, width: int) -> bytes:
    """A JPEG whose header promises another size."""
    frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]


def scanned(data: bytes, times: int) -> bytes:
    """Its last scan again and again."""
    begin, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[begin:end] * times + data[end:]


PROGRESSIVE = encode(photo(), "JPEG", progressive=True)


def test_many_scans_of_a_large_jpeg_are_refused_and_those_of_a_small_one_are_not() -> None:
    assert "in a JPEG of several scans, more than 800,000,000" in cause(scanned(sized(PROGRESSIVE, 7000, 7000), 12))
    assert read(scanned(PROGRESSIVE, 100)).pixels.shape == (96, 128, 3)


def test_the_scans_of_a_usual_progressive_jpeg_of_50_million_pixels_are_allowed() -> None:
    assert "several scans" not in cause(sized(PROGRESSIVE, 7000, 7142)[:-300])  # it ends early


def test_ink_in_several_scans_is_refused_by_its_samples() -> None:
    ink = encode(Image.fromarray(photo()).convert("CMYK"), "JPEG", progressive=True)
    assert "samples in a JPEG of several scans" in cause(sized(ink, 7000, 7142))
    assert "more than the 25,000,000 of CMYK" in cause(sized(encode(Image.new("CMYK", (8, 8)), "JPEG"), 5001, 5000))


def test_segments_before_the_pixels_of_a_jpeg_are_bounded() -> None:
    data = encode(photo(), "JPEG")
    comment = b"\xff\xfe\0\2"
    assert "segments in one JPEG" in cause(data[:2] + comment * 100_001 + data[2:])
    exif = b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65_527)
    assert "bytes before the pixels of a JPEG" in cause(data[:2] + exif * 250 + data[2:])


def test_bytes_of_a_jpeg_that_belong_to_nothing_are_bounded_up_to_its_end() -> None:
    data, words = encode(photo(), "JPEG"), "more than 65,536 bytes in a JPEG that belong to nothing"
    begin = data.index(b"\xff\xdb")
    assert cause(data[:begin] + bytes(70_000) + data[begin:]) == words
    assert cause(data[:begin] + b"\xff" * 70_000 + data[begin:]) == words
    assert cause(data[:-2] + b"\xff" * 70_000 + data[-2:]) == words
    assert (read(data + b"\xff" * 70_000).pixels == read(data).pixels).all()


def test_chunks_of_a_png_are_bounded() -> None:
    data = encode(photo())
    assert "chunks in one PNG" in cause(data[:33] + chunk(b"abCd", b"") * 100_001 + data[33:])


def test_metadata_of_a_png_are_bounded_and_text_is_left_out() -> None:
    data = encode(photo())
    assert "bytes of metadata in a PNG" in cause(data[:33] + chunk(b"eXIf", bytes(16_000_001)) + data[33:])
    text = chunk(b"tEXt", b"a\0" + bytes(16_000_001))
    assert (read(data[:33] + text + data[33:]).pixels == photo()).all()


def test_a_cut_png_of_impossible_size_is_not_inflated_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    inflated = []
    decompressor = zlib.decompressobj

    class Counted:
        def __init__(self) -> None:
            self.of = decompressor()

        def decompress(self, *given: object) -> bytes:
            inflated.append(len(found := self.of.decompress(*given)))
            return found

        def __getattr__(self, name: str) -> object:
            return getattr(self.of, name)

    monkeypatch.setattr(zlib, "decompressobj", Counted)
    assert cause(png(1 << 30, 1 << 30, 8, 0, bytes(30_000_000))[:-12]).startswith("truncated")
    assert sum(inflated) < 1_000_000


def test_a_large_webp_is_refused() -> None:
    data = bytearray(encode(np.zeros((64, 64, 4), np.uint8), "WEBP"))
    at = data.index(b"VP8X")
    data[at + 12 : at + 18] = (4999).to_bytes(3, "little") + (5000).to_bytes(3, "little")
    assert "more than the 25,000,000 of a WebP" in cause(bytes(data)) or "header cannot be read" in cause(bytes(data))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"P3\n2000 2001\n255\n", "a PPM text of 12,006,000 samples"),
        (b"P2\n2000 2001\n255\n", "a PPM text of 4,002,000 samples"),
        (b"P6\n2000 2001\n254\n", "a PPM of an odd range of 12,006,000 samples"),
        (b"P5 # words\n2000 2001 1000\n", "a PPM of an odd range of 4,002,000 samples"),
        (b"P2\n2 2\n255\n" + b"#\n" * 1001, "a PPM text of 4 samples"),
        (b"P5\n" + b"#" * 70_000 + b"\n2 2\n255\n    ", "its header cannot be read"),
    ],
)  # fmt: skip
def test_a_ppm_that_is_decoded_slowly_is_small(head: bytes, words: str) -> None:
    assert words in cause(head)


def test_a_bmp_in_run_lengths_is_small() -> None:
    head = struct.pack("<IiiHHIIiiII", 40, 2000, -2001, 1, 8, 1, 0, 0, 0, 256, 256) + bytes(1024)
    assert "a BMP in run lengths of 4,002,000 pixels" in cause(b"BM" + struct.pack("<IHHI", 1078, 0, 0, 1078) + head)


def strips(tags: dict[int, tuple[int, list[int]]], **more: tuple[int, list[int]]) -> bytes:
    size = {256: (3, [64]), 257: (3, [64]), 258: (3, [8]), 259: (3, [8]), 262: (3, [1]), 277: (3, [1])}
    return tiff(size | tags, zlib.compress(bytes(4096)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (strips({259: (3, [34925])}), "compressed in a way that is not read (LZMA)"),
        (strips({700: (4, [0] * 4_000_001)}), "more than 16,000,000 bytes of tags"),
        (strips({258: (3, [16] * 4), 277: (3, [4]), 256: (3, [8000]), 257: (3, [6000])}), "of 384,000,000 bytes"),
    ],
)  # fmt: skip
def test_what_a_tiff_may_promise(data: bytes, words: str) -> None:
    assert words in cause(data)


@pytest.mark.parametrize(("kind", "most"), [(4, "16,000,000"), (7, "25,000,000")])
def test_directories_below_that_of_a_tiff_count(kind: int, most: str) -> None:
    below = struct.pack("<HHHII", 1, 37500, kind, 5_000_000 if kind == 4 else 60_000_000, 0) + bytes(4)
    tags = {256: (3, [8]), 257: (3, [8]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 277: (3, [1]), 34665: (4, [8])}
    assert cause(tiff(tags, below.ljust(60_000_000, b"\0"))) == f"a TIFF with more than {most} bytes of tags"


def test_strips_of_a_tiff_do_not_overlap_and_are_not_too_many() -> None:
    data = encode(photo(64, 64), "TIFF", compression="tiff_deflate", tiffinfo={278: 1})
    assert (read(data).pixels == photo(64, 64)).all()
    entry = next(
        at for at in range(len(data)) if data[at : at + 2] == b"\x17\1" and data[at + 4 : at + 8] == b"@\0\0\0"
    )
    kind, lengths = data[entry + 2], int.from_bytes(data[entry + 8 : entry + 12], "little")
    longer = struct.pack(f"<64{'H' if kind == 3 else 'I'}", *[len(data) // 2] * 64)
    assert "strips overlap" in cause(data[:lengths] + longer + data[lengths + len(longer) :])


def test_a_jpeg_of_several_scans_inside_a_tiff_is_refused() -> None:
    inside = scanned(encode(photo(64, 64), "JPEG", progressive=True), 3)
    tags = {256: (3, [64]), 257: (3, [64]), 258: (3, [8] * 3), 259: (3, [7]), 262: (3, [6]), 277: (3, [3])}
    assert cause(tiff(tags, inside)) == "a JPEG of several scans inside a TIFF"


def test_the_frames_of_a_gif_are_not_walked() -> None:
    frames = [Image.fromarray(np.full((16, 16), value, np.uint8)) for value in range(50)]
    one = encode(frames[0], "GIF", comment=b"words")
    many = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"words")
    (kept, several), (alone, other) = gif.first_frame(many, ""), gif.first_frame(one, "")
    assert (several, other) == (True, False)
    assert len(kept) < len(one) + 20
    assert b"words" not in kept + alone
    assert read(many).notes == ("first of several frames",)
    assert (read(many).pixels == read(one).pixels).all()


def test_endless_blocks_of_a_gif_are_refused_before_its_first_frame_and_passed_over_after_it() -> None:
    data = encode(photo(8, 8), "GIF")
    begin = 13 + (3 << ((data[10] & 7) + 1))
    comment = b"!\xfe" + b"\1a" * 400_001 + b"\0"
    assert "blocks before the end of a GIF's first frame" in cause(data[:begin] + comment + data[begin:])
    after = read(data[:-1] + comment + b";")
    assert (after.pixels == read(data).pixels).all()
    assert after.notes == ("first of several frames",)


def test_a_file_of_too_many_bytes_is_refused_by_its_form(tmp_path: Path) -> None:
    data = encode(photo(), "JPEG")
    assert cause(data.ljust(100_000_001, b"\0")) == "100,000,001 bytes, more than the 100,000,000 of a JPEG"
    path = tmp_path / "a.bmp"
    with path.open("wb") as file:
        file.truncate(200_000_001)
    with pytest.raises(DataError, match="200,000,001 bytes, more than the 200,000,000"):
        read_bytes(path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["transparent png", "16-bit png", "progressive jpeg"])
def test_a_picture_of_50_million_pixels_takes_less_than_600_megabytes(tmp_path: Path, kind: str) -> None:
    height, width = 7000, 7140
    if kind == "progressive jpeg":
        data = encode(Image.new("RGB", (width, height), (9, 200, 40)), "JPEG", progressive=True)
    elif kind == "transparent png":
        data = png(width, height, 8, 6, bytes((4 * width + 1) * height))
    else:
        data = png(width, height, 16, 0, bytes((2 * width + 1) * height))
    program = """
import sys
from pathlib import Path
from pictures import encode, photo
from striate.data.picture.decode import header, read, read_bytes
from striate.data.picture.pixels import PIXELS, check_most
def peak():
    return int(next(line for line in Path("/proc/self/status").open() if line.startswith("VmHWM")).split()[1]) // 1024
for form in ("PNG", "JPEG"):
    read(encode(photo(), form))
before = peak()
pixels = read(Path(sys.argv[1]).read_bytes()).pixels
print(*pixels.shape[:2], peak() - before)
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not tell what a process used")
    path = put(tmp_path / "large", data)
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    *size, megabytes = map(int, done.stdout.split())
    assert size == [height, width]
    assert megabytes < 600


LARGE = encode(Image.new("1", (9248, 6936)), "PNG")  # a telephone's pixels, 64,144,128


def test_more_pixels_are_read_where_they_are_asked_for_and_the_refusal_says_how() -> None:
    with pytest.raises(DataError, match=r"9,248 x 6,936 pixels, more than 52,000,000 \(see --max-pixels\)") as caught:
        read(LARGE)
    assert (
        caught.value.hint
        == "max_pixels=64144128, which takes about 0.8 GB of memory at a time, or make it smaller first"
    )
    assert read(LARGE, max_pixels=64_144_128).pixels.shape == (6936, 9248, 1)
    with pytest.raises(DataError, match="more than 64,144,127"):
        read(LARGE, max_pixels=64_144_127)


def test_a_refusal_names_no_number_that_would_not_do() -> None:
    ink = sized(encode(Image.new("CMYK", (8, 8)), "JPEG"), 11_500, 11_500)
    with pytest.raises(DataError, match="the 25,000,000 of CMYK") as caught:
        read(ink)
    assert caught.value.hint == "make it smaller first"
    ink = sized(ink, 5001, 5000)
    with pytest.raises(DataError, match=r"the 25,000,000 of CMYK .*max_pixels=52000001"):
        read(ink)
    assert refused(ink, 52_000_001) == ""


def test_limits_of_bytes_and_samples_grow_in_proportion(tmp_path: Path) -> None:
    ink = sized(encode(Image.fromarray(photo()).convert("CMYK"), "JPEG", progressive=True), 7000, 7142)
    assert "150,000,000" in refused(ink, 50_000_000)
    assert refused(ink, 178_000_000) == ""
    tags = {256: [20_000], 257: [5_000], 258: [8, 8, 8], 259: [1], 262: [2], 277: [3]}
    strip = tiff({number: (3, values) for number, values in tags.items()}, b"\0")
    assert "250,000,000" in refused(strip, 50_000_000)
    assert "strips of" not in refused(strip, 100_000_000)
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(400_000_001)
    with pytest.raises(DataError, match="more than the 200,000,000 that are read"):
        read_bytes(path)
    with pytest.raises(DataError, match="more than the 400,000,000 that are read"):
        read_bytes(path, 100_000_000)


def refused(data: bytes, max_pixels: int) -> str:
    """Why its header is refused, if it is."""
    try:
        header(data, "picture", max_pixels)
    except DataError as error:
        return error.cause
    return ""


@pytest.mark.parametrize("most", [0, 49_999_999, 250_000_001])
def test_a_number_of_pixels_that_cannot_be_meant(most: int) -> None:
    with pytest.raises(UsageError, match=r"max_pixels: .* is out of range"):
        check_most(most)


def test_a_telephone_of_50_megapixels_is_read_unasked_and_one_of_200_where_it_is_asked_for() -> None:
    for width, height, most in ((8160, 6144, PIXELS), (8192, 6144, PIXELS), (16_320, 12_240, 199_756_800)):
        data = sized(encode(Image.fromarray(photo()), "JPEG"), height, width)
        theirs = Image.MAX_IMAGE_PIXELS
        assert header(data, "picture", most)[1] == (height, width)
        assert theirs == Image.MAX_IMAGE_PIXELS
