"""Networks chosen by name and budget, and one of them beside its paper.

`costs.json` holds each network's numbers, made by docs/make_tables.py and compared with the code in the tests:
a list of a hundred networks is then read and not counted.
"""

import json
import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import resources
from typing import Any

from striate.base.errors import UsageError
from striate.base.units import by, parse_amount
from striate.models.catalog import catalog, find, table
from striate.models.entry import Entry, Line
from striate.survey.named import network


@dataclass(frozen=True)
class Listed:
    """A network and its numbers: parameters, and multiply-adds for one picture of the published size.

    `auxiliary` parameters are those of the heads that only train; they are not among `parameters`.
    """

    entry: Entry
    parameters: int
    auxiliary: int
    multiply_adds: int

    @property
    def numbers(self) -> dict[str, int]:
        """As `costs.json` holds them."""
        return {name: getattr(self, name) for name in ("parameters", "auxiliary", "multiply_adds")}

    def as_dict(self) -> dict[str, Any]:
        return self.entry.as_dict() | self.numbers


@dataclass(frozen=True)
class Beside:
    """A line of a paper's table with our numbers: `output` as height x width x channels."""

    line: Line
    output: str
    parameters: int
    multiply_adds: int


def listed(
    pattern: str | None = None, *, family: str | None = None, max_params: str | None = None, max_macs: str | None = None
) -> list[Listed]:
    """The networks whose name matches `pattern` (with * and ?), of one family, within a budget such as "5M" or "1G".

    A pattern without * and ? that no network has is a `UsageError` with the three nearest names, and so is a
    family that there is not.
    """
    costs = json.loads(resources.files("striate.survey").joinpath("costs.json").read_text())
    families = list(dict.fromkeys(entry.family for entry in catalog().values()))
    if family is not None and family not in families:
        raise UsageError("family", f"there is no family {family}", f"one of {', '.join(families)}")
    most_params = math.inf if max_params is None else parse_amount(max_params, "--max-params")
    most_macs = math.inf if max_macs is None else parse_amount(max_macs, "--max-macs")
    chosen = [
        Listed(entry, **costs[name])
        for name, entry in catalog().items()
        if (pattern is None or fnmatchcase(name, pattern)) and family in (None, entry.family)
    ]
    if not chosen and pattern is not None and not is_pattern(pattern):
        find(pattern)
    return [each for each in chosen if each.parameters <= most_params and each.multiply_adds <= most_macs]


def is_pattern(name: str) -> bool:
    """Whether it stands for several names and is none itself."""
    return bool(set(name) & set("*?["))


def counted(entry: Entry) -> Listed:
    """A network that `costs.json` does not hold, such as one of timm's, with its numbers counted now."""
    from striate.cost.count import count

    result = count(network(entry.name), entry.input)
    auxiliary = sum(row.params for row in result.rows if not row.called)
    return Listed(entry, result.params - auxiliary, auxiliary, result.macs)


def beside(entry: Entry) -> list[Beside]:
    """The paper's own table of a network, line by line, with what is counted here; one published picture.

    Where the paper prints no table of it: a line for each of the network's own children.
    """
    from striate.cost.count import count

    net = network(entry.name)
    result = count(net, entry.input)
    rows = []
    for line in table(entry) or tuple(Line(name, "", (name,)) for name, _ in net.named_children()):
        own = [row for row in result.rows if any(f"{row.module}.".startswith(f"{name}.") for name in line.children)]
        outputs = [row.output for row in own if row.output]
        output = by((*outputs[-1][2:], outputs[-1][1])) if outputs else ""
        params = sum(parameter.numel() for name in line.children for parameter in net.get_submodule(name).parameters())
        rows.append(Beside(line, output, params, sum(row.macs for row in own)))
    return rows
