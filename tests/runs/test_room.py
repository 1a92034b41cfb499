"""A disk that is full or gives errors: told in one sentence, the older generation kept."""

import os
import resource
import shutil
import subprocess
import sys

import pytest

from striate.runs import checkpoint
from striate.shell.cli import main
from together import begun, ended

pytestmark = pytest.mark.slow

SMALL = 2_000_000


@pytest.mark.skipif(os.name == "nt", reason="file size limits are POSIX")
def test_a_save_that_cannot_be_written_is_survived_once_and_stops_the_second_time(tmp_path):
    """A limit on file size makes the optimizer's file fail like a full disk; the weights alone would fit."""

    def limited(*words):
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT), number)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        main(list(words))

    words = ("train", "digits", "--epochs", "3", "--save-every", "0", "--runs", str(tmp_path / "runs"))
    codes = ended([begun(limited, *words)])  # momentum and variance together pass the limit
    assert codes == [5], (tmp_path / "err").read_text()
    assert "not saved" in (tmp_path / "out").read_text()
    assert "could not be written" in (tmp_path / "err").read_text()
    folder = tmp_path / "runs" / "digits-lenet5-1" / "checkpoints"
    kept, notes = checkpoint.read_newest(folder)
    assert (kept.step, notes) == (0, [])
    assert [path.name for path in folder.iterdir()] == ["step-000000000"]


def test_too_small_a_disk_is_told_before_step_one(tmp_path):
    """A file system of 2 MB, where the system lets this user mount one."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    script = f"mount -t tmpfs -o size={SMALL} none {tmp_path} && {sys.executable} -m striate train digits --epochs 1"
    probe = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"mount -t tmpfs -o size={SMALL} none {tmp_path}"], check=False
    )
    if probe.returncode != 0:
        pytest.skip("this user may not mount a file system")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{script} --runs {tmp_path}/runs"], capture_output=True, text=True
    )
    assert done.returncode == 5, done.stderr
    assert "bytes are free" in done.stderr
