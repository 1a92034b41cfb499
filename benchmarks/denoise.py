"""`striate train digits --task denoise`: seconds, and decibels above the best classical filter, over seeds.

    python benchmarks/denoise.py --write

Each seed is a command as a person would type it, its time from process start to its end. Numbers are those of its
result: PSNR on the sealed test pictures, and that of each filter at the strength that did best on validation.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
from typing import Any

from digits import machine, publish, spread, table


def once(options: list[str], seed: int, runs: str) -> tuple[float, dict[str, Any]]:
    command = [sys.executable, "-m", "striate", "train", "digits", "--task", "denoise", "--json", "--runs", runs]
    start = time.perf_counter()
    done = subprocess.run([*command, "--seed", str(seed), *options], capture_output=True, text=True, check=False)
    took = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr or done.stdout)
    return took, json.loads(done.stdout.splitlines()[-1])["result"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    chosen, options = parser.parse_known_args()  # what it does not know is for the command
    before, lines = machine(), []
    with tempfile.TemporaryDirectory() as runs:
        for seed in range(chosen.seeds):
            took, result = once(options, seed, runs)
            (own, *_), rivals = result["numbers"], {each["name"]: each["value"] for each in result["baselines"]}
            best = max(rivals, key=lambda name: rivals[name])
            lines.append((seed, own["value"], best, rivals[best], own["value"] - rivals[best], took))
            print(lines[-1], rivals, file=sys.stderr)
    page = ["# Denoising of digits", "", before, "", f"{datetime.date.today()}, `python {' '.join(sys.argv)}`", ""]
    page += ["PSNR in dB.", ""]
    rows = [[str(seed), f"{own:.2f}", f"{rival:.2f} ({best})", f"{gain:+.2f}", f"{took:.0f}"]
            for seed, own, best, rival, gain, took in lines]  # fmt: skip
    whole = [spread([line[place] for line in lines], digits) for place, digits in ((1, 2), (4, 2), (5, 0))]
    rows.append(["median (least–most)", whole[0], "", whole[1], whole[2]])
    publish("denoise", [*page, table(["seed", "network", "best filter", "gain", "seconds"], rows)], chosen.write)


if __name__ == "__main__":
    main()
