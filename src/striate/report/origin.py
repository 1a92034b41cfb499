"""Where a run comes from, as a page says it: when it began, what was typed, how long it took, on what."""

import ast
import re
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from striate.base.words import duration


def origin(facts: Mapping[str, Any]) -> tuple[str, str]:
    """A sentence, and the command; what a run of before did not keep is left out."""
    network, versions = facts["network"], facts["versions"]
    many = network.get("parameters")
    told = network["name"] + (f", {many:,} parameters" if many else "")
    if began := facts.get("began"):
        told += f"; began {began[:10]} {began[11:16]} UTC"
    if seconds := facts.get("seconds"):
        told += f"; took {duration(seconds)} in all"
    if machine := versions.get("machine"):
        told += f"; on {machine}"
    return told, without_folders(facts.get("command", ""))


def name_of(path: str) -> str:
    """Of a path from the root only its last part, the rest is the user's own business; other words as they are."""
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(path).is_absolute() or path.startswith("~"):
            return f"…/{kind(path).name}"
    return path


def without_folders(command: str) -> str:
    """A command line, or a call of Python's, with the names of paths alone; nothing where it is neither."""
    try:
        if not re.match(r"striate\.\w+\(", command):
            return " ".join(map(_typed, shlex.split(command)))
        tree = ast.parse(command, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            each.value = name_of(each.value)
    return ast.unparse(tree)


def _typed(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("-") and "=" in word else ("", "", word)
    named = name_of(value)
    return option + equals + (named if named.startswith("…") and " " not in named else shlex.quote(named))
