"""How often intervals of 95 % hold the true value, where pictures come in groups: many draws of a known truth.

    python benchmarks/coverage.py --write

What is drawn: groups of 30 pictures, or of sizes that differ (log-normal, deviation 0.8); each group has a chance of
its own to be answered rightly, from a beta distribution whose spread gives the intraclass correlation. Beside each
interval by groups stands the one that takes every picture for independent.
"""

import argparse
import datetime
from collections.abc import Callable, Iterator

import numpy as np

from digits import machine, publish, table
from striate.evaluate.numbers import number
from striate.evaluate.paired import paired
from striate.tasks.measures import AUC, Dice, Hits, Mean, Measure, Recalls, Statistic

EACH = 30
Drawn = tuple[Measure, float, np.ndarray]
Generator = np.random.Generator


def members(generator: Generator, groups: int, uneven: bool) -> np.ndarray:
    """The group of each picture."""
    sizes = np.full(groups, EACH)
    if uneven:
        sizes = np.maximum(1, np.rint(generator.lognormal(np.log(EACH) - 0.32, 0.8, groups))).astype(int)
    return np.repeat(np.arange(groups), sizes)


def chances(generator: Generator, groups: int, share: float, alike: float) -> np.ndarray:
    """Each group's chance, of this mean and intraclass correlation."""
    scale = (1 - alike) / alike
    return generator.beta(share * scale, (1 - share) * scale, groups)


def right(generator: Generator, of: np.ndarray, share: float, alike: float) -> np.ndarray:
    return generator.random(len(of)) < chances(generator, of.max() + 1, share, alike)[of]


def accuracy(generator: Generator, of: np.ndarray, alike: float, share: float = 0.8) -> Drawn:
    return Hits("", right(generator, of, share, alike)), share, of


def recall(generator: Generator, of: np.ndarray, alike: float) -> Drawn:
    """Of a class that a third of the pictures have, in any group."""
    among = np.flatnonzero(generator.random(len(of)) < 1 / 3)
    return Hits("", right(generator, of, 0.8, alike)[among], among), 0.8, of


def f1(generator: Generator, of: np.ndarray, alike: float) -> Drawn:
    among = np.flatnonzero(generator.random(len(of)) < 1 / 2)
    return Dice("", right(generator, of, 0.7, alike)[among], among), 2 * 0.7 / 1.7, of


def balanced(generator: Generator, of: np.ndarray, alike: float) -> Drawn:
    """Two classes, one of a fifth of the pictures, and right less often."""
    classes = (generator.random(len(of)) < 0.2).astype(np.int64)
    common, rare = (right(generator, of, share, alike) for share in (0.9, 0.6))
    return Recalls("", np.where(classes == 1, rare, common), classes), 0.75, of


def log_loss(generator: Generator, of: np.ndarray, alike: float) -> Drawn:
    """A mean of skewed values, of which a part is the group's."""
    own, shared = generator.exponential(size=len(of)), generator.exponential(size=of.max() + 1)[of]
    return (
        Mean("", tuple(np.sqrt(1 - alike) * own + np.sqrt(alike) * shared)),
        float(np.sqrt(1 - alike) + np.sqrt(alike)),
        of,
    )


def iou(generator: Generator, of: np.ndarray, alike: float) -> Drawn:
    """Pixels of all pictures together: each of a size of its own."""
    whole = generator.integers(20, 400, len(of))
    hits = generator.binomial(whole, chances(generator, of.max() + 1, 0.8, alike)[of])
    return Statistic("", np.stack([hits, whole], 1).astype(float), lambda sums: sums[:, 0] / sums[:, 1]), 0.8, of


def auc(generator: Generator, of: np.ndarray, alike: float) -> Drawn:
    """Scores a deviation apart, of which a part is the group's; both kinds in any group."""
    positive = generator.random(len(of)) < 0.5
    noise = (
        np.sqrt(1 - alike) * generator.normal(size=len(of)) + np.sqrt(alike) * generator.normal(size=of.max() + 1)[of]
    )
    return AUC("", noise + positive, positive), 0.7602499389065233, of


DRAWS: dict[str, Callable[[Generator, np.ndarray, float], Drawn]] = {
    "accuracy 0.8": accuracy,
    "accuracy 0.95": lambda generator, of, alike: accuracy(generator, of, alike, 0.95),
    "recall 0.8": recall, "F1": f1, "balanced accuracy": balanced, "log loss": log_loss, "IoU": iou, "AUC": auc,
}  # fmt: skip


def difference(generator: Generator, of: np.ndarray, alike: float, rival: float) -> tuple[Hits, Hits]:
    """Two that are right together in half of the pictures, and each by a chance of its own group in the others."""
    one, other = right(generator, of, 0.8, alike), right(generator, of, rival, alike)
    same = generator.random(len(of)) < 0.5
    return Hits("", one), Hits("", np.where(same, one, other))


def held(name: str, groups: int, alike: float, uneven: bool, rounds: int) -> list[float]:
    """How often the interval by groups and that of independent pictures hold the truth, and the width of the first."""
    generator, found = np.random.default_rng(1), []
    for _ in range(rounds):
        measure, true, of = DRAWS[name](generator, members(generator, groups, uneven), alike)
        by, alone = number(measure, "", of), number(measure, "")
        found.append((by.low <= true <= by.high, alone.low <= true <= alone.high, by.high - by.low))
    return list(np.mean(found, 0))


def differences(groups: int, alike: float, uneven: bool, rounds: int) -> list[float]:
    """The interval of a difference by groups, and by pictures; then how often p < 0.05 where there is none."""
    generator, found = np.random.default_rng(2), []
    for _ in range(rounds):
        of = members(generator, groups, uneven)
        one, other = difference(generator, of, alike, 0.7)
        by, alone = paired(one, other, of), paired(one, other)
        equal = difference(generator, of, alike, 0.8)
        ps = paired(*equal, of).p, paired(*equal).p
        found.append((by.low <= 0.05 <= by.high, alone.low <= 0.05 <= alone.high, *(p < 0.05 for p in ps)))
    return list(np.mean(found, 0))


def rows(rounds: int) -> Iterator[tuple[object, ...]]:
    for name in DRAWS:
        for groups in (8, 20, 50, 200):
            for alike in (0.1, 0.3, 0.5):
                cells = [held(name, groups, alike, uneven, rounds) for uneven in (False, True)]
                (even, alone, width), (other, _, _) = cells
                yield (
                    name,
                    groups,
                    alike,
                    f"{100 * even:.1f}",
                    f"{100 * other:.1f}",
                    f"{100 * alone:.1f}",
                    f"{width:.3f}",
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    rounds = asked.rounds
    head = ("what", "groups", "correlation", "even, %", "uneven, %", "pictures alone, %", "width")
    apart = [
        (groups, alike, sizes, *(f"{100 * each:.1f}" for each in differences(groups, alike, sizes == "uneven", rounds)))
        for groups in (8, 20, 50, 200)
        for alike in (0.1, 0.3, 0.5)
        for sizes in ("even", "uneven")
    ]
    heads = ("groups", "correlation", "sizes", "by groups, %", "by pictures, %", "p < 0.05 by groups, %", "McNemar, %")
    lines = [
        f"# What intervals of 95 % hold where pictures come in groups, {datetime.date.today()}",
        "",
        f"`python benchmarks/coverage.py --rounds {rounds} --write`, on {machine()}.",
        "",
        *(line for line in str(__doc__).split("--write")[1].strip().splitlines()),
        "",
        f"Each share is of {rounds:,} draws: luck moves 95 % by {196 * (0.95 * 0.05 / rounds) ** 0.5:.1f} points.",
        "",
        table(head, rows(rounds)),
        "",
        "Differences of two accuracies, paired: how often the interval holds the truth, and how often p is below 0.05",
        "where there is no difference.",
        "",
        table(heads, apart),
    ]
    publish("coverage", lines, asked.write)


if __name__ == "__main__":
    main()
