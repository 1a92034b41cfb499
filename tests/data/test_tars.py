"""What a tar holds is read from its headers; one that is cut or damaged is never taken for a shorter one."""

import bz2
import gzip
import lzma
import os
import re
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards import entry, tar
from striate.base.errors import DataError
from striate.data.sources.tars import held, part

FILES = {"cat/0.png": b"a" * 700, "cat/0.cls": b"3", "./dog/1.png": b"b" * 512, "caf\udce9.png": b"c"}


def refusal(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        held(path, "a shard")
    assert caught.value.where == "a shard"
    return caught.value


def test_members_are_where_they_are_said_to_be(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", FILES, entry("cat", tarfile.DIRTYPE))
    found = held(path, "a shard")
    assert [each.name for each in found.members] == ["cat/0.png", "cat/0.cls", "dog/1.png", "caf\udce9.png"]
    assert [part(path, each.offset, each.size, "here") for each in found.members] == list(FILES.values())
    assert not found.ignored


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_of_every_form_are_read(tmp_path: Path, form: int) -> None:
    (tmp_path / "x").write_bytes(b"picture")
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as file:
        file.add(tmp_path / "x", name := "/".join(["folder" * 5] * 5 + ["1.png"]))
    (only,) = held(tmp_path / "a.tar", "").members
    assert (only.name, part(tmp_path / "a.tar", only.offset, only.size, "")) == (name, b"picture")


def test_what_is_no_file_or_leads_out_is_counted_and_never_written(tmp_path: Path) -> None:
    odd = [("../up.png", b"x"), ("/abs.png", b"x"), ("a/../../b.png", b"x"), ("__info__", b"x"), ("ok.png", b"x")]
    others = [
        entry("soft.png", tarfile.SYMTYPE, "/etc/passwd"),
        entry("hard.png", tarfile.LNKTYPE, "ok.png"),
        entry("pipe.png", tarfile.FIFOTYPE),
        entry("device.png", tarfile.CHRTYPE),
    ]
    found = held(tar(tmp_path / "in" / "a.tar", odd, *others), "")
    assert [each.name for each in found.members] == ["ok.png"]
    assert found.ignored == {
        "about the shard, no sample": ("__info__",),
        "link in a tar": ("soft.png", "hard.png"),
        "name that leads out of the tar": ("../up.png", "/abs.png", "a/../../b.png"),
        "not a regular file in a tar": ("pipe.png", "device.png"),
    }
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar", "in"]


def test_a_tar_that_is_cut_says_so_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = tar(tmp_path / "a.tar", FILES).read_bytes()
    end = len(whole.rstrip(b"\0"))
    end += -end % 512  # of the last block that is not empty; the mark of the end follows
    for size in range(512, end + 512, 128):
        (tmp_path / "b.tar").write_bytes(whole[:size])
        error = refusal(tmp_path / "b.tar")
        assert error.cause.startswith(f"cut at byte {size:,}: "), size
    (tmp_path / "b.tar").write_bytes(whole[: end + 512])
    assert len(held(tmp_path / "b.tar", "").members) == 4


def test_a_member_that_is_cut_is_named_with_both_bytes(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"1.png": b"x" * 2000})
    path.write_bytes(path.read_bytes()[:1024])
    assert refusal(path).cause == "cut at byte 1,024: 1.png would reach to 2,560"


def test_a_damaged_header_is_no_end(tmp_path: Path) -> None:
    """Python's own reader ends there without a word."""
    path = tar(tmp_path / "a.tar", FILES)
    data = bytearray(path.read_bytes())
    data[1536 + 20] ^= 1  # the second header begins at 512 + 1,024
    path.write_bytes(data)
    with tarfile.open(path) as file:
        assert len(file.getmembers()) == 1
    assert refusal(path).cause == "damaged at byte 1,536: no entry of a tar begins there"


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "an empty file"),
        (b"<html>not found</html>" * 60, "not a tar file"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 2000, "not a tar file"),
        (gzip.compress(b"\0" * 10240), "compressed by gzip, so that no picture can be read without all before it"),
        (bz2.compress(b"\0" * 10240), "compressed by bzip2"),
        (lzma.compress(b"\0" * 10240), "compressed by xz"),
        (b"\x28\xb5\x2f\xfd" + b"\0" * 600, "compressed by zstd"),
    ],
    ids=["empty", "web page", "picture", "gzip", "bzip2", "xz", "zstd"],
)
def test_what_is_no_tar_is_said_to_be_what_it_is(tmp_path: Path, data: bytes, cause: str) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    assert refusal(tmp_path / "a.tar").cause.startswith(cause)


def test_a_tar_without_members_holds_nothing(tmp_path: Path) -> None:
    assert not held(tar(tmp_path / "a.tar", {}), "").members


def test_a_pipe_and_a_folder_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tar")
    assert refusal(tmp_path / "a.tar").cause == "not a regular file (pipe)"
    assert refusal(tmp_path).cause == "not a regular file (folder)"
    assert refusal(tmp_path / "b.tar").cause == "no such file"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tar(tmp_path_factory.mktemp("tars") / "a.tar", FILES)


@given(st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), min_size=1, max_size=8))
def test_whatever_is_damaged_is_an_answer_or_a_sentence(whole: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(whole.read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    path = whole.with_name("b.tar")
    path.write_bytes(data)
    found, told = (), "cut"
    try:
        found = held(path, "").members
    except DataError as error:
        told = error.cause
    assert re.match("cut|damaged|not a tar|compressed", told)
    assert all(0 <= each.offset <= each.offset + each.size <= len(data) for each in found)
