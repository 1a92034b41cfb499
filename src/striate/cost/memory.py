"""Who is alive when: the peak of inference and of a training step, by kind and by operator.

The pass of `cost.walk.trace` makes every tensor that a real step makes, without storage. Here each storage is noted
with its size when it is born and again when it dies, so views and shared storages count once and in-place operators
count nothing. What a convolution's kernel borrows while it runs on a CPU is added to its call; workspaces of other
operators, and those on a GPU, are not known.
"""

import weakref
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, Literal, final, get_args

import torch
from torch import Tensor

from striate.base.errors import UsageError, near
from striate.cost.borrowed import borrowed
from striate.cost.walk.events import Call, Observer, Phase, Traced

Kind = Literal[
    "parameters", "buffers", "optimizer state", "inputs", "gradients", "activations", "temporaries", "borrowed"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
DEVICES = ("cpu", "cuda")

aten = torch.ops.aten
UNWRITTEN = frozenset({aten.empty.memory_format, aten.empty_like.default, aten.empty_strided.default})
CUDA_BLOCK = 512  # bytes: PyTorch's allocator on a GPU hands out whole blocks of them


@dataclass(frozen=True, slots=True)
class Curve:
    """Living bytes over the pass, at each operator call, arguments and results included.

    - `bytes`: one number per call, in order.
    - `kinds`: the same by kind; they add up to `bytes`.
    - `ends`: each phase's end, as the number of calls up to there.
    """

    bytes: tuple[int, ...]
    kinds: Mapping[Kind, tuple[int, ...]]
    ends: Mapping[Phase, int]

    def most(self, phase: Phase) -> int:
        """The peak within one phase, in bytes; 0 where it has no call."""
        start = 0
        for each, end in self.ends.items():
            if each == phase:
                return max(self.bytes[start:end], default=0)
            start = end
        return 0


@dataclass(frozen=True, slots=True)
class Peak:
    """The most bytes alive at once, and what they were.

    - `kinds`: bytes by kind at that moment. They add up to `bytes`.
      `parameters`, `buffers`, `optimizer state` (momentum once the parameters, AdamW twice) and `inputs` (pictures and
      targets) are there all the time. `gradients` are what the backward pass leaves in `.grad`: born one by one, and
      gone before the next step. `activations` are saved for backward: all that is born in forward and loss and still
      lives when the loss is known, with the answers themselves and autocast's bfloat16 copies of weights; and what a
      checkpoint saves when it runs forward again. `temporaries` are the rest.
      Without training nothing is saved: what flows from operator to operator is temporary. `borrowed` is what a
      convolution on a CPU takes for itself until it returns.
    - `operator`, `module`, `phase`: the call during which it occurred.
    - `operators`: which operators made what lived then, largest first: name -> bytes. What was there before the step is
      under "before".
    - `modules`: the same by module.
    - `curve`: the whole pass.
    """

    bytes: int
    kinds: Mapping[Kind, int]
    operator: str
    module: str
    phase: Phase
    operators: Mapping[str, int]
    modules: Mapping[str, int]
    curve: Curve

    def __str__(self) -> str:
        place = f"{self.operator} of {self.module or 'the network'}, {self.phase}"
        lines = [f"{self.bytes:>20,} bytes at the peak, in {place}"]
        return "\n".join([*lines, *(f"{size:>20,} {kind}" for kind, size in self.kinds.items() if size)])

    def as_dict(self) -> dict[str, object]:
        names = ("bytes", "phase", "operator", "module", "kinds", "operators")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class _Storage:
    """One storage: living from call `born` until before call `died`."""

    bytes: int
    born: int
    kind: Kind | None
    operator: str
    module: str
    died: int | None = None
    added_to: "_Storage | None" = None


@final
class Memory(Observer):
    """Knows at each call which storages live.

    `device` "cpu" counts bytes as asked for. "cuda" counts what PyTorch's allocator on a GPU hands out, in blocks of
    512 bytes, dropout's mask as one byte an element, and AdamW's square roots of all parameters at once, as its loop
    over lists has them; this is read off PyTorch's source.

    A storage that is first seen as an argument was there before the step: in forward it is a buffer that the network
    did not register, in the loss a target. So is one made by `torch.empty` within the loss, for it stands for data.
    """

    def __init__(self, device: str = "cpu") -> None:
        if device not in DEVICES:
            raise UsageError(
                "device", f"memory on {device!r} is not known", near(device, DEVICES, " or ".join(DEVICES), "{}")
            )
        self._cuda = device == "cuda"
        self._all: list[_Storage] = []
        self._living: dict[int, tuple[weakref.ref[Any], _Storage]] = {}
        self._calls: list[tuple[str, str, Phase]] = []
        self._borrowed: list[int] = []  # of each call
        self._ends: dict[Phase, int] = {}
        self._kept: list[Any] = []
        self._again: list[_Storage] = []  # born while a checkpoint runs forward again
        self._traced: Traced | None = None

    def begin(self, traced: Traced) -> None:
        """Parameters, buffers, inputs and optimizer state live before the first call."""
        self._traced = traced
        state = (each for kept in traced.optimizer_state.values() for each in kept)
        there: dict[Kind, Iterable[Tensor]] = {
            "parameters": traced.net.parameters(), "buffers": traced.net.buffers(), "inputs": traced.inputs,
            "optimizer state": state,
        }  # fmt: skip
        for kind, tensors in there.items():
            for each in tensors:
                self._note(each, kind)

    def called(self, call: Call) -> None:
        """Note the storages that the operator made."""
        now, operator = len(self._calls), str(call.operator)
        if call.phase in ("forward", "loss"):
            for given in call.tensors():
                self._note(given, "buffers" if call.phase == "forward" else "inputs")
        again = call.phase == "backward" and _recomputing()
        if self._again and not again and call.operator is not aten.detach.default:  # which packs what is saved
            self._settle()
        self._calls.append((operator, call.module, call.phase))
        self._borrowed.append(0 if self._cuda else borrowed(call))
        if call.phase == "loss" and call.operator in UNWRITTEN:
            return
        for output in call.outputs:
            storage = self._note(output, None, now, operator, call.module)
            if storage is None:
                continue
            if again:
                self._again.append(storage)
            elif call.operator is aten.add.Tensor and call.phase == "backward":
                storage.added_to = self._accumulated(call)
        if self._cuda:
            self._as_on_a_gpu(call)

    def phase_ended(self, phase: Phase) -> None:
        """Storages get their kind by when they still live."""
        assert self._traced is not None
        self._ends[phase] = len(self._calls)
        if phase == "loss":
            for _, storage in self._living.values():
                storage.kind = storage.kind or "activations"
        elif phase == "backward":
            self._settle()
            for leaf in (*self._traced.net.parameters(), *self._traced.inputs):
                if leaf.grad is not None and (entry := self._living.get(_key(leaf.grad))):
                    entry[1].kind = "gradients"
        elif phase == "optimizer":
            self._kept.clear()

    def peak(self) -> Peak:
        """The answer, after `trace` has returned."""
        calls = self._calls or [("", "", "forward")]
        changes = {kind: [0] * (len(calls) + 1) for kind in KINDS}
        for storage in self._all:
            born, died = self._span(storage)
            change = changes[storage.kind or "temporaries"]
            change[born] += storage.bytes
            change[died] -= storage.bytes
        kinds = {kind: tuple(accumulate(change[:-1])) for kind, change in changes.items()}
        kinds["borrowed"] = tuple(self._borrowed or [0])
        living = tuple(map(sum, zip(*kinds.values(), strict=True)))
        top = max(living)
        at = living.index(top)
        operators, modules = Counter[str](), Counter[str]()
        for storage in self._all:
            born, died = self._span(storage)
            if born <= at < died:
                operators[storage.operator] += storage.bytes
                modules[storage.module] += storage.bytes
        operator, module, phase = calls[at]
        if borrows := kinds["borrowed"][at]:
            operators[operator] += borrows
            modules[module] += borrows
        return Peak(
            bytes=top,
            kinds={kind: series[at] for kind, series in kinds.items()},
            operator=operator,
            module=module,
            phase=phase,
            operators=dict(operators.most_common()),
            modules=dict(modules.most_common()),
            curve=Curve(living, kinds, dict(self._ends)),
        )

    def _span(self, storage: _Storage) -> tuple[int, int]:
        """From which call on it lives, and before which it is dead."""
        died = max(1, len(self._calls)) if storage.died is None else storage.died
        # Autograd adds a second gradient to the first in place when nobody else holds it, but not while it is watched.
        taken_over = storage.added_to is not None and storage.added_to.died == storage.born + 1
        return min(storage.born + taken_over, died), died

    def _note(
        self, tensor: Tensor, kind: Kind | None, born: int = 0, operator: str = "before", module: str = "before"
    ) -> _Storage | None:
        """The storage's record when it is new."""
        key = _key(tensor)
        if key in self._living:
            return None
        held = tensor.untyped_storage()
        size = held.nbytes()
        storage = _Storage(_in_blocks(size) if self._cuda else size, born, kind, operator, module)
        self._all.append(storage)
        self._living[key] = weakref.ref(held, partial(self._gone, key)), storage
        if kind in ("inputs", "buffers"):
            self._kept.append(held)  # the caller keeps them until the step is over
        return storage

    def _gone(self, key: int, _: object) -> None:
        self._living.pop(key)[1].died = len(self._calls)

    def _settle(self) -> None:
        """A checkpoint has run forward again: what lives on is saved for backward."""
        for storage in self._again:
            if storage.died is None:
                storage.kind = "activations"
        self._again.clear()

    def _accumulated(self, call: Call) -> _Storage | None:
        """The gradient that another one was added to, when it fills its storage."""
        first, second = call.args[:2]
        alike = isinstance(second, Tensor) and first.shape == second.shape
        fills = alike and first.untyped_storage().nbytes() == first.nbytes
        return self._living[_key(first)][1] if fills else None

    def _as_on_a_gpu(self, call: Call) -> None:
        if call.operator is aten.bernoulli_.float:
            mask = call.args[0]
            self._living[_key(mask)][1].bytes = _in_blocks(mask.numel())
        elif call.phase == "optimizer" and call.operator is aten.sqrt.default:
            self._kept.append(call.outputs[0])


def _recomputing() -> bool:
    """Whether a node of autograd runs a part of forward again, as a checkpoint does: gradients are recorded then."""
    return torch.is_grad_enabled() and torch._C._current_autograd_node() is not None


def _in_blocks(size: int) -> int:
    return -(-size // CUDA_BLOCK) * CUDA_BLOCK


def _key(tensor: Tensor) -> int:
    """The address of the storage: its own as long as it lives."""
    return int(tensor.untyped_storage()._cdata)
