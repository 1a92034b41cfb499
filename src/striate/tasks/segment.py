"""Segmentation: a class for each pixel. What is kept of a picture are counts of its pixels, pairs and objects."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from striate.base.options import Range
from striate.base.sections import Section
from striate.base.tables import Table
from striate.data.feed import Batch
from striate.data.picture.laid import Array
from striate.data.picture.layers import visible
from striate.data.picture.overlays import NONE
from striate.data.samples import Indices
from striate.data.targets import Targets
from striate.tasks import pixel_loss, segment_page, thresholds
from striate.tasks.border import bordered
from striate.tasks.measures import Mean, Measure, Statistic
from striate.tasks.overlap import Objects, agreement, confusion, counted, instances, objects_of, regions
from striate.tasks.task import PictureTask, Rows, Shown, Trial, Usual, option

# Up to so many classes the whole confusion matrix of each picture is kept, and beyond them its sums.
FEW = 24
# Columns of a row after its pixels: pairs in both, in the truth, in the answer; objects found, true, answered.
OBJECTS = 6
# Ids up to here are bytes; and classes whose share of a picture has a column of its own.
BYTES, COLUMNS = 256, 20
WORST, SIDE = 12, 512


@final
@dataclass(frozen=True)
class Segmented:
    """The class of each pixel, ids (h, w), the pixels of each class, and the objects; None for an unread picture."""

    ids: Array | None = None
    pixels: tuple[tuple[str, int], ...] = ()
    objects: int = 0

    @property
    def picture(self) -> Array | None:
        return self.ids

    def as_dict(self) -> dict[str, Any]:
        if self.ids is None:
            return {"height": None, "width": None, "objects": None, "classes": {}}
        classes = {name: {"pixels": count, "share": count / self.ids.size} for name, count in self.pixels}
        return {"height": self.ids.shape[0], "width": self.ids.shape[1], "objects": self.objects, "classes": classes}

    def cells(self) -> tuple[object, ...]:
        if self.ids is None:
            return ()
        return (self.objects, *(count / self.ids.size for _, count in self.pixels[:COLUMNS]))


@final
@dataclass(frozen=True)
class Segment(Usual):
    """Outputs are scores (n, classes, h, w); the part "mask" of a batch is the true class, below 0 where none counts.

    The first class is what is behind: objects are those of the others.
    """

    labelled: ClassVar[bool] = True
    masked: ClassVar[bool] = True
    one_class: ClassVar[bool] = False
    pictures: ClassVar[bool] = True
    networks: ClassVar[frozenset[str]] = frozenset({"segment"})
    mixes: ClassVar[bool] = False
    shares: ClassVar[frozenset[str]] = frozenset({"IoU", "Dice", "pixel_accuracy"})
    recipe: ClassVar[Mapping[str, Any]] = MappingProxyType({
        "model": "unet_padded", "resize": "tiles", "augment": "elastic", "optimizer": "adamw", "rate": 0.005,
        "weight_decay": 0.01, "schedule": "one-cycle", "warmup": 0.0, "batch": 8,
    })  # fmt: skip

    classes: tuple[str, ...]
    loss_kind: Literal["cross-entropy", "dice", "cross-entropy+dice"] = option(
        "cross-entropy+dice", "what training lowers"
    )
    class_weights: Literal["none", "balanced"] = option("none", "balanced: rare classes count more in cross-entropy")
    weights: tuple[Annotated[float, Range(1, least=0)], ...] = ()
    """Of each class, by its pixels in the training pictures; all 1 where there are none."""
    border: Annotated[float, Range(10, least=0, most=1000)] = option(
        0.0, "w0 of the U-Net paper: how much more a gap between two objects counts in cross-entropy (there 10)"
    )
    sigma: Annotated[float, Range(5, least=0.5, most=100)] = option(5.0, "width of such a gap in pixels, with border")
    objects: Objects = option("components", "objects of a mask: its connected regions, or these cut by a watershed")
    name: str = "segment"

    def channels(self, pictures: int) -> tuple[int, int]:
        return pictures, len(self.classes)

    # Training

    def weighed(self, targets: Targets) -> Targets:
        """With the border weights of each canvas, made where the picture is read."""
        return bordered(targets, self.border, self.sigma) if self.border else targets

    def measured(self, train: Iterator[Batch]) -> "Segment":
        """With the weight of each class, all pixels / (classes * its pixels): the mean over pixels is 1."""
        objects_of(np.ones((1, 1), np.uint8), self.objects)  # what it lacks is told before the first step
        if self.class_weights == "none":
            return self
        count = len(self.classes)
        masks = (each.targets["mask"] for each in train)
        counts = [torch.bincount(mask[mask >= 0], minlength=count).cpu() for mask in masks]
        pixels = torch.stack(counts).sum(0).double()
        occurring = int((pixels > 0).sum())
        weights = torch.where(pixels > 0, pixels.sum() / (occurring * pixels.clamp(min=1)), 1.0)
        return dataclasses.replace(self, weights=tuple(weights.tolist()))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Of each picture, (n,): over its own counted pixels, 0 where it has none."""
        parts = batch.inside((outputs.shape[2], outputs.shape[3])).targets
        truth = parts["mask"]
        losses = torch.zeros(len(outputs), device=outputs.device)
        if self.loss_kind != "dice":
            losses = losses + pixel_loss.cross_entropy(outputs, truth, self.weights, parts.get("weight"))
        return losses + pixel_loss.dice(outputs, truth) if self.loss_kind != "cross-entropy" else losses

    # Answers

    def joined(self, outputs: Sequence[Tensor], weights: Sequence[float], tasks: Sequence[Any]) -> Tensor:
        """The logarithm of the weighted mean of probabilities."""
        shares = torch.tensor(weights, dtype=torch.float64) / sum(weights)
        logs = torch.stack([torch.log_softmax(each.double().cpu(), 0) for each in outputs])
        return torch.logsumexp(logs + shares.log()[:, None, None, None], 0).float()

    def said(self, outputs: Tensor) -> Tensor:
        """The likeliest class of each pixel, the first of equals."""
        return outputs.argmax(1).to(torch.uint8 if len(self.classes) <= BYTES else torch.int32)

    def answer(self, said: Array, picture: Array) -> Segmented:
        counts = counted(said, len(self.classes)).tolist()
        objects = sum(count for _, count in regions(said, self.objects))
        return Segmented(said, tuple(zip(self.classes, counts, strict=True)), objects)

    def nothing(self) -> Segmented:
        return Segmented()

    @property
    def columns(self) -> tuple[str, ...]:
        return ("objects", *self.classes[:COLUMNS])

    # Rows

    def kept(self, answers: Tensor, batch: Batch) -> Tensor:
        truth = batch.targets["mask"]
        table = confusion(truth, answers, len(self.classes))
        if len(self.classes) <= FEW:
            pixels = table.flatten(1)
        else:
            pixels = torch.cat([table.diagonal(dim1=1, dim2=2), table.sum(2), table.sum(1)], 1)
        ids = batch.targets["objects"].cpu().numpy() if "objects" in batch.targets else [None] * len(truth)
        found = [self._objects(*each) for each in zip(truth.cpu().numpy(), answers.cpu().numpy(), ids, strict=True)]
        counts = torch.from_numpy(np.stack(found)).to(pixels.device)
        return torch.cat([pixels.double(), counts], 1)

    def _objects(self, truth: Array, said: Array, ids: Array | None) -> Array:
        """Pairs and objects of one picture; nothing that lies under uncounted pixels is seen."""
        mask, answer = np.maximum(truth, 0), np.where(truth < 0, 0, said)
        true = objects_of(mask) if ids is None else instances(ids, mask)
        return agreement(true, objects_of(answer, self.objects), truth, answer)

    def _pixels(self, rows: Rows) -> tuple[Rows, Rows, Rows]:
        """Pixels of each class (n, classes): rightly answered, true, and answered."""
        count = len(self.classes)
        if count > FEW:
            return rows[:, :count], rows[:, count : 2 * count], rows[:, 2 * count : 3 * count]
        table = rows[:, : count**2].reshape(-1, count, count)
        return np.diagonal(table, axis1=1, axis2=2), table.sum(2), table.sum(1)

    @property
    def _scored(self) -> slice:
        """Of two classes the second alone, else all."""
        return slice(1, 2) if len(self.classes) == 2 else slice(None)

    def _overlap(self, rows: Rows, places: slice) -> Mapping[str, tuple[Rows, Rows]]:
        """Each share of pixels, by the column of a table: what it is of, and that whole, (n, classes)."""
        hits, true, told = (part[:, places] for part in self._pixels(rows))
        return {"iou": (hits, true + told - hits), "dice": (2 * hits, true + told)} | (
            {"precision": (hits, told), "recall": (hits, true)}
        )

    def _accuracy(self, rows: Rows) -> tuple[Rows, Rows]:
        hits, true, _ = self._pixels(rows)
        return hits.sum(1, keepdims=True), true.sum(1, keepdims=True)

    def fits(self, kept: Rows) -> bool:
        count = len(self.classes)
        if kept.shape[1] != (count**2 if count <= FEW else 3 * count) + OBJECTS or not (kept >= 0).all():
            return False
        hits, true, told = self._pixels(kept)
        *_, found, objects, answered = kept[:, -OBJECTS:].T
        return bool((hits <= np.minimum(true, told)).all() and (found <= np.minimum(objects, answered)).all())

    def summary(self, kept: Tensor) -> dict[str, float]:
        """Over all pictures together; nothing to find and nothing found is 1."""
        row = kept.sum(0, keepdim=True).cpu().numpy()
        overlap = self._overlap(row, self._scored)
        values = {"IoU": overlap["iou"], "Dice": overlap["dice"], "pixel_accuracy": self._accuracy(row)}
        return {name: float(np.nan_to_num(_shares(*value)[0], nan=1.0)) for name, value in values.items()}

    def score(self, summary: Mapping[str, float]) -> tuple[float, ...]:
        return summary["IoU"], summary["pixel_accuracy"]

    def measures(self, kept: Rows) -> list[Measure]:
        """Over the data set: all pictures' pixels, pairs or objects counted together; per picture: a mean of them."""
        two = len(self.classes) == 2
        iou, dice = (f"{what} of {self.classes[1]}" if two else f"mean {what}" for what in ("IoU", "Dice"))
        overlap = self._overlap(kept, self._scored)
        pairs, of_true, of_told, found, true, told = (kept[:, [place]] for place in range(-OBJECTS, 0))
        each = {name: _shares(*overlap[key]) for name, key in ((iou, "iou"), (dice, "dice"))}
        return [
            _together(f"{iou} over the data set", *overlap["iou"]),
            _together(f"{dice} over the data set", *overlap["dice"]),
            *(Mean(f"{name} per picture", tuple(of.tolist())) for name, of in each.items()),
            _together("pixel accuracy", *self._accuracy(kept)),
            _together("adapted Rand F", 2 * pairs, of_true + of_told),
            _together("object F1 at IoU 0.5", 2 * found, true + told),
            _together("object precision at IoU 0.5", found, told),
            _together("object recall at IoU 0.5", found, true),
        ]

    def breakdown(self, kept: Rows) -> Mapping[str, Any]:
        """Numbers by class over the data set and, for few classes, the confusion matrix of pixels."""
        row = kept.sum(0, keepdims=True)
        true = self._pixels(row)[1][0]
        told: dict[str, Any] = {
            "classes": [
                {"class": name, "pixels": int(true[place]), "share": float(true[place] / max(true.sum(), 1))}
                | {
                    what: _together(what, *parts)
                    for what, parts in self._overlap(kept, slice(place, place + 1)).items()
                }
                for place, name in enumerate(self.classes)
            ]
        }
        count = len(self.classes)
        if count <= FEW:
            told["confusion"] = row[0, : count**2].astype(np.int64).reshape(count, count).tolist()
        return told

    def table(self, kept: Rows) -> Table:
        head = ("iou", "dice", "pixel_accuracy", "objects_found", "objects_true", "objects_answered")
        overlap = self._overlap(kept, self._scored)
        parts = (overlap["iou"], overlap["dice"], self._accuracy(kept))
        values = np.stack([_shares(*each) for each in parts], 1)
        return Table(head, [
            (*("" if np.isnan(value) else float(value) for value in shares), *map(int, row[-3:]))
            for shares, row in zip(values, kept, strict=True)
        ])  # fmt: skip

    def baselines(self, trial: Trial) -> list[Measure]:
        """The commonest class, the class of the nearest mean colour and, of two classes, Otsu's threshold.

        Colours are those of up to 256 training pictures; whether objects are bright or dark is what does better on
        up to 64 validation pictures.
        """
        learned, chosen = trial.batches(trial.train[:256]), trial.batches(trial.val[:64])
        looks = thresholds.rivals(len(self.classes), learned, chosen, self._first)
        rows: dict[str, list[Tensor]] = {name: [] for name in looks}
        for batch in trial.batches(trial.tested):
            for name, answers in looks.items():
                rows[name].append(self.kept(answers(batch.pictures), batch))
        return [
            dataclasses.replace(self.measures(torch.cat(found).cpu().numpy())[0], name=name)
            for name, found in rows.items()
        ]

    def _first(self, said: Sequence[tuple[Tensor, Batch]]) -> float:
        """The number to quote of a few answers."""
        rows = torch.cat([self.kept(answers, batch) for answers, batch in said])
        return self.summary(rows)["IoU"]

    # Pages

    def remembered(self, kept: Rows) -> Indices:
        """The worst: of the lowest IoU."""
        return np.sort(self._worst(kept)).astype(np.int64)

    def _worst(self, kept: Rows) -> Indices:
        values = _shares(*self._overlap(kept, self._scored)["iou"])
        return np.argsort(np.nan_to_num(values, nan=2.0), kind="stable")[:WORST]

    def shown(self, said: Array, batch: Batch) -> Mapping[str, Array]:
        """A picture with the classes it truly has and was answered with, uint8; 255 where none is counted."""
        step = -(-max(said.shape) // SIDE)
        picture = functional.avg_pool2d(batch.pictures.cpu().float(), step, ceil_mode=True)[0]
        truth = batch.targets["mask"][0].cpu().numpy()
        ids = {"truth": np.where(truth < 0, NONE, truth), "answer": said}
        found = {name: np.minimum(each, NONE).astype(np.uint8)[::step, ::step] for name, each in ids.items()}
        levels = np.rint(255 * picture.clamp(0, 1).numpy()).astype(np.uint8).transpose(1, 2, 0)
        return {"given": visible(levels), **found}

    def sections(self, kept: Rows, result: Mapping[str, Any], shown: Shown) -> list[Section]:
        places = [int(place) for place in self._worst(kept)]
        lines = {place: self._told(kept[place : place + 1]) for place in places}
        return segment_page.sections(self.classes, places, lines, result, shown)

    def _told(self, row: Rows) -> tuple[tuple[str, str, str], ...]:
        iou, (found, true, told) = _shares(*self._overlap(row, self._scored)["iou"])[0], map(int, row[0, -3:])
        shown = "undefined" if math.isnan(iou) else f"{iou:.3f}"
        return (("IoU", shown, ""), ("objects", f"{found} of {true}", f"found, {told} answered"))


def _shares(parts: Rows, wholes: Rows) -> Rows:
    """(n, k) by (n, k): the mean of the shares in each row, of those that have a whole; NaN where none has."""
    there = wholes > 0
    shares = np.divide(parts, wholes, out=np.zeros(parts.shape), where=there)
    counts = there.sum(1)
    return np.asarray(np.divide(shares.sum(1), counts, out=np.full(len(parts), np.nan), where=counts > 0))


def _together(name: str, parts: Rows, wholes: Rows) -> Statistic:
    """The same of all rows together."""
    count = parts.shape[1]
    return Statistic(name, np.concatenate([parts, wholes], 1), lambda sums: _shares(sums[:, :count], sums[:, count:]))


TASK: type[PictureTask] = Segment
TASKS: Mapping[str, Mapping[str, Any]] = MappingProxyType({"segment": {}})
