"""Small pictures to try every page with, under the names that the pages use: `python docs/material.py`.

Pieces of two photographs and digits that scikit-learn ships, and cells that striate draws. They teach nothing.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits, load_sample_image

from striate.data.sources.cells import Cells

NETWORK = """\
import torch
from torch import nn


class Net(nn.Sequential):
    def __init__(self, width: int = 16):
        super().__init__(nn.Conv2d(3, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


class Captions(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.words, self.last = Net(), nn.EmbeddingBag(1000, 10), nn.Linear(20, 2)

    def forward(self, picture, words):
        return self.last(torch.cat([self.net(picture), self.words(words)], 1))
"""
RECIPE = """\
data = "photos"  # from the folder of this file
model = "resnet18"
epochs = 3
"""
PLACES = {"flower": (290, 90), "temple": (40, 120)}  # where in its photograph each class is cut from
random = np.random.default_rng(0)


def main() -> None:
    names = ("photos", "new", "more", "more-photos", "scans", "bottles", "pictures.csv", "recipe.toml", "mynet.py",
             "a.png", "b.png", "old.png", "scratches.png")  # fmt: skip
    if there := [name for name in names if Path(name).exists()]:
        sys.exit(f"{there[0]}: already there; try an empty folder, nothing was written")
    photographs = {"flower": load_sample_image("flower.jpg"), "temple": load_sample_image("china.jpg")}
    for label, photograph in photographs.items():
        for folder, count in ((f"photos/{label}", 15), (f"more-photos/{label}", 5), ("new", 2), ("more", 2)):
            for index in range(count):
                save(piece(photograph, PLACES[label]), f"{folder}/{label}-{index}.jpg")
    Path("new/broken.jpg").write_bytes(Path("new/flower-0.jpg").read_bytes()[:500])
    with Path("pictures.csv").open("w", newline="") as file:
        paths = sorted(Path("photos").rglob("*.jpg"))
        csv.writer(file).writerows([("path", "label"), *((path, path.parent.name) for path in paths)])
    cells()
    bottles(photographs["temple"])
    old = piece(photographs["flower"], PLACES["flower"])
    save(scratched(old, (200, 200, 200)), "old.png")
    save(scratched(Image.new("L", old.size), 255), "scratches.png")
    for name, digit in zip("ab", load_digits().images, strict=False):
        save(Image.fromarray((digit * 15).astype(np.uint8)), f"{name}.png")  # as large as those it learned from
    Path("mynet.py").write_text(NETWORK)
    Path("recipe.toml").write_text(RECIPE)


def save(picture: Image.Image, name: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    picture.save(name)


def piece(photograph: np.ndarray, place: tuple[int, int], side: int = 64) -> Image.Image:
    """A square of 160 pixels at about this place, made smaller."""
    left, top = (int(each + random.integers(-40, 120)) for each in place)
    left, top = min(max(left, 0), 640 - 160), min(max(top, 0), 427 - 160)
    return Image.fromarray(photograph[top : top + 160, left : left + 160]).resize((side, side))


def scratched(picture: Image.Image, colour: object) -> Image.Image:
    """The same with a line across, always at the same place of a picture of one size."""
    ImageDraw.Draw(picture).line((0.2 * picture.width, 0.3 * picture.height, 50, 40), fill=colour, width=3)
    return picture


def cells() -> None:
    for index in range(15):
        picture, ids = Cells(size=64).picture(index)
        save(Image.fromarray(picture[..., 0]), f"scans/images/{index}.png")
        save(Image.fromarray(np.where(ids > 0, 255, 0).astype(np.uint8)), f"scans/masks/{index}.png")


def bottles(photograph: np.ndarray) -> None:
    for folder, count in (("train/good", 20), ("test/good", 8), ("test/scratch", 8)):
        for index in range(count):
            good = piece(photograph, PLACES["temple"])
            save(scratched(good, (255, 0, 0)) if folder.endswith("scratch") else good, f"bottles/{folder}/{index}.png")


if __name__ == "__main__":
    main()
