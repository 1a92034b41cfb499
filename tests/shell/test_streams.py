"""A training and the terminal that it was started from: the one goes on when the other has trouble."""

import json
import os
import platform
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from striate.runs.run import open_run
from striate.shell.cli import main
from together import begun, ended
from typed import call

pytestmark = pytest.mark.slow
WORDS = ["train", "digits", "--save-every", "0"]
TRAIN = [sys.executable, "-m", "striate", *WORDS]


@pytest.mark.parametrize("trouble", ["readers that left", "a full disk"])
def test_streams_that_cannot_be_written_end_no_training(tmp_path: Path, trouble: str) -> None:
    command = [*TRAIN, "--epochs", "1", "--runs", str(tmp_path)]
    if trouble == "a full disk":
        process = subprocess.run(["sh", "-c", 'exec "$@" >/dev/full 2>&-', "sh", *command])
    else:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        process.stderr.close()
        process.wait()
    (run,) = tmp_path.glob("digits-*")
    assert process.returncode == 0
    assert open_run(run).status == "done"
    assert (run / "report.html").exists()


def test_another_command_says_that_its_output_is_lost() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "striate", "models"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 5
    assert done.stderr.startswith("error[environment]: standard output: it cannot be written (No space left on device)")
    assert done.stderr.count("\n") == 1


def test_a_terminal_that_hangs_up_is_a_stop_like_any_other(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    lead = "import os, sys, fcntl, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{lead}; os.execv(sys.argv[1], sys.argv[1:])", *TRAIN, "--runs", str(tmp_path)],
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    while process.poll() is None and not list(tmp_path.glob("*/checkpoints/step-*[1-9]")):
        if select.select([ours], [], [], 0.01)[0]:
            os.read(ours, 4096)
    os.close(ours)
    assert process.wait() == 129
    (run,) = tmp_path.glob("digits-*")
    assert open_run(run).status == "stopped"


def test_a_hang_up_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """As nohup starts a program."""

    def ignoring() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        main([*WORDS, "--epochs", "1", "--runs", str(tmp_path)])

    process = begun(ignoring)
    while process.is_alive() and not list(tmp_path.glob("*/checkpoints/step-*[1-9]")):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGHUP)
    assert ended([process]) == [0]
    (run,) = tmp_path.glob("digits-*")
    assert json.loads((run / "run.json").read_text())["status"] == "done"


def test_a_system_without_promises_is_told_so_first(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    told = []
    for system in ("Linux", "Darwin", "Windows"):
        monkeypatch.setattr(platform, "system", lambda system=system: system)
        code, _, err = call(capsys, "models", "lenet*")
        assert code == 0
        told.append(err)
    assert told[:2] == ["", ""]
    assert told[2].startswith("striate is promised on Linux and macOS.")
    assert told[2].count("\n") == 1
