"""From a listing to samples: each picture is looked at, what is unusable is left out, and the rest is judged."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from striate.base.errors import DataError, Option, UsageError
from striate.base.words import some
from striate.data import masks, verdicts
from striate.data.cache import Say
from striate.data.contents import Contents, Files, absent_of
from striate.data.known import looks_or_known
from striate.data.listing import Listing
from striate.data.look import Look, Manner, look_at, of_pixels
from striate.data.masks import MaskFiles
from striate.data.packed import Digests, Names, digests_of
from striate.data.picture import decode
from striate.data.picture.decode import DAMAGED
from striate.data.picture.laid import Array, Pixels
from striate.data.picture.layers import Layers
from striate.data.picture.pixels import MOST_PIXELS, PIXELS
from striate.data.picture.sketch import stacked
from striate.data.samples import Checked, Groups, Indices, InMemory, Read, Samples, Skip, digest_of, met
from striate.data.targets import HeldMasks, Labels, Nothing, ReadMask, Targets

# No picture within the limits takes that long; what a picture is, no clock decides.
SECONDS = 120.0
# Training pictures whose sizes are looked at where none was opened.
SIZED = 1_000
BY_NAME = (
    "split by name: no picture was opened before training, so that identical ones may lie in different subsets, and a "
    "bad one stops the training when it is met (--check headers opens all of them first)"
)


def scan(
    listing: Listing,
    *,
    check: str = "full",
    max_bad: float = 0.01,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    allow_leak: bool = False,
    learnable: bool = True,
    max_pixels: int = PIXELS,
    layers: Layers | None = None,
    seconds: float = SECONDS,
    sketched: bool = False,
    cache: Path | None = None,
    say: Say = lambda text: None,
) -> Samples:
    """The usable samples of a listing, in its order, with what a person should know about them.

    `check`: "full" decodes every picture; "headers" reads the headers only. Masks are decoded always. "names": as
    `unopened`.
    `workers`: processes beside this one; the answer does not depend on them. `progress` gets (done, all).
    `learnable` False: these pictures are to be answered on, so that one class, or one picture of a class, will do.
    `cache`: the folder where what was found out of files before is looked up, and kept; `say` is told of it.
    `max_pixels`: the most of one picture that are read; `layers`: those that each must have, which are decoded always.
    `sketched`: the samples have sketches, by which near copies are found.
    `DataError` when more than `max_bad` of the whole or of a subset, or half of a class, cannot be used; when
    a class cannot be learned; when a file lies in two subsets, unless `allow_leak`. `MachineError` when a picture
    takes more than `seconds`, or more memory than there is: it is not skipped, for other machines would read it.
    """
    if check not in {"full", "headers", "names"}:
        raise UsageError("check", f"{check!r} is not known", "full, headers or names")
    listing = replace(listing, names=Names.of(listing.names))
    root, pairs = listing.root or Path(), listing.pairs
    contents = listing.contents or Files(root, listing.names)
    if check == "names":
        return unopened(listing, contents, max_bad=max_bad, learnable=learnable)
    seen, manner = list[Look](), Manner(check, max_pixels, layers, seconds, sketched)
    for look in looks_or_known(listing, contents, manner, workers, cache, say):
        seen.append(look)
        if progress:
            progress(len(seen), len(listing.names))
    verdicts.stop_if_too_bad(listing, seen, max_bad)

    def read(use: Sequence[int], digests: Sequence[str]) -> tuple[Read, ReadMask | None]:
        files, found = Checked(contents.taken(use), digests), [seen[index].mask for index in use]
        if pairs is None:
            return files, None
        objects = None if pairs.objects is None else _of(pairs.objects, use)
        of_masks = tuple(each.digests for each in found if each)
        return files, MaskFiles(root, _of(pairs.masks, use), objects, of_masks, pairs.legend)

    return _samples(listing, seen, read, learnable=learnable, allow_leak=allow_leak)


def unopened(listing: Listing, contents: Contents, *, max_bad: float, learnable: bool) -> Samples:
    """The samples of a listing whose names are there, of which none is opened: their names tell them apart."""
    if listing.pairs is not None:
        raise UsageError("check", "names: what masks mean is found by looking at them", (Option("check", "headers"),))
    there, absent = Look(), Look(cause="no such file")
    listed = listing.contents is not None or listing.source == "folder"  # where names come from what is there
    lacking = set[int]() if listed else absent_of(listing.root or Path(), listing.names)
    seen = [absent if place in lacking else there for place in range(len(listing.names))]
    verdicts.stop_if_too_bad(listing, seen, max_bad)

    def read(use: Sequence[int], digests: Sequence[str]) -> tuple[Read, ReadMask | None]:
        return Checked(contents.taken(use)), None

    return _samples(listing, seen, read, learnable=learnable, allow_leak=True, split_by="name")


def sized(samples: Samples, train: Indices) -> Samples:
    """With the sizes of some training pictures, that their names choose, where none was opened."""
    if samples.split_by == "content":
        return samples
    places = train[np.argsort(samples.keys(train), kind="stable")[:SIZED]]
    sizes, tops = np.zeros((len(samples), 2), np.int32), np.zeros(len(samples), np.int32)
    manner, grey = Manner("headers", MOST_PIXELS, None, SECONDS), True
    for place in places.tolist():
        where = samples.read.where(place)
        try:
            with decode.quiet():
                look = look_at(samples.read(place), where, manner)
        except DataError as error:
            raise met(error) from None
        sizes[place], tops[place], grey = look.size, look.top, grey and look.grey
    return replace(samples, sizes=sizes, tops=tops, grey=grey)


def looked_at(
    listing: Listing, pictures: Sequence[Pixels] | Pixels, values: Sequence[Array] = (), *, learnable: bool = True,
    allow_leak: bool = False,
) -> Samples:  # fmt: skip
    """The samples of pictures in memory, with the same notes and the same refusals as those of files.

    `values` are those of their masks, where the listing has pairs.
    """
    pairs = listing.pairs
    found = [masks.seen_in_memory(each, pairs.legend) for each in values] if pairs else [None] * len(pictures)
    seen = [
        replace(of_pixels(pixels), digest=digest_of(pixels), mask=mask)
        for pixels, mask in zip(pictures, found, strict=True)
    ]

    def read(use: Sequence[int], digests: Sequence[str]) -> tuple[Read, ReadMask | None]:
        files = InMemory(pictures, listing.names)
        if pairs is None:
            return files, None
        objects = [pairs.legend.ids(each) for each in values] if pairs.legend.objects else None
        return files, HeldMasks([pairs.legend.places(each) for each in values], objects)

    return _samples(listing, seen, read, learnable=learnable, allow_leak=allow_leak)


def _of(names: Sequence[str], use: Sequence[int]) -> tuple[str, ...]:
    return tuple(names[index] for index in use)


def _samples(
    listing: Listing,
    seen: list[Look],
    read: Callable[[Sequence[int], Sequence[str]], tuple[Read, ReadMask | None]],
    *,
    learnable: bool,
    allow_leak: bool,
    split_by: Literal["content", "name"] = "content",
) -> Samples:
    """The table of what can be used, with what a person should know about it; `read` by its places and digests."""
    use: Sequence[int] = range(len(seen))
    if any(look.cause for look in seen):
        use = [index for index, look in enumerate(seen) if look.cause is None]
    if learnable and listing.labels is not None:
        verdicts.stop_if_unlearnable(listing, listing.labels, use)
    left_out = (f"{len(names):,} ignored: {cause}: {some(names, 3)}" for cause, names in listing.ignored.items())
    notes = [*listing.notes, *left_out, *verdicts.picture_notes(listing, seen, use)]
    notes += [BY_NAME] if split_by == "name" else verdicts.copies(listing, seen, use, allow_leak)
    targets: Targets = Nothing(len(use))
    if listing.labels is not None:
        notes += verdicts.balance(listing, listing.labels, use)
        targets = Labels(listing.classes, np.array([listing.labels[index] for index in use], dtype=np.int64))
    names = Names.of(listing.names).take(use)
    digests = digests_of(names) if split_by == "name" else Digests.of(seen[index].digest for index in use)
    subsets = listing.subsets and _of(listing.subsets, use)
    groups, group_names = (None, ()) if listing.groups is None else _numbered(_of(listing.groups, use))
    files, read_mask = read(use, digests)
    if listing.pairs is not None and read_mask is not None:
        legend = listing.pairs.legend
        named = [(listing.pairs.masks[index], found) for index in use if (found := seen[index].mask)]
        classes = masks.settled(legend, named, listing.where, learnable)
        notes += masks.notes(legend, classes, named, subsets)
        objects = legend.objects or listing.pairs.objects is not None
        targets = masks.targets(read_mask, legend, classes, [found for _, found in named], objects)
    return Samples(
        name=listing.name,
        source=listing.source,
        root=listing.root,
        names=names,
        read=files,
        digests=digests,
        targets=targets,
        sizes=np.array([seen[index].size for index in use], np.int32).reshape(-1, 2),
        subsets=subsets,
        groups=groups,
        group_names=group_names,
        shards=listing.shards and listing.shards.taken(use),
        skipped=tuple(Skip(listing.names[index], look.cause) for index, look in enumerate(seen) if look.cause),
        notes=tuple(notes),
        grey=all(seen[index].grey for index in use),
        tops=np.array([seen[index].top for index in use], np.int32),
        sketches=stacked([seen[index].sketch for index in use]) if any(look.sketch for look in seen) else None,
        damaged=tuple(
            Skip(listing.names[index], note.removeprefix(DAMAGED))
            for index in use
            for note in seen[index].notes
            if note.startswith(DAMAGED)
        ),
        split_by=split_by,
    )


def _numbered(groups: Sequence[str]) -> tuple[Groups, tuple[str, ...]]:
    """Equal numbers for equal names, and these by number."""
    names = tuple(sorted(set(groups)))
    places = {name: place for place, name in enumerate(names)}
    return np.array([places[name] for name in groups], dtype=np.int64), names
