"""Numbers of the networks, each with its source: tests/goldens/*.csv against what is built and counted."""

import csv
import functools
from pathlib import Path

import pytest
import torch
from torch import nn

from striate.cost.count import count
from striate.cost.field.fields import Fields, fields
from striate.models.build import build
from striate.models.catalog import find
from striate.survey.listed import listed

pytestmark = pytest.mark.slow

GOLDENS = [
    row
    for path in sorted((Path(__file__).parent / "goldens").glob("*.csv"))
    for row in csv.DictReader(path.read_text().splitlines())
]
NUMBERS = {each.entry.name: each for each in listed()}
UNITS = {"K": 1e3, "M": 1e6, "G": 1e9}


def network(name: str, options: str) -> nn.Module:
    with torch.device("meta"):
        return build(name, **dict(option.split("=") for option in options.split()))


@functools.lru_cache
def counted(name: str, options: str) -> tuple[int, int]:
    """Parameters and multiply-adds; as published from the list, which test_docs.py compares with the count of each."""
    if not options:
        known = NUMBERS[name]
        return known.parameters + known.auxiliary, known.multiply_adds
    found = count(network(name, options), find(name).input)
    return found.params, found.macs


@functools.lru_cache
def seen(name: str, options: str) -> Fields:
    return fields(network(name, options), find(name).input)


def agrees(number: int, golden: str) -> bool:
    """Exactly, or rounded to the digits that were printed."""
    if golden.isdigit():
        return number == int(golden)
    printed, unit = golden.split()
    return f"{number / UNITS[unit]:.{len(printed.partition('.')[2])}f}" == printed


def named(row: dict[str, str]) -> str:
    return "-".join(filter(None, list(row.values())[:4]))


def of_one_process(row: dict[str, str]) -> pytest.MarkDecorator:
    """A network is counted once, by the process that has all its rows."""
    return pytest.mark.xdist_group(f"golden {row['name']} {row['options']}")


@pytest.mark.parametrize("row", [pytest.param(row, id=named(row), marks=of_one_process(row)) for row in GOLDENS])
def test_a_printed_number_is_what_is_built(row):
    assert row["source"]
    which = row["name"], row["options"]
    if row["quantity"] == "parameters":
        assert agrees(counted(*which)[0], row["value"])
    elif row["quantity"] == "multiply_adds":
        assert agrees(counted(*which)[1], row["value"])
    else:
        assert row["quantity"] == "receptive_field"
        assert seen(*which).at(row["at"]).size == (int(row["value"]),) * 2


def test_the_goldens_are_many_and_name_each_number_once():
    keys = [tuple(row.values())[:4] for row in GOLDENS]
    assert len(keys) == len(set(keys))
    assert len(keys) > 100
