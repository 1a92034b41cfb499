import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import encode, fill, photo, png, put, snapshot
from striate.base.errors import DataError, MachineError, UsageError
from striate.data.load import read_samples
from striate.data.picture import decode
from striate.data.preprocess import Preprocess
from striate.data.samples import Samples, Skip
from striate.data.scan import scan
from striate.data.sources.folder import list_folder
from striate.data.units import units_of
from striate.data.workers import Looks


def note(samples: Samples, words: str) -> str:
    found = [text for text in samples.notes if words in text]
    assert len(found) == 1, samples.notes
    return found[0]


def refusal(root: Path, **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        scan(list_folder(root), **options)  # type: ignore[arg-type]
    return caught.value


def test_sound_data_are_taken_whole_and_without_notes(tmp_path: Path) -> None:
    listing = list_folder(fill(tmp_path / "pets", "cat dog", 3))
    samples = scan(listing)
    assert samples.name == "pets"
    assert samples.names == listing.names
    assert samples.targets.strata.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples.targets.strata.dtype == np.int64
    assert (samples.skipped, samples.notes, samples.subsets, samples.grey) == ((), (), None, False)


@pytest.mark.parametrize("check", ["full", "headers"])
def test_the_size_of_every_picture_is_known_upright(tmp_path: Path, check: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    fill(tmp_path, "a b", 3)
    put(tmp_path / "a" / "turned.jpg", encode(photo(20, 30), "JPEG", exif=exif))
    put(tmp_path / "b" / "0.png", b"no picture")
    sizes = scan(list_folder(tmp_path), check=check, max_bad=0.5).sizes
    assert sizes.dtype == np.int32
    assert sizes.tolist() == [*[[8, 8]] * 3, [30, 20], *[[8, 8]] * 2]


def test_I9_I13_data_of_grey_pictures_only_are_grey(tmp_path: Path) -> None:
    for index in range(4):
        put(tmp_path / "ab"[index % 2] / f"{index}.png", encode(photo(8, 8, index)[..., 0]))
    listing = list_folder(tmp_path)
    assert scan(listing).grey
    assert scan(listing, check="headers").grey
    put(tmp_path / "a" / "colour.png", encode(photo()))
    assert not scan(list_folder(tmp_path)).grey


def test_unusable_files_are_skipped_by_name_and_cause_and_nothing_is_touched(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 5)
    put(tmp_path / "cat" / "cut.jpg", encode(photo(), "JPEG")[:2000])
    put(tmp_path / "dog" / "page.jpg", b"<html>")
    put(tmp_path / "dog" / "zero.jpg", b"")
    before = snapshot(tmp_path)
    samples = scan(list_folder(tmp_path), max_bad=0.5)
    assert snapshot(tmp_path) == before
    assert [skip.name for skip in samples.skipped] == ["cat/cut.jpg", "dog/page.jpg", "dog/zero.jpg"]
    assert samples.skipped[1:] == (
        Skip("dog/page.jpg", "looks like HTML (failed download?)"),
        Skip("dog/zero.jpg", "empty file"),
    )
    assert samples.skipped[0].cause.startswith("truncated at ")
    assert len(samples) == 10
    assert all(decode.read(samples.read(index)).pixels.shape == (8, 8, 3) for index in range(10))


def test_I2_headers_alone_do_not_see_a_cut_and_say_what_they_do_see(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 5)
    put(tmp_path / "cat" / "cut.jpg", encode(photo(), "JPEG")[:2000])
    put(tmp_path / "dog" / "zero.jpg", b"")
    samples = scan(list_folder(tmp_path), check="headers", max_bad=0.5)
    assert samples.skipped == (Skip("dog/zero.jpg", "empty file"),)
    full = scan(list_folder(tmp_path), max_bad=0.5)
    assert set(full.digests) < set(samples.digests)


@pytest.mark.parametrize(("bad", "stops"), [(1, False), (2, True)])
def test_more_than_one_bad_file_in_a_hundred_stops(tmp_path: Path, bad: int, stops: bool) -> None:
    fill(tmp_path, "cat dog", 50)
    for index in range(bad):
        put(tmp_path / "cat" / f"{index}.png", b"")
    if not stops:
        assert len(scan(list_folder(tmp_path))) == 99
        return
    error = refusal(tmp_path)
    assert "2 of 100 files of the data cannot be used, more than 1 %" in error.cause
    assert "2 files: empty file; first cat/0.png, cat/1.png" in error.cause
    assert len(scan(list_folder(tmp_path), max_bad=0.02)) == 98


def test_causes_of_a_kind_keep_their_numbers(tmp_path: Path) -> None:
    """The same number stays itself, and others are told from the least to the most."""
    fill(tmp_path, "cat dog", 5)
    for height, width in ((2, 31_000), (3, 40_000), (4, 40_000)):
        put(tmp_path / "dog" / f"{width}{height}.png", png(width, height, 8, 0, b""))
    assert ": 3 files: 31,000 to 40,000 x 2 to 4 pixels, a side above 30,000; first " in refusal(tmp_path).cause


def test_a_subset_is_judged_on_its_own(tmp_path: Path) -> None:
    fill(tmp_path, "train/cat train/dog", 60)
    fill(tmp_path, "val/cat val/dog", 5, first=5000)
    put(tmp_path / "val" / "cat" / "0.png", b"")
    assert "1 of 10 files of val/" in refusal(tmp_path).cause


def test_a_class_that_is_mostly_bad_stops_unless_as_much_is_allowed(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog rare", 5)
    for index in range(3):
        put(tmp_path / "rare" / f"{index}.png", b"")
    error = refusal(tmp_path, max_bad=0.4)
    assert "3 of 5 files of class 'rare'" in error.cause
    assert len(scan(list_folder(tmp_path), max_bad=0.6)) == 12


def test_L19_when_nothing_can_be_used_the_kinds_are_counted(tmp_path: Path) -> None:
    for index in range(3):
        put(tmp_path / "ab"[index % 2] / f"{index}.HEIC", b"\0\0\0\x18ftypheic" + bytes(40))
    put(tmp_path / "a" / "x.cr2", b"II*\0")
    error = refusal(tmp_path)
    assert "none of 4 files can be used (3 .heic, 1 .cr2)" in error.cause
    assert "3 files: looks like HEIC" in error.cause
    assert error.hint.startswith("convert them")


def test_L6_a_class_with_one_usable_picture_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 3)
    fill(tmp_path, "owl", 1, first=70)
    assert "one usable picture: 'owl'" in refusal(tmp_path).cause


def test_L7_a_single_class_is_refused(tmp_path: Path) -> None:
    assert "a single class, 'cat'" in refusal(fill(tmp_path, "cat")).cause


def test_L11_an_unreadable_file_is_skipped_with_its_mode(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 5)
    path = tmp_path / "cat" / "0.png"
    path.chmod(0o000)
    if os.access(path, os.R_OK):
        pytest.skip("this process may read any file (root)")
    assert scan(list_folder(tmp_path), max_bad=0.5).skipped == (Skip("cat/0.png", "permission denied (mode 0000)"),)


def test_L15_copies_across_subsets_are_leaks_with_their_pairs(tmp_path: Path) -> None:
    fill(tmp_path, "train/cat train/dog val/cat val/dog test/cat test/dog", 3)
    put(tmp_path / "val" / "cat" / "same.png", (tmp_path / "train" / "cat" / "1.png").read_bytes())
    put(tmp_path / "test" / "dog" / "same.png", (tmp_path / "val" / "dog" / "2.png").read_bytes())
    error = refusal(tmp_path)
    assert "2 leaked files" in error.cause
    assert "train/cat/1.png = val/cat/same.png" in error.cause
    assert "val/dog/2.png = test/dog/same.png" in error.cause
    samples = scan(list_folder(tmp_path), allow_leak=True)
    assert note(samples, "leaked").startswith("2 leaked")
    assert len(samples) == 20


def test_L15_copies_within_one_subset_are_noted(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 3)
    put(tmp_path / "cat" / "same.png", (tmp_path / "cat" / "1.png").read_bytes())
    samples = scan(list_folder(tmp_path))
    assert samples.notes == ("1 byte-identical copy: cat/1.png = cat/same.png",)


def test_L17_the_same_bytes_in_two_classes_are_a_label_conflict(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 3)
    put(tmp_path / "dog" / "same.png", (tmp_path / "cat" / "1.png").read_bytes())
    assert "cat/1.png = dog/same.png" in note(scan(list_folder(tmp_path)), "label conflict")


def test_L18_an_unbalanced_set_is_noted_with_the_share_of_the_largest_class(tmp_path: Path) -> None:
    fill(tmp_path, "cat", 40)
    fill(tmp_path, "dog", 2, first=900)
    assert not scan(list_folder(tmp_path)).notes  # 1:20 is not above 1:20
    put(tmp_path / "cat" / "more.png", encode(photo(8, 8, 555)))
    text = note(scan(list_folder(tmp_path)), "unbalanced")
    assert "41 pictures of 'cat' and 2 of 'dog'" in text
    assert "95.3 % of 43" in text  # 41 / 43


def test_L5_a_class_kept_without_pictures_is_noted(tmp_path: Path) -> None:
    fill(tmp_path, "a c")
    (tmp_path / "b").mkdir()
    samples = scan(list_folder(tmp_path, learnable=False))
    assert note(samples, "no picture at all") == "no picture at all of 'b'"
    assert set(samples.targets.strata.tolist()) == {0, 2}


def test_L9_what_the_listing_ignored_is_told(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog")
    put(tmp_path / "cat" / "a.txt", b"x")
    assert scan(list_folder(tmp_path)).notes == ("1 ignored: not a picture (.txt): cat/a.txt",)


def test_I3_damage_and_other_notes_are_counted_by_cause(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 3)
    data = encode(photo(256, 320), "JPEG")
    put(tmp_path / "cat" / "hurt.jpg", data[: len(data) // 2] + b"\xff\xd9")
    for index in range(2):
        put(tmp_path / "dog" / f"alpha{index}.png", encode(np.full((8, 8, 4), [[1, 2, 3, index]], np.uint8)))
    samples = scan(list_folder(tmp_path))
    assert "cat/hurt.jpg" in note(samples, "1 picture: damaged?")
    assert note(samples, "transparent").startswith("2 pictures: transparent: composited on white (dog/alpha0.png")


def test_I22_pictures_of_one_colour_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 3)
    put(tmp_path / "cat" / "black.png", encode(np.zeros((8, 8, 3), np.uint8)))
    put(tmp_path / "dog" / "red.png", encode(np.full((8, 8, 3), (255, 0, 0), np.uint8)))
    assert (
        note(scan(list_folder(tmp_path)), "one colour") == "2 pictures of one colour only: cat/black.png, dog/red.png"
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_I24_a_picture_that_takes_too_long_stops_the_scan_and_is_never_skipped(tmp_path: Path, workers: int) -> None:
    fill(tmp_path, "cat dog", 5)
    put(tmp_path / "cat" / "large.png", png(7000, 7000, 8, 0, bytes(7001 * 7000)))
    with pytest.raises(MachineError, match=r"cat/[0-9a-z]+.png: decoding it takes more than 0 s"):
        scan(list_folder(tmp_path), max_bad=0.9, seconds=0.0, workers=workers)


@pytest.mark.slow
@pytest.mark.parametrize("check", ["full", "headers"])
def test_a_lack_of_memory_stops_the_scan_and_names_the_file(tmp_path: Path, check: str) -> None:
    fill(tmp_path, "cat dog", 5)
    name = "large" if check == "full" else "long"
    data = png(7000, 7000, 16, 0, bytes(14001 * 7000)) if check == "full" else bytes(150_000_000)
    put(tmp_path / "cat" / f"{name}.png", data)
    program = """
import resource, sys
from pathlib import Path
from striate.base.errors import StriateError
from striate.data.scan import scan
from striate.data.sources.folder import list_folder
listing = list_folder(Path(sys.argv[1]))
scan(listing, check="headers", max_bad=0.9)  # what is imported and started, is
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 80_000_000, -1))
try:
    scan(listing, check=sys.argv[2], max_bad=0.9)
except StriateError as error:
    print(error.kind, error)
"""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell what a process uses")
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path, check], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.stdout.startswith(f"environment {tmp_path}/cat/{name}.png: there is not enough memory"), done


def test_workers_change_nothing_but_the_time(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 20)
    put(tmp_path / "cat" / "zero.jpg", b"")
    put(tmp_path / "dog" / "copy.png", (tmp_path / "dog" / "1.png").read_bytes())
    listing = list_folder(tmp_path)
    seen: list[tuple[int, int]] = []
    alone = scan(listing, max_bad=0.5, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 42) for done in range(1, 43)]
    with_two = scan(listing, max_bad=0.5, workers=2)
    one, two = asdict(alone), asdict(with_two)
    assert one["targets"].pop("strata").tolist() == two["targets"].pop("strata").tolist()
    for name in ("sizes", "tops"):
        assert one.pop(name).tolist() == two.pop(name).tolist()
    assert one == two
    assert alone.fingerprint == with_two.fingerprint


def test_an_unknown_check_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="full, headers or names"):
        scan(list_folder(fill(tmp_path, "cat dog")), check="fast")


def test_the_scan_loads_no_torch_and_no_scikit_learn() -> None:
    program = "import sys, striate.data.scan; print(*{'torch', 'sklearn', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_scan_reads_larger_pictures_where_it_is_asked_to_and_training_reads_what_was_scanned(tmp_path: Path) -> None:
    for index in range(2):
        put(tmp_path / "ab"[index] / "large.png", encode(Image.new("1", (7300 + index, 7300)), "PNG"))
    with pytest.raises(DataError, match=r"more than 52,000,000 \(see --max-pixels\)") as caught:
        read_samples(tmp_path, learnable=False, check="headers")
    assert caught.value.hint.startswith("max_pixels=53297300 for the large ones, or convert them")
    samples = read_samples(tmp_path, learnable=False, check="headers", max_pixels=60_000_000)
    assert samples.sizes.tolist() == [[7300, 7300], [7300, 7301]]
    ((_, canvas, _, laid),) = Looks(units_of(samples), Preprocess(8, 1))[1]
    assert (canvas.shape, laid.picture) == ((1, 8, 8), (7300, 7301))
