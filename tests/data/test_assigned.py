"""A split that is given back."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from striate.base.errors import DataError, UsageError
from striate.data.contents import Files
from striate.data.samples import Checked, Samples, Skip
from striate.data.sources.assigned import assigned, names_table
from striate.data.splits import cut
from striate.data.targets import Labels
from striate.runs.subsets import write_split

NAMES = ("=odd.png", "b/1.png", "b/\udc80.png", "c/1.png", "c/2.png", "d.png")


def samples(contents: str = "abcdef", labels: tuple[int, ...] = (0, 1, 0, 1, 0, 1)) -> Samples:
    digests = tuple(hashlib.sha256(each.encode()).hexdigest() for each in contents)
    return Samples(
        name="made", source="folder", root=None, names=NAMES, read=Checked(Files(Path(), NAMES), digests),
        digests=digests, targets=Labels(("one", "two"), np.array(labels)), sizes=np.ones((6, 2), np.int32),
    )  # fmt: skip


def table(folder: Path, lines: str) -> str:
    path = folder / "table.csv"
    path.write_text(lines)
    return str(path)


WHOLE = "path,split\n=odd.png,train\nb/1.png,training\nb/\\x80.png,VAL\nc/1.png,valid\n./c/2.png,test\nd.png,test\n"


def test_a_table_says_of_each_picture_where_it_is(tmp_path: Path) -> None:
    found, notes = assigned(table(tmp_path, WHOLE), samples(), allow_leak=False)
    assert (found, notes) == (["train", "train", "val", "val", "test", "test"], [])


def test_the_split_of_a_run_gives_the_same_split_whatever_the_pictures_are_called(tmp_path: Path) -> None:
    for seed in range(5):
        split = cut(samples(), (1 / 3, 1 / 3, 1 / 3), seed)
        write_split(tmp_path, samples(), split)
        found, _ = assigned(str(tmp_path / "split.csv"), samples(), allow_leak=False)
        again = cut(samples(), (0.6, 0.2, 0.2), 77, given=found)
        assert again.subset_of() == split.subset_of()


def test_pictures_that_were_skipped_may_be_in_it(tmp_path: Path) -> None:
    held = dataclasses.replace(samples(), skipped=(Skip("broken.png", "cut off"),))
    assert len(assigned(table(tmp_path, WHOLE + "broken.png,train\n"), held, allow_leak=False)[0]) == 6


@pytest.mark.parametrize(("lines", "cause"), [
    ("path,split\nb/1.png,train\n", "no line for 5 of 6 pictures: =odd.png, b/\\x80.png, c/1.png and 2 more"),
    ("path,split\nx/b/1.png,train\n",
     "no line for 6 of 6 pictures: =odd.png, b/1.png, b/\\x80.png and 3 more; it has lines for x/b/1.png"),
    (WHOLE + "e.png,val\n", "1 line of no picture of these data: e.png"),
    (WHOLE + "d.png,val\n", "line 8: d.png again, in val and before in test"),
    (WHOLE.replace("VAL", "none"), "line 4: 'b/\\\\x80.png' in 'none'"),
    (WHOLE.replace("train", "val").replace("valing", "val"), "no picture is in train"),
    (WHOLE.replace("split", "part"), "no column of the subset: the first line is 'path', 'part'"),
    (WHOLE.replace("path,split", "file,split,path"), "2 columns could be the path"),
    (WHOLE.replace("b/1.png,training", "b/1.png,val"), "classes without a picture in train: 'two'"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_a_sentence(tmp_path: Path, lines: str, cause: str) -> None:
    with pytest.raises(DataError) as caught:
        assigned(table(tmp_path, lines), samples(), allow_leak=False)
    assert caught.value.cause == cause


def test_a_split_that_parts_copies_is_refused_with_their_names_unless_that_is_allowed(tmp_path: Path) -> None:
    leaking = "1 leaked file, the same bytes in two subsets: b/1.png in train = d.png in test"
    with pytest.raises(DataError) as caught:
        assigned(table(tmp_path, WHOLE), samples("abcdeb"), allow_leak=False)
    assert caught.value.cause == leaking
    assert "allow_leak" in caught.value.hint
    assert assigned(table(tmp_path, WHOLE), samples("abcdeb"), allow_leak=True)[1] == [leaking]


def test_a_file_that_is_not_there_is_told_and_shares_are_none() -> None:
    with pytest.raises(UsageError, match=r"split: no such file: nothing\.csv"):
        assigned("nothing.csv", samples(), allow_leak=False)
    assert not names_table("60/20/20")
