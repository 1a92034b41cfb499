"""What cannot be meant is told before torch is imported, which takes seconds."""

import subprocess
import sys

import pytest

from small import train

pytestmark = pytest.mark.slow

RUN = """
import sys
from striate.shell.cli import main

for line in sys.stdin:
    try:
        main(line.split())
    except SystemExit as left:
        print(left.code, "torch" in sys.modules, line.strip(), flush=True)
"""
VERBS = ("count", "memory", "latency", "formula", "draw")
ASKED = [
    *(f"{verb} resnet181" for verb in VERBS),
    *(f"{verb} resnet18 --batch 0" for verb in VERBS[:3]),
    *(f"{verb} resnet18 --input {size}" for verb in VERBS for size in ("3x", "3x16x16", "10:int65", "a=3x8x8,4")),
    *(f"{verb} mynet.py:Net" for verb in VERBS),
    *(f"{verb} resnet18 --input 3xHxW" for verb in VERBS if verb != "formula"),
    *(f"{verb} resnet18 --model-options.weights imagenet" for verb in VERBS),
    *(f"{verb} resnet18 --model-options.channels x" for verb in VERBS),
    *(f"{verb} resnet18 --nothing" for verb in VERBS),
    *(f"{verb} resnet18 --precision float8" for verb in VERBS[:3]),
    "count resnet18 --optimizer adamw",
    "count resnet18 --json --format csv",
    "memory resnet18 --curve curve.png",
    "memory resnet18 --within 3",
    "memory resnet18 --within 3GB --batch 4",
    "formula resnet18 --input 3x224x224",
    "formula lenet5 --input 1xHxW",
    "draw resnet18 --to drawing.png",
    "draw mynet.py:Net --of field --input 3x8x8,10",
    "compare resnet18 resnet181",
    "compare resnet18 --input 3x",
    "train",
    "train digits --model resnet181",
    "train digits --model mynet.py:Net",
    "train digits --epochs 0",
    "train digits --batch -1",
    "train digits --rate much",
    "train digits --workers -1",
    "train digits --save-every -1",
    "train digits --optimizer adam",
    "train digits --schedule step",
    "train digits --split 0.9",
    "train nothing.toml",
    "train --resume runs/a --epochs 3",
    "models nothing",
    "embed runs/a",
    "embed runs/a a.png",
    "embed runs/a a.png --out vectors.npy",
    "embed runs/a a.png --map map.png",
    "embed runs/a a.png --out vectors.npz --pool most",
    "embed runs/a a.png --out vectors.npz --max-pixels 3",
    "explain runs/a a.png --format gif",
    "gallery runs/a --maps 0",
    "gallery runs/a --maps 3 --feature 1",
    "gallery runs/a --feature 1.5",
    "gallery runs/a --patches",
    "gallery runs/a --top 0",
    "sheet runs/a",
    "sheet runs/a a.png --of filters",
    "sheet runs/a a.png --out maps.jpg",
    "explain runs/a",
    "explain runs/a a.png --method all cam",
    "explain runs/a a.png --method saliency",
    "explain runs/a a.png --feature x",
    "explain runs/a a.png --max-pixels 3",
    *(
        f"{verb} runs/a {more}"
        for verb in ("blocks", "gates")
        for more in ("--pictures 0", "--out a.png", "--subset test")
    ),
    "train digits --watch 0",
    "train digits --watch often",
    "train digits --watch 1.5",
    "landscape runs/a --of moon",
    "landscape runs/a --points 4",
    "landscape runs/a --pictures 0",
    "landscape runs/a --out landscape.png",
    "claims nothing",
    "claims degradation --seeds 0",
    "claims degradation --size 0",
    "claims degradation --time soon",
    "claims --time 5m",
    "between runs/a a.png",
    "between runs/a a.png b.png",
    "between runs/a a.png b.png --out strip.jpg",
    "between runs/a a.png b.png --out strip.png --steps 1",
]


def test_a_list_of_runs_costs_no_torch(tmp_path):
    train(tmp_path / "runs", epochs=1)
    told = subprocess.run(
        [sys.executable, "-c", RUN], input="runs\nruns --sort result", capture_output=True, text=True, cwd=tmp_path
    )
    assert [line for line in told.stdout.splitlines() if line[0] == "0"] == [
        "0 False runs",
        "0 False runs --sort result",
    ]
    assert told.stdout.count("digits-lenet5-1\tlenet5\tdigits\t1/1\t") == 2


def test_a_usage_error_costs_no_torch(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", RUN], input="\n".join(ASKED), capture_output=True, text=True, cwd=tmp_path, check=True
    )
    lines = [line for line in told.stdout.splitlines() if not line.startswith("{")]  # what --json says of it
    assert lines == [f"2 False {line}" for line in ASKED]
    assert len(told.stderr.splitlines()) == len(ASKED)
    assert not any(tmp_path.iterdir())
