"""What the page of a finished run shows, gathered from its folder, and from its data where pictures are wanted."""

import contextlib
import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from striate.base import reading, words
from striate.base.errors import DataError, Option, RunError, StriateError, UsageError
from striate.base.reading import DAMAGED
from striate.base.sections import Seen
from striate.base.units import by
from striate.data.augment import Augment, Augmenter, canvas_for
from striate.data.contents import Contents
from striate.data.feed import Batch
from striate.data.load import laid_up, read_samples
from striate.data.picture import decode
from striate.data.picture.laid import Array, Pixels
from striate.data.picture.layers import visible
from striate.data.picture.levels import WHITE
from striate.data.picture.pixels import MOST_PIXELS
from striate.data.preprocess import Measured, Preprocess
from striate.data.samples import Samples, checked
from striate.data.sources.builtin import built_in
from striate.evaluate.result import result as result_of
from striate.report import page
from striate.report.losses import remarks
from striate.report.origin import origin, without_folders
from striate.report.page import Example, Material
from striate.runs import schema, shown, subsets
from striate.runs.kept import Kept
from striate.runs.run import Run
from striate.runs.subsets import Line, groups_told
from striate.runs.watched import read_watch

EXAMPLES, DRAWS, LEAST = 6, 5, 96


def write(run: Run, samples: Samples | None = None, *, force: bool = False) -> Path:
    """report.html in the run folder, from what is on disk; a RunError when the run has no result.

    No test set is opened: what the network answered is kept. `samples` are its data where they are in memory.
    """
    path = run.folder / "report.html"
    try:
        if not force:
            reading.refuse_link(path)
        page.output(path, force).check()
    except UsageError as error:
        raise RunError(path, error.cause, ("moving it away, or ", Option("force", True))) from None
    page.write(collect(run, samples), path, force=force)
    return path


def collect(run: Run, samples: Samples | None = None) -> Material:
    """The pictures, counts and numbers of the page; nothing of a picture's metadata goes along."""
    result = run.result
    if run.status != "done":
        raise RunError(run.folder, f"this training is {run.status} and has no result", "resuming it")
    if result is None:
        raise RunError(run.folder / "result.json", "no such file", DAMAGED)
    masked, lines = run.task.masked, run.lines
    if masked:  # what stands there for a class is the digest of a mask
        lines = [dataclasses.replace(line, label="") for line in lines]
    classes = () if masked else run.classes
    pictures = Pictures(run.facts, lines, samples)
    data, facts = run.facts["data"], run.facts
    sections, notes = _sections(run, result, pictures)
    examples = [] if run.several else list(_examples(run, lines, pictures))
    # the values of the preset are filled in; a page that is passed on holds no paths
    recipe = run.recipe | facts["augment"] | {"data": Path(run.recipe["data"]).name, "size": by(run.preprocess.sides)}
    if run.several:
        recipe = {name: value for name, value in recipe.items() if name == "fold" and value}
        recipe |= {f"member {each['folder']}": _member(each) for each in facts["members"]}
    recipe |= {"averaged": [each["of"] for each in facts.get("averaged", ())]}
    best = 0 if schema.joined(facts) else int(page.field(result, "best_epoch"))
    network = None if run.several else run.network
    came, command = origin(facts)
    inside, unshown = shown.read(run.folder)
    return Material(
        title=run.name,
        origin=came,
        command=command,
        result=result,
        epochs=run.epochs,
        best_epoch=best,
        remarks=[]
        if network is None
        else list(remarks(run.epochs, best, run.recipe, Augment(**facts["augment"]), run.task, network)),
        shares=run.task.shares,
        sections=sections,
        classes=classes,
        filters=None if network is None else _filters(network),
        examples=examples,
        counts=_counts(lines, classes),
        skipped=[(name, cause) for name, cause in data["skipped"]],
        notes=[
            *data["notes"],
            *_grouped(facts),
            *facts.get("earlier", []),
            *facts.get("finetune", {}).get("told", []),
            *notes,
            *unshown,
        ],
        recipe={key: value for key, value in recipe.items() if value not in ({}, [])},
        versions=facts["versions"],
        timings=facts.get("timings", {}),
        ranged=schema.read_rates(run.folder),
        inside=[dataclasses.replace(each, command=without_folders(each.command)) for each in inside],
        watched=read_watch(run.folder),
    )


@final
class Pictures:
    """The run's own pictures by their line in split.csv, as far as they are still there."""

    def __init__(self, facts: Mapping[str, Any], lines: list[Line], samples: Samples | None) -> None:
        self._lines = lines
        self._root = facts["data"].get("root") or facts["data"]["path"]
        if samples is None and built_in(facts["data"]["path"]):
            samples = read_samples(facts["data"]["path"], labelled=False)
        self._memory = samples
        self._white = facts["preprocess"].get("white", WHITE)  # a run of before has none
        self._links = facts["recipe"]["follow_links"]
        source = facts["data"].get("source")
        self._gone = source == "arrays" and samples is None
        self._held: tuple[Mapping[str, int], Contents] | None = None
        if samples is None and source in ("zip", "shards", "hub", "saved", "table"):
            with contextlib.suppress(StriateError):  # it has gone, as each picture will say
                if found := laid_up(facts["data"]["path"], facts["recipe"].get("layout", "auto")):
                    self._held = {name: place for place, name in enumerate(found[0])}, found[1]

    def name(self, line: int) -> str:
        return self._lines[line].name

    def read(self, line: int) -> bytes | Pixels:
        """A DataError when it has gone or changed."""
        if self._memory is not None:
            return self._memory.read(line)
        if self._gone:
            raise DataError(self.name(line), "it was in memory, and is nowhere on disk", "the arrays")
        found = None
        for name in _spelled(self.name(line)):
            try:
                if self._held is not None and name in self._held[0]:
                    places, contents = self._held
                    held, where = contents(places[name], MOST_PIXELS), contents.where(places[name])
                    return checked(held, self._lines[line].digest, where)
                path = self._inside(name)
                return checked(decode.read_bytes(path, MOST_PIXELS), self._lines[line].digest, str(path))
            except DataError as error:
                found = found or error
        raise found or DataError(self.name(line), "it has gone", "the data as they were")

    def _inside(self, name: str) -> Path:
        """Where a picture lies; a DataError where split.csv was changed to lead out of the data's folder."""
        path = Path(self._root, name)
        inside = not PurePath(name).is_absolute() and ".." not in PurePath(name).parts and "\0" not in name
        if not inside or not (self._links or path.resolve().is_relative_to(Path(self._root).resolve())):
            raise DataError(name, "it leads out of the folder of the data", "the data as they were")
        return path

    def pixels(self, line: int, side: int) -> Seen:
        """Decoded no larger than a square of `side` needs."""
        try:
            return Seen(
                visible(Preprocess(side, 3, white=self._white).pixels(self.read(line), self.name(line), MOST_PIXELS))
            )
        except DataError as error:
            return Seen(None, f"this picture cannot be shown: {error.cause}")


def _spelled(name: str) -> Iterator[str]:
    """The names that a file may have which a table calls so: its digest then says which it is."""
    yield name
    if name[:1] in "=+-@":
        yield f"'{name}"
    as_bytes = re.sub(r"\\x([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), name)
    for said in dict.fromkeys((name, as_bytes)):
        with contextlib.suppress(UnicodeDecodeError):
            yield said.encode("latin-1", "backslashreplace").decode("unicode_escape")


@final
@dataclass(frozen=True)
class Shown:
    """What a task's sections show of the rows of one subset."""

    kept: Kept
    pictures: Pictures

    def name(self, place: int) -> str:
        return self.pictures.name(int(self.kept.samples[place]))

    def picture(self, place: int, side: int) -> Seen:
        return self.pictures.pixels(int(self.kept.samples[place]), side)

    def of(self, place: int) -> Mapping[str, Array]:
        return self.kept.of(place)


def _sections(run: Run, result: Mapping[str, Any], pictures: Pictures) -> tuple[list[Any], list[str]]:
    """What the task says of its rows; or, in a sentence, why there are none."""
    try:
        found = run.kept.get(result["subset"])
    except RunError as error:
        return [], [f"What was kept of each picture is damaged ({error.cause}): mistakes are not shown."]
    if found is None:
        return [], ["This run is of before rows were kept of each picture: only its numbers are shown."]
    computed = result_of(run.task, found.rows, result["subset"], subsets.groups_of(run.lines, found.samples))
    now = {each["name"]: each for each in computed["numbers"]}
    if not all(_close(now.get(each["name"], {}), each) for each in result["numbers"]):
        return [], ["What was kept of each picture does not give the numbers of result.json: mistakes are not shown."]
    return list(run.task.sections(found.rows, computed, Shown(found, pictures))), []


def _member(told: Mapping[str, Any]) -> str:
    """One of an ensemble, in a line."""
    return f"{told['run']}: {told['network']}, weight {told['weight']:.4f}"


def _grouped(facts: Mapping[str, Any]) -> list[str]:
    """In a sentence, the groups and how they came about; nothing where there are none."""
    told = facts.get("groups")
    return [] if told is None else [f"{groups_told(told)}. Intervals and tests draw groups."]


def _close(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two numbers are the same, but for what another machine rounds otherwise."""
    if one.get("name") != other["name"]:
        return False
    values = one["value"], other["value"]
    return values[0] is values[1] is None or (None not in values and math.isclose(*values, rel_tol=1e-6))


def _counts(lines: list[Line], classes: tuple[str, ...]) -> dict[str, list[int]]:
    """By subset the pictures of each class, or of all where there are no classes."""
    counts = {}
    places = {name: place for place, name in enumerate(classes)}
    for subset in words.SUBSETS:
        own = [line.label for line in lines if line.subset == subset]
        known = [places[label] for name in own if (label := _class(name, places)) is not None]
        if own:
            counts[subset] = np.bincount(known, minlength=len(classes)).tolist() if classes else [len(own)]
    return counts


def _class(said: str, places: Mapping[str, int]) -> str | None:
    return next((name for name in _spelled(said) if name in places), None)


def _examples(run: Run, lines: list[Line], pictures: Pictures) -> Iterator[Example]:
    """Training pictures, each of another class while there are classes, before and after augmentation."""
    if "measured" not in run.facts:  # a run of before it was kept
        return
    train = subsets.places(lines, "train")
    _, first = np.unique([lines[place].label for place in train], return_index=True)
    first = first[:EXAMPLES] if len(first) > 1 else np.arange(min(EXAMPLES, len(train)))
    augment = Augment(**run.facts["augment"])
    measured = Measured(**{name: _tuples(value) for name, value in run.facts["measured"].items()})
    own = run.preprocess
    canvases = canvas_for(augment, own)
    task, seed = run.task, int(run.recipe["seed"])
    augmenter = Augmenter(augment, own.size, measured, seed)
    for place in train[first]:
        try:
            picture = pictures.read(int(place))
            ((canvas, laid),) = canvases.looks(picture, tile=0, max_pixels=MOST_PIXELS)
            before = visible(
                Preprocess(max(*canvases.sides, LEAST), 3, white=own.white).pixels(picture, max_pixels=MOST_PIXELS)
            )
        except DataError:
            continue
        batch = Batch(np.array([place]), torch.from_numpy(canvas)[None], {}, (laid,))
        after = [task.given(augmenter(batch, epoch), seed, epoch).pictures[0] for epoch in range(DRAWS)]
        yield Example(before, tuple(map(_visible, after)), lines[place].label)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _visible(values: Tensor) -> Pixels:
    """What the network was given: (channels, h, w) in 0..1 -> uint8 (h, w, channels)."""
    return visible(np.asarray(np.rint(np.clip(values.permute(1, 2, 0).numpy(), 0, 1) * 255), dtype=np.uint8))


def _filters(net: nn.Module) -> Array | None:
    first = next((each for each in net.modules() if isinstance(each, nn.Conv2d)), None)
    return None if first is None else first.weight.detach().cpu().float().numpy()
