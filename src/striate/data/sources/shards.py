"""Tar shards in the layout of webdataset: files of one name up to its first dot are one sample.

Source: webdataset 1.0, tariterators.base_plus_ext and group_by_keys; what begins with a dot is hidden as in folders.
A sample is a picture and what is said of it. Its class is in a part `cls`, a number, or in `json`, as "label", or it is
the folder of its name, or is in a part `txt`.
"""

import dataclasses
import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import BinaryIO, final

import numpy as np

from striate.base.errors import DataError
from striate.base.words import many
from striate.data.contents import identity_of
from striate.data.listing import Listing, one_name_each
from striate.data.packed import Names
from striate.data.picture import decode, limits
from striate.data.picture.pixels import PIXELS
from striate.data.samples import Indices, Shards, window_of
from striate.data.sources import tars
from striate.data.sources.address import SHARDS
from striate.data.sources.fetched import Shard
from striate.data.sources.folder import UNREAD, Found, in_class_folders, is_hidden
from striate.data.sources.layout import BESIDE, Layout, listed
from striate.data.sources.pattern import name_of, shards_of, subsets_of
from striate.data.sources.tars import Member

# Bytes of a part that says a class, and of those a class's name.
_SAID, _NAME = 1_000_000, 400
_SHOWN = 20
# The parts that say a class, the first that is there, and what they may say.
_LABELS = MappingProxyType({
    "cls": "a whole number from 0 on", "json": 'a "label" that is a name or a whole number', "txt": "a name",
})  # fmt: skip


@final
@dataclass(frozen=True, eq=False)
class InShards:
    """Pictures in tar shards: `of` (n,) is the shard of each, `offsets` and `sizes` (n,) are its bytes there."""

    shards: tuple[Shard, ...]
    names: Names
    of: Indices
    offsets: Indices
    sizes: Indices

    def __call__(self, index: int, max_pixels: int = PIXELS) -> bytes:
        where, size = self.where(index), int(self.sizes[index])
        limits.refuse_large(size, where, max_pixels)
        return tars.part(self.shards[self.of[index]].at_hand(), int(self.offsets[index]), size, where)

    def where(self, index: int) -> str:
        return f"{self.names[index]} in {self.shards[self.of[index]].address}"

    def identity(self, index: int) -> tuple[int, ...] | None:
        """That of the shard, and where the picture begins in it."""
        found = identity_of(self.shards[self.of[index]].path)
        return found and (*found, int(self.offsets[index]))

    def taken(self, places: Sequence[int]) -> "InShards":
        use = np.asarray(places, np.int64)
        needed, of = np.unique(self.of[use], return_inverse=True)
        shards = tuple(self.shards[each] for each in needed)
        return InShards(shards, self.names.take(places), of, self.offsets[use], self.sizes[use])


@dataclass(frozen=True, slots=True)
class _Sample:
    """`name` is that of its picture, below its subset where there are any; `kind` the part that says its class, ""
    where none does, and `label` what that says: a whole number, a name, or None where it cannot be meant."""

    name: str
    shard: int
    picture: Member
    kind: str
    label: str | int | None


def list_shards(
    address: str,
    *,
    labelled: bool = True,
    learnable: bool = True,
    merge_classes: bool = False,
    layout: Layout = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Listing:
    """The samples of tar shards, in the order of their names; `address` is shards: and a pattern, a folder or a URL.

    {0000..0009} and {a,b} in a pattern are all of these, * and ? any. Shards whose own name or folder has train, val
    or test in it are the subsets, where there are several. `DataError` for a shard that is no tar, or not whole, and
    with the samples that cannot be meant. `layout` "classes" takes all shards for one set. `progress` gets (done, all)
    shards.
    """
    pattern = address.removeprefix(SHARDS)
    shards = shards_of(pattern)
    subsets = subsets_of(pattern, shards, layout, learnable)
    ignored, bad, samples = defaultdict[str, list[str]](list), list[str](), list[_Sample]()
    for place, shard in enumerate(shards):
        samples += _samples(shard, place, subsets[place] if subsets else None, ignored, bad)
        if progress:
            progress(place + 1, len(shards))
    samples, notes = _named_apart(samples, shards, bad)
    _stop_for(pattern, bad)
    if not samples:
        causes = ", ".join(f"{len(names):,} {cause}" for cause, names in sorted(ignored.items()))
        raise DataError(pattern, f"no pictures in {many(len(shards), 'shard')} ({causes})", "NAME.jpg and NAME.cls")
    samples.sort(key=lambda each: os.fsencode(each.name))
    listing = Listing(
        name=name_of(pattern),
        source="shards",
        root=None,
        names=tuple(each.name for each in samples),
        subsets=tuple(subsets[each.shard] for each in samples) if subsets else None,
        ignored=MappingProxyType({cause: tuple(names) for cause, names in sorted(ignored.items()) if names}),
        notes=tuple(notes),
    )
    if labelled and (kind := _kind(samples)):
        listing = _by_part(pattern, listing, samples, shards, kind, merge_classes)
    elif labelled:
        listing, samples = _by_folder(Path(pattern), listing, samples, learnable, merge_classes, layout)
    return _placed(listing, samples, shards)


def _placed(listing: Listing, samples: Sequence[_Sample], shards: Sequence[Shard]) -> Listing:
    """The listing with where its samples lie, and in which order training reads them."""
    of = np.array([each.shard for each in samples], np.int64)
    together = Shards(of, window_of(len(samples), len(shards)))
    notes = listing.notes
    if together.window < len(np.unique(of)):
        told = f"{many(len(shards), 'shard')}: in training {together.window} are read at a time, their pictures mixed"
        notes = (*notes, told, *_sorted(listing, of, len(shards)))
    pictures = [each.picture for each in samples]
    contents = InShards(
        tuple(shards),
        Names.of(each.name for each in pictures),
        of,
        np.array([each.offset for each in pictures], np.int64),
        np.array([each.size for each in pictures], np.int64),
    )
    return dataclasses.replace(listing, notes=notes, shards=together, contents=contents)


def _samples(
    shard: Shard, place: int, subset: str | None, ignored: dict[str, list[str]], bad: list[str]
) -> Iterator[_Sample]:
    """The samples of one shard; what is none is added to `ignored`, what cannot be meant to `bad`.

    `subset` is None where there are none, and "" where it is of none and all that it holds is left out.
    """
    if subset == "":
        ignored[BESIDE].append(shard.address)
        return
    path, some = shard.at_hand(), False
    found = tars.held(path, shard.address)
    for cause, names in found.ignored.items():
        ignored[cause] += names
    keys: dict[str, dict[str, Member]] = {}
    for member in found.members:
        folder, slash, base = member.name.rpartition("/")
        stem, dot, suffix = base.partition(".")
        if not (stem and dot) or any(map(is_hidden, member.name.split("/"))):
            ignored["hidden, or without a suffix"].append(member.name)
            continue
        parts = keys.setdefault(folder + slash + stem, {})
        if parts.setdefault(suffix.lower(), member) is not member:
            bad.append(f"{member.name} twice in {shard.name}")
    with tars.opened(path, shard.address) as file:
        for key, parts in keys.items():
            pictures = [suffix for suffix in parts if _is_picture(f".{suffix}")]
            pictures = pictures or [suffix for suffix in parts if _is_picture(PurePosixPath(suffix).suffix)]
            if len(pictures) > 1:
                bad.append(f"{key} in {shard.name}: {many(len(pictures), 'picture')}, {listed(pictures)}")
            elif not pictures:
                ignored["sample without a picture"].append(key)
            else:
                picture, some = parts[pictures[0]], True
                name = f"{subset}/{picture.name}" if subset else picture.name
                yield _Sample(name, place, picture, *_said(parts, file))
    if not some:
        ignored["shard without a picture"].append(shard.address)


def _is_picture(suffix: str) -> bool:
    return suffix in decode.SUFFIXES or suffix in UNREAD


def _named_apart(samples: list[_Sample], shards: Sequence[Shard], bad: list[str]) -> tuple[list[_Sample], list[str]]:
    """Samples that shards number anew are called by their shard as well."""
    first: dict[str, _Sample] = {}
    again = [each for each in samples if first.setdefault(each.name, each) is not each]
    if not again:
        return samples, []
    stems = [shard.name.removesuffix(".tar") for shard in shards]
    if len(set(stems)) < len(stems) or any("/" in each.picture.name for each in again):
        for each in again:
            both = f"{shards[first[each.name].shard].name} and {shards[each.shard].name}"
            bad.append(f"{each.picture.name} in {both}")
        return samples, []
    named = [dataclasses.replace(each, name=f"{stems[each.shard]}/{each.name}") for each in samples]
    return named, [f"{many(len(again), 'name')} in several shards: names begin with that of the shard"]


def _kind(samples: Sequence[_Sample]) -> str:
    """The part that says the classes; "" where folders do."""
    kinds = {each.kind for each in samples}
    kind = next((each for each in _LABELS if each in kinds), "")
    return "" if kind == "txt" and all("/" in each.picture.name for each in samples) else kind


def _by_folder(
    where: Path, listing: Listing, samples: list[_Sample], learnable: bool, merge_classes: bool, layout: Layout
) -> tuple[Listing, list[_Sample]]:
    """The listing with classes by the folders of the names, and the samples that are in one."""
    folders = {str(parent) for name in listing.names for parent in PurePosixPath(name).parents} - {"."}
    ignored = defaultdict(list, {cause: list(names) for cause, names in listing.ignored.items()})
    found = Found(list(listing.names), sorted(folders, key=os.fsencode), ignored)
    meant = in_class_folders(where, found, learnable=learnable, merge_classes=merge_classes, layout=layout)
    kept = set(meant.names)
    meant = dataclasses.replace(meant, name=listing.name, source=listing.source, root=None)
    return meant, [each for each in samples if each.name in kept]


def _by_part(
    pattern: str, listing: Listing, samples: Sequence[_Sample], shards: Sequence[Shard], kind: str, merge_classes: bool
) -> Listing:
    """The listing with the classes that a part of each sample says."""
    _stop_for(
        pattern,
        [
            f"{each.name} in {shards[each.shard].name}: "
            + (f"its {kind} is not {_LABELS[kind]}" if each.kind == kind else f"no {kind}, which others have")
            for each in samples
            if each.kind != kind or each.label is None
        ],
    )
    said = [each.label for each in samples]
    if numbers := {each for each in said if isinstance(each, int)}:
        merged = {str(each): str(each) for each in sorted(numbers)}  # 2 before 10
    if names := {each for each in said if isinstance(each, str)}:
        merged = one_name_each(Path(pattern), sorted(names, key=os.fsencode), merge_classes)
    if numbers and names:
        cause = f"a label is a number in some samples and a name in others: {min(numbers)} and {min(names)!r}"
        raise DataError(pattern, cause, "one of both in every sample")
    classes = tuple(dict.fromkeys(merged.values()))
    place = {label: classes.index(merged[label]) for label in merged}
    return dataclasses.replace(listing, labels=tuple(place[str(each)] for each in said), classes=classes)


def _said(parts: Mapping[str, Member], file: BinaryIO) -> tuple[str, str | int | None]:
    """Which part says the class, and what: the first of `cls`, `json` with a "label", and `txt`."""
    for kind in filter(parts.__contains__, _LABELS):
        file.seek(parts[kind].offset)
        data = file.read(min(parts[kind].size, _SAID))
        text = data.decode("utf-8", "replace").strip()
        if kind == "cls":
            return kind, int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
        if kind == "txt":
            return kind, text if 0 < len(text) <= _NAME else None
        said = _json(data)
        if "label" in said:
            label = said["label"]
            name = isinstance(label, str) and 0 < len(label.strip()) <= _NAME
            number = isinstance(label, int) and not isinstance(label, bool) and label >= 0
            return kind, str(label).strip() if name else int(str(label)) if number else None
    return "", None


def _json(data: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _sorted(listing: Listing, of: Indices, count: int) -> list[str]:
    """What is to be said where most shards hold few of the classes: training then sees one after the other."""
    if listing.labels is None:
        return []
    labels = np.array(listing.labels)
    pairs = np.unique(of * len(listing.classes) + labels)  # of a shard and a class that it holds
    here = np.bincount(pairs // len(listing.classes), minlength=count)
    expected = min(len(listing.classes), len(labels) // count)
    if 2 * (usual := int(np.median(here))) >= expected:
        return []
    return [
        f"most shards hold {many(usual, 'class')} of {len(listing.classes)}: training sees them one after the other; "
        "shuffle the pictures before shards are written"
    ]


def _stop_for(pattern: str, bad: Sequence[str]) -> None:
    if bad:
        cause = f"{many(len(bad), 'sample')} cannot be meant: {'; '.join(bad[:_SHOWN])}"
        raise DataError(pattern, cause, "writing these shards again without them")
