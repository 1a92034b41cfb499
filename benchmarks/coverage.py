"""How often intervals of 95 % hold the true value, and how often tests tell a difference where there is none.

    python benchmarks/coverage.py --draws 1000 --parts pictures --write

Each is many draws of a known truth. Parts: `pictures` (each is independent), `pairs` (of networks on the same ones),
`seeds`, `tests` (over folds, among many pairs), `groups` (pictures of one group go together), `few` (of these, skewed
means and areas alone).
"""

import argparse
import datetime
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from scipy import stats
from scipy.special import log_softmax

from digits import machine, publish, table
from striate.evaluate import intervals
from striate.evaluate.contrasts import LEVEL, p_of
from striate.evaluate.folds import folds_apart, over_folds
from striate.evaluate.holm import holm
from striate.evaluate.numbers import number
from striate.evaluate.paired import paired
from striate.evaluate.seeds import flipped, mean_over_seeds, over_seeds
from striate.tasks.measures import AUC, Calibration, Dice, Hits, Mean, Measure, Recalls, Statistic

EACH = 30
SIZES = (60, 400, 1000)
# The draws of a bootstrap are the same for as many pictures: making them anew takes most of the time.
intervals.resampled = lru_cache(1)(lambda n, made=intervals.resampled: list(made(n)))
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


def skewed(generator: Generator, of: np.ndarray, alike: float) -> Drawn:
    """A mean of skewed values, of which a part is the group's."""
    own, shared = generator.exponential(size=len(of)), generator.exponential(size=of.max() + 1)[of]
    values = np.sqrt(1 - alike) * own + np.sqrt(alike) * shared
    return Mean("", tuple(values), skewed=True), float(np.sqrt(1 - alike) + np.sqrt(alike)), of


def iou(generator: Generator, of: np.ndarray, alike: float) -> Drawn:
    """Pixels of all pictures together: each of a size of its own."""
    whole = generator.integers(20, 400, len(of))
    hits = generator.binomial(whole, chances(generator, of.max() + 1, 0.8, alike)[of])
    return Statistic("", np.stack([hits, whole], 1).astype(float), ratio), 0.8, of


def ratio(sums: np.ndarray) -> np.ndarray:
    return sums[:, 0] / sums[:, 1]


def auc(generator: Generator, of: np.ndarray, alike: float) -> Drawn:
    """Scores a deviation apart, of which a part is the group's; both kinds in any group."""
    positive = generator.random(len(of)) < 0.5
    noise = (
        np.sqrt(1 - alike) * generator.normal(size=len(of)) + np.sqrt(alike) * generator.normal(size=of.max() + 1)[of]
    )
    return AUC("", noise + positive, positive), 0.7602499389065233, of


def psnr(generator: Generator, of: np.ndarray, alike: float) -> Drawn:
    """In dB, of pictures that are easier and harder: a tail to the right."""
    return Mean("", tuple(24 + generator.gamma(4, 1.5, len(of)))), 30.0, of


def losses(generator: Generator, n: int, margin: float) -> np.ndarray:
    """Log losses of a network of ten classes whose margins vary from picture to picture."""
    logits = 2 * generator.normal(size=(n, 10))
    logits[:, 0] += margin + 2.5 * generator.normal(size=n)
    return -log_softmax(logits, 1)[:, 0]


def log_loss(margin: float) -> Callable[[Generator, np.ndarray, float], Drawn]:
    true = float(np.mean([losses(np.random.default_rng(seed), 10**5, margin).mean() for seed in range(20)]))
    return lambda generator, of, alike: (Mean("", tuple(losses(generator, len(of), margin)), skewed=True), true, of)


def sure(generator: Generator, n: int) -> np.ndarray:
    """Confidence of a network that is right about 95 times of 100."""
    logits = 1.5 * generator.normal(size=(n, 10))
    logits[:, 0] += 4.5 + 1.5 * generator.normal(size=n)
    return np.exp(log_softmax(logits, 1)).max(1)


def calibration(temperature: float) -> Callable[[Generator, np.ndarray, float], Drawn]:
    """What is right so often as confidence by another temperature says."""

    def truly(confidence: np.ndarray) -> np.ndarray:
        return (1 + ((1 - confidence) / confidence) ** (1 / temperature)) ** -1

    confidence = sure(np.random.default_rng(0), 10**6)
    true = float(np.sqrt(np.mean((truly(confidence) - confidence) ** 2)))

    def draw(generator: Generator, of: np.ndarray, alike: float) -> Drawn:
        own = sure(generator, len(of))
        return Calibration("", own, generator.random(len(of)) < truly(own)), true, of

    return draw


GROUPED = {
    "accuracy 0.8": accuracy,
    "accuracy 0.95": lambda generator, of, alike: accuracy(generator, of, alike, 0.95),
    "recall 0.8": recall, "F1": f1, "balanced accuracy": balanced, "skewed mean": skewed, "IoU": iou, "AUC": auc,
}  # fmt: skip
ALONE = {
    **GROUPED, "PSNR": psnr, "log loss, 9 of 10 right": log_loss(6.0), "log loss, 99 of 100 right": log_loss(9.0),
    "ECE, calibrated": calibration(1.0), "ECE, sure by 1.3": calibration(1.3), "ECE, sure by 2": calibration(2.0),
}  # fmt: skip


def beside(measure: Mean | Calibration, generator: Generator) -> tuple[float, float]:
    """What would be printed without more thought: the normal interval, or percentiles of a bootstrap."""
    if isinstance(measure, Mean):
        return intervals.normal(np.array(measure.values))[1:]
    draws = generator.integers(0, len(measure.right), (200, len(measure.right)))
    gaps = (measure.right - measure.confidence)[draws]
    parts = np.minimum((10 * measure.confidence[draws]).astype(int), 9)
    errors = sum(np.abs((gaps * (parts == part)).sum(1)) for part in range(10)) / len(measure.right)
    low, high = np.quantile(errors, (0.025, 0.975))
    return float(low), float(high)


def alone(name: str, n: int, draws: int) -> list[str]:
    generator, found, plain = np.random.default_rng(1), [], []
    for _ in range(draws):
        measure, true, _ = ALONE[name](generator, np.arange(n), 0.3)
        told = number(measure, "")
        found.append((told.low <= true <= told.high, true < told.low, true > told.high))
        if isinstance(measure, Mean | Calibration):
            low, high = beside(measure, generator)
            plain.append(low <= true <= high)
    return [*percents(np.mean(found, 0)), *(percents([np.mean(plain)]) if plain else [""])]


# Of two networks: shares; means in dB; margins, and how many times as sure; how far scores of the two kinds lie apart.
BOTH = {
    "accuracy": (0.9, 0.87), "PSNR": (30.0, 29.8),
    "log loss": ((3.0, 1.0), (3.5, 1.0)), "log loss, 99 of 100 right": ((6.0, 1.0), (6.5, 1.0)),
    "log loss, one surer": ((3.0, 2.0), (3.0, 1.0)),
    "IoU": (1.0, 0.9), "AUC": (1.5, 1.0),
}  # fmt: skip


def two(kind: str, generator: Generator, n: int, equal: bool = False) -> tuple[Measure, Measure, float]:
    """Measures of the same pictures, some of them hard for both, and the true difference."""
    own, rival = BOTH[kind]
    rival = own if equal else rival
    hard = generator.normal(size=n)
    noise, ends = generator.normal(size=(2, n)), np.array([own, rival])
    if kind == "accuracy":
        right = hard + noise < np.sqrt(2) * stats.norm.ppf(ends)[:, None]
        return Hits("", right[0]), Hits("", right[1]), ends[0] - ends[1]
    if kind == "IoU":
        whole = generator.integers(20, 400, n)
        hits = generator.binomial(whole, stats.norm.cdf(ends[:, None] - hard / 2 + noise / 2))
        one, other = (Statistic("", np.stack([each, whole], 1) / 1, ratio) for each in hits)
        return one, other, float(-np.diff(stats.norm.cdf(ends / np.sqrt(1.5)))[0])
    if kind == "AUC":
        positive = np.arange(n) % 2 == 0
        one, other = (AUC("", scores, positive) for scores in hard + noise + ends[:, None] * positive)
        return one, other, float(-np.diff(stats.norm.cdf(ends / 2))[0])
    if kind == "PSNR":
        values = ends[:, None] + hard + noise
        return Mean("", tuple(values[0])), Mean("", tuple(values[1])), ends[0] - ends[1]
    values = [
        np.logaddexp(0, -sure * (end + 2 * hard + 1.5 * luck)) for (end, sure), luck in zip(ends, noise, strict=True)
    ]
    points, weights = np.polynomial.hermite_e.hermegauss(199)
    means = [np.logaddexp(0, -sure * (end + 2.5 * points)) @ weights / weights.sum() for end, sure in ends]
    one, other = (Mean("", tuple(each), skewed=True) for each in values)
    return one, other, float(means[0] - means[1])


def apart(kind: str, n: int, draws: int) -> list[str]:
    """How often the interval of a difference holds it; how often two that are equal are told apart."""
    generator, found = np.random.default_rng(2), []
    for _ in range(draws):
        one, other, true = two(kind, generator, n)
        held, equal = paired(one, other), paired(*two(kind, generator, n, equal=True)[:2])
        found.append((held.low <= true <= held.high, true < held.low, true > held.high, p_of(equal) <= LEVEL))
    return percents(np.mean(found, 0))


def trained(generator: Generator, hard: np.ndarray, seeds: int, deviation: float) -> list[Measure]:
    """A network of accuracy 0.95 whose seeds lie so far apart; some pictures are hard for any, some for it alone."""
    own = 3 * hard + generator.normal(size=len(hard))
    shares = np.clip(0.95 + deviation * generator.normal(size=seeds), 0.5, 0.999)
    noise = own + 1.5 * generator.normal(size=(seeds, len(hard)))
    return [Hits("", row / np.sqrt(12.25) < stats.norm.ppf(share)) for row, share in zip(noise, shares, strict=True)]


def seeds(n: int, count: int, deviation: float, draws: int) -> list[str]:
    """How often each test tells two networks of equal accuracy apart; how often the interval of a mean holds it."""
    found, unused = [], []
    for draw in range(draws):
        generator = np.random.default_rng(draw)
        hard = generator.normal(size=n)
        one, other = (trained(generator, hard, count, deviation) for _ in range(2))
        rows = [np.stack([each.right for each in net]).astype(float) for net in (one, other)]
        apart, mean = rows[0].mean(0) - rows[1].mean(0), mean_over_seeds(one, "")
        far = abs(apart.mean()) > 1.5 * apart.std() / n**0.5  # nearer than that no test at 5 % tells them apart
        found.append((far and over_seeds(one, other).p <= LEVEL, mean.low <= 0.95 <= mean.high))
        if draw < draws / 10:
            both = Hits("", rows[0].ravel() > 0), Hits("", rows[1].ravel() > 0)
            unused.append((flipped(apart)[0] <= LEVEL, paired(*both).p <= LEVEL))
    return percents([*np.mean(found, 0), *np.mean(unused, 0)])


def folds(n: int, count: int, repeats: int, draws: int) -> list[str]:
    """Nearest means of two classes in eight dimensions; its rival sees others of them that tell as much.

    The interval is to hold the accuracy of what is trained on as many pictures; the two differ by nothing.
    """
    generator, shift = np.random.default_rng(3), 0.4
    tested, found, truths = n / count, [], []
    for _ in range(draws):
        truth = np.arange(n) % 2
        pictures = generator.normal(size=(n, 8)) + shift * (2 * truth[:, None] - 1)
        scores = np.empty((2, count * repeats))
        for repeat in range(repeats):
            fold = generator.permutation(n) % count
            for place in range(count):
                own = fold != place
                for which, columns in enumerate((slice(0, 6), slice(2, 8))):
                    means = [pictures[own & (truth == kind)][:, columns].mean(0) for kind in (0, 1)]
                    ahead = (pictures[~own][:, columns] - (means[0] + means[1]) / 2) @ (means[1] - means[0])
                    scores[which, repeat * count + place] = ((ahead > 0) == truth[~own]).mean()
                    if not which:
                        way, middle = means[1] - means[0], (means[0] + means[1]) / 2
                        ends = [(sign * shift - middle) @ way / np.linalg.norm(way) for sign in (-1, 1)]
                        truths.append((stats.norm.cdf(ends[1]) + stats.norm.sf(ends[0])) / 2)
        told, plain = folds_apart(*scores, tested, n - tested), stats.ttest_rel(*scores).pvalue
        found.append((*over_folds(scores[0], tested, n - tested)[1:], (told is None or told.p) <= 0.05, plain <= 0.05))
    lows, highs, corrected, plain = np.array(found).T
    held = (lows <= np.mean(truths)) & (np.mean(truths) <= highs)
    return percents([held.mean(), corrected.mean(), plain.mean()])


def many(n: int, networks: int, draws: int) -> list[str]:
    """How often any pair of networks is told apart, where all are equally right."""
    generator, found = np.random.default_rng(4), []
    for _ in range(draws):
        hard, end = generator.normal(size=n), np.sqrt(2) * stats.norm.ppf(0.9)
        nets = [Hits("", hard + generator.normal(size=n) < end) for _ in range(networks)]
        ps = [paired(nets[one], nets[other]).p for one in range(networks) for other in range(one)]
        found.append((ps[0] <= 0.05, min(holm(ps)) <= 0.05, min(ps) <= 0.05))
    return percents(np.mean(found, 0))


def held(name: str, groups: int, alike: float, uneven: bool, draws: int) -> list[float]:
    """How often the interval by groups holds the truth, its width, and how often that of pictures alone holds it."""
    generator, found, plain = np.random.default_rng(1), [], []
    for draw in range(draws):
        measure, true, of = GROUPED[name](generator, members(generator, groups, uneven), alike)
        by = number(measure, "", of)
        found.append((by.low <= true <= by.high, by.high - by.low))
        if draw < draws / 5 and not uneven:
            alone = number(measure, "")
            plain.append(alone.low <= true <= alone.high)
    return [*np.mean(found, 0), np.mean(plain or 0)]


def difference(generator: Generator, of: np.ndarray, alike: float, rival: float) -> tuple[Hits, Hits]:
    """Two that are right together in half of the pictures, and each by a chance of its own group in the others."""
    one, other = right(generator, of, 0.8, alike), right(generator, of, rival, alike)
    same = generator.random(len(of)) < 0.5
    return Hits("", one), Hits("", np.where(same, one, other))


def differences(groups: int, alike: float, uneven: bool, draws: int) -> list[str]:
    """The interval of a difference by groups, and by pictures; then how often p < 0.05 where there is none."""
    generator, found = np.random.default_rng(2), []
    for _ in range(draws):
        of = members(generator, groups, uneven)
        one, other = difference(generator, of, alike, 0.7)
        by, alone = paired(one, other, of), paired(one, other)
        equal = difference(generator, of, alike, 0.8)
        ps = paired(*equal, of).p, paired(*equal).p
        found.append((by.low <= 0.05 <= by.high, alone.low <= 0.05 <= alone.high, *(p < 0.05 for p in ps)))
    return percents(np.mean(found, 0))


def percents(shares: Sequence[float]) -> list[str]:
    return [f"{100 * each:.1f}" for each in shares]


def of_pictures(draws: int) -> Iterator[str]:
    yield "## Intervals, where each picture is independent\n"
    yield "Held: how often the interval holds the true value; it lay below or above in the others. Plain: the normal"
    yield "interval of a mean, and percentiles of a bootstrap of the plain ECE (ten equal widths, absolute gaps).\n"
    head = ("what", "n", "held, %", "below, %", "above, %", "plain, %")
    yield table(head, [(name, n, *alone(name, n, draws)) for name in ALONE for n in SIZES])


def of_pairs(draws: int) -> Iterator[str]:
    yield "## Differences on the same pictures\n"
    yield "Told apart: how often two that are equally good are, which is to be at most 5 %.\n"
    head = ("what", "n", "held, %", "below, %", "above, %", "told apart, %")
    yield table(head, [(kind, n, *apart(kind, n, draws)) for kind in BOTH for n in SIZES])


def of_seeds(draws: int) -> Iterator[str]:
    yield "\n## Over seeds: two networks of accuracy 95 %, equally good\n"
    yield "How often p <= 0.05, and how often the interval of one network's mean over seeds holds 95 %. Deviation: of"
    yield "the accuracy of trainings that differ by the seed alone. Beside `over_seeds`: signs flipped picture by"
    yield "picture, and McNemar's test of all seeds' answers together (a tenth of the draws); neither is used.\n"
    head = ("n", "seeds", "deviation, points", "over seeds, %", "mean held, %", "flips alone, %", "pooled McNemar, %")
    cells = [(n, count, sd) for n in (60, 400, 2000, 10000) for count in (2, 3, 5) for sd in (0.0, 0.3, 1.0)]
    cells = [each for each in cells if each[:2] != (10000, 5) and (each[0], each[2]) not in ((60, 0.3), (10000, 0.0))]
    yield table(head, [(n, count, f"{sd:g}", *seeds(n, count, sd / 100, draws)) for n, count, sd in cells])


def of_tests(draws: int) -> Iterator[str]:
    yield "\n## Over folds: nearest means of two classes\n"
    yield "How often the interval of the mean holds the accuracy of what is trained on as many pictures, and how often"
    yield "two that see different features, which tell as much, are told apart; beside it Student's test of folds.\n"
    cells = [(n, count, repeats) for n in (100, 500) for count, repeats in ((5, 1), (10, 1), (5, 2), (5, 4))]
    head = ("pictures", "folds", "repeats", "held, %", "corrected t, %", "plain t, %")
    yield table(head, [(*cell, *folds(*cell, draws)) for cell in cells])
    yield "\n## Many pairs: networks that are right in 90 % each\n"
    yield "How often the first pair is told apart by McNemar's test, any of all pairs after Holm, and any without it.\n"
    cells = [(n, networks) for n in (60, 400, 2000) for networks in (3, 5)]
    yield table(("n", "networks", "one pair, %", "Holm, %", "without, %"), [(*c, *many(*c, draws)) for c in cells])


def of_groups(draws: int) -> Iterator[str]:
    yield from grouped_alone(draws, list(GROUPED))
    yield from differences_alone(draws)


def of_few(draws: int) -> Iterator[str]:
    """What few uneven groups hold least surely."""
    yield from grouped_alone(draws, ["skewed mean", "AUC"])


def grouped_alone(draws: int, names: Sequence[str]) -> Iterator[str]:
    yield "\n## Pictures in groups\n"
    yield f"Groups of {EACH} pictures, or of sizes that differ (log-normal, deviation 0.8); each has a chance of its"
    yield "own to be answered rightly, from a beta distribution whose spread gives the intraclass correlation. Beside"
    yield "each interval by groups stands the one that takes every picture for independent (a fifth of the draws).\n"
    cells = [(name, groups, alike) for name in names for groups in (8, 20, 50, 200) for alike in (0.1, 0.5)]
    rows = []
    for cell in cells:
        (even, width, alone), (other, _, _) = (held(*cell, uneven, draws) for uneven in (False, True))
        rows.append((*cell[:2], f"{cell[2]:g}", *percents((even, other, alone)), f"{width:.3f}"))
    yield table(("what", "groups", "correlation", "even, %", "uneven, %", "pictures alone, %", "width"), rows)


def differences_alone(draws: int) -> Iterator[str]:
    yield "\nDifferences of two accuracies, paired: how often the interval holds the truth, and how often p is below"
    yield "0.05 where there is no difference.\n"
    heads = ("groups", "correlation", "sizes", "by groups, %", "by pictures, %", "p < 0.05 by groups, %", "McNemar, %")
    cells = [(g, alike, sizes) for g in (8, 20, 50, 200) for alike in (0.1, 0.5) for sizes in ("even", "uneven")]
    yield table(heads, [(c[0], f"{c[1]:g}", c[2], *differences(*c[:2], c[2] == "uneven", draws)) for c in cells])


PARTS = {
    "pictures": of_pictures, "pairs": of_pairs, "seeds": of_seeds, "tests": of_tests, "groups": of_groups,
    "few": of_few,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    draws = asked.draws
    lines = [
        f"# What intervals hold, and what tests tell, {datetime.date.today()}",
        "",
        f"`python benchmarks/coverage.py --draws {draws} --parts {' '.join(asked.parts)} --write`, on {machine()}.",
        "",
        f"Each share is of {draws:,} draws of a known truth: luck moves 95 % by "
        f"{196 * (0.95 * 0.05 / draws) ** 0.5:.1f} points.",
        "",
        *(line for part in asked.parts for line in PARTS[part](draws)),
    ]
    publish("-".join(["coverage", *asked.parts]), lines, asked.write)


if __name__ == "__main__":
    main()
