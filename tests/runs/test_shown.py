"""Pictures of inside in a run folder: kept whole, bounded, checked when read, and never a reason for no page."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

import striate
from pages import Page, images
from pictures import photo
from small import photographs, train
from striate.base.errors import RunError
from striate.report.figures import Dot, intervals, standing
from striate.runs import shown
from striate.runs.shown import Inside, Picture
from typed import call

pytestmark = pytest.mark.slow
FIGURE = standing(intervals([Dot("block <1>", "50 %", 0.5, 0.4, 0.6)], (0, 1), "one"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    recipe = {"model": "resnet20", "model_options": {}, "batch": 9, "epochs": 1, "size": 16}
    return train(home / "runs", data=str(photographs(home / "photos")), keep_sealed=True, **recipe)


def files(run, subset):
    root = run.folder.parents[1] / "photos"
    return [root / line.name for line in run.lines if line.subset == subset]


def test_what_is_kept_is_read_again(tmp_path):
    pixels, grey = photo(40, 60, seed=1), photo(20, 20, seed=2)[..., :1]
    inside = Inside("A title", "striate blocks runs/a", (Picture(pixels, "one"), Picture(FIGURE, "two")))
    assert shown.keep(tmp_path, "blocks", inside) == 2
    assert shown.keep(tmp_path, "sheet", Inside("Other", "", (Picture(grey, "three"),))) == 1
    (first, second), notes = shown.read(tmp_path)
    assert notes == []
    assert (first.title, first.command, [each.caption for each in first.pictures]) == (
        "A title", "striate blocks runs/a", ["one", "two"],
    )  # fmt: skip
    np.testing.assert_array_equal(first.pictures[0].drawn, pixels)
    assert first.pictures[1].drawn == FIGURE
    np.testing.assert_array_equal(second.pictures[0].drawn, grey)
    assert shown.keep(tmp_path, "blocks", Inside("Newer", "", (Picture(grey, "four"),))) == 1
    assert [each.title for each in shown.read(tmp_path)[0]] == ["Newer", "Other"]
    assert sorted(path.name for path in (tmp_path / "inside" / "blocks").iterdir()) == [
        "1.png", "manifest.json", "shown.json",
    ]  # fmt: skip


def test_it_is_bounded_in_number_and_size(tmp_path, monkeypatch):
    many = Inside("Many", "x" * 9999, tuple(Picture(photo(150, 300, seed=each), "c" * 9999) for each in range(30)))
    told = shown.kept(tmp_path, "explain", many)
    assert told.startswith("24 pictures kept in ")
    assert told.endswith("; 6 more are not")
    ((read,), notes) = shown.read(tmp_path)
    assert notes == []
    assert {each.drawn.shape for each in read.pictures} == {(128, 256, 3)}
    assert len(read.command) < 450 > len(read.pictures[0].caption)
    noise = np.random.default_rng(0).integers(0, 256, (100, 2000, 3), np.uint8)
    assert shown.keep(tmp_path, "explain", Inside("", "", (Picture(noise, ""),)), 2000) == 1
    assert shown.read(tmp_path)[0][0].pictures[0].drawn.shape == (51, 1024, 3)
    monkeypatch.setattr(shown, "LARGEST", 100_000)  # it takes 157 KB
    assert shown.keep(tmp_path, "explain", Inside("", "", (Picture(noise, ""),)), 2000) == 0
    monkeypatch.setattr(shown, "LARGEST", 2**20)
    monkeypatch.setattr(shown, "ALL", 500_000)
    assert shown.keep(tmp_path, "explain", Inside("", "", (Picture(noise, ""),) * 24), 2000) == 3


DAMAGE = {
    "cut": ("1.png", lambda data: data[:-5], "were saved"),
    "changed": ("1.png", lambda data: data[:-5] + b"12345", "sha256 differs"),
    "no schema": ("shown.json", lambda data: b'{"title": 3}', "title"),
    "no JSON": ("shown.json", lambda data: b"{", "cannot be read"),
    "another file": ("shown.json", lambda data: data.replace(b"1.png", b"../1.png"), "file"),
    "one less": ("shown.json", lambda data: data.replace(b"1.png", b"2.png"), "not those that lie beside it"),
    "no picture": ("1.png", lambda data: b"GIF or not", "1.png: looks like text"),
    "too large": ("1.png", lambda data: data + bytes(2**21), "at most 2,097,152"),
    "an entity": ("2.svg", lambda data: b"<!DOCTYPE svg>" + data, "it is no SVG of striate's"),
    "no SVG": ("2.svg", lambda data: b"<svg xmlns='http://www.w3.org/2000/svg'>", "cannot be read"),
    "a page": ("2.svg", lambda data: b"<html/>", "it is no SVG of striate's"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_damaged_or_foreign_is_a_sentence(kind, tmp_path):
    name, change, cause = DAMAGE[kind]
    shown.keep(tmp_path, "explain", Inside("One", "", (Picture(photo(20, 20), "a"), Picture(FIGURE, "b"))))
    shown.keep(tmp_path, "sheet", Inside("Other", "", ()))
    path = tmp_path / "inside" / "explain" / name
    path.write_bytes(change(path.read_bytes()))
    if kind not in ("cut", "changed"):  # somebody else's folder, whole
        manifest = path.with_name("manifest.json")
        told = json.loads(manifest.read_bytes())
        data = path.read_bytes()
        told[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        manifest.write_text(json.dumps(told))
    found, (note,) = shown.read(tmp_path)
    assert [each.title for each in found] == ["Other"]
    assert note.startswith("What explain kept in inside/ cannot be shown (")
    assert cause in note


def test_a_link_is_not_followed_and_a_killed_save_is_not_missed(tmp_path):
    one = Inside("One", "", ())
    shown.keep(tmp_path, "explain", one)
    home = tmp_path / "inside"
    (home / "explain").rename(home / ".explain.old")  # a kill came between the two renames
    assert [each.title for each in shown.read(tmp_path)[0]] == ["One"]
    (home / "sheet").symlink_to(home / ".explain.old")
    assert shown.read(tmp_path)[1] == [
        "What sheet kept in inside/ cannot be shown (sheet: it is a link, and nothing behind a link is read)."
    ]
    home.rename(tmp_path / "elsewhere")
    home.symlink_to(tmp_path / "elsewhere")
    assert shown.read(tmp_path)[0] == []
    assert "it is a link" in shown.read(tmp_path)[1][0]
    with pytest.raises(RunError, match="it is a link"):
        shown.keep(tmp_path, "explain", one)
    assert shown.kept(tmp_path, "explain", one).startswith("nothing could be kept")
    home.unlink()
    home.write_text("a file")
    assert shown.read(tmp_path) == ([], ["What was kept in inside/ cannot be shown (Not a directory)."])


def test_the_report_shows_what_the_command_kept(run, tmp_path, capsys):
    one, other = files(run, "val")[:2]
    before = images(striate.write_report(run).read_text())
    words = ("explain", run.folder, one, other, "--method", "cam", "guided", "--out", tmp_path / "out", "--keep")
    code, _, err = call(capsys, *words)
    assert code == 0
    assert f"6 pictures kept in {run.folder / 'inside'}, which `striate report {run.folder}` shows" in err
    assert call(capsys, "report", run.folder)[0] == 0
    text = (run.folder / "report.html").read_text()
    assert len(images(text)) == len(before) + 6
    assert {"href": "#inside"} in [attributes for tag, attributes in Page(text).tags if tag == "a"]
    assert f"{one.name}, cam: " in text
    assert "<code>striate explain …/photos-resnet20-1 …/" in text  # no folder of the user's
    assert str(tmp_path) not in text
    (run.folder / "inside" / "explain" / "1.png").write_bytes(b"")
    assert call(capsys, "report", run.folder)[0] == 0
    text = (run.folder / "report.html").read_text()
    assert 'id="inside"' not in text
    assert "What explain kept in inside/ cannot be shown (1.png: 0 bytes where" in text


def test_a_figure_is_shown_as_an_image_of_its_own(run):
    shown.keep(run.folder, "blocks", Inside("Blocks", "", (Picture(FIGURE, "what blocks do"),)))
    text = striate.write_report(run).read_text()
    (source,) = [attributes["src"] for tag, attributes in Page(text).tags if attributes.get("alt") == "what blocks do"]
    assert source.startswith("data:image/svg+xml;base64,")
    assert "block &lt;1&gt;" in FIGURE


def test_a_sealed_picture_is_kept_only_when_its_test_set_has_a_result(run):
    sealed, val = files(run, "test")[0], files(run, "val")[0]
    notes = striate.explain(run, [sealed, val], method="grad-cam", keep=True)[-1].notes
    assert "1 sealed picture not kept: the test set of this run has no result yet" in notes
    kept = {each.title: each for each in shown.read(run.folder)[0]}["What answers rest on"]
    assert [each.caption.partition(" ")[0].strip(",") for each in kept.pictures] == [val.name, val.name]
    assert kept.command.startswith("striate.explain('")
    run.evaluate(open_test=True)
    assert not any("not kept" in each for each in striate.explain(run, [sealed, val], keep=True)[-1].notes)
    kept = {each.title: each for each in shown.read(run.folder)[0]}["What answers rest on"]
    assert sealed.name in kept.pictures[0].caption


def test_explained_as_svg_holds_the_same_pixels(run, tmp_path, capsys):
    one, out = files(run, "val")[0], tmp_path / "out"
    assert call(capsys, "explain", run.folder, one, "--out", out, "--format", "svg")[0] == 0
    assert call(capsys, "explain", run.folder, one, "--out", tmp_path / "png")[0] == 0
    (svg,) = out.glob("*.svg")
    (pixels,) = images(svg.read_text().replace('href="data', 'src="data'))
    (png,) = (tmp_path / "png").glob("*.png")
    assert pixels == png.read_bytes()
    assert "<title>cam of class " in svg.read_text()
    with Image.open(png) as image:
        assert f'width="{image.width}" height="{image.height}"' in svg.read_text()


def test_keep_is_of_a_run(run, tmp_path, capsys):
    Image.fromarray(photo(40, 50)).save(tmp_path / "one.png")
    code, _, err = call(capsys, "explain", "resnet20", tmp_path / "one.png", "--keep", "--out", tmp_path / "out")
    assert code == 2
    assert "without weights" in err
    with pytest.raises(striate.base.errors.UsageError, match="this is no run"):
        striate.explain(run.predictor, tmp_path / "one.png", keep=True)
