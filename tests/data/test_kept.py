"""Canvases kept on disk: the batches are those of pictures that are read anew, whatever happens to the file."""

import contextlib
import dataclasses
import os
import pickle
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import same
from pictures import encode, photo, put
from striate.data.feed import Batch, Streamed, cut_batches
from striate.data.kept import Kept, Shelf, words
from striate.data.picture.laid import Laid
from striate.data.preprocess import Preprocess
from striate.data.samples import Samples
from striate.data.scan import scan
from striate.data.sources.folder import list_folder
from striate.data.units import units_of

CPU, LOOK = torch.device("cpu"), Preprocess(12, 3)
LARGE = 1 << 30
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def folder(root: Path, changed: int = 0) -> Samples:
    for seed in range(6):
        put(root / "cat" / f"{seed}.jpg", encode(photo(60 + 7 * seed, 90, seed), "JPEG"))
        put(root / "dog" / f"{seed}.png", encode(photo(15, 20 + seed, 50 + seed + 100 * (seed < changed))))
    return scan(list_folder(root))


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    return folder(tmp_path / "pictures")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def shelf(tmp_path: Path, said: list[str]) -> Callable[..., Shelf]:
    return lambda budget=LARGE: Shelf(tmp_path, budget, said.append)


def batches(samples: Samples, look: Preprocess, kept: Kept | None, workers: int = 0) -> list[Batch]:
    units = units_of(samples, look)
    return list(Streamed(units, look, CPU, workers, kept=kept).batches(cut_batches(np.arange(len(units)), 5)))


def equal(found: list[Batch], expected: list[Batch]) -> bool:
    return all(same(one, other) for one, other in zip(found, expected, strict=True))


def held(samples: Samples, look: Preprocess, kept: Kept) -> int:
    """How many rows there are."""
    units = units_of(samples, look)
    keys = units.keys(np.arange(len(units)))
    tiles = [None] * len(units) if units.tile is None else units.tile.tolist()
    return sum(kept.take(unit, int(keys[unit]), tiles[unit]) is not None for unit in range(len(units)))


LOOKS = [
    LOOK,
    Preprocess((8, 20), 3, "letterbox"),
    Preprocess(16, 1, "crop"),
    Preprocess(60, 3, "tiles", context=4, stride=4, whole=True),
    Preprocess(16, 3, "squash", context=2, whole=True),
    Preprocess(9, 3, depth=16),
]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look.resize}-{look.size}-{look.depth}")
def test_the_second_pass_gives_the_batches_of_the_first_without_a_file(
    samples: Samples, shelf: Callable[..., Shelf], look: Preprocess, workers: int
) -> None:
    if look.depth == 16:
        rng = np.random.default_rng(0)
        for name in samples.names:
            deep = rng.integers(0, 1 << 16, (20, 15), dtype=np.uint16)
            (samples.root / name).unlink()  # type: ignore[operator]
            put(samples.root / f"{name}.png", encode(deep))  # type: ignore[operator]
        look = dataclasses.replace(look, channels=1)
        samples = scan(list_folder(samples.root), layers=None)  # type: ignore[arg-type]
    expected = batches(samples, look, None)
    kept = shelf().kept(units_of(samples, look), look)
    assert kept is not None
    assert held(samples, look, kept) == 0
    assert equal(batches(samples, look, kept, workers), expected)
    assert held(samples, look, kept) == len(units_of(samples, look))
    for name in samples.names:
        (samples.root / name).unlink()  # type: ignore[operator]
    assert equal(batches(samples, look, kept, workers), expected)
    again = shelf().kept(units_of(samples, look), look)  # of a later training
    assert again is not None
    assert equal(batches(samples, look, again, workers), expected)


def test_pictures_that_have_changed_are_read(tmp_path: Path, samples: Samples, shelf: Callable[..., Shelf]) -> None:
    kept = shelf().kept(units_of(samples), LOOK)
    batches(samples, LOOK, kept)
    changed = folder(tmp_path / "pictures", changed=4)
    expected, kept = batches(changed, LOOK, None), shelf().kept(units_of(changed), LOOK)
    assert kept is not None
    assert held(changed, LOOK, kept) == 8
    assert equal(batches(changed, LOOK, kept), expected)
    assert held(changed, LOOK, kept) == 12


def test_another_way_of_looking_has_another_file(samples: Samples, shelf: Callable[..., Shelf]) -> None:
    units, place = units_of(samples), shelf()
    first = place.kept(units, LOOK)
    others = [
        dataclasses.replace(LOOK, **change)
        for change in ({"size": 13}, {"channels": 1}, {"resize": "crop"}, {"white": 4095}, {"whole": True})
    ]
    paths = {each.path for each in (place.kept(units, look) for look in others) if each}
    assert first is not None
    assert len(paths) == 5
    assert first.path not in paths
    same_file = place.kept(units, dataclasses.replace(LOOK, mean=(0.1,) * 3, deviation=(0.2,) * 3))
    assert same_file is first


ROW = 8 * words(LOOK)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_a_file_that_is_cut_or_changed_anywhere_gives_no_other_pixel(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = tmp_path_factory.mktemp("kept")
    kept = Kept(place / "a.canvases", LOOK, 4)
    canvases = np.random.default_rng(0).integers(0, 256, (4, 3, 12, 12), dtype=np.uint8)
    for unit in range(4):
        kept.put(unit, 77 + unit, canvases[unit], Laid((60, 90), (12, 12), (0.2, 12 / 90)))
    whole = bytearray(kept.path.read_bytes())
    assert len(whole) == 4 * ROW
    kind = data.draw(st.sampled_from(["cut", "zero", "flip", "swap"]))
    at = data.draw(st.integers(0, len(whole) - 1))
    if kind == "cut":
        whole = whole[:at]
    elif kind == "zero":
        end = data.draw(st.integers(at, len(whole)))
        whole[at:end] = bytes(end - at)
    elif kind == "flip":
        whole[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        whole[:ROW], whole[ROW : 2 * ROW] = whole[ROW : 2 * ROW], whole[:ROW]
    kept.path.write_bytes(whole)
    found = [kept.take(unit, 77 + unit, None) for unit in range(4)]
    assert all(each is None or np.array_equal(each[0], canvases[unit]) for unit, each in enumerate(found))
    assert kind != "flip" or found[at // ROW] is None
    assert kind != "cut" or [each is not None for each in found] == [(unit + 1) * ROW <= at for unit in range(4)]
    assert kind != "swap" or found[:2] == [None, None]


def test_no_more_is_kept_than_is_allowed(
    samples: Samples, shelf: Callable[..., Shelf], said: list[str], tmp_path: Path
) -> None:
    units = units_of(samples)
    kept = shelf(5 * ROW + 3).kept(units, LOOK)
    assert kept is not None
    assert kept.rows == 5
    assert equal(batches(samples, LOOK, kept), batches(samples, LOOK, None))
    assert held(samples, LOOK, kept) == 5
    assert said == [f"5 of 12 canvases are kept in {tmp_path / 'canvases'}, the others read each time: "
                    "--canvases allows no more"]  # fmt: skip
    assert sum(each.stat().st_size for each in (tmp_path / "canvases").iterdir()) == 5 * ROW
    assert shelf(ROW - 1).kept(units, LOOK) is None


def test_a_smaller_budget_cuts_the_file_and_what_was_used_longest_ago_goes(
    samples: Samples, shelf: Callable[..., Shelf], tmp_path: Path
) -> None:
    units, other, third = units_of(samples), Preprocess(13, 3), Preprocess(14, 3)
    for age, look in ((300, LOOK), (200, other)):
        kept = shelf().kept(units, look)
        assert kept is not None
        batches(samples, look, kept)
        os.utime(kept.path, (kept.path.stat().st_mtime - age,) * 2)
    before = set((tmp_path / "canvases").iterdir())
    size = sum(each.stat().st_blocks * 512 for each in before)
    newest = shelf(size + 8 * words(third)).kept(units, third)
    assert newest is not None
    left = set((tmp_path / "canvases").iterdir()) - {newest.path}
    assert len(before) == 2
    assert len(left) == 1
    assert left < before
    cut = shelf(3 * 8 * words(other)).kept(units, other)
    assert cut is not None
    assert cut.path in left
    assert cut.path.stat().st_size == 3 * 8 * words(other)
    assert equal(batches(samples, other, cut), batches(samples, other, None))


@contextlib.contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """As if the disk were full there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_stops_the_keeping_and_nothing_else(samples: Samples, shelf: Callable[..., Shelf]) -> None:
    expected, kept = batches(samples, LOOK, None), shelf().kept(units_of(samples), LOOK)
    with no_file_beyond(2 * ROW + 100):
        first, second = batches(samples, LOOK, kept), batches(samples, LOOK, kept)
    assert equal(first, expected)
    assert equal(second, expected)
    assert kept is not None
    assert held(samples, LOOK, kept) == 2


def test_where_nothing_can_be_kept_it_is_said(samples: Samples, tmp_path: Path, said: list[str]) -> None:
    assert Shelf(None, LARGE, said.append).kept(units_of(samples), LOOK) is None
    put(tmp_path / "file" / "canvases", b"")
    assert Shelf(tmp_path / "file", LARGE, said.append).kept(units_of(samples), LOOK) is None
    assert len(said) == 2
    assert "STRIATE_CACHE" in said[0]
    assert "File exists" in said[1]


def test_a_link_in_the_folder_is_not_followed(samples: Samples, tmp_path: Path, said: list[str]) -> None:
    place = Shelf(tmp_path, LARGE, said.append)
    kept = place.kept(units_of(samples), LOOK)
    assert kept is not None
    kept.path.unlink()
    (tmp_path / "mine").write_bytes(b"precious")
    kept.path.symlink_to(tmp_path / "mine")
    assert Shelf(tmp_path, LARGE, said.append).kept(units_of(samples), LOOK) is None
    assert (tmp_path / "mine").read_bytes() == b"precious"


def test_ten_crops_are_not_kept(samples: Samples, shelf: Callable[..., Shelf]) -> None:
    assert shelf().kept(units_of(samples), dataclasses.replace(LOOK, views="ten")) is None


def test_it_goes_to_another_process(samples: Samples, shelf: Callable[..., Shelf]) -> None:
    kept = shelf().kept(units_of(samples), LOOK)
    batches(samples, LOOK, pickle.loads(pickle.dumps(kept)))  # noqa: S301 - as worker processes are started
    assert kept is not None
    assert held(samples, LOOK, kept) == 12
