"""The gallery of VGG-16 with its ImageNet features on CC0 photographs: `python benchmarks/gallery.py CACHE`.

Writes CACHE/gallery-LAYER for some layers, and gallery.jpg of docs/ from them; says how long each took. It needs the
packages onnx, for benchmarks/vgg16.py, and scikit-image, for docs/photographs.py; what lies in CACHE is used again.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

import striate
from striate.inside.plate import Plate
from striate.report import gallery as page

HERE = Path(__file__).parent
# By layer the maps of the picture in docs/: of each nine units.
SHOWN = {"features.8": (16, 48, 88), "features.22": (192, 320, 352), "features.29": (192, 288, 384)}
TILE = (342, 167)  # width and height of a map in that picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--layers", nargs="+", default=list(SHOWN))
    parser.add_argument("--maps", type=int, default=16)
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    weights, photographs = given.cache / "vgg16-features.safetensors", given.cache / "photographs"
    for made, script, to in (
        (weights, HERE / "vgg16.py", given.cache),
        (photographs, HERE.parent / "docs" / "photographs.py", photographs),
    ):
        if not made.exists() and subprocess.run([sys.executable, script, to], check=False).returncode:
            sys.exit(f"{script} did not finish, and its first lines say what it needs")
    tiles, labels = [], []
    for layer in given.layers:
        began, spent = time.monotonic(), time.process_time()
        found = striate.gallery("vgg16", photographs, layer=layer, maps=given.maps, weights=weights)
        took, used = time.monotonic() - began, time.process_time() - spent
        print(f"{found}: {took:.0f} s, {used:.0f} s of processors", *found.notes, sep="\n", flush=True)
        folder = given.cache / f"gallery-{layer}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(found.picture).save(folder / "gallery.png")
        page.output(folder / "gallery.html", True).write(page.render(found, f"{layer} of vgg16").encode())
        for each in found.maps:
            if each.feature in SHOWN.get(layer, ()):
                drawn = Image.fromarray(found.drawn(each)).resize(TILE, Image.Resampling.LANCZOS)
                tiles.append(np.asarray(drawn))
                labels.append(f"{layer}, map {each.feature}")
    if tiles:
        Image.fromarray(Plate(tiles, labels, 3).pixels).save(given.cache / "gallery.jpg", quality=85)
        print(given.cache / "gallery.jpg", (given.cache / "gallery.jpg").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
