"""A split that is given back: split.csv of a run, or any table that says of each picture which subset it is in."""

from collections import defaultdict
from pathlib import Path, PurePosixPath

from striate.base.durable import unquoted
from striate.base.errors import DataError, Option, UsageError, printable
from striate.base.paths import path_of
from striate.base.words import many, some
from striate.data.samples import Samples
from striate.data.sources import parquet
from striate.data.sources.layout import SUBSETS
from striate.data.sources.sheet import Sheet, read_text
from striate.data.sources.table import HEADS, SUFFIXES

# split.csv calls a picture a sample.
PATHS = ("sample", *HEADS["path"])


def names_table(split: str) -> bool:
    """Whether `--split` names a table, and no shares."""
    return Path(split).suffix.lower() in SUFFIXES


def assigned(split: str, samples: Samples, allow_leak: bool) -> tuple[list[str], list[str]]:
    """The subset of each sample, by its path as in split.csv; and what is to be said of it.

    A DataError with the pictures that it does not know, the lines that are of none, or repeat one otherwise; where a
    class has no picture to learn from; where identical pictures are parted, unless `allow_leak`.
    """
    path = path_of(split)
    if not path.is_file():
        raise UsageError(
            "split", f"no such file: {path}", "split.csv of a run, a table of paths and subsets, or 60/20/20"
        )
    said = _said(path)
    names = [(name, printable(name, 4096)) for name in samples.names]
    found = [said.get(name, said.get(shown, "")) for name, shown in names]
    if unknown := [name for (name, _), subset in zip(names, found, strict=True) if not subset]:
        other = f"; it has lines for {some(said, 2)}" if len(unknown) == len(names) else ""
        cause = f"no line for {len(unknown):,} of {many(len(names), 'picture')}: {some(unknown, 3)}{other}"
        raise DataError(path, cause, "paths as in split.csv of a run, which start at the folder of the data")
    known = {name for both in names for name in both} | {skip.name for skip in samples.skipped}
    if strange := [name for name in said if name not in known]:
        cause = f"{many(len(strange), 'line')} of no picture of these data: {some(strange, 3)}"
        raise DataError(path, cause, "the data that it was made of, or taking these lines out")
    _refuse_unlearnable(path, samples, found)
    return found, _leaks(path, samples, found, allow_leak)


def _said(path: Path) -> dict[str, str]:
    """Name -> subset."""
    heads = HEADS["subset"]
    sheet = parquet.read(path, {*PATHS, *heads}, PATHS) if path.suffix.lower() == parquet.SUFFIX else read_text(path)
    at, of = _column(path, sheet, "path", PATHS), _column(path, sheet, "subset", heads)
    said: dict[str, str] = {}
    for number, row in sheet.rows:
        cell, told = (row[place].strip() if place < len(row) else "" for place in (at, of))
        name, subset = PurePosixPath(unquoted(cell)).as_posix(), SUBSETS.get(told.lower())
        where = f"{sheet.unit} {number}"
        if not cell or subset is None:
            raise DataError(path, f"{where}: {cell!r} in {told!r}", "a path, and train, val or test, in each")
        if said.setdefault(name, subset) != subset:
            raise DataError(path, f"{where}: {name} again, in {subset} and before in {said[name]}", "one of the two")
    if "train" not in said.values():
        raise DataError(path, "no picture is in train", "train, val and test in the column of subsets")
    return said


def _column(path: Path, sheet: Sheet, what: str, known: tuple[str, ...]) -> int:
    places = [place for place, name in enumerate(sheet.head) if name.lower() in known]
    if len(places) != 1:
        cause = f"{len(places)} columns could be the {what}" if places else f"no column of the {what}: {sheet.seen}"
        raise DataError(path, cause, f"one head called {' or '.join(known)}")
    return places[0]


def _refuse_unlearnable(path: Path, samples: Samples, found: list[str]) -> None:
    names, strata = samples.targets.strata_names, samples.targets.strata.tolist()
    learned = {stratum for stratum, subset in zip(strata, found, strict=True) if subset == "train"}
    if names and (absent := sorted(set(strata) - learned)):
        cause = f"classes without a picture in train: {some(repr(names[each]) for each in absent)}"
        raise DataError(path, cause, "another split, or taking these classes out")


def _leaks(path: Path, samples: Samples, found: list[str], allow_leak: bool) -> list[str]:
    """That identical pictures are parted, where that is allowed."""
    first: dict[str, int] = {}
    parted: dict[str, list[str]] = defaultdict(list)
    for place, (digest, subset) in enumerate(zip(samples.digests, found, strict=True)):
        if found[one := first.setdefault(digest, place)] != subset:
            parted[digest].append(f"{samples.names[one]} in {found[one]} = {samples.names[place]} in {subset}")
    pairs = [pair for each in parted.values() for pair in each]
    if not pairs:
        return []
    told = f"{many(len(pairs), 'leaked file')}, the same bytes in two subsets: {some(pairs, 3)}"
    if not allow_leak:
        raise DataError(path, told, ("moving them to one side, or ", Option("allow_leak", True)))
    return [told]
