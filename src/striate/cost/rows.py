"""What a count is: rows, their sums, and the same columns as text, Markdown, CSV, JSON, HTML and a data frame."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, final

from striate.base import tables
from striate.base.errors import MachineError
from striate.base.tables import Table
from striate.base.units import by
from striate.base.words import many, often, some
from striate.cost.field.fields import FeatureMap, Field
from striate.cost.memory import Peak
from striate.cost.walk.events import PHASES, Phase
from striate.cost.work import OPERATIONS, TALLY, Tally, Work, summed, tally_of, total

Shape = tuple[int, ...]

RECORD = ("module", "kind", "input", "output", "field", "params", "activations", "outputs", *TALLY)
# What fits a screen: attribute -> head; and the heads that a narrow one lacks, the first first.
SHOWN = {each: each for each in ("module", "kind", "output", "field")} | {"params": "parameters"} | OPERATIONS
SPARED = (*list(OPERATIONS.values())[:0:-1], "field", "kind", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Tally):
    """What a row, a stage and the whole network have: the columns of all phases together, and each phase by itself.

    - `phases`: a phase that was not counted is not among them.
    - `activations`: numbers that convolutions, linear layers and matrix products of the forward pass put out.
    - `outputs`: numbers that all operators of the forward pass put out.
    """

    phases: Mapping[Phase, Tally]
    params: int
    activations: int
    outputs: int

    def __post_init__(self) -> None:
        for column, value in zip(TALLY, tally_of(self.tally), strict=True):
            object.__setattr__(self, column, value)

    @property
    def tally(self) -> Tally:
        """All phases together."""
        return total(self.phases.values())


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Part):
    """One call of a module without children, or one kind of operator that a module with children calls itself.

    - `module`: qualified name, "" for the network itself.
    - `kind`: the module's class, or the operator's name (`add` of a residual block), or "loss".
    - `inputs`, `output`: shapes, batch included; `output` is None where a module was not called.
    - `called`: False for a module with parameters that the pass did not call, so that parameters add up.
    - `params`: the module's own, in the row of its first call; shared ones where they are met first.
    - `field`: the receptive field of the output, where it has one.
    - `works`: phase, operator and work of each operator.
    """

    module: str
    kind: str
    inputs: tuple[Shape, ...]
    output: Shape | None
    called: bool
    field: Field | None
    works: tuple[tuple[Phase, str, Work], ...]

    def why(self) -> str:
        """The formula of each number with sizes filled in: `convolution: multiply-adds: 55*55*96 * 11*11*3 = ...`."""
        lines = []
        for phase, operator, done in self.works:
            before = operator if phase == "forward" else f"{phase} {operator}"
            lines += [f"{before}: {line}" for line in done.why.splitlines()]
        return "\n".join(lines)

    def record(self) -> dict[str, object]:
        """Its columns, shapes and field as text."""
        shapes = {"input": " ".join(map(_by, self.inputs)), "output": "" if self.output is None else _by(self.output)}
        texts = shapes | {"field": "" if self.field is None else str(self.field)}
        return {name: texts[name] if name in texts else getattr(self, name) for name in RECORD}

    def as_dict(self) -> dict[str, object]:
        """For JSON: shapes as lists."""
        return self.record() | {
            "input": self.inputs,
            "output": self.output,
            "field": None if self.field is None else self.field.as_dict(),
            "called": self.called,
            "phases": {phase: _columns(tally) for phase, tally in self.phases.items()},
        }


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Part):
    """The sum of the rows of a child of the network."""

    module: str
    rows: tuple[Row, ...]


@final
@dataclass(frozen=True, slots=True)
class Operator:
    """The sum of all calls of one operator in one phase."""

    name: str
    phase: Phase
    calls: int
    work: Work


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Part):
    """What `count` found. All numbers are for the whole batch and all phases; `phases` has each phase by itself.

    - `network`: class of the network. `inputs`: shapes, batch included.
    - `params` = `trainable` + `frozen`: numbers in parameters, shared ones once; `buffers` are not among them.
    - `rows`: in the order of the calls; they add up to the totals.
    - `peak_bytes`: the most bytes alive at once, None where memory was not asked for; `memory` says of what.
    - `last`: the last feature map with its receptive field, None where there is none or it cannot be told.
    - `hooks`: how many hooks were not run; `left_out` has them by module.
    - `unknown`: operator without a rule -> module -> calls; empty unless `unknown="report"` was asked for.
    - `stopped`: module, operator and why, where a network that looks at values of its input was counted up to there
      because `unknown="report"` was asked for; `memory` and `last` are None then.
    """

    network: str
    inputs: tuple[Shape, ...]
    batch: int
    training: bool
    trainable: int
    frozen: int
    buffers: int
    rows: tuple[Row, ...]
    last: FeatureMap | None
    left_out: Mapping[str, int]
    unknown: Mapping[str, Mapping[str, int]]
    stopped: str | None
    memory: Peak | None

    @property
    def peak_bytes(self) -> int | None:
        return None if self.memory is None else self.memory.bytes

    @property
    def hooks(self) -> int:
        return sum(self.left_out.values())

    @property
    def fields(self) -> tuple[Field | None, ...]:
        """The receptive field of each row."""
        return tuple(row.field for row in self.rows)

    def stages(self, depth: int = 1) -> tuple[Stage, ...]:
        """Rows summed by the first `depth` parts of their module's name, in the order of the calls."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(".".join(row.module.split(".")[:depth]), []).append(row)
        return tuple(Stage(**sums(rows), module=name, rows=tuple(rows)) for name, rows in groups.items())

    def operators(self) -> tuple[Operator, ...]:
        """Work summed by operator and phase, the most multiply-adds first; what only moves bytes is not among them."""
        groups: dict[tuple[str, Phase], list[Work]] = {}
        for row in self.rows:
            for phase, name, done in row.works:
                groups.setdefault((name, phase), []).append(done)
        found = [Operator(*key, len(works), Work(*summed(works))) for key, works in groups.items()]
        return tuple(sorted(found, key=lambda each: each.work.macs, reverse=True))

    def why(self) -> str:
        """The formulas of all rows, each under its module's name."""
        return "\n".join(
            f"{row.module or self.network}\n  " + row.why().replace("\n", "\n  ") for row in self.rows if row.works
        )

    def not_counted(self) -> list[str]:
        """A line for each operator without a rule, and one for what comes after a look at values."""
        lines = [] if self.stopped is None else [f"NOT COUNTED: the rest ({self.stopped})"]
        for operator, modules in self.unknown.items():
            names = ", ".join(name or self.network for name in modules)
            lines.append(f"NOT COUNTED: {operator}, {often(sum(modules.values()))}, in {names}")
        return lines

    def table(self) -> Table:
        """The rows and their totals in the columns that fit a screen; below, what else there is to tell."""
        rows = []
        for row in self.rows:
            record = row.record() | {"module": row.module or self.network}
            record |= {} if row.called else {"output": "not called"}
            rows.append([record[name] for name in SHOWN])
        totals = {"module": "total", "params": self.params, **_columns(self)}
        return Table(
            tuple(SHOWN.values()),
            rows,
            f"{self.network}, {'one training step' if self.training else 'forward'}, "
            f"input {' and '.join(map(_by, self.inputs))} (batch of {self.batch})",
            totals=[totals.get(name, "") for name in SHOWN],
            notes=self._notes(),
            spared=SPARED,
            elsewhere="--format csv or json has them",
        )

    def _notes(self) -> list[str]:
        notes = [f"parameters: {self.trainable:,} trainable, {self.frozen:,} frozen; buffers: {self.buffers:,}"]
        notes.append(f"outputs of convolutions, linear layers and matrix products: {self.activations:,}")
        for phase, each in self.phases.items():
            moved = f"{each.bytes_read:,} bytes read, {each.bytes_written:,} written"
            notes.append(f"{phase}: {each.macs:,} multiply-adds, {moved}")
        if self.last is not None:
            where = f"{_by(self.last.shape[1:])} of {self.last.module or self.network}"
            notes.append(f"last feature map: {where}, sees {self.last.field}")
        if self.hooks:
            names = some((name or self.network for name in self.left_out), 3)
            notes.append(f"{many(self.hooks, 'hook')} left out, of {names}")
        return notes + ([] if self.memory is None else str(self.memory).splitlines()) + self.not_counted()

    def __repr__(self) -> str:
        return self.to_text()

    def to_text(self, width: int | None = None) -> str:
        """An aligned table with totals, and a line for each phase; for a terminal of `width` columns, if given."""
        return tables.text(self.table(), width)

    def to_markdown(self) -> str:
        """The rows and a line of totals as a Markdown table."""
        return tables.markdown(self.table())

    def _repr_html_(self) -> str:
        return tables.html_table(self.table())

    def to_csv(self) -> str:
        """One line a row, with a head line and without totals, so that columns can be added up."""
        return tables.csv(Table(RECORD, [list(row.record().values()) for row in self.rows]))

    def to_dataframe(self) -> Any:
        """One line a row as a `pandas.DataFrame`. Raises `MachineError` where pandas is not installed."""
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            cause = "a data frame needs it and it is not installed"
            raise MachineError("pandas", cause, "pip install pandas") from error
        return pandas.DataFrame([row.record() for row in self.rows], columns=list(RECORD))

    def to_json(self, *, indent: int | None = None) -> str:
        """Totals, phases and rows as one JSON object."""
        return json.dumps(self.as_dict(), indent=indent, ensure_ascii=False)

    def as_dict(self) -> dict[str, object]:
        """What `to_json` writes; shapes as lists."""
        plain = ("network", "inputs", "batch", "training", "params", "trainable", "frozen", "buffers", "activations")
        return {name: getattr(self, name) for name in (*plain, "outputs", *TALLY)} | {
            "last": None if self.last is None else self.last.as_dict(),
            "peak_bytes": self.peak_bytes,
            "memory": None if self.memory is None else self.memory.as_dict(),
            "phases": {phase: _columns(tally) for phase, tally in self.phases.items()},
            "hooks": self.left_out,
            "unknown": self.unknown,
            "stopped": self.stopped,
            "rows": [row.as_dict() for row in self.rows],
        }


def sums(rows: Sequence[Row]) -> dict[str, Any]:
    """What a part that is these rows has: each phase over all of them, in the order of a step, and the other sums."""
    there = {phase: [row.phases[phase] for row in rows if phase in row.phases] for phase in PHASES}
    numbers = {name: sum(getattr(row, name) for row in rows) for name in ("params", "activations", "outputs")}
    return {"phases": {phase: total(tallies) for phase, tallies in there.items() if tallies}, **numbers}


def _columns(tally: Tally) -> dict[str, int]:
    return {name: getattr(tally, name) for name in TALLY}


def _by(shape: Shape) -> str:
    return by(shape) or "1 number"
