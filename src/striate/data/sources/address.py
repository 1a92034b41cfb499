"""What names data that are no path: a built-in set, one of the hub, or shards wherever they lie."""

import os
from pathlib import Path

from striate.base.paths import path_of
from striate.data.sources.builtin import built_in

HUB, SHARDS = "hf:", "shards:"


def is_address(data: object) -> bool:
    """Whether these words name data by themselves, so that no path is to be looked for."""
    return isinstance(data, str) and (built_in(data) or data.startswith((HUB, SHARDS)))


def is_remote(pattern: str) -> bool:
    """Whether what follows `shards:` is fetched by fsspec: it has a protocol, such as https://."""
    return "://" in pattern


def in_full(data: str | os.PathLike[str], start: Path | None = None) -> str:
    """What names the same data from any folder; relative paths begin at `start`, or here."""
    start = start or Path.cwd()
    if isinstance(data, str) and data.startswith(SHARDS):
        pattern = data.removeprefix(SHARDS)
        return data if is_remote(pattern) else f"{SHARDS}{start / path_of(pattern)}"
    by_name = isinstance(data, str) and (built_in(data) or data.startswith(HUB))
    return str(data) if by_name else str((start / path_of(data)).resolve())
