"""Data sets of the Hugging Face hub, and those that its package `datasets` saved.

The package runs no code of a data set and decodes nothing here: it hands over the bytes of each picture.
"""

import os
import re
import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from striate.base.errors import DataError, UsageError
from striate.base.foreign import missing_package
from striate.base.words import many, some
from striate.data.listing import Listing
from striate.data.picture import decode, limits
from striate.data.picture.pixels import PIXELS
from striate.data.sources.address import HUB
from striate.data.sources.labels import UNSAID, classes_of
from striate.data.sources.layout import SUBSETS
from striate.data.sources.parquet import names_of, numbered
from striate.data.sources.table import HEADS, SHOWN

_ADDRESS = re.compile(r"hf:(?P<name>[\w-][\w.-]*/[\w-][\w.-]*)(@(?P<revision>[\w./-]+))?(:(?P<config>[^:@]+))?")
_REVISION = re.compile(r"[0-9a-f]{40}")
_SAVE = "a folder written by the `save_to_disk` of datasets, with the columns that are meant"


@final
@dataclass(frozen=True)
class Held:
    """Pictures in a data set: `splits` have one column alone, and begin at `starts` of all rows."""

    where_from: str
    splits: Sequence[Any]
    starts: Sequence[int]
    rows: Sequence[int]

    def __call__(self, index: int, max_pixels: int = PIXELS) -> bytes:
        split = bisect_right(self.starts, self.rows[index]) - 1
        (cell,) = self.splits[split][self.rows[index] - self.starts[split]].values()
        data, path = (cell or {}).get("bytes"), (cell or {}).get("path")
        if data is None and path and _is_fetched(Path(path)):
            return decode.read_bytes(Path(path), max_pixels)
        if data is None:
            raise DataError(self.where(index), "its bytes are not in the data set, and no path is followed", _SAVE)
        limits.refuse_large(len(data), self.where(index), max_pixels)
        return bytes(data)

    def where(self, index: int) -> str:
        return f"{self.where_from}, row {self.rows[index] + 1}"

    def identity(self, index: int) -> tuple[int, ...] | None:
        return None

    def taken(self, places: Sequence[int]) -> "Held":
        return replace(self, rows=tuple(self.rows[place] for place in places))


def is_saved(path: Path) -> bool:
    """Whether a folder is one that `datasets` saved, or holds nothing but Parquet files, as the hub does."""
    try:
        names = {entry.name for entry in path.iterdir()}
        if "dataset_dict.json" in names or {"dataset_info.json", "state.json"} <= names:
            return True
        inner = [path / "data"] if names <= {"data", "README.md", ".gitattributes", ".git", ".cache"} else [path]
        files = [entry for folder in inner for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return False
    told = [entry for entry in files if entry.name != "README.md"]
    return bool(told) and all(entry.suffix.lower() == ".parquet" and entry.is_file() for entry in told)


def list_saved(path: Path, *, labelled: bool = True, learnable: bool = True, merge_classes: bool = False) -> Listing:
    """The samples of a folder that `datasets` saved, as `list_hub` has them."""
    path = path.absolute()
    datasets = _package(str(path))
    saved = any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))
    try:
        found = datasets.load_from_disk(str(path)) if saved else datasets.load_dataset(str(path))
    except Exception as error:  # of any library below it
        raise DataError(path, f"not a data set that can be read ({_line(error)})", "saving it again") from None
    listing = _listing(path, found, labelled, learnable, merge_classes)
    return replace(listing, name=path.name, source="saved", root=path)


def list_hub(address: str, *, labelled: bool = True, learnable: bool = True, merge_classes: bool = False) -> Listing:
    """The samples of a data set on the hub, fetched into its own cache: hf:USER/NAME, hf:USER/NAME@REVISION:CONFIG.

    The column of pictures and that of classes are found by their types, others by their heads as in a table; a
    DataError lists them where there are several. Splits called train, validation or test are the subsets. The name of
    the listing says the revision that was fetched.
    """
    meant = _ADDRESS.fullmatch(address)
    if meant is None:
        hint = "hf:USER/NAME, hf:USER/NAME:CONFIG or hf:USER/NAME@REVISION"
        raise UsageError("data", f"{address!r} names no data set of the hub", hint)
    datasets = _package(address)
    try:
        found = datasets.load_dataset(f"hf://datasets/{meant['name']}", meant["config"], revision=meant["revision"])
    except datasets.exceptions.DatasetNotFoundError as error:
        hint = "its name as on huggingface.co/datasets; for one that is not public `hf auth login`"
        raise DataError(address, _line(error), hint) from None
    except ConnectionError as error:
        hint = f"the network; or {_SAVE}, which is read without it"
        raise DataError(address, f"the hub cannot be reached ({_line(error)})", hint) from None
    except Exception as error:  # of any library below it
        raise DataError(address, f"it cannot be fetched ({_line(error)})", _SAVE) from None
    listing = _listing(address, found, labelled, learnable, merge_classes)
    revision = _revision(found) or meant["revision"]
    config = f":{meant['config']}" if meant["config"] else ""
    named = f"{HUB}{meant['name']}{f'@{revision}' if revision else ''}{config}"
    told = f"{address} was fetched at revision {revision}" if revision else f"the revision of {address} is not known"
    return replace(listing, name=named, notes=(*listing.notes, told))


def _listing(where: Path | str, found: Any, labelled: bool, learnable: bool, merge: bool) -> Listing:
    """What its splits hold, in the order of the names."""
    splits, subsets, notes = _splits(where, found, learnable)
    columns = _columns(where, next(iter(splits.values())).features, labelled)
    labels = _texts(where, splits, columns["label"]) if labelled else None
    if labels and subsets:
        bare = [name for name, texts in labels.items() if not any(texts)]
        notes += [f"left out: split {name} of {many(len(labels.pop(name)), 'picture')} without labels" for name in bare]
        splits = {name: split for name, split in splits.items() if name not in bare}
    groups = _texts(where, splits, columns["group"]) if "group" in columns else None
    _refuse_unsaid(where, {"label": labels or {}, "group": groups or {}})
    names = _names(splits, columns)
    order = sorted(range(len(names)), key=lambda row: os.fsencode(names[row]))

    def ordered(texts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        every = [text for each in texts.values() for text in each]
        return tuple(every[row] for row in order)

    places, classes, odd = (None, (), []) if labels is None else classes_of(where, ordered(labels), merge)
    starts = [sum(map(len, [*splits.values()][:place])) for place in range(len(splits))]
    return Listing(
        name=str(where),
        source="hub",
        root=None,
        names=tuple(names[row] for row in order),
        labels=places,
        classes=classes,
        subsets=ordered({name: [subsets[name]] * len(split) for name, split in splits.items()}) if subsets else None,
        notes=(*notes, *odd),
        groups=None if groups is None else ordered(groups),
        contents=Held(str(where), [_pictures(split, columns["path"]) for split in splits.values()], starts, order),
    )


def _refuse_unsaid(where: Path | str, columns: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    """A DataError that lists the rows in which a label or a group is missing."""
    bad = [
        f"row {row} of {split}: no {what}"
        for what, splits in columns.items()
        for split, texts in splits.items()
        for row, text in enumerate(texts, start=1)
        if text.lower() in UNSAID
    ]
    if bad:
        raise DataError(where, some(bad, SHOWN, "; "), _SAVE)


def _splits(where: Path | str, found: Any, learnable: bool) -> tuple[dict[str, Any], Mapping[str, str], list[str]]:
    """The splits that are read, the subset of each where they are subsets, and what is left out."""
    every: dict[str, Any] = dict(found) if isinstance(found, dict) else {"data": found}
    every = {name: split for name, split in every.items() if len(split)}
    subsets = {name: SUBSETS[name.lower()] for name in every if name.lower() in SUBSETS}
    if not every:
        raise DataError(where, "a data set without rows", "one row for each picture")
    if len(every) == 1 and "test" not in subsets.values() and "val" not in subsets.values():
        return every, {}, []
    if "train" not in subsets.values() and (learnable or not subsets):
        raise DataError(where, f"splits {some(every)}, but no train", "splits called train, validation and test")
    if len(set(subsets.values())) < len(subsets):
        raise DataError(where, f"splits {some(subsets)}, of which two mean one subset", "one for each subset")
    others = (name for name in every if name not in subsets)
    left_out = [f"left out: split {name} of {many(len(every[name]), 'picture')}" for name in others]
    told = {} if set(subsets.values()) == {"train"} else subsets
    return {name: every[name] for name in subsets}, told, left_out


def _columns(where: Path | str, features: Any, labelled: bool) -> dict[str, str]:
    """What each column is: pictures and classes by their types, or by their heads where types do not tell."""
    types = {name: type(feature).__name__ for name, feature in features.items()}
    plain = [name for name, kind in types.items() if kind == "Value"]
    headed = {what: [name for name in plain if name.lower() in HEADS[what]] for what in ("path", "label", "group")}
    columns = {"path": _one(where, "pictures", [name for name in types if types[name] == "Image"], "path", types)}
    if labelled:
        typed = [name for name in types if types[name] == "ClassLabel"]
        columns["label"] = _one(where, "classes", typed or headed["label"], "label", types)
    if headed["group"]:
        columns["group"] = _one(where, "groups", headed["group"], "", types)
    if len(headed["path"]) == 1:
        columns["name"] = headed["path"][0]
    return columns


def _one(where: Path | str, what: str, fitting: Sequence[str], head: str, types: Mapping[str, str]) -> str:
    """The one column that fits; of several the one that is called so."""
    called = [name for name in fitting if name.lower() in HEADS.get(head, ())]
    chosen = fitting if len(fitting) == 1 else called
    if len(chosen) == 1:
        return chosen[0]
    if fitting:
        raise DataError(where, f"columns {' and '.join(fitting)} could each be the {what}", _SAVE)
    seen = ", ".join(f"{name} ({kind})" for name, kind in types.items())
    raise DataError(where, f"no column of {what}: the columns are {seen}", _SAVE)


def _texts(where: Path | str, splits: Mapping[str, Any], column: str) -> dict[str, list[str]]:
    """A column of each split as a table would hold it: classes by their names, "" where a value is missing."""
    found = {}
    for name, split in splits.items():
        classes, values = getattr(split.features[column], "names", None), list(split[column])
        if classes:
            found[name] = [classes[each] if each is not None and 0 <= each < len(classes) else "" for each in values]
        elif all(each is None or isinstance(each, str | int) for each in values):
            found[name] = ["" if each is None else str(each).strip() for each in values]
        else:
            raise DataError(where, f"column {column} holds {split.features[column]}", "texts or whole numbers there")
    return found


def _pictures(split: Any, column: str) -> Any:
    """One column alone, of bytes and paths."""
    import datasets

    return split.select_columns([column]).cast_column(column, datasets.Image(decode=False))


def _names(splits: Mapping[str, Any], columns: Mapping[str, str]) -> list[str]:
    """By a column of names, by the paths beside the pictures, or by split and row."""
    if "name" in columns:
        paths = [str(text or "") for split in splits.values() for text in split[columns["name"]]]
    else:
        tables = (_pictures(split, columns["path"]).with_format("arrow")[:] for split in splits.values())
        chunks = (chunk for table in tables for chunk in table.column(0).chunks)
        paths = [text for chunk in chunks for text in chunk.field("path").to_pylist()]
    rows = ((f"{name}/" if len(splits) > 1 else "", len(split)) for name, split in splits.items())
    return names_of(paths, [f"{above}{text}" for above, count in rows for text in numbered(count)])


def _package(where: str) -> Any:
    """The package, or a MachineError that says what to install."""
    try:
        import datasets
        import datasets.exceptions
        import huggingface_hub
    except ImportError as error:
        raise missing_package(where, error, "hub") from None
    datasets.logging.set_verbosity_error()
    huggingface_hub.logging.set_verbosity_error()  # it tells of each of its attempts
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    return datasets


def _is_fetched(path: Path) -> bool:
    """Whether a file lies where the package keeps what it fetches: no other path of a row is followed."""
    import datasets

    return path.resolve().is_relative_to(Path(datasets.config.HF_CACHE_HOME).resolve())


def _revision(found: Any) -> str:
    """The commit that was fetched, which the place in the cache is called by."""
    first = next(iter(found.values())) if isinstance(found, dict) else found
    parts = Path(first.cache_files[0]["filename"]).parts if first.cache_files else ()
    return next((part for part in reversed(parts) if _REVISION.fullmatch(part)), "")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
