"""The calls that are made from Python, as a person makes them."""

from pathlib import Path

import pytest

import striate
from small import Notes, photographs
from striate.base.errors import UsageError
from striate.shell.cli import main

pytestmark = pytest.mark.slow


def test_a_training_from_python_is_seen_unless_it_is_to_be_quiet_or_another_listens(tmp_path, capsys):
    striate.train("digits", epochs=2, runs=tmp_path)
    out, err = capsys.readouterr()
    assert [line.partition(":")[0] for line in out.splitlines() if line.startswith("epoch")] == [
        "epoch 1 of 2", "epoch 2 of 2",
    ]  # fmt: skip
    assert (f"{tmp_path}/digits-lenet5-1: lenet5 on" in out, err) == (True, "")
    striate.train("digits", epochs=1, runs=tmp_path, quiet=True)
    notes = Notes()
    striate.train("digits", epochs=1, runs=tmp_path, listener=notes)
    assert capsys.readouterr() == ("", "")
    assert any("digits-lenet5-3: lenet5 on" in said for said in notes.said)
    with pytest.raises(UsageError, match="a listener is told in any case"):
        striate.train("digits", runs=tmp_path, listener=notes, quiet=True)


def test_a_path_is_a_text_or_a_path_and_may_begin_at_home_wherever_one_is_taken(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "digits", each=8)  # a path is never taken for the built-in set
    quick = {"model": "lenet5", "batch": 9, "epochs": 1, "quiet": True}
    run = striate.train(Path("digits"), runs="~/runs", **quick)
    assert (run.folder, run.classes) == (tmp_path / "runs" / "digits-lenet5-1", ("class 0", "class 1", "class 2"))
    for name in ("~/runs/digits-lenet5-1", "runs/digits-lenet5-1", Path("~/runs/digits-lenet5-1"), run):
        assert striate.open_run(name).facts == run.facts
        assert striate.write_report(name) == Path(striate.open_run(name).folder) / "report.html"
    for root in ("~/runs", "runs", Path("runs"), Path("~/runs")):
        assert [each.name for each in striate.list_runs(root)] == [run.name]
    assert [each.name for each in striate.list_runs()] == [run.name]
    Path("digits").rename("moved")
    assert run.evaluate(moved="~/moved").numbers["n"] == run.facts["split"]["val"]["n"]
    assert run.evaluate(Path("moved")).numbers["n"] == run.evaluate("~/moved").numbers["n"] == 24
    again = striate.train(Path("moved"), runs=Path("~/runs"), weights=Path("runs") / run.name, **quick)
    assert again.folder == tmp_path / "runs" / "moved-lenet5-1"
    with pytest.raises(SystemExit) as left:
        main(["runs", "~/runs"])
    assert (left.value.code, capsys.readouterr().out.count("lenet5-1\tlenet5")) == (0, 2)
