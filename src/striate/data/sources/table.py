"""A table of pictures: CSV, TSV or Parquet, with a column of paths and, as a rule, one of labels or of masks."""

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import final

from striate.base.errors import DataError, StriateError
from striate.base.words import many, some
from striate.data.listing import Listing
from striate.data.masks import Kind, Legend, Pairs, legend
from striate.data.packed import Names
from striate.data.sources import parquet
from striate.data.sources.labels import UNSAID, classes_of
from striate.data.sources.layout import SUBSETS
from striate.data.sources.sheet import Sheet, read_text

SUFFIXES = (".csv", ".tsv", parquet.SUFFIX)
# The heads that are understood, in any case.
HEADS = MappingProxyType({
    "path": ("path", "file", "filename", "file_name", "image", "picture"),
    "label": ("label", "class", "category"),
    "subset": ("subset", "split"),
    "group": ("group", "patient", "subject", "series", "video"),
    "mask": ("mask", "masks", "segmentation"),
    "objects": ("objects", "instances"),
    "class": ("class", "name", "label"),
    "value": ("value", "id", "colour", "color"),
})  # fmt: skip
CLASSES = "classes.csv"
# A file's name that can mean nothing else: no program writes it where nothing is said.
_FILE = re.compile(r"[^\\\0/.][^\\\0/]*\.[^\\\0/]+")
SHOWN = 20


def list_table(
    path: Path, *, labelled: bool = True, masked: Legend | None = None, learnable: bool = True,
    follow_links: bool = False, merge_classes: bool = False,
) -> Listing:  # fmt: skip
    """The samples of a table, in the order of their paths, which start at the table's own folder and stay below it.

    Columns are found by their heads: `HEADS`; others are not looked at. A column called subset or split gives the
    subsets; one of them is train where the samples are to be `learnable`. One called group, patient or the like gives
    what is independent of the rest. `DataError` with the rows that cannot be meant; rows that repeat one another count
    once. `merge_classes`: labels equal but for case or form are one class. `masked`: a column of masks is wanted in
    place of labels, and these are what their values mean. The pictures may lie in the table, in place of their paths.
    """
    path = path.absolute()
    labelled = labelled and masked is None
    files = () if masked is None else ("mask",) if masked.objects else ("mask", "objects")
    wanted, others = ("path", *files[:1], *(("label",) if labelled else ())), ("subset", "group", *files[1:])
    sheet = _read(path, (*wanted, *others))
    columns = _columns(path, sheet, wanted, others)
    found, rows, notes = _rows(path, sheet, columns, files, follow_links)
    names = sorted(found) if all(map(str.isascii, found)) else sorted(found, key=os.fsencode)
    said = [found[name] for name in names]
    said_of = {what: tuple(each[what] for each in said) for what in columns if what != "path"}
    labels, classes, odd = classes_of(path, said_of["label"], merge_classes) if labelled else (None, (), [])
    subsets = said_of.get("subset")
    if subsets and learnable and "train" not in subsets:
        raise DataError(path, "its subsets have no train", "train, val and test in the column of subsets")
    return Listing(
        name=path.stem,
        source="table",
        root=path.parent,
        names=Names.of(names),
        labels=labels,
        classes=classes,
        subsets=subsets,
        notes=(*notes, *odd),
        pairs=None if masked is None else Pairs(said_of["mask"], said_of.get("objects"), masked),
        groups=said_of.get("group"),
        contents=sheet.contents and sheet.contents.taken([rows[name] for name in names]),
    )


def _rows(
    path: Path, sheet: Sheet, columns: Mapping[str, int], files: Sequence[str], follow_links: bool
) -> tuple[dict[str, dict[str, str]], dict[str, int], list[str]]:
    """By the name of each picture what is said of it, and its place in the table; with what is to be told."""
    bad: list[str] = []
    found: dict[str, dict[str, str]] = {}
    rows: dict[str, int] = {}
    lines, folders, shared = 0, _Folders(path.parent), dict[tuple[str, ...], dict[str, str]]()
    stated = cache(partial(_stated, [what for what in columns if what != "path" and what not in files]))
    for place, (number, row) in enumerate(sheet.rows):
        cells = {what: row[column].strip() if column < len(row) else "" for what, column in columns.items()}
        name, cause = _name(folders, cells.pop("path"), follow_links)
        named = [(what, *_name(folders, cells.pop(what), follow_links)) for what in files if what in cells]
        said, odd = stated(*cells.values())
        cause = cause or odd or next((f"of the {what}: {wrong}" for what, _, wrong in named if wrong), "")
        if named:
            said = {**said, **{what: own for what, own, _ in named}}
            said = shared.setdefault(tuple(said.values()), said)
        if len(row) > len(sheet.head) and any(map(str.strip, row[len(sheet.head) :])):
            count = many(len(row), "cell")
            cause = f"{count} where the head has {len(sheet.head)}; a comma in a cell needs quotes around it"
        if not cause and (before := found.setdefault(name, said)) is not said and before != said:
            cause = f"{name} again, said to be {_told(said, before)} and {_told(before, said)}"
        elif not cause:
            lines += 1
            if sheet.contents:
                rows.setdefault(name, place)
        if cause:
            bad.append(f"{sheet.unit} {number}: {cause}")
    if bad:
        raise DataError(path, some(bad, SHOWN, "; "), f"correct these {sheet.unit}s, or take them out")
    if not found:
        raise DataError(path, "a table without rows", f"one {sheet.unit} for each picture")
    again = f"{many(lines - len(found), sheet.unit)} of {path.name} said before, and counted once"
    return found, rows, [*sheet.notes, *([again] if lines > len(found) else [])]


def _stated(heads: Sequence[str], *said: str) -> tuple[dict[str, str], str]:
    """What the cells of a row say of its picture, and why it cannot be meant, if so."""
    cells, cause = dict(zip(heads, said, strict=True)), ""
    found = {"label": cells.get("label", ""), "subset": SUBSETS.get(cells.get("subset", "train").lower(), "")}
    if "label" in cells and found["label"].lower() in UNSAID:
        cause = f"no label ({found['label']!r})"
    if "group" in cells:
        found["group"] = cells["group"]
        if not cause and found["group"].lower() in UNSAID:
            cause = f"no group ({found['group']!r})"
    if not cause and not found["subset"]:
        cause = f"subset {cells['subset']!r} is none of train, val and test"
    return found, cause


def says_masks(path: Path) -> bool:
    """Whether a table has masks and no labels."""
    try:
        head = {name.lower() for name in _read(path).head}
    except (StriateError, OSError):
        return False
    return not head.isdisjoint(HEADS["mask"]) and head.isdisjoint(HEADS["label"])


def legend_in(folder: Path, mask_map: str | None, ignore: int | None, masks: Kind) -> Legend:
    """What values of masks mean: as is asked for, or as classes.csv in the folder of the data says."""
    path, listed = folder / CLASSES, list[tuple[str, str]]()
    if mask_map is None and masks == "classes" and os.path.isfile(path):  # noqa: PTH113 - a folder that may not be read is told later
        sheet = read_text(path)
        columns = _columns(path, sheet, ("class", "value"))
        rows = list(sheet.rows)
        listed = [(row[columns["value"]], row[columns["class"]]) for _, row in rows if len(row) >= len(sheet.head)]
        if len(listed) < len(rows) or not listed:
            raise DataError(path, "a line without a value and a class", "a line such as 255,cell for each class")
    return legend(mask_map, ignore, masks, listed, path)


def _read(path: Path, wanted: Sequence[str] = ()) -> Sheet:
    """The whole table; of Parquet the cells that are wanted."""
    if path.suffix.lower() == parquet.SUFFIX:
        return parquet.read(path, {head for what in wanted for head in HEADS[what]}, HEADS["path"])
    return read_text(path)


def _columns(path: Path, sheet: Sheet, wanted: Sequence[str], others: Sequence[str] = ()) -> dict[str, int]:
    """What each column is, by its head: those that are wanted, and others where they are there."""
    columns = {}
    for what in (*wanted, *others):
        known = HEADS[what]
        places = [place for place, name in enumerate(sheet.head) if name.lower() in known]
        if len(places) > 1:
            several = " and ".join(sheet.head[place] for place in places)
            hint = f"keep one of them; the {what} is a column called {' or '.join(known)}"
            raise DataError(path, f"columns {several} could each be the {what}", hint)
        if places:
            columns[what] = places[0]
    for what in wanted:
        if what not in columns:
            raise DataError(path, f"no column of the {what}: {sheet.seen}", f"a head called {' or '.join(HEADS[what])}")
    return columns


def _told(said: Mapping[str, str], otherwise: Mapping[str, str]) -> str:
    """The label, and what else is said otherwise."""
    told = (said.get(what) for what in said if what == "label" or said[what] != otherwise[what])
    return " in ".join(filter(None, told))


@final
class _Folders:
    """The folder of a table and those below it, each listed once: a million rows ask the system for few things."""

    def __init__(self, root: Path) -> None:
        self.root, self._top, self._links = root, os.path.realpath(root), dict[str, frozenset[str] | None]()
        self.plain: dict[str, frozenset[str]] = {}
        """By folder, with "/" at its end, the names in it that need a closer look; of folders that are written as they
        are called, and lie behind no link that matters."""

    def leads_out(self, name: str) -> bool:
        """Whether a file is, or lies behind, a link that leads out of the table's folder."""
        folder, _, own = name.rpartition("/")
        if folder not in self._links:
            self._links[folder] = self._listed(folder)
        links = self._links[folder]
        return (links is None or own in links) and self._outside(name)

    def is_plain(self, folder: str, follow_links: bool) -> None:
        """To be told of the folder of a name that is written as it is called."""
        links = frozenset[str]() if follow_links else self._links[folder.removesuffix("/")]
        if links is not None:
            self.plain[folder] = links

    def _outside(self, name: str) -> bool:
        return os.path.commonpath((os.path.realpath(self.root / name), self._top)) != self._top

    def _listed(self, folder: str) -> frozenset[str] | None:
        """The links in a folder; None where only each name can tell: behind a link, or where it is not to be listed."""
        if os.sep != "/" or self._outside(folder):  # a junction is no link, and leads elsewhere
            return None
        try:
            with os.scandir(self.root / folder) as entries:
                return frozenset(entry.name for entry in entries if entry.is_symlink())
        except FileNotFoundError:
            return frozenset()
        except OSError:
            return None


def _name(folders: _Folders, said: str, follow_links: bool) -> tuple[str, str]:
    """A path relative to the table's folder with "/", or why it is none."""
    folder = said[: said.rfind("/") + 1]
    links = folders.plain.get(folder)
    if links is not None and _FILE.fullmatch(said, len(folder)) and said[len(folder) :] not in links:
        return said, ""  # as most of a million are: below a folder that is known
    root = folders.root
    if said.lower() in UNSAID:
        return "", f"no path ({said!r})"
    if "://" in said and re.match(r"[a-z][a-z0-9+.-]+://", said, re.IGNORECASE):
        return "", f"{said} is an address; only files are read"
    if "\0" in said:
        return "", "a path with a zero byte"
    if "\\" in said and not os.path.lexists(root / said):
        said = said.replace("\\", "/")
    plain = os.sep == "/" and not said.startswith(("/", "..")) and os.path.normpath(said) == said
    name = said if plain else PurePosixPath(os.path.relpath(root / said, root)).as_posix()
    if not plain and ".." in PurePosixPath(name).parts:
        return "", f"{said} leads out of the table's folder"
    if not follow_links and folders.leads_out(name):
        return "", f"{said} is a link that leads out of the table's folder"
    if plain:
        folders.is_plain(said[: said.rfind("/") + 1], follow_links)
    return name, ""
