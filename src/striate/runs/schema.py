"""What the files of a run folder may hold. Nothing of a folder is used that has not passed here.

Importing this file does not import torch: a list of runs is shown at once.
"""

import dataclasses
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from striate.base import reading
from striate.base.declared import OPEN, Count, Digest, Text, read
from striate.base.errors import RunError, UsageError
from striate.base.options import Range
from striate.base.reading import DAMAGED
from striate.data.picture.layers import MOST as MOST_LAYERS
from striate.data.picture.layers import Depth
from striate.data.picture.pixels import LEAST_PIXELS, MOST_PIXELS, PIXELS
from striate.data.sources.layout import Layout
from striate.evaluate.numbers import Number, is_mean
from striate.evaluate.paired import Paired
from striate.models.catalog import find

# 1: the first; 2: with the task, and rows kept of pictures.
FORMAT = 2
# What lies in a run folder: none of it may be a link.
NAMES = (
    "run.json", "split.csv", "seen.csv", "sealed.csv", "rates.csv", "epochs.csv", "watch.csv", "checkpoints", "kept",
    "result.json", "predictions.csv", "members", ".lock",
)  # fmt: skip
MOST, MOST_LINES = 2**24, 2**30  # bytes of a file of facts, and of one with a line for each picture
Word = Annotated[str, re.compile(r"(?![+-]?\d{6})[^\0]{0,400}")]
WITHIN = Range(1, least=-10_000, most=10_000)
Option = bool | Annotated[int, WITHIN] | Annotated[float, WITHIN] | Word
Options = Mapping[str, Option]


@dataclass(frozen=True)
class Network:
    """A name of the catalogue, and options that its builder declares; none is a path or names code."""

    name: Text
    options: Options
    parameters: Count = 0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The keys that are read without training; the others are read by those who train."""

    data: Text
    size: tuple[int, int] | int | None = None
    dropout: float | None = None
    model_options: Options = field(default_factory=dict)
    fold: Text | None = None
    seed: Annotated[int, Range(0, least=0, most=2**32 - 1)]
    check: Literal["full", "headers", "names"]
    max_bad: Annotated[float, Range(0.01, least=0, most=1)]
    max_pixels: Annotated[int, Range(PIXELS, least=LEAST_PIXELS, most=MOST_PIXELS)] = PIXELS
    follow_links: bool
    merge_classes: bool
    allow_leak: bool
    layout: Layout = "auto"
    mask_map: str | None = None
    ignore: Annotated[int, Range(255, least=-(2**31), most=2**31 - 1)] | None = None
    masks: Literal["classes", "objects"] = "classes"
    channels: Annotated[int, Range(3, least=1, most=MOST_LAYERS)] | None = None
    depth: Depth = 8


@dataclass(frozen=True)
class Data:
    name: Text
    path: Text
    pictures: Count
    fingerprint: Digest
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    source: Text = ""
    root: Text | None = None
    order: Text = ""
    split_by: Literal["content", "name"] = "content"


@dataclass(frozen=True)
class Subset:
    """`contents`: the digest of a test set whose pictures were told apart by name until it was to be opened."""

    n: Count
    digest: Digest
    contents: Digest | None = None


@dataclass(frozen=True)
class Split:
    """`held`: of a fold."""

    train: Subset
    val: Subset
    test: Subset
    held: Subset = Subset(0, "")

    @property
    def pictures(self) -> int:
        return self.train.n + self.val.n + self.test.n + self.held.n


@dataclass(frozen=True)
class Grouped:
    """How groups came about, and how many lie in each subset."""

    by: Text
    digest: Digest
    train: Count
    val: Count
    test: Count
    held: Count = 0


@dataclass(frozen=True)
class Versions:
    decoder: str


@dataclass(frozen=True)
class Finetune:
    """The modules that started anew beside trained weights, and in sentences what learned of the others."""

    anew: tuple[Text, ...]
    told: tuple[str, ...]


@dataclass(frozen=True)
class Member:
    """One who answers in an ensemble: the folder in members/, the run that it was, its weights and its share."""

    folder: Annotated[str, re.compile(r"[1-9]\d{0,3}")]
    run: Text
    network: Text
    sha256: Digest
    weight: Annotated[float, Range(1, least=0, most=1, open="least")]
    id: Text | None = None


@dataclass(frozen=True)
class Averaged:
    """Weights of which the run's own are the mean: whose they were."""

    of: Text
    sha256: Digest


@dataclass(frozen=True)
class Facts:
    """run.json; `preprocess`, `task`, `augment` and `measured` are read by those who wrote them.

    `began` is in UTC, `command` what was typed or called; `seconds` those of all parts, once it has ended.
    """

    status: Literal["running", "stopped", "failed", "done"]
    recipe: Annotated[Recipe, OPEN]
    task: Mapping[str, Any]
    classes: tuple[str, ...]
    preprocess: Mapping[str, Any]
    network: Network
    augment: Mapping[str, Any]
    data: Data
    split: Split
    versions: Annotated[Versions, OPEN]
    measured: Mapping[str, Any] | None = None
    finetune: Finetune | None = None
    earlier: tuple[str, ...] = ()
    began: Annotated[str, re.compile(r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")] = ""
    command: Text = ""
    timings: Mapping[str, float] = field(default_factory=dict)
    seconds: Annotated[float, Range(0, least=0)] | None = None
    groups: Grouped | None = None
    members: tuple[Member, ...] = ()
    averaged: tuple[Averaged, ...] = ()
    cause: str = ""


@dataclass(frozen=True)
class Baseline(Number):
    paired: Paired | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """result.json, as far as it is not computed again from the rows that were kept."""

    subset: Literal["val", "held", "test"]
    n: Count
    numbers: tuple[Number, ...]
    baselines: tuple[Baseline, ...]
    weights: Text
    best_epoch: Annotated[int, Range(1, least=1)] | None = None
    openings: Annotated[int, Range(1, least=1)] | None = None
    sealed: Count = 0
    validation: tuple[Number, ...] = ()
    held: tuple[Number, ...] = ()


def _refuse_absent(path: Path) -> None:
    """A run that is not there may be one that is meant: by its name alone, or by something in its folder."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        folder = path.parent
        cause = "no run: there is no run.json in it" if folder.is_dir() else "no such folder"
        meant = [each for each in (Path("runs", folder), *folder.parents) if (each / "run.json").is_file()]
        hint = str(meant[0]) if meant else "a run folder: runs/NAME, with a name that `striate runs` lists"
        raise RunError(folder, cause, hint) from None
    except (OSError, ValueError) as error:
        raise RunError(path, f"cannot be read ({error})", DAMAGED) from None


def glance(folder: Path) -> Mapping[str, Any]:
    """run.json as far as a list of runs needs it: what only training and answering need is not looked at."""
    return _told(folder)[0]


def _told(folder: Path) -> tuple[Mapping[str, Any], Facts]:
    path = folder / "run.json"
    _refuse_absent(path)
    for name in NAMES:
        reading.refuse_link(folder / name)
    facts = reading.read_json(path, MOST)
    if not isinstance(facts, dict) or type(facts.get("format")) is not int:
        raise RunError(path, "not a run of striate", "a folder that `striate runs` lists")
    if not 1 <= facts["format"] <= FORMAT:
        raise RunError(path, f"written in format {facts['format']}, this reads up to {FORMAT}", "a newer striate")
    if facts["format"] == 1:
        facts = {**facts, "task": {}}
    return facts, read(Annotated[Facts, OPEN], facts, path)


def read_facts(folder: Path) -> Mapping[str, Any]:
    """run.json, of any format as it would be written now; a RunError names what cannot be meant."""
    from striate.data import preprocess
    from striate.data.augment import Augment
    from striate.data.masks import legend
    from striate.data.splits import fold_of
    from striate.tasks import registry

    (facts, told), path = _told(folder), folder / "run.json"
    if facts["format"] == 1:
        task = _task_of_format_1(told, path)
        facts, told = {**facts, "task": task}, dataclasses.replace(told, task=task)
    read(Augment, told.augment, path, "augment")
    try:
        legend(told.recipe.mask_map, told.recipe.ignore, told.recipe.masks)
        if told.recipe.fold is not None:
            fold_of(told.recipe.fold)
    except UsageError as error:
        raise RunError(path, f"recipe.{error.where}: {error.cause}", DAMAGED) from None
    task, prepare = registry.from_dict(told.task, path), preprocess.from_dict(told.preprocess, path)
    recipe, split, channels = told.recipe, told.split, prepare.channels
    dropout = {} if recipe.dropout is None else {"dropout": recipe.dropout}
    measured = preprocess.Measured(prepare.mean, prepare.deviation, (prepare.mean,) * channels)
    if told.measured is not None:
        measured = read(preprocess.Measured, told.measured, path, "measured")
    for key, agrees in {
        "classes": (task.classes, len(set(task.classes))) == (told.classes, len(told.classes)),
        "task.classes": task.labelled == bool(task.classes),
        "split": split.pictures == told.data.pictures,
        "split.held": (split.held.n > 0) == (recipe.fold is not None),
        "preprocess.size": recipe.size in (None, prepare.size),
        "preprocess.mean": len(prepare.mean) == len(prepare.deviation) == channels,
        "network.options": told.network.options == {**recipe.model_options, **dropout},
        "measured": {channels} == set(map(len, (measured.mean, measured.covariance, *measured.covariance))),
    }.items():
        if not agrees:
            raise RunError(path, f"{key} does not agree with the rest of the file", DAMAGED)
    return facts


def joined(facts: Mapping[str, Any]) -> bool:
    """Whether a run was made of others, and not trained: there are no epochs of it."""
    return bool(facts.get("members") or facts.get("averaged"))


def read_result(folder: Path, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """result.json of the run with these facts."""
    path = folder / "result.json"
    # a count for each pair of classes, each on a line of its own
    values: Mapping[str, Any] = reading.read_json(path, MOST + 32 * len(facts["classes"]) ** 2)
    told = read(Annotated[Result, OPEN], values, path)
    for number in (*told.numbers, *told.baselines):
        low, value, high = ends = number.low, number.value, number.high
        least, most = (-math.inf, math.inf) if is_mean(number.method) else (0, 1)
        told_all = low is not None and value is not None and high is not None
        if not (told_all and least <= low <= value <= high <= most) and ends != (None, None, None):
            raise RunError(path, f"{number.name} is outside its interval", DAMAGED)
    for each in told.baselines:
        if (found := each.paired) and not (found.low <= found.difference <= found.high and found.n == each.n):
            raise RunError(path, f"{each.name}: paired is outside its interval, or of other pictures", DAMAGED)
    if not told.numbers:
        raise RunError(path, "numbers is empty", DAMAGED)
    if told.n != facts["split"].get(told.subset, {}).get("n"):
        raise RunError(path, f"n is {told.n}, and not as many as {told.subset} has pictures", DAMAGED)
    if told.best_epoch is None and not joined(facts):
        raise RunError(path, "best_epoch is missing", DAMAGED)
    if told.subset == "test" and told.openings is None:
        raise RunError(path, "openings is missing", DAMAGED)
    if told.sealed not in (0, facts["split"]["test"]["n"] if told.subset != "test" else 0):
        raise RunError(path, "sealed does not agree with the rest of the run", DAMAGED)
    return values


def read_epochs(folder: Path) -> list[dict[str, float]]:
    """epochs.csv, a dict per row."""
    path = folder / "epochs.csv"
    head, lines = reading.read_table(path, MOST)
    if head[:1] != ["epoch"] or len(set(head)) < len(head):
        raise RunError(path, "its head is not one that a training writes", DAMAGED)
    try:
        rows = [dict(zip(head, map(float, line), strict=True)) for line in lines]
    except ValueError as error:
        raise RunError(path, f"cannot be read ({error})", DAMAGED) from None
    read(tuple[Mapping[str, float], ...], rows, path, "row")
    if [row["epoch"] for row in rows] != list(range(1, len(rows) + 1)):
        raise RunError(path, "its epochs are not 1, 2, 3 ...", DAMAGED)
    return rows


def read_rates(folder: Path) -> Mapping[str, tuple[float, ...]]:
    """rates.csv by column: the range test by which the rate was found; nothing where it was not."""
    path = folder / "rates.csv"
    if not os.path.lexists(path):
        return {}
    head, lines = reading.read_table(path, MOST)
    try:
        columns = list(zip(*(map(float, line) for line in lines), strict=True))
    except ValueError as error:
        raise RunError(path, f"cannot be read ({error})", DAMAGED) from None
    told = dict(zip(head, columns, strict=False))
    if head != ["rate", "loss", "smooth"] or len(told) != 3 or not all(map(math.isfinite, sum(columns, ()))):
        raise RunError(path, "it is not what a training writes", DAMAGED)
    if min(told["rate"]) <= 0:
        raise RunError(path, "a rate is not above 0", DAMAGED)
    return told


def _task_of_format_1(told: Facts, path: Path) -> Any:
    """Every run told classes apart then: the task as it would be written now."""
    from striate.tasks import registry

    try:
        task = registry.task_named(find(told.network.name).task, told.classes, {}, {})
    except UsageError as error:
        raise RunError(path, f"{error.where}: {error.cause}", DAMAGED) from None
    return registry.as_dict(task)
