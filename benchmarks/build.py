"""Seconds to build each network of the catalogue on tensors without storage.

python benchmarks/build.py --write
"""

import argparse
import statistics
import sys
import time

from digits import machine, publish, table, versions
from striate.models.catalog import catalog
from striate.survey.named import network


def seconds(name: str) -> float:
    start = time.perf_counter()
    network(name)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    chosen = parser.parse_args()
    network("lenet5")  # torch's own first steps on a device are not the network's
    rounds = [{name: seconds(name) for name in catalog()} for _ in range(chosen.rounds)]
    middle = {name: statistics.median(each[name] for each in rounds) for name in catalog()}
    slowest = sorted(middle, key=middle.__getitem__, reverse=True)
    rows = [
        [
            name,
            f"{middle[name]:.3f}",
            f"{min(each[name] for each in rounds):.3f}",
            f"{max(each[name] for each in rounds):.3f}",
        ]
        for name in slowest[:12]
    ]
    page = ["# Building a network on the meta device", "", machine(), "", versions({"striate": sys.executable}), ""]
    page += [f"`python {' '.join(sys.argv)}`", "", f"The twelve slowest of {len(middle)}, seconds over the rounds.", ""]
    publish("build", [*page, table(["network", "median", "least", "most"], rows)], chosen.write)


if __name__ == "__main__":
    main()
