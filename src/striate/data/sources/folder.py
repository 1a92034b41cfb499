"""Folders of pictures: class folders, or pictures alone; listing writes nothing and decodes nothing."""

import glob
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from striate.base.errors import DataError, Option, nearest
from striate.base.paths import path_of
from striate.base.words import many
from striate.data.listing import Listing, one_name_each
from striate.data.picture import decode
from striate.data.sources.layout import (
    BESIDE,
    MASKS,
    SUBSETS,
    TREE,
    Layout,
    Row,
    check_classes,
    deeper,
    listed,
    subset_folders,
)  # fmt: skip

DEPTH = 64
# fmt: off
_SYSTEM = frozenset({
    "@eadir", "__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "#recycle", "lost+found", "__pycache__",
    "system volume information",
})
# Pictures of formats that are not read are listed: the scan counts them as bad, they are not lost silently.
UNREAD = decode.RAW | frozenset({
    ".heic", ".heif", ".jxl", ".jpx", ".psd", ".svg", ".eps", ".dcm", ".exr",
})
# No picture hides under these names: a million label files need not be opened to know.
_OTHER = frozenset({
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".html", ".htm", ".md", ".py", ".yaml", ".yml", ".zip",
    ".gz", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".pdf", ".npy", ".npz", ".pt", ".mat", ".log", ".mp4", ".avi",
})
# fmt: on
_ARCHIVES = frozenset({".zip", ".gz", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz"})
# Hidden folders that programs make, whatever pictures they hold.
_MADE = frozenset({".git", ".ipynb_checkpoints", ".dvc", ".cache", ".thumbnails"})
_LOOKED_AT = 1_000  # entries of a hidden folder


@dataclass(frozen=True)
class Found:
    """Pictures and folders; and by cause what is neither, relative to where the walk began."""

    files: list[str]
    folders: list[str]
    ignored: dict[str, list[str]]

    @property
    def told(self) -> Mapping[str, tuple[str, ...]]:
        """What is ignored, in an order that no file system decides."""
        ordered = sorted(self.ignored.items())
        return MappingProxyType({cause: tuple(sorted(names, key=os.fsencode)) for cause, names in ordered if names})


def list_alone(root: Path, *, follow_links: bool = False, layout: Layout = "auto") -> Listing:
    """Every picture of a folder and of those below it, whatever the folders are called.

    Top folders called train, val or test are the subsets, and what lies beside them is ignored; `layout` "classes"
    takes all for one. DataError where there is val or test but no train.
    """
    root = root.absolute()
    check_root(root)
    return in_any_folders(root, walk(root, follow_links), layout=layout)


def in_any_folders(root: Path, found: Found, *, layout: Layout) -> Listing:
    """What `list_alone` says of names, wherever these lie."""
    if not found.files:
        raise _nothing(root, found, [folder for folder in found.folders if "/" not in folder])
    tops = [SUBSETS.get(name.split("/")[0].lower(), "") if "/" in name else "" for name in found.files]
    split = any(tops) and layout != "classes"
    if (split or layout == "subsets") and "train" not in tops:
        named = {name.split("/")[0] for name, top in zip(found.files, tops, strict=True) if top}
        hint = ("a folder train/ beside it, or ", Option("layout", "classes"), ", which takes all for one")
        raise DataError(root, f"{listed(named)} but no train/" if named else "no folder train/", hint)
    if split:
        found.ignored[BESIDE] += [name for name, top in zip(found.files, tops, strict=True) if not top]
    return Listing(
        name=name_of(root),
        source="folder",
        root=root,
        names=tuple(name for name, top in zip(found.files, tops, strict=True) if top or not split),
        subsets=tuple(top for top in tops if top) if split else None,
        ignored=found.told,
    )


def list_folder(
    root: Path,
    *,
    follow_links: bool = False,
    learnable: bool = True,
    merge_classes: bool = False,
    layout: Layout = "auto",
) -> Listing:
    """The samples of a folder of class folders, or of train/, val/ and test/ folders of class folders.

    Pictures may lie in sub-folders of a class folder, which is noted. `DataError` where the layout can be read in two
    ways, and `layout` says neither. `follow_links`: take what links lead to. `learnable` False: not all classes are to
    be learned, so that any may lack pictures, or lie in test/ alone. `merge_classes`: class folders equal but for case
    or Unicode form are one class.
    """
    root = root.absolute()
    check_root(root)
    found = walk(root, follow_links)
    return in_class_folders(root, found, learnable=learnable, merge_classes=merge_classes, layout=layout)


def in_class_folders(root: Path, found: Found, *, learnable: bool, merge_classes: bool, layout: Layout) -> Listing:
    """What `list_folder` says of names, wherever these lie: an archive has folders as well.

    Files and folders of `found` are sorted by bytes; `root` is named in errors.
    """
    tops = [folder for folder in found.folders if "/" not in folder]
    if not found.files:
        raise _nothing(root, found, tops)
    if not any("/" in name for name in found.files):
        count = len(found.files)
        hint = f"{TREE}; for pictures without labels use `striate predict`"
        raise DataError(root, f"{many(count, 'picture')} but no class folders", hint)
    split = subset_folders(root, found.files, tops, layout, learnable)
    if split:
        full = {name.split("/")[0] for name in found.files}
        found.ignored["folder without pictures"] += [top for top in tops if top not in split and top not in full]
    level = 1 if split else 0
    folders = [parts for parts in (folder.split("/") for folder in found.folders) if len(parts) == level + 1]
    folders = [parts for parts in folders if not split or parts[0] in split]
    merged = one_name_each(root, sorted({parts[level] for parts in folders}, key=os.fsencode), merge_classes)
    rows, flat = list[Row](), set[str]()
    for name in found.files:
        parts = name.split("/")
        if split and parts[0] not in split:
            found.ignored[f"masks in {MASKS}" if parts[0] == MASKS else BESIDE].append(name)
        elif len(parts) < level + 2:
            found.ignored["not in a class folder"].append(name)
            flat.add(parts[0])
        else:
            rows.append((name, merged[parts[level]], split[parts[0]] if split else "train"))
    known = {merged[parts[level]] for parts in folders if not split or not learnable or split[parts[0]] == "train"}
    check_classes(root, rows, known, split, flat, learnable)
    classes = tuple(sorted(known, key=os.fsencode))
    place = {name: index for index, name in enumerate(classes)}
    return Listing(
        name=name_of(root),
        source="folder",
        root=root,
        names=tuple(name for name, _, _ in rows),
        labels=tuple(place[label] for _, label, _ in rows),
        classes=classes,
        subsets=tuple(subset for _, _, subset in rows) if split else None,
        ignored=found.told,
        notes=deeper(root, rows, level, ask=learnable and layout == "auto"),
    )


def name_of(root: Path) -> str:
    """What a folder is called."""
    return root.name or root.resolve().name or "pictures"


def list_pictures(arguments: Sequence[str]) -> list[Path]:
    """Files, folders (with all below) and glob patterns as paths: order as given, sorted inside, each once.

    What is missing, and a folder without pictures, stays in the list: reading it says what is wrong.
    """

    def paths() -> Iterator[Path]:
        for argument in arguments:
            path = path_of(argument)
            if os.path.lexists(path) or not glob.has_magic(str(path)):
                matches = [path]
            else:
                names = glob.glob(str(path), recursive=True)  # noqa: PTH207  (patterns may be absolute)
                matches = [Path(name) for name in sorted(names, key=os.fsencode)]
            for match in matches or [path]:
                inside = [match / name for name in walk(match, False).files] if match.is_dir() else []
                yield from inside or [match]

    first: dict[Path, Path] = {}
    for path in paths():
        first.setdefault(path.absolute(), path)
    return list(first.values())


def check_root(root: Path) -> None:
    if root.is_dir():
        return
    if not os.path.lexists(root):
        parent = next(folder for folder in root.parents if folder.is_dir())
        wanted = root.relative_to(parent).parts[0]
        try:
            close = nearest(wanted, sorted(path.name for path in parent.iterdir()))
        except OSError:
            close = []
        hint = f"did you mean {parent / close[0]}?" if close else "check the path"
        raise DataError(root, f"no such folder; the nearest that exists is {parent}", hint)
    form, cause, _ = decode.sniff(_head(root, 512))
    if form:
        raise DataError(root, "one picture, not a folder of class folders", "use `striate predict` for it")
    if "archive" in cause:
        raise DataError(root, "an archive, not a folder", "unpack it and give the folder")
    raise DataError(root, "not a folder", TREE)


def _head(path: Path | str, count: int) -> bytes:
    """The first bytes of a regular file; none of anything else."""
    try:
        handle = os.open(path, decode.OPEN)
    except OSError:
        return b""
    try:
        return os.read(handle, count)
    except OSError:
        return b""
    finally:
        os.close(handle)


def walk(root: Path, follow_links: bool) -> Found:
    """Every picture and folder below `root`, relative, sorted by bytes; each real folder once."""
    top, found = os.path.realpath(root), Found([], [], defaultdict(list))
    folders, links = [""], list[str]()
    seen = set()
    while folders or links:
        # Links come last, in order, so that a real folder is listed under its own name.
        links.sort(key=os.fsencode, reverse=True)
        folder = folders.pop() if folders else links.pop()
        path = root / folder
        try:
            status = path.stat()
            with os.scandir(path) as listing:
                entries = list(listing)
        except OSError as error:
            raise DataError(path, decode.unreadable(path, error), "let it be read, or move it away") from None
        if (status.st_dev, status.st_ino) in seen:
            found.ignored["folder listed before"].append(folder)
            continue
        seen.add((status.st_dev, status.st_ino))
        if folder:
            found.folders.append(folder)
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            try:
                cause = _refusal(entry, top, follow_links)
            except (OSError, ValueError) as error:  # a link into what may not be read, or to another drive
                cause = decode.unreadable(Path(entry.path), error)
            if cause:
                found.ignored[cause].append(name)
            elif not entry.is_dir():
                found.files.append(name)
            elif name.count("/") >= DEPTH:
                found.ignored[f"folder deeper than {DEPTH}"].append(name)
            else:
                (links if entry.is_symlink() else folders).append(name)
    found.files.sort(key=os.fsencode)
    found.folders.sort(key=os.fsencode)
    return found


def _refusal(entry: os.DirEntry[str], top: str, follow_links: bool) -> str | None:
    """Why an entry is neither a picture nor a folder to enter."""
    if is_hidden(entry.name):
        return "hidden folder of pictures" if _holds_pictures(entry) else "hidden or system file"
    if entry.is_symlink():
        target, here = os.path.realpath(entry.path), os.path.realpath(Path(entry.path).parent)
        if not Path(target).exists():
            return "dangling link"
        if entry.is_dir() and any(os.path.commonpath((target, inner)) == target for inner in (here, top)):
            return "link loop"
        if not follow_links and entry.is_dir():
            return "link to a folder (--follow-links takes it)"
        if not follow_links and os.path.commonpath((target, top)) != top:
            return "link that leaves the folder (--follow-links takes it)"
    if entry.is_dir():
        return None
    if not entry.is_file():
        return f"not a regular file ({decode.kind_of(entry.stat().st_mode)})"
    cause = no_picture(entry.name, partial(_head, entry.path, 16))
    if cause and os.path.splitext(entry.name)[1].lower() not in _OTHER and not os.access(entry.path, os.R_OK):  # noqa: PTH122
        return decode.unreadable(Path(entry.path), PermissionError(13, ""))
    return cause


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or made by a system."""
    return name.startswith(".") or name.lower() in _SYSTEM


def no_picture(name: str, head: Callable[[], bytes]) -> str | None:
    """Why a file is no picture, by its name, or where that says nothing, by its first 16 bytes."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a Path for each of a million names takes seconds
    if suffix in decode.SUFFIXES or suffix in UNREAD or (suffix not in _OTHER and decode.sniff(head())[0]):
        return None
    if suffix in _ARCHIVES:
        return "archive (not unpacked)"
    known = re.fullmatch(r"[.][a-z][a-z0-9]{0,5}", suffix)
    return f"not a picture ({suffix if known else 'no known extension'})"


def _holds_pictures(entry: os.DirEntry[str]) -> bool:
    """Whether a hidden folder could be a class: pictures lie right in it, and no program is known to make it."""
    if entry.name.lower() in _SYSTEM | _MADE or not entry.is_dir(follow_symlinks=False):
        return False
    with os.scandir(entry.path) as inside:
        return any(Path(each.name).suffix.lower() in decode.SUFFIXES for each in islice(inside, _LOOKED_AT))


def _nothing(root: Path, found: Found, tops: list[str]) -> DataError:
    """The error for a folder without a single picture."""
    if not tops and not found.ignored:
        return DataError(root, "nothing is in it", TREE)
    most = sorted(found.ignored.items(), key=lambda each: -len(each[1]))[:5]
    ignored = ", ".join(f"{len(names):,} {cause}" for cause, names in most)
    cause = f"no pictures in {many(len(tops), 'folder')}" + (f"; ignored: {ignored}" if ignored else "")
    linked = any("link" in cause for cause in found.ignored)
    return DataError(root, cause, "--follow-links, if the pictures lie behind links" if linked else TREE)
