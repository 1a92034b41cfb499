"""The commands as a person types them, and what they print."""

import csv
import io

import pytest

from striate.shell.cli import main


def call(capsys, *words: object) -> tuple[int, str, str]:
    """Exit code, what was printed, what went to stderr."""
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    out, err = capsys.readouterr()
    return left.value.code, out, err


def rows(text: str) -> list[dict[str, str]]:
    """A table as it is printed for other programs."""
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))
