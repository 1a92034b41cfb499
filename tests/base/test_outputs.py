"""What a file that was asked for may replace."""

import os
from pathlib import Path

import pytest

from striate.base.errors import MachineError, UsageError
from striate.base.outputs import MARK, Output, known_by, marked


def output(path: Path, *read: Path, force: bool = False) -> Output:
    return Output(f"--to {path}", path, known_by(MARK), [("the pictures", each) for each in read], force)


def refused(path: Path, *read: Path) -> str:
    """Why, at both times when it is asked; and force is the way out that is named."""
    causes = []
    for ask in (Output.check, lambda asked: asked.write(b"new")):
        with pytest.raises(UsageError) as caught:
            ask(output(path, *read))
        causes.append(caught.value.cause)
    assert caught.value.hint == "another name, or force=True"
    assert causes[0] == causes[1]
    return causes[0]


def test_a_new_name_an_empty_file_and_our_own_file_are_written(tmp_path: Path) -> None:
    (tmp_path / "empty.svg").touch()
    for name in ("new.svg", "empty.svg", "new.svg"):
        output(tmp_path / name).write(marked("<svg/>"))
        assert (tmp_path / name).read_bytes() == f"{MARK}\n<svg/>".encode()
    assert marked('<?xml version="1.0"?>\n<svg/>').startswith(b"<?xml")  # a comment before that would be no XML


def test_what_striate_did_not_write_stays_unless_force_insists(tmp_path: Path) -> None:
    path = tmp_path / "theirs.svg"
    path.write_text("<svg>by hand</svg>")
    assert refused(path) == "it is there, and striate did not write it"
    assert path.read_text() == "<svg>by hand</svg>"
    output(path, path, force=True).write(b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("way", ["itself", "link", "hard link", "another spelling", "through a linked folder"])
def test_an_input_is_known_by_whatever_name_it_has(tmp_path: Path, way: str) -> None:
    """Even an input that could pass for a file of striate's, or that is empty."""
    folder = tmp_path / "photos"
    folder.mkdir()
    picture = folder / "a.svg"
    for data in (marked("<svg/>"), b""):
        picture.write_bytes(data)
        other = tmp_path / "other.svg"
        other.unlink(missing_ok=True)
        if way == "link":
            other.symlink_to(picture)
        elif way == "hard link":
            os.link(picture, other)
        elif way == "another spelling":
            other = folder / ".." / "photos" / "a.svg"
        elif way == "through a linked folder":
            (tmp_path / "linked").unlink(missing_ok=True)
            (tmp_path / "linked").symlink_to(folder)
            other = tmp_path / "linked" / "a.svg"
        else:
            other = picture
        assert refused(other, picture) == "it is one of the pictures"
        assert picture.read_bytes() == data


def test_below_a_folder_that_is_read_new_and_own_files_are_written_and_others_stay(tmp_path: Path) -> None:
    below = tmp_path / "photos" / "cat"
    below.mkdir(parents=True)
    for name, data in (("a.png", b"a picture"), ("none.txt", b"")):
        (below / name).write_bytes(data)
        assert refused(below / name, tmp_path / "photos") == "it lies among the pictures"
        assert (below / name).read_bytes() == data
    for _ in range(2):
        output(below / "new.svg", tmp_path / "photos", tmp_path / "gone").write(marked("<svg/>"))


def test_where_no_file_can_be_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for place in ("folder", "pipe", "none/below.svg"):
        with pytest.raises(MachineError):
            output(tmp_path / place, force=True).check()


def test_a_file_that_came_while_work_was_done_stays(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    asked = output(path)
    asked.check()
    path.write_text("theirs")
    with pytest.raises(UsageError, match="striate did not write it"):
        asked.write(b"new")
    assert path.read_text() == "theirs"
