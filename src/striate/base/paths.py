"""A path as a person writes it."""

import os
from pathlib import Path
from typing import Any


def text_of(named: Any) -> Any:
    """A path as a text that nobody takes for a name: ./digits. What is none stays as it is."""
    if not isinstance(named, os.PathLike):
        return named
    text = os.fspath(named)
    return text if os.sep in text or text.startswith("~") else f"{os.curdir}{os.sep}{text}"


def path_of(named: str | os.PathLike[str]) -> Path:
    """`~` is home; a ~name that is nobody's home stays as it is."""
    return Path(os.path.expanduser(named))  # noqa: PTH111 - Path's own raises where nobody is called so
