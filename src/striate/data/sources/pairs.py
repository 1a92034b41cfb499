"""Folders of pictures and their masks: images/ and masks/, and objects/ with object ids, paired by name."""

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from striate.base.errors import DataError
from striate.base.words import many, some
from striate.data.listing import Listing
from striate.data.masks import Legend, Pairs
from striate.data.picture import decode
from striate.data.sources.folder import UNREAD, check_root, name_of, walk
from striate.data.sources.layout import BESIDE, SUBSETS, Layout
from striate.data.sources.table import CLASSES, SUFFIXES, says_masks

# What folders are called, in any case; of each kind one may lie there.
FOLDERS = MappingProxyType({
    "images": ("images", "image", "imgs", "img", "pictures"),
    "masks": ("masks", "mask", "labels", "annotations", "segmentations"),
    "objects": ("objects", "instances"),
})  # fmt: skip
_TREE = "DATA/images/1.jpg with DATA/masks/1.png; or DATA/train/images/..., DATA/train/masks/..., DATA/val/images/..."
# What masks are called besides, where none is called like its picture.
_MARK = re.compile(r"[-_. ](masks?|labels?|seg|segmentation|gt)$", re.IGNORECASE)
_Files = Mapping[tuple[str, str], str]


def is_pairs(root: Path) -> bool:
    """Whether a folder is one of images/ and masks/, or its train/ is: by these very names; or a table has masks."""
    if root.suffix.lower() in SUFFIXES and root.is_file():
        return says_masks(root)
    try:
        tops = {entry.name.lower(): entry.path for entry in os.scandir(root) if entry.is_dir()}
        if {"images", "masks"} <= tops.keys():
            return True
        return any(SUBSETS.get(name) == "train" and is_pairs(Path(path)) for name, path in tops.items())
    except (OSError, ValueError):
        return False


def list_pairs(
    root: Path, legend: Legend, *, follow_links: bool = False, learnable: bool = True, layout: Layout = "auto"
) -> Listing:
    """The pictures of images/ in any depth, with the masks of the same name in masks/, whatever their suffixes.

    train/, val/ and test/ are subsets, above these folders or in them. A picture without a mask stays in the list, and
    the scan says what is wrong; masks without a picture are noted. `learnable`: subsets need a train. `layout`
    "classes": folders of these names are folders like any other. `DataError` where it can be read in two ways.
    """
    root = root.absolute()
    check_root(root)
    found = walk(root, follow_links)
    ignored = found.ignored
    if (root / CLASSES).is_file():  # it has been read
        ignored["not a picture (.csv)"].remove(CLASSES)
    kinds, split = _kinds(root, found.files, ignored, layout != "classes")
    images, masks = kinds["images"], kinds["masks"]
    objects = None if legend.objects or not kinds["objects"] else _paired(root, images, kinds["objects"])
    if split and learnable and not any(subset == "train" for subset, _ in images):
        raise DataError(root, "val or test, but no train", _TREE)
    pairs = _paired(root, images, masks)
    told = _told(images, masks, pairs)
    if not any(pairs.values()):
        raise DataError(root, f"no mask is called like a picture: {told}", _TREE)
    keys = sorted(images, key=lambda key: os.fsencode(images[key]))
    unused = set(masks.values()) - set(pairs.values())
    return Listing(
        name=name_of(root),
        source="folder",
        root=root,
        names=tuple(images[key] for key in keys),
        subsets=tuple(key[0] for key in keys) if split else None,
        ignored=found.told,
        notes=(told,) if unused else (),
        pairs=Pairs(
            tuple(pairs[key] for key in keys),
            None if objects is None else tuple(objects[key] for key in keys),
            legend,
            told,
        ),
    )


def _kinds(
    root: Path, names: Sequence[str], ignored: dict[str, list[str]], subsets: bool
) -> tuple[dict[str, dict[tuple[str, str], str]], bool]:
    """By kind of folder, the files by (subset, path without suffix); and whether there are subsets."""
    found: dict[str, dict[tuple[str, str], str]] = {kind: {} for kind in FOLDERS}
    folders: dict[tuple[str, str], set[str]] = {}
    rows = []
    for name in names:
        parts = name.split("/")
        above = SUBSETS.get(parts[0].lower(), "") if len(parts) > 2 and subsets else ""
        level = 1 if above else 0
        kind = next((kind for kind, known in FOLDERS.items() if parts[level].lower() in known), "")
        if not kind or len(parts) < level + 2:
            ignored["not in images/ or masks/"].append(name)
            continue
        folders.setdefault((kind, above), set()).add("/".join(parts[: level + 1]))
        below = SUBSETS.get(parts[level + 1].lower(), "") if subsets and not above and len(parts) > 2 else ""
        rows.append((kind, above or below, parts[level + 2 if below else level + 1 :], name))
    for (kind, _), several in folders.items():
        if len(several) > 1:
            raise DataError(root, f"{some(sorted(several))} could each hold the {kind}", "keep one, rename the others")
    for kind in ("images", "masks"):
        if not any(kind == each for each, *_ in rows):
            seen = some(sorted({f"{name.split('/')[0]}/" for name in names if "/" in name}, key=os.fsencode))
            linked = any("link" in cause for cause in ignored)
            hint = "--follow-links, if they lie behind links" if linked else _TREE
            hint = str(root.parent) if is_pairs(root.parent) else hint
            raise DataError(root, f"no pictures in {kind}/" + (f", only in {seen}" if seen else ""), hint)
    split = any(subset for kind, subset, *_ in rows if kind == "images")
    for kind, subset, parts, name in rows:
        if split and not subset:
            ignored[BESIDE].append(name)
            continue
        key = (subset, stem("/".join(parts)))
        if (other := found[kind].setdefault(key, name)) != name:
            raise DataError(
                root, f"{other} and {name} have one name", "a name of its own for each picture and its mask"
            )
    return found, split


def stem(name: str) -> str:
    """A name without its suffix, if that is one of pictures: "scan.2" has none. Equal for both forms of Unicode."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a path would lose bytes that are no text
    known = suffix.lower() in decode.SUFFIXES or suffix.lower() in UNREAD
    return unicodedata.normalize("NFC", stem if known else name)


def _paired(root: Path, images: _Files, masks: _Files) -> dict[tuple[str, str], str]:
    """For each picture the file of its name; or, where there is none, of its name and a word such as mask; or ""."""
    found = {key: masks.get(key, "") for key in images}
    for (subset, name), file in masks.items():
        key = (subset, _MARK.sub("", name))
        if (subset, name) in images or key not in images or key in masks:
            continue
        if found[key]:
            raise DataError(root, f"{found[key]} and {file} could each belong to {images[key]}", "one of them there")
        found[key] = file
    return found


def _told(images: _Files, masks: _Files, pairs: _Files) -> str:
    """How many of each there are, and what is without the other."""
    used = set(pairs.values())
    lone = [file for file in masks.values() if file not in used]
    bare = [images[key] for key, file in pairs.items() if not file]
    made = many(sum(map(bool, pairs.values())), "pair")
    parts = [f"{many(len(images), 'picture')} and {many(len(masks), 'mask')} make {made}"]
    parts += [f"without a mask: {some(bare)}"] if bare else []
    parts += [f"without a picture: {some(lone)}"] if lone else []
    return "; ".join(parts)
