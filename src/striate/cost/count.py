"""What a network costs, for any `nn.Module`: rows, totals, and the arithmetic behind every number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from torch import nn

from striate.base.errors import UsageError
from striate.cost import tables
from striate.cost.field.fields import FeatureMap, Field, Fields
from striate.cost.ledger import Entry, Ledger, Shape
from striate.cost.memory import Memory, Peak
from striate.cost.walk.trace import Inputs, Loss, Observer, Phase, trace
from striate.cost.work import COLUMNS, Work

PHASES: tuple[Phase, ...] = ("forward", "loss", "backward", "optimizer")


@final
@dataclass(frozen=True, slots=True)
class Tally:
    """Work as in `Work`, and bytes of the tensors that operators read and wrote, each operator by itself."""

    macs: int = 0
    macs_valid: int = 0
    additions: int = 0
    comparisons: int = 0
    transcendental: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.macs + other.macs,
            self.macs_valid + other.macs_valid,
            self.additions + other.additions,
            self.comparisons + other.comparisons,
            self.transcendental + other.transcendental,
            self.bytes_read + other.bytes_read,
            self.bytes_written + other.bytes_written,
        )


@dataclass(frozen=True, slots=True)
class _Tallied:
    """The columns that a row, a stage and the whole network have; a phase that was not counted is not in `phases`."""

    phases: Mapping[Phase, Tally]
    params: int
    activations: int
    outputs: int

    @property
    def tally(self) -> Tally:
        """All phases together."""
        return sum(self.phases.values(), Tally())

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions, linear layers and matrix products, of all phases; zero padding included."""
        return sum(each.macs for each in self.phases.values())

    @property
    def macs_valid(self) -> int:
        """Those of them that do not multiply zero padding: the rest is its price."""
        return sum(each.macs_valid for each in self.phases.values())

    @property
    def additions(self) -> int:
        """Other additions, subtractions, multiplications and divisions, each one."""
        return sum(each.additions for each in self.phases.values())

    @property
    def comparisons(self) -> int:
        """Comparisons of two numbers."""
        return sum(each.comparisons for each in self.phases.values())

    @property
    def transcendental(self) -> int:
        """Exponentials, logarithms, roots and the like."""
        return sum(each.transcendental for each in self.phases.values())

    @property
    def bytes_read(self) -> int:
        """Bytes of the tensors that operators read, each operator by itself, without any cache."""
        return sum(each.bytes_read for each in self.phases.values())

    @property
    def bytes_written(self) -> int:
        """Bytes of the tensors that operators wrote."""
        return sum(each.bytes_written for each in self.phases.values())


@final
@dataclass(frozen=True, slots=True)
class Row(_Tallied):
    """One call of a module without children, or one kind of operator that a module with children calls itself.

    - `module`: qualified name, "" for the network itself.
    - `kind`: the module's class, or the operator's name (`add` of a residual block), or "loss".
    - `inputs`, `output`: shapes, batch included; `output` is None where a module was not called.
    - `called`: False for a module with parameters that the pass did not call, so that parameters add up.
    - `params`: the module's own, in the row of its first call; shared ones where they are met first.
    - `activations`: numbers that convolutions, linear layers and matrix products of the forward pass put out.
    - `outputs`: numbers that all operators of the forward pass put out.
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


@final
@dataclass(frozen=True, slots=True)
class Stage(_Tallied):
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
@dataclass(frozen=True, slots=True)
class Count(_Tallied):
    """What `count` found. All numbers are for the whole batch and all phases; `phases` has each phase by itself.

    - `network`: class of the network. `inputs`: shapes, batch included.
    - `params` = `trainable` + `frozen`: numbers in parameters, shared ones once; `buffers` are not among them.
    - `rows`: in the order of the calls; they add up to the totals.
    - `peak_bytes`: the most bytes alive at once, None where memory was not asked for; `memory` says of what.
    - `last`: the last feature map with its receptive field, None where there is none or it cannot be told.
    - `unknown`: operator without a rule -> module -> calls; empty unless `unknown="report"` was asked for.
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
    unknown: Mapping[str, Mapping[str, int]]
    memory: Peak | None

    @property
    def peak_bytes(self) -> int | None:
        return None if self.memory is None else self.memory.bytes

    @property
    def fields(self) -> tuple[Field | None, ...]:
        """The receptive field of each row."""
        return tuple(row.field for row in self.rows)

    def stages(self, depth: int = 1) -> tuple[Stage, ...]:
        """Rows summed by the first `depth` parts of their module's name, in the order of the calls."""
        groups: dict[str, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(".".join(row.module.split(".")[:depth]), []).append(row)
        return tuple(
            Stage(
                _sum_phases([row.phases for row in rows]),
                sum(row.params for row in rows),
                sum(row.activations for row in rows),
                sum(row.outputs for row in rows),
                name,
                tuple(rows),
            )
            for name, rows in groups.items()
        )

    def operators(self) -> tuple[Operator, ...]:
        """Work summed by operator and phase, the most multiply-adds first; what only moves bytes is not among them."""
        groups: dict[tuple[str, Phase], list[Work]] = {}
        for row in self.rows:
            for phase, name, done in row.works:
                groups.setdefault((name, phase), []).append(done)
        sums = [
            Operator(
                name, phase, len(works), Work(*(sum(getattr(each, column) for each in works) for column in COLUMNS))
            )
            for (name, phase), works in groups.items()
        ]
        return tuple(sorted(sums, key=lambda each: each.work.macs, reverse=True))

    def why(self) -> str:
        """The formulas of all rows, each under its module's name."""
        return "\n".join(
            f"{row.module or self.network}\n  " + row.why().replace("\n", "\n  ") for row in self.rows if row.works
        )

    def __str__(self) -> str:
        return tables.text(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """Totals, phases and rows as one JSON object."""
        return tables.as_json(self, indent)

    def to_markdown(self) -> str:
        """The rows and a line of totals as a Markdown table."""
        return tables.markdown(self)

    def to_csv(self) -> str:
        """One line a row, with a head line and without totals, so that columns can be added up."""
        return tables.csv_text(self)

    def to_dataframe(self) -> Any:
        """One line a row as a `pandas.DataFrame`. Raises `MachineError` where pandas is not installed."""
        return tables.dataframe(self)

    def _repr_html_(self) -> str:
        return tables.html_table(self)


def count(
    net: nn.Module,
    input_size: Inputs,
    *,
    batch: int = 1,
    training: bool = False,
    loss: Loss | None = None,
    optimizer: str | None = "sgd",
    autocast: bool = False,
    input_gradient: bool = False,
    unknown: Literal["raise", "report"] = "raise",
    memory: bool | None = None,
) -> Count:
    """Count what `net` does with inputs of this size, without running it and without memory for it.

    - `input_size`: the shape of one sample, such as (3, 224, 224); a tuple of shapes for several inputs; or tensors.
    - `training`: a whole step: forward in training mode, loss, backward, and a step of `optimizer`, which is "sgd",
      "momentum", "adamw" or None. Otherwise the forward pass in evaluation mode.
    - `unknown`: what to do about an operator without a rule: "raise" names it, "report" lists it in `Count.unknown`.
    - `memory`: whether to find `peak_bytes`; by default in training only.

    The other options, and the errors, are those of `trace`.
    """
    if unknown not in ("raise", "report"):
        raise UsageError("unknown", f"{unknown!r} is not known", "raise or report")
    fields, peak = Fields(), Memory() if (training if memory is None else memory) else None
    ledger = Ledger(report_unknown=unknown == "report", fields=fields)  # asks `fields`, which is told before it
    observers: list[Observer] = [fields, ledger, *([peak] if peak else [])]
    traced = trace(
        net,
        input_size,
        observers,
        batch=batch,
        training=training,
        loss=loss,
        optimizer=optimizer,
        autocast=autocast,
        input_gradient=input_gradient,
    )
    rows = tuple(_row(entry) for entry in ledger.entries())
    parameters = list(traced.net.parameters())
    trainable = sum(each.numel() for each in parameters if each.requires_grad)
    params = sum(each.numel() for each in parameters)
    return Count(
        phases=_sum_phases([row.phases for row in rows]),
        params=params,
        activations=sum(row.activations for row in rows),
        outputs=sum(row.outputs for row in rows),
        network=type(traced.net).__name__,
        inputs=tuple(tuple(each.shape) for each in traced.inputs),
        batch=traced.inputs[0].shape[0] if traced.inputs and traced.inputs[0].ndim else 1,
        training=training,
        trainable=trainable,
        frozen=params - trainable,
        buffers=sum(each.numel() for each in traced.net.buffers()),
        rows=rows,
        last=fields.last,
        unknown=ledger.unknown,
        memory=peak.peak() if peak else None,
    )


def _row(entry: Entry) -> Row:
    sums: dict[Phase, list[int]] = {phase: [0] * 5 + moved for phase, moved in entry.moved.items()}
    for phase, _, done in entry.works:
        numbers = sums[phase]
        numbers[0] += done.macs
        numbers[1] += done.macs_valid
        numbers[2] += done.additions
        numbers[3] += done.comparisons
        numbers[4] += done.transcendental
    return Row(
        phases={phase: Tally(*numbers) for phase, numbers in sums.items()},
        params=entry.params,
        activations=entry.activations,
        outputs=entry.outputs,
        module=entry.module,
        kind=entry.kind,
        inputs=entry.inputs,
        output=entry.output,
        called=entry.called,
        field=entry.field,
        works=tuple(entry.works),
    )


def _sum_phases(phases: list[Mapping[Phase, Tally]]) -> dict[Phase, Tally]:
    """Each phase over all rows, in the order of a step; the ones that no row has are left out."""
    sums = {phase: [each[phase] for each in phases if phase in each] for phase in PHASES}
    return {phase: sum(tallies, Tally()) for phase, tallies in sums.items() if tallies}
