"""Fine-tuned against from scratch: VGG-16 with ImageNet's convolutions on 202 cut-out photographs of 8 classes.

    python benchmarks/real.py CACHE                       # CACHE/stamps
    onnx/bin/python benchmarks/vgg16.py CACHE             # CACHE/vgg16-features.safetensors; see there
    python benchmarks/finetune.py CACHE --splits 5 --epochs 12 --size 64 --write

The network is `vgg16` with `dense` false: the maps of its last convolution averaged, and one linear layer. All ways
have the same pictures, split, size, batch, augmentation and epochs, so as many steps. "scratch" learns as fine-tuning a
network without a norm does, with AdamW, at --scratch-rate; the other ways have what `--finetune` chooses. The test set
of each split is opened once for each way. What is done stands in CACHE/finetune.jsonl, and is not done again.
"""

import argparse
import datetime
import json
import math
import os
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import striate
from digits import machine, table
from striate.base.errors import StriateError
from striate.evaluate import intervals

WAYS = ("scratch", "head", "full", "gradual")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--scratch-rate", type=float, default=3e-4)
    parser.add_argument("--only", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    return parser.parse_args()


def once(asked: argparse.Namespace, way: str, split: int) -> dict[str, Any]:
    """One training: which test pictures it answers rightly, by name, and its seconds."""
    how: dict[str, Any] = {"rate": asked.scratch_rate, "optimizer": "adamw", "weight_decay": 0.01}
    if way != "scratch":
        how = {"weights": asked.cache / "vgg16-features.safetensors", "part": "features", "finetune": way}
    began, cpu = time.monotonic(), time.process_time()
    try:
        run = striate.train(
            asked.cache / "stamps", model="vgg16", model_options={"dense": False}, size=asked.size,
            epochs=asked.epochs, batch=16, split_seed=split, runs=asked.cache / "runs", save_every=1e9, quiet=True,
            **how,
        )  # fmt: skip
    except StriateError as error:
        return {"way": way, "split": split, "failed": str(error)}
    kept = run.kept["test"]
    right = run.task.measures(kept.rows)[0].right
    names = [run.lines[place].name for place in kept.samples]
    found = {name: bool(hit) for name, hit in zip(names, right, strict=True)}
    rate, best = run.recipe["rate"], run.result["best_epoch"]
    shutil.rmtree(run.folder)
    seconds = round(time.monotonic() - began), round(time.process_time() - cpu)
    return {
        "way": way, "split": split, "rate": rate, "epochs": asked.epochs, "size": asked.size,
        "best": best, "right": found, "seconds": seconds[0], "cpu": seconds[1],
    }  # fmt: skip


def done(path: Path, asked: argparse.Namespace) -> dict[tuple[str, int], dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    same = [each for each in lines if (each.get("epochs"), each.get("size")) == (asked.epochs, asked.size)]
    return {(each["way"], each["split"]): each for each in same}


def mean(values: list[float]) -> str:
    """In per cent, with the 95 % interval of the mean over splits by Student's t."""
    if len(values) < 2:
        return f"{100 * values[0]:.1f}"
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{100 * statistics.mean(values):.1f} ± {100 * half:.1f}"


def page(found: dict[tuple[str, int], dict[str, Any]], asked: argparse.Namespace) -> list[str]:
    """The tables of what is done: of each split, and of all."""
    splits = [each for each in range(asked.splits) if all((way, each) in found for way in asked.only)]
    shares = {way: [statistics.mean(found[way, each]["right"].values()) for each in splits] for way in asked.only}
    rows = [
        [
            str(each),
            str(len(found[asked.only[0], each]["right"])),
            *(f"{100 * shares[way][place]:.1f}" for way in asked.only),
        ]
        for place, each in enumerate(splits)
    ]
    lines = [table(["split seed", "n", *asked.only], rows), ""]
    if "scratch" not in asked.only:
        return lines
    lines += ["Each way less from scratch, on the same pictures:", ""]
    rows = []
    for way in asked.only:
        own = [np.array(list(found[way, each]["right"].values())) for each in splits]
        scratch = [np.array(list(found["scratch", each]["right"].values())) for each in splits]
        differences = [float(a.mean() - b.mean()) for a, b in zip(own, scratch, strict=True)]
        each = found[way, splits[0]]
        cells = [way, f"{each['rate']:g}", mean(shares[way])]
        if way == "scratch":
            cells += ["", "", "", ""]
        else:
            better, worse = (sum(int((a & ~b).sum()) for a, b in zip(*pair, strict=True))
                             for pair in ((own, scratch), (scratch, own)))  # fmt: skip
            first = intervals.matched(own[0], scratch[0])[1]
            cells += [mean(differences), str(better), str(worse), " to ".join(f"{100 * end:.0f}" for end in first[1:])]
        cells.append(f"{statistics.mean(found[way, each]['cpu'] for each in splits):.0f}")
        rows.append(cells)
    head = [
        "",
        "rate",
        "accuracy %",
        "difference",
        "it alone right",
        "scratch alone right",
        "first split alone",
        "CPU s",
    ]
    return [*lines, table(head, rows), ""]


def main() -> None:
    asked = options()
    path = asked.cache / "finetune.jsonl"
    found = done(path, asked)
    for split in range(asked.splits):
        for way in asked.only:
            if (way, split) not in found:
                result = once(asked, way, split)
                with path.open("a") as file:
                    print(json.dumps(result), file=file)
                if "failed" in result:
                    sys.exit(f"{way}, split {split}: {result['failed']}")
                found[way, split] = result
                print(
                    way, split, f"{statistics.mean(result['right'].values()):.3f}", result["seconds"], "s", flush=True
                )
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    lines = [
        "# Fine-tuned against from scratch",
        "",
        machine(),
        "",
        f"`python {' '.join(sys.argv)}`, {threads} threads",
        "",
    ]
    lines += [
        f"Test accuracy in per cent, VGG-16 (`dense` false) at {asked.size} pixels, {asked.epochs} epochs, "
        "Tux Paint's photographs of 8 classes. ± is the 95 % interval of the mean over the splits (Student's t). Their "
        "test sets overlap, so that it is an interval over splits of these pictures and not over other pictures; the "
        "last column but one is Newcombe's interval of the first split's difference, whose pictures are independent.",
        "", *page(found, asked),
    ]  # fmt: skip
    print("\n".join(lines))
    if asked.write:
        name = f"finetune-{datetime.date.today()}.md"
        (Path(__file__).parent / "results" / name).write_text("\n".join(lines))


if __name__ == "__main__":
    main()
