"""A look is taken once as long as a file is the same: with, without and from the cache the samples are equal."""

import dataclasses
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.base.errors import Option
from striate.data import cache as caching
from striate.data.cache import Known, cache_folder
from striate.data.known import _read, _written
from striate.data.load import read_samples
from striate.data.look import Look
from striate.data.masks import Seen

FIELDS = ("names", "digests", "subsets", "skipped", "notes", "grey", "fingerprint")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two classes, a bad file and one of one colour; and pairs with masks. Old enough to be known."""
    root, rng = tmp_path_factory.mktemp("cache"), np.random.default_rng(0)
    for place in range(12):
        for folder in ("set/cat", "set/dog", "pairs/images"):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (9, 8, 3), np.uint8)).save(root / folder / f"{place:02}.png")
        (root / "pairs/masks").mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 3, (9, 8), np.uint8)).save(root / "pairs/masks" / f"{place:02}.png")
    Image.new("RGB", (8, 8)).save(root / "set/cat/flat.png")
    (root / "set/dog/bad.png").write_bytes(b"no picture")
    for place in range(6):
        shutil.copytree(root, root.with_name(f"copy{place}"))
    time.sleep(2.1)
    return root


@pytest.fixture(scope="module")
def copies(pictures):
    return iter(sorted(pictures.parent.glob("copy*")))


@pytest.fixture
def own(copies):
    """A copy whose files may be changed."""
    return next(copies)


def read(root, said, **options):
    samples = read_samples(root, max_bad=0.5, say=said.append, **options)
    return samples


def same(one, other):
    for name in FIELDS:
        assert getattr(one, name) == getattr(other, name)
    assert (one.sizes == other.sizes).all()
    assert (one.tops == other.tops).all()
    assert (one.targets.strata == other.targets.strata).all()
    assert [one.targets.content(k) for k in range(len(one))] == [other.targets.content(k) for k in range(len(other))]


@pytest.mark.parametrize("check", ["full", "headers"])
@pytest.mark.parametrize("kind", ["set", "pairs"])
def test_samples_are_equal_with_without_and_from_the_cache(pictures, tmp_path, monkeypatch, check, kind):
    options = {"check": check, "masked": kind == "pairs", "labelled": kind == "set"}
    without, said = read(pictures / kind, [], **options), []
    monkeypatch.setenv(caching.VARIABLE, str(tmp_path / "kept"))
    same(read(pictures / kind, said, **options), without)
    assert said == []
    same(read(pictures / kind, said, **options), without)
    count = len(without) + len(without.skipped)
    assert said == [f"scan: {count} pictures known from before, 0 looked at"]
    same(read(pictures / kind, said, cache=False, **options), without)
    assert len(said) == 1
    other = {**options, "max_pixels": 50_000_000}  # another way of looking is found out by itself
    same(read(pictures / kind, said, **other), without)
    assert len(said) == 1


def change(path):
    """Another picture of as many bytes, at the same time."""
    was, data = path.stat(), bytearray(path.read_bytes())
    data[-13] ^= 1  # in the checksum of IEND, which no decoder looks at, or of the data before it
    path.write_bytes(data)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def touch(path):
    os.utime(path)


def replace(path):
    """By another file of the same size and time."""
    was, other = path.stat(), path.with_name("other.tmp")
    other.write_bytes(path.with_name("03.png").read_bytes()[: was.st_size].ljust(was.st_size, b"\0"))
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    other.replace(path)


def grow(path):
    path.write_bytes(path.read_bytes() + b"more")


@pytest.mark.parametrize("done", [change, touch, replace, grow])
def test_a_file_that_somebody_wrote_to_is_looked_at_again(own, tmp_path, monkeypatch, done):
    monkeypatch.setenv(caching.VARIABLE, str(tmp_path / "kept"))
    said = []
    read(own / "set", said)
    done(own / "set/cat/05.png")
    found = read(own / "set", said)
    assert said == ["scan: 25 pictures known from before, 1 looked at"]
    same(found, read(own / "set", said, cache=False))
    read(own / "set", said)  # so young a file may change once more and look the same
    assert said[1:] == ["scan: 25 pictures known from before, 1 looked at"]


def test_a_mask_that_somebody_wrote_to_is_looked_at_again(own, tmp_path, monkeypatch):
    monkeypatch.setenv(caching.VARIABLE, str(tmp_path / "kept"))
    said, options = [], {"masked": True, "labelled": False}
    before = read(own / "pairs", said, **options)
    Image.fromarray(np.ones((9, 8), np.uint8)).save(own / "pairs/masks/04.png")
    after = read(own / "pairs", said, **options)
    assert said == ["scan: 11 pictures known from before, 1 looked at"]
    assert after.fingerprint != before.fingerprint
    same(after, read(own / "pairs", said, cache=False, **options))


def test_files_that_are_gone_are_forgotten_and_new_ones_looked_at(own, tmp_path, monkeypatch):
    monkeypatch.setenv(caching.VARIABLE, str(tmp_path / "kept"))
    said = []
    read(own / "set", said)
    (own / "set/cat/05.png").rename(tmp_path / "away.png")
    (own / "set/dog/new.png").write_bytes((tmp_path / "away.png").read_bytes())
    found = read(own / "set", said)
    assert said == ["scan: 25 pictures known from before, 1 looked at"]
    same(found, read(own / "set", said, cache=False))


@pytest.mark.parametrize("harm", ["cut", "flip", "foreign", "empty"])
def test_a_cache_that_is_not_whole_is_put_aside(pictures, tmp_path, monkeypatch, harm):
    monkeypatch.setenv(caching.VARIABLE, str(tmp_path / "kept"))
    said = []
    whole = read(pictures / "set", said)
    (file,) = (tmp_path / "kept").iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    harmed = {"cut": data[: len(data) // 2], "flip": bytes(data), "foreign": b"PK of somebody else", "empty": b""}
    file.write_bytes(harmed[harm])
    same(read(pictures / "set", said), whole)
    assert said == [f"{file} is damaged and put aside: what it held is found out again"]
    assert file.with_suffix(".damaged").read_bytes() == harmed[harm]
    same(read(pictures / "set", said), whole)
    assert said[1:] == ["scan: 26 pictures known from before, 0 looked at"]


def test_a_folder_that_cannot_be_written_to_is_told_once_and_gone_without(pictures, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(caching.VARIABLE, str(tmp_path / "file" / "kept"))
    said = []
    same(read(pictures / "set", said), read(pictures / "set", [], cache=False))
    assert len(said) == 1
    assert "cannot be kept" in said[0]
    assert said[0].endswith("it will be found out again")
    assert (tmp_path / "file").read_text() == "no folder"


def test_two_processes_may_scan_at_once(pictures, tmp_path):
    code = "import sys; from striate.data.load import read_samples; s = read_samples(sys.argv[1], max_bad=0.5); "
    code += "print(s.fingerprint, len(s))"
    environment = {**os.environ, caching.VARIABLE: str(tmp_path / "kept")}
    command = [sys.executable, "-c", code, str(pictures / "set")]
    several = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    answers = {each.communicate()[0] for each in several}
    assert [each.returncode for each in several] == [0, 0]
    assert answers == {f"{read(pictures / 'set', []).fingerprint} 25\n".encode()}
    assert [path.suffix for path in (tmp_path / "kept").iterdir()] == [".npz"]


def test_the_budget_is_kept_and_what_was_not_used_for_longest_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(caching, "BUDGET", 25_000)
    said = []
    for place in range(4):
        Known(tmp_path, "scan", [place], said.append).keep({b"key": os.urandom(10_000)})
        path = Known(tmp_path, "scan", [place], said.append)._path
        os.utime(path, (place, place))
    kept = [bool(Known(tmp_path, "scan", [place], said.append).entries) for place in range(4)]
    assert kept == [False, False, True, True]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 25_000
    Known(tmp_path, "scan", [9], said.append).keep({b"key": os.urandom(30_000)})
    assert len(said) == 1
    assert "it will be found out again" in said[0]


@pytest.mark.skipif(sys.platform == "win32", reason="its folder is another")
def test_where_it_lies(monkeypatch, tmp_path):
    monkeypatch.setenv(caching.VARIABLE, "")
    assert cache_folder() is None
    monkeypatch.delenv(caching.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "striate"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/striate"
    monkeypatch.setenv(caching.VARIABLE, str(tmp_path / "mine"))
    assert cache_folder() == Path(tmp_path / "mine")


TEXT = st.text(max_size=8)
LOOKS = st.builds(
    Look,
    digest=TEXT, cause=st.none() | TEXT, size=st.tuples(st.integers(0, 9), st.integers(0, 9)), grey=st.booleans(),
    options=st.lists(st.builds(Option, TEXT, st.integers() | TEXT, TEXT), max_size=2).map(tuple),
    one_colour=st.booleans(), sketch=st.binary(max_size=4),
    notes=st.lists(TEXT, max_size=2).map(tuple), top=st.integers(0, 65_535),
    mask=st.none() | st.builds(
        Seen, st.lists(TEXT, max_size=2).map(tuple), st.none() | st.dictionaries(st.integers(-1, 99), st.integers(0)),
        st.booleans(), st.lists(TEXT, max_size=2).map(tuple),
    ),
)  # fmt: skip


@given(LOOKS)
def test_a_look_comes_back_as_it_was(look):
    assert _read(_written(look)) == look
    assert {each.name for each in dataclasses.fields(Look)} <= {
        "digest", "cause", "options", "size", "grey", "one_colour", "notes", "top", "mask", "sketch"
    }  # fmt: skip
