"""A report's material: scikit-learn's digits and a linear model's real answers; the curves are invented."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, log_loss
from sklearn.svm import SVC

from striate.base.sections import Seen
from striate.evaluate.result import result as result_of
from striate.report.page import Example, Material
from striate.tasks.classify import Classify

TEST = 360


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    if n == 0:
        return math.nan, math.nan
    share, spread = right / n, z * math.sqrt(right * (n - right) / n**3 + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return (share + z * z / (2 * n) - spread) / scale, (share + z * z / (2 * n) + spread) / scale


def rate(right: int, n: int, subset: str, **more: object) -> dict[str, Any]:
    low, high = wilson(right, n)
    value = right / n if n else None
    return {"value": value, "n": n, "subset": subset, "low": low, "high": high, "method": "Wilson", **more}


@cache
def answers() -> tuple[np.ndarray, ...]:
    """All labels; pixels, truth and probabilities of the last 360 digits; a rival's answers."""
    digits = load_digits()
    flat, labels = digits.data / 16, digits.target
    model = LogisticRegression(max_iter=300).fit(flat[:-TEST], labels[:-TEST])
    rival = SVC(C=10).fit(flat[:-TEST], labels[:-TEST]).predict(flat[-TEST:])
    pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)[..., None]
    return labels, pixels[-TEST:], labels[-TEST:], model.predict_proba(flat[-TEST:]), rival


def class_row(name: str, index: int, matrix: np.ndarray, subset: str) -> dict[str, Any]:
    hit, support, answered = int(matrix[index, index]), int(matrix[index].sum()), int(matrix[:, index].sum())
    f1 = rate(2 * hit, support + answered, subset, method="Wilson of the Jaccard index")
    return {
        "class": name,
        "support": support,
        "recall": rate(hit, support, subset),
        "precision": rate(hit, answered, subset),
        "f1": {**f1, "n": support},
    }


class Pictures:
    """What the page can show of the last digits; those in `gone` are not there any more."""

    def __init__(self, pixels: np.ndarray, names: list[str], gone: bool) -> None:
        self._pixels, self._names, self._gone = pixels, names, gone

    def name(self, place: int) -> str:
        return self._names[place]

    def picture(self, place: int, side: int) -> Seen:
        if self._gone:
            return Seen(None, "this picture cannot be shown: no such file")
        return Seen(self._pixels[place])

    def of(self, place: int) -> dict[str, np.ndarray]:
        return {}


def kept_rows(matrix: np.ndarray, sure: float = 0.9) -> np.ndarray:
    """Rows that give this confusion matrix."""
    count = len(matrix)
    cells = [(t, a) for t in range(count) for a in range(count) for _ in range(int(matrix[t, a]))]
    rows = np.full((len(cells), count + 1), np.log((1 - sure) / max(count - 1, 1)))
    for place, (truth, answer) in enumerate(cells):
        rows[place, answer], rows[place, -1] = np.log(sure), truth
    return rows


def digits_material(
    rename: Callable[[str], str] = str,
    subset: str = "test",
    openings: int = 1,
    matrix: np.ndarray | None = None,
    classes: list[str] | None = None,
    gone: bool = False,
    **changes: Any,
) -> Material:
    """`matrix` and `classes` stand for other rows than those of the linear model."""
    labels, pixels, truth, probability, rival = answers()
    given = probability.argmax(axis=1)
    classes = classes or [rename(str(index)) for index in range(10)]
    rows = np.column_stack([np.log(probability), truth]) if matrix is None else kept_rows(matrix)
    if matrix is None:
        matrix = confusion_matrix(truth, given)
    names = [rename(f"digits/{1437 + index % TEST:04}") for index in range(len(rows))]
    pictures = Pictures(pixels[np.arange(len(rows)) % TEST], names, gone)
    draws = np.random.default_rng(0)
    loss = float(log_loss(truth, probability))
    material: dict[str, Any] = {
        "title": rename("digits-lenet5-1"),
        "origin": "lenet5, 61,706 parameters",
        "command": rename("striate train digits"),
        "result": {
            "subset": subset,
            "n": TEST,
            **({"openings": openings} if subset == "test" else {}),
            "numbers": [
                rate(int((given == truth).sum()), TEST, subset, name="accuracy"),
                rate(TEST - 2, TEST, subset, name="top-5 accuracy"),
                {
                    "name": "log loss",
                    "value": loss,
                    "n": TEST,
                    "subset": subset,
                    "low": loss - 0.05,
                    "high": loss + 0.05,
                    "method": "normal",
                },
            ],
            "classes": [class_row(name, index, matrix, subset) for index, name in enumerate(classes)],
            "baselines": [
                rate(37, TEST, subset, name="majority class"),
                rate(int((rival == truth).sum()), TEST, subset, name="RBF support vector machine"),
            ],
            "weights": "checkpoints/best-000629",
            "best_epoch": 37,
        },
        "epochs": [
            {
                "epoch": epoch,
                "rate": 0.05 * (1 + math.cos(math.pi * epoch / 60)),
                "train_loss": 2.2 * math.exp(-epoch / 6) + 0.02 + 0.02 * draws.random(),
                "train_accuracy": 0.995 - 0.85 * math.exp(-epoch / 4) - 0.004 * draws.random(),
                "val_loss": 2.1 * math.exp(-epoch / 7) + 0.05 + 0.03 * draws.random(),
                "val_accuracy": 0.985 - 0.8 * math.exp(-epoch / 5) - 0.008 * draws.random(),
                "seconds": 0.15 + 0.02 * draws.random(),
            }
            for epoch in range(1, 61)
        ],
        "best_epoch": 37,
        "remarks": [],
        "shares": frozenset({"accuracy"}),
        "classes": classes,
        "filters": draws.normal(size=(6, 1, 5, 5)),
        "examples": [
            Example(
                pixels[index],
                tuple(np.roll(pixels[index], (step % 3 - 1, step % 2), axis=(0, 1)) for step in range(6)),
                classes[truth[index] % len(classes)],
            )
            for index in range(5)
        ],
        "counts": {
            "train": np.bincount(labels[: -2 * TEST]).tolist(),
            "val": np.bincount(labels[-2 * TEST : -TEST]).tolist(),
            "test": np.bincount(truth).tolist(),
        },
        "skipped": [(rename("7/broken.png"), "truncated at 43 %"), (rename("7/notes.txt"), "not a picture")],
        "notes": [rename("3 pictures were 16-bit and were scaled to 8.")],
        "recipe": {
            "data": "digits",
            "model": "lenet5",
            "epochs": 60,
            "batch": 64,
            "rate": 0.1,
            "weight_decay": 0.0005,
            "augment": True,
            "seed": 0,
            "weights": None,
        },
        "versions": {
            "striate": "0.1.0",
            "torch": "2.15.0",
            "numpy": np.__version__,
            "decoder": "pillow 13.0.0",
        },
        "timings": {"data": 0.4, "training": 9.1, "evaluation": 0.3, "baselines": 0.2},
    }
    material |= changes
    task = Classify(tuple(classes), temperature=1.5)
    material["result"].setdefault("calibration", result_of(task, rows, subset)["calibration"])
    material.setdefault("sections", task.sections(rows, material["result"], pictures))
    return Material(**material)
