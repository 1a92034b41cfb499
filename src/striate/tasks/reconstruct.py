"""Reconstruction: the picture itself from what is given of it: all, noisy, or with a hole. Kept are its errors."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor

from striate.base import words
from striate.base.options import Range, read
from striate.base.sections import Card, Cards, Section, Seen
from striate.base.tables import Table
from striate.data.feed import Batch
from striate.data.picture.laid import Array, Pixels
from striate.data.samples import Indices
from striate.tasks import filters
from striate.tasks.corruption import NOISES, HoleKind, NoiseKind, holes, noisy
from striate.tasks.critic import Critic
from striate.tasks.measures import Mean, Measure
from striate.tasks.similarity import psnr, ssim
from striate.tasks.task import Outputs, PictureTask, Rows, Shown, Trial, Usual, option

SHOWN, LARGEST = 6, 192
# What hidden pixels are given as.
GREY = 0.5
# Columns of the rows; the last one only where something is hidden.
SQUARED, ABSOLUTE, SSIM, IN_HOLE = range(4)
Noise = Annotated[float, Range(0.3, least=0, open="least")]
Hidden = Annotated[float, Range(0.25, least=0.01, most=0.75)]
LossKind = Literal["squared", "absolute", "ssim", "squared+ssim", "absolute+ssim"]


@final
@dataclass(frozen=True)
class Restored:
    """A picture of the given one's size; None where that could not be read."""

    picture: Pixels | None = None

    def as_dict(self) -> dict[str, Any]:
        height, width = (None, None) if self.picture is None else self.picture.shape[:2]
        return {"height": height, "width": width}

    def cells(self) -> tuple[object, ...]:
        return () if self.picture is None else self.picture.shape[:2]


@final
@dataclass(frozen=True)
class Reconstruct(Usual):
    """Outputs are pictures in units of 0..1; the part "picture" of a batch is the true one.

    Where something is hidden the part "hole" (n, 1, h, w) is 1 there, and one more map that the network is given. Only
    there it is asked: elsewhere its answer is the given picture, but its loss is taken everywhere.
    """

    labelled: ClassVar[bool] = False
    masked: ClassVar[bool] = False
    one_class: ClassVar[bool] = False
    pictures: ClassVar[bool] = True
    networks: ClassVar[frozenset[str]] = frozenset({"reconstruct", "segment"})
    mixes: ClassVar[bool] = False
    shares: ClassVar[frozenset[str]] = frozenset()
    recipe: ClassVar[Mapping[str, Any]] = MappingProxyType({
        "model": "autoencoder", "resize": "tiles", "augment": "none", "optimizer": "adamw", "rate": 0.005,
        "weight_decay": 0.0, "schedule": "one-cycle", "warmup": 0.0,
    })  # fmt: skip

    noise_kind: NoiseKind = option("gaussian", "gaussian, salt-and-pepper, poisson or speckle")
    noise: Noise | None = option(
        None, "deviation in units of 0..1 (0.3), share of pixels (0.1), photons at 1.0 (30), deviation (0.3); by kind"
    )
    holes: HoleKind = option("boxes", "boxes, strokes or centre: what is hidden")
    hidden: Hidden = option(0.25, "share of each picture that is hidden")
    hole_weight: Annotated[float, Range(6, least=1, most=1000)] = option(
        6.0, "how many times an error in the hole counts in the loss, beside one elsewhere"
    )
    loss_kind: LossKind = option(
        "squared", "what training lowers: squared, absolute, ssim, squared+ssim or absolute+ssim"
    )
    critic: Annotated[float, Range(0.01, least=0, most=100)] = option(
        0.0,
        "weight of an adversarial loss, by a critic that is trained to tell what was made from what is true; 0: none",
    )
    name: str = "denoise"

    def __post_init__(self) -> None:
        if self.noise:
            read("noise", Annotated[float, NOISES[self.noise_kind]], self.noise, "task_options")

    @property
    def classes(self) -> tuple[str, ...]:
        return ()

    @property
    def strength(self) -> float:
        """Of the noise; 0 is none."""
        return NOISES[self.noise_kind].such if self.noise is None else self.noise

    def channels(self, pictures: int) -> tuple[int, int]:
        return pictures + self.fills, pictures

    def given(self, batch: Batch, seed: int, epoch: int) -> Batch:
        """The picture as it is, with noise, or with a hole in grey and its map beside."""
        pictures, targets = batch.pictures, {**batch.targets, "picture": batch.pictures}
        if self.strength:
            pictures = noisy(pictures, self.noise_kind, self.strength, seed, epoch, batch.indices)
        if self.fills:
            hole = holes(self.holes, self.hidden, pictures, seed, epoch, batch.indices)
            pictures, targets["hole"] = self.with_hole(pictures, hole), hole
        return dataclasses.replace(batch, pictures=pictures, targets=targets)

    @property
    def fills(self) -> bool:
        return self.hidden > 0

    def with_hole(self, pictures: Tensor, hole: Tensor) -> Tensor:
        return torch.cat([torch.where(hole > 0, GREY, pictures), hole], 1)

    def partner(self, pictures: int) -> Critic | None:
        return Critic(pictures, self.critic) if self.critic else None

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The distance of each picture, (n,): means over its numbers; structural similarity counts as 1 less of it."""
        parts = batch.inside(outputs.shape[-2:]).targets
        truth, hole = parts["picture"], parts.get("hole")
        total: Tensor = 1 - ssim(outputs, truth) if "ssim" in self.loss_kind else torch.zeros_like(outputs[:, 0, 0, 0])
        if self.loss_kind == "ssim":
            return total
        error: Tensor = outputs - truth
        error = error.abs() if "absolute" in self.loss_kind else error.square()
        if hole is None:
            return total + error.flatten(1).mean(1)
        weight = (1 + (self.hole_weight - 1) * hole).expand_as(error)
        return total + (error * weight).flatten(1).sum(1) / weight.flatten(1).sum(1)

    def joined(self, outputs: Sequence[Tensor], weights: Sequence[float], tasks: Sequence[Any]) -> Tensor:
        """The weighted mean of the answers."""
        shares = torch.tensor(weights, dtype=torch.float64) / sum(weights)
        return (torch.stack(list(outputs)).double() * shares[:, None, None, None]).sum(0).float()

    def said(self, outputs: Tensor) -> Tensor:
        return outputs.clamp(0, 1)

    def kept(self, answers: Tensor, batch: Batch) -> Tensor:
        """Mean squared and absolute error, structural similarity, and the mean squared error in the hole."""
        truth, hole = batch.targets["picture"].double(), batch.targets.get("hole")
        answers = answers.double()
        if hole is not None:
            answers = torch.where(hole > 0, answers, truth)
        squared, absolute = ((answers - truth).pow(power).abs().flatten(1).mean(1) for power in (2, 1))
        found = [squared, absolute, ssim(answers, truth)]
        return torch.stack(found if hole is None else [*found, squared / hole.double().flatten(1).mean(1)], 1)

    def fits(self, kept: Rows) -> bool:
        if kept.shape[1] != (IN_HOLE + 1 if self.fills else IN_HOLE):
            return False
        errors, slack = np.delete(kept, SSIM, 1), 1e-9
        bounded = (errors >= 0).all() and (np.abs(kept) <= 1 + slack).all()
        return bool(bounded and (kept[:, SQUARED] <= kept[:, ABSOLUTE] + slack).all())

    def summary(self, kept: Tensor) -> dict[str, float]:
        """The distance as the loss, without the weights of a hole; the means of the measures to quote."""
        rows = np.asarray(kept.cpu().numpy())
        loss = {"squared": rows[:, SQUARED], "absolute": rows[:, ABSOLUTE], "ssim": 1 - rows[:, SSIM]}
        told = {"loss": float(sum(loss[part].mean() for part in self.loss_kind.split("+")))}
        told |= {"PSNR": float(psnr(rows[:, SQUARED]).mean()), "SSIM": float(rows[:, SSIM].mean())}
        return told | ({"PSNR in the hole": float(psnr(rows[:, IN_HOLE]).mean())} if self.fills else {})

    def score(self, summary: Mapping[str, float]) -> tuple[float, ...]:
        return (-summary["loss"],)

    def measures(self, kept: Rows) -> list[Measure]:
        """Peak signal-to-noise ratio in dB, in the hole first, and the rest; of each picture, then their mean."""
        columns = [("SSIM", kept[:, SSIM]), ("squared error", kept[:, SQUARED]), ("absolute error", kept[:, ABSOLUTE])]
        ratios = [("PSNR in the hole in dB", IN_HOLE)] if self.fills else []
        columns = [(name, psnr(kept[:, at])) for name, at in [*ratios, ("PSNR in dB", SQUARED)]] + columns
        return [Mean(name, tuple(values.tolist()), skewed=name.endswith("error")) for name, values in columns]

    @property
    def columns(self) -> tuple[str, ...]:
        return ("height", "width")

    def answer(self, said: Array, picture: Array) -> Restored:
        return Restored(as_bytes(said))

    def shown(self, said: Array, batch: Batch) -> Mapping[str, Array]:
        """The picture as given, as restored and as it is; the middle of it where it is large."""
        hole = batch.targets.get("hole")
        truth = batch.targets["picture"][0].numpy()
        answer = said if hole is None else np.where(hole[0].numpy() > 0, said, truth)
        parts = {"given": batch.pictures[0, : len(truth)].numpy(), "answer": answer, "truth": truth}
        top, left = (max(0, side - LARGEST) // 2 for side in truth.shape[1:])
        return {name: as_bytes(part[:, top : top + LARGEST, left : left + LARGEST]) for name, part in parts.items()}

    def nothing(self) -> Restored:
        return Restored()

    def table(self, kept: Rows) -> Table:
        names = ("psnr", "ssim", "squared_error", "absolute_error", *(("psnr_in_hole",) if self.fills else ()))
        columns = [psnr(kept[:, SQUARED]), kept[:, SSIM], kept[:, SQUARED], kept[:, ABSOLUTE]]
        columns += [psnr(kept[:, IN_HOLE])] if self.fills else []
        return Table(names, np.stack(columns, 1).tolist())

    def baselines(self, trial: Trial) -> list[Measure]:
        """The given picture itself where it is not all of the truth, the mean training picture where all have one size,
        and filters or fillings."""
        rivals = [filters.Rival("the given picture itself", lambda given, hole, _: given)]
        if self.fills:
            rivals += filters.FILLINGS
        elif self.strength:
            rivals += filters.FILTERS
        else:
            rivals = []
        sizes = trial.samples.sizes[np.concatenate([trial.train, trial.tested])].astype(np.int64)
        if (sizes == sizes[0]).all():
            total = np.sum([each.targets["picture"].double().sum(0).numpy() for each in trial.batches(trial.train)], 0)
            mean = total / len(trial.train)
            rivals.insert(1, filters.Rival("the mean training picture", lambda given, hole, _: mean))
        val, tested = (
            (each for batch in trial.batches(some) for each in self._asked(batch)) for some in (trial.val, trial.tested)
        )
        pixels = int(trial.samples.sizes[trial.tested].astype(np.int64).prod(1).sum())
        return list(filters.beside(rivals, val, tested, pixels))

    def _asked(self, batch: Batch) -> Iterator[filters.Asked]:
        """What rivals are asked, scored by the first of the measures."""
        for row, truth in enumerate(batch.targets["picture"].numpy()):
            hole = batch.targets["hole"][row, 0].numpy() > 0 if self.fills else np.zeros(truth.shape[1:], bool)

            def score(answer: Array, true: Array = truth, where: Array = hole | (not self.fills)) -> float:
                return float(psnr(np.square(np.clip(answer, 0, 1, dtype=np.float64) - true)[:, where].mean()))

            yield filters.Asked(batch.pictures[row, : len(truth)].numpy(), hole, score)

    def remembered(self, kept: Rows) -> Indices:
        """The best and the worst."""
        order = self._order(kept)
        return np.unique(np.concatenate([order[:SHOWN], order[-SHOWN:]]))

    def _order(self, kept: Rows) -> Indices:
        """The best first."""
        return np.argsort(kept[:, IN_HOLE if self.fills else SQUARED], kind="stable")

    def sections(self, kept: Rows, result: Mapping[str, Any], shown: Shown) -> list[Section]:
        """The pictures that were restored worst and best, each as given, as restored and as it truly is."""
        order = self._order(kept)
        told = (
            f"Of {words.many(result['n'], words.subset(result['subset']) + ' picture')}: as given, as restored, and as "
            f"it is; of a large one the middle {LARGEST} pixels."
        )
        return [
            Section(name, title, told, (Cards(tuple(self._card(int(place), kept, shown) for place in places)),))
            for name, title, places in (("worst", "Worst", order[: -SHOWN - 1 : -1]), ("best", "Best", order[:SHOWN]))
        ]

    def _card(self, place: int, kept: Rows, shown: Shown) -> Card:
        found, row = shown.of(place), kept[place]
        titles = (("given", "given"), ("answer", "restored"), ("truth", "true"))
        seen = tuple(Seen(found[part], title) for part, title in titles if part in found)
        lines = [("PSNR", f"{psnr(row[SQUARED]):.1f} dB", ""), ("SSIM", f"{row[SSIM]:.3f}", "")]
        lines += [("PSNR in the hole", f"{psnr(row[IN_HOLE]):.1f} dB", "")] if self.fills else []
        return Card(seen, tuple(lines), shown.name(place))


def as_bytes(values: Array) -> Pixels:
    """Numbers in 0..1 (c, h, w) as bytes (h, w, c)."""
    return np.ascontiguousarray(np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8).transpose(1, 2, 0))


NO_HOLE: Mapping[str, Any] = MappingProxyType({"holes": "boxes", "hidden": 0.0, "hole_weight": 1.0})
NO_NOISE: Mapping[str, Any] = MappingProxyType({"noise_kind": "gaussian", "noise": 0.0})
TASK: type[PictureTask] = Reconstruct
TASKS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "reconstruct": {**NO_NOISE, **NO_HOLE},
    "denoise": NO_HOLE,
    "inpaint": NO_NOISE,
})  # fmt: skip
# To restore a picture its code need not be small.
WIDE: Mapping[str, Any] = MappingProxyType({"model_options": {"width": 128, "norm": "batch"}, "batch": 32})
RECIPES: Mapping[str, Mapping[str, Any]] = MappingProxyType({"denoise": WIDE, "inpaint": WIDE})
