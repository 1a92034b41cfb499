from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pictures import encode, photo, put, snapshot
from striate.base.errors import DataError, UsageError
from striate.data.feed import open_feed
from striate.data.load import have_masks, read_samples
from striate.data.preprocess import Preprocess
from striate.data.samples import Samples
from striate.data.splits import cut
from striate.data.units import units_of

MASK = np.zeros((8, 10), np.uint8)
MASK[2:5, 3:7] = 1


def pair(root: Path, name: str, mask: np.ndarray | bytes = MASK, seed: int = 0, folders: str = "images masks") -> None:
    images, masks = folders.split()
    put(root / images / f"{name}.jpg", encode(photo(8, 10, seed), "JPEG"))
    put(root / masks / f"{name}.png", mask if isinstance(mask, bytes) else encode(mask))


def pairs(root: Path, count: int = 5, folders: str = "images masks", first: int = 0) -> Path:
    for index in range(first, first + count):
        pair(root, str(index), MASK * (index > first), index, folders)
    return root


def read(root: Path, **options: object) -> Samples:
    return read_samples(root, masked=True, **options)  # type: ignore[arg-type]


def refusal(root: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read(root, **options)
    return str(caught.value)


def test_pictures_and_masks_of_one_name_are_samples_and_nothing_is_touched(tmp_path: Path) -> None:
    before = snapshot(pairs(tmp_path / "cells"))
    samples = read(tmp_path / "cells")
    assert snapshot(tmp_path / "cells") == before
    assert (samples.name, samples.source, samples.root) == ("cells", "folder", tmp_path / "cells")
    assert samples.names == tuple(f"images/{index}.jpg" for index in range(5))
    assert (samples.targets.classes, samples.targets.kinds) == (("0", "1"), {"mask": "ids"})
    assert samples.targets.strata.tolist() == [0, 1, 1, 1, 1]
    assert (samples.targets.own(1)["mask"] == MASK).all()
    assert samples.notes == ("pixels by class: '0' 88 %, '1' 12 %", "1 mask of '0' alone: masks/0.png")


def test_names_pair_at_any_depth_and_in_folders_that_are_called_otherwise(tmp_path: Path) -> None:
    pair(tmp_path, "a/b/0", folders="Imgs Labels")
    pair(tmp_path, "a/0", MASK * 0, 1, folders="Imgs Labels")
    assert read(tmp_path).names == ("Imgs/a/0.jpg", "Imgs/a/b/0.jpg")
    assert read(tmp_path).targets.strata.tolist() == [0, 1]


def test_a_mask_may_be_called_like_its_picture_and_a_word_more(tmp_path: Path) -> None:
    pairs(tmp_path)
    (tmp_path / "masks" / "3.png").rename(tmp_path / "masks" / "3_mask.png")
    assert read(tmp_path).fingerprint == read(pairs(tmp_path / "again")).fingerprint
    put(tmp_path / "masks" / "3-seg.png", encode(MASK * 0))
    assert "masks/3-seg.png and masks/3_mask.png could each belong to images/3.jpg" in refusal(tmp_path)


@pytest.mark.parametrize("layout", ["{subset}/images {subset}/masks", "images/{subset} masks/{subset}"])
def test_subsets_lie_above_or_in_the_folders(tmp_path: Path, layout: str) -> None:
    for first, subset in ((0, "train"), (10, "valid"), (20, "test")):
        pairs(tmp_path, 3, layout.format(subset=subset), first)
    samples = read(tmp_path)
    assert samples.subsets is not None
    assert sorted(samples.subsets) == ["test"] * 3 + ["train"] * 3 + ["val"] * 3
    assert len(cut(samples, (0.6, 0.2, 0.2), 0).val) == 3
    (tmp_path / "elsewhere").mkdir()
    only = pairs(tmp_path / "elsewhere", 3, layout.format(subset="test"))
    assert "val or test, but no train" in refusal(only)
    assert len(read(only, learnable=False)) == 3


def test_object_ids_lie_beside_the_masks(tmp_path: Path) -> None:
    pairs(tmp_path)
    for index in range(5):
        put(tmp_path / "objects" / f"{index}.tif", encode(MASK.astype(np.int32) * 70_000, "TIFF"))
    samples = read(tmp_path)
    assert samples.targets.kinds == {"mask": "ids", "objects": "ids"}
    assert (samples.targets.own(2)["objects"] == MASK.astype(int) * 70_000).all()
    before = samples.fingerprint
    put(tmp_path / "objects" / "2.tif", encode(MASK.astype(np.int32), "TIFF"))
    assert read(tmp_path).fingerprint != before
    (tmp_path / "objects" / "2.tif").unlink()
    assert "1 file: no picture of object ids of its name" in refusal(tmp_path)


def test_ids_may_be_those_of_objects(tmp_path: Path) -> None:
    for index in range(4):
        pair(tmp_path, str(index), MASK * (index + 40), index)
    samples = read(tmp_path, masks="objects")
    assert samples.targets.classes == ("background", "object")
    assert (samples.targets.own(3)["objects"] == MASK.astype(int) * 43).all()
    assert (samples.targets.own(3)["mask"] == MASK).all()


def test_colours_are_classes_by_a_map_or_by_a_file_beside_the_folders(tmp_path: Path) -> None:
    for index in range(4):
        pair(tmp_path, str(index), MASK[..., None] * np.array([255, 0, 0], np.uint8), index)
    assert "mask_map='#000000=background,#ff0000=foreground'" in refusal(tmp_path)
    by_map = read(tmp_path, mask_map="#000000=ground,#ff0000=cell")
    put(tmp_path / "classes.csv", b"class;colour\nground;#000000\ncell;#FF0000\n")
    by_file = read(tmp_path)
    assert by_map.targets.classes == by_file.targets.classes == ("ground", "cell")
    assert by_map.fingerprint == by_file.fingerprint
    assert (by_file.targets.own(0)["mask"] == MASK).all()
    assert not [note for note in by_file.notes if "ignored" in note]
    put(tmp_path / "classes.csv", b"class;colour\nground;#000000\ncell\n")
    assert "classes.csv: a line without a value and a class" in refusal(tmp_path)
    put(tmp_path / "classes.csv", b"class;rgb\nground;#000000\n")
    assert "no column of the value: the first line is 'class', 'rgb'" in refusal(tmp_path)


def test_M7_pictures_without_masks_are_skipped_or_too_many_and_masks_without_pictures_told(tmp_path: Path) -> None:
    pairs(tmp_path)
    (tmp_path / "masks" / "3.png").rename(tmp_path / "masks" / "three.png")
    told = "5 pictures and 5 masks make 4 pairs; without a mask: images/3.jpg; without a picture: masks/three.png"
    error = refusal(tmp_path)
    assert (
        "1 of 5 files of the data cannot be used, more than 1 %: 1 file: no mask of its name; first images/3.jpg"
        in error
    )
    assert told in error
    samples = read(tmp_path, max_bad=0.2)
    assert [(skip.name, skip.cause) for skip in samples.skipped] == [("images/3.jpg", "no mask of its name")]
    assert told in samples.notes
    for index in range(5):
        (tmp_path / "masks" / f"{index}.png").unlink(missing_ok=True)
    assert "no mask is called like a picture: 5 pictures and 1 mask make 0 pairs" in refusal(tmp_path)


def test_M8_a_mask_of_another_size_is_told_with_both_sizes(tmp_path: Path) -> None:
    pair(pairs(tmp_path), "2", MASK[1:])
    pair(tmp_path, "3", MASK.T)
    error = refusal(tmp_path)
    assert "its mask is 10 x 7 pixels, the picture 10 x 8" in error
    assert "its mask is 8 x 10 pixels, the picture 10 x 8, turned by a quarter (an EXIF orientation" in error
    assert "images/2.jpg with masks/2.png" in error


@pytest.mark.parametrize("check", ["full", "headers"])
def test_M8_a_mask_belongs_to_the_upright_picture(tmp_path: Path, check: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    put(pairs(tmp_path) / "images" / "2.jpg", encode(photo(10, 8), "JPEG", exif=exif))
    assert not read(tmp_path, check=check).skipped


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (encode(photo(8, 10), "JPEG"), "its mask: a mask in JPEG with lossy compression, which changes ids"),
        (b"", "its mask: empty file"),
        (encode(MASK)[:40], "its mask: "),
    ],
)
def test_M10_a_mask_that_cannot_be_read_is_skipped_by_its_cause(tmp_path: Path, data: bytes, cause: str) -> None:
    pair(pairs(tmp_path), "2", data)
    assert cause in refusal(tmp_path)
    assert read(tmp_path, max_bad=0.5).skipped[0].cause.startswith(cause)


def test_where_no_pair_can_be_used_a_mask_is_described(tmp_path: Path) -> None:
    for index in range(3):
        pair(tmp_path, str(index), encode(photo(8, 10), "JPEG"))
    error = refusal(tmp_path)
    assert "none of 3 files can be used" in error
    assert "of its name and size, as PNG or TIFF, with a class id for each pixel" in error


@pytest.mark.parametrize(
    ("folders", "cause"),
    [
        (("images",), "no pictures in masks/, only in images/"),
        (("masks", "cat"), "no pictures in images/, only in cat/, masks/"),
        (("images", "imgs", "masks"), "images, imgs could each hold the images"),
        (("images", "masks", "labels"), "labels, masks could each hold the masks"),
    ],
)
def test_a_layout_that_cannot_be_meant_is_one_sentence(tmp_path: Path, folders: tuple[str, ...], cause: str) -> None:
    for folder in folders:
        put(tmp_path / folder / "1.png", encode(MASK))
    assert cause in refusal(tmp_path)


def test_who_gives_one_of_the_two_folders_is_told_the_one_above(tmp_path: Path) -> None:
    assert refusal(pairs(tmp_path) / "images").endswith(f"no pictures in images/. Try: {tmp_path}")


def test_a_folder_behind_a_link_is_entered_where_that_is_allowed(tmp_path: Path) -> None:
    (pairs(tmp_path / "data") / "masks").rename(tmp_path / "elsewhere")
    (tmp_path / "data" / "masks").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert "no pictures in masks/, only in images/. Try: --follow-links" in refusal(tmp_path / "data")
    assert len(read(tmp_path / "data", follow_links=True)) == 5


def test_names_are_one_in_both_forms_of_unicode_and_a_number_is_no_suffix(tmp_path: Path) -> None:
    for index, (picture, mask) in enumerate((("caf\u00e9", "cafe\u0301"), ("scan.1", "scan.1"), ("scan.2", "scan.2"))):
        put(tmp_path / "images" / f"{picture}{'.png' * (index == 0)}", encode(photo(8, 10, index)))
        put(tmp_path / "masks" / f"{mask}{'.png' * (index == 0)}", encode(MASK))
    assert len(read(tmp_path)) == 3


def test_two_files_of_one_name_are_not_told_apart_by_their_suffix(tmp_path: Path) -> None:
    put(pairs(tmp_path) / "images" / "2.png", encode(photo(8, 10)))
    assert "images/2.jpg and images/2.png have one name" in refusal(tmp_path)


def test_the_same_picture_under_two_masks_is_a_conflict(tmp_path: Path) -> None:
    pair(pairs(tmp_path), "5", MASK * 0, 2)
    assert "1 conflict (the same bytes under two masks): images/2.jpg = images/5.jpg" in read(tmp_path).notes


def test_the_same_picture_in_two_subsets_is_a_leak(tmp_path: Path) -> None:
    pairs(tmp_path, 4, "train/images train/masks")
    pair(tmp_path, "9", seed=2, folders="test/images test/masks")
    assert "1 leaked file" in refusal(tmp_path)


def test_an_edited_mask_is_other_data_and_is_not_read(tmp_path: Path) -> None:
    before = read(pairs(tmp_path))
    put(tmp_path / "masks" / "2.png", encode(1 - MASK))
    assert read(tmp_path).fingerprint != before.fingerprint
    with pytest.raises(DataError, match=r"2.png: changed since the data were scanned"):
        before.targets.own(2)


@pytest.mark.slow
def test_workers_find_the_same_and_masks_lie_on_every_canvas_alike(tmp_path: Path) -> None:
    pair(pairs(tmp_path, 20), "0", b"")
    alone, with_two = read(tmp_path, max_bad=0.5, workers=0), read(tmp_path, max_bad=0.5, workers=2)
    assert (alone.fingerprint, alone.notes, alone.skipped) == (with_two.fingerprint, with_two.notes, with_two.skipped)
    order, look, cpu = np.arange(len(alone)), Preprocess(16, 3), torch.device("cpu")
    resident = open_feed(units_of(alone), order, look, cpu, memory="resident")
    streamed = open_feed(units_of(alone), order, look, cpu, memory="streamed", workers=2)
    first, other = (next(iter(feed.batches([order]))).targets["mask"] for feed in (resident, streamed))
    assert first.shape == (19, 16, 16)
    assert (first == other).all()


def test_a_folder_of_these_very_names_is_known_without_being_read(tmp_path: Path) -> None:
    assert have_masks(pairs(tmp_path / "a"))
    assert have_masks(str(pairs(tmp_path / "b", folders="train/images train/Masks")))
    assert not have_masks(pairs(tmp_path / "c", folders="cat dog"))
    put(tmp_path / "d.csv", b"Image;Mask\n1.png;2.png\n")
    assert have_masks(tmp_path / "d.csv")
    put(tmp_path / "d.csv", b"image;mask;label\n1.png;2.png;cat\n")
    assert not have_masks(tmp_path / "d.csv")
    for nothing in ("digits", "cells:size=32", "~nobody/at all", "a\0b", tmp_path / "none", ([], [])):
        assert not have_masks(nothing)


def test_pictures_alone_may_be_wanted_of_a_folder_with_masks(tmp_path: Path) -> None:
    samples = read_samples(pairs(tmp_path), labelled=False)
    assert len(samples) == 10
    assert [note for note in samples.notes if "give images/ alone" in note]
    assert len(read_samples(tmp_path / "images", labelled=False)) == 5


def test_a_built_in_set_of_labels_has_no_masks() -> None:
    with pytest.raises(DataError, match="digits: its pictures have labels, and no masks"):
        read_samples("digits", masked=True)


def test_masks_in_memory_are_judged_and_given_like_files(tmp_path: Path) -> None:
    pictures = [photo(8, 10, index) for index in range(5)]
    samples = read_samples((pictures, [MASK.astype(int)] * 5), masked=True)
    assert (samples.targets.own(0)["mask"] == MASK).all()
    assert samples.notes == ("pixels by class: '0' 85 %, '1' 15 %",)
    objects = read_samples((pictures, [MASK * 9] * 5), masked=True, masks="objects")
    assert (objects.targets.own(0)["objects"] == MASK * 9).all()
    with pytest.raises(DataError, match=r"arrays: values that are no classes 0, 1, 2 ...: 0 \(85 %\), 255"):
        read_samples((pictures, [MASK * 255] * 5), masked=True)


@pytest.mark.parametrize(
    ("masks", "cause"),
    [
        ([MASK] * 4, "no masks of 5 pictures"),
        ([MASK[1:]] * 5, r"masks/0: uint8 \(7, 10\) is no mask of a picture of \(8, 10\)"),
        ([MASK / 2] * 5, "float64"),
        ([[[0], [1, 2]]] * 5, "masks/0: no mask"),
        ([MASK.astype(np.int64) << 40] * 5, "int64"),
    ],
)
def test_arrays_that_are_no_masks_are_told(masks: list[np.ndarray], cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        read_samples(([photo(8, 10, index) for index in range(5)], masks), masked=True)


def test_pictures_in_memory_without_masks_are_refused() -> None:
    with pytest.raises(UsageError, match="pictures without masks"):
        read_samples([photo(8, 10)], masked=True)
