"""Parquet tables: the same samples as from text, and what can be wrong with them."""

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
