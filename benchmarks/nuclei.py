"""Real nuclei: a U-Net beside Otsu's threshold with a watershed, on quarters of the field that it has not seen.

    python benchmarks/nuclei.py --write

One fluorescence picture of 512x512 pixels with 125 labelled nuclei, `img2d.tif` and `mask2d.tif` of the wheel
stardist 0.9.2 (BSD-3-Clause), which is downloaded and never installed. The split is by quarter of the field, never by
tile: two quarters train, one validates, one is sealed, in four rotations, so that each quarter is the test once. A
quarter is cut into four tiles of 128x128, and a nucleus into as many. Pixels where two nuclei touch are ground in the
masks, so that connected regions tell them apart; objects are compared with the nuclei as they were labelled.
Grey levels are stretched to bytes by the training quarters alone.

The intervals draw four of the four quarters in all 256 ways, of which only 35 differ: they are rough and rather too
narrow, and they say nothing of another slide, stain or microscope.
"""

import argparse
import datetime
import hashlib
import io
import itertools
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from digits import machine, publish, table

WHEEL = "stardist==0.9.2"
FILES = {
    "img2d.tif": "f9ccc1571b92c861ff87e28463068b43f61bd47357ed0503f711e5cd1eb97750",
    "mask2d.tif": "59ad5e820b7982ca9d13e946fa6e7f64e2714899e00a2ae6c69aa79aad53d46f",
}
TILE, HALF = 128, 256
SAID = ("IoU of nucleus over the data set", "object F1 at IoU 0.5")


def field(cache: Path) -> list[np.ndarray]:
    """The picture and its nuclei, from a wheel in `cache`, which is fetched where there is none."""
    if not list(cache.glob("stardist-*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", WHEEL, "--dest", str(cache)]
        subprocess.run(command, check=True)
    with zipfile.ZipFile(next(cache.glob("stardist-*.whl"))) as wheel:
        files = {name: wheel.read(f"stardist/data/images/{name}") for name in FILES}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != FILES[name]:
            sys.exit(f"{name}: not the file that was looked at")
    return [np.asarray(Image.open(io.BytesIO(data))).astype(np.int32) for data in files.values()]


def tiles(part: np.ndarray, quarter: int) -> list[np.ndarray]:
    top, left = HALF * (quarter // 2), HALF * (quarter % 2)
    own = part[top : top + HALF, left : left + HALF]
    return [own[a : a + TILE, b : b + TILE] for a in range(0, HALF, TILE) for b in range(0, HALF, TILE)]


def apart(ids: np.ndarray) -> np.ndarray:
    """1 in nuclei, 0 on the ground and where a pixel has another nucleus beside it."""
    ringed, side = np.pad(ids, 1, mode="edge"), len(ids)
    around = [ringed[a : a + side, b : b + side] for a, b in itertools.product(range(3), repeat=2)]
    return np.logical_and.reduce([(near == ids) | (near == 0) for near in around]) & (ids > 0)


def written(root: Path, picture: np.ndarray, ids: np.ndarray, test: int) -> Path:
    """A folder as `striate train` takes it; `test` is the quarter that is sealed."""
    subsets = {(test + turn) % 4: name for turn, name in enumerate(("test", "val", "train", "train"))}
    train = np.concatenate(
        [each for quarter, name in subsets.items() if name == "train" for each in tiles(picture, quarter)]
    )
    low, high = np.percentile(train, (1, 99.8))
    grey = np.rint(255 * np.clip((picture - low) / (high - low), 0, 1)).astype(np.uint8)
    parts = {"images": grey, "masks": apart(ids).astype(np.uint8), "objects": ids.astype(np.uint16)}
    for (quarter, subset), (kind, part) in itertools.product(subsets.items(), parts.items()):
        for place, tile in enumerate(tiles(part, quarter)):
            path = root / subset / kind / f"quarter{quarter}-{place}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(tile).save(path)
    (root / "classes.csv").write_text("value,class\n0,background\n1,nucleus\n")
    return root


def rows(task: Any, root: Path, said: dict[str, np.ndarray]) -> np.ndarray:
    """What is kept of each test tile, by name, for what is said of it."""
    from striate.data.feed import Batch
    from striate.data.picture.laid import Laid

    found = []
    for name, answer in said.items():
        parts = {part: np.asarray(Image.open(root / "test" / folder / name)).astype(np.int32)
                 for part, folder in (("mask", "masks"), ("objects", "objects"))}  # fmt: skip
        targets = {part: torch.from_numpy(values)[None] for part, values in parts.items()}
        batch = Batch(np.zeros(1, np.int64), torch.zeros(1, 1, TILE, TILE), targets, (Laid.itself(TILE, TILE),))
        found.append(task.kept(torch.from_numpy(answer.astype(np.uint8))[None], batch)[0].numpy())
    return np.array(found)


def otsu(path: Path) -> np.ndarray:
    from skimage.filters import gaussian, threshold_otsu

    smooth = gaussian(np.asarray(Image.open(path)).astype(float), 1)
    return smooth > threshold_otsu(smooth)


def rotation(home: Path, parts: list[np.ndarray], test: int, epochs: int) -> dict[str, np.ndarray]:
    """Rows of the tiles of one quarter, by who answers."""
    import striate

    root = written(home / f"quarter {test}", *parts, test)
    run = striate.train(
        str(root), model="unet_padded", model_options={"width": 16}, channels=1, augment="elastic", epochs=epochs,
        batch=4, optimizer="adamw", rate=0.003, weight_decay=0.01, schedule="one-cycle", warmup=0.0, scale=0.2,
        task_options={"border": 10}, runs=home / "runs",
    )  # fmt: skip
    paths = sorted((root / "test" / "images").iterdir())
    network = {Path(each.file).name: np.asarray(each.picture) for each in run.predict(paths)}
    threshold = {path.name: otsu(path) for path in paths}
    regions, cut = (replace(run.task, objects=objects) for objects in ("components", "watershed"))
    return {
        "U-Net": rows(regions, root, network),
        "U-Net, watershed": rows(cut, root, network),
        "Otsu": rows(regions, root, threshold),
        "Otsu, watershed": rows(cut, root, threshold),
    } | {"task": run.task}


def shares(task: Any, quarters: list[np.ndarray], name: str) -> tuple[str, str]:
    """Of all quarters together with its interval, and of each of them."""
    found = [next(each for each in task.measures(kept) if each.name == name) for kept in quarters]
    sums, of = np.array([each.rows.sum(0) for each in found]), found[0].of
    drawn = [of(sums[list(draw)].sum(0, keepdims=True)) for draw in itertools.product(range(4), repeat=4)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    whole = f"{of(sums.sum(0, keepdims=True)):.3f} ({low:.3f}–{high:.3f})"
    return whole, ", ".join(f"{of(own[None]):.3f}" for own in sums)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "striate-nuclei", help="for the wheel")
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--quick", action="store_true", help="two epochs a rotation")
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    chosen = parser.parse_args()
    before, parts = machine(), field(chosen.cache)
    with tempfile.TemporaryDirectory() as home:
        found = [rotation(Path(home), parts, test, 2 if chosen.quick else chosen.epochs) for test in range(4)]
    task, lines = found[0]["task"], []
    for who in (name for name in found[0] if name != "task"):
        quarters = [each[who] for each in found]
        lines.append([who, *(part for name in SAID for part in shares(task, quarters, name))])
    page = [
        "# Real nuclei, split by quarter of the field",
        "",
        before,
        "",
        f"{datetime.date.today()}, `python {' '.join(sys.argv)}`",
    ]
    page += ["", (__doc__ or "").split("\n\n", 2)[2].strip(), ""]
    head = ["", "IoU over all pixels (95 %)", "of each quarter", "object F1 at IoU 0.5 (95 %)", "of each quarter"]
    publish("nuclei", [*page, table(head, lines)], chosen.write)


if __name__ == "__main__":
    main()
