"""Data sets of the package `datasets`, made on the spot; the hub itself is out of reach of tests."""

import pickle
import shutil
from pathlib import Path
from typing import Any

import datasets
import pytest

from pictures import encode, photo, put
from striate.base.errors import DataError, MachineError, UsageError
from striate.data.load import read_samples
from striate.data.samples import Samples

Rows = dict[str, list[Any]]
CLASSES = ["dog", "cat"]  # not in order


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache" / "datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)  # says so at once, where the network would be tried
    datasets.disable_progress_bars()


def picture(seed: int) -> bytes:
    return encode(photo(8, 8, seed))


def rows(count: int = 8, first: int = 0) -> Rows:
    cells = [{"bytes": picture(first + index), "path": f"{index}.png"} for index in range(count)]
    return {"image": cells, "label": [index % 2 for index in range(count)]}


def made(values: Rows, **types: Any) -> datasets.Dataset:
    known = {"image": datasets.Image(), "label": datasets.ClassLabel(names=CLASSES)} | types
    plain = {name: datasets.Value("string" if isinstance(cells[0], str) else "int64") for name, cells in values.items()}
    return datasets.Dataset.from_dict(
        values, datasets.Features({name: known.get(name, plain[name]) for name in values})
    )


def saved(root: Path, splits: dict[str, datasets.Dataset] | datasets.Dataset) -> Path:
    whole = datasets.DatasetDict(splits) if isinstance(splits, dict) else splits
    whole.save_to_disk(str(root / "pets"))
    return root / "pets"


def labels(samples: Samples) -> list[str]:
    return [samples.targets.classes[place] for place in samples.targets.strata.tolist()]


def test_a_saved_data_set_hands_its_bytes_to_our_decoder(tmp_path: Path) -> None:
    samples = read_samples(saved(tmp_path, made(rows())))
    assert (samples.source, samples.name, samples.root) == ("saved", "pets", tmp_path / "pets")
    assert samples.names == tuple(f"{index}.png" for index in range(8))
    assert [samples.read(place) for place in (7, 0)] == [picture(7), picture(0)]
    assert (samples.targets.classes, labels(samples)) == (("cat", "dog"), ["dog", "cat"] * 4)
    assert samples.subsets is None
    again = pickle.loads(pickle.dumps(samples.read))  # noqa: S301 - our own
    assert again(3) == picture(3)
    assert read_samples(tmp_path / "pets", workers=2).digests == samples.digests


def test_splits_are_subsets_and_others_are_left_out(tmp_path: Path) -> None:
    parts = {"train": 0, "validation": 10, "test": 20, "unsupervised": 30}
    path = saved(tmp_path, {name: made(rows(4, first)) for name, first in parts.items()})
    samples = read_samples(path)
    assert samples.subsets == ("test",) * 4 + ("train",) * 4 + ("val",) * 4
    assert samples.read(0) == picture(20)
    assert samples.notes == ("left out: split unsupervised of 4 pictures",)
    one = read_samples(saved(tmp_path / "one", {"train": made(rows())}))
    assert (one.subsets, len(one)) == (None, 8)
    test = saved(tmp_path / "test", {"test": made(rows())})
    assert read_samples(test, learnable=False).subsets == ("test",) * 8
    with pytest.raises(DataError, match="splits test, but no train"):
        read_samples(test)
    two = saved(tmp_path / "two", {"train": made(rows()), "valid": made(rows(4, 10)), "validation": made(rows(4, 20))})
    with pytest.raises(DataError, match="of which two mean one subset"):
        read_samples(two)


def test_a_split_without_labels_is_left_out_and_rows_without_are_told(tmp_path: Path) -> None:
    blind = {**rows(4, 20), "label": [-1] * 4}
    samples = read_samples(saved(tmp_path, {"train": made(rows()), "test": made(blind)}))
    assert (len(samples), samples.notes) == (8, ("left out: split test of 4 pictures without labels",))
    some = {**rows(), "label": [0, 1, -1, 0, 1, None, 0, 1]}
    with pytest.raises(DataError, match="row 3 of data: no label; row 6 of data: no label"):
        read_samples(saved(tmp_path / "some", made(some)))
    assert len(read_samples(tmp_path / "some" / "pets", labelled=False)) == 8


def test_names_are_those_of_a_column_or_of_the_paths_or_of_the_rows(tmp_path: Path) -> None:
    named = made({**rows(), "file_name": [f"cat/{index}.png" for index in range(8)]})
    assert read_samples(saved(tmp_path / "a", named)).names == tuple(f"cat/{index}.png" for index in range(8))
    alike = rows()
    for cell in alike["image"]:
        cell["path"] = "x.png"
    assert read_samples(saved(tmp_path / "b", made(alike))).names == tuple("01234567")
    outside = made({**rows(), "file_name": [*"1234567", "../x"]})
    assert read_samples(saved(tmp_path / "c", outside)).names == tuple("01234567")


def test_a_column_of_groups_gives_what_is_independent(tmp_path: Path) -> None:
    grouped = {**rows(), "patient": [f"P{index // 2}" for index in range(8)]}
    groups = read_samples(saved(tmp_path, made(grouped))).groups
    assert groups is not None
    assert groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    grouped["patient"][2] = "nan"
    with pytest.raises(DataError, match="row 3 of data: no group"):
        read_samples(saved(tmp_path / "b", made(grouped)))


@pytest.mark.parametrize(
    ("values", "types", "cause"),
    [
        ({"label": [0, 1]}, {}, r"no column of pictures: the columns are label \(ClassLabel\)"),
        ({"image": rows(2)["image"]}, {}, r"no column of classes: the columns are image \(Image\)"),
        ({**rows(2), "photo": rows(2)["image"], "image": rows(2)["image"]},
         {"photo": datasets.Image()}, ""),
        ({"a": rows(2)["image"], "b": rows(2)["image"], "label": [0, 1]},
         {"a": datasets.Image(), "b": datasets.Image()}, "columns a and b could each be the pictures"),
        ({"image": rows(2)["image"], "fine": [0, 1], "coarse": [0, 1]},
         {"fine": datasets.ClassLabel(2), "coarse": datasets.ClassLabel(2)}, "fine and coarse could each be the class"),
        ({"image": rows(2)["image"], "label": [[0], [1]]},
         {"label": datasets.Sequence(datasets.Value("int64"))}, "no column of classes"),
        ({"image": rows(2)["image"], "label": [0.5, 1.5]}, {"label": datasets.Value("float64")}, "column label holds"),
    ],
)  # fmt: skip
def test_columns_are_found_by_type_and_told_where_they_cannot(
    tmp_path: Path, values: Rows, types: dict[str, Any], cause: str
) -> None:
    path = saved(tmp_path, made(values, **types))
    if not cause:
        assert len(read_samples(path, learnable=False)) == 2
        return
    with pytest.raises(DataError, match=cause) as caught:
        read_samples(path, learnable=False)
    assert "save_to_disk" in caught.value.hint or "texts" in caught.value.hint


def test_labels_may_be_plain_texts_or_numbers(tmp_path: Path) -> None:
    words = {**rows(), "label": ["x", "y"] * 4}
    assert read_samples(saved(tmp_path / "a", made(words, label=datasets.Value("string")))).targets.classes == (
        "x",
        "y",
    )
    numbers = made({**rows(), "label": [3, 5] * 4}, label=datasets.Value("int64"))
    assert read_samples(saved(tmp_path / "b", numbers)).targets.classes == ("3", "5")


def test_a_folder_of_parquet_files_as_the_hub_has_them(tmp_path: Path) -> None:
    whole = read_samples(saved(tmp_path, {"train": made(rows()), "test": made(rows(4, 20))}))
    root = tmp_path / "cloned"
    (root / "data").mkdir(parents=True)
    put(root / "README.md", b"")
    made(rows()).to_parquet(str(root / "data" / "train-00000-of-00001.parquet"))
    made(rows(4, 20)).to_parquet(str(root / "data" / "test-00000-of-00001.parquet"))
    for path in (root, root / "data"):
        samples = read_samples(path)
        assert (samples.fingerprint, samples.digests) == (whole.fingerprint, whole.digests)
    put(root / "data" / "train-00000-of-00001.parquet", b"PAR1 cut")
    with pytest.raises(DataError, match="not a data set that can be read") as caught:
        read_samples(root)
    assert "\n" not in str(caught.value)


def test_a_folder_with_pictures_is_a_folder(tmp_path: Path) -> None:
    for seed in range(8):
        put(tmp_path / "pets" / CLASSES[seed % 2] / f"{seed}.png", picture(seed))
    made(rows()).to_parquet(str(tmp_path / "pets" / "table.parquet"))
    assert read_samples(tmp_path / "pets").source == "folder"


def test_a_data_set_that_is_cut_is_told_and_one_that_changed_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path, made(rows()))
    samples = read_samples(path)
    shutil.rmtree(path)
    saved(tmp_path, made(rows(8, 50)))
    later = pickle.loads(pickle.dumps(samples.read))  # noqa: S301 - our own
    with pytest.raises(DataError, match=r"pets, row 1: changed since the data were scanned"):
        later(0)
    (arrow,) = path.glob("*.arrow")
    arrow.write_bytes(arrow.read_bytes()[:200])
    with pytest.raises(DataError, match="not a data set that can be read"):
        read_samples(path)
    put(path / "state.json", b"{")
    with pytest.raises(DataError, match="not a data set that can be read"):
        read_samples(path)


def test_a_path_in_a_row_is_followed_into_the_cache_of_the_package_alone(tmp_path: Path) -> None:
    inside = put(tmp_path / "cache" / "hub" / "1.png", picture(1))
    outside = put(tmp_path / "elsewhere" / "2.png", picture(2))
    cells = [{"bytes": None, "path": str(inside)}, {"bytes": None, "path": str(outside)}, *rows()["image"][2:]]
    whole = made({**rows(), "image": cells})
    samples = _of(whole, tmp_path)
    assert [skip.name for skip in samples.skipped] == ["1"]
    assert "no path is followed" in samples.skipped[0].cause
    assert samples.read(0) == picture(1)


def _of(whole: datasets.Dataset, tmp_path: Path) -> Samples:
    """A data set whose pictures stay where they are: saving one would take them in."""
    whole.to_parquet(str(tmp_path / "bare" / "train.parquet"))
    return read_samples(tmp_path / "bare", max_bad=0.5)


def test_a_data_set_that_is_fetched_is_read_without_the_hub_and_says_its_revision(tmp_path: Path) -> None:
    root = tmp_path / "cloned"
    root.mkdir()
    made(rows()).to_parquet(str(root / "train.parquet"))
    whole = datasets.load_dataset(str(root))["train"]
    (arrow,) = [Path(each["filename"]) for each in whole.cache_files]
    commit = "0123456789abcdef" * 2 + "01234567"
    fetched = tmp_path / "cache" / "datasets" / "user___pets" / "default" / "0.0.0" / commit
    shutil.copytree(arrow.parent, fetched)
    for each in fetched.glob("*-train.arrow"):
        each.rename(fetched / "pets-train.arrow")
    info = fetched / "dataset_info.json"
    info.write_text(info.read_text().replace('"dataset_name": "cloned"', '"dataset_name": "pets"'))
    samples = read_samples("hf:user/pets")
    assert (samples.name, samples.source, samples.root) == (f"hf:user/pets@{commit}", "hub", None)
    assert samples.notes == (f"hf:user/pets was fetched at revision {commit}",)
    assert samples.digests == read_samples(root).digests
    assert read_samples(samples.name).fingerprint == samples.fingerprint


def test_a_hub_that_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"hf:user/none: the hub cannot be reached") as caught:
        read_samples("hf:user/none")
    assert "save_to_disk" in caught.value.hint


@pytest.mark.parametrize(
    "address", ["hf:", "hf:pets", "hf:../pets", "hf:/etc/x", "hf:a/b/c", "hf:a/b:", "hf:a/b@", "hf:a b/c"]
)
def test_an_address_that_names_nothing_is_told(address: str) -> None:
    with pytest.raises(UsageError, match="names no data set of the hub"):
        read_samples(address)


def test_they_have_no_masks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no masks that are read"):
        read_samples(saved(tmp_path, made(rows())), masked=True)


def test_without_the_package_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, made(rows()))
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MachineError, match=r"pip install 'striate\[hub\]'"):
        read_samples(path)
    with pytest.raises(MachineError, match=r"pip install 'striate\[hub\]'"):
        read_samples("hf:user/pets")
