"""What a source says there is, before any picture is opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Listing:
    """Files below one folder, and what is said of them.

    `names` are relative to `root` with "/", undecodable bytes kept as surrogates, sorted by bytes. `labels` index
    `classes`, which are sorted: the order that weights are trained with; None for pictures alone. `subsets`: "train",
    "val" or "test" of each sample where the source gives them. `ignored` counts by cause what is not a sample.
    """

    name: str
    source: str
    root: Path
    names: tuple[str, ...]
    labels: tuple[int, ...] | None
    classes: tuple[str, ...]
    subsets: tuple[str, ...] | None
    ignored: Mapping[str, int]
    notes: tuple[str, ...] = ()
