"""Keeps the books of a pass: which row each operator call belongs to, what it did, what it read and wrote."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from striate.base.errors import Option, UsageError
from striate.cost.field.fields import Field, Fields
from striate.cost.rows import Row, Shape
from striate.cost.rules import DRAWN, FREE, GATHERED, is_product, rule_of
from striate.cost.walk.events import NO_CALL, Call, Observer, Phase, Traced, tensors
from striate.cost.walk.twin import named
from striate.cost.work import NONE, Tally, Work, summed


@dataclass(slots=True)
class _Entry:
    """A row while it is being written."""

    module: str
    kind: str
    inputs: tuple[Shape, ...] = ()
    output: Shape | None = None
    called: bool = True
    params: int = 0
    activations: int = 0
    outputs: int = 0
    field: Field | None = None
    works: list[tuple[Phase, str, Work]] = dataclasses.field(default_factory=list)
    moved: dict[Phase, list[int]] = dataclasses.field(default_factory=dict)  # bytes read, bytes written

    def row(self) -> Row:
        works: dict[Phase, list[Work]] = {phase: [] for phase in self.moved}
        for phase, _, done in self.works:
            works[phase].append(done)
        phases = {phase: Tally(*summed(works[phase]), *moved) for phase, moved in self.moved.items()}
        plain = {name: getattr(self, name) for name in _PLAIN}
        return Row(phases=phases, works=tuple(self.works), **plain)


_PLAIN = [each.name for each in dataclasses.fields(_Entry) if each.name not in ("works", "moved")]


@final
class Ledger(Observer):
    """Writes the rows: one per call of a module without children, else one per kind of operator.

    It tells `fields` of each event before it asks for the receptive field of what a row returns.
    """

    def __init__(self, *, report_unknown: bool) -> None:
        self.fields = Fields()
        self.unknown: dict[str, dict[str, int]] = {}
        self._report = report_unknown
        self._entries: dict[tuple[int, str], _Entry] = {}  # by number of the module call and, in a parent, operator
        self._kinds: dict[str, str] = {}  # name -> class of each module
        self._leaves: frozenset[str] = frozenset()  # names of modules without children
        self._first: dict[str, tuple[int, str]] = {}  # the first row of each module
        self._again: dict[int, int] = {}  # a call that a checkpoint makes again -> the call it repeats
        self._calls: dict[str, list[tuple[int, tuple[Shape, ...]]]] = {}
        self._backward = False

    def begin(self, traced: Traced) -> None:
        self.fields.begin(traced)
        self.traced = traced
        self._kinds = {name: type(module).__name__ for module, name in traced.names.items()}
        self._leaves = frozenset(name for module, name in traced.names.items() if next(module.children(), None) is None)

    def module_entered(self, name: str, call: int, inputs: tuple[Tensor, ...]) -> None:
        shapes = tuple([tuple(each.shape) for each in inputs])
        if self._backward:
            same = [number for number, given in self._calls.get(name, ()) if given == shapes]
            if same:
                self._again[call] = same[-1]
                return
        self._calls.setdefault(name, []).append((call, shapes))
        if name in self._leaves:
            self._entries[call, ""] = _Entry(name, self._kinds[name], shapes)
            if self._first.get(name, ("", "a hook"))[1]:
                self._first[name] = (call, "")

    def module_left(self, name: str, call: int, outputs: tuple[Tensor, ...]) -> None:
        self.fields.module_left(name, call, outputs)
        entry = self._entries.get((call, ""))
        if entry is not None and outputs:
            entry.output, entry.field = tuple(outputs[0].shape), self.fields.of(outputs[0])

    def called(self, call: Call) -> None:
        self.fields.called(call)
        rule, packet = rule_of(call.operator), call.packet
        if rule is None:
            self._refuse(call)
        if rule is None or packet in FREE:
            return
        done = rule(call)
        written = sum(map(_bytes, call.outputs))
        read = _read(packet, call.args, written)
        entry = self._entry(call)
        if done is not NONE:
            entry.works.append((call.phase, packet.__name__, done))
        moved = entry.moved.setdefault(call.phase, [0, 0])
        moved[0] += read
        moved[1] += written
        if call.phase == "forward":
            size = call.outputs[0].numel() if call.outputs else 0
            entry.outputs += size
            if is_product(call.operator):
                entry.activations += size

    def phase_ended(self, phase: Phase) -> None:
        self.fields.phase_ended(phase)
        self._backward = phase == "loss"

    def rows(self) -> tuple[Row, ...]:
        """In the order of the calls, with parameters where they are first met, then modules nobody called."""
        entries = list(self._entries.values())
        sizes = Counter[str]()
        for name, parameter in self.traced.net.named_parameters():
            sizes[name.rpartition(".")[0]] += parameter.numel()
        for name, size in sizes.items():
            if name in self._first:
                self._entries[self._first[name]].params += size
            elif size:
                entries.append(_Entry(name, self._kinds[name], called=False, params=size))
        return tuple(entry.row() for entry in entries)

    def _entry(self, call: Call) -> _Entry:
        number = self._again.get(call.leaf_call, call.leaf_call)
        entry = self._entries.get((number, ""))
        if entry is not None:
            return entry
        outside, step = number == NO_CALL, call.phase == "optimizer"
        if step:
            kind = self._kinds[call.module] if outside else "optimizer"
        else:
            kind = "loss" if outside else _kind(call)
        key = (number, call.module if step and outside else kind)
        entry = self._entries.get(key)
        if entry is None:
            called = not (step and outside)
            shapes = tuple([tuple(each.shape) for each in call.args if called and isinstance(each, Tensor)])
            entry = self._entries[key] = _Entry(call.module, kind, shapes, called=called)
            if kind != "loss":
                self._first.setdefault(call.module, key)
            if call.outputs and not step:
                entry.output = tuple(call.outputs[0].shape)
        if call.phase == "forward" and call.outputs:
            entry.field = self.fields.of(call.outputs[0])
        return entry

    def leave_out(self, call: Call, what: str = "") -> None:
        """Listed in `unknown`: the operator, or only `what` of it, such as its memory."""
        modules = self.unknown.setdefault(f"{what}{call.operator}", {})
        modules[call.module] = modules.get(call.module, 0) + 1

    def _refuse(self, call: Call) -> None:
        if not self._report:
            hint = (Option("unknown", "report"), ", to list such operators and count the others")
            cause = f"no rule says what the operator {call.operator} costs"
            raise UsageError(named(self.traced.net, call.module), cause, hint)
        self.leave_out(call)


def _bytes(tensor: Tensor) -> int:
    """Bytes of the numbers that a tensor shows; a number repeated by `expand` is one."""
    if 0 in tensor.stride():
        size = 1
        for side, step in zip(tensor.shape, tensor.stride(), strict=True):
            size *= side if step else min(side, 1)
        return size * tensor.itemsize
    return int(tensor.numel()) * tensor.itemsize


def _read(packet: object, args: Sequence[Any], written: int) -> int:
    """Bytes of the arguments, of which the target of a fill is not read and of a table only what is taken."""
    if packet in DRAWN or packet in GATHERED:
        args = args[1:]
    return sum(map(_bytes, tensors(args))) + (written if packet in GATHERED else 0)


def _kind(call: Call) -> str:
    """What an operator is called in the rows, forward or backward, whichever kernel does it."""
    name = str(call.packet.__name__).strip("_").removesuffix("_backward")
    return "attention" if name.startswith("scaled_dot_product") else name
