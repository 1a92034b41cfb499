"""`striate ensemble` of digits: members, the ensemble and its gain, over seeds, kinds of network, and both.

    python benchmarks/ensemble.py --write

Each training and each ensemble is a command as a person would type it. Trainings are short, so that members err.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from digits import machine, publish, table

SEEDS, OTHERS = 5, ("resnet20", "plain20")


def called(*words: object) -> tuple[str, dict[str, Any]]:
    """The run folder and the result."""
    command = [sys.executable, "-m", "striate", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr or done.stdout)
    told = json.loads(done.stdout.splitlines()[-1])
    return told["run"], told["result"]


def percent(number: dict[str, Any]) -> str:
    value, low, high = (100 * number[key] for key in ("value", "low", "high"))
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def row(name: str, weigh: str, result: dict[str, Any]) -> list[str]:
    accuracy, loss = result["numbers"][0], result["numbers"][-1]
    best = next(each for each in result["baselines"] if "paired" in each)
    gain, others = best["paired"], [100 * each["value"] for each in result["baselines"]]
    told = f"{100 * gain['difference']:+.2f} ({100 * gain['low']:+.2f} to {100 * gain['high']:+.2f})"
    return [
        name, weigh, f"{min(others):.2f} to {max(others):.2f}", percent(best), percent(accuracy), told,
        f"{gain['p']:.2g}", f"{loss['value']:.3f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    chosen = parser.parse_args()
    before, rows = machine(), []
    with tempfile.TemporaryDirectory() as folder:
        where = ("--runs", Path(folder))

        def trained(model: str, seed: int) -> str:
            how = ("--model", model, "--epochs", chosen.epochs, "--seed", seed)
            run, result = called("train", "digits", *how, *where)
            print(model, seed, percent(result["numbers"][0]), file=sys.stderr)
            return run

        seeds = [trained("lenet5", seed) for seed in range(SEEDS)]
        kinds = [seeds[0], *(trained(model, 0) for model in OTHERS)]
        sets = {f"lenet5, {SEEDS} seeds": seeds, f"lenet5, {', '.join(OTHERS)}": kinds, "all": [*seeds, *kinds[1:]]}
        for name, members in sets.items():
            for weigh in ("equal", "validation"):
                rows.append(row(name, weigh, called("ensemble", *members, "--weigh", weigh, *where)[1]))
                print(*rows[-1], sep="\t", file=sys.stderr)
    page = ["# Ensembles of digits", "", before, "", f"{datetime.date.today()}, `python {' '.join(sys.argv)}`", ""]
    page += [
        f"Networks trained for {chosen.epochs} epochs, accuracy in percent on the 359 sealed test pictures with its "
        "95 % interval. The gain is that over the member that did best on validation, paired picture for picture; p by "
        "McNemar's exact test.",
        "",
    ]
    head = ["members", "weights", "range of members", "best by validation", "ensemble", "gain", "p", "log loss"]
    publish("ensemble", [*page, table(head, rows)], chosen.write)


if __name__ == "__main__":
    main()
