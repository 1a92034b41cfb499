"""One look at each picture before training: its digest, its size, and what decoding it says."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import final

from striate.base.errors import DataError, MachineError, Option
from striate.base.processes import Afresh
from striate.data import masks
from striate.data.contents import Contents
from striate.data.listing import Listing
from striate.data.masks import Beside, Legend, Seen
from striate.data.picture import decode
from striate.data.picture import layers as layered
from striate.data.picture.laid import Pixels
from striate.data.picture.layers import Layers
from striate.data.picture.sketch import sketch
from striate.data.samples import digest_of

# Pictures that a process is given at once, four times as many from `_MANY` on; and how many are worth starting one.
_CHUNK, _MANY, WORTH_A_POOL = 16, 20_000, 500


@final
@dataclass(frozen=True)
class Look:
    """What one picture is; `cause` says why it cannot be used, `options` what would help. `one_colour` is unknown,
    False, of headers.

    `size` is height and width; `top` the highest level of a file of 16 bits; `mask` what belongs to it where there are
    masks; `sketch` is there where it was asked for.
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
    sketch: bytes = b""


@final
@dataclass(frozen=True)
class Manner:
    """How pictures are looked at: `check` "full" decodes them, "headers" reads no further than their size.

    `max_pixels`: the most of one picture that are read; `layers`: those that each must have, which are decoded always.
    `seconds`: more for one picture is a `MachineError`. `sketched`: by their sketches near copies will be found, for
    which every picture is decoded.
    """

    check: str
    max_pixels: int
    layers: Layers | None
    seconds: float
    sketched: bool = False


def looks(listing: Listing, contents: Contents, manner: Manner, workers: int, places: Sequence[int]) -> Iterator[Look]:
    """One look for each of these places of a listing, in this order, by `workers` processes or by this one."""
    pairs = listing.pairs
    look = partial(_chunk, manner, Path(str(listing.root)), pairs.legend if pairs else None)
    step = _CHUNK if len(places) < _MANY else 4 * _CHUNK
    parts = [places[start : start + step] for start in range(0, len(places), step)]
    columns = (
        (contents.taken(part) for part in parts),
        ([pairs.of(place) if pairs else None for place in part] for part in parts),
    )
    if not workers:
        for chunk in map(look, *columns):
            yield from chunk
        return
    with ProcessPoolExecutor(workers, Afresh()) as pool:
        try:
            for chunk in pool.map(look, *columns):
                yield from list(chunk)
        except BrokenProcessPool:
            cause = "a process that decoded pictures died, perhaps of too little memory"
            raise MachineError(listing.where, cause, "fewer workers; 0 shows which file it is") from None


def _chunk(
    manner: Manner, root: Path, legend: Legend | None, contents: Contents, beside: Sequence[Beside | None]
) -> list[Look]:
    """A look at each; a MachineError where one takes too long."""
    taken, failed, before = list[Look](), list[BaseException](), -1

    def work() -> None:
        try:
            for place, each in enumerate(beside):
                taken.append(_look(manner, root, legend, contents, place, each))
        except BaseException as error:
            failed.append(error)

    # A decoder in C cannot be interrupted; a daemon thread can be left behind.
    thread = threading.Thread(target=work, daemon=True)
    with decode.quiet():
        thread.start()
        while thread.is_alive() and before < len(taken):
            before = len(taken)
            thread.join(manner.seconds)
    if failed:
        raise failed[0]
    if len(taken) < len(beside):
        cause = f"decoding it takes more than {manner.seconds:g} s"
        raise MachineError(contents.where(len(taken)), cause, "less load, or taking this file out")
    return taken


def _look(
    manner: Manner, root: Path, legend: Legend | None, contents: Contents, place: int, beside: Beside | None
) -> Look:
    """What decoding a picture and its mask says; every defect becomes a cause."""
    try:
        look = look_at(contents(place, manner.max_pixels), contents.where(place), manner)
        if legend is None or beside is None:
            return look
        found = masks.look(root, beside, look.size, legend, manner.max_pixels)
        return replace(look, mask=found, notes=look.notes + found.notes)
    except DataError as error:
        return Look(cause=error.cause, options=error.options)
    except MemoryError:
        raise decode.no_memory(contents.where(place)) from None


def look_at(held: bytes | Pixels, where: str, manner: Manner) -> Look:
    """What a picture is; a DataError where it cannot be used."""
    if not isinstance(held, bytes):
        return replace(of_pixels(held, manner.sketched), digest=digest_of(held))
    if manner.check == "headers" and manner.layers is None and not manner.sketched:
        grey, size, notes, deep = decode.header(held, where, manner.max_pixels)
        if not deep:
            return Look(digest_of(held), size=size, grey=grey, notes=notes)
    if manner.layers is not None:
        pixels, notes = layered.values(held, where, manner.layers, manner.max_pixels)
        return replace(of_pixels(pixels, manner.sketched), digest=digest_of(held), notes=notes)
    picture = decode.decode(held, where, max_pixels=manner.max_pixels)
    found = replace(of_pixels(picture.pixels, manner.sketched), digest=digest_of(held), notes=picture.notes)
    if picture.ends is None:
        return found
    return replace(found, one_colour=picture.ends[0] == picture.ends[1], top=picture.ends[1])


def of_pixels(pixels: Pixels, sketched: bool = False) -> Look:
    """The look at a picture that is in memory, without its digest."""
    one_colour = bool((pixels == pixels[:1, :1]).all())
    return Look(
        size=pixels.shape[:2],
        grey=pixels.shape[2] == 1,
        one_colour=one_colour,
        sketch=sketch(pixels) if sketched else b"",
    )
