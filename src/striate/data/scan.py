"""From a listing to samples: each picture is looked at, what is unusable is left out, and the rest is judged."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.base.errors import UsageError
from striate.base.words import some
from striate.data import masks, verdicts
from striate.data.cache import Say
from striate.data.contents import Files
from striate.data.known import looks_or_known
from striate.data.listing import Listing
from striate.data.look import Look, Manner, of_pixels
from striate.data.masks import MaskFiles
from striate.data.packed import Digests, Names
from striate.data.picture.decode import DAMAGED
from striate.data.picture.laid import Array, Pixels
from striate.data.picture.layers import Layers
from striate.data.picture.pixels import PIXELS
from striate.data.picture.sketch import stacked
from striate.data.samples import Checked, Groups, InMemory, Read, Samples, Skip
from striate.data.targets import HeldMasks, Labels, Nothing, ReadMask, Targets

# No picture within the limits takes that long; what a picture is, no clock decides.
SECONDS = 120.0


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

    `check`: "full" decodes every picture; "headers" reads the headers only. Masks are decoded always.
    `workers`: processes beside this one; the answer does not depend on them. `progress` gets (done, all).
    `learnable` False: these pictures are to be answered on, so that one class, or one picture of a class, will do.
    `cache`: the folder where what was found out of files before is looked up, and kept; `say` is told of it.
    `max_pixels`: the most of one picture that are read; `layers`: those that each must have, which are decoded always.
    `sketched`: the samples have sketches, by which near copies are found.
    `DataError` when more than `max_bad` of the whole or of a subset, or half of a class, cannot be used; when
    a class cannot be learned; when a file lies in two subsets, unless `allow_leak`. `MachineError` when a picture
    takes more than `seconds`, or more memory than there is: it is not skipped, for other machines would read it.
    """
    if check not in {"full", "headers"}:
        raise UsageError("check", f"{check!r} is not known", "full or headers")
    root, pairs = listing.root or Path(), listing.pairs
    contents = listing.contents or Files(root, listing.names)
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


def looked_at(
    listing: Listing, pictures: Sequence[Pixels] | Pixels, values: Sequence[Array] = (), *, learnable: bool = True,
    allow_leak: bool = False,
) -> Samples:  # fmt: skip
    """The samples of pictures in memory, with the same notes and the same refusals as those of files.

    `values` are those of their masks, where the listing has pairs.
    """
    pairs = listing.pairs
    found = [masks.seen_in_memory(each, pairs.legend) for each in values] if pairs else [None] * len(pictures)
    seen = [replace(of_pixels(pixels), mask=mask) for pixels, mask in zip(pictures, found, strict=True)]

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
) -> Samples:
    """The table of what can be used, with what a person should know about it; `read` by its places and digests."""
    use = [index for index, look in enumerate(seen) if look.cause is None]
    if learnable and listing.labels is not None:
        verdicts.stop_if_unlearnable(listing, listing.labels, use)
    left_out = (f"{len(names):,} ignored: {cause}: {some(names, 3)}" for cause, names in listing.ignored.items())
    notes = [*listing.notes, *left_out]
    notes += verdicts.picture_notes(listing, seen, use)
    notes += verdicts.copies(listing, seen, use, allow_leak)
    targets: Targets = Nothing(len(use))
    if listing.labels is not None:
        notes += verdicts.balance(listing, listing.labels, use)
        targets = Labels(listing.classes, np.array([listing.labels[index] for index in use], dtype=np.int64))
    digests = Digests.of(seen[index].digest for index in use)
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
        names=Names.of(listing.names).take(use),
        read=files,
        digests=digests,
        targets=targets,
        sizes=np.array([seen[index].size for index in use], np.int32).reshape(-1, 2),
        subsets=subsets,
        groups=groups,
        group_names=group_names,
        shards=listing.shards and listing.shards.taken(use),
        skipped=tuple(Skip(name, look.cause) for name, look in zip(listing.names, seen, strict=True) if look.cause),
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
    )


def _numbered(groups: Sequence[str]) -> tuple[Groups, tuple[str, ...]]:
    """Equal numbers for equal names, and these by number."""
    names = tuple(sorted(set(groups)))
    places = {name: place for place, name in enumerate(names)}
    return np.array([places[name] for name in groups], dtype=np.int64), names
