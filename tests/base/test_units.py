"""Amounts as they are typed and told."""

import pytest

from striate.base.errors import UsageError
from striate.base.units import by, parse_amount, parse_bytes, readable_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24GiB", 24 * 1024**3), ("8 GB", 8 * 10**9), ("512mib", 512 * 1024**2), (" 1.5 KiB ", 1536), ("1000 B", 1000),
        ("1,000 B", 1000), ("2TB", 2 * 10**12),
    ],
)  # fmt: skip
def test_amounts_of_memory(text: str, size: int) -> None:
    assert parse_bytes(text, "--fits") == size


@pytest.mark.parametrize("text", ["24", "", "GiB", "-1 GiB", "0 GiB", "1e3 MB", "24 Gib s", "２GiB", "iB", "1,5 GiB"])
def test_amounts_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--fits: .* is no amount of memory .* Try: --fits 24GiB$"):
        parse_bytes(text, "--fits")


def test_more_memory_than_can_be_counted() -> None:
    with pytest.raises(UsageError, match="more memory than any machine has"):
        parse_bytes("9" * 40 + "TiB", "--fits")


@pytest.mark.parametrize(
    ("text", "value"), [("5M", 5e6), ("1.5 g", 1.5e9), ("300,000", 300_000), ("0", 0), ("2T", 2e12)]
)
def test_numbers_with_a_unit(text: str, value: float) -> None:
    assert parse_amount(text, "--max-params") == value


@pytest.mark.parametrize("text", ["", "M", "-5M", "5 apples", "1,5M", "5MB", "1e3", "nan"])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--max-params: .* is not a number .* Try: --max-params 5M$"):
        parse_amount(text, "--max-params")


@pytest.mark.parametrize(
    ("size", "text"), [(999, "999 bytes"), (1024, "1.000 KiB"), (24 << 30, "24.00 GiB"), (1023 << 20, "1,023 MiB")]
)
def test_amounts_to_read(size: int, text: str) -> None:
    assert readable_bytes(size) == text


def test_sides_to_read() -> None:
    assert by((3, 224, 224)) == "3x224x224"
