"""What folders mean: classes, or subsets of classes; a question where they can be read in two ways."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from striate.base.errors import DataError, Hint, Option
from striate.base.words import many, plural, some

Layout = Literal["auto", "classes", "subsets"]
Row = tuple[str, str, str]  # a picture, its class and its subset
SUBSETS = MappingProxyType({
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test",
})  # fmt: skip
TREE = "one folder per class: DATA/cat/1.jpg, DATA/dog/2.jpg; or DATA/train/cat/..., DATA/val/cat/..."
MASKS = "ground_truth"  # of the anomaly sets of MVTec, beside train/ and test/
BESIDE = "not in train, val or test"


def subset_folders(
    root: Path, files: Sequence[str], tops: Sequence[str], layout: Layout, learnable: bool
) -> dict[str, str]:
    """Top folder -> subset where the tops are subsets, {} where they are classes."""
    if layout == "classes":
        return {}
    full = {name.split("/")[0] for name in files}
    split = {top: SUBSETS[top.lower()] for top in tops if top.lower() in SUBSETS}
    aside = {MASKS} if "train" in split.values() and "test" in split.values() else set()
    others = [top for top in tops if top not in split and top in full and top not in aside]
    either: Hint = (
        Option("layout", "classes"),
        f", if {listed(split)} {'is a class' if len(split) == 1 else 'are classes'}",
    )
    if "train" not in split.values():
        if layout == "subsets" and learnable:
            raise DataError(root, "no folder train/", TREE)
        if split and (not others or any(top.lower() != "valid" for top in split)):
            raise DataError(root, f"{listed(split)} but no train/", (f"{TREE}; or ", *either))
        _refuse_inner(root, files, learnable)
        return {}
    if others and layout == "auto":
        cause = f"{listed(split)} beside other folders with pictures: {listed(others)}"
        raise DataError(root, cause, (*either, "; ", Option("layout", "subsets"), " leaves the others out"))
    for subset, group in groupby(sorted(split, key=lambda top: (split[top], top)), key=split.__getitem__):
        names = list(group)
        if len(names) > 1:
            raise DataError(root, f"{listed(names)} all mean the {subset} subset", "keep one of them")
    return split


def _refuse_inner(root: Path, files: Sequence[str], learnable: bool) -> None:
    """Subsets one level down; where all is to be learned, val or test without train as well."""
    pairs = dict.fromkeys(tuple(name.split("/")[:2]) for name in files if name.count("/") > 1)
    for top, inner in pairs:
        meant = SUBSETS.get(inner.lower())
        if meant == "train" or (learnable and meant and inner.lower() != "valid"):
            hint = (f"give {root / top} instead; or ", Option("layout", "classes"), f", if {top!r} is a class")
            raise DataError(root, f"{top!r} holds {inner}/ and is not a class", hint)


def check_classes(
    root: Path, rows: Sequence[Row], known: set[str], split: Mapping[str, str], flat: set[str], learnable: bool
) -> None:
    """Every class has pictures, every subset has classes, and none has classes that training lacks."""
    used: dict[str, set[str]] = {}
    for _, label, subset in rows:
        used.setdefault(subset, set()).add(label)
    for top, subset in split.items():
        if subset not in used and (subset == "train" or top in flat):
            either = (Option("layout", "classes"), f", if {top!r} is a class")
            hint = (f"{TREE}; for pictures without labels use `striate predict`; or ", *either)
            raise DataError(root / top, "no pictures in class folders", hint)
        if extra := used.get(subset, set()) - known:
            more = ", or --task anomaly, which learns from one class" if len(known) == 1 else ""
            cause = f"classes that train/ lacks: {listed(extra)}"
            raise DataError(root / top, cause, f"add them to train/, or take them out{more}")
    if not rows:
        raise DataError(root, "no pictures in class folders", TREE)
    if (empty := known - used.get("train", set())) and learnable:
        raise DataError(root, f"class folders without pictures: {listed(empty)}", "fill or remove them")


def deeper(root: Path, rows: Sequence[Row], level: int, ask: bool) -> tuple[str, ...]:
    """What is to be said of folders in class folders; `ask`: a DataError where they could just as well be the classes.

    Class folders lie `level` folders deep.
    """
    inner, direct = defaultdict[str, set[str]](set), set[str]()
    for name, _, _ in rows:
        parts = name.split("/")
        folder = "/".join(parts[: level + 1])
        if len(parts) > level + 2:
            inner[folder].add(parts[level + 1])
        else:
            direct.add(folder)
    classes = sorted({folder.split("/")[-1] for folder in (*inner, *direct)}, key=os.fsencode)
    if not inner:
        return ()
    first, within = min(inner.items(), key=lambda each: os.fsencode(each[0]))
    there = "class folders right in train/" if level else str(root / first)
    if ask and len(classes) == 1:
        cause = f"a single class, {classes[0]!r}, which holds {plural('folder', len(within))} of pictures: "
        raise DataError(root, cause + listed(within), there)
    if ask and not direct and len(within) > 1 and all(each == within for each in inner.values()):
        cause = f"the folders {listed(classes)} each hold {listed(within)}: either could be the classes"
        hint = (f"{there}, if {listed(within)} are the classes; or ", Option("layout", "classes"))
        raise DataError(root, cause, (*hint, f", if {listed(classes)} are"))
    if len(inner) > 1:
        names = sorted((f"{folder}/{name}" for folder, below in inner.items() for name in below), key=os.fsencode)
        told = f"{len(inner):,} class folders hold folders of pictures, taken as the class they lie in: "
        told += some(names, 3)
    else:
        folders = many(len(within), "folder")
        label = next(label for name, label, _ in rows if name.startswith(f"{first}/"))
        told = f"{first}/ holds {folders} of pictures, {_joined(within)}, taken as {label}"
    own = "" if level or max(map(len, inner.values())) < 2 else f"; for classes of their own give {root.name}/{first}"
    return (told + own,)


def _joined(names: Iterable[str]) -> str:
    """The first three, and how many more there are."""
    ordered = sorted(names, key=os.fsencode)
    *most, last = ordered[:3] + ([f"{len(ordered) - 3:,} more"] if ordered[3:] else [])
    return f"{', '.join(most)} and {last}" if most else last


def listed(names: Iterable[str]) -> str:
    """Names for a message, the first ten."""
    ordered = sorted(names, key=os.fsencode)
    return ", ".join(repr(name) for name in ordered[:10]) + (f" and {len(ordered) - 10} more" if ordered[10:] else "")
