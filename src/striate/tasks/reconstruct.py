"""Reconstruction: the picture itself from what is given of it, whole or noisy. Kept of a picture are its errors."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from striate.base import words
from striate.base.errors import UsageError
from striate.base.options import Range, read
from striate.base.sections import Card, Cards, Section, Seen
from striate.base.tables import Table
from striate.data.feed import Batch
from striate.data.picture.laid import Array, Pixels
from striate.data.samples import Indices, Samples
from striate.data.targets import Targets
from striate.tasks.corruption import NOISES, NoiseKind, noisy
from striate.tasks.measures import Mean, Measure
from striate.tasks.similarity import psnr
from striate.tasks.task import Outputs, Rows, Shown, option

SHOWN, THUMBNAIL, LARGEST = 6, 96, 512
Noise = Annotated[float, Range(0.3, least=0, open="least")]


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
class Reconstruct:
    """Outputs are pictures in units of 0..1, of the canvas's size; the part "picture" of a batch is the true one."""

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
        return pictures, pictures

    def given(self, batch: Batch, seed: int, epoch: int) -> Batch:
        """The picture as it is, or with noise."""
        pictures = batch.pictures
        if self.strength:
            pictures = noisy(pictures, self.noise_kind, self.strength, seed, epoch, batch.indices)
        return dataclasses.replace(batch, pictures=pictures, targets={**batch.targets, "picture": batch.pictures})

    def may_learn(self, targets: Targets) -> None:
        return None

    def measured(self, train: Iterator[Batch]) -> "Reconstruct":
        return self

    def weighed(self, targets: Targets) -> Targets:
        return targets

    def partner(self, pictures: int) -> None:
        return None

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The mean squared error of each picture's numbers, (n,)."""
        height, width = outputs.shape[-2:]
        difference: Tensor = outputs - batch.inside((height, width)).targets["picture"]
        return difference.square().flatten(1).mean(1)

    def joined(self, outputs: Sequence[Tensor], weights: Sequence[float], tasks: Sequence[Any]) -> Tensor:
        """The weighted mean of the answers."""
        shares = torch.tensor(weights, dtype=torch.float64) / sum(weights)
        return (torch.stack(list(outputs)).double() * shares[:, None, None, None]).sum(0).float()

    def said(self, outputs: Tensor) -> Tensor:
        return outputs.clamp(0, 1)

    def kept(self, answers: Tensor, batch: Batch) -> Tensor:
        """Mean squared and mean absolute error."""
        difference = answers.sub(batch.targets["picture"]).abs_().flatten(1)
        absolute = difference.mean(1, dtype=torch.float64)
        return torch.stack([difference.square_().mean(1, dtype=torch.float64), absolute], 1)

    def fits(self, kept: Rows) -> bool:
        return kept.shape[1] == 2 and bool((kept >= 0).all() and (kept <= 1).all())

    def summary(self, kept: Tensor) -> dict[str, float]:
        """Mean squared error as the loss, and the mean peak signal-to-noise ratio in dB."""
        return {"loss": float(kept[:, 0].mean()), "PSNR": float(np.mean(psnr(kept[:, 0].cpu().numpy())))}

    def score(self, summary: Mapping[str, float]) -> tuple[float, ...]:
        return (-summary["loss"],)

    def settled(self, kept: Rows) -> "Reconstruct":
        return self

    def measures(self, kept: Rows) -> list[Measure]:
        """Peak signal-to-noise ratio in dB, squared and absolute error; of each picture, then their mean."""
        return [
            Mean("PSNR in dB", tuple(psnr(kept[:, 0]).tolist())),
            Mean("squared error", tuple(kept[:, 0].tolist())),
            Mean("absolute error", tuple(kept[:, 1].tolist())),
        ]

    def breakdown(self, kept: Rows) -> Mapping[str, Any]:
        return {}

    @property
    def columns(self) -> tuple[str, ...]:
        return ("height", "width")

    def answer(self, said: Array) -> Restored:
        return Restored(_bytes(said.transpose(1, 2, 0)))

    def shown(self, said: Array, batch: Batch) -> Mapping[str, Array]:
        """The picture as given and as restored, the top left of it where it is large."""
        parts = {"given": batch.pictures[0].numpy(), "answer": said}
        return {name: _bytes(part[:, :LARGEST, :LARGEST].transpose(1, 2, 0)) for name, part in parts.items()}

    def nothing(self) -> Restored:
        return Restored()

    def listing(self, top: int) -> "Reconstruct":
        raise UsageError("top", f"the task {self.name} lists no classes", "leaving it out")

    def table(self, kept: Rows) -> Table:
        rows = [(float(ratio), *map(float, row)) for ratio, row in zip(psnr(kept[:, 0]), kept, strict=True)]
        return Table(("psnr", "squared_error", "absolute_error"), rows)

    def baselines(
        self,
        samples: Samples,
        train: Indices,
        val: Indices,
        tested: Indices,
        batches: Callable[[Indices], Iterator[Batch]],
    ) -> list[Measure]:
        """The given picture itself, where it is not the whole truth already, and the training pictures' mean."""
        mean = sum(float(batch.targets["picture"].double().mean()) for batch in batches(train)) / len(train)
        itself, average = [], []
        for batch in batches(tested):
            itself.append(self.kept(batch.pictures.clamp(0, 1), batch)[:, 0])
            average.append(self.kept(torch.full_like(batch.pictures, mean), batch)[:, 0])
        rivals = {"the given picture itself": itself} if self.strength else {}
        rivals["the mean grey"] = average
        return [Mean(name, tuple(psnr(torch.cat(found).cpu().numpy()).tolist())) for name, found in rivals.items()]

    def remembered(self, kept: Rows) -> Indices:
        """The best and the worst."""
        order = np.argsort(kept[:, 0], kind="stable")
        return np.unique(np.concatenate([order[:SHOWN], order[-SHOWN:]]))

    def sections(self, kept: Rows, result: Mapping[str, Any], shown: Shown) -> list[Section]:
        """The pictures that were restored worst and best, each as given, as restored and as it truly is."""
        order = np.argsort(kept[:, 0], kind="stable")
        told = f"Of {result['n']:,} {words.subset(result['subset'])} pictures: as given, as restored, and as it is."
        return [
            Section(name, title, told, (Cards(tuple(self._card(int(place), kept, shown) for place in places)),))
            for name, title, places in (
                ("worst", "Worst", order[: -SHOWN - 1 : -1]),
                ("best", "Best", order[:SHOWN]),
            )
        ]

    def _card(self, place: int, kept: Rows, shown: Shown) -> Card:
        found = shown.of(place)
        seen = [
            Seen(found[part] if found[part].ndim == 3 else found[part][..., None], what)
            for what, part in (("given", "given"), ("restored", "answer"))
        ]
        line = ("PSNR", f"{psnr(kept[place : place + 1, 0])[0]:.1f} dB", "")
        true = shown.picture(place, THUMBNAIL)
        true = true if true.pixels is None else dataclasses.replace(true, words="true")
        return Card((*seen, true), (line,), shown.name(place))


def _bytes(field: Array) -> Pixels:
    """Numbers in 0..1 as bytes."""
    return np.asarray(np.rint(255 * np.clip(field, 0, 1)), dtype=np.uint8)


TASK = Reconstruct
TASKS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "reconstruct": {"noise_kind": "gaussian", "noise": 0.0},
    "denoise": {},
})  # fmt: skip
