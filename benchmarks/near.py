"""How many planted copies are found as near-duplicates, and how many different pictures are joined wrongly.

    python benchmarks/near.py CACHE [--seeds 3] [--planted 60]    # prints benchmarks/results/near-DATE.md

The sets: the 1,797 digits of scikit-learn, generated pictures, and what `benchmarks/real.py CACHE` fetches. In the
digits and the generated pictures no two are one picture, so every joined one is wrong; of the others what is joined
without a copy is told, and a person looks whether it is wrong. CPU seconds are those of the comparison alone.
"""

import argparse
import io
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

import real
from striate.data.load import read_samples
from striate.data.near import near
from striate.data.picture import decode
from striate.data.picture.sketch import sketch, stacked

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from pictures import encode, scene

KINDS = ("encoded", "resized", "cropped 5 %", "cropped 10 %", "darker", "brighter")


def copies(pixels: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    """One of each kind."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    width, height = image.size
    yield _array(Image.open(io.BytesIO(encode(image, "JPEG", quality=int(random.integers(50, 95))))))
    factor = 2 ** random.uniform(-1, 1)
    size = (max(2, round(width * factor)), max(2, round(height * factor)))
    yield _array(image.resize(size, Image.Resampling.BICUBIC))
    for part in (0.95, 0.9):
        w, h = max(1, round(width * part)), max(1, round(height * part))
        left, top = int(random.integers(width - w + 1)), int(random.integers(height - h + 1))
        yield _array(image.crop((left, top, left + w, top + h)))
    yield (pixels * random.uniform(0.6, 0.9)).astype(np.uint8)
    yield (pixels * random.uniform(1.1, 1.3)).clip(0, 255).astype(np.uint8)


def _array(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def row(name: str, pictures: list[np.ndarray], seeds: int, planted: int) -> str:
    bare = stacked([sketch(each) for each in pictures])
    begun = time.process_time()
    found = near(bare)
    seconds = time.process_time() - begun
    joined = int((np.bincount(found.clusters)[found.clusters] > 1).sum())
    hits = np.zeros(len(KINDS))
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        places = random.permutation(len(pictures))[:planted]
        made = [copy for place in places for copy in copies(pictures[place], random)]
        clusters = near(np.concatenate([bare, stacked([sketch(each) for each in made])])).clusters
        hits += (clusters[len(pictures) :].reshape(-1, len(KINDS)) == clusters[places][:, None]).sum(0)
    recall = " | ".join(f"{hit / (seeds * min(planted, len(pictures))):.3f}" for hit in hits)
    share = f"{joined} ({100 * joined / len(pictures):.2f} %)"
    return f"| {name} | {len(pictures):,} | {found.threshold:.3f} | {share} | {recall} | {seconds:.1f} |"


def pictures_of(source: str | Path) -> list[np.ndarray]:
    samples = read_samples(source, labelled=False)
    return [decode.pixels_of(samples.read(place), samples.read.where(place)) for place in range(len(samples))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--planted", type=int, default=60)
    asked = parser.parse_args()
    print(f"# Near-duplicates\n\n{datetime.now(UTC):%Y-%m-%d}, `benchmarks/near.py CACHE --seeds {asked.seeds} "
          f"--planted {asked.planted}`\n")  # fmt: skip
    print(f"| set | pictures | threshold | joined without copies | {' | '.join(KINDS)} | CPU s |")
    print(f"|---|---:|---:|---:|{'---:|' * len(KINDS)}---:|")
    print(row("digits of scikit-learn, 8x8", pictures_of("digits"), asked.seeds, asked.planted), flush=True)
    for count in (1000, 5000):
        made = [scene(seed, 48, 64) for seed in range(count)]
        print(row("generated, 64x48", made, asked.seeds, asked.planted), flush=True)
    for name in ("stamps", "emoji", "digits"):
        print(row(real.SOURCES[name].what, pictures_of(real.folder(name, asked.cache)), asked.seeds, asked.planted),
              flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
