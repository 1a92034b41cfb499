"""What a person marked to be filled, by the names of pictures; each fault a sentence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.base.errors import DataError
from striate.data.picture.pixels import PIXELS
from striate.data.sources.holes import holes_in

MARKS = np.zeros((5, 7), np.uint8)
MARKS[1:3, 2:6] = 255


def marked(path, values=MARKS, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    (image if mode is None else image.convert(mode)).save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "P"])
def test_one_picture_marks_all_others_whatever_it_is_saved_as(tmp_path, mode):
    holes = holes_in(marked(tmp_path / "mask.png", mode=mode))
    for name in ("a.png", "b.jpg"):
        assert np.array_equal(holes.of(Path(name), (5, 7), PIXELS), MARKS > 0)


def test_in_a_folder_they_are_found_by_name(tmp_path):
    marked(tmp_path / "masks" / "a.png")
    marked(tmp_path / "masks" / "deeper" / "b.2.bmp", MARKS[::-1].copy())
    holes = holes_in(tmp_path / "masks")
    assert np.array_equal(holes.of(Path("photos/a.jpg"), (5, 7), PIXELS), MARKS > 0)
    assert np.array_equal(holes.of(Path("b.2.png"), (5, 7), PIXELS), MARKS[::-1] > 0)
    with pytest.raises(DataError, match=r"has no mask of its name.*c\.png there"):
        holes.of(Path("c.jpg"), (5, 7), PIXELS)


def test_each_fault_is_told_with_both_names(tmp_path):
    mask = marked(tmp_path / "a.png")
    with pytest.raises(DataError, match=rf"photo\.jpg: its mask {mask} is 7x5, and the picture 6x5"):
        holes_in(mask).of(Path("photo.jpg"), (5, 6), PIXELS)
    with pytest.raises(DataError, match="has nothing white"):
        holes_in(marked(tmp_path / "b.png", MARKS // 3)).of(Path("photo.jpg"), (5, 7), PIXELS)
    with pytest.raises(DataError, match="no such file"):
        holes_in(tmp_path / "none.png")
    marked(tmp_path / "a.bmp")
    with pytest.raises(DataError, match="have one name"):
        holes_in(tmp_path)
