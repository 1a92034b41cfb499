"""Ways to an interval of a difference of means on the same pictures: how often each holds it, and how wide it is.

    python benchmarks/differences.py --draws 1000 --write

The first is the one that is used.
"""

import argparse
import datetime
import itertools

import numpy as np
from scipy import stats

from coverage import SIZES, ratio, two
from digits import machine, publish, table
from striate.evaluate import intervals
from striate.evaluate.intervals import Found, Values

KINDS = ("log loss", "log loss, 99 of 100 right", "log loss, one surer", "PSNR")


def ways(values: Values) -> dict[str, Found]:
    """Of differences picture by picture, (n,)."""
    n, value, rows = len(values), float(values.mean()), np.stack([values, np.ones(len(values))], 1)
    error = float(values.std(ddof=1)) / n**0.5
    counts = np.concatenate(list(intervals.resampled(n)))
    means = counts @ values / n
    variances = (counts @ values**2 / n - means**2) / (n - 1)
    far = (means - value) / np.sqrt(np.maximum(variances, 1e-300))
    low, high = (value - error * np.quantile(far, (0.975, 0.025))).tolist()

    def symmetric(reach: float) -> Found:
        return value, value - reach * error, value + reach * error

    return {
        "accelerated bootstrap, at least Student": intervals.differing(rows, ratio),
        "Student": symmetric(float(stats.t.ppf(0.975, n - 1))),
        "accelerated bootstrap": intervals.bootstrap(rows, ratio),
        "percentiles": (value, *np.quantile(means, (0.025, 0.975)).tolist()),
        "Hall's transformation": intervals.skewed(values),
        "bootstrap-t": (value, low, high),
        "symmetric bootstrap-t": symmetric(float(np.quantile(np.abs(far), 0.95))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--write", action="store_true")
    asked, rows = parser.parse_args(), []
    for kind, n in itertools.product(KINDS, SIZES):
        generator, found = np.random.default_rng(2), []
        for _ in range(asked.draws):
            one, other, true = two(kind, generator, n)
            every = ways(np.array(one.values) - np.array(other.values))
            found.append([(low <= true <= high, high - low) for _, low, high in every.values()])
        held, width = np.mean(found, 0).T
        rows += [(kind, n, way, f"{100 * held[k]:.1f}", f"{width[k]:.4f}") for k, way in enumerate(every)]
    lines = [f"# Ways to an interval of a difference, {datetime.date.today()}", ""]
    lines += [f"`python benchmarks/differences.py --draws {asked.draws} --write`, on {machine()}.", ""]
    lines += [table(("what", "n", "way", "held, %", "width"), rows)]
    publish("differences", lines, asked.write)


if __name__ == "__main__":
    main()
