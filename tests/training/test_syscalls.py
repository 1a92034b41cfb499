"""A sample of benchmarks/syscalls.py, which kills and fails a training at every call on its run folder."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "syscalls.py"


def traces() -> bool:
    """Whether strace is there and may look at a process."""
    try:
        return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not traces(), reason="strace is not installed, or may not look at a process")
def test_a_training_killed_or_failed_at_a_system_call_ends_with_the_same_bits_and_one_opening():
    done = subprocess.run([sys.executable, str(SCRIPT), "--every", "149"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 wrong" in done.stdout
