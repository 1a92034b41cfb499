"""From what a person names, or has in memory, to the table of samples."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from striate.base.errors import DataError, UsageError, near
from striate.base.paths import path_of
from striate.data import scan as scans
from striate.data.cache import Say, cache_folder
from striate.data.contents import Contents
from striate.data.listing import Listing
from striate.data.look import WORTH_A_POOL
from striate.data.masks import Kind, Legend, legend
from striate.data.picture.layers import Depth, Layers, layers_of
from striate.data.picture.pixels import PIXELS, check_most
from striate.data.samples import Samples
from striate.data.sources import builtin, hub, zipped
from striate.data.sources.address import HUB, SHARDS, is_address
from striate.data.sources.arrays import from_arrays
from striate.data.sources.binary import is_binary, list_binary
from striate.data.sources.builtin import built_in
from striate.data.sources.folder import list_alone, list_folder
from striate.data.sources.layout import Layout
from striate.data.sources.pairs import is_pairs, list_pairs
from striate.data.sources.shards import list_shards
from striate.data.sources.table import SUFFIXES, legend_in, list_table
from striate.data.targets import Nothing

# A name, a path, or pictures in memory: alone, or with their labels.
Data = str | os.PathLike[str] | np.ndarray | list[Any] | tuple[Any, Any]


def read_samples(
    data: Data,
    *,
    check: Literal["full", "headers", "names"] = "full",
    max_bad: float = 0.01,
    workers: int | None = None,
    labelled: bool = True,
    masked: bool = False,
    learnable: bool = True,
    follow_links: bool = False,
    merge_classes: bool = False,
    allow_leak: bool = False,
    layout: Layout = "auto",
    mask_map: str | None = None,
    ignore: int | None = None,
    masks: Kind = "classes",
    channels: int | None = None,
    depth: Depth = 8,
    max_pixels: int = PIXELS,
    sketched: bool = False,
    cache: bool = True,
    say: Say = lambda text: None,
    progress: Callable[[int, int], None] | None = None,
) -> Samples:
    """The samples of a built-in set, a folder, a table, an archive, shards, a set in binary files, or of arrays.

    `labelled` False: pictures alone are wanted, whatever is said of them; `masked`: masks are wanted, whose values mean
    what `mask_map`, `ignore` and `masks` say. `channels` and `depth`: the layers that each picture must have,
    where they are others than those of photographs. `workers` None means as many processes as are worth it. The other
    keywords are those of `scan.scan` and of the listings.
    """
    check_most(max_pixels)
    layers = layers_of(channels, depth)
    if not isinstance(data, str | os.PathLike):
        return _in_memory(data, labelled, legend(mask_map, ignore, masks) if masked else None, learnable, layers)
    if isinstance(data, str) and built_in(data):
        if layers is not None and layers.channels not in (1, 3):
            raise DataError(data, f"its pictures are grey, and have no {layers.channels} layers", "--channels 1")
        return _built_in(data, labelled, masked)
    meaning = (mask_map, ignore, masks)
    wanted = _Wanted(labelled, masked, learnable, follow_links, merge_classes, layout, meaning, progress)
    if not is_address(data) and is_binary(path_of(data)):
        return _binary(path_of(data), wanted, allow_leak)
    listing = _listing(data, wanted)
    if workers is None:
        workers = _processes(len(listing.names))
    return scans.scan(
        listing, check=check, max_bad=max_bad, workers=workers, learnable=learnable, allow_leak=allow_leak,
        max_pixels=max_pixels, layers=layers, sketched=sketched, progress=progress,
        cache=cache_folder() if cache else None, say=say,
    )  # fmt: skip


@final
@dataclass(frozen=True)
class _Wanted:
    """What is asked of a listing, whatever its source; `meaning` is what the values of masks are said to mean."""

    labelled: bool
    masked: bool
    learnable: bool
    follow_links: bool
    merge_classes: bool
    layout: Layout
    meaning: tuple[str | None, int | None, Kind]
    progress: Callable[[int, int], None] | None

    @property
    def of_labels(self) -> dict[str, bool]:
        """What every source with labels is asked."""
        return {"labelled": self.labelled, "learnable": self.learnable, "merge_classes": self.merge_classes}

    def refuse_masks(self, where: object) -> None:
        """A DataError for a source that has none."""
        if self.masked:
            hint = "cells, a folder with images/ and masks/, or a table of pairs"
            raise DataError(where, "its pictures have no masks that are read", hint)


def laid_up(data: str | os.PathLike[str], layout: Layout) -> tuple[Sequence[str], Contents] | None:
    """Names and contents of a source whose pictures are no files of their own: of archives, shards, data sets."""
    meaning: tuple[None, None, Kind] = (None, None, "classes")
    wanted = _Wanted(False, False, False, False, True, layout, meaning, None)
    listing = None if not is_address(data) and is_binary(path_of(data)) else _listing(data, wanted)
    return None if listing is None or listing.contents is None else (listing.names, listing.contents)


def _listing(data: str | os.PathLike[str], wanted: _Wanted) -> Listing:
    """What a source says there is: the first that the name or the path fits."""
    of = wanted.of_labels
    if isinstance(data, str) and data.startswith((HUB, SHARDS)):
        wanted.refuse_masks(data)
        if data.startswith(HUB):
            return hub.list_hub(data, **of)
        return list_shards(data, **of, layout=wanted.layout, progress=wanted.progress)
    root = path_of(data)
    if not root.exists() and os.sep not in os.fspath(data):
        cause = f"no such folder, table or archive, nor a built-in set called {str(data)!r}"
        hint = near(str(data), builtin.NAMES, "", "{!r}, or ") + "the path of a folder, a table or an archive"
        raise DataError(root.resolve(), cause, hint)
    suffix, folder = root.suffix.lower(), root.is_dir()
    if not folder and suffix in SUFFIXES:
        meaning = legend_in(root.parent, *wanted.meaning) if wanted.masked else None
        return list_table(root, **of, masked=meaning, follow_links=wanted.follow_links)
    if hub.is_saved(root) if folder else suffix == zipped.SUFFIX:
        wanted.refuse_masks(root)
        return hub.list_saved(root, **of) if folder else zipped.list_zip(root, **of, layout=wanted.layout)
    return _folder(root, wanted)


def _folder(root: Path, wanted: _Wanted) -> Listing:
    """Class folders; or images/ and masks/; or pictures alone."""
    links, layout, learnable = wanted.follow_links, wanted.layout, wanted.learnable
    if wanted.masked:
        meaning = legend_in(root, *wanted.meaning)
        return list_pairs(root, meaning, follow_links=links, learnable=learnable, layout=layout)
    if wanted.labelled:
        return list_folder(
            root, follow_links=links, learnable=learnable, merge_classes=wanted.merge_classes, layout=layout
        )
    listing = list_alone(root, follow_links=links, layout=layout if learnable else "classes")
    if is_pairs(root):
        note = "images/ and masks/ are both taken for pictures: to leave masks out, give images/ alone"
        listing = dataclasses.replace(listing, notes=(*listing.notes, note))
    return listing


def _binary(path: Path, wanted: _Wanted, allow_leak: bool) -> Samples:
    wanted.refuse_masks(path)
    listing, pictures = list_binary(path)
    if not wanted.labelled:
        listing = dataclasses.replace(listing, labels=None, classes=())
    return scans.looked_at(listing, pictures, learnable=wanted.learnable, allow_leak=allow_leak)


def is_source(data: object) -> bool:
    """Whether pictures lie in one thing that this names: a table, an archive or a data set, no folder of files."""
    if not isinstance(data, str | os.PathLike):
        return False
    path = path_of(data)
    packed = path.suffix.lower() in (*SUFFIXES, zipped.SUFFIX) or is_binary(path)
    return (
        is_address(data) or (path.is_file() and packed) or (path.is_dir() and (is_binary(path) or hub.is_saved(path)))
    )


def have_masks(data: Data) -> bool:
    """Whether these are pictures with masks, as far as the names of a folder or the head of a table tell."""
    return isinstance(data, str | os.PathLike) and not is_address(data) and is_pairs(path_of(data))


def _built_in(name: str, labelled: bool, masked: bool) -> Samples:
    samples = builtin.named(name)
    if not labelled:
        return dataclasses.replace(samples, targets=Nothing(len(samples)))
    masks = "mask" in samples.targets.kinds
    if masked and not masks:
        raise DataError(name, "its pictures have labels, and no masks", "cells, or a folder with images/ and masks/")
    if masks and not masked:
        raise DataError(name, "its pictures have masks, and no labels", "digits, or a folder of class folders")
    return samples


def _in_memory(data: Any, labelled: bool, masked: Legend | None, learnable: bool, layers: Layers | None) -> Samples:
    pictures, labels = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    if masked and labels is None:
        raise UsageError("data", "pictures without masks", "(pictures, masks), with one mask for each picture")
    if masked:
        return from_arrays(pictures, None, labels, masked, learnable=learnable, layers=layers)
    if labelled and labels is None:
        raise UsageError("data", "pictures without labels", "(pictures, labels), with one label for each picture")
    return from_arrays(pictures, labels if labelled else None, learnable=learnable, layers=layers)


def reading_workers(samples: Samples) -> int:
    """How many processes are worth starting to read these samples' pictures."""
    return 0 if samples.in_memory else _processes(len(samples))


def _processes(files: int) -> int:
    """None for a few files; else one process a core, at most eight."""
    if files < WORTH_A_POOL:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, cores)
