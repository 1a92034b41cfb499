import ast
import itertools
import re
from pathlib import Path

import pytest

import striate
from striate.base.words import decimal, duration, many, often, plural, some, subset


@pytest.mark.parametrize(
    ("value", "least", "text"),
    [
        (0.0, 1, "0.0"), (0.04, 1, "0.0400"), (0.00041237, 3, "0.000412"), (-0.0004, 3, "-0.000400"), (1.0, 1, "1.00"),
        (12345.6, 3, "12,345.600"), (123.456, 1, "123.5"), (9.996, 1, "10.00"), (float("nan"), 2, "nan"),
    ],
)  # fmt: skip
def test_a_number_is_never_printed_as_less_than_it_is(value, least, text):
    assert decimal(value, least) == text


def test_words_for_names_and_counts():
    assert some("abcdefg", 3) == "a, b, c and 4 more"
    assert some("ab", 3) == "a, b"
    assert (plural("picture", 1), plural("picture", 2)) == ("picture", "pictures")
    assert (subset("val"), subset("test"), subset("photos")) == ("validation", "test", "photos")


def test_counts_with_their_words():
    assert (many(1, "picture"), many(2000, "picture"), many(0, "copy"), many(2, "class")) == (
        "1 picture", "2,000 pictures", "0 copies", "2 classes",
    )  # fmt: skip
    assert many(2, "day") == "2 days"
    assert (often(1), often(3)) == ("once", "3 times")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (119, "119 s"), (120, "2 min"), (7_150, "119 min"),
        (7_200, "2 h"), (12_000, "3 h 20 min"), (172_740, "47 h 59 min"), (172_800, "2 days"),
    ],
)  # fmt: skip
def test_a_time_is_said_as_a_person_says_it(seconds, text):
    assert duration(seconds) == text


COUNTED = (
    "pictures|files|masks|classes|networks|epochs|steps|samples|parts|layers|folders|lines|values|tiles|runs|times|"
    "threads|processes|copies|cells|fields|objects|pairs|channels|crops|hooks|labels|days"
)


def _bare_counts(path):
    """Places of an f-string where a value stands before a word in the plural."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in itertools.pairwise(node.values):
            if not (isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant)):
                continue
            if re.search(r"\b(len|sum|\w*count)\b", ast.unparse(value.value)) and re.match(
                rf" ({COUNTED})\b", after.value
            ):
                yield f"{path}:{value.lineno}: {ast.unparse(value)}{after.value}"


def test_no_count_stands_before_a_word_that_is_always_plural():
    """`many` and `often` know the singular."""
    found = [each for path in Path(striate.__file__).parent.rglob("*.py") for each in _bare_counts(path)]
    assert not [each for each in found if "base/words.py" not in each]
