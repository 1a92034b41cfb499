"""What a source says there is, before any picture is opened."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from striate.base.errors import DataError
from striate.data.contents import Contents
from striate.data.masks import Pairs
from striate.data.samples import Shards


@dataclass(frozen=True)
class Listing:
    """Files below one folder, or pictures in memory, and what is said of them.

    `names` are relative to `root` with "/", undecodable bytes kept as surrogates, sorted by bytes. `labels` index
    `classes`, which are sorted: the order that weights are trained with; None for pictures alone. `subsets`: "train",
    "val" or "test" of each sample where the source gives them. `groups`: the name of what each belongs to that is
    independent of the others, a patient, say. `ignored`: by cause what is not a sample. `pairs`:
    the masks, where these are what is said of the pictures. `contents`: how pictures are had that are no files below
    `root`; `shards`: which of them lie together.
    """

    name: str
    source: str
    root: Path | None
    names: Sequence[str]
    labels: tuple[int, ...] | None = None
    classes: tuple[str, ...] = ()
    subsets: tuple[str, ...] | None = None
    ignored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pairs: Pairs | None = None
    groups: tuple[str, ...] | None = None
    contents: Contents | None = None
    shards: Shards | None = None

    @property
    def where(self) -> Path | str:
        """What an error names."""
        return self.root or self.name


def one_name_each(where: object, names: Sequence[str], merge: bool) -> dict[str, str]:
    """Name as given -> class name; names equal under case folding and NFC are an error, or one class."""
    first: dict[str, str] = {}
    merged = {}
    for name in names:
        key = unicodedata.normalize("NFC", name.casefold())
        merged[name] = first.setdefault(key, name)
        if merged[name] != name and not merge:
            pair = f"{merged[name]!a} and {name!a}"
            raise DataError(
                where, f"classes {pair} differ in case or Unicode form only", "one name for both, or --merge-classes"
            )
    return merged
