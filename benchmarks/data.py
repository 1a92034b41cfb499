"""Pictures a second from JPEG files to normalised batches: striate's feed beside the loaders that people use.

Photographs of 400x300 pixels (cut from those that scikit-image ships, quality 90, 4:2:0) become float32 batches of 64
at 224x224, the whole picture squashed to the square, each side as its competent user would write it. Each side is a
process of its own on the same core with one thread; they take turns, a pass over all pictures at a time. The clock is
the processor's, so that other programs matter little.

    python benchmarks/data.py --rounds 7 --write
"""

import argparse
import itertools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from digits import machine, publish, ratios, spread, table

BATCH, SIZE = 64, 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# One pass over the pictures: yields the length of each batch, when it is ready for a network.
Pass = Callable[[], Iterator[int]]


def photographs(folder: Path, count: int) -> None:
    """JPEG files in class folders, and the same in one tar, cut at random from real photographs."""
    import tarfile

    import numpy as np
    from PIL import Image
    from skimage import data

    names = ("astronaut", "chelsea", "coffee", "rocket", "retina", "immunohistochemistry")
    whole, draw = [Image.fromarray(getattr(data, name)()) for name in names], np.random.default_rng(0)
    with tarfile.open(folder / "photographs.tar", "w") as shard:
        for place in range(count):
            image = whole[place % len(whole)]
            wide = int(draw.integers(300, min(image.width, image.height * 4 // 3) + 1))
            tall = wide * 3 // 4
            left, top = (int(draw.integers(0, most + 1)) for most in (image.width - wide, image.height - tall))
            path = folder / "photographs" / names[place % len(names)] / f"{place:04}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cut = image.resize((400, 300), Image.Resampling.LANCZOS, box=(left, top, left + wide, top + tall))
            cut.save(path, quality=90)
            shard.add(path, f"{place:04}.jpg")
            label = path.with_suffix(".cls")
            label.write_text(str(place % len(names)))
            shard.add(label, f"{place:04}.cls")
            label.unlink()


def striate(folder: Path, augment: str | None = None, keep: bool = False) -> Pass:
    """Its streamed feed, normalised; or changed before, as in a step of training."""
    import numpy as np
    import torch

    from striate.data.augment import Augmenter, canvas_for, preset
    from striate.data.feed import Streamed, cut_batches
    from striate.data.kept import Shelf
    from striate.data.load import read_samples
    from striate.data.preprocess import Measured, Preprocess
    from striate.data.units import units_of

    samples = read_samples(str(folder / "photographs"))
    preprocess, changes = Preprocess(SIZE, 3, mean=MEAN, deviation=DEVIATION), preset(augment or "none")
    augmenter = Augmenter(changes, SIZE, Measured(MEAN, DEVIATION, ((0.0,) * 3,) * 3), seed=0)
    units, look = units_of(samples), canvas_for(changes, preprocess)
    kept = Shelf(folder, 1 << 40, lambda told: None).kept(units, look) if keep else None
    feed = Streamed(units, look, torch.device("cpu"), workers=0, kept=kept)
    groups, epochs = cut_batches(np.arange(len(samples)), BATCH), itertools.count()

    def once() -> Iterator[int]:
        epoch = next(epochs)
        for batch in feed.batches(groups):
            changed = batch if augment is None else augmenter(batch, epoch)
            yield len(preprocess.normalise(changed.pictures))

    return once


def striate_pillow(folder: Path) -> Pass:
    """Without simplejpeg, as where it is not installed."""
    sys.modules["simplejpeg"] = None  # type: ignore[assignment]
    return striate(folder)


def striate_kept(folder: Path) -> Pass:
    """From the second epoch on, with --canvases."""
    return striate(folder, keep=True)


def striate_augmented(folder: Path) -> Pass:
    return striate(folder, "standard")


def torchvision_changes(augment: bool) -> list[Any]:
    from torchvision import transforms

    if not augment:
        return [transforms.Resize((SIZE, SIZE))]
    return [
        transforms.RandomResizedCrop(SIZE, scale=(0.35, 1)),
        transforms.RandomHorizontalFlip(),
        transforms.ColorJitter(0.2, 0.2, 0.2),
    ]


def torchvision(folder: Path, augment: bool = False, workers: int = 0) -> Pass:
    """ImageFolder, its transforms, PyTorch's loader."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    finish = [transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)]
    data = ImageFolder(str(folder / "photographs"), transforms.Compose([*torchvision_changes(augment), *finish]))
    loader = DataLoader(data, BATCH, num_workers=workers, persistent_workers=workers > 0)
    return lambda: (len(pictures) for pictures, _ in loader)


def torchvision_worker(folder: Path) -> Pass:
    return torchvision(folder, workers=1)


def torchvision_augmented(folder: Path) -> Pass:
    return torchvision(folder, augment=True)


def torchvision_tensors(folder: Path) -> Pass:
    """Its own decoder and resizing on tensors of bytes, normalised by the batch: its fastest way."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms import v2

    data = ImageFolder(
        str(folder / "photographs"), v2.Resize((SIZE, SIZE)), loader=lambda path: decode_image(path, ImageReadMode.RGB)
    )
    finish = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, DEVIATION)])
    loader = DataLoader(data, BATCH)
    return lambda: (len(finish(pictures)) for pictures, _ in loader)


def timm(folder: Path) -> Pass:
    """create_loader: bytes to the end, normalised by the batch."""
    import torch
    from timm.data import create_dataset, create_loader

    loader = create_loader(
        create_dataset("", str(folder / "photographs")), (3, SIZE, SIZE), BATCH, mean=MEAN, std=DEVIATION,
        num_workers=0, persistent_workers=False, crop_pct=1.0, crop_mode="squash", interpolation="bilinear",
        device=torch.device("cpu"), pin_memory=False,
    )  # fmt: skip
    return lambda: (len(pictures) for pictures, _ in loader)


def webdataset(folder: Path) -> Pass:
    """A tar read in order, with torchvision's transforms."""
    import webdataset as wds
    from torchvision import transforms

    finish = [transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)]
    change = transforms.Compose([*torchvision_changes(False), *finish])
    data = wds.WebDataset(str(folder / "photographs.tar"), shardshuffle=False, empty_check=False)
    data = data.decode("pil").to_tuple("jpg", "cls").map_tuple(change).batched(BATCH)
    loader = wds.WebLoader(data, batch_size=None, num_workers=0)
    return lambda: (len(pictures) for pictures, _ in loader)


SIDES: dict[str, Callable[[Path], Pass]] = {
    "striate": striate,
    "striate, Pillow alone": striate_pillow,
    "striate, kept canvases": striate_kept,
    "torchvision": torchvision,
    "torchvision, a worker process": torchvision_worker,
    "torchvision, tensors of bytes": torchvision_tensors,
    "timm": timm,
    "webdataset": webdataset,
    "striate, augmented": striate_augmented,
    "torchvision, augmented": torchvision_augmented,
}


def child(name: str, folder: Path) -> None:
    """One pass without a clock, then one for each line that comes; its seconds are answered."""
    if not name.startswith("striate"):  # each as it comes: striate asks torch for large pages, the others do not
        os.environ.pop("THP_MEM_ALLOC_ENABLE", None)
    import torch

    torch.set_num_threads(1)
    once = SIDES[name](folder)
    pictures = sum(once())
    print(pictures, flush=True)
    for _ in sys.stdin:
        began = processor_seconds()
        if sum(once()) != pictures:
            raise RuntimeError(f"{name}: a pass of another length")
        print(processor_seconds() - began, flush=True)


def processor_seconds() -> float:
    """Of this process and its workers: what else the machine does meanwhile is not in it."""
    stats = [Path(f"/proc/{each.pid}/stat").read_text() for each in multiprocessing.active_children()]
    ticks = sum(sum(map(int, stat.rsplit(")", 1)[1].split()[11:13])) for stat in stats)
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


class Side:
    """A child that waits for its turn."""

    def __init__(self, name: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child", name, "--folder", str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self._pictures = self._answer()

    def _answer(self) -> float:
        if not (line := self._process.stdout.readline()):  # type: ignore[union-attr]
            raise SystemExit(f"a side ended with {self._process.wait()}")
        return float(line)

    def rate(self) -> float:
        """Pictures a second of one more pass."""
        print(file=self._process.stdin, flush=True)
        return self._pictures / self._answer()

    def close(self) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait()


def measured(names: Sequence[str], folder: Path, rounds: int) -> dict[str, list[float]]:
    sides = {name: Side(name, folder) for name in names}
    rates: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name, side in sides.items():
            rates[name].append(side.rate())
            print(f"round {turn + 1}: {name} {rates[name][-1]:.0f}", file=sys.stderr)
    for side in sides.values():
        side.close()
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    parser.add_argument("--write", action="store_true", help="keep the page under results/")
    parser.add_argument("--child", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.folder)
        return
    host = machine()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the children too
    with tempfile.TemporaryDirectory() as place:
        photographs(Path(place), given.pictures)
        rates = measured(given.sides, Path(place), given.rounds)
    from importlib.metadata import version

    ours = [name for name in rates if name.startswith("striate")]
    rows = [
        (name, spread(own, 0), *("" if name in ours else ratios(rates[each], own) for each in ours))
        for name, own in rates.items()
    ]
    packages = ("torch", "torchvision", "timm", "webdataset", "pillow", "simplejpeg")
    lines = [
        "# From JPEG files to normalised batches",
        host,
        ", ".join(f"{each} {version(each)}" for each in packages),
        f"`python data.py {' '.join(sys.argv[1:])}`",
        "Pictures a second of processor time on one core, median of the rounds (least–most).",
        table(("", "pictures a second", *(f"{name} to it" for name in ours)), rows),
    ]
    publish("data", "\n\n".join(lines).split("\n"), given.write)


if __name__ == "__main__":
    main()
