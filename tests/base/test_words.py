import pytest

from striate.base.words import decimal, plural, some, subset


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
