"""Anomalies: pictures that are restored badly by a network that has learned of good ones alone."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from striate.base import words
from striate.base.errors import Option, UsageError, nearest
from striate.base.options import Range
from striate.base.sections import Card, Cards, Curve, NumberTable, Section, Seen
from striate.base.tables import Table
from striate.data.feed import Batch
from striate.data.picture.laid import Array, Pixels
from striate.data.preprocess import scaled
from striate.data.samples import Indices
from striate.data.splits import Flags
from striate.data.targets import Targets
from striate.tasks import reconstruct
from striate.tasks.measures import AUC, Hits, Measure
from striate.tasks.reconstruct import Reconstruct, as_bytes
from striate.tasks.task import Outputs, PictureTask, Rows, Shown, Trial, Usual, option

SHOWN, LARGEST = 6, 192
# What is tried before a network sees pictures of this side, and no more than so many of them.
SIDE, MOST, COMPONENTS = 32, 1_000, 32
# Columns of the rows.
SCORE, ANOMALOUS, CLASS = range(3)


@final
@dataclass(frozen=True)
class Examined:
    """A picture's score, whether it lies above the threshold, and where its errors are; None: it could not be read."""

    score: float | None = None
    anomalous: bool | None = None
    picture: Pixels | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"score": self.score, "anomalous": self.anomalous}

    def cells(self) -> tuple[object, ...]:
        return () if self.score is None else (self.score, self.anomalous)


@final
@dataclass(frozen=True)
class Anomaly(Usual):
    """Outputs are the pictures themselves, as `reconstruct` learns them; the part "label" is the true class."""

    labelled: ClassVar[bool] = True
    masked: ClassVar[bool] = False
    one_class: ClassVar[bool] = True
    pictures: ClassVar[bool] = True
    networks: ClassVar[frozenset[str]] = Reconstruct.networks
    mixes: ClassVar[bool] = False
    shares: ClassVar[frozenset[str]] = frozenset()
    recipe: ClassVar[Mapping[str, Any]] = Reconstruct.recipe

    classes: tuple[str, ...]
    good: str = option("good", "the class that is as it should be; pictures of others are for the test alone")
    window: Annotated[int, Range(0, least=0, most=1024)] = option(
        0, "the score is the largest mean error in a window of so many pixels a side; 0: the mean of the whole picture"
    )
    false_alarms: Annotated[float, Range(0.05, least=0, most=0.5)] = option(
        0.05, "share of the good validation pictures that may lie above the threshold"
    )
    threshold: Annotated[float, Range(1, least=0, most=1)] = 1.0
    name: str = "anomaly"

    @property
    def _learned(self) -> Reconstruct:
        return Reconstruct(name="reconstruct", **reconstruct.TASKS["reconstruct"])

    def channels(self, pictures: int) -> tuple[int, int]:
        return self._learned.channels(pictures)

    def given(self, batch: Batch, seed: int, epoch: int) -> Batch:
        return self._learned.given(batch, seed, epoch)

    def may_learn(self, targets: Targets) -> Flags:
        if self.good not in targets.classes:
            such = nearest(self.good, targets.classes)
            cause = f"{self.good!r} is no class of these pictures: {words.some(map(repr, targets.classes))}"
            hint = (Option("good", such[0], "task_options"),) if such else "the name of the class of good pictures"
            raise UsageError("task_options.good", cause, hint)
        return np.asarray(targets.strata == targets.classes.index(self.good))

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        return self._learned.loss(outputs, batch)

    def joined(self, outputs: Sequence[Tensor], weights: Sequence[float], tasks: Sequence[Any]) -> Tensor:
        return self._learned.joined(outputs, weights, tasks)

    def said(self, outputs: Tensor) -> Tensor:
        return self._learned.said(outputs)

    def kept(self, answers: Tensor, batch: Batch) -> Tensor:
        """The score, whether the picture is of another class than the good one, and the place of its class."""
        scores = self.scores(squared(answers, batch.targets["picture"]))
        label = batch.targets["label"].to(scores.device)
        return torch.stack([scores, (label != self.classes.index(self.good)).double(), label.double()], 1)

    def scores(self, errors: Tensor) -> Tensor:
        """Of squared errors (n, h, w): (n,)."""
        if not self.window:
            return errors.flatten(1).mean(1)
        down, across = (min(self.window, side) for side in errors.shape[1:])
        rows = functional.avg_pool2d(errors[:, None], (down, 1), 1)  # one side after the other: as quick as a sum
        return functional.avg_pool2d(rows, (1, across), 1).flatten(1).amax(1)

    def fits(self, kept: Rows) -> bool:
        if kept.shape[1] != 3 or not np.isin(kept[:, CLASS], np.arange(len(self.classes))).all():
            return False
        right = kept[:, ANOMALOUS] == (kept[:, CLASS] != self.classes.index(self.good))
        return bool(right.all() and (kept[:, SCORE] >= 0).all() and (kept[:, SCORE] <= 1 + 1e-9).all())

    def summary(self, kept: Tensor) -> dict[str, float]:
        return {"score": float(kept[:, SCORE].mean())}

    def score(self, summary: Mapping[str, float]) -> tuple[float, ...]:
        return (-summary["score"],)

    def settled(self, kept: Rows) -> "Anomaly":
        """With the threshold that lets so many of the good validation pictures be false alarms, and no more."""
        good = kept[kept[:, ANOMALOUS] == 0, SCORE]
        threshold = float(np.quantile(good, 1 - self.false_alarms, method="inverted_cdf")) if len(good) else 1.0
        return dataclasses.replace(self, threshold=min(threshold, 1.0))

    def facing(self, classes: Sequence[str]) -> "Anomaly":
        """Whatever is not the good class is odd, also what no test had before."""
        more = (name for name in classes if name not in self.classes)
        return dataclasses.replace(self, classes=(*self.classes, *more))

    def measures(self, kept: Rows) -> list[Measure]:
        """How well the scores tell anomalous pictures from good ones, and what the threshold makes of them."""
        odd, above = kept[:, ANOMALOUS] == 1, kept[:, SCORE] > self.threshold
        return [
            AUC("AUC", kept[:, SCORE], odd),
            *(Hits(name, above[of], np.flatnonzero(of)) for name, of in (("recall", odd), ("false alarms", ~odd))),
        ]

    def breakdown(self, kept: Rows) -> Mapping[str, Any]:
        """The threshold, and for each class the share above it."""
        above, told = kept[:, SCORE] > self.threshold, []
        for place, name in enumerate(self.classes):
            own = kept[:, CLASS] == place
            share = Hits("above the threshold", above[own], np.flatnonzero(own))
            told.append({"class": name, "support": int(own.sum()), "above the threshold": share})
        return {"good": self.good, "threshold": self.threshold, "classes": told}

    @property
    def columns(self) -> tuple[str, ...]:
        return ("score", "anomalous")

    def answer(self, said: Array, picture: Array) -> Examined:
        errors = squared(torch.from_numpy(said)[None], scaled(torch.from_numpy(picture))[None])
        score = float(self.scores(errors)[0])
        return Examined(score, score > self.threshold, _seen(errors[0]))

    def nothing(self) -> Examined:
        return Examined()

    def table(self, kept: Rows) -> Table:
        rows = [(self.classes[int(place)], float(score), bool(score > self.threshold)) for score, _, place in kept]
        return Table(("truth", "score", "anomalous"), rows)

    def baselines(self, trial: Trial) -> list[Measure]:
        """The distance from the mean good picture, and what principal components of good pictures leave unexplained.

        Both on pictures of 32x32, of at most 1,000 for training.
        """
        from sklearn.decomposition import PCA

        known, asked = (_small(trial.batches(some)) for some in (trial.train[:MOST], trial.tested))
        odd = trial.samples.targets.strata[trial.tested] != self.classes.index(self.good)
        components = min(COMPONENTS, len(known) - 1, known.shape[1])
        distances = {"the mean training picture": np.square(asked - known.mean(0)).mean(1)}
        if components > 0:
            found = PCA(components, svd_solver="full").fit(known)
            left = asked - found.inverse_transform(found.transform(asked))
            distances[f"{components} principal components"] = np.square(left).mean(1)
        return [AUC(name, scores, odd) for name, scores in distances.items()]

    def remembered(self, kept: Rows) -> Indices:
        return np.unique(np.concatenate(list(self._cases(kept).values())))

    def _cases(self, kept: Rows) -> dict[str, Indices]:
        """Places of a few rows: anomalous ones that score least and most, good ones that score most."""
        order = np.argsort(kept[:, SCORE], kind="stable")
        odd, good = (order[kept[order, ANOMALOUS] == kind] for kind in (1, 0))
        return {"missed": odd[:SHOWN], "alarms": good[::-1][:SHOWN], "found": odd[::-1][:SHOWN]}

    def shown(self, said: Array, batch: Batch) -> Mapping[str, Array]:
        """The picture as given and as restored, and its errors; every other pixel, or fewer, of a large one."""
        truth = batch.targets["picture"][0]
        errors = squared(torch.from_numpy(said)[None], truth[None])[0]
        step = math.ceil(max(errors.shape) / LARGEST)
        parts = {"given": as_bytes(truth.numpy()), "answer": as_bytes(said), "errors": _seen(errors)}
        return {name: np.ascontiguousarray(part[::step, ::step]) for name, part in parts.items()}

    def sections(self, kept: Rows, result: Mapping[str, Any], shown: Shown) -> list[Section]:
        """The curve, each class, and the pictures that were told wrongly or rightly by most."""
        told = "the " + words.many(result["n"], f"{words.subset(result['subset'])} picture")
        titles = {
            "missed": ("Anomalous, with the lowest scores", "An anomaly below the threshold is missed."),
            "alarms": ("Good, with the highest scores", "A good picture above the threshold is a false alarm."),
            "found": ("Anomalous, with the highest scores", "What the network restores worst."),
        }
        cases = self._cases(kept)
        return [
            Section(
                "curve", "Scores",
                "Each point is a threshold: how many anomalous pictures lie above it (recall), by how many good ones "
                f"do (false alarms), on {told}. The threshold {self.threshold:.4g} leaves at most "
                f"{100 * self.false_alarms:g} % of the good validation pictures above it.",
                (self._curve(kept),),
            ),
            Section(
                "classes", "Classes", f"How many pictures of each class lie above the threshold, of {told}.",
                (NumberTable(
                    ("class", "pictures"), ("above the threshold",),
                    [(row["class"], row["support"], row) for row in result["classes"]],
                ),),
            ),
            *(
                Section(
                    name, title, f"{why} As given, as restored, and the errors, white from half of the range on.",
                    (Cards(tuple(self._card(int(place), kept, shown) for place in cases[name])),),
                )
                for name, (title, why) in titles.items()
            ),
        ]  # fmt: skip

    def _curve(self, kept: Rows) -> Curve:
        """Recall by false alarms, at each score as threshold."""
        odd, scores = kept[:, ANOMALOUS] == 1, np.unique(kept[:, SCORE])

        def above(of: Array, limits: Array) -> tuple[float, ...]:
            own = np.sort(kept[of, SCORE])
            return tuple(1 - float(count) / max(1, len(own)) for count in np.searchsorted(own, limits, "right"))

        x, y = ((1.0, *above(of, scores)) for of in (~odd, odd))
        (across,), (down,) = (above(of, np.array([self.threshold])) for of in (~odd, odd))
        return Curve(x, y, "false alarms", "recall", (across, down), "the threshold")

    def _card(self, place: int, kept: Rows, shown: Shown) -> Card:
        found, (score, _, label) = shown.of(place), kept[place]
        titles = (("given", "given"), ("answer", "restored"), ("errors", "errors"))
        seen = tuple(Seen(found[part], title) for part, title in titles if part in found)
        verdict = "above the threshold" if score > self.threshold else "below the threshold"
        lines = (("class", self.classes[int(label)], ""), ("score", f"{score:.4g}", verdict))
        return Card(seen, lines, shown.name(place))


def squared(answers: Tensor, truth: Tensor) -> Tensor:
    """The mean over channels of squared errors: (n, c, h, w) -> (n, h, w), float64."""
    return (answers.double() - truth.double()).square().mean(1)


def _seen(errors: Tensor) -> Pixels:
    """Squared errors (h, w) as a grey picture (h, w, 1): white from half of the range on."""
    return as_bytes(2 * errors.sqrt()[None].numpy())


def _small(batches: Iterator[Batch]) -> Rows:
    """Pictures averaged to 32x32, one row each."""
    rows = [functional.adaptive_avg_pool2d(batch.targets["picture"], SIDE).flatten(1).double() for batch in batches]
    return np.asarray(torch.cat(rows).numpy())


TASK: type[PictureTask] = Anomaly
TASKS: Mapping[str, Mapping[str, Any]] = MappingProxyType({"anomaly": {}})
