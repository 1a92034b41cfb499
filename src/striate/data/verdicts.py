"""What is refused of the pictures that were looked at, and what a person should know about the others."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from striate.base.errors import DataError, Option
from striate.base.words import many, some
from striate.data import masks
from striate.data.listing import Listing
from striate.data.look import Look

_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_ORDER = {"train": 0, "val": 1, "test": 2}


def stop_if_too_bad(listing: Listing, looks: Sequence[Look], max_bad: float) -> None:
    """A few unusable files are skipped and counted; many mean that the data are not what was meant."""
    if not any(look.cause for look in looks):
        return
    groups: dict[str, list[int]] = {"the data": list(range(len(looks)))}
    for index, subset in enumerate(listing.subsets or ()):
        groups.setdefault(f"{subset}/", []).append(index)
    classes: dict[str, list[int]] = {}
    for index, label in enumerate(listing.labels or ()):
        classes.setdefault(f"class {listing.classes[label]!r}", []).append(index)
    everywhere = [(group, max_bad, indices) for group, indices in groups.items()]
    for group, limit, indices in everywhere + [
        (group, max(0.5, max_bad), indices) for group, indices in classes.items()
    ]:
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


def _more_pixels(looks: Sequence[Look], bad: list[int]) -> tuple[str | Option, ...]:
    """The option that reads all of them that are merely large."""
    needed = [option.value for index in bad for option in looks[index].options if option.name == "max_pixels"]
    return (Option("max_pixels", max(map(int, map(str, needed)))), " for the large ones, or ") if needed else ()


def _causes(listing: Listing, looks: Sequence[Look], bad: list[int]) -> str:
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


def stop_if_unlearnable(listing: Listing, labels: Sequence[int], use: Sequence[int]) -> None:
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


def picture_notes(listing: Listing, looks: Sequence[Look], use: Sequence[int]) -> list[str]:
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


def copies(listing: Listing, looks: Sequence[Look], use: Sequence[int], allow_leak: bool) -> list[str]:
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


def balance(listing: Listing, labels: Sequence[int], use: Sequence[int]) -> list[str]:
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
