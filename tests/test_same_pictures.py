"""Equal pictures are equal data, whatever they come from: samples, digests, split and weights, kills included.

A new source is one function in `SOURCES`, which packs the folder of class folders that it is given.
"""

import csv
import os
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pytest
from pyarrow import parquet

from shards import shards_of
from small import Notes, digest, photographs, train
from striate.data.load import read_samples
from striate.runs.run import open_run
from striate.training.execution import Execution
from striate.training.train import resume_run
from together import begun, ended

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("same pictures"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
]
RECIPE = {"model": "lenet5", "batch": 8, "epochs": 2, "augment": "light", "seed": 3}


def files(folder: Path) -> list[tuple[str, str, Path]]:
    """Name, class and place of each picture; in no order that a source could rely on."""
    paths = sorted(folder.glob("*/*.*"), key=lambda path: path.name[::-1])
    return [(path.relative_to(folder).as_posix(), path.parent.name, path) for path in paths]


def table(separator: str) -> Callable[[Path, Path], Path]:
    def pack(folder: Path, home: Path) -> Path:
        path = folder / f"table.{'csv' if separator == ',' else 'tsv'}"
        with path.open("w", newline="") as file:
            csv.writer(file, delimiter=separator).writerows([("path", "label"), *(row[:2] for row in files(folder))])
        return path

    return pack


def of_paths(folder: Path, home: Path) -> Path:
    names, labels, _ = zip(*files(folder), strict=True)
    parquet.write_table(pyarrow.table({"path": names, "label": labels}), folder / "table.parquet")
    return folder / "table.parquet"


def of_bytes(folder: Path, home: Path) -> Path:
    names, labels, paths = zip(*files(folder), strict=True)
    cells = [{"bytes": path.read_bytes(), "path": name} for name, path in zip(names, paths, strict=True)]
    parquet.write_table(pyarrow.table({"image": cells, "label": labels}), home / "inside.parquet", row_group_size=4)
    return home / "inside.parquet"


def hugging_face(folder: Path, home: Path) -> Path:
    names, labels, paths = zip(*files(folder), strict=True)
    classes = sorted(set(labels), reverse=True)
    features = datasets.Features(
        image=datasets.Image(), file_name=datasets.Value("string"), label=datasets.ClassLabel(names=classes)
    )
    cells = [{"bytes": path.read_bytes(), "path": None} for path in paths]
    columns = {"image": cells, "file_name": names, "label": [classes.index(label) for label in labels]}
    datasets.Dataset.from_dict(columns, features).save_to_disk(str(home / "saved"), num_shards=3)
    return home / "saved"


def zipped(folder: Path, home: Path) -> Path:
    with zipfile.ZipFile(home / "photos.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, _, path in files(folder):
            archive.write(path, f"photos/{name}")
    return home / "photos.zip"


SOURCES: dict[str, Callable[[Path, Path], Any]] = {
    "folder": lambda folder, home: folder,
    "CSV": table(","),
    "TSV": table("\t"),
    "Parquet of paths": of_paths,
    "Parquet of bytes": of_bytes,
    "Hugging Face": hugging_face,
    "zip": zipped,
    "shards": lambda folder, home: shards_of(folder, home / "tars", 3),
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each source's data, of the same pictures, each in a home of its own."""
    datasets.disable_progress_bars()
    data = {}
    for source, pack in SOURCES.items():
        home = tmp_path_factory.mktemp("home")
        data[source] = str(pack(photographs(home / "photos", each=8, side=24), home))
    return data


@pytest.fixture(scope="module")
def runs(packed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each source the run of a training that was killed; and "whole", one on the folder that nothing stopped."""
    homes = {source: tmp_path_factory.mktemp("runs") for source in packed}

    def trains(data: str, home: Path) -> None:
        class Killed(Notes):
            def progress(self, name: str, done: int, total: int, left: float | None = None) -> None:
                if name.startswith("epoch 2 of") and done == 1:
                    os.kill(os.getpid(), signal.SIGKILL)

        streamed = {"memory": "streamed", "save_every": 0.0, "workers": 0}
        train(home / "killed", data=data, listener=Killed(), execution=streamed, **RECIPE)

    codes = [ended([begun(trains, packed[source], homes[source])]) for source in packed]
    assert codes == [[-signal.SIGKILL]] * len(packed)
    train(homes["folder"] / "whole", data=packed["folder"], **RECIPE)
    found = {source: home / "killed" for source, home in homes.items()} | {"whole": homes["folder"] / "whole"}
    return {name: next(each for each in home.iterdir() if each.is_dir()) for name, home in found.items()}


@pytest.mark.parametrize("source", SOURCES)
def test_equal_pictures_are_equal_samples(packed: dict[str, str], source: str) -> None:
    one, other = read_samples(packed["folder"]), read_samples(packed[source])
    assert [*other.names] == [*one.names]
    assert [*other.digests] == [*one.digests]
    assert (other.targets.classes, other.targets.strata.tolist()) == (one.targets.classes, one.targets.strata.tolist())
    assert other.sizes.tolist() == one.sizes.tolist()
    assert other.fingerprint == one.fingerprint
    assert [other.read(place) for place in range(len(other))] == [one.read(place) for place in range(len(one))]


@pytest.mark.parametrize("source", SOURCES)
def test_equal_pictures_give_equal_splits_and_weights_also_after_a_kill(runs: dict[str, Path], source: str) -> None:
    whole = open_run(runs["whole"])
    assert open_run(runs[source]).status == "killed"
    resumed = resume_run(runs[source], Execution(memory="streamed", workers=1), Notes())
    assert (runs[source] / "split.csv").read_bytes() == (runs["whole"] / "split.csv").read_bytes()
    assert digest(resumed) == digest(whole)
    assert resumed.result["numbers"] == whole.result["numbers"]
