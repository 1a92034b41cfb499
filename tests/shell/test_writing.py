"""Every verb that writes: what is the user's stays, whatever stands where the name of a file is expected."""

import json
import shutil

import pytest

import striate
from small import photographs
from striate.base.errors import RunError, UsageError
from striate.models import weights
from typed import call

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    data = photographs(home / "photos")
    recipes = {"classify": {"model": "lenet5"}, "denoise": {"size": 8}}
    for task, recipe in recipes.items():
        striate.train(data, task=task, batch=9, epochs=1, runs=home / task, **recipe)
    return home


@pytest.fixture
def home(trained, tmp_path, monkeypatch):
    """A copy to be harmed, as the current folder."""
    shutil.copytree(trained, tmp_path / "home")
    run = next((tmp_path / "home" / "classify").glob("photos-*"))
    facts = json.loads((run / "run.json").read_text())
    facts["data"] |= {"path": str(tmp_path / "home" / "photos"), "root": str(tmp_path / "home" / "photos")}
    (run / "run.json").write_text(json.dumps(facts))
    run.rename(tmp_path / "home" / "run")
    next((tmp_path / "home" / "denoise").glob("photos-*")).rename(tmp_path / "home" / "restorer")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_pattern_that_the_shell_expands_replaces_no_picture(home, capsys):
    """`striate predict RUN --csv *.png`: the first picture becomes the name of the table."""
    for picture in (home / "photos" / "class 1").iterdir():
        shutil.copy(picture, home)
    before = everything(home)
    code, out, err = call(capsys, "predict", "run", "--csv", *sorted(path.name for path in home.glob("*.png")))
    assert (code, out) == (2, "")
    assert err == (
        "error[usage]: --csv 01.png: it is there, and striate did not write it. Try: another name, or --force\n"
    )
    assert everything(home) == before
    code, out, err = call(capsys, "predict", "run", "01.png", "02.png", "--csv", "01.png", "--json")
    assert (code, json.loads(out.splitlines()[-1])["cause"]) == (2, "it is one of the pictures")
    assert everything(home) == before


@pytest.mark.parametrize(
    ("csv", "cause"),
    [
        ("photos/class 0/01.png", "it lies among the data of the run run"),
        ("run/predictions.csv", "it lies among the files of the run run"),
        ("run/split.csv", "it lies among the files of the run run"),
        ("run/epochs.csv", "it lies among the files of the run run"),
        ("restorer/result.json", "it is there, and striate did not write it"),
        ("theirs.csv", "it is there, and striate did not write it"),
        ("answered.csv", "it is there, and striate did not write it"),
        ("linked.csv", "it is one of the pictures"),
    ],
)
def test_a_table_is_written_over_a_table_of_predictions_alone(home, capsys, csv, cause):
    shutil.copytree(home / "photos" / "class 2", home / "new")
    (home / "theirs.csv").write_text("file,status,label,probability,what I think of it\n")
    (home / "answered.csv").write_text("file,status,height,width\n")  # another task's
    (home / "linked.csv").symlink_to(home / "new" / "01.png")
    before = everything(home)
    code, _, err = call(capsys, "predict", "run", "new", "--csv", csv)
    assert (code, cause in err) == (2, True), err
    assert everything(home) == before
    code, _, _ = call(capsys, "predict", "run", "new", "--csv", csv, "--force")
    assert code == 0
    assert (home / csv).read_text().startswith("file,status,label,")


def test_a_table_replaces_an_older_one_however_many_answers_it_lists(home, capsys):
    for top in (3, 1, 2):
        assert call(capsys, "predict", "run", "photos/class 0", "--csv", "answers.csv", "--top", str(top))[0] == 0
        assert (home / "answers.csv").read_text().partition("\n")[0].count("probability") == top
    for _ in range(2):  # a table beside the pictures, where it was written before
        assert call(capsys, "predict", "run", "photos", "--csv", "photos/answers.csv")[0] == 0


def test_pictures_are_written_beside_those_that_are_there_and_over_none(home, capsys):
    (home / "out").mkdir()
    (home / "out" / "01.png").write_text("theirs")
    (home / "out" / "02.png").symlink_to(home / "nowhere.png")
    words = ("predict", "restorer", "photos/class 0/01.png", "photos/class 0/02.png", "--out", "out")
    code, _, err = call(capsys, *words)
    assert (code, "no empty folder" in err, "or --force" in err) == (2, True, True)
    assert call(capsys, *words, "--force")[0] == 0
    assert (home / "out" / "01.png").read_text() == "theirs"
    assert sorted(path.name for path in (home / "out").iterdir()) == ["01-2.png", "01.png", "02-2.png", "02.png"]
    assert not (home / "nowhere.png").exists()


DRAWN = {
    "draw": ("draw", "lenet5", "--to", "drawn/bubbles.svg"),
    "memory": ("memory", "lenet5", "--curve", "drawn/bubbles.svg"),
    "compare": ("compare", "alexnet", "--no-measure", "--batch", "1", "--to", "drawn"),
}


@pytest.mark.parametrize("verb", DRAWN)
def test_a_drawing_replaces_a_drawing_and_nothing_else(tmp_path, monkeypatch, capsys, verb):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drawn").mkdir()
    path = tmp_path / "drawn" / "bubbles.svg"
    path.write_text("<svg>by hand</svg>")
    code, out, err = call(capsys, *DRAWN[verb])
    assert (code, out) == (2, "")
    assert "drawn/bubbles.svg: it is there, and striate did not write it. Try: another name, or --force" in err
    assert path.read_text() == "<svg>by hand</svg>"
    for words in ([*DRAWN[verb], "--force"], DRAWN[verb]):
        assert call(capsys, *words)[0] == 0
        assert path.read_text().count("<!-- drawn by striate -->") == 1


def test_a_page_replaces_a_page_and_nothing_else(home, capsys):
    page = home / "run" / "report.html"
    assert call(capsys, "report", "run")[0] == 0
    whole = page.read_bytes()
    page.write_text("<!doctype html>mine")
    code, _, err = call(capsys, "report", "run")
    assert (code, "report.html: it is there, and striate did not write it" in err) == (4, True)
    assert "moving it away, or --force" in err
    with pytest.raises(RunError, match="or force=True"):
        striate.write_report(home / "run")
    assert page.read_text() == "<!doctype html>mine"
    (home / "other.html").write_bytes(whole)
    page.unlink()
    page.symlink_to(home / "other.html")
    assert call(capsys, "report", "run")[0] == 4
    striate.write_report(home / "run", force=True)
    assert page.read_bytes() == whole


def test_weights_replace_weights_that_were_saved_and_nothing_else(tmp_path):
    net, path = striate.build("lenet5"), tmp_path / "mine.safetensors"
    for _ in range(2):
        weights.save(net, path, network="lenet5")
    path.write_bytes(b"theirs")
    with pytest.raises(UsageError, match="striate did not write it"):
        weights.save(net, path)
    weights.save(net, path, force=True)
    assert set(weights.read(path)) == set(net.state_dict())
