"""Parquet tables: the same samples as from text, and what can be wrong with them."""

import os
import pickle
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from pictures import encode, photo, put
from striate.base.errors import DataError, MachineError
from striate.data.load import have_masks, read_samples
from striate.data.sources.table import list_table

LABELS = "aabbabab"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for seed in range(8):
        put(tmp_path / "photos" / f"{seed}.png", encode(photo(8, 8, seed)))
    return tmp_path


def write(home: Path, **columns: Any) -> Path:
    path = home / "table.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    return path


PATHS = [f"photos/{place}.png" for place in range(8)]


def test_a_parquet_table_is_the_same_data_as_one_of_text(home: Path) -> None:
    text = home / "table.csv"
    text.write_text("\n".join(["path,label", *(f"{path},{label}" for path, label in zip(PATHS, LABELS, strict=True))]))
    one, other = read_samples(text), read_samples(write(home, path=PATHS, other=[[1]] * 8, label=list(LABELS)))
    assert (one.fingerprint, one.digests, one.source) == (other.fingerprint, other.digests, other.source)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pyarrow.array([0, 1] * 4), ("0", "1")),
        (pyarrow.array([0.0, 10.0] * 4), ("0", "10")),  # pandas, where some were missing
        (pyarrow.array([False, True] * 4), ("false", "true")),
        (pyarrow.array(["x", "y"] * 4).dictionary_encode(), ("x", "y")),
        (pyarrow.array(["x", "y"] * 4, pyarrow.large_string()), ("x", "y")),
    ],
    ids=["whole", "float", "truth", "dictionary", "large"],
)
def test_labels_of_every_plain_type_are_names(home: Path, labels: pyarrow.Array, classes: tuple[str, ...]) -> None:
    assert list_table(write(home, path=PATHS, label=labels)).classes == classes


def test_classes_that_the_datasets_package_wrote_are_used(home: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"path": datasets.Value("string"), "label": datasets.ClassLabel(names=["dog", "cat"])})
    made = datasets.Dataset.from_dict({"path": PATHS, "label": [0, 1] * 4}, features)
    made.to_parquet(home / "table.parquet")
    listing = list_table(home / "table.parquet")
    assert listing.classes == ("cat", "dog")
    assert [listing.classes[label] for label in listing.labels or ()] == ["dog", "cat"] * 4


def test_rows_that_cannot_be_meant_are_told_by_number(home: Path) -> None:
    path = write(home, path=[*PATHS[:6], "../a.png", None], label=[0.0, None, float("nan"), *map(float, range(5))])
    with pytest.raises(DataError) as caught:
        list_table(path)
    assert caught.value.cause == (
        "row 2: no label (''); row 3: no label ('nan'); row 7: ../a.png leads out of the table's folder; "
        "row 8: no path ('')"
    )


@pytest.mark.parametrize(
    ("columns", "cause"),
    [
        ({"path": PATHS}, "no column of the label: the columns are 'path'"),
        ({"path": PATHS, "label": [[1]] * 8}, "column label holds list<"),
        ({"path": PATHS, "File": PATHS, "label": list(LABELS)}, "columns path and File could each be the path"),
        ({"path": [], "label": []}, "a table without rows"),
    ],
)
def test_columns_that_cannot_be_meant_are_told(home: Path, columns: dict[str, Any], cause: str) -> None:
    with pytest.raises(DataError, match=cause.replace("(", r"\(")):
        list_table(write(home, **columns))


def test_a_column_twice_is_told(home: Path) -> None:
    table = pyarrow.Table.from_arrays([pyarrow.array(PATHS)] * 2, ["path", "path"])
    parquet.write_table(table, home / "table.parquet")
    with pytest.raises(DataError, match="a column twice: path, path"):
        list_table(home / "table.parquet", labelled=False)


@pytest.mark.parametrize("kept", [0, 3, 100, -1])
def test_a_file_that_is_cut_is_told_in_one_sentence(home: Path, kept: int) -> None:
    path = write(home, path=PATHS, label=list(LABELS))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match="not a Parquet file that can be read") as caught:
        read_samples(path)
    assert "\n" not in str(caught.value)


def test_pages_that_are_damaged_are_told(home: Path) -> None:
    path = write(home, path=PATHS, label=list(LABELS))
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(data)
    with pytest.raises(DataError, match="not a Parquet file that can be read"):
        read_samples(path)


def test_a_table_that_is_not_there_is_told_as_any_file(home: Path) -> None:
    with pytest.raises(DataError, match="no such"):
        read_samples(home / "gone.parquet")


def test_a_table_of_masks_is_known_by_its_head(home: Path) -> None:
    assert have_masks(write(home, path=PATHS, mask=PATHS))
    assert not have_masks(write(home, path=PATHS, label=list(LABELS)))


def test_without_pyarrow_it_is_said_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MachineError, match=r"pip install 'striate\[data\]'"):
        read_samples(write(home, path=PATHS, label=list(LABELS)))


def inside(home: Path, names: list[str | None] | None, *, group: int = 3, labels: str = LABELS) -> Path:
    """A table that holds its pictures, as the datasets package writes them; as bytes alone where there are no names."""
    data = [(home / path).read_bytes() for path in PATHS]
    cells: list[Any] = data
    if names is not None:
        cells = [{"bytes": each, "path": name} for each, name in zip(data, names, strict=True)]
    path = home / "inside.parquet"
    parquet.write_table(pyarrow.table({"image": cells, "label": list(labels)}), path, row_group_size=group)
    return path


def test_pictures_that_lie_in_the_table_are_the_same_data_as_files(home: Path) -> None:
    files = read_samples(write(home, path=PATHS, label=list(LABELS)))
    for group in (1, 3, 100):
        samples = read_samples(inside(home, list(PATHS), group=group))
        assert (samples.fingerprint, samples.names, samples.digests) == (files.fingerprint, files.names, files.digests)
        order = [5, 0, 7, 7, 2]
        assert [samples.read(place) for place in order] == [files.read(place) for place in order]
        assert samples.read.where(2) == f"{home / 'inside.parquet'}, row 3"


def test_they_are_read_in_other_processes(home: Path) -> None:
    alone, together = (read_samples(inside(home, list(PATHS[::-1])), workers=workers) for workers in (0, 2))
    assert alone.digests == together.digests
    again = pickle.loads(pickle.dumps(together.read))  # noqa: S301 - our own
    assert [again(place) for place in range(8)] == [(home / path).read_bytes() for path in PATHS[::-1]]


@pytest.mark.parametrize(
    "names",
    [None, [None] * 8, ["a.png"] * 8, [*PATHS[:7], None], [*PATHS[:7], "../x.png"], [*PATHS[:7], "/x.png"],
     [*PATHS[:7], "https://x/y.png"], [*PATHS[:7], f"./{PATHS[0]}"]],
)  # fmt: skip
def test_without_a_path_of_its_own_each_is_called_by_its_row(home: Path, names: list[str | None] | None) -> None:
    assert read_samples(inside(home, names)).names == tuple("01234567")


def test_another_column_may_say_what_they_are_called(home: Path) -> None:
    files = read_samples(write(home, path=PATHS, label=list(LABELS)))
    cells = [{"bytes": (home / path).read_bytes(), "path": "x.png"} for path in PATHS]
    for names in (PATHS, [f"./{path}" for path in PATHS]):
        samples = read_samples(write(home, image=cells, file_name=names, label=list(LABELS)))
        assert (samples.fingerprint, samples.names) == (files.fingerprint, files.names)
    assert read_samples(write(home, image=cells, file=["x"] * 8, label=list(LABELS))).names == tuple("01234567")
    with pytest.raises(DataError, match="columns file and filename could each be the path"):
        read_samples(write(home, image=cells, file=PATHS, filename=PATHS, label=list(LABELS)))
    with pytest.raises(DataError, match="columns image and picture each hold pictures"):
        read_samples(write(home, image=cells, picture=cells, label=list(LABELS)))


def test_what_is_no_picture_there_is_counted_as_any_bad_one(home: Path) -> None:
    path = write(home, image=[b"", b"x", None, *((home / path).read_bytes() for path in PATHS[3:])], label=list(LABELS))
    assert [skip.name for skip in read_samples(path, max_bad=0.5).skipped] == ["0", "1", "2"]
    with pytest.raises(DataError, match="3 of 8 files of the data cannot be used"):
        read_samples(path)


def test_a_table_that_changes_later_is_told(home: Path) -> None:
    path = inside(home, list(PATHS))
    samples = read_samples(path)
    put(home / PATHS[0], encode(photo(8, 8, 99)))
    inside(home, list(PATHS))
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match=r"inside.parquet, row 1: changed since the data were scanned"):
        samples.read(0)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="not a Parquet file that can be read"):
        samples.read(1)
    path.unlink()
    with pytest.raises(DataError, match=r"not a Parquet file that can be read .*No such file"):
        samples.read(2)


def test_row_groups_that_are_too_large_to_read_from_are_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.data.sources.parquet.MOST_BYTES", 1_000)
    assert len(read_samples(inside(home, list(PATHS), group=1))) == 8
    with pytest.raises(DataError, match=r"a row group of .* bytes of pictures, more than the 1,000") as caught:
        read_samples(inside(home, list(PATHS), group=8))
    assert "row_group_size=100" in caught.value.hint


@pytest.mark.parametrize("kind", [pyarrow.binary(), pyarrow.null()], ids=["binary", "null"])
def test_pictures_of_which_the_table_holds_paths_alone_are_told_so(home: Path, kind: pyarrow.DataType) -> None:
    """As the `datasets` package writes them where it is not to embed them."""
    cells = pyarrow.array(
        [{"bytes": None, "path": path} for path in PATHS], pyarrow.struct([("bytes", kind), ("path", pyarrow.string())])
    )
    with pytest.raises(DataError, match=r"8 files: the table holds no bytes of it; first photos/0.png"):
        read_samples(write(home, image=cells, label=list(LABELS)))
