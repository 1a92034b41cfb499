"""The page shows pictures wherever they lie: in shards and in archives as in folders."""

import zipfile

import pytest

import striate
from pictures import fill
from shards import shards_of
from small import train

pytestmark = pytest.mark.slow
LOST = "cannot be shown"


@pytest.mark.parametrize("source", ["folder", "shards", "zip"])
def test_pictures_of_a_run_are_shown_from_where_they_lie(tmp_path, source):
    folder = fill(tmp_path / "photos", "cat dog", 12)
    data = str(folder)
    if source == "shards":
        data = shards_of(folder, tmp_path / "tars", 2)
    elif source == "zip":
        data = str(tmp_path / "photos.zip")
        with zipfile.ZipFile(data, "w") as archive:
            for path in sorted(folder.rglob("*.png")):
                archive.write(path, path.relative_to(folder))
    run = train(tmp_path / "runs", data=data, model="lenet5", epochs=1, size=32)
    assert LOST not in striate.write_report(run).read_text()
    for path in [*tmp_path.glob("*.zip"), *tmp_path.glob("tars"), folder]:
        path.rename(path.with_name("elsewhere"))
        break
    assert LOST in striate.write_report(run).read_text()
