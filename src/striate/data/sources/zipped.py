"""A zip archive of pictures, read in place: nothing is unpacked to disk, and every name in it is only a name."""

import os
import stat
import struct
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import final

from striate.base.errors import DataError
from striate.base.words import many, some
from striate.data.contents import identity_of
from striate.data.listing import Listing
from striate.data.picture import decode, limits
from striate.data.picture.pixels import PIXELS
from striate.data.sources.folder import DEPTH, Found, in_any_folders, in_class_folders, is_hidden, no_picture
from striate.data.sources.layout import SUBSETS, Layout

SUFFIX = ".zip"
MOST_ENTRIES = 2_000_000
# What unpacks to more than this many times its size, and to more bytes than these, is no picture that anyone took.
RATIO, SMALL = 200, 10_000_000
_AGAIN = "the whole archive: copy or make it again"
_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_HEAD = struct.Struct("<4s5H3I2H")  # of an entry, beside its bytes (APPNOTE.TXT 6.3.10, section 4.3.7)


@final
@dataclass(frozen=True)
class Entry:
    """Where the bytes of a file lie in an archive, and what these are once unpacked."""

    name: str
    begin: int
    packed: int
    size: int
    method: int
    checksum: int


@final
@dataclass(frozen=True)
class Zipped:
    """Files in one archive, which is opened for each of them, so that no process has a place in it that others move."""

    path: Path
    entries: Sequence[Entry]

    def __call__(self, index: int, max_pixels: int = PIXELS) -> bytes:
        entry, where = self.entries[index], self.where(index)
        limits.refuse_large(entry.size, where, max_pixels)
        if entry.size > SMALL and entry.size > RATIO * entry.packed:
            raise DataError(where, f"unpacks to {entry.size:,} bytes from {entry.packed:,}, and is no picture", _AGAIN)
        return _unpacked(self.path, entry, where)

    def where(self, index: int) -> str:
        return f"{self.entries[index].name} in {self.path}"

    def identity(self, index: int) -> tuple[int, ...] | None:
        found = identity_of(self.path)
        return found and (*found, self.entries[index].begin)

    def taken(self, places: Sequence[int]) -> "Zipped":
        return Zipped(self.path, tuple(self.entries[place] for place in places))


def list_zip(
    path: Path, *, labelled: bool = True, learnable: bool = True, merge_classes: bool = False, layout: Layout = "auto"
) -> Listing:
    """The pictures of an archive by the rules of folders; one folder around all others is left out of the names.

    A DataError for an archive that is cut or encrypted, in which a name lies twice or entries share bytes, or that
    holds more than `MOST_ENTRIES`. Links, names that lead elsewhere and archives in it are counted, and not followed.
    """
    path = path.absolute()
    entries, found = _inside(path)
    found, around = _without(found)
    if labelled:
        listing = in_class_folders(path, found, learnable=learnable, merge_classes=merge_classes, layout=layout)
    else:
        listing = in_any_folders(path, found, layout=layout if learnable else "classes")
    told = (f"all pictures lie in {around} of {path.name}, which is no part of their names",) if around else ()
    return replace(
        listing,
        name=path.stem,
        source="zip",
        notes=(*listing.notes, *told),
        contents=Zipped(path, [entries[around + name] for name in listing.names]),
    )


def _inside(path: Path) -> tuple[dict[str, Entry], Found]:
    """Every file by its name, and which of them are pictures by the rules of folders."""
    try:
        with decode.open_file(path) as opened, zipfile.ZipFile(opened) as archive:
            infos, size = archive.infolist(), os.fstat(opened.fileno()).st_size
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError) as error:
        raise DataError(path, f"not a zip archive that can be read ({error})", _AGAIN) from None
    _refuse(path, infos, size)
    entries: dict[str, Entry] = {}
    folders, ignored = set[str](), defaultdict[str, list[str]](list)
    pictures = []
    for info in infos:
        name = PurePosixPath(info.filename).as_posix()
        parts = PurePosixPath(name).parts
        if parts and (cause := _refusal(info, parts)):
            ignored[cause].append(info.filename)
        elif info.is_dir():
            folders.add(name)
        elif parts:
            if name in entries:
                raise DataError(path, f"{name} lies there twice", "one file of each name")
            entries[name] = _entry(info)
            if cause := no_picture(name, partial(_start, path, entries[name])):
                ignored[cause].append(name)
            else:
                pictures.append(name)
    folders |= {parent.as_posix() for name in pictures for parent in PurePosixPath(name).parents}
    folders |= {parent.as_posix() for name in folders for parent in PurePosixPath(name).parents}
    ordered = sorted(folders - {"."}, key=os.fsencode)
    return entries, Found(sorted(pictures, key=os.fsencode), ordered, ignored)


def _refuse(path: Path, infos: Sequence[zipfile.ZipInfo], size: int) -> None:
    """A DataError for an archive that is not what a person would make of pictures."""
    if len(infos) > MOST_ENTRIES:
        raise DataError(path, f"{len(infos):,} entries, more than {MOST_ENTRIES:,}", "several archives, or a folder")
    if locked := [info.filename for info in infos if info.flag_bits & 0x1]:
        cause = f"{many(len(locked), 'encrypted file')}: {some(locked, 3)}"
        raise DataError(path, cause, "unpack it with its password and give the folder")
    if twice := [name for name, count in Counter(info.filename for info in infos).items() if count > 1]:
        raise DataError(path, f"names that lie there twice: {some(twice)}", "one file of each name")
    if sum(info.compress_size for info in infos) > size:
        raise DataError(path, "entries that share bytes, so that it unpacks to more than it holds", _AGAIN)


def _refusal(info: zipfile.ZipInfo, parts: Sequence[str]) -> str | None:
    """Why an entry is neither a picture nor a folder, by its name and kind."""
    if parts[0] == "/" or ".." in parts or ":" in parts[0] or "\\" in info.filename or "\0" in info.orig_filename:
        return "name that leads out of the archive"
    if any(map(is_hidden, parts)):
        return "hidden or system file"
    if len(parts) > DEPTH:
        return f"folder deeper than {DEPTH}"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "link (not followed in an archive)"
    if not info.is_dir() and info.compress_type not in (_STORED, _DEFLATED):
        return f"packed by a method that is not read ({info.compress_type})"
    return None


def _without(found: Found) -> tuple[Found, str]:
    """Without the one folder in which all others lie, if there is one that is no subset; and that folder."""
    tops = {name.partition("/")[0] for name in (*found.files, *found.folders)}
    around = f"{next(iter(tops), '')}/"
    inner = {name.split("/")[1] for name in found.files if name.count("/") > 1}
    if len(tops) > 1 or not inner or around[:-1].lower() in SUBSETS:
        return found, ""
    files, folders = ([name[len(around) :] for name in names] for names in (found.files, found.folders))
    return Found(files, [name for name in folders if name], found.ignored), around


def _entry(info: zipfile.ZipInfo) -> Entry:
    begin, packed, size = info.header_offset, info.compress_size, info.file_size
    return Entry(PurePosixPath(info.filename).as_posix(), begin, packed, size, info.compress_type, info.CRC)


def _start(path: Path, entry: Entry) -> bytes:
    """The first bytes of an entry; none where it is damaged, or large beyond reason."""
    try:
        return Zipped(path, (entry,))(0)[:16]
    except DataError:
        return b""


def _unpacked(path: Path, entry: Entry, where: str) -> bytes:
    """The bytes of an entry, checked; never more than it says it has."""
    with decode.open_file(path) as file:
        file.seek(entry.begin)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size or not head.startswith(b"PK\3\4"):
            raise DataError(where, "is no longer where the archive had it", "scan the data again")
        *_, name, extra = _HEAD.unpack(head)
        file.seek(name + extra, os.SEEK_CUR)
        packed = file.read(entry.packed)
    try:
        data = packed
        if entry.method == _DEFLATED:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, entry.size + 1)
    except zlib.error as error:
        raise DataError(where, f"damaged in the archive ({error})", _AGAIN) from None
    if len(data) != entry.size or zlib.crc32(data) != entry.checksum:
        raise DataError(where, "damaged in the archive (its checksum is another)", _AGAIN)
    return data
