"""From what a person names, or has in memory, to the table of samples."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from striate.base.errors import DataError, UsageError, nearest
from striate.data import audit
from striate.data.samples import Samples
from striate.data.sources import builtin
from striate.data.sources.arrays import from_arrays
from striate.data.sources.folder import list_alone, list_folder
from striate.data.sources.table import SUFFIXES, list_table
from striate.data.targets import Nothing

BUILT_IN = ("digits",)
# The keys of a recipe that decide which samples there are.
READING = ("check", "max_bad", "follow_links", "merge_classes", "allow_leak")
# Starting processes costs more than reading this many pictures.
_WORTH_A_POOL = 500
# A name, a path, or pictures in memory: alone, or with their labels.
Data = str | os.PathLike[str] | np.ndarray | list[Any] | tuple[Any, Any]


def read_samples(
    data: Data,
    *,
    check: Literal["full", "headers"] = "full",
    max_bad: float = 0.01,
    workers: int | None = None,
    labelled: bool = True,
    learnable: bool = True,
    follow_links: bool = False,
    merge_classes: bool = False,
    allow_leak: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Samples:
    """The samples of a built-in set, a folder, a table or of arrays.

    `labelled` False: pictures alone are wanted, whatever is said of them. `workers` None means as many processes
    as are worth it. The other keywords are those of `audit.scan` and of the listings.
    """
    if not isinstance(data, str | os.PathLike):
        return _in_memory(data, labelled, learnable)
    if data in BUILT_IN:
        digits = builtin.digits()
        return digits if labelled else dataclasses.replace(digits, targets=Nothing(len(digits)))
    root = Path(os.path.expanduser(data))  # noqa: PTH111 - leaves a ~name alone that is nobody's home
    if not root.exists() and os.sep not in os.fspath(data):
        near = nearest(str(data), BUILT_IN)[0]
        cause = f"no such folder or table, nor a built-in set called {str(data)!r}"
        raise DataError(root.resolve(), cause, f"{near!r}, or a path")
    if root.suffix.lower() in SUFFIXES and not root.is_dir():
        listing = list_table(
            root, labelled=labelled, learnable=learnable, follow_links=follow_links, merge_classes=merge_classes
        )
    elif labelled:
        listing = list_folder(root, follow_links=follow_links, merge_classes=merge_classes)
    else:
        listing = list_alone(root, follow_links=follow_links, subsets=learnable)
    if workers is None:
        workers = _processes(len(listing.names))
    return audit.scan(
        listing, check=check, max_bad=max_bad, workers=workers, learnable=learnable, allow_leak=allow_leak,
        progress=progress,
    )  # fmt: skip


def _in_memory(data: Any, labelled: bool, learnable: bool) -> Samples:
    pictures, labels = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    if labelled and labels is None:
        raise UsageError("data", "pictures without labels", "(pictures, labels), with one label for each picture")
    return from_arrays(pictures, labels if labelled else None, learnable=learnable)


def reading_workers(samples: Samples) -> int:
    """How many processes are worth starting to read these samples' pictures."""
    return 0 if samples.in_memory else _processes(len(samples))


def _processes(files: int) -> int:
    """None for a few files; else one process a core, at most eight."""
    if files < _WORTH_A_POOL:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, cores)
