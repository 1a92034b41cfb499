"""Groups from a table to a result, through a stop and a page."""

import os
import signal
from collections import defaultdict
from pathlib import Path

import pytest

from small import Notes, data_of, digest, train
from striate.base.errors import DataError, Interrupted
from striate.evaluate.result import result
from striate.report import collect
from striate.runs.run import open_run
from striate.training.plan import Execution
from striate.training.train import resume_run

pytestmark = pytest.mark.slow
SHORT = {"model": "resnet20", "size": 32, "batch": 9, "epochs": 1, "augment": "none"}


def patients(home: Path) -> str:
    """The photographs as a table, three pictures of a patient."""
    table = Path(data_of("table", home))
    head, *lines = table.read_text().splitlines()
    seen: dict[str, int] = defaultdict(int)
    for place, line in enumerate(lines):
        label = line.rpartition(",")[2]
        lines[place] = f"{line},patient {seen[label] // 2 % 6}"
        seen[label] += 1
    table.write_text("\n".join([f"{head},patient", *lines]))
    return str(table)


class Impatient(Notes):
    def progress(self, name: str, done: int, total: int, left: float | None = None) -> None:
        if name.startswith("epoch 1 of") and done == 2:
            os.kill(os.getpid(), signal.SIGINT)


def test_groups_are_kept_together_counted_and_drawn_also_after_a_stop(tmp_path: Path) -> None:
    data, listener = patients(tmp_path), Notes()
    whole = train(tmp_path / "a", data=data, listener=listener, **SHORT)
    of = defaultdict(set)
    for line in whole.lines:
        of[line.group].add(line.subset)
    assert len(of) == 6
    assert all(len(each) == 1 for each in of.values())
    counts = {name: sum(each == {name} for each in of.values()) for name in ("train", "val", "test")}
    told = dict(whole.facts["groups"])
    assert len(told.pop("digest")) == 64
    assert told == {"by": "a column of the table", **counts}
    assert any(text.startswith("6 groups by a column of the table: ") for text in listener.said)
    assert [each["groups"] for each in whole.result["numbers"]] == [counts["test"]] * 3
    with pytest.raises(Interrupted):
        train(tmp_path / "b", data=data, listener=Impatient(), **SHORT)
    (folder,) = (tmp_path / "b").iterdir()
    resumed = resume_run(folder, Execution(), Notes())
    assert resumed is not None
    assert digest(resumed) == digest(whole)
    assert resumed.result == whole.result
    assert resumed.facts["groups"] == whole.facts["groups"]
    # what is made of the run later draws the same groups
    kept = open_run(whole.folder).evaluate()
    assert kept.numbers["numbers"][0]["groups"] == counts["val"]
    again = whole.evaluate(open_test=True)
    assert again.numbers["numbers"] == whole.result["numbers"]
    material = collect.collect(whole)
    assert any("Intervals and tests draw groups." in note for note in material.notes)
    (classes,) = (each for each in material.sections if each.name == "classes")
    assert classes.blocks[0].rows[0][2]["recall"]["groups"] <= counts["test"]


def test_the_split_of_a_run_is_that_of_another_and_no_subset_may_part_a_group(tmp_path: Path) -> None:
    data = patients(tmp_path)
    first = train(tmp_path / "runs", data=data, split_seed=3, **SHORT)
    given = str(first.folder / "split.csv")
    second = train(tmp_path / "runs", data=data, split=given, **SHORT)
    assert (second.folder / "split.csv").read_bytes() == (first.folder / "split.csv").read_bytes()
    assert digest(second) == digest(first)
    table = tmp_path / "other.csv"
    head, line, *lines = Path(given).read_text().splitlines()
    subset = line.rpartition(",")[2]
    moved = line.removesuffix(subset) + ("val" if subset != "val" else "test")
    table.write_text("\n".join([head, moved, *lines]))
    with pytest.raises(DataError, match=r"1 group in several subsets: 'patient 0' in"):
        train(tmp_path / "runs", data=data, split=str(table), **SHORT)


def test_other_pictures_are_answered_by_their_groups_and_a_run_without_any_has_none(tmp_path: Path) -> None:
    run = train(tmp_path / "runs", data=patients(tmp_path), groups="none", **SHORT)
    assert "groups" not in run.facts
    assert all("groups" not in each for each in run.result["numbers"])
    assert result(run.task, run.kept["test"].rows, "test")["numbers"] == run.result["numbers"]
    assert {line.group for line in run.lines} == {""}
