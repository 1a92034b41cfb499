"""Tar shards as a source: what they mean, in which order they are read, and what is said where they cannot be."""

import dataclasses
import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictures import encode, fill, photo
from shards import shards_of, tar
from striate.base.errors import DataError
from striate.data.load import read_samples
from striate.data.samples import WINDOW, Shards, window_of
from striate.data.sources.pattern import MOST, expanded
from striate.data.sources.shards import list_shards
from striate.data.units import Units

PNG = [encode(photo(8, 8, seed)) for seed in range(40)]


def refusal(pattern: Path | str, **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        list_shards(f"shards:{pattern}", **options)
    return caught.value


def said(parts: Mapping[str, bytes], count: int = 4) -> list[tuple[str, bytes]]:
    """Samples of a picture and of these parts."""
    return [
        item
        for place in range(count)
        for item in [(f"{place}.png", PNG[place]), *((f"{place}.{kind}", data) for kind, data in parts.items())]
    ]


def test_shards_are_the_folder_that_they_were_made_from(tmp_path: Path) -> None:
    folder = fill(tmp_path / "pictures", "cat dog/deep eel", 4)
    shards = read_samples(shards_of(folder, tmp_path, 3))
    files = read_samples(folder)
    assert (shards.names, shards.digests, shards.fingerprint) == (files.names, files.digests, files.fingerprint)
    assert shards.targets.classes == files.targets.classes == ("cat", "dog", "eel")
    assert shards.notes == files.notes  # a folder in a class folder is told
    again = pickle.loads(pickle.dumps(shards.read))  # noqa: S301 - as a worker is handed it
    assert [again(place) for place in range(12)] == [files.read(place) for place in range(12)]
    assert again.where(0) == f"cat/0.png in {tmp_path}/set-0000.tar"


def test_subsets_are_in_the_names_of_shards_or_of_their_folders(tmp_path: Path) -> None:
    folder = fill(tmp_path / "pictures", "train/cat train/dog val/cat val/dog test/cat test/dog", 3)
    files = read_samples(folder)
    for subset in ("train", "val", "test"):
        shards_of(folder / subset, tmp_path / "named", 2, f"my-{subset}")
        shards_of(folder / subset, tmp_path / "below" / subset, 2, "part")
    for pattern in ("named/my-{train,val,test}-{0000..0001}.tar", "named/*.tar", "below", "below/*/*.tar"):
        shards = read_samples(f"shards:{tmp_path / pattern}")
        assert (shards.subsets, shards.fingerprint) == (files.subsets, files.fingerprint), pattern
    one = list_shards(f"shards:{tmp_path}/named/my-val-*.tar")
    assert (one.name, one.subsets, one.names[0]) == ("my-val", None, "cat/0.png")
    whole = list_shards(f"shards:{tmp_path}/named/my-[tv]*-0000.tar", layout="subsets")
    assert whole.name == "my"


def test_subsets_that_cannot_be_meant(tmp_path: Path) -> None:
    for name in ("val-0", "test-0", "more-0"):
        tar(tmp_path / f"{name}.tar", said({"cls": b"1"}, 2))
    error = refusal(tmp_path / "*.tar")
    assert error.cause == f"shards of 'test', 'val' beside others: {tmp_path}/more-0.tar"
    assert "layout='classes'" in error.hint
    assert refusal(tmp_path / "{val,test}-0.tar").cause == "shards of 'test', 'val' but none of train"
    assert set(list_shards(f"shards:{tmp_path}/[tv]*.tar", learnable=False).subsets or ()) == {"val", "test"}
    for layout, count in (("classes", 6), ("subsets", 4)):
        listing = list_shards(f"shards:{tmp_path}/*.tar", learnable=False, layout=layout)
        assert len(listing.names) == count
        assert (listing.subsets is None) == (layout == "classes")
    assert listing.ignored == {"not in train, val or test": (f"{tmp_path}/more-0.tar",)}


def labelled(tmp_path: Path, *samples: tuple[str, bytes]) -> tuple[tuple[str, ...], list[str]]:
    listing = list_shards(f"shards:{tar(tmp_path / 'a.tar', samples)}")
    return listing.classes, [listing.classes[each] for each in listing.labels or ()]


def test_a_class_is_a_number_in_cls_and_2_comes_before_10(tmp_path: Path) -> None:
    files = [("a.png", PNG[0]), ("a.cls", b"10\n"), ("b.JPG", PNG[1]), ("b.cls", b"2"), ("b.json", b'{"label": "x"}')]
    assert labelled(tmp_path, *files) == (("2", "10"), ["10", "2"])


@pytest.mark.parametrize(("first", "second"), [('{"label": "eel", "more": 1}', '{"label": " cat "}'), ("eel", "cat")])
def test_a_class_is_a_label_in_json_or_a_text(tmp_path: Path, first: str, second: str) -> None:
    kind = "json" if first.startswith("{") else "txt"
    files = [(f"a.{kind}", first.encode()), ("a.png", PNG[0]), ("b.png", PNG[1]), (f"b.{kind}", second.encode())]
    assert labelled(tmp_path, *files) == (("cat", "eel"), ["eel", "cat"])


def test_a_json_without_a_label_leaves_the_class_to_the_folder(tmp_path: Path) -> None:
    files = [("cat/a.png", PNG[0]), ("cat/a.json", b'{"width": 8}'), ("dog/b.png", PNG[1]), ("dog/b.txt", b"a dog")]
    assert labelled(tmp_path, *files) == (("cat", "dog"), ["cat", "dog"])


def test_a_picture_is_the_part_that_is_called_so_or_the_only_one(tmp_path: Path) -> None:
    files = [("a.jpg", PNG[0]), ("a.seg.png", PNG[1]), ("a.cls", b"0"), ("b.left.png", PNG[2]), ("b.cls", b"1")]
    listing = list_shards(f"shards:{tar(tmp_path / 'a.tar', files)}")
    assert listing.names == ("a.jpg", "b.left.png")


def test_names_that_shards_count_anew_begin_with_their_shard(tmp_path: Path) -> None:
    for place in range(2):
        tar(tmp_path / f"s{place}.tar", said({"cls": b"%d" % place}, 2))
    listing = list_shards(f"shards:{tmp_path}/s*.tar")
    assert listing.names == ("s0/0.png", "s0/1.png", "s1/0.png", "s1/1.png")
    assert listing.notes == ("2 names in several shards: names begin with that of the shard",)
    assert len(read_samples(f"shards:{tmp_path}/s*.tar", labelled=False, learnable=False)) == 4


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        ([("a.png", PNG[0]), ("a.jpg", PNG[1]), ("a.cls", b"0")], "a in a.tar: 2 pictures, 'jpg', 'png'"),
        ([("a.png", PNG[0]), ("a.png", PNG[1]), ("a.cls", b"0")], "a.png twice in a.tar"),
        ([*said({"cls": b"0"}, 2), ("z.png", PNG[3])], "z.png in a.tar: no cls, which others have"),
        (said({"cls": b"-1"}, 1), "0.png in a.tar: its cls is not a whole number from 0 on"),
        (said({"cls": b"3.0"}, 1), "0.png in a.tar: its cls is not a whole number from 0 on"),
        (said({"cls": b"nan"}, 1), "0.png in a.tar: its cls is not a whole number from 0 on"),
        (said({"txt": b" \n"}, 1), "0.png in a.tar: its txt is not a name"),
        (said({"txt": b"long" * 200}, 1), "0.png in a.tar: its txt is not a name"),
        *(
            (said({"json": b'{"label": %s}' % each}, 1), '0.png in a.tar: its json is not a "label" that is a name or')
            for each in (b"null", b"true", b"-1", b"1.5", b'""', b"[1]")
        ),
        (
            [*said({"json": b'{"label": 1}'}, 1), ("z.png", PNG[3]), ("z.json", b'{"label": "x"}')],
            "a label is a number in some samples and a name in others: 1 and 'x'",
        ),
        ([("x.cls", b"1"), ("only", b""), (".png", PNG[0])], "no pictures in 1 shard (2 hidden, or without a suffix"),
        ([], "no pictures in 1 shard (1 shard without a picture)"),
        ([("a.png", PNG[0])], "1 picture but no class folders"),
        ([("up/a.png", PNG[0]), ("b.cls", b"0")], "a single class, 'up'"),
    ],
)
def test_samples_that_cannot_be_meant(tmp_path: Path, files: list[tuple[str, bytes]], cause: str) -> None:
    path = tar(tmp_path / "a.tar", files)
    with pytest.raises(DataError) as caught:
        read_samples(f"shards:{path}")
    assert caught.value.cause.removeprefix("1 sample cannot be meant: ").startswith(cause)


def test_the_first_twenty_samples_are_named_and_the_others_counted(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", said({"cls": b"x"}, 23))
    assert refusal(path).cause.startswith("23 samples cannot be meant: 0.png in a.tar: its cls is not")
    assert refusal(path).cause.count("whole number") == 20


def test_a_name_of_a_class_folder_in_two_shards_is_refused(tmp_path: Path) -> None:
    for place in range(2):
        tar(tmp_path / f"s{place}.tar", [("cat/0.png", PNG[place])])
    assert refusal(tmp_path / "s*.tar").cause == "1 sample cannot be meant: cat/0.png in s0.tar and s1.tar"


def test_what_is_no_sample_is_counted(tmp_path: Path) -> None:
    files = [*said({"cls": b"0"}), ("x.cls", b"1"), ("no-suffix", b""), ("sub/.hidden.png", PNG[9]), ("../y.png", b"")]
    tar(tmp_path / "a.tar", files)
    tar(tmp_path / "b.tar", {})
    assert list_shards(f"shards:{tmp_path}/*.tar").ignored == {
        "hidden, or without a suffix": ("no-suffix", "sub/.hidden.png"),
        "name that leads out of the tar": ("../y.png",),
        "sample without a picture": ("x",),
        "shard without a picture": (f"{tmp_path}/b.tar",),
    }


def test_a_shard_that_is_cut_is_named_with_the_byte(tmp_path: Path) -> None:
    for place in range(2):
        tar(tmp_path / f"s{place}.tar", [(f"{place}.png", PNG[place])])
    (tmp_path / "s1.tar").write_bytes((tmp_path / "s1.tar").read_bytes()[:600])
    error = refusal(tmp_path / "s*.tar")
    assert error.where == f"{tmp_path}/s1.tar"
    assert error.cause.startswith("cut at byte 600: 1.png would reach to ")


@pytest.mark.parametrize("change", ["other bytes", "cut", "gone"])
def test_a_shard_that_changed_since_the_scan_is_told_when_it_is_read(tmp_path: Path, change: str) -> None:
    samples = read_samples(shards_of(fill(tmp_path / "p", "cat dog", 2), tmp_path, 1))
    path = tmp_path / "set-0000.tar"
    if change == "gone":
        path.unlink()
    elif change == "cut":
        path.write_bytes(path.read_bytes()[:600])
    else:
        shards_of(fill(tmp_path / "p", "cat dog", 2, first=77), tmp_path, 1)
    with pytest.raises(DataError) as caught:
        samples.read(0)
    told = {"other bytes": "changed since", "cut": "its shard set-0000.tar ends before it", "gone": "no such file"}
    assert caught.value.cause.startswith(told[change])
    assert caught.value.where == f"cat/0.png in {path}"


def test_a_picture_that_is_too_large_is_skipped_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.data.picture.limits.BYTES", 1000)
    path = tar(tmp_path / "a.tar", [*said({"cls": b"0"}, 3), ("z.png", bytes(1001)), ("z.cls", b"0")])
    samples = read_samples(f"shards:{path}", max_bad=1.0, learnable=False)
    assert [(each.name, each.cause) for each in samples.skipped] == [
        ("z.png", "1,001 bytes, more than the 1,000 that are read")
    ]


@pytest.mark.parametrize(
    ("pattern", "cause"),
    [
        ("no-*.tar", "no shard is called so"),
        ("{0..1000000}.tar", f"more than {MOST:,} shards"),
        ("{0..9999}{0..9999}.tar", f"more than {MOST:,} shards"),
        ("{one}.tar", "{one} is neither a range nor a list"),
        ("https://user:secret@here/{0..1}.tar", "a user, a password or a query"),
        ("https://here/0.tar?signature=secret", "a user, a password or a query"),
        ("simplecache::https://here/0.tar", "one address inside another"),
        ("nowhere://here/0.tar", "no address of files"),
    ],
)
def test_patterns_that_cannot_be_meant(tmp_path: Path, pattern: str, cause: str) -> None:
    error = refusal(pattern if "://" in pattern else tmp_path / pattern)
    assert error.cause.startswith(cause)
    assert "secret" not in str(error)


def test_a_shard_that_is_missing_is_named(tmp_path: Path) -> None:
    tar(tmp_path / "s0.tar", said({"cls": b"0"}))
    error = refusal(tmp_path / "s{0..1}.tar")
    assert (error.where, error.cause) == (f"{tmp_path}/s1.tar", "no such file")


def test_masks_are_not_read_from_shards(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", said({"seg.png": PNG[0]}))
    with pytest.raises(DataError, match="its pictures have no masks that are read"):
        read_samples(f"shards:{path}", masked=True)


def test_labels_that_a_run_has_not_learned_are_told(tmp_path: Path) -> None:
    samples = read_samples(f"shards:{tar(tmp_path / 'a.tar', said({'cls': b'12'}))}", learnable=False)
    with pytest.raises(DataError, match="12"):
        samples.targets.named(("0", "1"))


def test_braces_are_written_out() -> None:
    assert sorted(expanded("a-{08..11}.{x,y}")) == [f"a-{n:02}.{s}" for n in range(8, 12) for s in "xy"]
    assert sorted(expanded("{9..11}")) == ["10", "11", "9"]
    assert expanded("plain") == ["plain"]


# The order of an epoch


def units_in(of: list[int], window: int) -> tuple[Units, Units]:
    """Units in shards, and the same that lie anywhere."""
    samples = read_samples("digits")
    size = len(of)
    anywhere = Units(samples, np.arange(size))
    shards = np.array(of + [0] * (len(samples) - size))
    return dataclasses.replace(anywhere, samples=dataclasses.replace(samples, shards=Shards(shards, window))), anywhere


SHARDED = st.lists(st.integers(0, 6), min_size=1, max_size=60)


@given(SHARDED, st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
def test_few_shards_are_read_at_a_time_and_each_in_the_usual_order(
    of: list[int], window: int, seed: int, epoch: int
) -> None:
    units, anywhere = units_in(of, window)
    everything = np.arange(len(of))
    order, usual = units.order(everything, seed, epoch), anywhere.order(everything, seed, epoch)
    assert sorted(order) == everything.tolist()
    assert order.tolist() == units.order(everything, seed, epoch).tolist()
    places = {shard: [place for place, unit in enumerate(order) if of[unit] == shard] for shard in set(of)}
    for place in everything:
        assert sum(each[0] <= place <= each[-1] for each in places.values()) <= window
    for shard in places:
        assert [unit for unit in order if of[unit] == shard] == [unit for unit in usual if of[unit] == shard]
    if window >= len(places):
        assert order.tolist() == usual.tolist()


def test_shards_come_in_another_order_in_each_epoch() -> None:
    of = [shard for shard in range(7) for _ in range(8)]
    units, _ = units_in(of, 2)
    orders = [tuple(dict.fromkeys(of[unit] for unit in units.order(np.arange(56), 0, epoch))) for epoch in range(6)]
    assert len(set(orders)) == 6
    assert len({order[:2] for order in orders}) > 2


def test_a_window_holds_at_least_so_many_pictures_and_all_shards_of_few() -> None:
    assert window_of(WINDOW - 1, 50) == 50
    assert window_of(1_281_167, 1024) == 16
    assert window_of(10 * WINDOW, 5) == 1
    assert window_of(0, 3) == 3
