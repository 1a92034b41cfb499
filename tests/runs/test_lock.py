"""Who trains a run, where the system has locks and where it has none; and that nobody who looks is in the way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from striate.base.errors import MachineError, RunError
from striate.runs.lock import LOCK, MARK, alone, is_held

HOLD = """
import sys
from pathlib import Path
from striate.runs.lock import alone
with alone(Path(sys.argv[1]), lambda text: print(text, flush=True)):
    print("held", flush=True)
    sys.stdin.read()
"""
WITHOUT = ["strace", "-qq", "-o", os.devnull, "-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"]
without_locks = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def holding(folder: Path, *before: str) -> "tuple[subprocess.Popen[str], list[str]]":
    """A process that holds the run, and what it said until it did."""
    process = subprocess.Popen(
        [*before, sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line.strip())
        if lines[-1] == "held":
            break
    return process, lines


def ended(process: "subprocess.Popen[str]") -> None:
    """`process` is asked to end, and is waited for."""
    process.communicate("")


@pytest.mark.slow
def test_looking_never_keeps_a_training_from_its_run_and_never_mistakes_one_look_for_a_training(tmp_path: Path) -> None:
    stop, mistaken = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            mistaken.append(is_held(tmp_path))

    (tmp_path / LOCK).touch()
    looks = "from striate.runs.lock import is_held; from pathlib import Path\nwhile True: is_held(Path(sys.argv[1]))"
    others = [subprocess.Popen([sys.executable, "-c", f"import sys; {looks}", str(tmp_path)]) for _ in range(2)]
    threads = [threading.Thread(target=look) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        while len(mistaken) < 1000:
            stop.wait(0.01)
        assert not any(mistaken)
        for _ in range(50):
            with alone(tmp_path, print):
                assert is_held(tmp_path)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for process in others:
            process.kill()
            process.wait()


def test_a_look_writes_nothing(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    assert not is_held(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("by", [[], pytest.param(WITHOUT, marks=without_locks)], ids=["locks", "none"])
def test_a_run_that_is_held_is_refused_at_once_and_is_free_when_its_process_has_gone(
    tmp_path: Path, by: list[str]
) -> None:
    process, lines = holding(tmp_path, *by)
    try:
        assert is_held(tmp_path)
        assert ("this file system has no locks (No locks available)" in lines[0]) == bool(by), lines
        with pytest.raises(RunError, match="another process is training this run"), alone(tmp_path, print):
            pass
    finally:
        ended(process)
    assert not is_held(tmp_path)
    with alone(tmp_path, print):
        pass
    assert not (tmp_path / MARK).exists()


@without_locks
def test_without_locks_a_mark_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    process, _ = holding(tmp_path, *WITHOUT)
    os.kill(json.loads((tmp_path / MARK).read_text())["pid"], signal.SIGKILL)
    ended(process)
    assert (tmp_path / MARK).exists()
    assert not is_held(tmp_path)
    process, _ = holding(tmp_path, *WITHOUT)
    assert is_held(tmp_path)
    ended(process)
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize("name", [LOCK, MARK])
def test_a_folder_in_the_place_of_a_lock_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    is_held(tmp_path)
    with pytest.raises(MachineError), alone(tmp_path, print):
        pass
    assert (tmp_path / name).is_dir()


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({}, True),
        ({"started": "1"}, False),
        ({"pid": 2**22 + 1}, False),
        ({"host": "another"}, True),
        ({"host": "another", "pid": 2**22 + 1}, True),
        ({"numbers": "pid:[1]", "pid": 2**22 + 1}, True),
        ({"pid": "1"}, None),
    ],
)
def test_only_a_mark_whose_process_is_certainly_gone_is_taken_over(
    tmp_path: Path, change: dict[str, object], held: bool | None
) -> None:
    """A mark that names no process was cut by a kill: who looks cannot know, who trains waits whether it gets whole."""
    from striate.runs import lock

    (tmp_path / MARK).write_text(json.dumps(lock._this_process() | change))
    assert is_held(tmp_path) == (held is not False)
    if held:
        with pytest.raises(RunError, match=f"removing .*{MARK}"), alone(tmp_path, print):
            pass
    else:
        with alone(tmp_path, print):
            assert not (tmp_path / MARK).exists()
