"""What the catalogue knows of a network; importing this file does not import torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


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


@dataclass(frozen=True)
class Entry:
    """One network of the catalogue.

    - `builder` is "module:function"; `options` are what the name stands for and cannot be changed.
    - `input` is (channels, height, width) as published; `task` is classify, segment or reconstruct.
    - `published` is what the paper printed, each under a short key; `differences` says in sentences how the
      network is built here, where paper and practice part, and how they differ.
    - `least` is the smallest side in pixels; sides grow from it by `step`; a `fixed` network takes no other.
      `sizes` holds (least, usual) side under other options, by "option=value".
    - `table` is "module:function": called with `options`, it gives the lines of the paper's table.
    - `recipe` is what the network's own training needs where a recipe is silent.
    - `unused` are options of the builder that make no sense for this network; with `more_options` it takes others than
      those it declares, and checks them itself.
    - `weights` names where published weights are: "torchvision:resnet50", "timm:seresnet50", with a tag after a
      point where timm has several, or "torchvision:resnet34@encoder" for the child called encoder.
    """

    name: str
    builder: str
    options: Mapping[str, Any] = field(hash=False)
    paper: str
    year: int
    input: tuple[int, int, int]
    published: Mapping[str, str] = field(hash=False)
    known_for: str
    differences: tuple[str, ...]
    least: int
    task: str = "classify"
    fixed: bool = False
    step: int = 1
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict, hash=False)
    table: str = ""
    weights: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict, hash=False)
    unused: tuple[str, ...] = ()
    more_options: bool = False

    def __post_init__(self) -> None:
        for name in ("options", "published", "sizes", "recipe"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def family(self) -> str:
        """The file of the network's paper: resnet, vgg, densenet ..."""
        return self.builder.partition(":")[0].rpartition(".")[2]

    @property
    def authors(self) -> str:
        """Who published it and when, without the title."""
        return re.split(r"(?<=\d{4})\b", self.paper, maxsplit=1)[0]

    def __str__(self) -> str:
        channels, height, width = self.input
        sides = f"{self.least} only" if self.fixed else f"{self.least} or more"
        sides += f", in steps of {self.step}" if self.step > 1 else ""
        facts = {
            "paper": self.paper,
            "task": self.task,
            "input": f"{channels}x{height}x{width} as published; side {sides}",
            "weights": self.weights or "none that load here",
        }
        lines = [self.name, f"  {self.known_for}"]
        lines += [f"  {key:<8}{value}" for key, value in facts.items()]
        if self.published:
            lines += ["  as published", *(f"    {key}: {value}" for key, value in self.published.items())]
        lines += ["  as built here", *(f"    - {sentence}" for sentence in self.differences)]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The same fields as plain values, for JSON."""
        fields = {key: getattr(self, key) for key in self.__dataclass_fields__}
        plain = {key: dict(value) if isinstance(value, Mapping) else value for key, value in fields.items()}
        return plain | {"family": self.family}
