"""A table of pictures: a CSV or TSV file with a column of paths and, as a rule, one of labels or of masks."""

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from striate.base.errors import DataError, StriateError
from striate.base.words import many
from striate.data.listing import Listing, one_name_each
from striate.data.masks import Kind, Legend, Pairs, legend
from striate.data.picture import decode
from striate.data.sources.layout import SUBSETS

SUFFIXES = (".csv", ".tsv")
# The heads that are understood, in any case.
HEADS = MappingProxyType({
    "path": ("path", "file", "filename", "file_name", "image", "picture"),
    "label": ("label", "class", "category"),
    "subset": ("subset", "split"),
    "mask": ("mask", "masks", "segmentation"),
    "objects": ("objects", "instances"),
    "class": ("class", "name", "label"),
    "value": ("value", "id", "colour", "color"),
})  # fmt: skip
CLASSES = "classes.csv"
SHOWN = 20
_UNSAID = frozenset({"", "nan", "none", "null", "na", "n/a"})


def list_table(
    path: Path, *, labelled: bool = True, masked: Legend | None = None, learnable: bool = True,
    follow_links: bool = False, merge_classes: bool = False,
) -> Listing:  # fmt: skip
    """The samples of a table, in the order of their paths, which start at the table's own folder and stay below it.

    Columns are found by their heads: `HEADS`; others are not looked at. A column called subset or split gives the
    subsets; one of them is train where the samples are to be `learnable`. `DataError` with the rows that cannot be
    meant; rows that repeat one another count once. `merge_classes`: labels equal but for case or form are one class.
    `masked`: a column of masks is wanted in place of labels, and these are what their values mean.
    """
    path = path.absolute()
    head, rows, notes = _read(path)
    labelled = labelled and masked is None
    files = () if masked is None else ("mask",) if masked.objects else ("mask", "objects")
    columns = _columns(path, head, ("path", *files[:1], *(("label",) if labelled else ())), ("subset", *files[1:]))
    bad: list[str] = []
    found: dict[str, dict[str, str]] = {}
    lines = 0
    for number, row in rows:
        cells = {what: row[place].strip() if place < len(row) else "" for what, place in columns.items()}
        name, said, cause = _said(path.parent, cells, files, follow_links)
        if any(cell.strip() for cell in row[len(head) :]):
            cause = f"{many(len(row), 'cell')} where the head has {len(head)}; a comma in a cell needs quotes around it"
        if not cause and found.setdefault(name, said) != said:
            cause = f"{name} again, said to be {_both(said)} and {_both(found[name])}"
        elif not cause:
            lines += 1
        if cause:
            bad.append(f"line {number}: {cause}")
    if bad:
        more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise DataError(path, f"{'; '.join(bad[:SHOWN])}{more}", "correct these lines, or take them out")
    if not found:
        raise DataError(path, "a table without rows", "one line for each picture")
    if lines > len(found):
        notes.append(f"{many(lines - len(found), 'line')} of {path.name} said before, and counted once")
    names = sorted(found, key=os.fsencode)
    said_labels = sorted({found[name]["label"] for name in names}, key=os.fsencode)
    merged = one_name_each(path, said_labels, merge_classes) if labelled else {}
    classes = tuple(dict.fromkeys(merged.values()))
    place = {label: classes.index(merged[label]) for label in merged}
    said_of = {what: tuple(found[name][what] for name in names) for what in columns if what != "path"}
    subsets = said_of.get("subset")
    if subsets and learnable and "train" not in subsets:
        raise DataError(path, "its subsets have no train", "train, val and test in the column of subsets")
    return Listing(
        name=path.stem,
        source="table",
        root=path.parent,
        names=tuple(names),
        labels=tuple(place[label] for label in said_of["label"]) if labelled else None,
        classes=classes,
        subsets=subsets,
        ignored=MappingProxyType({}),
        notes=tuple(notes),
        pairs=None if masked is None else Pairs(said_of["mask"], said_of.get("objects"), masked),
    )


def _said(
    root: Path, cells: Mapping[str, str], files: Sequence[str], follow_links: bool
) -> tuple[str, dict[str, str], str]:
    """The picture of a row, what is said of it, and why it cannot be meant, if so."""
    name, cause = _name(root, cells["path"], follow_links)
    said = {"label": cells.get("label", ""), "subset": SUBSETS.get(cells.get("subset", "train").lower(), "")}
    if not cause and "label" in cells and said["label"].lower() in _UNSAID:
        cause = f"no label ({said['label']!r})"
    if not cause and not said["subset"]:
        cause = f"subset {cells['subset']!r} is none of train, val and test"
    for what in filter(cells.__contains__, files):
        said[what], wrong = _name(root, cells[what], follow_links)
        cause = cause or (wrong and f"of the {what}: {wrong}")
    return name, said, cause


def says_masks(path: Path) -> bool:
    """Whether a table has masks and no labels."""
    try:
        head = {name.lower() for name in _read(path)[0]}
    except (StriateError, OSError):
        return False
    return not head.isdisjoint(HEADS["mask"]) and head.isdisjoint(HEADS["label"])


def legend_in(folder: Path, mask_map: str | None, ignore: int | None, masks: Kind) -> Legend:
    """What values of masks mean: as is asked for, or as classes.csv in the folder of the data says."""
    path, listed = folder / CLASSES, list[tuple[str, str]]()
    if mask_map is None and masks == "classes" and os.path.isfile(path):  # noqa: PTH113 - a folder that may not be read is told later
        head, rows, _ = _read(path)
        columns = _columns(path, head, ("class", "value"))
        listed = [(row[columns["value"]], row[columns["class"]]) for _, row in rows if len(row) >= len(head)]
        if len(listed) < len(rows) or not listed:
            raise DataError(path, "a line without a value and a class", "a line such as 255,cell for each class")
    return legend(mask_map, ignore, masks, listed, path)


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]], list[str]]:
    """The head, the rows that are not empty with their line numbers, and what is to be said."""
    data, notes = decode.read_bytes(path), list[str]()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
        notes.append(f"{path.name} is not UTF-8: read as Windows-1252")
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t", key=first.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DataError(path, f"not a table ({error})", "lines of fields between commas") from None
    if not rows:
        raise DataError(path, "an empty table", "a first line such as path,label, then one line for each picture")
    return [cell.strip() for cell in rows[0][1]], rows[1:], notes


def _columns(path: Path, head: Sequence[str], wanted: Sequence[str], others: Sequence[str] = ()) -> dict[str, int]:
    """What each column is, by its head: those that are wanted, and others where they are there."""
    columns = {}
    for what in (*wanted, *others):
        known = HEADS[what]
        places = [place for place, name in enumerate(head) if name.lower() in known]
        if len(places) > 1:
            several = " and ".join(head[place] for place in places)
            raise DataError(path, f"columns {several} could each be the {what}", "keep one of them")
        if places:
            columns[what] = places[0]
    for what in wanted:
        if what not in columns:
            seen = ", ".join(map(repr, head[:10]))
            raise DataError(
                path, f"no column of the {what}: the first line is {seen}", f"a head called {' or '.join(HEADS[what])}"
            )
    return columns


def _both(said: Mapping[str, str]) -> str:
    files = (said[what] for what in ("label", "mask", "objects", "subset") if said.get(what))
    return " in ".join(files)


def _name(root: Path, said: str, follow_links: bool) -> tuple[str, str]:
    """A path relative to `root` with "/", or why it is none."""
    if said.lower() in _UNSAID:
        return "", f"no path ({said!r})"
    if re.match(r"[a-z][a-z0-9+.-]+://", said, re.IGNORECASE):
        return "", f"{said} is an address; only files are read"
    if "\0" in said:
        return "", "a path with a zero byte"
    if "\\" in said and not os.path.lexists(root / said):
        said = said.replace("\\", "/")
    name = os.path.relpath(root / said, root)
    if ".." in PurePosixPath(name).parts:
        return "", f"{said} leads out of the table's folder"
    outside = os.path.commonpath((os.path.realpath(root / name), os.path.realpath(root))) != os.path.realpath(root)
    if outside and not follow_links:
        return "", f"{said} is a link that leads out of the table's folder"
    return PurePosixPath(name).as_posix(), ""
