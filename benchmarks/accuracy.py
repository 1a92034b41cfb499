"""Test accuracy and wall time of `striate train digits` over seeds, each run a command of its own.

    python benchmarks/accuracy.py                     seeds 0-4 on the default split
    python benchmarks/accuracy.py --split-seeds 5     and the same on four other splits

Further words are handed to `striate train digits`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--split-seeds", type=int, default=1)
    arguments, more = parser.parse_known_args()
    print("| split seed | seed | accuracy % | errors of n | support vector machine % | seconds |")
    print("|---|---|---:|---:|---:|---:|")
    rows = []
    for split_seed in range(arguments.split_seeds):
        for seed in range(arguments.seeds):
            accuracy, count, machine, seconds = one(seed, split_seed, more)
            rows.append((accuracy, machine, seconds))
            errors = f"{round((1 - accuracy) * count)} of {count}"
            print(
                f"| {split_seed} | {seed} | {100 * accuracy:.2f} | {errors} | {100 * machine:.2f} | {seconds:.1f} |",
                flush=True,
            )
    accuracy, machine = (statistics.mean(row[place] for row in rows) for place in (0, 1))
    slowest = max(row[2] for row in rows)
    print(
        f"mean accuracy {100 * accuracy:.2f} %, support vector machine {100 * machine:.2f} %; slowest {slowest:.1f} s"
    )


def one(seed: int, split_seed: int, more: list[str]) -> tuple[float, int, float, float]:
    """Accuracy, n, the support vector machine's accuracy, and seconds from start to exit."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "striate", "train", "digits", "--json", "--runs", runs]
        command += ["--seed", str(seed), "--split-seed", str(split_seed), *more]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.monotonic() - began
    result = json.loads(done.stdout.splitlines()[-1])["result"]
    return result["numbers"][0]["value"], result["n"], result["baselines"][1]["value"], seconds


if __name__ == "__main__":
    main()
