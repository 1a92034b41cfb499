"""Files that survive a kill: whole or not there, and checked when read back.

A save is: temporary name in the same folder, flush, fsync, manifest with sha256, fsync, rename, fsync of
the folder. What a saved folder replaces is set aside as `.NAME.old` until the new one is in place; whoever finds
NAME missing reads that one. Nothing is pickled, in or out.
"""

import contextlib
import csv
import errno
import hashlib
import io
import itertools
import json
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.base import declared, reading, utf8
from striate.base.errors import MachineError, RunError, escaped

MANIFEST = "manifest.json"
MOST_OF_MANIFEST = 2**20
_RUN = ("=", "+", "-", "@")  # how what a spreadsheet would run begins


def write(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Replace `path`, or the file that it links to, in one step; a kill leaves the old file or the new one.

    Parts of data are written as they come, so that a file may be larger than what memory should hold.
    What is there and is no regular file, such as a folder or a device, is a `MachineError` and stays as it is.
    """
    target = meant_by(path)
    partial = _partial(target)
    try:
        _write_synced(partial, (data,) if isinstance(data, bytes) else data)
        partial.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise _no_room(path, len(data) if isinstance(data, bytes) else 0, error) from error
    finally:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            partial.unlink()


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Add whole lines at the end of a file, made where there is none; a line that a kill has cut there is ended first.

    A link, or what is no regular file, is a `MachineError` and stays as it is.
    """
    if not lines:
        return
    data = "".join(f"{line}\n" for line in lines).encode("ascii")
    flags = [getattr(os, name, 0) for name in ("O_RDWR", "O_APPEND", "O_CREAT", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")]
    try:
        handle = os.open(path, sum(flags), 0o644)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is no regular file")
            if found.st_size:
                os.lseek(handle, -1, os.SEEK_END)
                data = data if os.read(handle, 1) == b"\n" else b"\n" + data
            if os.write(handle, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            _sync(handle)
        finally:
            os.close(handle)
        _sync_folder(path.parent)
    except OSError as error:
        raise _no_room(path, len(data), error) from error


def make_folder(folder: Path) -> None:
    """Make `folder` and those above it unless it is there; a `MachineError` where files cannot be written to it."""
    hint = "a folder that you may write to"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(folder, f"no folder can be made here ({error.strerror or error})", hint) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MachineError(folder, "this folder cannot be written to", hint)


def write_json(path: Path, value: Any) -> None:
    write(path, to_json(value))


def to_json(value: Any) -> bytes:
    return (json.dumps(utf8.exact(value), indent=2, allow_nan=False) + "\n").encode()


def as_read(value: Any) -> Any:
    """A value as a file of JSON gives it back: lists for tuples."""
    return json.loads(to_json(value))


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    write(path, (part.encode() for part in _csv_parts(head, rows)))


def to_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Comma-separated lines; a text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return "".join(_csv_parts(head, rows))


def _csv_parts(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    lines = itertools.chain([head], rows)
    while part := list(itertools.islice(lines, 10_000)):
        if (plain := _plain(part)) is not None:
            yield plain
            continue
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in part)
        yield text.getvalue()


def _plain(rows: Sequence[Sequence[Any]]) -> str | None:
    """The lines of rows of texts of which none needs a quote, an escape or an apostrophe; None where one may."""
    try:
        text = "\n".join(map(",".join, rows))
    except TypeError:  # numbers
        return None
    as_many = text.count(",") == sum(map(len, rows)) - len(rows) and text.count("\n") == len(rows) - 1
    if not as_many or '"' in text or not text.replace("\n", "").isprintable():
        return None
    lines, begins = f"\n{text}\n", ("\n\n", *(f"{before}{sign}" for before in "\n," for sign in _RUN))
    return None if any(each in lines for each in begins) else lines[1:]


def save_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `folder` with `files` and their manifest so that it is seen whole or not at all.

    A folder of that name is there, or set aside, until the new one is in place and reads back as it was written.
    """
    partial = _partial(folder)
    sums = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    try:
        partial.mkdir(parents=True)
        for name, data in files.items():
            _write_synced(partial / name, (data,))
        _write_synced(partial / MANIFEST, (to_json(sums),))
        _sync_folder(partial)
        _take_back(folder)
        _put_in_place(partial, folder)
    except OSError as error:
        raise _no_room(folder, sum(map(len, files.values())), error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def standing(folder: Path) -> Path:
    """Where a saved folder lies: under its name, or aside, where a kill came between the two renames of a save."""
    aside = _aside(folder)
    return aside if aside.is_dir() and not aside.is_symlink() and not folder.exists() else folder


def saved_folders(root: Path, names: str) -> list[Path]:
    """The saved folders in `root` whose names match the pattern `names`, also those that stand aside."""
    found = (re.fullmatch(rf"({names})|\.({names})\.old", path.name) for path in root.iterdir())
    return [root / name for name in {each[1] or each[2] for each in found if each}]


def sweep(root: Path, names: str) -> None:
    """Remove from `root` what killed saves left there; what stands aside of a missing folder gets its name back.

    `names` is a pattern of the names that are saved in `root`. What else is there, and what is a link, stays.
    """
    with contextlib.suppress(OSError):  # debris is no reason to stop anything
        for path in list(root.iterdir()):
            found = re.fullmatch(rf"\.striate-[0-9a-f]{{16}}\.partial|\.({names})\.(partial|old)", path.name)
            if found is None or path.is_symlink():
                continue
            if found[2] != "old":
                path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
            elif path.is_dir():
                _take_back(root / found[1])
                shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class Saved:
    """A file as its manifest tells of it."""

    bytes: declared.Count
    sha256: declared.Digest


def read_folder(folder: Path, most: Mapping[str, int] | None = None) -> dict[str, bytes]:
    """Every file of a saved folder, checked against its manifest; a RunError names the file that fails.

    `most`: the files that there may be, and the bytes that each may have.
    """
    hint = "an older generation, or training again"
    folder = standing(folder)
    reading.refuse_link(folder)
    manifest = reading.read_json(folder / MANIFEST, MOST_OF_MANIFEST)
    saved = declared.read(Mapping[str, Saved], manifest, folder / MANIFEST)
    files = {}
    for name, told in saved.items():
        path = folder / name
        if Path(name).name != name or (most is not None and name not in most):
            raise RunError(path, "no file of this folder can be called so", hint)
        data = reading.read_bytes(path, told.bytes if most is None else most[name], told.bytes)
        if hashlib.sha256(data).hexdigest() != told.sha256:
            raise RunError(path, "its bytes are not the ones that were saved (sha256 differs)", hint)
        files[name] = data
    return files


def meant_by(path: Path) -> Path:
    """The regular file that `path` means, there or not yet: the one it points to where it is a link."""
    hint = "the name of a file"
    try:
        real = Path(os.path.realpath(path))
        for each in (path, real):  # /dev/stdout leads to a pipe that only `path` can tell of
            if each.is_dir():
                raise MachineError(path, "it is a folder", hint)
            if each.exists() and not each.is_file():
                raise MachineError(path, "it is a device or a pipe and not a regular file", hint)
    except OSError as error:
        raise MachineError(path, f"it cannot be used ({error.strerror or error})", hint) from error
    if real.is_symlink():
        raise MachineError(path, "it is a link that leads to itself", hint)
    return real


def _partial(path: Path) -> Path:
    """A name in the same folder that is nobody's: no file of a user is in the way, and two processes do not meet."""
    return path.with_name(f".striate-{secrets.token_hex(8)}.partial")


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _take_back(folder: Path) -> None:
    place = standing(folder)
    if place != folder:
        place.rename(folder)


def _put_in_place(partial: Path, folder: Path) -> None:
    """`partial` gets the name of `folder`; what was called so goes after that, or is taken back when it fails."""
    aside, replaced = _aside(folder), folder.exists()
    if replaced:
        if folder.is_symlink() or not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "what is there is no folder of its own")
        if aside.exists():  # it could not be removed, and is no reason not to save
            aside.rename(_partial(folder))
        folder.rename(aside)
    try:
        partial.rename(folder)
        _read_back(folder)
    except OSError:
        with contextlib.suppress(OSError):
            folder.rename(partial)
        with contextlib.suppress(OSError):
            _take_back(folder)
        raise
    _sync_folder(folder.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _read_back(folder: Path) -> None:
    """OSError where the files of `folder` are not what its manifest says; no file is held in memory."""
    for name, sums in json.loads((folder / MANIFEST).read_bytes()).items():
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sums["sha256"]:
                raise OSError(errno.EIO, "what is read back is not what was written")


def _write_synced(path: Path, parts: Iterable[bytes]) -> None:
    """A new file."""
    with path.open("xb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        _sync(file.fileno())


def _sync(handle: int) -> None:
    if sys.platform == "darwin":  # whose fsync ends at the disk's own memory
        import fcntl

        with contextlib.suppress(OSError):  # a file system that knows no other
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows has no handle of a folder to sync
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise  # else it is a file system that syncs no folders
    finally:
        os.close(handle)


def _no_room(path: Path, size: int, error: OSError) -> MachineError:
    cause = f"{f'{size:,} bytes' if size else 'it'} could not be written ({error.strerror or error})"
    missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
    return MachineError(path, cause, "a folder that exists" if missing else "a disk with room that you may write to")


def _cell(value: object) -> object:
    if not isinstance(value, str) or (value.isalnum() and value.isascii()):  # a million digests need no second look
        return value
    text = escaped(value)
    return f"'{text}" if text.startswith(_RUN) else text


def unquoted(cell: str) -> str:
    """A cell as it was before the apostrophe that keeps a spreadsheet from running it."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_RUN) else cell
