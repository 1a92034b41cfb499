"""Shards at an address: copied whole into the user's cache folder, least recently used first out.

Whole, because training reads every picture of a shard before it goes on to others: one request in place of thousands.
"""

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, final
from urllib.parse import urlsplit

from striate.base.errors import DataError, MachineError, StriateError
from striate.base.foreign import missing_package
from striate.data.cache import VARIABLE, cache_folder

# Seconds without a byte after which a server is taken to be gone, and how often it is asked.
PATIENCE, TRIES = 60.0, 3
_LOCKS = 64


@final
@dataclass(frozen=True)
class Shard:
    """A tar file: at `path`, or fetched to there from its address whenever it has been thrown out."""

    address: str
    path: Path
    fetched: bool = False

    @property
    def name(self) -> str:
        return PurePosixPath(self.address.replace(os.sep, "/")).name

    def at_hand(self) -> Path:
        """Its file, which is here when this returns."""
        if self.fetched:
            _fetch(self.address, self.path)
        return self.path


def refuse_secrets(address: str) -> None:
    """A DataError for an address that is more than a place: what is typed is written into run.json."""
    parts = urlsplit(address)
    said = "".join((f"{parts.scheme}://", parts.netloc.rpartition("@")[2], parts.path))
    if "@" in parts.netloc or parts.query or parts.fragment:
        cause = "a user, a password or a query in an address would be written into run.json"
        raise DataError(said, cause, "the address alone, and credentials where fsspec looks for them")
    if "::" in address:
        raise DataError(said, "one address inside another", "the address of the shards themselves")


def found(pattern: str) -> list[str]:
    """The addresses that match a pattern; the pattern itself where it has no * in it."""
    if not re.search(r"[*\[]", pattern):
        return [pattern]
    with _told(pattern):
        system, path = _system(pattern)
        return [system.unstrip_protocol(each) for each in system.glob(path)]


def shard(address: str) -> Shard:
    """The shard at an address, and where its copy lies: by what the server says of its size, its tag and its time."""
    with _told(address):
        system, path = _system(address)
        said = system.info(path)
        if said.get("type") == "directory":
            raise DataError(address, "a folder", f"{address.rstrip('/')}/*.tar")
    folder = cache_folder()
    if folder is None:
        raise MachineError(address, f"{VARIABLE} is empty, and shards are copied to there", f"{VARIABLE}=FOLDER")
    told = {key: said.get(key) for key in ("size", "ETag", "Last-Modified", "mtime", "LastModified", "created")}
    name = hashlib.sha256(repr((address, told)).encode()).hexdigest()[:32]
    return Shard(address, folder / "shards" / f"{name}.tar", fetched=True)


def _fetch(address: str, path: Path) -> None:
    """Copy it to there, unless it is; one process at a time."""
    from filelock import FileLock

    if _used(path):
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.parent / f"{int(path.stem, 16) % _LOCKS}.lock"
        with FileLock(lock):
            if not _used(path):
                _copy(address, path)
    except OSError as error:
        cause = f"shards cannot be copied to {path.parent} ({error.strerror or error})"
        raise MachineError(address, cause, f"{VARIABLE} with a folder that has room") from None


def _used(path: Path) -> bool:
    """Whether it is there; it is then thrown out later than those that were not asked for."""
    try:
        os.utime(path)
    except OSError:
        return False
    return True


def _copy(address: str, path: Path) -> None:
    partial = path.with_suffix(".part")
    for left in reversed(range(TRIES)):
        try:
            with _told(address):
                system, there = _system(address)
                size = int(system.info(there).get("size") or 0)
                make_room(path.parent, size, address)
                system.get_file(there, str(partial))
            if size and partial.stat().st_size != size:
                raise MachineError(address, f"{partial.stat().st_size:,} of {size:,} bytes came", "again")
            partial.replace(path)
            return
        except MachineError:
            if not left:
                raise
            time.sleep(1)


def make_room(folder: Path, size: int, address: str) -> None:
    """Throw out copies, the longest unused first, until all of them and `size` more are half of what could be there."""
    held = sorted((each.stat().st_mtime_ns, each.stat().st_size, each) for each in folder.glob("*.tar"))
    kept = sum(bytes for _, bytes, _ in held)
    most = (kept + shutil.disk_usage(folder).free) // 2
    if size > most:
        cause = f"{size:,} bytes, and copies of shards in {folder} take at most {most:,}: half of what is free"
        raise DataError(address, cause, f"{VARIABLE} with a folder that has more room")
    for _, bytes, each in held:
        if kept + size <= most:
            return
        each.unlink(missing_ok=True)
        kept -= bytes


def _system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path there; made anew in each process, as fsspec asks."""
    try:
        from fsspec.core import url_to_fs

        options: dict[str, Any] = {}
        if address.startswith(("http://", "https://")):
            from aiohttp import ClientTimeout

            options = {"client_kwargs": {"timeout": ClientTimeout(total=None, connect=PATIENCE, sock_read=PATIENCE)}}
        system, path = url_to_fs(address, **options)
    except ModuleNotFoundError as error:
        raise missing_package(address, error, "hub") from None
    except ImportError as error:  # fsspec says which package reads such addresses
        raise MachineError(address, f"a package is missing ({error})", "pip install, with its name") from None
    except ValueError as error:  # a protocol that nobody knows
        raise DataError(
            address, f"no address of files ({error})", "https://, s3:// or another that fsspec knows"
        ) from None
    return system, path


@contextlib.contextmanager
def _told(address: str) -> Iterator[None]:
    """What a server does not give, as a sentence."""
    try:
        yield
    except StriateError:
        raise
    except Exception as error:  # each file system has its own
        cause = error.__cause__ or error
        if isinstance(error, FileNotFoundError) and getattr(cause, "status", 404) == 404 and error.__cause__ is None:
            raise DataError(address, "no such file there", "the address") from None
        if getattr(cause, "status", None) == 404:
            raise DataError(address, "no such file there (404)", "the address") from None
        told = " ".join(str(cause).split()) or type(cause).__name__
        raise MachineError(
            address, f"it cannot be fetched ({told})", "the network, and whether it opens there"
        ) from None
