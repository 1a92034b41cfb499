import json
from pathlib import Path

import numpy as np
import pytest

import striate
from pictures import encode, fill, put, scene, snapshot
from striate.base.errors import DataError, UsageError
from striate.data.audit import Audit


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    """Two classes in train/ and test/, with one of each thing that an audit looks for."""
    root = tmp_path_factory.mktemp("planted")
    for subset, first in (("train", 0), ("test", 100)):
        for place, label in enumerate(("cats", "dogs")):
            for seed in range(8):
                put(root / subset / label / f"{seed}.png", encode(scene(first + 50 * place + seed)))
    put(root / "train/cats/again.png", encode(scene(1)))
    put(root / "train/dogs/2 as a dog.png", encode(scene(2)))
    put(root / "train/dogs/3 as a dog.jpg", encode(scene(3), "JPEG"))
    put(root / "test/cats/4 again.jpg", encode(scene(4), "JPEG"))
    put(root / "test/cats/5 again.png", encode(scene(5)))
    put(root / "train/cats/long.png", encode(scene(200, 20, 400)))
    put(root / "test/cats/long.png", encode(scene(201, 20, 400)))
    put(root / "train/cats/black.png", encode(np.zeros((90, 90, 3), np.uint8)))
    put(root / "train/dogs/empty.jpg", b"")
    whole = encode(scene(202, 300, 400), "JPEG", quality=90)
    put(root / "train/dogs/half.jpg", whole[: len(whole) // 3] + b"\xff\xd9")
    return root


@pytest.fixture(scope="module")
def found(planted) -> Audit:
    return striate.audit(planted, quiet=True)


def named(found: Audit, clusters) -> list[tuple[str, ...]]:
    return [tuple(found.names[place] for place in each.places) for each in clusters]


def test_what_is_planted_is_found_and_nothing_else(found) -> None:
    assert [each.name for each in found.unreadable] == ["train/dogs/empty.jpg"]
    assert [each.name for each in found.damaged] == ["train/dogs/half.jpg"]
    assert named(found, found.identical) == [
        ("test/cats/5 again.png", "train/cats/5.png"),
        ("train/cats/1.png", "train/cats/again.png"),
        ("train/cats/2.png", "train/dogs/2 as a dog.png"),
    ]
    assert named(found, found.similar) == [
        ("test/cats/4 again.jpg", "train/cats/4.png"),
        ("train/cats/3.png", "train/dogs/3 as a dog.jpg"),
    ]
    assert [each.leaks for each in found.identical] == [True, False, False]
    assert [each.conflicts for each in found.identical] == [False, False, True]
    assert [each.leaks for each in found.similar] == [True, False]
    assert [each.conflicts for each in found.similar] == [False, True]


def test_balance_is_counted_by_class_and_subset(found) -> None:
    assert (found.classes, found.subsets) == (("cats", "dogs"), ("train", "test"))
    assert found.counts.tolist() == [[11, 11], [11, 8]]
    assert found.majority == ("cats", 22 / 41)
    assert len(found) == 41


def test_odd_pictures_are_told_with_what_is_usual(found) -> None:
    told = {found.names[each.place]: each for each in found.unusual}
    assert told["train/cats/long.png"].what == "width / height"
    assert told["train/cats/long.png"].value == 20
    assert told["train/cats/long.png"].high < 2
    assert "train/cats/black.png" in told
    assert found.plain == 1


def test_what_is_measured_leaves_sealed_pictures_out(found) -> None:
    names = [found.names[place] for place in found.sealed]
    assert sorted(names) == sorted(name for name in found.names if name.startswith("test/"))
    assert not found.sealed & {each.place for each in found.unusual}
    heights = {each.what: each.values for each in found.spreads}["height"]
    assert (heights[0], heights[-1]) == (20, 300)


def test_the_summary_counts_what_is_listed(found) -> None:
    rows = {what: count for what, count, _ in found.findings().rows}
    assert rows == {
        "unreadable": 1, "damaged?": 1, "identical": 6, "near-duplicates": 4, "leaks, identical": 2, "leaks, near": 2,
        "conflicts, identical": 2, "conflicts, near": 2, "unusual": len(found.unusual), "nearly one colour": 1,
    }  # fmt: skip
    assert "always answering cats is right for 53.7 % of 41" in repr(found)
    assert "train/dogs/empty.jpg" in found._repr_html_()


def test_json_has_all_of_it_by_name(found) -> None:
    read = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert read["near"]["clusters"][0] == {
        "samples": ["test/cats/4 again.jpg", "train/cats/4.png"], "subsets": ["train", "test"], "classes": ["cats"]
    }  # fmt: skip
    assert read["classes"] == [{"class": "cats", "train": 11, "test": 11}, {"class": "dogs", "train": 11, "test": 8}]
    assert read["sealed"] == 19


def test_nothing_is_written(planted) -> None:
    before = snapshot(planted)
    striate.audit(planted, quiet=True)
    assert snapshot(planted) == before


def test_masks_in_memory_without_anything() -> None:
    pictures = [scene(seed, 32, 32) for seed in range(4)]
    masks = [np.full((32, 32), seed > 1, np.uint8) for seed in range(4)]
    found = striate.audit((pictures, masks), quiet=True)
    assert found.empty_masks == 2
    assert [each.pixels for each in found.masks] == [0.5, 0.5]


def test_pictures_without_labels(tmp_path) -> None:
    for seed in range(4):
        put(tmp_path / f"{seed}.png", encode(scene(seed)))
    put(tmp_path / "again.png", encode(scene(0)))
    found = striate.audit(tmp_path, quiet=True)
    assert found.classes == ()
    assert named(found, found.identical) == [("0.png", "again.png")]
    assert any("without labels" in note for note in found.notes)
    alone = striate.audit([scene(seed) for seed in range(3)], quiet=True)
    assert (len(alone), alone.classes) == (3, ())


def test_groups_of_a_table_are_counted(tmp_path) -> None:
    rows = ["path,label,subset,patient"]
    for seed in range(8):
        put(tmp_path / f"{seed}.png", encode(scene(seed)))
        rows.append(f"{seed}.png,{'ab'[seed % 2]},{'train' if seed < 5 else 'test'},{seed // 2}")
    put(tmp_path / "list.csv", "\n".join(rows).encode())
    found = striate.audit(tmp_path / "list.csv", quiet=True)
    assert found.groups is not None
    assert (found.groups.count, found.groups.largest, found.groups.straddling) == (4, 2, 1)
    assert found.groups.of_one_class == 0


def test_a_single_class_or_picture_is_no_error(tmp_path) -> None:
    fill(tmp_path, "only", 1)
    assert len(striate.audit(tmp_path, quiet=True)) == 1


@pytest.mark.parametrize(
    ("data", "reading", "error"),
    [
        ("digits", {"epochs": 3}, UsageError),
        ("digits", {"layouts": "auto"}, UsageError),
        ("digits", {"layout": "both"}, UsageError),
        ("nowhere/at/all", {}, DataError),
    ],
)
def test_what_cannot_be_meant_is_refused(data, reading, error) -> None:
    with pytest.raises(error):
        striate.audit(data, quiet=True, **reading)
