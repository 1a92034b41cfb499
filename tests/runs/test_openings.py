"""How often a test set was opened, by the list in the run folder and the one beside it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from striate.base.errors import MachineError, RunError
from striate.runs.openings import (
    LARGEST,
    NAME,
    Opening,
    close_opening,
    opening_of,
    record_opening,
    times_opened,
)

TEST = {"digest": "d" * 64, "n": 9}
OLD = json.dumps({"test_set": TEST["digest"], "n": 9, "run": "old-1"})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "run-1"
    folder.mkdir(parents=True)
    return folder


def opened(run: Path, name: str) -> int:
    """A test set opened by whoever has that name; how often it is opened by now."""
    return record_opening(run, Opening(name, TEST["digest"], TEST["n"]))[0]


def test_an_opening_counts_once_in_two_lists_and_when_it_is_recorded_again(run: Path) -> None:
    assert times_opened(run, TEST["digest"]) == 0
    assert [opened(run, name) for name in ("a", "a", "b", "a")] == [1, 1, 2, 2]
    assert times_opened(run, TEST["digest"]) == 2
    assert times_opened(run, "e" * 64) == 0
    for path in (run / NAME, run.parent / NAME):
        assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["a", "b"]


def test_lines_of_before_there_were_ids_count_as_before_and_not_twice(run: Path) -> None:
    (run.parent / NAME).write_text(f"{OLD}\n{OLD}\n")
    assert times_opened(run, TEST["digest"]) == 2
    assert [opened(run, name) for name in ("a", "b")] == [3, 4]
    assert len((run / NAME).read_text().splitlines()) == 4
    (run / NAME).write_text(f"{OLD}\n")
    assert times_opened(run, TEST["digest"]) == 4, "the old line in both lists is one"


def test_a_copied_run_takes_its_openings_along_and_gives_them_to_the_list_that_it_finds(run: Path) -> None:
    sibling = run.parent / "run-2"
    sibling.mkdir()
    opened(sibling, "sibling's")
    opened(run, "own")
    copy = Path(shutil.copytree(run, run.parent.parent / "elsewhere" / "renamed"))
    (copy.parent / NAME).write_text(f"{OLD}\n")
    assert times_opened(copy, TEST["digest"]) == 3
    assert opened(copy, "copy's") == 4
    other = copy.parent / "other"
    other.mkdir()
    assert times_opened(other, TEST["digest"]) == 4
    shutil.rmtree(run.parent)
    assert times_opened(copy, TEST["digest"]) == 4


@pytest.mark.parametrize(
    "line",
    [OLD[:-1], OLD[:40], "{", "[]", "null", '{"test_set": 5}', '{"answered": {}}', "\xff", "[" * 10_000, ""],
    ids=range(10),
)
def test_torn_and_foreign_lines_count_nothing_stay_and_do_not_stop_the_next(run: Path, line: str) -> None:
    for path in (run / NAME, run.parent / NAME):
        path.write_bytes(line.encode("latin-1"))
    assert times_opened(run, TEST["digest"]) == 0
    assert [opened(run, name) for name in ("a", "b")] == [1, 2]
    assert (run / NAME).read_bytes().startswith(line.encode("latin-1"))


@pytest.mark.parametrize("blocked", ["folder", "pipe", "link"])
def test_one_list_that_cannot_be_written_to_is_enough_and_told(run: Path, tmp_path: Path, blocked: str) -> None:
    def block(path: Path) -> None:
        if blocked == "pipe":
            os.mkfifo(path)
        elif blocked == "link":
            (tmp_path / "mine").write_text("mine")
            path.symlink_to(tmp_path / "mine")
        else:
            path.mkdir()

    block(run.parent / NAME)
    times, notes = record_opening(run, Opening("a", TEST["digest"], 9))
    assert (times, len(notes), notes[0].startswith(str(run.parent / NAME))) == (1, 1, True)
    assert times_opened(run, TEST["digest"]) == 1
    (run / NAME).unlink()
    block(run / NAME)
    with pytest.raises(MachineError, match="stays unwritten"):
        opened(run, "b")
    assert blocked != "link" or (tmp_path / "mine").read_text() == "mine"


def test_a_list_that_could_not_be_written_to_is_given_what_it_lacks_when_it_can(run: Path) -> None:
    (run / NAME).mkdir()
    assert opened(run, "a") == 1
    (run / NAME).rmdir()
    assert times_opened(run, TEST["digest"]) == 1
    assert (run / NAME).read_bytes() == (run.parent / NAME).read_bytes()


def test_a_list_that_is_too_large_to_be_one_is_a_sentence(run: Path) -> None:
    with (run / NAME).open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(RunError, match="are no list of openings"):
        times_opened(run, TEST["digest"])


def test_what_was_not_answered_is_the_same_opening_when_it_is_asked_again(run: Path) -> None:
    first = opening_of(run, ["who", "what"], TEST)
    assert opening_of(run, ["who", "what"], TEST) == first
    assert opening_of(run, ["who", "else"], TEST) != first
    record_opening(run, first)
    assert opening_of(run, ["who", "what"], TEST) == first
    close_opening(run, first)
    second = opening_of(run, ["who", "what"], TEST)
    assert second != first
    assert record_opening(run, second)[0] == 2
    assert opening_of(run, ["who", "what"], TEST, again=False) == first
