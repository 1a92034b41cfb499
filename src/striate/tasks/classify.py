"""Classification: one class a picture. What is kept of a picture is its logits and its true class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from striate.base import words
from striate.base.errors import UsageError
from striate.base.options import Range, Whole
from striate.base.sections import Card, Cards, Matrix, NumberTable, Section
from striate.base.tables import Table
from striate.data.feed import Batch
from striate.data.picture.laid import Array, Pixels
from striate.data.samples import Indices
from striate.layers import Heads
from striate.tasks import linear, reliability
from striate.tasks.measures import Calibration, Dice, Hits, Mean, Measure, Recalls
from striate.tasks.mixture import mixture
from striate.tasks.task import LabelTask, Rows, Shown, Trial, Usual, option

# Beyond this many training pictures a support vector machine costs more than the network beside it.
MOST = 5_000
SIDE = 16
MISTAKES, THUMBNAIL = 24, 96
# Beyond so many classes the confusion matrix is what predictions.csv counts, and more of its cells are listed.
FEW = 100
# How a page states that classes of different sizes were made to count alike.
_CHOSEN = "the epoch was chosen by balanced accuracy."
CORRECTED = MappingProxyType({
    "none": "",
    "weights": f" In training the losses of a class were weighed, its pictures inversely; {_CHOSEN}",
    "sampling": f" In training each epoch had as many pictures of each class, some several times; {_CHOSEN}",
})  # fmt: skip
# Temperatures that are looked at: beyond them every answer is either sure or even.
COLDEST, HOTTEST = 0.05, 20.0


@final
@dataclass(frozen=True)
class Classified:
    """Classes with their probabilities, the likeliest first; none for a picture that could not be read."""

    top: tuple[tuple[str, float], ...] = ()
    picture: Pixels | None = None

    def as_dict(self) -> dict[str, Any]:
        label, probability = self.top[0] if self.top else (None, None)
        listed = [{"label": label, "probability": probability} for label, probability in self.top]
        return {"label": label, "probability": probability, "top": listed}

    def cells(self) -> tuple[object, ...]:
        return tuple(value for pair in self.top for value in pair)


@final
@dataclass(frozen=True)
class Classify(Usual):
    """Outputs are logits (n, classes); the part "label" of a batch is the true class, int64 (n,)."""

    labelled: ClassVar[bool] = True
    masked: ClassVar[bool] = False
    one_class: ClassVar[bool] = False
    pictures: ClassVar[bool] = False
    networks: ClassVar[frozenset[str]] = frozenset({"classify"})
    mixes: ClassVar[bool] = True
    shares: ClassVar[frozenset[str]] = frozenset({"accuracy", "balanced_accuracy"})
    recipe: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    classes: tuple[str, ...]
    label_smoothing: Annotated[float, Range(0.1, least=0, most=0.99)] = 0.0
    imbalance: Literal["none", "weights", "sampling"] = "none"
    weights: tuple[Annotated[float, Range(1, least=0)], ...] = ()
    """Of each class, where the loss is weighted: by its training pictures, whose mean weight is 1."""
    calibrate: bool = option(False, "divide logits by a temperature that validation settles")
    temperature: Annotated[float, Range(1, least=COLDEST, most=HOTTEST)] = 1.0
    """Guo et al. 2017, section 4.2; 1 unless `settled` has found another. Logits are divided by it where `calibrate`
    says so, and only then."""
    top: Whole = 5
    name: str = "classify"

    def channels(self, pictures: int) -> tuple[int, int]:
        return pictures, len(self.classes)

    def measured(self, train: Iterator[Batch]) -> "Classify":
        """With the weight of each class, where that was asked for: all pictures / (classes * its pictures)."""
        if self.imbalance != "weights":
            return self
        labels = torch.cat([batch.targets["label"].cpu() for batch in train])
        counts = torch.bincount(labels, minlength=len(self.classes)).double()
        weights = torch.where(counts > 0, counts.sum() / ((counts > 0).sum() * counts.clamp(min=1)), 1.0)
        return replace(self, weights=tuple(weights.tolist()))

    def loss(self, outputs: Tensor | Heads, batch: Batch) -> Tensor:
        """Cross-entropy in nats, (n,), times the weight of the class; that of each auxiliary answer is added, times
        their weight."""
        if isinstance(outputs, Heads):
            losses = [self.loss(each, batch) for each in outputs.auxiliary]
            return self.loss(outputs.logits, batch) + outputs.weight * torch.stack(losses).sum(0)
        targets = batch.targets["label"]
        each = functional.cross_entropy(outputs, targets, reduction="none", label_smoothing=self.label_smoothing)
        return each * outputs.new_tensor(self.weights)[targets] if self.weights else each

    def joined(self, outputs: Sequence[Tensor], weights: Sequence[float], tasks: Sequence[Any]) -> Tensor:
        """The logarithm of the weighted mean of probabilities: Krizhevsky et al. 2012, section 4.1; float64.

        Each network's are by its own temperature; the answer is in the units of the first one's logits.
        """
        shares = torch.tensor(weights, dtype=torch.float64) / sum(weights)
        each = torch.stack([
            torch.log_softmax(output.double().cpu() / task.divisor, 0)
            for output, task in zip(outputs, tasks, strict=True)
        ])  # fmt: skip
        logs = torch.logsumexp(each + shares.log().view(-1, *[1] * outputs[0].ndim), 0)
        return logs * float(tasks[0].divisor)

    def believed(self, kept: Rows) -> tuple[Rows, Indices]:
        logits, targets = _split(kept)
        return self.probabilities(logits), targets

    def joined_rows(self, kept: Sequence[Rows], weights: Sequence[float], tasks: Sequence[Any]) -> Rows:
        logits = self.joined([torch.from_numpy(_split(rows)[0].T) for rows in kept], weights, tasks)
        return np.column_stack([logits.numpy().T, kept[0][:, -1]])

    def fitted(self, kept: Sequence[Rows], tasks: Sequence[Any]) -> Sequence[float]:
        """The mixture of least log loss."""
        return mixture(np.stack([task.of_truth(rows) for rows, task in zip(kept, tasks, strict=True)], 1))

    def of_truth(self, kept: Rows) -> Rows:
        """The probability that is given to each picture's true class, (n,)."""
        logits, targets = _split(kept)
        return np.asarray(self.probabilities(logits)[np.arange(len(targets)), targets])

    def kept(self, answers: Tensor, batch: Batch) -> Tensor:
        return torch.cat([answers.double(), batch.targets["label"].double()[:, None].to(answers.device)], 1)

    def fits(self, kept: Rows) -> bool:
        return kept.shape[1] == len(self.classes) + 1 and bool(np.isin(kept[:, -1], np.arange(len(self.classes))).all())

    def summary(self, kept: Tensor) -> dict[str, float]:
        """Log loss in nats without smoothing, and accuracy; balanced accuracy as well where imbalance is corrected."""
        logits, targets = kept[:, :-1].contiguous(), kept[:, -1].long()
        right = (logits.argmax(1) == targets).double()
        told = {"loss": float(functional.cross_entropy(logits, targets)), "accuracy": float(right.mean())}
        if self.imbalance == "none":
            return told
        counts = torch.bincount(targets, minlength=len(self.classes))
        recalls = torch.bincount(targets, right, minlength=len(self.classes))[counts > 0] / counts[counts > 0]
        return told | {"balanced_accuracy": float(recalls.mean())}

    def score(self, summary: Mapping[str, float]) -> tuple[float, ...]:
        """Accuracy, or where imbalance is corrected balanced accuracy; between equals the lower log loss."""
        return summary.get("balanced_accuracy", summary["accuracy"]), -summary["loss"]

    def settled(self, kept: Rows) -> "Classify":
        """With the temperature of the least log loss."""
        from scipy.optimize import minimize_scalar

        logits, targets = _split(kept)

        def loss(log: float) -> float:
            scaled = torch.from_numpy(logits) / float(np.exp(log))
            return float(functional.cross_entropy(scaled, torch.from_numpy(targets)))

        found = minimize_scalar(loss, bounds=(float(np.log(COLDEST)), float(np.log(HOTTEST))), method="bounded")
        return replace(self, temperature=float(np.exp(found.x)))

    def calibrated(self) -> "Classify":
        if self.temperature == 1:
            raise UsageError("calibrated", "no validation has settled a temperature yet", "a run that is done")
        return replace(self, calibrate=True)

    @property
    def divisor(self) -> float:
        return self.temperature if self.calibrate else 1.0

    def probabilities(self, logits: Array) -> Rows:
        """(n, classes) -> (n, classes), float64."""
        scaled = torch.from_numpy(np.asarray(logits, dtype=np.float64)) / self.divisor
        return np.asarray(torch.softmax(scaled, 1).numpy())

    def measures(self, kept: Rows) -> list[Measure]:
        """Accuracy, top-5 accuracy of more than five classes, balanced accuracy (the mean recall of the classes that
        there are), and log loss in nats."""
        logits, targets = _split(kept)
        probabilities, own = self.probabilities(logits), self.of_truth(kept)
        answers = probabilities.argmax(1)
        measured: list[Measure] = [Hits("accuracy", answers == targets)]
        if len(self.classes) > 5:
            five = np.argsort(-probabilities, 1, kind="stable")[:, :5]
            measured.append(Hits("top-5 accuracy", (five == targets[:, None]).any(1)))
        measured.append(Recalls("balanced accuracy", answers == targets, targets))
        return [*measured, Mean("log loss", tuple(-np.log(np.maximum(own, np.finfo(np.float64).tiny))), skewed=True)]

    def breakdown(self, kept: Rows) -> Mapping[str, Any]:
        """Numbers by class, of few the confusion matrix; the expected calibration error, by the temperature as well
        where one was settled; of more than five classes the errors as papers print them."""
        confusion = self.confusion(kept)
        before, *after = self._curves(kept).values()
        told: dict[str, Any] = {"calibration": {"before": before}}
        if after:
            told["calibration"] |= {"temperature": self.temperature, "after": after[0]}
        if len(self.classes) > 5:
            right = {each.name: each.right for each in self.measures(kept) if isinstance(each, Hits)}
            shares = {"top-1 error": ~right["accuracy"], "top-5 error": ~right["top-5 accuracy"]}
            told["errors"] = [Hits(name, wrong) for name, wrong in shares.items()]
        told["classes"] = [
            {"class": name, "support": int(support), **measures}
            for support, (name, measures) in zip(confusion.sum(1), self.by_class(kept), strict=True)
        ]
        return told | ({"confusion": confusion.tolist()} if len(self.classes) <= FEW else {})

    def confusion(self, kept: Rows) -> Array:
        """Counts (classes, classes): rows truth, columns answers."""
        logits, targets = _split(kept)
        return confusion_matrix(self.probabilities(logits).argmax(1), targets, len(self.classes))

    def _curves(self, kept: Rows) -> dict[str, Calibration]:
        """How sure answers are, as the network gives them and by the temperature where one was settled."""
        logits, targets = _split(kept)
        tasks = {"as trained": replace(self, calibrate=False)}
        if self.temperature != 1:
            tasks["calibrated"] = self.calibrated()
        return {name: reliability.calibration(task.probabilities(logits), targets) for name, task in tasks.items()}

    def by_class(self, kept: Rows) -> list[tuple[str, Mapping[str, Measure]]]:
        """Per class: precision, recall and F1."""
        logits, truth = _split(kept)
        answers = self.probabilities(logits).argmax(1)
        right = answers == truth
        rows: list[tuple[str, Mapping[str, Measure]]] = []
        for index, name in enumerate(self.classes):
            true, said = truth == index, answers == index
            asked = {"precision": said, "recall": true, "f1": true | said}
            of = {kind: np.flatnonzero(among) for kind, among in asked.items()}
            rows.append((name, {
                kind: (Dice if kind == "f1" else Hits)(kind, right[places], places) for kind, places in of.items()
            }))  # fmt: skip
        return rows

    @property
    def columns(self) -> tuple[str, ...]:
        most = min(self.top, len(self.classes))
        more = (f"{what}_{place}" for place in range(2, most + 1) for what in ("label", "probability"))
        return ("label", "probability", *more)

    def answers(self, outputs: Array) -> list[Classified]:
        probabilities = self.probabilities(outputs)
        orders = np.argsort(-probabilities, 1, kind="stable")[:, : self.top]
        return [
            Classified(tuple((self.classes[index], float(row[index])) for index in order))
            for row, order in zip(probabilities, orders, strict=True)
        ]

    def nothing(self) -> Classified:
        return Classified()

    def listing(self, top: int) -> "Classify":
        return replace(self, top=top)

    def table(self, kept: Rows) -> Table:
        logits, targets = _split(kept)
        rows = [
            (self.classes[target], self.classes[int(row.argmax())], float(row.max()), float(row[target]))
            for row, target in zip(self.probabilities(logits), targets, strict=True)
        ]
        return Table(("truth", "answer", "probability", "truth_probability"), rows)

    def baselines(self, trial: Trial) -> list[Measure]:
        """Answering the commonest training class, and a support vector machine.

        It has a radial basis function as kernel, C = 10 and scikit-learn's "scale" for gamma, on pictures of 16x16;
        it is left out where there are more than 5,000 training pictures.
        """
        labels = trial.samples.targets.strata
        found: list[Measure] = [majority(labels[trial.train], labels[trial.tested])]
        if len(trial.train) <= MOST:
            from sklearn.svm import SVC

            machine = SVC(C=10, gamma="scale").fit(_small(trial.batches(trial.train)), labels[trial.train])
            answers = machine.predict(_small(trial.batches(trial.tested)))
            found.append(Hits("RBF support vector machine", answers == labels[trial.tested]))
        return found

    def linear(self, trial: Trial) -> Measure | None:
        """Logistic regression on pictures of 16x16; of more than 50,000 training pictures on so many, evenly taken."""
        labels, train = trial.samples.targets.strata, trial.train[:: -(-len(trial.train) // linear.MOST)]
        answers = linear.answers(_small(trial.batches(train)), labels[train], _small(trial.batches(trial.tested)))
        return Hits("logistic regression", answers == labels[trial.tested])

    def sections(self, kept: Rows, result: Mapping[str, Any], shown: Shown) -> list[Section]:
        """The confusion matrix, the reliability diagram, the numbers of each class, and the worst mistakes."""
        told = words.many(result["n"], f"{words.subset(result['subset'])} picture")
        confusion, listed = self.confusion(kept), 10 if len(self.classes) <= FEW else 50
        pairs = Table(
            ("truth", "answer", "times", "of its pictures"), confusions(confusion, self.classes, listed),
            "Most frequent confusions", "None: every picture was answered rightly.",
        )  # fmt: skip
        methods = ", ".join(
            f"{kind} {record['method']}" for kind, record in result["classes"][0].items() if isinstance(record, Mapping)
        )
        return [
            Section(
                "confusion", "Confusion",
                f"Rows are the truth, columns the answer, on {told}. Blue is right, orange is wrong; the stronger, the "
                "larger the share of its row (for mistakes the root of that share, so that rare ones show)."
                + reliability.errors(result),
                (Matrix(confusion, self.classes), pairs),
            ),
            reliability.section(self._curves(kept), result),
            Section(
                "classes", "Classes",
                "Recall: the share of a class's pictures that were found. Precision: the share of answers with that "
                "class that were right. F1: their harmonic mean. Each with its 95 % interval and its n, on the "
                f"{words.subset(result['subset'])} pictures. Interval methods: {methods}."
                + CORRECTED[self.imbalance],
                (NumberTable(
                    ("class", "pictures"), ("recall", "precision", "f1"),
                    [(row["class"], row["support"], row) for row in result["classes"]],
                ),),
            ),
            Section(
                "mistakes", "Worst mistakes",
                f"Wrong answers on the {words.subset(result['subset'])} pictures, worst first, with the probabilities "
                "that the network gave. Look for wrong labels among them.",
                (Cards(tuple(self._mistakes(kept, shown))),),
            ),
        ]  # fmt: skip

    def _mistakes(self, kept: Rows, shown: Shown) -> Iterator[Card]:
        logits, targets = _split(kept)
        probabilities = self.probabilities(logits)
        for place in worst(probabilities, targets, MISTAKES):
            row, truth = probabilities[place], int(targets[place])
            answer = int(row.argmax())
            lines = tuple(
                (what, self.classes[index], f"{100 * row[index]:.1f} %")
                for what, index in (("truth", truth), ("answer", answer))
            )
            yield Card((shown.picture(place, THUMBNAIL),), lines, shown.name(place))


def _split(kept: Rows) -> tuple[Array, Array]:
    """Logits (n, classes) and true classes (n,) of kept rows."""
    return np.ascontiguousarray(kept[:, :-1]), kept[:, -1].astype(np.int64)


def _small(batches: Iterator[Batch]) -> Array:
    """Canvases averaged down to 16x16, one row a picture."""
    return np.concatenate([
        functional.adaptive_avg_pool2d(batch.pictures, SIDE).flatten(1).cpu().numpy() for batch in batches
    ])  # fmt: skip


def confusion_matrix(answers: Array, targets: Array, classes: int) -> Array:
    """Counts (classes, classes): rows truth, columns answers."""
    return np.bincount(targets * classes + answers, minlength=classes * classes).reshape(classes, classes)


def confusions(confusion: Array, classes: Sequence[str], most: int) -> list[tuple[str, str, int, int]]:
    """The most frequent confusions: truth, answer, how often, of how many pictures of that truth."""
    wrong = confusion - np.diag(np.diag(confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    places = [divmod(int(place), len(classes)) for place in order]
    totals = confusion.sum(axis=1)
    return [(classes[t], classes[a], int(wrong[t, a]), int(totals[t])) for t, a in places if wrong[t, a]]


def majority(train_labels: Array, targets: Array) -> Hits:
    """Answering the commonest training class always."""
    return Hits("majority class", targets == np.bincount(train_labels).argmax())


def worst(probabilities: Array, targets: Array, most: int) -> Sequence[int]:
    """Positions of wrong answers, the surest first."""
    answers = probabilities.argmax(1)
    wrong = np.flatnonzero(answers != targets)
    return [int(i) for i in wrong[np.argsort(-probabilities[wrong, answers[wrong]], kind="stable")][:most]]


TASK: type[LabelTask] = Classify
TASKS: Mapping[str, Mapping[str, Any]] = MappingProxyType({"classify": {}})
