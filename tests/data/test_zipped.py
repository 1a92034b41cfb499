"""Zip archives, read in place: the same samples as the folder that was packed, and what can be wrong with them."""

import os
import pickle
import stat
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest

from pictures import encode, fill, photo, put, snapshot
from striate.base.errors import DataError
from striate.data.load import read_samples
from striate.data.samples import Samples

Files = dict[str, bytes]


def picture(seed: int) -> bytes:
    return encode(photo(8, 8, seed))


def pets(count: int = 3) -> Files:
    return {
        f"{folder}/{index}.png": picture(100 * place + index)
        for place, folder in enumerate(("cat", "dog"))
        for index in range(count)
    }


def pack(root: Path, files: Files, method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = root / "pets.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def same(one: Samples, other: Samples) -> None:
    assert (one.fingerprint, one.names, one.digests, one.subsets) == (
        other.fingerprint, other.names, other.digests, other.subsets,
    )  # fmt: skip


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("around", ["", "pets/", "./", "pets//"])
@pytest.mark.parametrize("folders", ["cat dog", "train/cat train/dog test/cat test/dog", "cat/young cat/old dog"])
def test_an_archive_is_the_same_data_as_its_folder(tmp_path: Path, folders: str, around: str, method: int) -> None:
    root = fill(tmp_path / "pets", folders)
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.png")}
    archive = pack(tmp_path, {f"{around}{name}": data for name, data in files.items()}, method)
    before = snapshot(tmp_path)
    samples = read_samples(archive)
    same(samples, read_samples(root))
    assert (samples.source, samples.name) == ("zip", "pets")
    assert [samples.read(place) for place in (3, 0)] == [files[samples.names[place]] for place in (3, 0)]
    assert any("all pictures lie in pets/" in note for note in samples.notes) == around.startswith("pets")
    assert snapshot(tmp_path) == before


def test_pictures_alone_need_no_folders(tmp_path: Path) -> None:
    samples = read_samples(pack(tmp_path, {f"{index}.png": picture(index) for index in range(3)}), labelled=False)
    assert samples.names == ("0.png", "1.png", "2.png")
    with pytest.raises(DataError, match="no masks that are read"):
        read_samples(pack(tmp_path, pets()), masked=True)


def test_they_are_read_in_other_processes(tmp_path: Path) -> None:
    path = pack(tmp_path, pets())
    alone, together = read_samples(path), read_samples(path, workers=2)
    same(alone, together)
    again = pickle.loads(pickle.dumps(together.read))  # noqa: S301 - our own
    assert [again(place) for place in range(6)] == list(pets().values())


def test_a_run_of_an_archive_within_another_file_is_found(tmp_path: Path) -> None:
    path = pack(tmp_path, pets())
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    assert read_samples(path).read(5) == pets()["dog/2.png"]


def test_what_is_no_picture_is_counted_as_in_folders(tmp_path: Path) -> None:
    files = pets() | {
        "__MACOSX/cat/._0.png": b"x", ".DS_Store": b"x", "cat/.hidden.png": picture(50), "cat/notes.txt": b"x",
        "cat/more.zip": b"x", "cat/raw": picture(51), "cat/blob": b"nothing",
    }  # fmt: skip
    samples = read_samples(pack(tmp_path, files))
    assert len(samples) == 7
    assert samples.notes == (
        "1 ignored: archive (not unpacked): cat/more.zip",
        "3 ignored: hidden or system file: .DS_Store, __MACOSX/cat/._0.png, cat/.hidden.png",
        "1 ignored: not a picture (.txt): cat/notes.txt",
        "1 ignored: not a picture (no known extension): cat/blob",
    )


@pytest.mark.parametrize("name", ["../out.png", "cat/../../out.png", "/etc/out.png", "C:/out.png", "cat\\..\\out.png"])
def test_names_that_lead_elsewhere_are_counted_and_never_followed(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    samples = read_samples(pack(inner, {**pets(), name: picture(9)}))
    assert len(samples) == 6
    assert samples.notes == (f"1 ignored: name that leads out of the archive: {name}",)
    assert sorted(tmp_path.rglob("out.png")) == []


def test_links_are_counted_and_never_followed(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret.png", picture(1))
    path = pack(tmp_path, pets())
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, os.fsencode(secret))
    samples = read_samples(path)
    assert len(samples) == 6
    assert samples.notes == ("1 ignored: link (not followed in an archive): cat/link.png",)


def test_a_name_twice_is_told(tmp_path: Path) -> None:
    path = pack(tmp_path, pets())
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("cat/0.png", picture(9))
    with pytest.raises(DataError, match=r"names that lie there twice: cat/0.png"):
        read_samples(path)
    with pytest.raises(DataError, match=r"cat/0.png lies there twice"):
        read_samples(pack(tmp_path, {**pets(), "./cat//0.png": picture(9)}))


def patched(path: Path, name: str, place: int, value: bytes) -> Path:
    """The archive with other bytes in the entry of a name in its directory."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(name.encode()) - 46  # APPNOTE.TXT 6.3.10, section 4.3.12
    assert data[entry : entry + 4] == b"PK\1\2"
    data[entry + place : entry + place + len(value)] = value
    path.write_bytes(data)
    return path


def test_an_archive_with_a_password_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 encrypted file: cat/1.png") as caught:
        read_samples(patched(pack(tmp_path, pets()), "cat/1.png", 8, b"\1"))
    assert "password" in caught.value.hint


def test_a_method_that_is_not_read_is_counted(tmp_path: Path) -> None:
    samples = read_samples(pack(tmp_path, pets(), zipfile.ZIP_STORED), max_bad=0)
    assert len(samples) == 6
    with pytest.raises(DataError, match=r"no pictures in .*6 packed by a method that is not read \(14\)"):
        read_samples(pack(tmp_path, pets(), zipfile.ZIP_LZMA))


def test_a_damaged_entry_is_named_and_counted_as_any_bad_file(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = pack(tmp_path, pets(), method)
        data = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as archive:
            middle = archive.getinfo("dog/1.png").header_offset + 120
        data[middle : middle + 8] = b"\xff" * 8
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"1 file: damaged in the archive \(.*; first dog/1.png"):
            read_samples(path)
        (skip,) = read_samples(path, max_bad=0.2).skipped
        assert skip.name == "dog/1.png"


@pytest.mark.parametrize(("place", "value"), [(16, b"\0\0\0\1"), (24, b"\1\0\0\0"), (24, b"\xff\xff\0\0")])
def test_a_checksum_or_a_size_that_is_wrong_is_a_bad_file(tmp_path: Path, place: int, value: bytes) -> None:
    path = patched(pack(tmp_path, pets()), "cat/1.png", place, value)
    (skip,) = read_samples(path, max_bad=0.2).skipped
    assert (skip.name, "damaged in the archive" in skip.cause) == ("cat/1.png", True)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_an_archive_that_is_cut_is_told(tmp_path: Path, share: float) -> None:
    path = pack(tmp_path, pets())
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"pets.zip: not a zip archive that can be read") as caught:
        read_samples(path)
    assert "\n" not in str(caught.value)


def test_a_bomb_is_no_picture_and_takes_no_memory(tmp_path: Path) -> None:
    bomb = bytes(30_000_000)
    path = pack(tmp_path, {**pets(30), "cat/bomb.png": bomb})
    (skip,) = read_samples(path, max_bad=0.2).skipped
    assert skip.cause.startswith("unpacks to 30,000,000 bytes from ")
    lying = patched(path, "cat/bomb.png", 24, struct.pack("<I", 9_000_000))
    tracemalloc.start()
    (skip,) = read_samples(lying, max_bad=0.2).skipped
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    assert "damaged in the archive" in skip.cause
    huge = patched(path, "cat/bomb.png", 24, struct.pack("<I", 3_000_000_000))
    (skip,) = read_samples(huge, max_bad=0.2).skipped
    assert "3,000,000,000 bytes, more than the 200,000,000" in skip.cause


def test_entries_that_share_bytes_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path, {**pets(), "cat/8.png": bytes(100_000)}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo("cat/8.png")
    shared = struct.pack("<I", entry.header_offset)
    sizes = struct.pack("<3I", zlib.crc32(bytes(100_000)), 100_000, 100_000)
    for name in pets():
        at = data.rindex(name.encode()) - 46
        data[at + 16 : at + 28], data[at + 42 : at + 46] = sizes, shared
    path.write_bytes(data)
    with pytest.raises(DataError, match="entries that share bytes"):
        read_samples(path)


def test_more_entries_than_anyone_needs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.data.sources.zipped.MOST_ENTRIES", 5)
    with pytest.raises(DataError, match="6 entries, more than 5"):
        read_samples(pack(tmp_path, pets()))


def test_an_archive_that_changes_later_is_told(tmp_path: Path) -> None:
    path = pack(tmp_path, pets())
    samples = read_samples(path)
    pack(tmp_path, {name: picture(index + 900) for index, name in enumerate(pets())})
    with pytest.raises(DataError) as caught:
        samples.read(4)
    assert caught.value.where == f"dog/1.png in {path}"
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is no longer where the archive had it"):
        samples.read(4)
    path.unlink()
    with pytest.raises(DataError, match="no such file"):
        samples.read(4)


def test_what_is_no_archive_of_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_samples(tmp_path / "gone.zip")
    with pytest.raises(DataError, match="not a zip archive"):
        read_samples(put(tmp_path / "x.zip", b"not one"))
    with pytest.raises(DataError, match=r"pets.zip: .*nothing is in it"):
        read_samples(pack(tmp_path, {}))
    with pytest.raises(DataError, match="no class folders"):
        read_samples(pack(tmp_path, {"0.png": picture(1)}))
    fifo = tmp_path / "pipe.zip"
    os.mkfifo(fifo)
    with pytest.raises(DataError, match="not a regular file"):
        read_samples(fifo)
