"""`striate train FOLDER`, nothing else said, on real sets: beside a support vector machine and the former defaults.

    python benchmarks/defaults.py CACHE --write

The sets are those of `real.py`. Each seed is another split as well, so that the spread is that of a new user's first
number. The machine is the one that every report has beside its number: it learns from the same pictures and answers on
the same sealed ones. The former defaults were ResNet-18 at 224 pixels for 60 epochs with "standard" augmentation,
whatever the data; they are given as many epochs as fit into the time that the new ones took, and at least one.
"""

import argparse
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from scipy.stats import t

from digits import machine, publish, table
from real import SOURCES, folder

FORMER = {"model": "resnet18", "size": 224, "augment": "standard", "batch": 64, "mirror": "true"}


def trained(data: Path, seed: int, **recipe: Any) -> dict[str, Any]:
    """One command as it is typed: what it found, what it chose and how long it took."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in recipe.items() if name != "mirror"]
    options += ["--mirror"] if recipe.get("mirror") == "true" else []
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "striate", "train", str(data), "--seed", str(seed), "--split-seed", str(seed)]
        start = time.perf_counter()
        done = subprocess.run([*command, *options, "--runs", runs, "--json"], capture_output=True, text=True)
        took = time.perf_counter() - start
        if done.returncode:
            sys.exit(done.stderr or done.stdout)
        told = json.loads(done.stdout.splitlines()[-1])
        facts = json.loads((Path(told["run"]) / "run.json").read_text())
    result = told["result"]
    beside = {each["name"]: each["value"] for each in result["baselines"]}
    return {
        "accuracy": result["numbers"][0]["value"], "n": result["n"], "machine": beside["RBF support vector machine"],
        "seconds": took, "recipe": facts["recipe"], "timings": facts["timings"],
    }  # fmt: skip


def mean(values: list[float]) -> str:
    """In per cent, with the half width of the 95 % interval of a mean of so many seeds."""
    if len(values) == 1:
        return f"{100 * values[0]:.1f}"
    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{100 * statistics.mean(values):.1f} ± {100 * half:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--former", type=int, default=1, help="seeds of the former defaults")
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    chosen = parser.parse_args()
    before, rows, lines = machine(), [], []
    for name in chosen.sets:
        data, former = folder(name, chosen.cache), []
        new = [trained(data, seed) for seed in range(chosen.seeds)]
        print(name, json.dumps(new), file=sys.stderr, flush=True)
        for seed in range(chosen.former):
            one = trained(data, seed, **FORMER, epochs=1)["timings"]["training"]
            epochs = max(1, min(60, round(statistics.mean(each["timings"]["training"] for each in new) / one)))
            former.append(trained(data, seed, **FORMER, epochs=epochs) | {"epochs": epochs})
        print(name, json.dumps(former), file=sys.stderr, flush=True)
        gains = [each["accuracy"] - each["machine"] for each in new]
        recipe = new[0]["recipe"]
        rows.append([
            name, str(new[0]["n"]), mean([each["accuracy"] for each in new]),
            mean([each["machine"] for each in new]), mean(gains),
            f"{mean([each['accuracy'] for each in former])} ({former[0]['epochs']} of 60)" if former else "",
            f"{statistics.median(each['seconds'] for each in new):.0f}",
        ])  # fmt: skip
        keys = ("model", "size", "epochs", "batch", "augment", "mirror")
        lines.append(f"- {name}: {SOURCES[name].what}; " + ", ".join(f"{key} {recipe[key]}" for key in keys))
    head = ["set", "n", "defaults", "SVM", "difference", "former defaults (epochs)", "seconds"]
    page = [
        "# Defaults on real pictures",
        "",
        before,
        "",
        f"{datetime.date.today()}, `python {' '.join(sys.argv)}`",
        "",
    ]
    page += [
        "Test accuracy in per cent; ± is the 95 % interval of the mean over seeds. n: test pictures of one seed.",
        "",
    ]
    publish("defaults", [*page, table(head, rows), "", "What was chosen:", "", *lines], chosen.write)


if __name__ == "__main__":
    main()
