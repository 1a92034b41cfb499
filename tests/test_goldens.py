"""Numbers of the networks, each with its source: tests/goldens/*.csv against what is built and counted."""

import csv
import functools
from pathlib import Path

import pytest
import torch

from striate.cost.count import Count, count
from striate.models.catalog import build, find

GOLDENS = [row for path in sorted((Path(__file__).parent / "goldens").glob("*.csv")) for row in csv.DictReader(path.open())]
UNITS = {"K": 1e3, "M": 1e6, "G": 1e9}


@functools.lru_cache
def counted(name: str, options: str) -> Count:
    with torch.device("meta"):
        net = build(name, **dict(option.split("=") for option in options.split()))
    return count(net.eval(), find(name).input)


def agrees(number: int, golden: str) -> bool:
    """Exactly, or rounded to the digits that were printed."""
    if golden.isdigit():
        return number == int(golden)
    printed, unit = golden.split()
    return f"{number / UNITS[unit]:.{len(printed.partition('.')[2])}f}" == printed


@pytest.mark.parametrize("row", GOLDENS, ids=lambda row: "-".join(filter(None, list(row.values())[:4])))
def test_a_printed_number_is_what_is_built(row):
    assert row["source"]
    result = counted(row["name"], row["options"])
    if row["quantity"] == "parameters":
        assert agrees(result.params, row["value"])
    elif row["quantity"] == "multiply_adds":
        assert agrees(result.macs, row["value"])
    else:
        assert row["quantity"] == "receptive_field"
        field = result.field(row["at"])
        assert [side.size for side in field] == [int(row["value"])] * 2


def test_the_goldens_are_many_and_name_each_number_once():
    keys = [tuple(row.values())[:4] for row in GOLDENS]
    assert len(keys) == len(set(keys))
    assert len(keys) > 100
