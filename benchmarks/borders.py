"""Touching cells with the border weights of the U-Net paper and without: object F1, in pairs over seeds.

    python benchmarks/borders.py --write

`striate train cells` twice a seed, with `border = 10` (its w0, sigma 5 pixels) and with 0, all else equal: the same
pictures, first weights, order and augmentation. Each seed has its own cells as well. The interval of the mean
difference is that of Student's t over the seeds.
"""

import argparse
import datetime
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from digits import machine, publish, table

SAID = ("object F1 at IoU 0.5", "IoU of cell over the data set")


def once(data: str, border: float, seed: int, epochs: int | None, runs: Path) -> dict[str, float]:
    import striate

    start = time.perf_counter()
    options: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    run = striate.train(
        f"{data}seed={seed}", model="unet_padded", seed=seed, task_options={"border": border}, runs=runs, **options
    )
    found = {each["name"]: float(each["value"]) for each in run.result["numbers"]}
    print(f"seed {seed}, border {border:g}: {found}, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return found


def paired(differences: np.ndarray) -> str:
    """Mean and its 95 % interval."""
    from scipy.stats import t

    mean, count = float(differences.mean()), len(differences)
    half = float(t.ppf(0.975, count - 1) * differences.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    return f"{mean:+.4f} ({mean - half:+.4f} to {mean + half:+.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--data", default="cells:", help="a built-in set without its seed, such as cells:difficulty=0.8,"
    )
    parser.add_argument("--border", type=float, default=10.0)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    chosen = parser.parse_args()
    before, lines = machine(), []
    with tempfile.TemporaryDirectory() as runs:
        pairs = [
            [once(chosen.data, border, seed, chosen.epochs, Path(runs)) for border in (0.0, chosen.border)]
            for seed in range(chosen.seeds)
        ]
    for name in SAID:
        without, with_ = (np.array([pair[side][name] for pair in pairs]) for side in (0, 1))
        each = ", ".join(f"{difference:+.4f}" for difference in with_ - without)
        lines.append([name, f"{without.mean():.4f}", f"{with_.mean():.4f}", paired(with_ - without), each])
    page = ["# Border weights", "", before, "", f"{datetime.date.today()}, `python {' '.join(sys.argv)}`"]
    page += ["", (__doc__ or "").split("\n\n", 2)[2].strip(), ""]
    head = ["mean over the seeds", "without", f"w0 = {chosen.border:g}", "difference (95 %)", "of each seed"]
    publish("borders", [*page, table(head, lines)], chosen.write)


if __name__ == "__main__":
    main()
