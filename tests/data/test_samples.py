"""The table of samples. Row ids L13-L21 are those of the table of odd data folders, see test_sources.py."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pictures import encode, fill, photo, put
from striate.base.errors import DataError
from striate.data.picture import decode
from striate.data.scan import scan
from striate.data.sources.builtin import digits
from striate.data.sources.folder import list_folder

NAMES = [
    b"caf\xe9.png",
    b"line\nbreak.png",
    "\U0001f600.png".encode(),
    b"-rf.png",
    b" .png",
    b"a" * 251 + b".png",
]


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_L13_any_name_is_listed_read_and_pickled_as_it_is(tmp_path: Path) -> None:
    fill(tmp_path, "cat", 1)
    fill(tmp_path, "dog", 2, first=40)
    for seed, name in enumerate(NAMES):
        put(tmp_path / "cat" / os.fsdecode(name), encode(photo(8, 8, 77 + seed)))
    listing = list_folder(tmp_path)
    assert [os.fsencode(name) for name in listing.names[:-2]] == sorted(b"cat/" + name for name in [*NAMES, b"0.png"])
    samples = pickle.loads(pickle.dumps(scan(listing)))  # noqa: S301  (our own bytes)
    for index, name in enumerate(samples.names[:-2]):
        seeds = {os.fsdecode(b"cat/" + name): 77 + seed for seed, name in enumerate(NAMES)} | {"cat/0.png": 0}
        assert (decode.read(samples.read(index)).pixels == photo(8, 8, seeds[name])).all()
    assert len(samples.fingerprint) == 64


def test_L20_a_sample_costs_about_two_hundred_bytes(tmp_path: Path) -> None:
    samples = scan(list_folder(fill(tmp_path, "cat dog", 50)))
    strings = sum(map(sys.getsizeof, (*samples.names, *samples.digests)))
    assert (strings + 8 * 3 * len(samples)) / len(samples) < 220


def test_L21_a_file_that_changed_or_vanished_is_named_and_not_replaced(tmp_path: Path) -> None:
    samples = scan(list_folder(fill(tmp_path, "cat dog", 2)))
    put(tmp_path / "cat" / "0.png", encode(photo(9, 9)))
    (tmp_path / "cat" / "1.png").unlink()
    for index, words in ((0, "changed since"), (1, "no such file")):
        with pytest.raises(DataError, match=words) as caught:
            samples.read(index)
        assert caught.value.where == str(tmp_path / samples.names[index])
    assert samples.read(2) == (tmp_path / samples.names[2]).read_bytes()
    assert samples.read.where(2) == str(tmp_path / samples.names[2])


def test_the_fingerprint_is_of_the_content_and_not_of_the_place(tmp_path: Path) -> None:
    one = scan(list_folder(fill(tmp_path / "one", "cat dog", 2)))
    same = scan(list_folder(fill(tmp_path / "two", "cat dog", 2)))
    other = scan(list_folder(fill(tmp_path / "three", "cat dog", 2, first=9)))
    assert one.fingerprint == same.fingerprint != other.fingerprint
    (tmp_path / "two" / "cat" / "0.png").rename(tmp_path / "two" / "dog" / "00.png")
    (tmp_path / "two" / "cat" / "2.png").write_bytes(encode(photo(8, 8, 5)))
    assert scan(list_folder(tmp_path / "two")).fingerprint != one.fingerprint


def test_samples_in_memory_are_read_like_files() -> None:
    samples, ink = digits(), load_digits().images
    assert (samples.read(5)[..., 0] == np.rint(ink[5] * 255 / 16)).all()
    assert samples.in_memory
