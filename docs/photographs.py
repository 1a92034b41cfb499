"""Photographs to look inside a network with, cut in squares: `python docs/photographs.py FOLDER`.

They are CC0: scikit-image ships them and says so of each where it loads it, `skimage.data`. With --public also those
that it calls public domain or free of known restrictions. Each photograph is cut in squares that do not overlap, whole,
half and a quarter of its shorter side long, and each is written as PNG with 224 pixels a side.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

CC0 = ("brick", "camera", "cell", "chelsea", "coffee", "grass", "gravel", "retina")
PUBLIC = ("astronaut", "clock", "coins", "hubble_deep_field", "rocket")
SIDE, PARTS = 224, (1, 2, 4)


def squares(photograph: Image.Image) -> dict[str, Image.Image]:
    """By part, row and column."""
    found = {}
    for part in PARTS:
        side = min(photograph.size) // part
        for row in range(photograph.height // side):
            for column in range(photograph.width // side):
                box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
                square = photograph.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box)
                found[f"{part}-{row}-{column}"] = square
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--public", action="store_true")
    given = parser.parse_args()
    if given.folder.exists() and any(given.folder.iterdir()):
        sys.exit(f"{given.folder}: already there; try a new folder, nothing was written")
    given.folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for name in (*CC0, *(PUBLIC if given.public else ())):
        photograph = Image.fromarray(np.asarray(getattr(data, name)())).convert("RGB")
        for place, square in squares(photograph).items():
            square.save(given.folder / f"{name}-{place}.png")
            count += 1
    print(f"{given.folder}: {count} squares of {SIDE} pixels")


if __name__ == "__main__":
    main()
