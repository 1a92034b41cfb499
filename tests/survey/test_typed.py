"""Options of a network from outside are read by what its function declares and by its defaults."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Optional, Union

import pytest

from striate.base.errors import UsageError
from striate.survey.typed import options_of


class Size(enum.Enum):
    small = 1
    large = 2


def declared(
    deep: bool = True,
    width: int = 8,
    rate: float = 0.5,
    name: str = "a",
    head: Optional[int] = None,  # noqa: UP045
    either: int | str = 3,
    old: Union[bool, None] = None,  # noqa: UP007
    stem: int | tuple[int, int] = 3,
    kind: Literal["plain", 3] = "plain",
    sizes: tuple[int, ...] = (8, 8),
    many: list[int] = (),
    some: Sequence[int] = (),
    more: dict[str, int] | None = None,
    size: Size = Size.small,
    marked: Annotated[int, "a note"] = 3,
    act: Callable[..., Any] | None = None,
    odd: Unheard = None,  # noqa: F821
    any_of: Any = None,
):
    """Annotations are texts here: the file postpones them."""


def plain(deep=True, width=8, rate=0.1, name="a", head=None, sizes=(1, 2), *, must):
    """Nothing is annotated: the defaults say what is meant."""


class Net:
    def __init__(self, deep: bool = True, *layers, **more):
        """Takes anything."""


@pytest.mark.parametrize(
    ("function", "name", "word", "value"),
    [
        *[(declared, "deep", word, False) for word in ("False", "false", "no", "off")],
        *[(declared, "deep", word, True) for word in ("True", "yes", "ON")],
        (declared, "width", "16", 16),
        (declared, "width", "-1", -1),
        (declared, "rate", "1e-3", 0.001),
        (declared, "rate", "1", 1.0),
        (declared, "name", "1", "1"),
        (declared, "name", "none", "none"),
        (declared, "head", "None", None),
        (declared, "head", "4", 4),
        (declared, "either", "4", 4),
        (declared, "either", "four", "four"),
        (declared, "old", "no", False),
        (declared, "old", "none", None),
        (declared, "stem", "7", 7),
        (declared, "stem", "[7, 5]", (7, 5)),
        (declared, "kind", "3", 3),
        (declared, "kind", "PLAIN", "plain"),
        (declared, "sizes", "[3, 4]", (3, 4)),
        (declared, "many", "[3, 4]", [3, 4]),
        (declared, "some", "[3, 4]", [3, 4]),
        (declared, "more", '{"a": 1}', {"a": 1}),
        (declared, "more", "none", None),
        (declared, "size", "large", Size.large),
        (declared, "marked", "5", 5),
        (declared, "act", "none", None),
        (declared, "odd", "5", 5),
        (declared, "any_of", "[1]", [1]),
        (declared, "any_of", "words", "words"),
        (plain, "deep", "no", False),
        (plain, "width", "16", 16),
        (plain, "rate", "1", 1.0),
        (plain, "name", "1", "1"),
        (plain, "head", "5", 5),
        (plain, "head", "five", "five"),
        (plain, "sizes", "[3]", (3,)),
        (plain, "must", "0.5", 0.5),
        (Net, "deep", "off", False),
        (Net, "other", "False", False),
        (Net, "other", "[1, 2]", [1, 2]),
        (Net, "other", "text", "text"),
    ],
)
def test_a_word_is_read_as_it_is_declared(function, name, word, value):
    found = options_of(function, "place", {name: word})
    assert found == {name: value}
    assert type(found[name]) is type(value)


def test_values_of_python_stay_as_they_are():
    assert options_of(declared, "place", {"deep": 1, "act": len}) == {"deep": 1, "act": len}


@pytest.mark.parametrize(
    ("function", "name", "word", "sentence"),
    [
        (declared, "dep", "no", r"dep: place has no such option\. Try: deep='no'"),
        (declared, "deep", "maybe", r"deep: 'maybe' is not one of true, false"),
        (declared, "width", "1.5", r"width: '1\.5' is not a whole number\. Try: width=3"),
        (declared, "rate", "much", r"rate: 'much' is not a number"),
        (declared, "head", "x", r"head: 'x' is not a whole number"),
        (declared, "kind", "odd", r"kind: 'odd' is not one of plain, 3"),
        (declared, "sizes", "3", r"sizes: '3' is no list in JSON"),
        (declared, "more", "[1]", r"more: '\[1\]' is no mapping in JSON"),
        (declared, "size", "huge", r"size: 'huge' is not one of small, large"),
        (declared, "act", "relu", r"act: it is declared as Callable, and 'relu' is a text"),
        (plain, "width", "wide", r"width: 'wide' is not a whole number"),
        (lambda: None, "width", "3", r"width: place has no such option\. Try: leaving it out"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(function, name, word, sentence):
    with pytest.raises(UsageError, match=sentence):
        options_of(function, "place", {name: word})


def test_weights_are_left_out_and_never_taken():
    def build(
        weights="DEFAULT", pretrained=True, weights_backbone: str | None = "V1", checkpoint: bool = True, classes=3
    ):
        """Fetches by default; `checkpoint` is one of gradients."""

    left_out = {"weights": None, "pretrained": False, "weights_backbone": None}
    assert options_of(build, "place", {}) == left_out
    assert options_of(build, "place", {"weights": "none", "checkpoint": "no"}) == left_out | {"checkpoint": False}
    for name in ("weights", "pretrained", "weights_backbone"):
        with pytest.raises(UsageError, match=rf"--model-options\.{name}: counting needs no weights"):
            options_of(build, "place", {name: "DEFAULT"})
    with pytest.raises(UsageError, match="counting needs no weights"):
        options_of(Net, "place", {"pretrained": "true"})
