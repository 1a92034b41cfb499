"""Files that survive a kill: whole or not there, and checked when read back.

A save is: temporary name in the same folder, flush, fsync, manifest with sha256, fsync, rename, fsync of
the folder. Nothing is pickled, in or out.
"""

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from striate.base.errors import MachineError, RunError, printable

MANIFEST = "manifest.json"


def write(path: Path, data: bytes) -> None:
    """Replace `path`, or the file that it links to, in one step; a kill leaves the old file or the new one.

    What is there and is no regular file, such as a folder or a device, is a `MachineError` and stays as it is.
    """
    target = _target(path)
    partial = target.with_name(f".{target.name}.partial")
    try:
        _write_synced(partial, data)
        partial.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            partial.unlink()
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
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode("utf-8", "backslashreplace")


def read_json(path: Path) -> Any:
    """The parsed file, or a RunError that names it."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RunError(path, "no such file", "the path of a run folder, as `striate runs` lists them") from None
    except (ValueError, RecursionError, OSError) as error:
        raise RunError(path, f"cannot be read ({error})", "another run; this folder is damaged") from None


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    write(path, to_csv(head, rows).encode("utf-8"))


def to_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Comma-separated lines; a text that a spreadsheet would run as a formula gets an apostrophe before it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_cell(name) for name in head])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def save_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `folder` with `files` and their manifest so that it is seen whole or not at all."""
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, data in files.items():
            _write_synced(partial / name, data)
        manifest = {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
        }
        _write_synced(partial / MANIFEST, to_json(manifest))
        _sync_folder(partial)
        if folder.exists():  # a step replayed after a kill writes the same step again
            shutil.rmtree(folder)
        partial.rename(folder)
        _sync_folder(folder.parent)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise _no_room(folder, sum(map(len, files.values())), error) from error


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file of a saved folder, checked against its manifest; a RunError names the file that fails."""
    hint = "an older generation, or training again"
    try:
        manifest = json.loads(_plain(folder / MANIFEST))
        expected = {str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in manifest.items()}
    except (OSError, ArithmeticError, ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise RunError(folder / MANIFEST, f"no valid manifest ({type(error).__name__})", hint) from None
    files = {}
    for name, (size, digest) in expected.items():
        path = folder / name
        try:
            if Path(name).name != name:
                raise ValueError("a path")
            data = _plain(path)
        except (OSError, ValueError):
            raise RunError(path, "missing, or not a plain file of this folder", hint) from None
        if len(data) != size:
            raise RunError(path, f"{len(data)} bytes where {size} were saved", hint)
        if hashlib.sha256(data).hexdigest() != digest:
            raise RunError(path, "its bytes are not the ones that were saved (sha256 differs)", hint)
        files[name] = data
    return files


def _plain(path: Path) -> bytes:
    """The bytes of a file that is no link, and no pipe that would be waited for; OSError otherwise."""
    if path.is_symlink() or not path.is_file():
        raise FileNotFoundError(path)
    return path.read_bytes()


def _target(path: Path) -> Path:
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


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows has no handle of a folder to sync
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _no_room(path: Path, size: int, error: OSError) -> MachineError:
    return MachineError(
        path,
        f"{size:,} bytes could not be written ({error.strerror or error})",
        _where_to_write(error),
    )


def _where_to_write(error: OSError) -> str:
    missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
    return "a folder that exists" if missing else "a disk with room that you may write to"


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = printable(value, most=4096)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
