"""Published sets in the binary files that their authors give out: CIFAR, STL-10, and MNIST with those made like it.

Read by their sizes and magic numbers alone, from a folder or the tar archive as it is published; nothing is unpickled.
Sources: the pages of CIFAR-10 and CIFAR-100 (Krizhevsky 2009), of STL-10 (Coates et al. 2011) and of MNIST (LeCun et
al. 1998), whose IDX files Fashion-MNIST (Xiao et al. 2017), KMNIST (Clanuwat et al. 2018) and EMNIST (Cohen et al.
2017) use.
"""

import gzip
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, final

import numpy as np

from striate.base.errors import DataError
from striate.base.words import many, some
from striate.data.listing import Listing
from striate.data.picture import decode
from striate.data.picture.laid import Pixels
from striate.data.targets import Whole

TARS = (".tar", ".tar.gz", ".tgz")
MOST_BYTES, _CHUNK = 2_000_000_000, 1 << 24  # of one file, unpacked, and of what is read at a time
CLASSES = "classes.txt"
CIFAR_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL_10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
_IDX = re.compile(r"(?P<set>.*?)(?P<part>train|t10k|test)[-_.](?P<what>images|labels)[-_.]idx[13][-_.]ubyte(\.gz)?")
_WANTED = re.compile(
    rf"(data_batch_\d+|(test_batch|test|train)(_[Xy])?)(\.bin)?|batches\.meta|meta|.*\.txt|{_IDX.pattern}"
)
_PICKLES = ({"batches.meta", "data_batch_1"}, {"meta", "train", "test"})
_AGAIN = "the file as it is published: download it again"


@final
@dataclass(frozen=True)
class _Files:
    """Files by name, and how the bytes of each are had."""

    where: Path
    names: Collection[str]
    read: Callable[[str], bytes]


@final
@dataclass(frozen=True)
class _Part:
    """One subset: uint8 (n, height, width, 1 or 3), and the place of each label among the names of the classes."""

    pictures: Pixels
    labels: Whole


def is_binary(path: Path) -> bool:
    """Whether a path is a tar archive, an IDX file, or a folder right in which the files of such a set lie."""
    if not path.is_dir():
        return path.name.lower().endswith(TARS) or _IDX.fullmatch(path.name) is not None
    try:
        return _form({entry.name for entry in os.scandir(path)}) is not None
    except OSError:
        return False


def list_binary(path: Path) -> tuple[Listing, Pixels]:
    """The set in a folder or a tar archive, or of which `path` is one file; and its pictures, uint8 (n, h, w, 1 or 3).

    A DataError where a file is missing, cut, or of another size than it says.
    """
    path = path.absolute()
    files = _in_tar(path) if path.name.lower().endswith(TARS) else _in_folder(path)
    form = _form(files.names)
    if form is None:
        hint = f"shards:{path}, if these are tar shards; else unpack it, and give the folder"
        raise DataError(path, "an archive in which no CIFAR, STL-10 or MNIST in binary files lies", hint)
    parts, names, notes = form(files)
    shapes = {part.pictures.shape[1:] for part in parts.values()}
    if len(shapes) > 1:
        raise DataError(path, f"training and test pictures of {some(map(str, sorted(shapes)))}", _AGAIN)
    rows = [(f"{subset}/{index:06d}", subset) for subset, part in parts.items() for index in range(len(part.labels))]
    order = sorted(range(len(rows)), key=rows.__getitem__)
    labels = np.concatenate([part.labels for part in parts.values()])[order]
    used = sorted({names[label] for label in np.unique(labels).tolist()}, key=os.fsencode)
    listing = Listing(
        name=path.name.partition(".")[0] or path.name,
        source="binary",
        root=path,
        names=tuple(rows[index][0] for index in order),
        labels=tuple(used.index(names[label]) for label in labels.tolist()),
        classes=tuple(used),
        subsets=tuple(rows[index][1] for index in order) if len(parts) > 1 else None,
        notes=tuple(notes),
    )
    return listing, np.concatenate([part.pictures for part in parts.values()])[order]


_Found = tuple[Mapping[str, _Part], list[str], list[str]]  # subsets, names of classes, notes


def _form(names: Collection[str]) -> Callable[[_Files], _Found] | None:
    """How the set that has these files is read."""
    if any(pickles <= set(names) for pickles in _PICKLES):
        return _refuse_pickles
    if "data_batch_1.bin" in names:
        return _cifar_10
    if {"train.bin", "fine_label_names.txt"} <= set(names):
        return _cifar_100
    if "train_X.bin" in names:
        return _stl_10
    return _idx if any(map(_IDX.fullmatch, names)) else None


def _refuse_pickles(files: _Files) -> _Found:
    cause = "the Python version of CIFAR, of pickles, which can run code when they are opened"
    raise DataError(files.where, cause, "the binary version from the same page, cifar-10-binary.tar.gz")


def _cifar_10(files: _Files) -> _Found:
    names = _lines(files, "batches.meta.txt") if "batches.meta.txt" in files.names else list(CIFAR_10)
    batches = [_records(files, f"data_batch_{number}.bin", 1, names) for number in range(1, 6)]
    train = _Part(*(np.concatenate(column) for column in zip(*((b.pictures, b.labels) for b in batches), strict=True)))
    return {"train": train, "test": _records(files, "test_batch.bin", 1, names)}, names, []


def _cifar_100(files: _Files) -> _Found:
    names = _lines(files, "fine_label_names.txt")
    return {subset: _records(files, f"{subset}.bin", 2, names) for subset in ("train", "test")}, names, []


def _records(files: _Files, name: str, labels: int, names: list[str]) -> _Part:
    """Of each picture its labels, the last of which counts, then 32 x 32 pixels of red, of green and of blue."""
    data, size = _needed(files, name), labels + 3 * 32 * 32
    if not data or len(data) % size:
        raise _cut(files, name, f"{len(data):,} bytes, which are no pictures of {size:,} bytes each")
    rows = np.frombuffer(data, np.uint8).reshape(-1, size)
    pictures = rows[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return _Part(np.ascontiguousarray(pictures), _checked(files, name, rows[:, labels - 1], names))


def _stl_10(files: _Files) -> _Found:
    names = _lines(files, "class_names.txt") if "class_names.txt" in files.names else list(STL_10)
    parts = {}
    for subset in ("train", "test"):
        name, said = f"{subset}_X.bin", f"{subset}_y.bin"
        data, labels = _needed(files, name), np.frombuffer(_needed(files, said), np.uint8)
        if not data or len(data) != len(labels) * 3 * 96 * 96:
            raise _cut(
                files, name, f"{len(data):,} bytes, which are not {many(len(labels), 'picture')} of 27,648 bytes"
            )
        if not labels.all():
            raise _cut(files, said, "a label 0; its labels begin at 1")
        pictures = np.frombuffer(data, np.uint8).reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)  # column by column
        parts[subset] = _Part(np.ascontiguousarray(pictures), _checked(files, said, labels - 1, names))
    return parts, names, ["the unlabelled pictures of STL-10 are not read"]


def _idx(files: _Files) -> _Found:
    found: dict[str, dict[tuple[str, str], str]] = {}
    for name in sorted(files.names, reverse=True):  # a file that is unpacked beside its .gz comes last, and counts
        if match := _IDX.fullmatch(name):
            subset = "train" if match["part"] == "train" else "test"
            found.setdefault(match["set"], {})[subset, match["what"]] = name
    if len(found) > 1:
        hint = f"one of its files: {files.where / min(found[min(found)].values())}"
        raise DataError(files.where, f"several sets: {some(sorted(found))}", hint)
    ((prefix, each),) = found.items()
    parts, turned = {}, prefix.lower().startswith("emnist")
    for subset in ("train", "test"):
        if (subset, "images") not in each:
            continue
        if (subset, "labels") not in each:
            missing = each[subset, "images"].replace("images", "labels").replace("idx3", "idx1")
            raise DataError(files.where, f"no {missing}", "all files of the set, as it is published")
        pictures = _array(files, each[subset, "images"], 3)
        labels = _array(files, each[subset, "labels"], 1)
        if len(pictures) != len(labels):
            cause = f"{many(len(labels), 'label')} for {many(len(pictures), 'picture')}"
            raise _cut(files, each[subset, "labels"], cause)
        upright = pictures.transpose(0, 2, 1) if turned else pictures
        parts[subset] = _Part(np.ascontiguousarray(upright)[..., None], labels.astype(np.int64))
    if "train" not in parts:
        raise DataError(files.where, f"no {prefix}train-images-idx3-ubyte", "the files of training pictures there")
    names = _names(files, prefix, 1 + max(int(part.labels.max()) for part in parts.values()))
    return parts, names, ["the pictures of EMNIST lie on their side in its files, and were set upright"] * turned


def _array(files: _Files, name: str, dimensions: int) -> Pixels:
    """An IDX file: 0, 0, 8 for bytes, the number of dimensions, the size of each as uint32 of large end, the bytes."""
    data = files.read(name)
    begin = 4 + 4 * dimensions
    if data[:4] != bytes((0, 0, 8, dimensions)) or len(data) < begin:
        raise _cut(files, name, f"not an IDX file of bytes in {many(dimensions, 'dimension')}")
    shape = [int(side) for side in np.frombuffer(data, ">u4", dimensions, 4)]
    size = int(np.prod([float(side) for side in shape]))
    if len(data) - begin != size or not size:
        raise _cut(files, name, f"{len(data) - begin:,} bytes where its head says {' x '.join(map(str, shape))}")
    return np.frombuffer(data, np.uint8, size, begin).reshape(shape)


def _names(files: _Files, prefix: str, count: int) -> list[str]:
    """Class names of an IDX set: the lines of classes.txt, the letters of EMNIST's mapping, else the numbers."""
    mapping = f"{prefix.rstrip('-_.')}-mapping.txt"
    if CLASSES in files.names:
        names = _lines(files, CLASSES)
    elif mapping in files.names:
        names = [str(place) for place in range(count)]
        try:
            for line in _lines(files, mapping):
                label, *letters = map(int, line.split())
                if label < count:
                    names[label] = "".join(map(chr, letters))
        except (ValueError, OverflowError):
            raise _cut(files, mapping, "not lines of numbers: a label and its letters") from None
    else:
        return [str(place) for place in range(count)]
    if len(names) < count:
        raise _cut(files, CLASSES, f"{many(len(names), 'name')}, and a label {count - 1}")
    return names


def _checked(files: _Files, name: str, labels: Pixels, names: list[str]) -> Whole:
    if int(labels.max()) >= len(names):
        raise _cut(files, name, f"a label {int(labels.max())} where there are {many(len(names), 'class')}")
    return labels.astype(np.int64)


def _lines(files: _Files, name: str) -> list[str]:
    text = files.read(name).decode("utf-8-sig", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(set(lines)) < len(lines) or not lines:
        raise _cut(files, name, "no names, or one name twice")
    return lines


def _needed(files: _Files, name: str) -> bytes:
    if name not in files.names:
        raise DataError(files.where, f"no {name}", "all files of the set, as it is published")
    return files.read(name)


def _cut(files: _Files, name: str, cause: str) -> DataError:
    return DataError(files.where / name, cause, _AGAIN)


def _in_folder(path: Path) -> _Files:
    """The files of a folder; or those beside an IDX file that are of its set."""
    if path.is_dir():
        return _Files(path, {entry.name for entry in os.scandir(path) if entry.is_file()}, partial(_unpacked, path))
    with decode.open_file(path):
        own = _IDX.fullmatch(path.name)
    prefix, folder = own["set"] if own else "", path.parent
    names = {entry.name for entry in os.scandir(folder) if entry.is_file()}
    beside = {each for each in names if (match := _IDX.fullmatch(each)) and match["set"] == prefix}
    return _Files(folder, beside | {each for each in names if each.endswith(".txt")}, partial(_unpacked, folder))


def _unpacked(folder: Path, name: str) -> bytes:
    with decode.open_file(folder / name) as opened, _telling(folder / name):
        return _whole(gzip.GzipFile(fileobj=opened) if name.endswith(".gz") else opened, folder / name)


def _in_tar(path: Path) -> _Files:
    """The files of an archive by their last names, read in one pass and never written anywhere."""
    found: dict[str, bytes] = {}
    with decode.open_file(path) as opened, _telling(path):
        packed = opened.read(2) == b"\x1f\x8b"
        opened.seek(0)
        stream: Any = gzip.GzipFile(fileobj=opened) if packed else opened
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                name, content = PurePosixPath(member.name).name, tar.extractfile(member) if member.isfile() else None
                if content is None or not _WANTED.fullmatch(name):
                    continue
                if name in found:
                    raise DataError(path, f"{name} lies there twice", _AGAIN)
                found[name] = _whole(content, path / name)
                if sum(map(len, found.values())) > MOST_BYTES:
                    raise DataError(path, f"more than the {MOST_BYTES:,} bytes that are read", _AGAIN)
        while stream.read(_CHUNK):  # to the end, where gzip keeps a checksum
            pass
    return _Files(path, found.keys(), found.__getitem__)


def _whole(file: Any, where: Path) -> bytes:
    """All bytes of a stream, within the limit, whatever size it claims to have."""
    chunks, size = [], 0
    while chunk := file.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            raise DataError(where, f"more than the {MOST_BYTES:,} bytes that are read", _AGAIN)
    return b"".join(chunks)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """What Python says of a file that is cut or damaged, as a sentence."""
    try:
        yield
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(path, f"cut or damaged ({error})", _AGAIN) from None
