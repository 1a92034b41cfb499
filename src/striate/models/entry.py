"""What the catalogue knows of a network; importing this file does not import torch."""

import dataclasses
import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count, islice
from types import MappingProxyType
from typing import Any

from striate.base.units import by
from striate.models.facts import Fact, prose


@dataclass(frozen=True)
class Line:
    """One line of a paper's table: what the paper calls it, what it prints, which of our layers it stands for.

    `children` are the names of the network's own children. `output` is the printed size of the map, as
    "56x56" or "56x56x64"; `parameters` and `multiply_adds` are as printed; empty where the paper prints none.
    """

    layer: str
    words: str
    children: tuple[str, ...] = ()
    output: str = ""
    parameters: str = ""
    multiply_adds: str = ""


def numbered(parent: str, rows: Iterable[tuple[str, str, int]]) -> list[Line]:
    """Lines of (layer, words, modules), whose modules are the child `parent`'s 0, 1, 2 ... one row after another."""
    numbers = count()
    return [
        Line(layer, words, tuple(f"{parent}.{number}" for number in islice(numbers, modules)))
        for layer, words, modules in rows
    ]


@dataclass(frozen=True)
class Paper:
    """Where a network was published: in the year of the printed volume; `first` is when it came out, where earlier."""

    authors: str
    year: int
    title: str
    where: str = ""
    first: int = 0

    def at(self, where: str) -> "Paper":
        """The same paper, and the place in it: "Table 1"."""
        return dataclasses.replace(self, where=where)

    @property
    def cited(self) -> str:
        """Who and when: "Simonyan and Zisserman 2015"."""
        return f"{self.authors} {self.year or ''}".rstrip()

    def __str__(self) -> str:
        title = f'"{self.title}"' if self.title else ""
        return ", ".join(filter(None, (self.cited, title, self.where)))


@dataclass(frozen=True)
class Weights:
    """Where published weights are: at torchvision or timm, under its name of the network.

    `tag` is of timm, which has several for a network; `part` is the network's child that takes them, if not all of it.
    """

    publisher: str
    name: str
    tag: str = ""
    part: str = ""

    def __str__(self) -> str:
        tag, part = f".{self.tag}" if self.tag else "", f"@{self.part}" if self.part else ""
        return f"{self.publisher}:{self.name}{tag}{part}"


@dataclass(frozen=True)
class Sides:
    """The least and the usual side in pixels where `option` has this value."""

    option: str
    value: str | bool
    least: int
    usual: int


SMALL_STEM = (Sides("stem", "32", 8, 32),)  # of the networks for ImageNet that have one for small pictures


@dataclass(frozen=True)
class Entry:
    """One network of the catalogue.

    - `builder` is "module:function"; `options` are what the name stands for and cannot be changed.
    - `input` is (channels, height, width) as published; `task` is classify, segment or reconstruct.
    - `published` is what was printed of it; `differences` says in sentences how the network is built here, where
      paper and practice part, and how they differ.
    - `least` is the smallest side in pixels; sides grow from it by `step`; a `fixed` network takes no other.
      `sizes` are those under other options.
    - `table` is "module:function": called with `options`, it gives the lines of the paper's table.
    - `recipe` is what the network's own training needs where a recipe is silent.
    - `unused` are options of the builder that make no sense for this network; with `more_options` it takes others than
      those it declares, and checks them itself.
    """

    name: str
    builder: str
    options: Mapping[str, Any] = field(hash=False)
    paper: Paper
    input: tuple[int, int, int]
    published: tuple[Fact, ...]
    known_for: str
    differences: tuple[str, ...]
    least: int
    task: str = "classify"
    fixed: bool = False
    step: int = 1
    sizes: tuple[Sides, ...] = ()
    table: str = ""
    weights: Weights | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict, hash=False)
    unused: tuple[str, ...] = ()
    more_options: bool = False

    def __post_init__(self) -> None:
        for name in ("options", "recipe"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def family(self) -> str:
        """The file of the network's paper: resnet, vgg, densenet ..."""
        return self.builder.partition(":")[0].rpartition(".")[2]

    @property
    def year(self) -> int:
        """When it came out."""
        return self.paper.first or self.paper.year

    def __repr__(self) -> str:
        return f"Entry({self.name!r}, {self.paper.cited}, {self.task}, {by(self.input)})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def __str__(self) -> str:
        sides = f"{self.least} only" if self.fixed else f"{self.least} or more"
        sides += f", in steps of {self.step}" if self.step > 1 else ""
        facts = {
            "paper": self.paper,
            "task": self.task,
            "input": f"{by(self.input)} as published; side {sides}",
            "weights": self.weights or "none that load here",
        }
        lines = [self.name, f"  {self.known_for}"]
        lines += [f"  {key:<8}{value}" for key, value in facts.items()]
        if self.published:
            lines += ["  as published", *(f"    {subject}: {told}" for subject, told in prose(self.published).items())]
        lines += ["  as built here", *(f"    - {sentence}" for sentence in self.differences)]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The same fields as plain values, for JSON."""
        plain = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return plain | {
            "options": dict(self.options),
            "paper": str(self.paper),
            "year": self.year,
            "published": prose(self.published),
            "sizes": [dataclasses.asdict(each) for each in self.sizes],
            "weights": str(self.weights or ""),
            "recipe": dict(self.recipe),
            "family": self.family,
        }


def published_error(entry: Entry) -> tuple[float, str] | None:
    """The top-1 error on ImageNet that an entry's weights or paper give, in percent, with how it was measured.

    torchvision's accuracy comes first, for most networks share its protocol; then an error on one crop; then others.
    """
    found = [
        fact
        for fact in entry.published
        if fact.quantity in ("accuracy", "error") and fact.on == "ImageNet" and fact.top == 1
        if not fact.of and not fact.bound
    ]
    if not found:
        return None
    best = min(found, key=lambda fact: (fact.quantity != "accuracy", fact.crops != 1))
    error = best.value if best.quantity == "error" else 100 - best.value
    return float(error), ", ".join(filter(None, (best.source, best.protocol)))
