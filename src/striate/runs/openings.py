"""The list of openings of test sets, beside the runs."""

import json
import os
from pathlib import Path

from striate.base.errors import RunError, printable

NAME = "test-openings.jsonl"


def record_opening(folder: Path, digest: str, count: int) -> int:
    """Append an opening of this test set by the run in `folder`; how often it has been opened, this one included."""
    path = folder.parent / NAME
    line = json.dumps({"test_set": digest, "n": count, "run": printable(folder.name)}) + "\n"
    try:
        before = path.read_bytes() if path.exists() else b""
        torn = b"\n" if before and not before.endswith(b"\n") else b""  # a kill in the middle of a line
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, torn + line.encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise RunError(path, f"the opening of a test set cannot be recorded ({error})", "a folder of yours") from None
    return 1 + _times(before, digest)


def times_opened(folder: Path, digest: str) -> int:
    """How often this test set has been opened, as far as the list beside `folder` tells."""
    path = folder.parent / NAME
    return _times(path.read_bytes(), digest) if path.exists() else 0


def _times(lines: bytes, digest: str) -> int:
    return sum(f'"{digest}"'.encode() in each for each in lines.splitlines())
