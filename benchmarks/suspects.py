"""How well folds find wrong labels: digits of which some are labelled wrongly on purpose, and who is then doubted.

    python benchmarks/suspects.py --write

For each seed other labels are changed, each to another class at random; five folds of LeNet-5 are trained as by
`striate train --fold`. Precision is the share of suspects that were changed, recall that of the changed ones that are
suspects; both are of the pictures that are not sealed.
"""

import argparse
import datetime
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import striate
from digits import machine, publish, table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.05])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    chosen, rows = parser.parse_args(), []
    for share in chosen.shares:
        for seed in range(chosen.seeds if share else 1):
            with tempfile.TemporaryDirectory() as runs:
                rows.append([f"{100 * share:g} %", *planted(Path(runs), seed, share, chosen.folds, chosen.epochs)])
            print(rows[-1], file=sys.stderr)
    head = ["changed", "seed", "pictures", "wrong labels", "suspects", "precision", "recall", "precision of as many"]
    page = ["# Wrong labels of digits found by folds", "", machine(), ""]
    page += [f"{datetime.date.today()}, `python {' '.join(sys.argv)}`", ""]
    page += ["The last column is of the most doubted, as many as there are wrong labels.", "", table(head, rows)]
    publish("suspects", page, chosen.write)


def planted(runs: Path, seed: int, share: float, folds: int, epochs: int) -> list[str]:
    """One set of changed labels: a row of the table."""
    digits = load_digits()
    pictures = [(each * 255 / 16).astype(np.uint8)[..., None] for each in digits.images]
    numbers, labels = np.random.default_rng(seed), digits.target.copy()
    changed = numbers.choice(len(labels), round(share * len(labels)), replace=False)
    labels[changed] = (labels[changed] + numbers.integers(1, 10, len(changed))) % 10
    data = (pictures, [str(label) for label in labels])
    found = striate.out_of_fold(*(
        striate.train(data, fold=f"{number}/{folds}", epochs=epochs, model="lenet5", runs=runs, quiet=True)
        for number in range(1, folds + 1)
    ))  # fmt: skip
    suspects = [each.place for each in found.suspects or ()]
    wrong = set(changed.tolist()) & set(found.samples.tolist())
    hits = [place in wrong for place in suspects]
    counts = [str(seed), f"{len(found.samples):,}", str(len(wrong)), str(len(suspects))]
    if not wrong:
        return [*counts, "", "", ""]
    return [
        *counts,
        *(f"{value:.3f}" for value in (np.mean(hits), sum(hits) / len(wrong), np.mean(hits[: len(wrong)]))),
    ]


if __name__ == "__main__":
    main()
