"""Classification: one class a picture. Supplies target, loss, score and measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from striate.layers import Heads
from striate.tasks.measures import Dice, Mean, Measure, Proportion

Array = npt.NDArray[Any]


class Task(Protocol):
    """All that the training loop knows of what is learned."""

    def loss(self, outputs: Tensor | Heads, targets: Tensor) -> Tensor:
        """What training lowers, one value per picture: shape (n,)."""
        ...

    def summary(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """A few numbers for the row of an epoch."""
        ...

    def score(self, summary: Mapping[str, float]) -> tuple[float, ...]:
        """What the choice of an epoch goes by, higher is better."""
        ...


@dataclass(frozen=True)
class Classify:
    """Outputs are logits (n, classes), targets class indices (n,)."""

    classes: tuple[str, ...]
    label_smoothing: float = 0.0

    def loss(self, outputs: Tensor | Heads, targets: Tensor) -> Tensor:
        """Cross-entropy in nats, (n,); that of each auxiliary answer is added, times their weight."""
        if isinstance(outputs, Heads):
            losses = [self.loss(each, targets) for each in outputs.auxiliary]
            return self.loss(outputs.logits, targets) + outputs.weight * torch.stack(losses).sum(0)
        return functional.cross_entropy(outputs, targets, reduction="none", label_smoothing=self.label_smoothing)

    def summary(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Log loss in nats without smoothing, and accuracy."""
        return {
            "loss": float(functional.cross_entropy(outputs.double(), targets)),
            "accuracy": float((outputs.argmax(1) == targets).double().mean()),
        }

    def score(self, summary: Mapping[str, float]) -> tuple[float, ...]:
        """Accuracy, and between equals the lower log loss."""
        return summary["accuracy"], -summary["loss"]

    def answer(self, outputs: Tensor) -> Array:
        """Logits (n, classes) -> probabilities (n, classes), float64."""
        return np.asarray(torch.softmax(outputs.double(), 1).cpu().numpy())

    def measures(self, probabilities: Array, targets: Array) -> list[Measure]:
        """Accuracy, top-5 accuracy where there are more than five classes, and log loss in nats."""
        own = probabilities[np.arange(len(targets)), targets]
        answers = probabilities.argmax(1)
        measured: list[Measure] = [Proportion("accuracy", int((answers == targets).sum()), len(targets))]
        if len(self.classes) > 5:
            five = np.argsort(-probabilities, 1, kind="stable")[:, :5]
            measured.append(Proportion("top-5 accuracy", int((five == targets[:, None]).sum()), len(targets)))
        return [*measured, Mean("log loss", tuple(-np.log(np.maximum(own, np.finfo(np.float64).tiny))))]

    def by_class(self, confusion: Array) -> list[tuple[str, Mapping[str, Measure]]]:
        """Per class: precision, recall and F1, from the confusion matrix (rows truth, columns answers)."""
        rows: list[tuple[str, Mapping[str, Measure]]] = []
        for index, name in enumerate(self.classes):
            hits, truth, answers = (
                int(count) for count in (confusion[index, index], confusion[index].sum(), confusion[:, index].sum())
            )
            rows.append((name, {
                "precision": Proportion("precision", hits, answers),
                "recall": Proportion("recall", hits, truth),
                "f1": Dice("f1", hits, truth + answers - hits),
            }))  # fmt: skip
        return rows


def confusion_matrix(answers: Array, targets: Array, classes: int) -> Array:
    """Counts (classes, classes): rows truth, columns answers."""
    return np.bincount(targets * classes + answers, minlength=classes * classes).reshape(classes, classes)


def majority(train_labels: Array, targets: Array) -> Proportion:
    """Answering the commonest training class always."""
    return Proportion("majority class", int((targets == np.bincount(train_labels).argmax()).sum()), len(targets))


def worst(probabilities: Array, targets: Array, most: int) -> Sequence[int]:
    """Positions of wrong answers, the surest first."""
    answers = probabilities.argmax(1)
    wrong = np.flatnonzero(answers != targets)
    return [int(i) for i in wrong[np.argsort(-probabilities[wrong, answers[wrong]], kind="stable")][:most]]
