"""Memory of a validation whose answers are pictures: it must not grow with their number.

    python benchmarks/validation_memory.py
    python benchmarks/validation_memory.py --pictures 1000 --side 388 --write

Answers of 3 x side x side numbers, the size of U-Net's, over so many pictures, by a network of one 1x1 convolution, so
that what is measured is validation itself. Each number of pictures is a process of its own; the peak is that of the
resident set above what it was before the first picture, in MB of 10^6 bytes. Exit code 1 above 200 MB.
"""

import argparse
import datetime
import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MOST = 200
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Made:
    """Pictures that are drawn when they are read, so that they take no memory themselves."""

    side: int

    def __call__(self, index: int) -> np.ndarray:
        return np.random.default_rng(index).integers(0, 256, (self.side, self.side, 3), dtype=np.uint8)

    def where(self, index: int) -> str:
        return f"made/{index}"


def peak(count: int, side: int) -> float:
    """MB above what there was, of `count` pictures through evaluation."""
    import torch

    from striate.data.feed import open_feed
    from striate.data.preprocess import Preprocess
    from striate.data.samples import Samples
    from striate.data.targets import Nothing
    from striate.data.units import units_of
    from striate.evaluate.rows import rows
    from striate.predictor import Member, Predictor
    from striate.tasks import registry

    names = tuple(f"made/{index}" for index in range(count))
    digests = tuple(f"{index:064x}" for index in range(count))
    samples = Samples(
        "made", "made", None, names, Made(side), digests, Nothing(count), np.full((count, 2), side, np.int32)
    )
    network = torch.nn.Conv2d(3, 3, 1)
    predictor = Predictor((Member(network, Preprocess(side, 3), registry.task_named("denoise", (), {}, {})),))
    indices = np.arange(count)
    units = units_of(samples)
    feed = open_feed(units, indices, predictor.members[0].preprocess, torch.device("cpu"), memory="streamed")
    rows(predictor, units, indices[:1], [feed])  # what torch takes once
    before = resident()
    kept = rows(predictor, units, indices, [feed])
    assert kept.shape == (count, 2)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / 1e6


def resident() -> int:
    """Bytes of this process in memory now; the peak so far is brought down to it."""
    Path("/proc/self/clear_refs").write_text("5")
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--side", type=int, default=388)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", action="store_true", help="measure in this process")
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(peak(chosen.pictures, chosen.side)))
        return
    rows = []
    for count in (chosen.pictures // 10, chosen.pictures):
        command = [sys.executable, __file__, "--one", "--pictures", str(count), "--side", str(chosen.side)]
        rows.append((count, json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)))
    lines = [
        f"# Memory of validation, answers of 3x{chosen.side}x{chosen.side}",
        "",
        f"{datetime.date.today()}, `benchmarks/validation_memory.py --pictures {chosen.pictures} --side {chosen.side}`",
        "",
        "| pictures | answers, if all were held, MB | peak above the start, MB |",
        "|---:|---:|---:|",
        *(f"| {count:,} | {count * 3 * chosen.side**2 * 4 / 1e6:,.0f} | {found:,.0f} |" for count, found in rows),
    ]
    print("\n".join(lines))
    if chosen.write:
        (RESULTS / f"validation_memory-{datetime.date.today()}.md").write_text("\n".join(lines) + "\n")
    sys.exit(max(found for _, found in rows) > MOST)


if __name__ == "__main__":
    main()
