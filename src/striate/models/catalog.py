"""The one list of networks: what each is called, who published it, and what it is built by.

Importing this file does not import torch: names can be listed and checked at once.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, final

from striate.base import tables
from striate.base.errors import Option, UsageError, nearest
from striate.base.units import by
from striate.base.words import many
from striate.models import outside
from striate.models.entries import (
    alexnet,
    autoencoder,
    densenet,
    googlenet,
    inception,
    lenet,
    nin,
    preact,
    resnet,
    resnext,
    senet,
    unet,
    vgg,
    wide_resnet,
    zfnet,
)
from striate.models.entry import Entry, Line

if TYPE_CHECKING:
    from torch import nn

_FAMILIES = (
    lenet, alexnet, zfnet, nin, vgg, googlenet, unet, inception, resnet, preact, wide_resnet, resnext, densenet,
    senet, autoencoder,
)  # fmt: skip


@final
class Catalog(Mapping[str, Entry]):
    """Entries by name, which cannot be changed; printed, a table."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return tables.text(self._table(), shutil.get_terminal_size((160, 24)).columns)

    def _repr_html_(self) -> str:
        return tables.html_table(self._table())

    def _table(self) -> tables.Table:
        head = ("name", "year", "paper", "task", "input", "known for")
        rows = [
            (each.name, str(each.year), each.paper.cited, each.task, by(each.input), each.known_for)
            for each in self.values()
        ]
        notes = [f"{many(len(rows), 'network')}; one of them: print(striate.catalog()[NAME])"]
        return tables.Table(head, rows, notes=notes, spared=("known for", "paper"), elsewhere="print one network")


_ENTRIES = Catalog(entry for family in _FAMILIES for entry in family.ENTRIES)


def catalog(pattern: str | None = None) -> Catalog:
    """Every network by name, in the order of the papers; or those whose names match a `pattern` with * and ?."""
    return Catalog(entry for entry in _ENTRIES.values() if pattern is None or fnmatchcase(entry.name, pattern))


def find(name: str) -> Entry:
    """The entry called `name`; `timm:NAME` gives one of timm's, where the extra `zoo` is installed.

    An unknown name is a `UsageError` that gives the three nearest.
    """
    if name.startswith(outside.PREFIX):
        return outside.entry_of(name)
    if ":" in name:
        cause = "a place in Python is counted and measured, and never trained or kept in a run, which names no code"
        raise UsageError(f"model {name}", cause, "a name that `striate models` lists, or timm:NAME")
    if name.endswith(".py"):
        raise UsageError(f"model {name}", "it is a file, and names no function in it", f"{name}:FUNCTION")
    if name not in _ENTRIES:
        found = " or ".join(nearest(name, _ENTRIES, 3))
        raise UsageError(f"model {name}", "no network has this name", found or "a name that `striate models` lists")
    return _ENTRIES[name]


def construct(entry: Entry, **options: Any) -> nn.Module:
    """The network of an entry, freshly initialised; `options` are its builder's, as values or as words."""
    from striate.models.options import call  # torch comes with it

    network: nn.Module = call(_function(entry.builder), {**entry.options, **options})
    return network


def options_of(entry: Entry) -> list[str]:
    """The keywords that a network's builder takes and that its name leaves open."""
    return [key for key in declared(entry) if key not in entry.options and key not in entry.unused]


def declared(entry: Entry) -> dict[str, tuple[Any, Any]]:
    """Every option of a network's builder: what it is declared to be, and its default."""
    from striate.models.options import parameters

    return parameters(_function(entry.builder))


def table(network: str | Entry) -> tuple[Line, ...]:
    """The paper's own table of a network, line by line; empty where no table is kept."""
    entry = network if isinstance(network, Entry) else find(network)
    if not entry.table:
        return ()
    from striate.models.options import call

    return tuple(call(_function(entry.table), entry.options))


def least_size(network: str | Entry, /, **options: Any) -> int:
    """The smallest side in pixels, height and width alike, that a network takes with these options of `build`."""
    return _sizes(network, options)[0]


def usual_size(network: str | Entry, /, **options: Any) -> int:
    """The side in pixels that a network was made for; the stem for small pictures is made for 32."""
    return _sizes(network, options)[1]


def check_size(network: str | Entry, height: int, width: int, /, **options: Any) -> None:
    """Raise a `UsageError` when pictures of this height and width in pixels do not suit the network."""
    entry = network if isinstance(network, Entry) else find(network)
    least, size = least_size(entry, **options), f"{height}x{width}"
    if entry.fixed and (height, width) != (least, least):
        cause = f"{entry.name} is fully connected to a picture of {least}x{least} and takes no other size"
        raise UsageError(f"size {size}", cause, f"bring the pictures to {least}x{least}")
    if min(height, width) < least:
        smaller = [Option(other.option, other.value, "model_options") for other in entry.sizes if other.least < least]
        cause = f"{entry.name} needs sides of at least {least} pixels"
        hint = (f"pictures of at least {least}x{least}", *(part for each in smaller for part in (", or ", each)))
        raise UsageError(f"size {size}", cause, hint)
    odd = [side for side in (height, width) if (side - least) % entry.step]
    if odd:
        below = odd[0] - (odd[0] - least) % entry.step
        cause = f"{entry.name} takes sides of {least} pixels and of {entry.step}, {2 * entry.step} ... more"
        raise UsageError(f"size {size}", cause, f"{below} or {below + entry.step} instead of {odd[0]}")


def _sizes(network: str | Entry, options: Mapping[str, Any]) -> tuple[int, int]:
    """(least, usual) side in pixels."""
    entry = network if isinstance(network, Entry) else find(network)
    chosen = [
        (each.least, each.usual) for each in entry.sizes
        if each.option in options and str(options[each.option]).lower() == str(each.value).lower()  # false is False
    ]  # fmt: skip
    if entry.fixed and str(options.get("img_size")).isdigit():  # timm builds its fixed networks for other sides so
        chosen = [(int(options["img_size"]), int(options["img_size"]))]
    return chosen[0] if chosen else (entry.least, entry.input[1])


def _function(place: str) -> Callable[..., Any]:
    module, name = place.split(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
