"""Tar files in the layout of webdataset, made on the spot."""

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def tar(path: Path, files: Mapping[str, bytes] | Sequence[tuple[str, bytes]], *others: tarfile.TarInfo) -> Path:
    """A tar of these files, a name perhaps twice, and of other entries after them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as file:
        for name, data in files.items() if isinstance(files, Mapping) else files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))
        for entry in others:
            file.addfile(entry)
    return path


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """What is no regular file: a link, a pipe, a device, a folder."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def shards_of(root: Path, folder: Path, count: int, name: str = "set") -> str:
    """The pictures below `root` in so many shards, each in turn; the pattern that means them."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    for place in range(count):
        there = {path.relative_to(root).as_posix(): path.read_bytes() for path in files[place::count]}
        tar(folder / f"{name}-{place:04}.tar", there)
    return f"shards:{folder}/{name}-{{0000..{count - 1:04}}}.tar"
