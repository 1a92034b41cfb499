"""Masks and pictures that are written for answers: what is in them, and that nothing is written over."""

import csv

import numpy as np
import pytest
from PIL import Image

from striate.base.errors import UsageError
from striate.data.picture.overlays import colours, covered, errors, outlined
from striate.predictor import Prediction
from striate.shell.pictures import Folder, folder
from striate.tasks.classify import Classify
from striate.tasks.reconstruct import Reconstruct
from striate.tasks.segment import Segment, Segmented

CLASSES = ("ground", "cell", "debris")
IDS = np.arange(20, dtype=np.uint8).reshape(4, 5) % 3


@pytest.fixture
def prediction(tmp_path):
    file = tmp_path / "given" / "one.png"
    file.parent.mkdir()
    Image.fromarray(np.full((4, 5), 200, np.uint8)).save(file)
    return Prediction(str(file), "ok", Segmented(IDS))


def test_a_mask_of_ids_keeps_its_numbers_and_shows_colours(tmp_path, prediction):
    (written,) = Folder(tmp_path, CLASSES).write(prediction)
    image = Image.open(written)
    assert image.mode == "P"
    assert (np.asarray(image) == IDS).all()
    assert (np.asarray(image.convert("RGB")) == colours(3)[IDS]).all()


def test_a_mask_of_colours_is_told_by_the_legend_beside_it(tmp_path, prediction):
    out = Folder(tmp_path, CLASSES, "colours")
    image = np.asarray(Image.open(out.write(prediction)[0]))
    (legend,) = out.legend()
    with open(legend, newline="") as file:  # noqa: PTH123 - as anybody reads it
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == list(CLASSES)
    for place, row in enumerate(rows):
        assert "#{:02x}{:02x}{:02x}".format(*image[place == IDS][0]) == row["colour"]
    (ids,) = Folder(tmp_path, CLASSES).legend()
    assert ids.endswith("classes-2.csv")


def test_more_classes_than_a_palette_holds_are_16_bits(tmp_path, prediction):
    ids = IDS.astype(np.int32) * 150
    out = Folder(tmp_path, tuple(map(str, range(301))))
    (written,) = out.write(Prediction(prediction.file, "ok", Segmented(ids)))
    assert (np.asarray(Image.open(written)) == ids).all()
    assert len(np.unique(colours(301), axis=0)) > 250


def test_an_overlay_lies_beside_the_mask_and_names_that_come_twice_are_numbered(tmp_path, prediction):
    out = Folder(tmp_path / "out", CLASSES, overlays=True)
    out.path.mkdir()
    written = out.write(prediction) + out.write(prediction)
    assert [path.rpartition("/")[2] for path in written] == [
        "one.png", "one-overlay.png", "one-2.png", "one-overlay-2.png",
    ]  # fmt: skip
    overlay = np.asarray(Image.open(written[1]))
    assert overlay.shape == (4, 5, 3)
    assert (overlay[IDS == 0] == 200).all()
    assert Folder(tmp_path / "out", CLASSES).write(Prediction("gone.png", "no such file", Segmented())) == []


def test_a_folder_is_new_or_empty_and_asked_for_what_there_is(tmp_path):
    made = folder(tmp_path / "new", Segment(CLASSES), None, True, False)
    assert made == Folder(tmp_path / "new", CLASSES, "ids", True)
    (tmp_path / "new" / "theirs.txt").write_text("theirs")
    with pytest.raises(UsageError, match="no empty folder"):
        folder(tmp_path / "new", Segment(CLASSES), None, False, False)
    assert folder(tmp_path / "new", Segment(CLASSES), None, False, True).masks == "ids"
    with pytest.raises(UsageError, match="no pictures"):
        folder(tmp_path / "other", Classify(CLASSES), None, False, False)
    for masks, overlays in (("ids", False), (None, True)):
        with pytest.raises(UsageError, match="without classes"):
            folder(tmp_path / "other", Reconstruct(), masks, overlays, False)
    assert not (tmp_path / "other").exists()


def test_borders_errors_and_covers_are_drawn_where_they_belong():
    ids = np.zeros((20, 20), np.uint8)
    ids[5:15, 5:15] = 1
    picture = np.full((20, 20, 1), 100, np.uint8)
    border = (outlined(picture, ids, 3) != 100).any(2)
    assert border[5, 5:15].all()
    assert not border[ids == 0].any()
    assert not border[8:12, 8:12].any()
    inside = covered(picture, ids, 3)[10, 10]
    assert (inside == 50 + colours(3)[1] // 2).all()
    truth = ids.copy()
    truth[0] = 255
    truth[6, 6], ids[18, 18], ids[0] = 0, 1, 1
    wrong = (errors(picture, truth, ids) != 50).any(2)
    assert np.argwhere(wrong).tolist() == [[6, 6], [18, 18]]
