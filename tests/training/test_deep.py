"""Pictures of other than one or three layers, or of 16 bits, from files to a result and its page."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from small import train
from striate import write_report
from striate.base.errors import DataError, UsageError
from striate.data.sources.cells import Cells


def microscope(root: Path, count: int) -> Path:
    """Two layers of 16 bits, as dim as a camera's: the cells, and nothing but noise."""
    for index in range(count):
        picture, ids = Cells(size=32, number=5).picture(index)
        noise = np.random.default_rng(index).integers(0, 200, (32, 32), dtype=np.uint16)
        layers = [Image.fromarray(layer) for layer in (picture[..., 0].astype(np.uint16), noise)]
        for folder in ("images", "masks"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        layers[0].save(root / "images" / f"{index}.tif", save_all=True, append_images=layers[1:])
        Image.fromarray((ids > 0).astype(np.uint8)).save(root / "masks" / f"{index}.png")
    return root


def deep(home: Path, **recipe: Any) -> Any:
    values: dict[str, Any] = {
        "data": str(home / "data"), "model": "unet_padded", "model_options": {"width": 4}, "batch": 4, "rate": 0.01,
        "optimizer": "adamw", "precision": "float32", "channels": 2, "depth": 16, "epochs": 1, "augment": "elastic",
    }  # fmt: skip
    return train(home / "runs", **{**values, **recipe})


@pytest.mark.slow
def test_dim_layers_of_16_bits_are_segmented_and_told_from_their_own_deviation(tmp_path: Path) -> None:
    microscope(tmp_path / "data", 12)
    run = deep(tmp_path, epochs=2)
    way = run.preprocess
    assert (way.channels, way.depth) == (2, 16)
    assert max(way.deviation) < 256 / 65_535, "no floor of 8 bits makes them dark"
    again = run.evaluate(str(tmp_path / "data"))
    assert (again.numbers["n"], again.numbers["numbers"][0]["name"]) == (12, "IoU of 1 over the data set")
    found = run.predict(tmp_path / "data" / "images" / "0.tif")
    assert (found.status, found.picture.shape) == ("ok", (32, 32))
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "one.png")
    assert run.predict(tmp_path / "one.png").status == "holds 1 layer, and not 2"
    assert "IoU" in write_report(run).read_text()
    with pytest.raises(DataError, match="2 layers, and not 3"):
        deep(tmp_path, channels=3)


@pytest.mark.slow
def test_layers_in_memory_are_classified_as_those_of_files(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(30) % 3
    pictures = random.integers(0, 60, (30, 32, 32, 5), dtype=np.uint16)
    pictures[np.arange(30), :, :, labels] += 100
    for place, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        (tmp_path / "data" / str(label)).mkdir(parents=True, exist_ok=True)
        layers = [Image.fromarray(layer) for layer in picture.transpose(2, 0, 1)]
        path = tmp_path / "data" / str(label) / f"{place}.tif"
        layers[0].save(path, save_all=True, append_images=layers[1:])
    options = {"model": "lenet5", "model_options": {}, "channels": 5, "batch": 9, "epochs": 2, "augment": "strong"}
    held = deep(tmp_path, **options, data=(list(pictures), labels), mixup=0.0, cutmix=0.0)
    files = deep(tmp_path, **options, mixup=0.0, cutmix=0.0)
    assert held.preprocess.channels == files.preprocess.channels == 5
    assert files.result["n"] == held.result["n"]
    assert "lenet5" in write_report(files).read_text()
    assert "lenet5" in write_report(held, (list(pictures), labels)).read_text()


def test_what_layers_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="channels: 5: the task denoise answers pictures of 1 or 3 layers of 8 bits"):
        train(tmp_path, data="cells:number=5,size=32", task="denoise", channels=5)
    with pytest.raises(UsageError, match="depth: 16: the task denoise"):
        train(tmp_path, data="cells:number=5,size=32", task="denoise", depth=16)
    with pytest.raises(DataError, match="cells:number=5,size=32: its pictures are grey, and have no 5 layers"):
        train(tmp_path, data="cells:number=5,size=32", channels=5)
