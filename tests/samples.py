"""Which networks stand for the others where every network would take minutes: the lightest of each kind."""

from collections.abc import Iterable

import pytest

from striate.models.catalog import find
from striate.survey.listed import listed

SIZES = ("depth", "configuration", "growth", "widening", "groups", "width")  # options that only make a network larger


def kind(name: str) -> tuple[object, ...]:
    """Networks of one kind are built alike, of the same blocks, and differ in size alone."""
    entry = find(name)
    return entry.builder, *((key, value) for key, value in sorted(entry.options.items()) if key not in SIZES)


# Their blocks are those of other samples, and they have over a hundred million parameters.
LARGE = frozenset({"senet154", "vgg11", "vgg11_lrn"})
# They pass like their shallow twins.
DEEP = frozenset({"resnet1202", "preact_resnet1001"})


def lightest(names: Iterable[str]) -> set[str]:
    """One of each kind among the names."""
    costs = {each.entry.name: each.multiply_adds for each in listed()}
    return set({kind(name): name for name in sorted(names, key=costs.__getitem__, reverse=True)}.values())


def sampled(names: Iterable[str], *, kept: Iterable[str] | None = None) -> list[object]:
    """Parameters for pytest; the tests of one builder in one process, and those that are not kept marked `whole`."""
    found = list(names)
    kept = lightest(found) - LARGE if kept is None else set(kept)
    return [
        pytest.param(name, marks=[of_one_process(name), *([] if name in kept else [pytest.mark.whole])])
        for name in found
    ]


def of_one_process(name: str) -> pytest.MarkDecorator:
    return pytest.mark.xdist_group(find(name).builder)
