"""The calls that are made from Python, as a person makes them."""

import pytest

import striate
from small import Notes
from striate.base.errors import UsageError

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
