"""inside/: pictures of what a network does, kept in its run folder for its page, a saved folder for each verb."""

import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, final
from xml.etree import ElementTree

import numpy as np

from striate.base import declared, durable, reading
from striate.base.errors import MachineError, RunError, StriateError, UsageError, printable
from striate.base.words import many
from striate.data.picture import decode
from striate.data.picture.four import image_of
from striate.data.picture.laid import Pixels

NAME, VERB = "inside", r"[a-z]{1,20}"
# Pictures of one verb, pixels of a side, and bytes: of one file, and of all of a verb.
MOST, LONGEST, LARGEST, ALL = 24, 1024, 2**21, 2**23
_TOLD, _WORDS = "shown.json", 400
_Line = Annotated[str, re.compile(rf"[^\0]{{0,{_WORDS + 3}}}")]


@final
@dataclass(frozen=True, eq=False)
class Picture:
    """`drawn` is uint8 (height, width, 1 or 3), or an SVG that stands alone; `caption` says in a line what it shows."""

    drawn: Pixels | str
    caption: str


@final
@dataclass(frozen=True, eq=False)
class Inside:
    """What one verb shows: `command` is what was typed or called."""

    title: str
    command: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class _Shown:
    file: Annotated[str, re.compile(r"\d{1,2}\.(png|svg)")]
    caption: _Line


@dataclass(frozen=True)
class _Told:
    title: _Line
    command: _Line
    pictures: tuple[_Shown, ...]


def refuse_elsewhere(keep: str | None, run: object) -> None:
    """A UsageError where pictures are to be kept of what is no run."""
    if keep is not None and run is None:
        raise UsageError("keep", "these pictures are kept in a run's folder, and this is no run", "a run")


def keep(folder: Path, verb: str, inside: Inside, longest: int = 256) -> int:
    """Keep the first MOST pictures that take no more than ALL bytes in place of what this verb kept before; how many.

    Pictures are shrunk to `longest` pixels a side, at most LONGEST. A RunError where inside/ is a link.
    """
    reading.refuse_link(folder / NAME)
    files, told, size = dict[str, bytes](), list[_Shown](), 0
    for number, each in enumerate(inside.pictures[:MOST], start=1):
        data = each.drawn.encode() if isinstance(each.drawn, str) else _png(each.drawn, min(longest, LONGEST))
        size += len(data)
        if len(data) > LARGEST or size > ALL:
            break
        name = f"{number}.{'svg' if isinstance(each.drawn, str) else 'png'}"
        files[name] = data
        told.append(_Shown(name, printable(each.caption, _WORDS)))
    line = {
        "title": printable(inside.title, _WORDS),
        "command": printable(inside.command, _WORDS),
        "pictures": [vars(each) for each in told],
    }
    durable.make_folder(folder / NAME)
    durable.sweep(folder / NAME, VERB)
    durable.save_folder(folder / NAME / verb, {**files, _TOLD: f"{json.dumps(line)}\n".encode()})
    return len(files)


def kept(folder: Path, verb: str, inside: Inside, longest: int = 256) -> str:
    """As `keep`, and in a sentence what became of it: what was shown is not lost where it cannot be kept."""
    try:
        count = keep(folder, verb, inside, longest)
    except (MachineError, RunError) as error:
        return f"nothing could be kept ({error.where}: {error.cause})"
    left = f"; {len(inside.pictures) - count:,} more are not" if count < len(inside.pictures) else ""
    return f"{many(count, 'picture')} kept in {folder / NAME}, which `striate report {folder}` shows{left}"


def read(folder: Path) -> tuple[list[Inside], list[str]]:
    """What each verb kept, by its name; and in a sentence, what cannot be shown, and why."""
    home, found, notes = folder / NAME, list[Inside](), list[str]()
    if not os.path.lexists(home):
        return [], []
    try:
        reading.refuse_link(home)
        saved = sorted(durable.saved_folders(home, VERB))
    except (RunError, OSError) as error:
        cause = error.cause if isinstance(error, RunError) else error.strerror
        return [], [f"What was kept in {NAME}/ cannot be shown ({cause})."]
    for path in saved:
        try:
            found.append(_read(path))
        except StriateError as error:
            notes.append(f"What {path.name} kept in {NAME}/ cannot be shown ({Path(error.where).name}: {error.cause}).")
    return found, notes


def _read(path: Path) -> Inside:
    names = [f"{number}.{kind}" for number in range(1, MOST + 1) for kind in ("png", "svg")]
    files = durable.read_folder(path, dict.fromkeys(names, LARGEST) | {_TOLD: LARGEST})
    if _TOLD not in files or sum(map(len, files.values())) > ALL + LARGEST:
        raise RunError(path, f"it holds no {_TOLD}, or more than can be meant", reading.DAMAGED)
    told = declared.read(_Told, reading.parsed(files.pop(_TOLD), path / _TOLD), path / _TOLD)
    if {each.file for each in told.pictures} != files.keys():
        raise RunError(path / _TOLD, "its pictures are not those that lie beside it", reading.DAMAGED)
    pictures = (Picture(_drawn(files[each.file], path / each.file), each.caption) for each in told.pictures)
    return Inside(told.title, told.command, tuple(pictures))


def _drawn(data: bytes, path: Path) -> Pixels | str:
    if path.suffix == ".png":
        return decode.read(data, str(path), max_pixels=LONGEST**2).pixels
    try:
        text = data.decode()
        # neither an entity nor a comment of somebody's: nothing is expanded, and nothing hides
        if "<!" in text or not ElementTree.fromstring(text).tag.endswith("}svg"):
            raise ValueError("it is no SVG of striate's")
    except (ValueError, ElementTree.ParseError) as error:
        raise RunError(path, f"cannot be read ({error})", reading.DAMAGED) from None
    return text


def _png(pixels: Pixels, longest: int) -> bytes:
    image, buffer = image_of(np.ascontiguousarray(pixels)), io.BytesIO()
    image.thumbnail((longest, longest))
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
