"""Where things are kept that can be found out, or fetched, again."""

import os
import sys
from pathlib import Path

VARIABLE = "STRIATE_CACHE"


def cache_folder() -> Path | None:
    """Where things are kept that can be found out again; None where STRIATE_CACHE is empty: nothing is kept."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named).absolute() if named else None
    base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117 - XDG: a relative one is to be ignored
        base = os.path.expanduser("~/.cache")  # noqa: PTH111 - Path's own raises where nobody has a home
    return Path(base) / "striate"
