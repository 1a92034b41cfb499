"""What a person sees of a work: a line an epoch where nobody watches, a bar that fits where someone does."""

import itertools
import os
import pty
import re
import time

import pytest

from striate.base import screen
from striate.base.screen import Screen, fitting
from striate.training.execution import Epoch


def epoch(number, total=40, left=75.0):
    row = {
        "epoch": number, "steps": 17 * number, "rate": 0.0042, "train_loss": 0.8, "val_loss": 0.4,
        "val_accuracy": 0.931, "seconds": 1.25,
    }  # fmt: skip
    return Epoch(row, row | {"val_accuracy": 0.95}, total, frozenset({"accuracy"}), left)


def test_off_a_terminal_each_epoch_is_a_line(capsys):
    with Screen() as seen:
        for number in (1, 2):
            for done in range(17):
                seen.progress(f"epoch {number} of 2", done + 1, 17, 3.0)
            seen.epoch(epoch(number, total=2, left=(2 - number) * 75.0))
    out, err = capsys.readouterr()
    line = "rate 0.00420, training loss 0.800, validation loss 0.400, accuracy 93.10 % (best was 95.00 %), 1.2 s"
    assert out.splitlines() == [f"epoch 1 of 2: {line}, 75 s left", f"epoch 2 of 2: {line}"]
    assert err == ""


def test_where_a_program_reads_the_lines_go_to_stderr(capsys):
    with Screen(quiet=True) as seen:
        seen.epoch(epoch(1))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("epoch 1 of 40: ")


def test_off_a_terminal_a_long_work_breaks_its_silence_ever_more_rarely(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Screen() as seen:
        for done in range(1, 301):
            now[0] = float(done)
            seen.progress("scanning pictures", done, 3000)
    told = [
        int(re.match(r"scanning pictures: (\d+) of 3,000$", line)[1]) for line in capsys.readouterr().out.splitlines()
    ]
    assert told[:3] == [10, 30, 70]
    assert max(after - before for before, after in itertools.pairwise(told)) == screen.MOST_SILENCE


@pytest.mark.parametrize("width", [20, 40, 80, 130])
def test_the_bar_is_one_line_of_any_terminal(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="ascii", errors="backslashreplace") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        with Screen() as seen:
            seen.epoch(epoch(2))
            seen.progress("epoch 3 of 40", 5, 17, 75.0)
            seen._bar.refresh()
        terminal.write("THE END")
        terminal.flush()
        shown = ""
        while "THE END" not in shown:
            shown += os.read(ours, 65536).decode()
    os.close(ours)
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip() for line in re.split(r"[\r\n]+|\x1b\[2K", shown)]
    assert max(map(len, lines)) <= width
    assert any(line.startswith("epoch 3 of 40") for line in lines)
    assert any("75 s left" in line for line in lines) == (width >= 40)
    assert any("accuracy 93.10 %  best 95.00 %" in line for line in lines) == (width >= 80)
    assert any("loss 0.800  rate 0.00420" in line for line in lines) == (width >= 130)
    assert not any("epoch 2 of 40:" in line for line in lines)


def test_parts_are_left_out_whole():
    assert fitting(["5/17", "75 s left", "accuracy 93 %"], 15) == "5/17  75 s left"
    assert fitting(["5/17"], 3) == ""
