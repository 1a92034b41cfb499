"""What was printed of a network: each number with its digits, and the few forms in which papers print them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from striate.base.words import many


@dataclass(frozen=True)
class Fact:
    """One number as it was printed, such as a top-1 error of 22.9 % on ImageNet by 10 crops.

    - `quantity` is what it counts: "parameters", "multiply-adds", "error", "accuracy" ...; `value` keeps the digits
      that were printed, in `unit`: "%", "M", "G" or ""; `bound` says that only "above" or "below" it was printed.
    - `on` is the data, "ImageNet" or "CIFAR-10", `subset` the part of it where the source names one.
    - `top` is 1 or 5 where the answer may be among the first so many; `crops` are those of each picture, with sides of
      `side` pixels where that is not the network's own; 0 where it does not say.
    - `how` is whatever else the number depends on; `source` is who printed it.
    - `of` is the network that it belongs to, where the source prints another one beside this.
    """

    quantity: str
    value: Decimal
    unit: str = ""
    on: str = ""
    subset: str = ""
    top: int = 0
    crops: int = 0
    side: int = 0
    how: str = ""
    source: str = "paper"
    of: str = ""
    bound: Literal["", "above", "below"] = ""

    @property
    def protocol(self) -> str:
        """How it was measured: "10 crops", "1 crop of 320", "released model, 1 crop"; empty where nothing is said."""
        side = f" of {self.side}" if self.side else ""
        crops = f"{many(self.crops, 'crop')}{side}" if self.crops else ""
        return ", ".join(filter(None, (self.how, crops)))

    @property
    def subject(self) -> str:
        """All but the number: "error on ImageNet, 10 crops", "parameters, torchvision"."""
        of = f" of {self.of}" if self.of else ""
        on = f" on {self.on} {self.subset}".rstrip() if self.on else ""
        source = "" if self.source == "paper" else self.source
        return ", ".join(filter(None, (f"{self.quantity}{of}{on}", source, self.protocol)))

    @property
    def number(self) -> str:
        """Without its unit: "22.9", "25,557,032", "above 60"."""
        return f"{self.bound} {self.value:,}".lstrip()


def prose(facts: Iterable[Fact]) -> dict[str, str]:
    """What is told of each subject: {"error on ImageNet, 10 crops, top-1 / top-5": "22.9 / 6.7 %"}."""
    subjects: dict[str, list[Fact]] = {}
    for fact in facts:
        subjects.setdefault(fact.subject, []).append(fact)
    told = {}
    for subject, own in subjects.items():
        tops = " / ".join(f"top-{fact.top}" for fact in own if fact.top)
        numbers = " / ".join(fact.number for fact in own)
        told[", ".join(filter(None, (subject, tops)))] = f"{numbers} {own[0].unit}".rstrip()
    return told


def parameters(value: str | int, unit: str = "", **more: Any) -> Fact:
    return Fact("parameters", Decimal(value), unit, **more)


def multiply_adds(value: str, **more: Any) -> Fact:
    """In billions."""
    return Fact("multiply-adds", Decimal(value), "G", **more)


def error(on: str, value: str, **more: Any) -> Fact:
    """In percent."""
    return Fact("error", Decimal(value), "%", on, **more)


def top(first: str = "", fifth: str = "", *, on: str = "ImageNet", **more: Any) -> tuple[Fact, ...]:
    """Top-1 and top-5 errors in percent, either of which may not have been printed."""
    return tuple(error(on, value, top=each, **more) for each, value in ((1, first), (5, fifth)) if value)


def torchvision(*accuracies: tuple[str, str], counted: tuple[int, str] | None = None) -> tuple[Fact, ...]:
    """What it prints of its weights V1, V2: top-1 and top-5; and of all: parameters, billions of multiply-adds."""
    source = "torchvision"
    facts = [parameters(counted[0], source=source), multiply_adds(counted[1], source=source)] if counted else []
    for version, both in enumerate(accuracies, 1):
        source = f"torchvision's V{version} weights"
        facts += [replace(fact, quantity="accuracy") for fact in top(*both, source=source, crops=1)]
    return tuple(facts)
