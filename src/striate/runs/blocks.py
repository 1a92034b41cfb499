"""What each residual block of a run adds, and what is lost without it; and what its gates let through of each class."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from striate.base.errors import UsageError, escaped
from striate.base.randomness import permutation
from striate.base.tables import Table, html_table, text
from striate.base.words import many
from striate.base.words import subset as called
from striate.data.feed import open_feed
from striate.data.load import Data, reading_workers
from striate.data.picture.laid import Array
from striate.data.samples import Indices, Samples
from striate.data.units import units_of
from striate.evaluate.contrasts import LEVEL, p_of
from striate.evaluate.holm import holm
from striate.evaluate.numbers import Number, as_told, is_mean, number
from striate.evaluate.paired import Paired, paired, sure
from striate.evaluate.rows import passes, rows, rows_anew
from striate.inside import residual
from striate.inside.target import only
from striate.predictor import Predictor
from striate.runs.evaluation import Of
from striate.runs.own import own_subsets
from striate.tasks.task import Rows, of_pictures

Part = Literal["val", "train"]
Progress = Callable[[int, int], None]


@final
@dataclass(frozen=True)
class Block:
    """Means over pictures of the norms of F(x), `branch`, and of what it is added to, `shortcut`, and of F(x)'s share
    in the sum of both; and how much more the whole network has than the one `without` F(x).

    `projects`: what it is added to went through weights of its own. `p`: of the test among those of all blocks.
    """

    name: str
    projects: bool
    branch: float
    shortcut: float
    share: float
    without: float | None
    lost: Paired | None
    p: float


@final
@dataclass(frozen=True)
class Blocks:
    """The blocks of a network in order, by pictures of `subset`; `whole` is the measure that they are judged by."""

    whole: Number
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()

    @property
    def mean(self) -> bool:
        """Whether the measure is a mean and no share."""
        return is_mean(self.whole.method)

    def as_dict(self) -> dict[str, Any]:
        blocks = [{**dataclasses.asdict(each), "lost": each.lost and each.lost.as_dict()} for each in self.blocks]
        return {"whole": self.whole.as_dict(), "blocks": blocks, "notes": list(self.notes)}

    def table(self) -> Table:
        head = ("block", "|F(x)|", "|x|", "share of F", f"{self.whole.name} without", "difference", "95 %", "p of all")
        rows = [
            (
                f"{each.name}{' (projects)' * each.projects}", f"{each.branch:.4g}", f"{each.shortcut:.4g}",
                f"{100 * each.share:.1f} %", self._told(each.without), *self._lost(each),
            ) for each in self.blocks
        ]  # fmt: skip
        return Table(head, rows, notes=self.told(), right=range(1, 8), spared=("95 %", "|x|", "|F(x)|"))

    def told(self) -> tuple[str, ...]:
        """The network as it is, and how its blocks were judged."""
        lost = sum(each.p < LEVEL and each.lost is not None and each.lost.difference > 0 for each in self.blocks)
        of = many(len(self.blocks), "block")
        return (
            f"whole network: {self.whole}",
            f"without {lost} of {of} it is worse, each F(x) set to 0 alone and its shortcut left (Veit et al. 2016): "
            "intervals are of one block alone, p among those of all blocks (Holm 1979)",
            *self.notes,
        )

    def _told(self, value: float | None) -> str:
        return "undefined" if value is None else as_told(value, self.whole.n, self.mean, 3)

    def _lost(self, each: Block) -> tuple[str, str, str]:
        if each.lost is None:
            return "undefined", "", ""
        turned = (0.0 - value for value in (each.lost.difference, each.lost.high, each.lost.low))
        more, *ends = (as_told(value, each.lost.n, self.mean).removesuffix(" %") for value in turned)
        return more, " to ".join(ends), sure(each.p)

    def __str__(self) -> str:
        return text(self.table())

    def __repr__(self) -> str:
        return escaped(f"Blocks({many(len(self.blocks), 'block')}; {self.whole.brief})")

    def _repr_html_(self) -> str:
        return html_table(self.table())


@final
@dataclass(frozen=True, eq=False)
class Gates:
    """Of each squeeze-excitation, by name and in order, the `mean` of its gates over the pictures of each class, and
    their standard deviation within it, `spread`: both (classes, channels). `pictures` are those of each class."""

    subset: str
    classes: tuple[str, ...]
    pictures: tuple[int, ...]
    means: dict[str, Array]
    spreads: dict[str, Array]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        of = {name: {"mean": self.means[name].tolist(), "spread": self.spreads[name].tolist()} for name in self.means}
        return {"subset": self.subset, "classes": list(self.classes), "pictures": list(self.pictures), "gates": of,
                "notes": list(self.notes)}  # fmt: skip

    def table(self) -> Table:
        """Of each squeeze-excitation how its gates are spread over channels, classes and pictures."""
        head = ("gates of", "channels", "mean", "between channels", "between classes", "within classes")
        rows = [
            (
                name, each.shape[1], *(f"{value:.3f}" for value in (
                    each.mean(), each.mean(0).std(), each.std(0).mean(), self.spreads[name].mean(),
                )),
            ) for name, each in self.means.items()
        ]  # fmt: skip
        pictures = many(sum(self.pictures), f"{called(self.subset)} picture")
        told = f"standard deviations of gates, which are from 0 to 1; {pictures} of {many(len(self.classes), 'class')}"
        return Table(head, rows, notes=(told, *self.notes), right=range(1, 6))

    def __str__(self) -> str:
        return text(self.table())

    def __repr__(self) -> str:
        return escaped(f"Gates({', '.join(self.means)})")

    def _repr_html_(self) -> str:
        return html_table(self.table())


def blocks(
    predictor: Predictor, run: Of, subset: Part, most: int, data: Data | None, workers: int | None, progress: Progress
) -> Blocks:
    """Each block on the same pictures, `most` of them at most; no sealed one is among them."""
    task = predictor.task
    found = residual.residuals(only(predictor, "blocks").network)
    samples, indices = _own(predictor, run, subset, most, data, workers)
    groups = samples.groups_of(indices)
    with residual.norms(found) as (branch, shortcut):
        owners = _owners(predictor, samples, indices, workers, branch)
    answer = _answering(predictor, samples, indices, workers)
    progress(0, len(found) + 1)
    whole = task.measures(answer())[0]
    progress(1, len(found) + 1)
    told = []
    for place, each in enumerate(found):
        with residual.without(each):
            kept = answer()
        # numbers that a network without a block cannot answer with are no measure of what it lost
        other = task.measures(kept)[0] if np.isfinite(kept).all() else None
        lost = None if other is None else paired(whole, other, groups)
        value = None if other is None else number(other, subset, groups).value
        ours, beside = branch.of(place), shortcut.of(place)
        share = ours / np.maximum(ours + beside, np.finfo(np.float64).tiny)
        added, passed, part = (float(_by_picture(values, owners).mean()) for values in (ours, beside, share))
        told.append(Block(each.name, each.projects, added, passed, part, value, lost, 1.0))
        progress(place + 2, len(found) + 1)
    ps = holm([1.0 if each.lost is None else p_of(each.lost) for each in told])
    judged = tuple(dataclasses.replace(each, p=p) for each, p in zip(told, ps, strict=True))
    return Blocks(number(whole, subset, groups), judged, _notes(subset))


def gates(
    predictor: Predictor, run: Of, subset: Part, most: int, data: Data | None, workers: int | None, progress: Progress
) -> Gates:
    """What each squeeze-excitation lets through of each class; of a task without classes, of all pictures together."""
    found = residual.gates(only(predictor, "blocks").network)
    samples, indices = _own(predictor, run, subset, most, data, workers)
    with residual.gating(list(found.values())) as heard:
        owners = _owners(predictor, samples, indices, workers, heard, progress)
    task = predictor.task
    told = task.labelled and not task.masked and bool(task.classes)
    classes = task.classes if told else ("all",)
    labels = samples.targets.strata[indices] if told else np.zeros(len(indices), np.int64)
    there = [place for place in range(len(classes)) if (labels == place).any()]
    means, spreads = dict[str, Array](), dict[str, Array]()
    for place, name in enumerate(found):
        each = _by_picture(heard.of(place), owners)
        means[name] = np.stack([each[labels == label].mean(0) for label in there])
        spreads[name] = np.stack([each[labels == label].std(0) for label in there])
    counts = tuple(int((labels == label).sum()) for label in there)
    return Gates(subset, tuple(classes[label] for label in there), counts, means, spreads, _notes(subset))


def _notes(subset: Part) -> tuple[str, ...]:
    seen = {"val": "the validation pictures also chose the epoch", "train": "the network was trained on these pictures"}
    return (f"{seen[subset]}; no test picture was looked at",)


def _own(
    predictor: Predictor, run: Of, subset: Part, most: int, data: Data | None, workers: int | None
) -> tuple[Samples, Indices]:
    """The run's samples, and the places of at most so many of a subset, which their number and the subset decide."""
    folder, facts = run
    if most < 1:
        raise UsageError("pictures", f"{most} is out of range", "a number of at least 1")
    if not facts["split"][subset]["n"]:
        raise UsageError("subset", f"{folder.name} has no {called(subset)} pictures", "another subset")
    hint = "striate.blocks(run, data=(pictures, labels)) from Python"
    split, samples = own_subsets(*run, predictor.task, data, hint, workers)
    places = split.named[subset]
    return samples, np.sort(places[permutation(0, "blocks", 0, len(places))[:most]])


def _answering(predictor: Predictor, samples: Samples, indices: Indices, workers: int | None) -> Callable[[], Rows]:
    """What answers all pictures, again and again; canvases stay in memory where they fit."""
    if of_pictures(predictor.task):
        return lambda: rows_anew(predictor, samples, indices, workers)
    units, many_at = units_of(samples), reading_workers(samples) if workers is None else workers
    feed = open_feed(units, indices, predictor.members[0].preprocess, predictor.device, workers=many_at)
    return lambda: np.asarray(rows(predictor, units, indices, [feed]).cpu().numpy())


def _owners(
    predictor: Predictor, samples: Samples, indices: Indices, workers: int | None, heard: residual.Heard,
    progress: Progress = lambda done, total: None,
) -> Indices:  # fmt: skip
    """Every picture goes through the network once; of each canvas that is heard the picture that it is of, from 0."""
    place, owners = {int(sample): row for row, sample in enumerate(indices)}, list[int]()
    for of in passes(predictor, samples, indices, workers, progress):
        new = [place[int(sample)] for sample in of]
        owners += new if heard.canvases - len(owners) == len(new) else new[:1] * (heard.canvases - len(owners))
    return np.asarray(owners, np.int64)


def _by_picture(values: Array, owners: Indices) -> Array:
    """The mean over the canvases of each picture."""
    sums = np.zeros((int(owners.max()) + 1, *values.shape[1:]))
    np.add.at(sums, owners, values)
    counts = np.bincount(owners).astype(np.float64)
    return sums / counts.reshape(-1, *[1] * (values.ndim - 1))
