"""Row ids L1-L21 are those of the table of odd data folders that this suite works through.

Rows without a test here, and why:
  L13, L20, L21  what a sample holds and how it is read: test_samples.py.
  L6, L7, L15, L17, L18  need the bytes or counts of usable files: the scan finds them, see test_audit.py.
  L16  near-duplicates: there is no perceptual hash yet, so nothing to test.
  L12  a pipe or socket given by name: test_decode.py; inside a folder: here.
"""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pictures import encode, fill, photo, put, snapshot
from striate.base.errors import DataError
from striate.data.listing import Listing
from striate.data.load import read_samples
from striate.data.scan import scan
from striate.data.sources.folder import list_alone, list_folder, list_pictures


def refusal(root: Path, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        list_folder(root, **options)
    return caught.value


def ignored(listing: Listing) -> dict[str, int]:
    return {cause: len(names) for cause, names in listing.ignored.items()}


def labelled(listing: Listing) -> dict[str, str]:
    return {name: listing.classes[label] for name, label in zip(listing.names, listing.labels, strict=True)}


def test_class_folders_become_classes_in_the_order_of_their_names(tmp_path: Path) -> None:
    listing = list_folder(fill(tmp_path, "dog cat Bird", 2))
    assert listing.classes == ("Bird", "cat", "dog")
    assert listing.subsets is None
    assert labelled(listing) == {f"{name}/{index}.png": name for name in ("Bird", "cat", "dog") for index in range(2)}
    assert list(listing.names) == sorted(listing.names)
    assert ignored(listing) == {}


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_train_val_and_test_folders_become_subsets(tmp_path: Path, val: str) -> None:
    listing = list_folder(fill(tmp_path, f"train/cat train/dog {val}/cat {val}/dog test/cat test/dog", 1))
    assert listing.subsets is not None
    subsets = dict(zip(listing.names, listing.subsets, strict=True))
    assert subsets["train/cat/0.png"] == "train"
    assert subsets[f"{val}/dog/0.png"] == "val"
    assert subsets["test/cat/0.png"] == "test"
    assert listing.classes == ("cat", "dog")


def test_pictures_below_a_class_folder_belong_to_the_class(tmp_path: Path) -> None:
    listing = list_folder(fill(tmp_path, "cat/2019/june cat dog", 1))
    assert labelled(listing) == {"cat/0.png": "cat", "cat/2019/june/0.png": "cat", "dog/0.png": "dog"}


def test_listing_changes_nothing_in_the_tree(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog")
    put(tmp_path / "cat" / "unknown", encode(photo()))
    before = snapshot(tmp_path)
    scan(list_folder(tmp_path))
    assert snapshot(tmp_path) == before


def test_L1_a_missing_path_names_itself_the_nearest_parent_and_a_likely_name(tmp_path: Path) -> None:
    fill(tmp_path, "pictures/cat")
    error = refusal(tmp_path / "pictuers" / "cat")
    assert str(tmp_path / "pictuers" / "cat") == error.where
    assert str(tmp_path) in error.cause
    assert error.hint == f"did you mean {tmp_path / 'pictures'}?"
    assert refusal(tmp_path / "nothing").hint == "check the path"  # no name there is like it


def test_L1_a_relative_path_is_named_absolutely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal(Path("none")).where == str(tmp_path / "none")


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"PK\x03\x04" + bytes(40), "an archive"), (encode(photo()), "one picture"), (b"a,b\n", "not a folder")],
    ids=["zip", "picture", "text"],
)
def test_L1_a_file_instead_of_a_folder_is_named_for_what_it_is(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refusal(put(tmp_path / "data", data)).cause


def test_L2_an_empty_folder_is_told_the_expected_tree(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert error.cause == "nothing is in it"
    assert "DATA/cat/1.jpg" in error.hint


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside an empty folder"])
def test_L3_pictures_without_class_folders_are_counted(tmp_path: Path, beside: bool) -> None:
    fill(tmp_path, ".", 17)
    if beside:
        (tmp_path / "empty").mkdir()
    error = refusal(tmp_path)
    assert error.cause == "17 pictures but no class folders"
    assert "striate predict" in error.hint


def test_L3_pictures_beside_class_folders_are_ignored_and_counted(tmp_path: Path) -> None:
    listing = list_folder(fill(tmp_path, ". cat dog", 2))
    assert ignored(listing) == {"not in a class folder": 2}
    assert len(listing.names) == 4


def test_L3_a_test_folder_without_class_folders_is_refused(tmp_path: Path) -> None:
    error = refusal(fill(tmp_path, "train/cat train/dog test"))
    assert error.where == str(tmp_path / "test")
    assert "striate predict" in error.hint


def test_L4_train_beside_class_folders_is_refused(tmp_path: Path) -> None:
    error = refusal(fill(tmp_path, "train/cat train/dog bird"))
    assert error.cause == "'train' beside other folders with pictures: 'bird'"
    assert error.hint == ("layout='classes', if 'train' is a class; layout='subsets' leaves the others out")
    assert list_folder(tmp_path, layout="classes").classes == ("bird", "train")
    left_out = list_folder(tmp_path, layout="subsets")
    assert left_out.classes == ("cat", "dog")
    assert left_out.ignored == {"not in train, val or test": ("bird/0.png", "bird/1.png", "bird/2.png")}


@pytest.mark.parametrize("folders", ["train car bus", "test car", "train test val"])
def test_a_train_that_is_a_vehicle_can_be_said_to_be_one(tmp_path: Path, folders: str) -> None:
    assert "layout='classes'" in refusal(fill(tmp_path, folders)).hint
    listing = list_folder(tmp_path, layout="classes")
    assert (listing.classes, listing.subsets) == (tuple(sorted(folders.split())), None)


def test_what_lies_deeper_than_the_class_folders_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "cat/persian cat/siamese cat dog", 1)
    data = tmp_path.name
    one = (
        f"cat/ holds 2 folders of pictures, persian and siamese, taken as cat; for classes of their own give {data}/cat"
    )
    assert list_folder(tmp_path).notes == (one,)
    assert scan(list_folder(tmp_path), learnable=False).notes[0] == one
    fill(tmp_path, "dog/pug/brown dog/boxer dog/husky", 1, first=9)
    assert list_folder(tmp_path).notes == (
        "2 class folders hold folders of pictures, taken as the class they lie in: cat/persian, cat/siamese, dog/boxer "
        f"and 2 more; for classes of their own give {data}/cat",
    )
    split = fill(tmp_path / "split", "train/cat/persian train/dog val/cat val/dog", 1)
    assert list_folder(split).notes == ("train/cat/ holds 1 folder of pictures, persian, taken as cat",)


def test_folders_that_could_just_as_well_be_the_classes_are_asked_about(tmp_path: Path) -> None:
    error = refusal(fill(tmp_path, "photos/cat photos/dog drawings/cat drawings/dog", 1))
    assert error.cause == "the folders 'drawings', 'photos' each hold 'cat', 'dog': either could be the classes"
    assert error.hint == (
        f"{tmp_path / 'drawings'}, if 'cat', 'dog' are the classes; or layout='classes', if 'drawings', 'photos' are"
    )
    assert list_folder(tmp_path, layout="classes").classes == ("drawings", "photos")
    assert list_folder(tmp_path, learnable=False).classes == ("drawings", "photos")  # a run has its classes


@pytest.mark.parametrize("folders", ["images/cat images/dog", "images/cat images/dog images"])
def test_class_folders_one_level_deeper_are_shown_the_way(tmp_path: Path, folders: str) -> None:
    error = refusal(fill(tmp_path, folders, 1))
    assert error.cause == "a single class, 'images', which holds folders of pictures: 'cat', 'dog'"
    assert error.hint == str(tmp_path / "images")


def test_a_subset_inside_a_class_folder_is_asked_about(tmp_path: Path) -> None:
    error = refusal(fill(tmp_path, "cat cat/test dog", 1))
    assert error.cause == "'cat' holds test/ and is not a class"
    assert error.hint == f"give {tmp_path / 'cat'} instead; or layout='classes', if 'cat' is a class"
    listing = list_folder(tmp_path, layout="classes")
    assert listing.notes == ("cat/ holds 1 folder of pictures, test, taken as cat",)


def test_what_could_be_more_classes_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "data/cat data/dog data/.birds data/.git away", 2)
    fill(tmp_path / "data", ".", 1, first=30)
    put(tmp_path / "data" / "fish.zip", b"PK\x03\x04")
    (tmp_path / "data" / "horse").symlink_to(tmp_path / "away")
    assert scan(list_folder(tmp_path / "data")).notes == (
        "1 ignored: archive (not unpacked): fish.zip",
        "1 ignored: hidden folder of pictures: .birds",
        "1 ignored: hidden or system file: .git",
        "1 ignored: link to a folder (--follow-links takes it): horse",
        "1 ignored: not in a class folder: 0.png",
    )


@pytest.mark.parametrize("folders", ["data/train/cat data/train/dog data/val/cat", "cat/train cat/test dog/train"])
def test_L4_subset_folders_one_level_down_are_not_taken_for_pictures_of_a_class(tmp_path: Path, folders: str) -> None:
    error = refusal(fill(tmp_path, folders))
    assert "is not a class" in error.cause
    assert str(tmp_path / folders.split("/")[0]) in error.hint


@pytest.mark.parametrize("folders", ["val/cat val/dog test/cat", "test cat dog", "validation cat"])
def test_L4_subset_names_without_train_are_refused(tmp_path: Path, folders: str) -> None:
    assert "no train/" in refusal(fill(tmp_path, folders)).cause


def test_L4_valid_beside_invalid_are_classes(tmp_path: Path) -> None:
    assert list_folder(fill(tmp_path, "valid invalid")).classes == ("invalid", "valid")


def test_L4_two_folders_for_one_subset_are_refused(tmp_path: Path) -> None:
    assert "all mean the val subset" in refusal(fill(tmp_path, "train/a train/b val/a validation/a")).cause


def test_L4_a_folder_without_pictures_beside_train_is_counted(tmp_path: Path) -> None:
    fill(tmp_path, "train/a train/b")
    put(tmp_path / "notes" / "a.txt", b"text")
    assert ignored(list_folder(tmp_path))["folder without pictures"] == 1


def test_L5_an_empty_class_folder_is_named_and_may_keep_its_place(tmp_path: Path) -> None:
    fill(tmp_path, "a c")
    (tmp_path / "b").mkdir()
    assert "'b'" in refusal(tmp_path).cause
    listing = list_folder(tmp_path, learnable=False)
    assert listing.classes == ("a", "b", "c")
    assert set(listing.labels) == {0, 2}


def test_where_not_all_classes_are_learned_some_may_be_in_test_alone(tmp_path: Path) -> None:
    fill(tmp_path, "train/good test/good test/crack test/hole ground_truth/crack")
    assert "classes that train/ lacks: 'crack', 'hole'" in refusal(tmp_path).cause
    listing = list_folder(tmp_path, learnable=False)
    assert listing.classes == ("crack", "good", "hole")
    assert set(listing.subsets or ()) == {"train", "test"}
    assert ignored(listing)["masks in ground_truth"] == 3
    samples = read_samples(tmp_path, learnable=False)
    assert len(samples) == len(listing.names) == 12
    fill(tmp_path / "one", "good")
    assert read_samples(tmp_path / "one", learnable=False).targets.classes == ("good",)


def test_a_folder_of_that_name_is_a_class_where_nothing_says_otherwise(tmp_path: Path) -> None:
    assert list_folder(fill(tmp_path, "ground_truth other")).classes == ("ground_truth", "other")
    assert "beside other folders" in refusal(fill(tmp_path, "train/a train/b val/a val/b")).cause


def test_L8_classes_come_from_train_and_an_extra_one_is_refused_by_name(tmp_path: Path) -> None:
    error = refusal(fill(tmp_path, "train/b train/c val/a val/b val/c"))
    assert error.where == str(tmp_path / "val")
    assert "'a'" in error.cause


def test_L8_a_class_missing_in_val_shifts_no_label(tmp_path: Path) -> None:
    listing = list_folder(fill(tmp_path, "train/a train/b train/c val/b val/c"))
    assert listing.classes == ("a", "b", "c")
    assert labelled(listing)["val/c/0.png"] == "c"
    assert any(note.startswith("val/ has no picture of 'a'") for note in scan(listing).notes)


def test_L9_hidden_and_system_entries_are_no_classes_and_no_pictures(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog .ipynb_checkpoints .git @eaDir __MACOSX cat/@eaDir", 2)
    put(tmp_path / "cat" / "._0.png", encode(photo()))
    put(tmp_path / "cat" / "Thumbs.db", b"\xd0\xcf\x11\xe0")
    put(tmp_path / ".DS_Store", b"\0")
    listing = list_folder(tmp_path)
    assert listing.classes == ("cat", "dog")
    assert len(listing.names) == 4
    assert ignored(listing) == {"hidden or system file": 8}


@pytest.mark.parametrize("follow", [False, True])
def test_L10_a_link_loop_shows_every_picture_once(tmp_path: Path, follow: bool) -> None:
    fill(tmp_path / "data", "cat dog", 1)
    (tmp_path / "data" / "cat" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "cat" / "far").symlink_to(tmp_path)
    (tmp_path / "data" / "dog" / "self").symlink_to(tmp_path / "data" / "dog")
    listing = list_folder(tmp_path / "data", follow_links=follow)
    assert listing.names == ("cat/0.png", "dog/0.png")
    assert ignored(listing) == {"link loop": 3}


def test_L10_a_link_to_a_listed_folder_does_not_take_its_pictures(tmp_path: Path) -> None:
    fill(tmp_path, "b_real c", 1)
    (tmp_path / "c" / "again").symlink_to(tmp_path / "b_real")
    listing = list_folder(tmp_path, follow_links=True)
    assert labelled(listing) == {"b_real/0.png": "b_real", "c/0.png": "c"}
    assert ignored(listing) == {"folder listed before": 1}


def test_L10_depth_is_capped(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 1)
    deep = tmp_path / "cat" / "/".join(["d"] * 70)
    put(deep / "a.png", encode(photo()))
    listing = list_folder(tmp_path)
    assert len(listing.names) == 2
    assert ignored(listing) == {"folder deeper than 64": 1}


def test_L11_links_that_leave_the_folder_are_followed_only_when_asked(tmp_path: Path) -> None:
    root = fill(tmp_path / "data", "cat dog", 1)
    fill(tmp_path, "store", 2, first=50)
    (root / "cat" / "out.png").symlink_to(tmp_path / "store" / "0.png")
    (root / "dog" / "out").symlink_to(tmp_path / "store")
    listing = list_folder(root)
    assert listing.names == ("cat/0.png", "dog/0.png")
    assert ignored(listing) == {
        "link that leaves the folder (--follow-links takes it)": 1,
        "link to a folder (--follow-links takes it)": 1,
    }
    followed = list_folder(root, follow_links=True)
    assert followed.names == ("cat/0.png", "cat/out.png", "dog/0.png", "dog/out/0.png", "dog/out/1.png")
    assert (ignored(followed), len(scan(followed))) == ({}, 5)


def test_L11_a_link_inside_the_folder_is_a_picture(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 1)
    (tmp_path / "dog" / "more.png").symlink_to("0.png")
    assert "dog/more.png" in list_folder(tmp_path).names


def test_L11_a_folder_of_links_only_is_told_of_the_option(tmp_path: Path) -> None:
    fill(tmp_path, "store/cat store/dog")
    (tmp_path / "data").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "store" / name)
    assert "--follow-links" in refusal(tmp_path / "data").hint
    assert list_folder(tmp_path / "data", follow_links=True).classes == ("cat", "dog")


def test_L11_dangling_links_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 1)
    (tmp_path / "cat" / "a.png").symlink_to("gone.png")
    (tmp_path / "cat" / "round.png").symlink_to("round.png")
    assert ignored(list_folder(tmp_path)) == {"dangling link": 2}


def test_L11_an_unreadable_folder_is_named_with_its_mode(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog")
    (tmp_path / "cat").chmod(0o000)
    try:
        if os.access(tmp_path / "cat", os.R_OK):
            pytest.skip("this process may read any folder (root)")
        error = refusal(tmp_path)
    finally:
        (tmp_path / "cat").chmod(0o755)
    assert error.where == str(tmp_path / "cat")
    assert error.cause == "permission denied (mode 0000)"


def test_L12_pipes_and_sockets_are_counted_and_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "cat dog", 1)
    os.mkfifo(tmp_path / "cat" / "x.jpg")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("dog/y.jpg")
        assert ignored(list_folder(tmp_path)) == {
            "not a regular file (pipe)": 1,
            "not a regular file (socket)": 1,
        }


PAIRS = [("caf\u00e9", "cafe\u0301"), ("Cat", "cat"), ("stra\u00dfe", "STRASSE")]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("layout", ["{}|{}", "train/{}|val/{}"])
def test_L14_classes_equal_but_for_case_or_form_are_refused_or_merged(
    tmp_path: Path, pair: tuple[str, str], layout: str
) -> None:
    one, other = (part.format(name) for part, name in zip(layout.split("|"), pair, strict=True))
    fill(tmp_path, f"{one} {other} " + ("train/zebra" if "train" in layout else "zebra"))
    error = refusal(tmp_path)
    assert ascii(pair[0])[1:-1].replace("\\", "") in error.cause.replace("\\", "")
    assert "--merge-classes" in error.hint
    merged = list_folder(tmp_path, merge_classes=True)
    assert len(merged.classes) == 2
    assert merged.labels.count(0) == 6


def test_L19_no_pictures_at_all_counts_what_there_is(tmp_path: Path) -> None:
    put(tmp_path / "cat" / "a.txt", b"text")
    put(tmp_path / "cat" / "b.csv", b"text")
    put(tmp_path / "cat" / "c.csv", b"text")
    error = refusal(tmp_path)
    assert "2 not a picture (.csv), 1 not a picture (.txt)" in error.cause


def test_L19_I7_files_of_other_names_are_judged_by_their_first_bytes(tmp_path: Path) -> None:
    fill(tmp_path, "cat dog", 1)
    for name, data in {
        "a": encode(photo()),
        "b.0123": encode(photo(), "JPEG"),
        "c.odd": b"nothing",
        "d": b"",
    }.items():
        put(tmp_path / "cat" / name, data)
    listing = list_folder(tmp_path)
    assert listing.names == ("cat/0.png", "cat/a", "cat/b.0123", "dog/0.png")
    assert ignored(listing) == {"not a picture (.odd)": 1, "not a picture (no known extension)": 1}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(
        st.text("abAB-_ \u00e9", min_size=1, max_size=6).filter(lambda name: name.strip(". ")),
        min_size=2,
        max_size=5,
    )
)
def test_any_class_names_are_classes_in_byte_order_or_refused(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    root = tmp_path_factory.mktemp("root")
    for seed, name in enumerate(sorted(names)):
        put(root / name / "0.png", encode(photo(8, 8, seed)))
    try:
        listing = list_folder(root)
    except DataError:
        assert len({name.casefold() for name in names}) < len(names)
        return
    assert [os.fsencode(name) for name in listing.classes] == sorted(os.fsencode(name) for name in names)
    assert labelled(listing) == {f"{name}/0.png": name for name in names}


def test_predict_takes_files_folders_and_patterns_in_the_order_given(tmp_path: Path) -> None:
    fill(tmp_path, "b a/deep", 2)
    put(tmp_path / "b" / "x.txt", b"text")
    put(tmp_path / "[1].png", encode(photo()))
    arguments = [
        str(tmp_path / name) for name in ("none.png", "b", "[1].png", "a/**/*.png", "b/0.png", "b/x.txt", "q*.png")
    ]
    found = [str(path.relative_to(tmp_path)) for path in list_pictures(arguments)]
    assert found == [
        "none.png",
        "b/0.png",
        "b/1.png",
        "[1].png",
        "a/deep/0.png",
        "a/deep/1.png",
        "b/x.txt",
        "q*.png",
    ]


def test_predict_keeps_a_folder_without_pictures_so_that_it_is_reported(tmp_path: Path) -> None:
    assert list_pictures([str(tmp_path)]) == [tmp_path]


def alone(root: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        put(root / name, encode(photo(8, 8, seed)))
    return root


def test_pictures_alone_are_listed_wherever_they_lie(tmp_path: Path) -> None:
    listing = list_alone(alone(tmp_path, "b.png", "x/a.png", "x/y/c.png"))
    assert (listing.names, listing.labels, listing.subsets) == (("b.png", "x/a.png", "x/y/c.png"), None, None)


def test_a_picture_beside_the_subsets_never_opens_a_sealed_one(tmp_path: Path) -> None:
    listing = list_alone(alone(tmp_path, "train/a.png", "train/x/b.png", "Test/c.png", "stray.png", "more/d.png"))
    assert listing.names == ("Test/c.png", "train/a.png", "train/x/b.png")
    assert listing.subsets == ("test", "train", "train")
    assert ignored(listing) == {"not in train, val or test": 2}
    samples = scan(listing)
    assert samples.notes[0] == "2 ignored: not in train, val or test: more/d.png, stray.png"


def test_subsets_without_train_are_refused_but_for_answering_on_them(tmp_path: Path) -> None:
    alone(tmp_path, "val/a.png", "b.png")
    with pytest.raises(DataError, match="'val' but no train/"):
        list_alone(tmp_path)
    assert len(read_samples(tmp_path, labelled=False, learnable=False)) == 2
