"""What is wrong with the pictures, found before training: unusable, leaking, mislabelled, unbalanced."""

import hashlib
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from striate.base.errors import DataError, MachineError, Option, UsageError
from striate.base.processes import Afresh
from striate.base.words import many, some
from striate.data import masks
from striate.data.listing import Listing
from striate.data.masks import Legend, MaskFiles, Seen
from striate.data.picture import decode
from striate.data.picture import layers as layered
from striate.data.picture.laid import Array, Pixels
from striate.data.picture.layers import Layers
from striate.data.picture.pixels import PIXELS
from striate.data.samples import Files, InMemory, Read, Samples, Skip
from striate.data.targets import HeldMasks, Labels, Nothing, ReadMask, Targets

# No picture within the limits takes that long; what a picture is, no clock decides.
SECONDS = 120.0
Names = tuple[str, ...]
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_ORDER = {"train": 0, "val": 1, "test": 2}


@dataclass(frozen=True)
class _Look:
    """What one file is; `cause` says why it cannot be used, `options` what would help. `one_colour` is unknown,
    False, of headers.

    `size` is height and width; `top` the highest level of a file of 16 bits; `mask` what belongs to it where there are
    masks.
    """

    digest: str = ""
    cause: str | None = None
    options: tuple[Option, ...] = ()
    size: tuple[int, int] = (0, 0)
    grey: bool = False
    one_colour: bool = False
    notes: tuple[str, ...] = ()
    top: int = 0
    mask: Seen | None = None


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
) -> Samples:
    """The usable samples of a listing, in its order, with what a person should know about them.

    `check`: "full" decodes every picture; "headers" reads the headers only. Masks are decoded always.
    `workers`: processes beside this one; the answer does not depend on them. `progress` gets (done, all).
    `learnable` False: these pictures are to be answered on, so that one class, or one picture of a class, will do.
    `max_pixels`: the most of one picture that are read; `layers`: those that each must have, which are decoded always.
    `DataError` when more than `max_bad` of the whole or of a subset, or half of a class, cannot be used; when
    a class cannot be learned; when a file lies in two subsets, unless `allow_leak`. `MachineError` when a picture
    takes more than `seconds`, or more memory than there is: it is not skipped, for other machines would read it.
    """
    if check not in {"full", "headers"}:
        raise UsageError("check", f"{check!r} is not known", "full or headers")
    looks = []
    for look in _looks(listing, check, workers, seconds, max_pixels, layers):
        looks.append(look)
        if progress:
            progress(len(looks), len(listing.names))
    _stop_if_too_bad(listing, looks, max_bad)
    root, pairs = listing.root or Path(), listing.pairs

    def read(use: Sequence[int], digests: Names) -> tuple[Read, ReadMask | None]:
        files, found = Files(root, _of(listing.names, use), digests), [looks[index].mask for index in use]
        if pairs is None:
            return files, None
        objects = None if pairs.objects is None else _of(pairs.objects, use)
        seen = tuple(each.digests for each in found if each)
        return files, MaskFiles(root, _of(pairs.masks, use), objects, seen, pairs.legend)

    return _samples(listing, looks, read, learnable=learnable, allow_leak=allow_leak)


def digest(pixels: Pixels) -> str:
    """What tells a picture in memory from others."""
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def looked_at(
    listing: Listing, pictures: Sequence[Pixels], values: Sequence[Array] = (), *, learnable: bool = True
) -> Samples:
    """The samples of pictures in memory, with the same notes and the same refusals as those of files.

    `values` are those of their masks, where the listing has pairs.
    """
    pairs = listing.pairs
    seen = [masks.seen_in_memory(each, pairs.legend) for each in values] if pairs else [None] * len(pictures)
    looks = [
        _Look(
            digest(pixels),
            size=pixels.shape[:2],
            grey=pixels.shape[2] == 1,
            one_colour=bool((pixels == pixels[:1, :1]).all()),
            mask=mask,
        )
        for pixels, mask in zip(pictures, seen, strict=True)
    ]

    def read(use: Sequence[int], digests: Names) -> tuple[Read, ReadMask | None]:
        files = InMemory(pictures, listing.names)
        if pairs is None:
            return files, None
        objects = [pairs.legend.ids(each) for each in values] if pairs.legend.objects else None
        return files, HeldMasks([pairs.legend.places(each) for each in values], objects)

    return _samples(listing, looks, read, learnable=learnable, allow_leak=False)


def _of(names: Names, use: Sequence[int]) -> Names:
    return tuple(names[index] for index in use)


def _samples(
    listing: Listing,
    looks: list[_Look],
    read: Callable[[Sequence[int], Names], tuple[Read, ReadMask | None]],
    *,
    learnable: bool,
    allow_leak: bool,
) -> Samples:
    """The table of what can be used, with what a person should know about it; `read` by its places and digests."""
    use = [index for index, look in enumerate(looks) if look.cause is None]
    if learnable and listing.labels is not None:
        _stop_if_unlearnable(listing, listing.labels, use)
    left_out = (f"{len(names):,} ignored: {cause}: {some(names, 3)}" for cause, names in listing.ignored.items())
    notes = [*listing.notes, *left_out]
    notes += _picture_notes(listing, looks, use)
    notes += _copies(listing, looks, use, allow_leak)
    targets: Targets = Nothing(len(use))
    if listing.labels is not None:
        notes += _balance(listing, listing.labels, use)
        targets = Labels(listing.classes, np.array([listing.labels[index] for index in use], dtype=np.int64))
    digests, subsets = tuple(looks[index].digest for index in use), listing.subsets and _of(listing.subsets, use)
    files, read_mask = read(use, digests)
    if listing.pairs is not None and read_mask is not None:
        legend = listing.pairs.legend
        seen = [(listing.pairs.masks[index], found) for index in use if (found := looks[index].mask)]
        classes = masks.settled(legend, seen, listing.where, learnable)
        notes += masks.notes(legend, classes, seen, subsets)
        objects = legend.objects or listing.pairs.objects is not None
        targets = masks.targets(read_mask, legend, classes, [found for _, found in seen], objects)
    return Samples(
        name=listing.name,
        source=listing.source,
        root=listing.root,
        names=_of(listing.names, use),
        read=files,
        digests=digests,
        targets=targets,
        sizes=np.array([looks[index].size for index in use], np.int32).reshape(-1, 2),
        subsets=subsets,
        skipped=tuple(Skip(name, look.cause) for name, look in zip(listing.names, looks, strict=True) if look.cause),
        notes=tuple(notes),
        grey=all(looks[index].grey for index in use),
        tops=np.array([looks[index].top for index in use], np.int32),
    )


def _looks(
    listing: Listing, check: str, workers: int, seconds: float, max_pixels: int, layers: Layers | None
) -> Iterator[_Look]:
    """One look per file, in the order of the listing."""
    pairs, legend = listing.pairs, listing.pairs.legend if listing.pairs else None
    root = Path(str(listing.root))
    look = partial(_look, root, seconds, partial(_examine, root, check, max_pixels, layers, legend))
    objects = (pairs.objects if pairs else None) or (None,) * len(listing.names)
    columns = (listing.names, pairs.masks if pairs else objects, objects)
    if not workers:
        yield from map(look, *columns)
        return
    with ProcessPoolExecutor(workers, Afresh()) as pool:
        try:
            yield from pool.map(look, *columns, chunksize=16)
        except BrokenProcessPool:
            cause = "a process that decoded pictures died, perhaps of too little memory"
            raise MachineError(listing.where, cause, "fewer workers; 0 shows which file it is") from None


def _look(
    root: Path, seconds: float, examine: Callable[..., _Look], name: str, mask: str | None, objects: str | None
) -> _Look:
    """A file's digest and what decoding it says; every defect becomes a cause."""
    path, answer, failed = root / name, list[_Look](), list[BaseException]()

    def work() -> None:
        try:
            answer.append(examine(name, mask, objects))
        except BaseException as error:
            failed.append(error)

    # A decoder in C cannot be interrupted; a daemon thread can be left behind.
    thread = threading.Thread(target=work, daemon=True)
    with decode.quiet():
        thread.start()
        thread.join(seconds)
    if failed:
        raise failed[0]
    if not answer:
        raise MachineError(path, f"decoding it takes more than {seconds:g} s", "less load, or taking this file out")
    return answer[0]


def _examine(
    root: Path,
    check: str,
    max_pixels: int,
    layers: Layers | None,
    legend: Legend | None,
    name: str,
    mask: str | None,
    objects: str | None,
) -> _Look:
    try:
        look = _picture(root / name, check, max_pixels, layers)
        if legend is None or mask is None:
            return look
        found = masks.look(root, mask, objects, look.size, legend, max_pixels)
        return replace(look, mask=found, notes=look.notes + found.notes)
    except DataError as error:
        return _Look(cause=error.cause, options=error.options)
    except MemoryError:
        raise decode.no_memory(root / name) from None


def _picture(path: Path, check: str, max_pixels: int, layers: Layers | None) -> _Look:
    data = decode.read_bytes(path, max_pixels)
    if check == "headers" and layers is None:
        grey, size, notes, deep = decode.header(data, str(path), max_pixels)
        if not deep:
            return _Look(hashlib.sha256(data).hexdigest(), size=size, grey=grey, notes=notes)
    ends = None
    if layers is not None:
        pixels, notes = layered.values(data, str(path), layers, max_pixels)
    else:
        picture = decode.decode(data, str(path), max_pixels=max_pixels)
        pixels, notes, ends = picture.pixels, picture.notes, picture.ends
    return _Look(
        hashlib.sha256(data).hexdigest(),
        size=pixels.shape[:2],
        grey=pixels.shape[2] == 1,
        one_colour=bool((pixels == pixels[:1, :1]).all()) if ends is None else ends[0] == ends[1],
        notes=notes,
        top=ends[1] if ends else 0,
    )


def _stop_if_too_bad(listing: Listing, looks: list[_Look], max_bad: float) -> None:
    """A few unusable files are skipped and counted; many mean that the data are not what was meant."""
    groups: dict[str, list[int]] = {"the data": list(range(len(looks)))}
    for index, subset in enumerate(listing.subsets or ()):
        groups.setdefault(f"{subset}/", []).append(index)
    classes: dict[str, list[int]] = {}
    for index, label in enumerate(listing.labels or ()):
        classes.setdefault(f"class {listing.classes[label]!r}", []).append(index)
    everywhere = [(group, max_bad, indices) for group, indices in groups.items()]
    for group, limit, indices in everywhere + [(group, 0.5, indices) for group, indices in classes.items()]:
        bad = [index for index in indices if looks[index].cause]
        if len(bad) == len(looks):
            suffixes = Counter(Path(name).suffix.lower() or "no extension" for name in listing.names)
            kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common(5))
            cause = f"none of {many(len(looks), 'file')} can be used ({kinds}): {_causes(listing, looks, bad)}"
            hint = masks.HINT if listing.pairs else "convert them to PNG or JPEG, e.g. `magick mogrify -format png`"
            raise DataError(listing.where, cause, (*_more_pixels(looks, bad), hint))
        if len(bad) > limit * len(indices):
            share = f"{len(bad):,} of {many(len(indices), 'file')} of {group}"
            cause = f"{share} cannot be used, more than {100 * limit:g} %: {_causes(listing, looks, bad)}"
            bounded = max_bad > 0 and not group.startswith("class ")
            hint = "repair or remove them" + (", or raise --max-bad" if bounded else "")
            raise DataError(listing.where, cause, (*_more_pixels(looks, bad), hint))


def _more_pixels(looks: list[_Look], bad: list[int]) -> tuple[str | Option, ...]:
    """The option that reads all of them that are merely large."""
    needed = [option.value for index in bad for option in looks[index].options if option.name == "max_pixels"]
    return (Option("max_pixels", max(map(int, map(str, needed)))), " for the large ones, or ") if needed else ()


def _causes(listing: Listing, looks: list[_Look], bad: list[int]) -> str:
    kinds: dict[str, list[str]] = defaultdict(list)
    for cause in (looks[index].cause or "" for index in bad):
        kinds[_alike(cause)].append(cause)
    common = sorted(kinds.values(), key=len, reverse=True)[:5]
    causes = "; ".join(f"{many(len(alike), 'file')}: {_ranged(alike)}" for alike in common)
    told = f"; {listing.pairs.told}" if listing.pairs and listing.pairs.told else ""
    return f"{causes}; first {some((_called(listing, index) for index in bad), 3)}{told}"


def _called(listing: Listing, index: int) -> str:
    mask = listing.pairs.masks[index] if listing.pairs else ""
    return listing.names[index] + (f" with {mask}" if mask else "")


def _alike(text: str) -> str:
    """The same words for what differs in numbers only."""
    return re.sub(_NUMBER, "N", text)


def _ranged(texts: Sequence[str]) -> str:
    """One text for all that are alike: where their numbers differ, from the least to the most."""
    columns = zip(*(re.split(f"({_NUMBER})", each) for each in texts), strict=True)
    return "".join(_range(set(column)) if place % 2 else column[0] for place, column in enumerate(columns))


def _range(numbers: set[str]) -> str:
    least, *_, most = sorted(numbers, key=lambda each: float(each.replace(",", ""))) * 2
    return least if least == most else f"{least} to {most}"


def _stop_if_unlearnable(listing: Listing, labels: Sequence[int], use: list[int]) -> None:
    counts = Counter(labels[index] for index in use)
    names = [listing.classes[label] for label in sorted(counts)]
    if len(counts) < 2:
        hint = "give the folder whose sub-folders are the classes, at least two of them"
        raise DataError(listing.where, f"a single class, {names[0]!r}: nothing to tell apart", hint)
    if single := [listing.classes[label] for label in sorted(counts) if counts[label] == 1]:
        cause = f"classes with one usable picture: {some(map(repr, single))}"
        raise DataError(listing.where, cause, "add pictures to them or take them out: one cannot train and test")
    if listing.subsets:
        trained = {labels[index] for index in use if listing.subsets[index] == "train"}
        if absent := sorted(set(counts) - trained):
            cause = f"classes without a usable picture in train/: {some(listing.classes[k] for k in absent)}"
            raise DataError(listing.where, cause, "add pictures to them or take them out")


def _picture_notes(listing: Listing, looks: list[_Look], use: list[int]) -> list[str]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for index in use:
        for note in looks[index].notes:
            found[_alike(note)].append((note, listing.names[index]))
    notes = []
    for _, alike in sorted(found.items()):
        said, names = zip(*alike, strict=True)
        notes.append(f"{many(len(said), 'picture')}: {_ranged(said)} ({names[0]}{' ...' if names[1:] else ''})")
    if flat := [index for index in use if looks[index].one_colour]:
        notes.append(f"{many(len(flat), 'picture')} of one colour only: " + some(listing.names[k] for k in flat))
    return notes


def _copies(listing: Listing, looks: list[_Look], use: list[int], allow_leak: bool) -> list[str]:
    """Notes on byte-identical files; `DataError` when some lie in two subsets."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index in use:
        groups[looks[index].digest].append(index)
    copies, leaks, conflicts = list[str](), list[str](), list[str]()
    subsets = listing.subsets or ("",) * len(listing.names)
    said = listing.labels or [each.mask.digests if each.mask else () for each in looks]
    for group in (group for group in groups.values() if group[1:]):
        first, *others = sorted(group, key=lambda index: (_ORDER.get(subsets[index], 0), index))
        for other in others:
            pair = f"{listing.names[first]} = {listing.names[other]}"
            (leaks if subsets[first] != subsets[other] else copies).append(pair)
            if said[first] != said[other]:
                conflicts.append(pair)
    if leaks and not allow_leak:
        cause = f"{many(len(leaks), 'leaked file')}, the same bytes in two subsets: {some(leaks)}"
        raise DataError(listing.where, cause, "removing them from one side, or --allow-leak")
    kinds = (
        ("byte-identical copy", "", copies),
        ("leaked file", " (the same bytes in two subsets)", leaks),
        ("conflict", " (the same bytes under two masks)", conflicts)
        if listing.pairs
        else ("label conflict", " (the same bytes in two classes)", conflicts),
    )
    return [f"{many(len(pairs), kind)}{why}: {some(pairs)}" for kind, why, pairs in kinds if pairs]


def _balance(listing: Listing, labels: Sequence[int], use: list[int]) -> list[str]:
    """Notes on classes that are missing where accuracy is measured, and on classes far larger than others."""
    notes = []
    found: dict[str, set[int]] = defaultdict(set)
    for index in use:
        found[listing.subsets[index] if listing.subsets else "train"].add(labels[index])
    for subset in sorted(set(found) - {"train"}, key=_ORDER.__getitem__):
        if absent := sorted(found["train"] - found[subset]):
            notes.append(f"{subset}/ has no picture of {some(repr(listing.classes[label]) for label in absent)}")
    if empty := sorted(set(range(len(listing.classes))).difference(*found.values())):
        notes.append(f"no picture at all of {some(repr(listing.classes[label]) for label in empty)}")
    counts = Counter(labels[index] for index in use).most_common()
    (most, large), (least, small) = counts[0], counts[-1]
    if large > 20 * small:
        notes.append(
            f"unbalanced: {many(large, 'picture')} of {listing.classes[most]!r} and {small:,} of "
            f"{listing.classes[least]!r}; always answering {listing.classes[most]!r} is right for "
            f"{100 * large / len(use):.1f} % of {len(use):,}"
        )
    return notes
