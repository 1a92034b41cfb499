"""A path as a person writes it."""

import os
from pathlib import Path


def path_of(named: str | os.PathLike[str]) -> Path:
    """`~` is home; a ~name that is nobody's home stays as it is."""
    return Path(os.path.expanduser(named))  # noqa: PTH111 - Path's own raises where nobody is called so
