import shlex

from striate.base.errors import Option
from striate.shell.asked import typed


def test_an_option_in_a_hint_can_be_typed_as_it_stands() -> None:
    value = "#000000=background,#ff0000=a cell"
    _, words = typed(Option("mask_map", value)).split(" ", 1)
    assert shlex.split(words) == [value]
