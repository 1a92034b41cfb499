import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pictures import encode, photo, put
from striate.base.errors import DataError
from striate.data.asked import MEANT
from striate.data.load import read_samples
from striate.data.samples import Samples
from striate.data.splits import cut
from striate.runs import subsets
from striate.runs.own import read_own
from striate.training.recipe import recipe_of

ASKED = {"mask_map": "0=ground,9=cell", "ignore": 3, "masks": "classes"}
MASK = np.array([[0, 9], [9, 3]], np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for index in range(6):
        put(tmp_path / "data" / "images" / f"{index}.png", encode(photo(2, 2, index)))
        put(tmp_path / "data" / "masks" / f"{index}.png", encode(MASK))
    return tmp_path / "data"


def run_on(folder: Path, samples: Samples, place: Path, **recipe: Any) -> dict[str, Any]:
    """What a run folder holds of its data."""
    split = cut(samples, (0.6, 0.2, 0.2), 0)
    folder.mkdir()
    subsets.write_split(folder, samples, split)
    sides = {name: {"n": len(getattr(split, name))} for name in ("train", "val", "test")}
    return {
        "data": {"path": str(place), "fingerprint": samples.fingerprint},
        "split": sides,
        "recipe": dataclasses.asdict(recipe_of(data=str(place), **recipe)),
    }


def test_masks_are_read_again_as_the_run_read_them_wherever_they_lie(tmp_path: Path, data: Path) -> None:
    samples = read_samples(data, masked=True, **ASKED)
    facts = run_on(tmp_path / "run", samples, data, **ASKED)
    data.rename(tmp_path / "moved")
    again = read_own(tmp_path / "run", facts, tmp_path / "moved", labelled=True, masked=True)
    assert again.targets.classes == ("ground", "cell")
    assert again.targets.own(0)["mask"].tolist() == [[0, 1], [1, -1]]


def test_an_edited_mask_is_a_picture_labelled_anew(tmp_path: Path, data: Path) -> None:
    facts = run_on(tmp_path / "run", read_samples(data, masked=True, **ASKED), data, **ASKED)
    put(data / "masks" / "2.png", encode(MASK.T * 0))
    with pytest.raises(DataError, match=r"1 labelled anew; .*labelled anew images/2.png"):
        read_own(tmp_path / "run", facts, labelled=True, masked=True)


def test_a_run_of_before_there_were_masks_is_read_as_it_was(tmp_path: Path, data: Path) -> None:
    for index in range(6):
        put(data / "masks" / f"{index}.png", encode(photo(2, 2, 10 + index)))
    facts = run_on(tmp_path / "run", read_samples(data), data)
    facts["recipe"] = {name: value for name, value in facts["recipe"].items() if name not in MEANT}
    assert read_own(tmp_path / "run", facts, labelled=True, masked=False).targets.classes == ("images", "masks")
