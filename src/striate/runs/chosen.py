"""choice.json: which networks were thought of, what was tried of them, and why they went. Importing this imports no
torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, final

from striate.base import declared, reading
from striate.base.declared import OPEN, Count, Text
from striate.base.errors import RunError
from striate.base.options import Range
from striate.evaluate.contrasts import known
from striate.evaluate.numbers import Number, as_told, is_mean
from striate.runs.openings import CHOICE
from striate.runs.studied import in_files

MOST = 2**24  # bytes of choice.json
TRUSTED = 0.2  # how far repeated times may lie apart, as a share of the least
Seconds = Annotated[float, Range(1, least=0)]


@final
@dataclass(frozen=True)
class Limits:
    """What a network may take: seconds of a picture here, parameters, bytes of a training step; and seconds in all."""

    latency: Seconds | None = None
    parameters: Annotated[float, Range(1, least=1)] | None = None
    memory: Count | None = None
    time: Seconds | None = None


@final
@dataclass(frozen=True)
class Candidate:
    """What is known of a network before it is trained; `error` is its published one on ImageNet, in per cent.

    `within`: the least and the most of the times that `latency` is the median of.
    """

    model: Text
    family: Text
    parameters: Count
    multiply_adds: Count
    latency: Seconds
    error: float | None = None
    within: tuple[Seconds, ...] = ()

    @property
    def least(self) -> float:
        return min(self.within, default=self.latency)

    @property
    def most(self) -> float:
        return max(self.within, default=self.latency)

    @property
    def told(self) -> str:
        """1.2 ms; or 1.2 ms (0.9 to 1.8), where times spread too much to trust one."""
        spread = f" ({1e3 * self.least:.3g} to {1e3 * self.most:.3g})" if self.most > (1 + TRUSTED) * self.least else ""
        return f"{1e3 * self.latency:.3g} ms{spread}"


def fastest_first(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Of those whose times overlap with those of the fastest the one of fewest multiply-adds is first, and so on."""
    left, ordered = sorted(candidates, key=lambda each: each.latency), list[Candidate]()
    while left:
        alike = [each for each in left if each.least <= left[0].most]
        ordered.append(min(alike, key=lambda each: (each.multiply_adds, each.latency)))
        left.remove(ordered[-1])
    return ordered


@final
@dataclass(frozen=True)
class Rung:
    """Trainings of one length, each with its own whole schedule: who is trained, for whom there is no time, who is
    worse than the best, and who failed, and why; and the seconds that it was to take, and that it took."""

    epochs: Count
    models: tuple[Text, ...]
    late: Mapping[str, Text] = field(default_factory=dict)
    left: Mapping[str, Text] = field(default_factory=dict)
    failed: Mapping[str, Text] = field(default_factory=dict)
    ended: bool = False
    foreseen: Seconds | None = None
    took: Seconds = 0.0

    @property
    def done(self) -> list[str]:
        return [each for each in self.models if each not in self.failed]

    @property
    def kept(self) -> list[str]:
        """Those that go on."""
        return [each for each in self.done if each not in self.left]

    @property
    def went(self) -> Mapping[str, str]:
        """Who goes no further, and why."""
        failed = {model: f"{model} failed: {cause}" for model, cause in self.failed.items()}
        return {**self.late, **failed, **self.left}


@final
@dataclass(frozen=True)
class Seeds:
    """The network that is taken, by its trainings of the last rung with several seeds: what each came to on validation,
    first the one by which it was chosen, and their mean; `alone` says why there is no other."""

    model: Text
    numbers: tuple[Number, ...]
    mean: Number
    alone: Text = ""

    def __str__(self) -> str:
        if self.alone:
            return f"One seed decided, and there is no other: {self.alone}."
        each = "; ".join(brief(number).partition(" (")[0].removeprefix(f"{self.mean.name} ") for number in self.numbers)
        return (
            f"{self.model} with {len(self.numbers)} seeds, on validation: {brief(self.mean)}; single ones {each}, of "
            "which the first was chosen by it."
        )


@final
@dataclass(frozen=True)
class Linear:
    """A linear classifier on validation; `pair` is the record of what lies between the best network and it."""

    name: Text
    number: Number
    pair: Mapping[str, Any]

    @property
    def as_good(self) -> bool:
        """Whether no network is known to be better."""
        return known(self.pair).verdict != "beats"

    def __str__(self) -> str:
        told = f"A linear classifier, of pixels at 16x16: {known(self.pair)}."
        return f"{told} No network is known to be needed." if self.as_good else told


@final
@dataclass(frozen=True, kw_only=True)
class Asked:
    """choice.json: `removed` says why of networks that were not tried; `answer` are those that cannot be told from the
    best, the fastest first, which is taken; `told` what was said of it, once all is done. `spent` are seconds; of
    choices of before, name and task of the data, when they began and what was typed are not known."""

    format: Literal[1]
    id: Text
    recipe: Mapping[str, Any]
    limits: Limits
    candidates: tuple[Candidate, ...]
    removed: Mapping[str, str]
    rungs: tuple[Rung, ...] = ()
    answer: tuple[Text, ...] = ()
    seeds: Seeds | None = None
    linear: Linear | None = None
    told: tuple[Text, ...] = ()
    spent: Seconds = 0.0
    data: Text = ""
    task: Text = ""
    began: Text = ""
    command: Text = ""

    @property
    def run(self) -> str:
        """The name of the training of the one that is taken, once that is known."""
        return name_of(self.answer[0], len(self.rungs))


def name_of(model: str, rung: int) -> str:
    """The name of a network's training on a rung, which is counted from 1."""
    return f"{in_files(model)}-rung-{rung}"


def read_asked(folder: Path) -> Asked:
    """choice.json; a RunError where there is none, or it is damaged."""
    path = folder / CHOICE
    if not path.is_file():
        raise RunError(folder, f"no choice: there is no {CHOICE} in it", "the folder that `striate choose` told")
    reading.refuse_link(path)
    found: Asked = declared.read(Annotated[Asked, OPEN], reading.read_json(path, MOST), path)
    return found


def brief(told: Number) -> str:
    """accuracy 98.1 % (96.0 % to 99.1 %, n = 359)."""
    if told.value is None or told.low is None or told.high is None:
        return f"{told.name} undefined"
    ends = (told.value, told.low, told.high)
    value, low, high = (as_told(each, told.n, is_mean(told.method)) for each in ends)
    return f"{told.name} {value} ({low} to {high}, n = {told.n:,})"
