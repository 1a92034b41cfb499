"""Transfer on real photographs: a linear classifier of what VGG-16 sees, with ImageNet's weights, with random ones, or
of pixels.

    python benchmarks/real.py CACHE                       # CACHE/stamps
    onnx/bin/python benchmarks/vgg16.py CACHE             # CACHE/vgg16-features.safetensors; see there
    python benchmarks/claims_vgg16.py CACHE --write

Logistic regression in five folds on the maps of the last pool, averaged over their places. Of near-duplicates one is
taken, so that none lies on both sides. Nothing is chosen: neither the penalty, nor the layer, nor an epoch.
"""

import argparse
import datetime
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold

from digits import machine, publish, table
from striate.claims.claim import Asked
from striate.claims.pictures import labelled, pixels
from striate.data.preprocess import Preprocess
from striate.evaluate import intervals, vectors
from striate.models import weights
from striate.models.build import build
from striate.models.catalog import find
from striate.predictor import Member, Predictor
from striate.tasks import linear
from striate.tasks.classify import Classify
from striate.training.initial import expected_by

FOLDS = 5
OPTIONS = {"dense": False}


def seen(canvases: np.ndarray, way: Preprocess, given: Path | None) -> np.ndarray:
    """What enters the last layer, (n, 512), with the weights of `given` or random ones."""
    torch.manual_seed(0)
    net = build("vgg16", classes=2, channels=3, **OPTIONS)
    if given is not None:
        weights.fill(net, find("vgg16"), given, OPTIONS, "features")
    predictor = Predictor((Member(net.eval(), way, Classify(("a", "b"))),))
    with torch.inference_mode():
        found = vectors.of_canvases(predictor, enumerate(canvases), "mean")
    return np.stack([found[place] for place in range(len(canvases))])


def right(given: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether each picture is answered rightly by what learned from the folds that it is not in, (n,)."""
    answers = np.empty_like(labels)
    for learned, tested in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(given, labels):
        answers[tested] = linear.answers(given[learned], labels[learned], given[tested])
    return answers == labels


def per_cent(found: tuple[float, float, float], sign: str = "") -> str:
    value, low, high = (f"{100 * each:{sign}.1f}" for each in found)
    return f"{value} ({low} to {high})"


def main() -> None:
    parser = argparse.ArgumentParser(description=" ".join((__doc__ or "").split("\n\n")[0].split()))
    parser.add_argument("cache", type=Path)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    given = parser.parse_args()
    before, began = machine(), time.process_time()
    asked = Asked({"data": str(given.cache / "stamps"), "groups": "near"}, (0,), Path())
    samples, places = labelled(asked, f"for {FOLDS} folds", FOLDS)
    labels = samples.targets.strata[places]
    file = given.cache / "vgg16-features.safetensors"
    expected = expected_by(find("vgg16"), str(file))
    if expected is None:
        sys.exit(f"{file}: does not say what pictures its weights expect; benchmarks/vgg16.py writes it")
    way = Preprocess(given.size, 3, mean=expected.mean, deviation=expected.deviation)
    canvases = np.stack([way.looks(samples.read(each), samples.read.where(each))[0][0] for each in places.tolist()])
    ways = {
        "pixels, 16x16": pixels(asked, samples, places),
        "VGG-16, random weights": seen(canvases, way, None),
        "VGG-16, ImageNet's weights": seen(canvases, way, file),
    }
    found = {name: right(values, labels) for name, values in ways.items()}
    n = len(labels)
    lines = [
        "# Transfer: a linear classifier of what VGG-16 sees", "", before, "",
        f"{datetime.date.today()}, `python {' '.join([Path(sys.argv[0]).name, 'CACHE', *sys.argv[2:]])}`, "
        f"{time.process_time() - began:.0f} s of processors", "",
        f"{n} photographs of Tux Paint's stamps in {len(samples.targets.classes)} classes, of near-duplicates one, at "
        f"{given.size} pixels; the largest class has {np.bincount(labels).max() / n:.1%}. Logistic regression (C = 1) "
        f"on standardised values in {FOLDS} folds: each picture is answered once, by what did not learn from it.", "",
        "Accuracy in per cent with Wilson's interval; differences on the same pictures with Newcombe's, p by McNemar's "
        "exact test. Answers of one fold share a classifier, which these intervals do not know.", "",
        table(["given", "values", "right", "accuracy"], [
            [name, str(ways[name].shape[1]), f"{own.sum()} of {n}", per_cent(intervals.wilson(int(own.sum()), n))]
            for name, own in found.items()
        ]), "",
        table(["difference", "points", "p"], [
            [f"{other}, less {one}", per_cent(difference, "+"), f"{p:.2g}"]
            for one, other in combinations(found, 2)
            for p, difference in [intervals.matched(found[other], found[one])]
        ]),
    ]  # fmt: skip
    publish("claims_vgg16", lines, given.write)


if __name__ == "__main__":
    main()
