"""What a tar file holds and where: read once from its headers, never extracted."""

import os
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from striate.base.errors import DataError
from striate.data.picture import decode

# First bytes of what cannot be entered in the middle.
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_AGAIN = "fetch or write this shard again"
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Member:
    """A file in a tar: its bytes begin at `offset`."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class Held:
    """The regular files of a tar in its order; and by cause the names of what is none, or may not be named so."""

    members: tuple[Member, ...]
    ignored: Mapping[str, tuple[str, ...]]


def held(path: Path, where: str) -> Held:
    """What the tar at `path` holds; `where` names it in errors.

    `DataError` where it is none, is compressed, is cut, or is damaged, with the byte.
    """
    members, ignored = list[Member](), defaultdict[str, list[str]](list)
    with opened(path, where) as file:
        total = os.fstat(file.fileno()).st_size
        for each in _entries(file, total, where):
            name = each.name.removeprefix("./")
            if each.isdir():
                continue
            if cause := _refusal(each, name):
                ignored[cause].append(each.name)
            else:
                members.append(Member(name, each.offset_data, each.size))
    return Held(tuple(members), {cause: tuple(names) for cause, names in sorted(ignored.items())})


def part(path: Path, offset: int, size: int, where: str) -> bytes:
    """So many bytes of a tar from there; a DataError where they are no longer there."""
    with opened(path, where) as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) < size:
        raise DataError(where, f"its shard {path.name} ends before it does", _AGAIN)
    return data


def opened(path: Path, where: str) -> BinaryIO:
    """A regular file, which whoever calls closes; an error says `where`."""
    try:
        return decode.open_file(path)
    except DataError as error:
        raise DataError(where, error.cause, "check the path and who may read it") from None


def _entries(file: BinaryIO, total: int, where: str) -> Iterator[tarfile.TarInfo]:
    """Every entry, up to the mark of the end: a tar without one is cut or damaged, also where Python reads it."""
    head = file.read(8)
    if not head:
        raise DataError(where, "an empty file", _AGAIN)
    if packed := next((name for start, name in _PACKED.items() if head.startswith(start)), None):
        cause = f"compressed by {packed}, so that no picture can be read without all before it"
        raise DataError(where, cause, "unpack it: the shard as a plain .tar, e.g. by `gunzip`")
    file.seek(0)
    after = 0
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (each := tar.next()) is not None:
                if each.size < 0 or tar.offset <= after:
                    raise DataError(where, f"damaged at byte {each.offset:,}: {each.name} ends before it", _AGAIN)
                if (after := tar.offset) > total:
                    cause = f"cut at byte {total:,}: {each.name} would reach to {after:,}"
                    raise DataError(where, cause, _AGAIN)
                tar.members.clear()  # type: ignore[attr-defined]  # a million of them need not be kept
                yield each
            after = tar.offset
    except (tarfile.TarError, ValueError, OverflowError, OSError, EOFError) as error:
        if not after:
            raise DataError(where, f"not a tar file ({error})", "shards that `tar` or webdataset wrote") from None
        ran_out = file.tell() >= total
        cause = f"cut at byte {total:,}: {error}" if ran_out else f"damaged after byte {after:,} ({error})"
        raise DataError(where, cause, _AGAIN) from None
    file.seek(after)
    mark = file.read(_BLOCK)
    if len(mark) < _BLOCK:
        raise DataError(where, f"cut at byte {total:,}: it has no mark of its end", _AGAIN)
    if any(mark):
        raise DataError(where, f"damaged at byte {after:,}: no entry of a tar begins there", _AGAIN)


def _refusal(entry: tarfile.TarInfo, name: str) -> str | None:
    """Why an entry is no part of a sample."""
    if entry.issym() or entry.islnk():
        return "link in a tar"
    if not entry.isreg():
        return "not a regular file in a tar"
    if entry.issparse():
        return "sparse file in a tar"
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        return "name that leads out of the tar"
    if re.match(r"__[^/]*__($|/)", name):  # as webdataset names what is no sample
        return "about the shard, no sample"
    return None
