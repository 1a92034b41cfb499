"""Tables of pictures and labels. Row ids M1-M6 and M14 are those of the table of odd labels.

Not here: M7-M12 (masks, see test_masks.py and test_pairs.py), M13 (no task learns several labels or numbers).
"""

from pathlib import Path

import numpy as np
import pytest

from pictures import encode, photo, put
from striate.base.errors import DataError
from striate.data.load import read_samples
from striate.data.scan import scan
from striate.data.sources.table import list_table


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for seed in range(8):
        put(tmp_path / "photos" / f"{seed}.png", encode(photo(8, 8, seed)))
    return tmp_path


def table(home: Path, *lines: str, name: str = "table.csv", encoding: str = "utf-8", end: str = "\n") -> Path:
    path = home / name
    path.write_bytes(end.join(lines).encode(encoding))
    return path


def rows(labels: str = "aabbabab") -> list[str]:
    return [f"photos/{place}.png,{label}" for place, label in enumerate(labels)]


def refusal(path: Path, **options: bool) -> DataError:
    with pytest.raises(DataError) as caught:
        list_table(path, **options)
    assert caught.value.where == str(path)
    return caught.value


def test_a_table_gives_names_labels_and_classes_in_the_order_of_the_paths(home: Path) -> None:
    listing = list_table(table(home, "path,label", *rows()[::-1]))
    assert listing.names == tuple(f"photos/{place}.png" for place in range(8))
    assert listing.classes == ("a", "b")
    assert "".join(listing.classes[label] for label in listing.labels or ()) == "aabbabab"
    assert (listing.name, listing.source, listing.root, listing.subsets) == ("table", "table", home, None)
    samples = scan(listing)
    assert samples.targets.strata.tolist() == list(listing.labels or ())
    assert samples.read(3) == (home / "photos" / "3.png").read_bytes()


@pytest.mark.parametrize("path", ["path", "File", "FILENAME", "image"])
@pytest.mark.parametrize("label", ["label", "Class", "category"])
def test_columns_are_found_by_their_heads_and_others_are_not_looked_at(home: Path, path: str, label: str) -> None:
    listing = list_table(
        table(home, f"id,{label},{path},note", *(f"7,{row.split(',')[1]},{row.split(',')[0]},x" for row in rows()))
    )
    assert (len(listing.names), listing.classes) == (8, ("a", "b"))


def test_M4_mark_separator_line_ends_quotes_and_code_page_are_read(home: Path) -> None:
    plain = list_table(table(home, "path,label", *rows()))
    for separator, name in ((";", "a.csv"), ("\t", "a.tsv")):
        lines = ["path,label", *rows(), ""]
        text = [line.replace(",", separator) for line in lines]
        assert list_table(table(home, *text, name=name, encoding="utf-8-sig", end="\r\n")).labels == plain.labels
    quoted = list_table(
        table(home, '"path","label"', *(f'"{row.replace(",", chr(34) + "," + chr(34))}"' for row in rows()))
    )
    assert quoted.labels == plain.labels
    accented = list_table(table(home, "path,label", *(row + "é" for row in rows()), encoding="cp1252"))
    assert accented.classes == ("aé", "bé")
    assert accented.notes == ("table.csv is not UTF-8: read as Windows-1252",)
    wide = list_table(table(home, "path;label", *(row.replace(",", ";") + "é" for row in rows()), encoding="utf-16"))
    assert (wide.labels, wide.classes) == (accented.labels, accented.classes)
    assert wide.notes == ("table.csv is not UTF-8: read as UTF-16",)
    cut = home / "cut.csv"
    cut.write_bytes((home / "table.csv").read_bytes()[:-1])
    assert "no column of the path" in refusal(cut).cause, "half a letter is not UTF-16"


def test_M4_a_table_without_a_head_says_what_it_saw_and_what_is_understood(home: Path) -> None:
    error = refusal(table(home, *rows()))
    assert "no column of the path: the first line is 'photos/0.png', 'a'" in error.cause
    assert "path or file" in error.hint
    assert "no column of the label" in refusal(table(home, "path,x", *rows())).cause
    assert "columns path and file could each be the path" in refusal(table(home, "path,file,label", "a,b,c")).cause
    for lines in ((), ("", "  ")):
        assert "an empty table" in refusal(table(home, *lines)).cause
    assert "a table without rows" in refusal(table(home, "path,label")).cause


@pytest.mark.parametrize("label", ["", "  ", "NaN", "none", "N/A"])
def test_M1_a_missing_label_is_told_with_its_line(home: Path, label: str) -> None:
    lines = rows()
    lines[2] = f"photos/2.png,{label}"
    assert f"line 4: no label ({label.strip()!r})" in refusal(table(home, "path,label", *lines)).cause


def test_M1_spaces_around_a_label_are_no_part_of_it(home: Path) -> None:
    assert list_table(table(home, "path,label", *(row.replace(",", ", ") + " " for row in rows()))).classes == (
        "a",
        "b",
    )


def test_M1_numbers_with_a_point_are_names_and_never_two_classes_for_one_number(home: Path) -> None:
    points = table(home, "path,label", *(f"photos/{place}.png,{place % 2}.0" for place in range(8)))
    listing = list_table(points)
    assert listing.classes == ("0.0", "1.0")
    assert listing.notes == ("labels such as '0.0' are taken as they are written, for names of classes",)
    lines = [f"photos/{place}.png,{place % 2}{'.0' * (place > 3)}" for place in range(8)]
    error = refusal(table(home, "path,label", *lines))
    assert "labels '0' and '0.0' are one number" in error.cause
    assert "pandas" in error.hint


def test_M5_M6_labels_are_names_so_that_no_number_is_out_of_range(home: Path) -> None:
    listing = list_table(
        table(home, "path,label", *(f"photos/{place}.png,{(-1, 1, 10, 200)[place % 4]}" for place in range(8)))
    )
    assert listing.classes == ("-1", "1", "10", "200")
    assert listing.notes == ("label '-1' is a class like any other; lines that mean no label are to be left out",)


@pytest.mark.parametrize("label", ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", '"two\nlines"', "x" * 10_000])
def test_M14_any_text_is_the_name_of_a_class(home: Path, label: str) -> None:
    path = table(home, "path,label", *(f"photos/{place}.png,{label if place % 2 else 'a'}" for place in range(8)))
    samples = read_samples(path)
    assert set(samples.targets.classes) == {"a", label.strip('"')}
    assert samples.targets.strata.sum() == 4


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("../outside.png", "leads out of the table's folder"),
        ("photos/../../outside.png", "leads out of the table's folder"),
        ("/etc/passwd", "leads out of the table's folder"),
        ("https://example.org/a.png", "is an address; only files are read"),
        ("", "no path"),
    ],
)
def test_M2_a_path_that_leaves_the_folder_is_refused_with_its_line(home: Path, said: str, cause: str) -> None:
    error = refusal(table(home, "path,label", f"{said},a", *rows()))
    assert error.cause.startswith("line 2: ")
    assert cause in error.cause


def test_M2_all_bad_lines_are_told_the_first_twenty_one_by_one(home: Path) -> None:
    error = refusal(table(home, "path,label", *(f"../{place}.png,a" for place in range(23)), *rows()))
    assert error.cause.count("leads out") == 20
    assert "line 2: " in error.cause
    assert error.cause.endswith("; line 21: ../19.png leads out of the table's folder and 3 more")


def test_M2_an_absolute_path_inside_and_backslashes_are_the_same_file(home: Path) -> None:
    lines = rows()
    lines[0], lines[1] = f"{home / 'photos' / '0.png'},a", "photos\\1.png,a"
    assert list_table(table(home, "path,label", *lines)).names == tuple(f"photos/{place}.png" for place in range(8))


@pytest.mark.parametrize(
    "path", ["photos/../../x.png", "//photos/0.png", "/photos/0.png", "http://photos/0.png", "photos/a\0.png", "none"]
)
def test_what_is_wrong_with_a_path_is_told_below_a_folder_that_is_known_as_well(home: Path, path: str) -> None:
    alone = str(refusal(table(home, "path,label", f"{path},a")))
    after = str(refusal(table(home, "path,label", *rows(), "x.png,a", f"{path},a")))
    assert after.replace("line 11", "line 2") == alone


@pytest.mark.parametrize("path", ["photos//0.png", "./photos/0.png", "photos\\0.png", "photos/./0.png"])
def test_a_path_that_is_written_otherwise_is_the_same_picture(home: Path, path: str) -> None:
    listing = list_table(table(home, "path,label", *rows(), f"{path},a"))
    assert len(listing.names) == 8


def test_M2_a_link_out_of_the_folder_is_followed_only_when_asked(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "x.png"
    put(elsewhere, encode(photo(8, 8, 99)))
    (home / "photos" / "link.png").symlink_to(elsewhere)
    path = table(home, "path,label", *rows(), "photos/link.png,a")
    assert "a link that leads out" in refusal(path).cause
    assert len(list_table(path, follow_links=True).names) == 9


def test_M2_a_file_that_is_missing_is_counted_by_the_scan_as_any_bad_one(home: Path) -> None:
    listing = list_table(table(home, "path,label", *rows(), "photos/gone.png,a"))
    with pytest.raises(DataError, match=r"1 of 9 files .* 1 file: no such file; first photos/gone.png"):
        scan(listing)
    assert [skip.name for skip in scan(listing, max_bad=0.2).skipped] == ["photos/gone.png"]


def test_M3_a_line_that_repeats_another_counts_once_and_one_that_contradicts_it_is_refused(home: Path) -> None:
    listing = list_table(table(home, "path,label", *rows(), "photos/1.png,a", "./photos/1.png,a"))
    assert len(listing.names) == 8
    assert listing.notes == ("2 lines of table.csv said before, and counted once",)
    assert scan(listing).notes[0] == listing.notes[0]
    error = refusal(table(home, "path,label", *rows(), "photos/1.png,b"))
    assert "line 10: photos/1.png again, said to be b and a" in error.cause


def test_a_column_of_subsets_gives_the_subsets(home: Path) -> None:
    subsets = ["train", "Training", "val", "test", "train", "train", "valid", "test"]
    lines = [f"{row},{subset}" for row, subset in zip(rows(), subsets, strict=True)]
    listing = list_table(table(home, "path,label,split", *lines))
    assert listing.subsets == ("train", "train", "val", "test", "train", "train", "val", "test")
    lines[3] = lines[3].replace("test", "exam")
    assert "subset 'exam' is none of train, val and test" in refusal(table(home, "path,label,split", *lines)).cause
    assert "have no train" in refusal(table(home, "path,label,split", *(row + ",test" for row in rows()))).cause


@pytest.mark.parametrize("head", ["group", "Patient", "subject", "series", "video"])
def test_a_column_of_groups_gives_what_is_independent(home: Path, head: str) -> None:
    lines = [f"{row},P{place // 2}" for place, row in enumerate(rows())]
    path = table(home, f"path,label,{head}", *lines)
    assert list_table(path).groups == tuple(f"P{place // 2}" for place in range(8))
    groups = read_samples(path).groups
    assert groups is not None
    assert groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    lines[3] = "photos/3.png,b,NaN"
    lines[4] = "photos/0.png,a,P9"
    error = refusal(table(home, f"path,label,{head}", *lines))
    assert "line 5: no group ('NaN')" in error.cause
    assert "line 6: photos/0.png again, said to be a in P9 and a in P0" in error.cause
    error = refusal(table(home, "path,label,patient,video", *(row + ",x,y" for row in rows())))
    assert "columns patient and video could each be the group" in error.cause
    assert "group or patient or subject or series or video" in error.hint


def test_pictures_alone_need_no_labels(home: Path) -> None:
    samples = read_samples(table(home, "path,label", *rows()), labelled=False)
    assert (samples.targets.classes, samples.targets.kinds, len(samples)) == ((), {}, 8)
    assert (
        read_samples(table(home, "path", *(row.split(",")[0] for row in rows())), labelled=False).names == samples.names
    )


def test_a_table_is_the_same_data_as_the_folder_that_it_lists(home: Path) -> None:
    for place, label in enumerate("aabbabab"):
        put(home / "sorted" / label / f"{place}.png", (home / "photos" / f"{place}.png").read_bytes())
    folder = read_samples(home / "sorted")
    lines = [f"{name},{name[0]}" for name in folder.names]
    listed = read_samples(table(home / "sorted", "path,label", *lines))
    assert (listed.fingerprint, listed.digests) == (folder.fingerprint, folder.digests)


def test_a_table_that_is_not_there_is_told_like_a_folder(home: Path) -> None:
    with pytest.raises(DataError, match="no such"):
        read_samples(home / "gone.csv")


def test_a_row_with_more_cells_than_the_head_is_told_with_its_line(home: Path) -> None:
    lines = rows()
    lines[4] = "photos/4.png,left,a"
    assert (
        "line 6: 3 cells where the head has 2; a comma in a cell needs quotes"
        in refusal(table(home, "path,label", *lines)).cause
    )
    assert len(list_table(table(home, "path,label", *(row + ",," for row in rows()))).names) == 8


def test_labels_equal_but_for_case_are_refused_or_merged_as_folders_are(home: Path) -> None:
    path = table(home, "path,label", *rows("aAbbaBab"))
    assert "--merge-classes" in refusal(path).hint
    merged = read_samples(path, merge_classes=True)
    assert merged.targets.classes == ("A", "B")
    assert merged.targets.strata.tolist() == [0, 0, 1, 1, 0, 1, 0, 1]


def test_a_table_of_test_pictures_alone_can_be_answered_on(home: Path) -> None:
    path = table(home, "path,label,subset", *(row + ",test" for row in rows()))
    assert read_samples(path, learnable=False).subsets == ("test",) * 8


def masks(home: Path, count: int = 4) -> None:
    for index in range(count):
        put(home / f"masks/{index}.png", encode(np.full((8, 8), index % 2, np.uint8)))


def test_a_table_of_pairs_has_a_column_of_masks_in_place_of_labels(home: Path) -> None:
    masks(home)
    lines = [f"photos/{index}.png,masks/{index}.png,masks/{index}.png,cat,train" for index in range(4)]
    path = table(home, "picture,mask,objects,label,split", *lines)
    samples = read_samples(path, masked=True)
    assert (samples.source, samples.targets.classes) == ("table", ("0", "1"))
    assert samples.targets.kinds == {"mask": "ids", "objects": "ids"}
    assert samples.targets.strata.tolist() == [0, 1, 0, 1]
    assert samples.subsets == ("train",) * 4
    objects = read_samples(path, masked=True, masks="objects")
    assert objects.targets.classes == ("background", "object")
    put(home / "classes.csv", b"id,name\n0,ground\n1,cell\n")
    assert read_samples(path, masked=True).targets.classes == ("ground", "cell")


def test_rows_without_a_mask_of_their_own_are_told_by_line(home: Path) -> None:
    masks(home)
    path = table(
        home, "picture,mask", "photos/0.png,masks/0.png", "photos/1.png,", "photos/2.png,../2.png",
        "photos/0.png,masks/1.png",
    )  # fmt: skip
    with pytest.raises(DataError) as caught:
        read_samples(path, masked=True)
    assert "line 3: of the mask: no path ('')" in str(caught.value)
    assert "line 4: of the mask: ../2.png leads out of the table's folder" in str(caught.value)
    assert "line 5: photos/0.png again, said to be masks/1.png and masks/0.png" in str(caught.value)
    with pytest.raises(DataError, match="no column of the mask: the first line is 'path', 'label'"):
        read_samples(table(home, "path,label", "photos/0.png,cat"), masked=True)
    with pytest.raises(DataError, match=r"1 file: its mask: no such file; first photos/1.png with masks/9.png"):
        read_samples(table(home, "path,mask", "photos/0.png,masks/0.png", "photos/1.png,masks/9.png"), masked=True)
