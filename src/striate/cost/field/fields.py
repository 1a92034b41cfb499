"""The receptive field of every tensor: which pixels of the picture one cell of a feature map depends on.

Found by exact arithmetic on intervals during the one pass of `cost.walk.trace`, through shortcuts, concatenations,
upsampling and views. Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", give
the closed form for chains.

What is said of a cell holds for all channels together, and ignores the border: an interval may begin before pixel 0.
Where several branches meet, it is the interval that holds them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from striate.base.units import by
from striate.cost.field.rules import passed_on
from striate.cost.field.seen import Atom, Seen, Unclear, is_placed, plain, united, unrepeated
from striate.cost.field.steps import NOTHING, PIXELS, Interval, Steps, hull
from striate.cost.walk.events import Call, Observer, Phase, Traced
from striate.cost.walk.trace import Inputs, trace


@dataclass(frozen=True, slots=True)
class Along:
    """The receptive field along one axis of the picture.

    - `pixels`: how many the picture has along this axis.
    - `cells`: how many the tensor has; 1 where it has no such axis any more.
    - `steps`: what each cell sees by its place, or None where all see the same.
    - `always`: what every cell sees, whatever its place; nothing for a plain feature map.
    - `reach`: what all cells see together, inside the picture.
    """

    pixels: int
    cells: int
    steps: Steps | None
    always: Interval
    reach: Interval

    def sees(self, cell: int) -> Interval:
        """First and last pixel that cell number `cell` depends on; they may lie outside the picture.

        The first is greater than the last where it depends on none, as between the steps of a transposed convolution.
        """
        if self.whole:
            return 0, self.pixels - 1
        return self.always if self.steps is None else hull((self.always, self.steps.sees(cell)))

    def inside(self, cell: int) -> Interval:
        """The same, cut off at the border of the picture, or of what any cell sees of it."""
        first, last = self.sees(cell)
        return max(first, self.reach[0]), min(last, self.reach[1])

    @property
    def whole(self) -> bool:
        """Every cell sees the whole picture along this axis, as after global pooling."""
        return self.always[0] <= 0 and self.pixels - 1 <= self.always[1]

    @property
    def uniform(self) -> bool:
        """Each cell sees what the one before it sees, moved by the stride: so it is until something is upsampled."""
        return self.whole or self.steps is None or (len(self.steps.low) == 1 and self.always == NOTHING)

    @property
    def size(self) -> int:
        """Pixels that one cell sees, the borders ignored; the most that any cell sees where it is not uniform."""
        if self.uniform or self.steps is None:
            cells = 1
        else:
            cells = len(self.steps.low) if self.always == NOTHING else self.cells
        return max((last - first + 1 for first, last in map(self.sees, range(cells)) if first <= last), default=0)

    @property
    def stride(self) -> int | Fraction:
        """Pixels from one cell to the next; 0 where all see the same."""
        stride = Fraction(0) if self.whole or self.steps is None else self.steps.stride
        return int(stride) if stride.denominator == 1 else stride

    @property
    def offset(self) -> int:
        """The first pixel that the first cell sees; negative where it sees padding.

        The first cell that sees any: those between the steps of a transposed convolution see none.
        """
        return next((first for first, last in map(self.sees, range(self.cells)) if first <= last), 0)


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of the cells of one tensor, one `Along` for each axis of the picture.

    `gated`: a number drawn from the whole picture also scales the cells (squeeze-excitation, group normalisation). So
    strictly every cell depends on every pixel; the field is that of what is scaled.
    """

    along: tuple[Along, ...]
    gated: bool = False

    @property
    def size(self) -> tuple[int, ...]:
        """Pixels that a cell sees, (height, width); see `Along.size`."""
        return tuple(axis.size for axis in self.along)

    @property
    def stride(self) -> tuple[int | Fraction, ...]:
        """Pixels from a cell to the next, (height, width): the effective stride."""
        return tuple(axis.stride for axis in self.along)

    @property
    def offset(self) -> tuple[int, ...]:
        """The first pixel that the first cell sees, (height, width)."""
        return tuple(axis.offset for axis in self.along)

    @property
    def uniform(self) -> bool:
        """Whether the field of each cell is that of the first one, moved."""
        return all(axis.uniform for axis in self.along)

    @property
    def whole(self) -> bool:
        """Whether every cell sees the whole picture."""
        return all(axis.whole for axis in self.along)

    def sees(self, cell: Sequence[int]) -> tuple[Interval, ...]:
        """First and last pixel of the cell at (row, column), for each axis; they may lie outside the picture."""
        return tuple(axis.sees(at) for axis, at in zip(self.along, cell, strict=True))

    def inside(self, cell: Sequence[int]) -> tuple[Interval, ...]:
        """The same, cut off at the border of the picture, or of what any cell sees of it."""
        return tuple(axis.inside(at) for axis, at in zip(self.along, cell, strict=True))

    def __str__(self) -> str:
        every = f" every {_by(self.stride)}" if any(self.stride) else ""
        text = f"{_by(self.size)}{every} from {_by(self.offset)}"
        text = "whole" if self.whole else text if self.uniform else f"up to {text}"
        return text + (" +gate" if self.gated else "")

    def as_dict(self) -> dict[str, object]:
        """Pixels by axis; a stride may be half a pixel behind an upsampling."""
        stride = [each if isinstance(each, int) else float(each) for each in self.stride]
        plain = {"size": self.size, "stride": stride, "offset": self.offset}
        return plain | {"uniform": self.uniform, "whole": self.whole}


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """A tensor that still has every axis of the picture: its shape, its field, and the module that made it."""

    module: str
    shape: tuple[int, ...]
    field: Field

    def as_dict(self) -> dict[str, object]:
        return {"module": self.module, "shape": self.shape, "field": self.field.as_dict()}


@final
class Fields(Observer):
    """Knows the receptive field of every tensor of its forward phase."""

    def __init__(self) -> None:
        self._known: Any = WeakTensorKeyDictionary()  # Tensor -> Seen or the reason why there is none
        self._roots: Any = WeakTensorKeyDictionary()  # view -> the tensor that it is a view of
        self._pixels: tuple[int, ...] = ()
        self._outputs: dict[str, Seen | str | None] = {}  # of the first output of each module's last call
        self._last: tuple[str, tuple[int, ...], Seen] | None = None
        self._lost = False  # from here on there are tensors whose field cannot be told
        self._forward = True

    def begin(self, traced: Traced) -> None:
        pictures = [each for each in traced.inputs if 3 <= each.ndim <= 5]
        self._pixels = tuple(pictures[0].shape[2:]) if pictures else ()
        for each in pictures:
            if tuple(each.shape[2:]) != self._pixels:
                self._known[each] = "the network sees pictures of several sizes"
                continue
            placed = [(Atom(size, axis, PIXELS, (0, size - 1)),) for axis, size in enumerate(self._pixels)]
            self._known[each] = Seen((*plain(each.shape[:2]), *placed), (NOTHING,) * len(self._pixels))

    def module_left(self, name: str, call: int, outputs: tuple[Tensor, ...]) -> None:
        if self._forward and outputs:
            self._outputs[name] = self._known.get(outputs[0])

    def called(self, call: Call) -> None:
        if not self._forward or not call.outputs or not self._pixels:
            return
        where = f" (module {call.module})" if call.module else ""
        try:
            self._note(call, passed_on(call, self._look))
        except Unclear as reason:
            self._note(call, [reason.args[0] if reason.args[1:] else f"{reason.args[0]}{where}"] * len(call.outputs))
        except Exception as error:  # a count goes on without it
            fault = f"striate's own rule for {call.operator} broke down{where}: {type(error).__name__}: {error}"
            self._note(call, [fault] * len(call.outputs))

    def phase_ended(self, phase: Phase) -> None:
        self._forward = False

    def of(self, tensor: Tensor) -> Field | None:
        """The receptive field of a tensor of the pass; None where there is none, or where `why_not` says a reason."""
        return self._field(self._known.get(tensor))

    def at(self, module: str) -> Field | None:
        """That of the first output of the module's last call; None where it was never called."""
        return self._field(self._outputs.get(module))

    def why_not(self, module: str) -> str | None:
        """Why `at(module)` cannot be told; None where it can, or where the module does not depend on the picture."""
        seen = self._outputs.get(module, "the module is never called")
        return seen if isinstance(seen, str) else None

    @property
    def last(self) -> FeatureMap | None:
        """The last feature map: the last tensor with a cell for every place, before height and width are summed up.

        None where there is none, and where the field of any tensor of the network cannot be told.
        """
        if self._last is None or self._lost:
            return None
        module, shape, seen = self._last
        field = self._field(seen)
        return None if field is None else FeatureMap(module, shape, field)

    def _look(self, tensor: Tensor) -> Seen | None:
        seen = self._known.get(tensor)
        if isinstance(seen, str):
            raise Unclear(seen, "said before")
        return seen  # type: ignore[no-any-return]

    def _note(self, call: Call, seen: Sequence[Seen | str | None]) -> None:
        writes = call.operator._schema.is_mutable
        for tensor, now in zip(call.outputs, seen, strict=True):
            if writes and self._known.get(tensor) != now:
                self._written(tensor, now)
            if now is not None:
                self._known[tensor] = now
            elif tensor in self._known:
                del self._known[tensor]
            if isinstance(now, str):
                self._lost = True
            elif now is not None and self._is_map(now):
                self._last = (call.module, tuple(tensor.shape), now)
        if not writes and call.args and isinstance(call.args[0], Tensor) and call.operator.is_view:
            root = self._roots.get(call.args[0], call.args[0])
            for tensor in call.outputs:
                if tensor is not root:
                    self._roots[tensor] = root

    def _written(self, tensor: Tensor, now: Seen | str | None) -> None:
        """What is written to one view changes its tensor, and with it every other view."""
        root = self._roots.get(tensor, tensor)
        for other, its_root in list(self._roots.items()):
            if its_root is root and other is not tensor:
                self._known[other] = "it is changed in place through another view"
        if root is tensor:
            return
        before, same_places = self._known.get(root), root.ndim == tensor.ndim and root.shape[2:] == tensor.shape[2:]
        if now is None and before is None:
            return
        self._known[root] = "it is changed in place through a view"
        if isinstance(now, Seen) and same_places and not any(map(is_placed, now.dimensions[:2])):
            whole = Seen((*plain(root.shape[:2]), *now.dimensions[2:]), now.always, now.gated)
            if before is None:
                self._known[root] = whole
            elif isinstance(before, Seen):
                try:
                    self._known[root] = united((before, whole), root.shape)
                except Unclear as reason:
                    self._known[root] = str(reason)

    def _is_map(self, seen: Seen) -> bool:
        """Whether each axis of the picture has a dimension of its own."""
        placed = [dimension for dimension in seen.dimensions if is_placed(dimension)]
        return len(placed) == len(self._pixels) and all(len(each) == 1 for each in placed)

    def _field(self, seen: Seen | str | None) -> Field | None:
        if seen is None or isinstance(seen, str):
            return None
        along = []
        for axis, pixels in enumerate(self._pixels):
            atoms = [atom for each in seen.dimensions for atom in unrepeated(each) if atom.axis == axis]
            steps, cells = (atoms[0].steps, atoms[0].length) if atoms else (None, 1)
            always = seen.always[axis]
            one = Along(pixels, cells, steps, always, hull((always, *(atom.reach for atom in atoms))))
            if len(atoms) > 1 and not one.whole:
                return None
            along.append(one)
        return Field(tuple(along), seen.gated)


def fields(net: nn.Module, input_size: Inputs) -> Fields:
    """The receptive fields of `net` for pictures of this size, such as (3, 224, 224), in evaluation mode.

    Errors are those of `trace`.
    """
    found = Fields()
    trace(net, input_size, [found])
    return found


def _by(values: Sequence[int | Fraction]) -> str:
    """Equal numbers once, others as 3x5."""
    return str(values[0]) if len(set(values)) == 1 else by(values)
