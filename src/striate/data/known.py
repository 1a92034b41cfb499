"""Looks that need not be taken twice: what was found out of a picture holds as long as its file is the same."""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, final

from striate.base.errors import Option
from striate.base.words import many
from striate.data import look, masks, picture
from striate.data.cache import Known, Say, written_by
from striate.data.contents import Contents, identity_of
from striate.data.listing import Listing
from striate.data.look import WORTH_A_POOL, Look, Manner, looks
from striate.data.masks import Seen
from striate.data.picture import decode

# Fresh looks after which they are kept for the first time, and then at each doubling: a kill loses half at most.
_FIRST_KEPT = 8_192
_DEFAULTS = {each.name: each.default for each in dataclasses.fields(Look)}


def looks_or_known(
    listing: Listing, contents: Contents, manner: Manner, workers: int, folder: Path | None, say: Say
) -> Iterator[Look]:
    """As `looks`; a picture that is known in the cache `folder` is not opened. `say` is told how many are."""
    every, code = range(len(listing.names)), written_by(look, masks, picture)
    if folder is None or not code:
        yield from looks(listing, contents, manner, workers, every)
        return
    known = Known(folder, "scan", [code, decode.DECODER, *_decides(listing, manner)], say)
    key = _Keys(listing, contents)
    keys = [key(place) for place in every]
    fresh = [place for place, each in enumerate(keys) if each not in known.entries]
    if len(fresh) < len(keys):
        say(f"scan: {many(len(keys) - len(fresh), 'picture')} known from before, {len(fresh):,} looked at")
    several = workers if len(fresh) >= min(len(keys), WORTH_A_POOL) else 0
    coming, found, done = looks(listing, contents, manner, several, fresh), dict[bytes, bytes](), 0
    try:
        for place, each in enumerate(keys):
            if (held := known.entries.get(each)) is not None:
                found[each] = held
                yield _read(held)
                continue
            taken, done = next(coming), done + 1
            if each and key(place) == each:  # nobody wrote there meanwhile
                found[each] = _written(taken)
            yield taken
            if done >= _FIRST_KEPT and done.bit_count() == 1:
                known.keep({**known.entries, **found})
    except BaseException:
        known.keep({**known.entries, **found})
        raise
    known.keep(found)


def _decides(listing: Listing, manner: Manner) -> list[object]:
    legend = dataclasses.asdict(listing.pairs.legend) if listing.pairs else None
    layers = None if manner.layers is None else dataclasses.asdict(manner.layers)
    asked = [manner.check, manner.max_pixels, manner.sketched, layers, legend]
    return [listing.source, listing.name, str(listing.root), *asked]


@final
class _Keys:
    """What the files of a place are, whatever is in them; empty where that cannot be known."""

    def __init__(self, listing: Listing, contents: Contents) -> None:
        self._pairs, self._root, self._contents = listing.pairs, listing.root or Path(), contents

    def __call__(self, place: int) -> bytes:
        beside = self._pairs.of(place) if self._pairs else ()
        every = [self._contents.identity(place), *(identity_of(self._root / each) for each in beside if each)]
        if None in every:
            return b""
        return hashlib.blake2b(repr(every).encode(), digest_size=16).digest()


def _written(taken: Look) -> bytes:
    values = {name: getattr(taken, name) for name, usual in _DEFAULTS.items() if getattr(taken, name) != usual}
    if taken.mask is not None:
        counts = None if taken.mask.counts is None else list(taken.mask.counts.items())
        values["mask"] = [taken.mask.digests, counts, taken.mask.coloured, taken.mask.notes]
    values |= {"options": [(each.name, each.value, each.table) for each in taken.options]} if taken.options else {}
    values |= {"sketch": base64.b64encode(taken.sketch).decode()} if taken.sketch else {}
    return json.dumps(values, separators=(",", ":")).encode()


def _read(held: bytes) -> Look:
    values = json.loads(held.decode())  # of bytes it would look for their encoding, each time
    for name, made in _MADE.items():
        if name in values:
            values[name] = made(values[name])
    return Look(**values)


def _seen(values: Sequence[Any]) -> Seen:
    digests, counts, coloured, notes = values
    return Seen(tuple(digests), None if counts is None else dict(counts), coloured, tuple(notes))


_MADE: dict[str, Callable[[Any], Any]] = {
    "size": tuple, "notes": tuple, "mask": _seen, "sketch": base64.b64decode,
    "options": lambda each: tuple(Option(*values) for values in each),
}  # fmt: skip
