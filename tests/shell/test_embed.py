"""striate embed and between: files that other programs read, and what they may replace."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from small import photographs, train
from striate.base.outputs import Output, known_by
from striate.shell.verbs.embed import MARK
from striate.survey.charts import points
from typed import call

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    photographs(home / "photos")
    train(home / "runs", data=str(home / "photos"), task="denoise", batch=9, epochs=1, resize="squash", size=32)
    return home


@pytest.fixture
def home(trained, monkeypatch, tmp_path):
    (tmp_path / "photos").symlink_to(trained / "photos")
    (tmp_path / "run").symlink_to(next((trained / "runs").glob("photos-*")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def embed(capsys, *words):
    return call(capsys, "embed", "run", *words)


def arrays(path):
    with np.load(path) as file:
        return dict(file)


def test_vectors_and_a_map_are_written_and_may_be_written_again(home, capsys):
    (home / "bad.png").write_text("no picture")
    words = ("photos/class 0", "bad.png", "photos/class 2", "--out", "v.npz", "--map", "map.svg")
    code, out, err = embed(capsys, *words)
    assert (code, out) == (0, "wrote v.npz\nwrote map.svg\n")
    assert "bad.png: looks like text\n" in err
    found, first = arrays("v.npz"), (home / "map.svg").read_text()
    pictured, numbers = found["vectors"].shape
    assert found["status"].tolist() == ["ok"] * 15 + ["looks like text"] + ["ok"] * 15
    assert found["labels"].tolist() == ["class 0"] * 15 + [home.name] + ["class 2"] * 15
    assert found["names"][0] == "photos/class 0/00.jpg"
    assert "% of the variance" in first
    assert all(f"> {name}</text>" in first for name in ("class 0", "class 2"))
    assert "30 pictures" in first
    code, out, _ = embed(capsys, *words, "--pool", "mean", "--json")
    told = json.loads(out)
    assert (code, told["written"]) == (0, ["v.npz", "map.svg"])
    assert (told["pictures"], told["numbers"]) == (pictured, numbers // (8 * 8))
    assert (home / "map.svg").read_text() != first


def test_parquet_holds_the_same_and_is_known_again_however_long(home, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert embed(capsys, "photos/class 0", "--out", "v.npz")[0] == 0
    assert embed(capsys, "photos/class 0", "--out", "v.parquet")[0] == 0
    table, found = parquet.read_table("v.parquet"), arrays("v.npz")
    assert table.column_names == ["name", "label", "status", "vector"]
    assert np.array_equal(np.stack(table["vector"].to_numpy()), found["vectors"])
    assert table["label"].to_pylist() == found["labels"].tolist()
    assert embed(capsys, "photos/class 0", "--out", "v.parquet")[0] == 0


def test_without_pyarrow_it_says_what_to_install_before_any_work(home, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, err = embed(capsys, "photos", "--out", "v.parquet")
    assert (code, err) == (
        5,
        "error[environment]: --out v.parquet: it needs the package pyarrow, which is not installed. "
        "Try: pip install 'striate[data]'\n",
    )


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("photos",), "out: nothing would be written"),
        (("--out", "v.npz"), "pictures: none are named"),
        (("photos", "--out", "v.npy"), "--out v.npy: its name does not end in .npz or .parquet"),
        (("photos", "--map", "m.png"), "--map m.png: its name does not end in .svg"),
        (("photos", "--out", "theirs.npz"), "--out theirs.npz: it is there, and striate did not write it"),
        (("photos", "--map", "theirs.svg"), "--map theirs.svg: it is there, and striate did not write it"),
        (("theirs.npz", "--out", "theirs.npz"), "--out theirs.npz: it is one of the pictures"),
        (("missing.png", "--out", "v.npz"), "missing.png: of 1 picture none could be read"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_and_writes_nothing(home, capsys, words, cause):
    np.savez(home / "theirs.npz", vectors=np.ones(3))
    (home / "theirs.svg").write_text("<svg/>")
    before = {path: path.read_bytes() for path in home.iterdir() if path.is_file()}
    code, out, err = embed(capsys, *words)
    assert (code in (2, 3), out) == (True, "")
    assert f": {cause}. Try: " in err.splitlines()[-1]
    assert {path: path.read_bytes() for path in home.iterdir() if path.is_file()} == before


def shown(path):
    with Image.open(path) as image:
        return image.size, image.mode


def test_a_strip_goes_from_one_picture_to_the_other(home, capsys):
    one, other = "photos/class 0/01.png", "photos/class 2/01.png"
    code, out, _ = call(capsys, "between", "run", one, other, "--steps", "3", "--out", "strip.png")
    assert (code, out) == (0, "wrote strip.png\n")
    assert shown("strip.png") == ((5 * 64 + 2 * 8, 64), "L")
    assert call(capsys, "between", "run", one, other, "--out", "strip.png")[0] == 0  # its own is replaced
    assert shown("strip.png") == ((9 * 64 + 2 * 8, 64), "L")
    code, _, err = call(capsys, "between", "run", one, other, "--out", one)
    assert (code, "it is one of the pictures" in err) == (2, True)
    code, _, err = call(capsys, "between", "run", one, "missing.png", "--out", "strip.png")
    assert (code, err) == (
        3, "error[data]: missing.png: no such file. Try: check the path and who may read it\n"
    )  # fmt: skip


def test_a_file_is_known_by_its_last_bytes_too(tmp_path):
    path = tmp_path / "long.parquet"
    path.write_bytes(bytes(300_000) + MARK.encode() + bytes(50_000))
    Output("--out", path, known_by(MARK)).write(b"new")
    assert path.read_bytes() == b"new"


def test_a_map_has_a_colour_and_marker_for_each_label_while_there_are_enough():
    places = np.random.default_rng(0).normal(size=(40, 2)).tolist()
    few = points(places, [f"_{place % 18}" for place in range(40)], (0.5, 0.25))
    assert all(f"> _{place}</text>" in few for place in range(18))
    many = points(places, [str(place % 19) for place in range(40)], (0.5, 0.25))
    assert "40 pictures, 19 labels" in many
    assert few == points(places, [f"_{place % 18}" for place in range(40)], (0.5, 0.25))
    assert few.count("50.0 % of the variance") == 1
