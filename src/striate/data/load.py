"""From what a person names to the table of samples: a built-in set, or a folder that is scanned."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from striate.base.errors import DataError, nearest
from striate.data import audit
from striate.data.sources import builtin
from striate.data.sources.folder import Samples, list_folder

BUILT_IN = ("digits",)
# The keys of a recipe that decide which samples a folder has.
READING = ("check", "max_bad", "follow_links", "merge_classes", "allow_leak")
# Starting processes costs more than reading this many pictures.
_WORTH_A_POOL = 500


def load(
    data: str,
    *,
    check: Literal["full", "headers"] = "full",
    max_bad: float = 0.01,
    workers: int | None = None,
    learnable: bool = True,
    follow_links: bool = False,
    merge_classes: bool = False,
    allow_leak: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Samples:
    """The samples of a built-in set or of a folder; `workers` None means as many processes as are worth it."""
    if data in BUILT_IN:
        return builtin.digits()
    root = Path(os.path.expanduser(data))  # noqa: PTH111 - leaves a ~name alone that is nobody's home
    if not root.exists() and os.sep not in data:
        near = nearest(data, BUILT_IN)[0]
        raise DataError(root.resolve(), f"no such folder, nor a built-in set called {data!r}", f"{near!r}, or a path")
    listing = list_folder(root, follow_links=follow_links, merge_classes=merge_classes)
    if workers is None:
        workers = _processes(len(listing.names))
    return audit.scan(
        listing, check=check, max_bad=max_bad, workers=workers, learnable=learnable, allow_leak=allow_leak,
        progress=progress,
    )  # fmt: skip


def reading_workers(samples: Samples) -> int:
    """How many processes are worth starting to read these samples' pictures."""
    return 0 if samples.pictures is not None else _processes(len(samples))


def _processes(files: int) -> int:
    """None for a few files; else one process a core, at most eight."""
    if files < _WORTH_A_POOL:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, cores)
