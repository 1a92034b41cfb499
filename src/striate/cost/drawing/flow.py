"""The layers of a network as a person would draw them: in the order of their calls, blocks with branches as one."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from striate.base.units import by
from striate.cost.geometry import geometry
from striate.cost.walk.events import Call, Observer, Phase, Traced
from striate.cost.walk.trace import Inputs, trace

aten = torch.ops.aten

MOST_LAYERS = 40  # of a drawing, before its stages are drawn as one each

KINDS = ("input", "convolution", "pooling", "upsampling", "block", "fully connected")


@dataclass(frozen=True, slots=True)
class Layer:
    """One box of the drawing.

    - `module`: its qualified name; the last one's where it stands for several.
    - `kind`: one of `KINDS`.
    - `label`: what it is, such as "conv 3x3 /2" (its stride), or the class of a block.
    - `shape`: of its output, (height, width, channels), without the batch; (channels,) after flattening.
    - `repeats`: how many equal layers it stands for.
    - `skips`: positions in the drawing, other than the one before, of layers whose output it is also given.
    """

    module: str
    kind: str
    label: str
    shape: tuple[int, ...]
    repeats: int = 1
    skips: tuple[int, ...] = ()


@dataclass(slots=True)
class _Node:
    """A call of a module, or of an operator, and what was called inside it; tensors are numbers."""

    name: str
    kind: str  # of an operator: one of KINDS, or "" where it is not drawn
    label: str
    given: tuple[int, ...]
    outs: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    module: nn.Module | None = None
    inside: list["_Node"] = field(default_factory=list)


def layers(net: nn.Module, input_size: Inputs) -> tuple[Layer, ...]:
    """The layers of `net`, the input first; errors are those of `trace`.

    A module whose parts follow one another is opened up; one with branches inside is one layer, under the name of its
    class. Activations, norms, dropout and views are not listed. Equal blocks in a row are one layer that `repeats`.
    With more than 40 layers so are equal layers of any kind, and then each child of the network is one layer.
    """
    watch = _Watch()
    trace(net, input_size, [watch])
    whole = _drawn(watch.root)
    found = _gathered(_sources(watch, _opened(watch.root, watch.root, whole)), {"block"})
    if len(found) > MOST_LAYERS:
        found = _gathered(found, set(KINDS))
    if len(found) > MOST_LAYERS:
        found = _gathered(_sources(watch, _children(watch.root, whole)), {"block"})
    return tuple(found)


@final
class _Watch(Observer):
    """Builds the tree of calls."""

    def __init__(self) -> None:
        self._numbers: Any = WeakTensorKeyDictionary()
        self._count = itertools.count()
        self._modules: dict[str, nn.Module] = {}
        self._stack: list[_Node] = []
        self._forward = True
        self.root = _Node("", "", "", ())
        self.input_shape: tuple[int, ...] = ()

    def begin(self, traced: Traced) -> None:
        self._modules = {name: module for module, name in traced.names.items()}
        self.input_shape = _shape(traced.inputs[0])
        for each in traced.inputs:
            self._number(each)

    def module_entered(self, name: str, call: int, inputs: tuple[Tensor, ...]) -> None:
        if self._forward:
            module = self._modules[name]
            node = _Node(name, "", type(module).__name__.lstrip("_"), self._known(inputs), module=module)
            if self._stack:
                self._stack[-1].inside.append(node)
            else:
                self.root = node
            self._stack.append(node)

    def module_left(self, name: str, call: int, outputs: tuple[Tensor, ...]) -> None:
        if self._forward:
            node = self._stack.pop()
            node.outs, node.shape = self._known(outputs), _shape(outputs[0]) if outputs else ()

    def called(self, call: Call) -> None:
        if not self._forward or not call.outputs:
            return
        given = self._known(call.tensors())
        if given and self._stack:  # else it does not depend on the input
            kind, label = _named(call)
            outs = tuple(self._number(each) for each in call.outputs)
            self._stack[-1].inside.append(_Node(call.module, kind, label, given, outs, _shape(call.outputs[0])))

    def phase_ended(self, phase: Phase) -> None:
        self._forward = False

    def _number(self, tensor: Tensor) -> int:
        return int(self._numbers.setdefault(tensor, next(self._count)))

    def _known(self, tensors: Iterable[Tensor]) -> tuple[int, ...]:
        return tuple(self._numbers[each] for each in tensors if each in self._numbers)


# --- what is drawn ----------------------------------------------------------------------------------------------------


def _opened(node: _Node, root: _Node, whole: int) -> Iterator[_Node]:
    """The nodes to be drawn, and those in between that only pass a tensor on (kind "")."""
    if node.module is None:
        yield node
        return
    drawn, own = _drawn(node), [each for each in node.inside if each.kind]
    leaf = all(each.module is None for each in node.inside)
    if leaf and len(own) == 1:
        yield replace(node, kind=own[0].kind, label=own[0].label, inside=[])
    elif leaf:
        yield replace(node, kind="block" if own else "", inside=[])
    elif node is root or isinstance(node.module, nn.Sequential) or _is_chain(node) or 2 * drawn > whole:
        for each in node.inside:
            yield from _opened(each, root, whole)
        yield replace(node, kind="", inside=[])  # what is returned may be given another number
    else:
        yield replace(node, kind="block" if drawn else "", inside=[])


def _children(root: _Node, whole: int) -> Iterator[_Node]:
    """The children of the network, each as one; of a sequence that holds nearly all of it, that one's children."""
    for node in root.inside:
        if 2 * _drawn(node) > whole and any(each.module is not None for each in node.inside):
            yield from _children(node, whole)
        elif node.module is not None and _drawn(node) > 1:
            name = node.name.rpartition(".")[2]
            yield replace(node, kind="block", inside=[], label=node.label if name.isdigit() else name)
        else:
            yield from _opened(node, root, whole)


def _is_chain(node: _Node) -> bool:
    """Whether each part is given what the one before it returned, and nothing else."""
    before = set(node.given)
    for each in node.inside:
        if not set(each.given) <= before:
            return False
        before = set(each.outs)
    return True


def _drawn(node: _Node) -> int:
    """How many operators inside are of a kind that is drawn."""
    return sum(_drawn(each) if each.module is not None else bool(each.kind) for each in node.inside)


def _sources(watch: _Watch, nodes: Iterable[_Node]) -> list[Layer]:
    """Layers, each with the ones that it draws on: tensors are followed through what is not drawn."""
    found = [Layer("", "input", "input", watch.input_shape)]
    made_by: dict[int, frozenset[int]] = {number: frozenset({0}) for number in watch.root.given}
    for node in nodes:
        sources = frozenset().union(*(made_by.get(number, frozenset()) for number in node.given))
        same_size = node.shape[:-1] == found[max(sources, default=0)].shape[:-1]
        if node.kind == "pooling" and same_size and node.label.startswith("adaptive"):  # it changes nothing
            node = replace(node, kind="")
        if node.kind:
            at = len(found)
            skips = tuple(sorted(sources - {at - 1}))
            found.append(Layer(node.name, node.kind, node.label.removeprefix("adaptive "), node.shape, skips=skips))
            sources = frozenset({at})
        for number in node.outs:
            if node.kind or number not in made_by or node.module is None:
                made_by[number] = sources
    return found


def _gathered(found: Sequence[Layer], kinds: set[str]) -> list[Layer]:
    """Equal layers of these kinds in a row as one."""
    kept: list[Layer] = []
    now_at: list[int] = []  # old position -> new one
    for layer in found:
        last = kept[-1] if kept else None
        skips = tuple(sorted({now_at[at] for at in layer.skips}))
        same = last is not None and (last.kind, last.label, last.shape) == (layer.kind, layer.label, layer.shape)
        if last is not None and same and layer.kind in kinds and not skips:
            kept[-1] = replace(last, module=layer.module, repeats=last.repeats + 1)
        else:
            kept.append(replace(layer, skips=tuple(at for at in skips if at != len(kept) - 1)))
        now_at.append(len(kept) - 1)
    return kept


# --- names of operators -----------------------------------------------------------------------------------------------

POOLS = {
    aten.max_pool2d_with_indices: "max pool",
    aten.max_pool3d_with_indices: "max pool",
    aten.avg_pool2d: "avg pool",
    aten.avg_pool3d: "avg pool",
}
PLAIN = {  # what has no sizes to tell
    aten._adaptive_avg_pool2d: ("pooling", "adaptive avg pool"),
    aten._adaptive_avg_pool3d: ("pooling", "adaptive avg pool"),
    aten.adaptive_max_pool2d: ("pooling", "adaptive max pool"),
    aten.adaptive_max_pool3d: ("pooling", "adaptive max pool"),
    aten.pixel_shuffle: ("upsampling", "pixel shuffle"),
    aten.max_unpool2d: ("upsampling", "unpool"),
}
NOT_DRAWN = ("", "")


def _named(call: Call) -> tuple[str, str]:
    """Kind and label of an operator; two empty texts for one that is not drawn."""
    operator, args = call.packet, call.args
    if operator in PLAIN:
        return PLAIN[operator]
    if operator is aten.convolution:
        how = geometry(call)
        sizes = by(how.kernel) + _stride(how.stride)
        return ("upsampling", f"up-conv {sizes}") if how.transposed else ("convolution", f"conv {sizes}")
    if operator in POOLS:
        how = geometry(call)
        if len(how.kernel) == 3 and set(how.kernel[1:]) == {1}:
            return NOT_DRAWN  # over channels: a response norm
        # torch pools a sequence as a picture of one row
        axes = 1 if args[0].shape[-2] == how.kernel[0] == 1 else len(how.kernel)
        return "pooling", f"{POOLS[operator]} {by(how.kernel[-axes:])}{_stride(how.stride[-axes:])}"
    if operator is aten.mean and args[0].ndim >= 4 and len(args) > 1 and len(args[1] or ()) > 1:
        return "pooling", "global avg pool"
    if operator in (aten.addmm, aten.mm) and call.outputs[0].ndim == 2:
        return "fully connected", "linear"
    return ("upsampling", "upsample") if "upsample" in operator.__name__ else NOT_DRAWN


def _stride(stride: Sequence[int]) -> str:
    return "" if set(stride) == {1} else f" /{stride[0] if len(set(stride)) == 1 else by(stride)}"


def _shape(tensor: Tensor) -> tuple[int, ...]:
    """(n, channels, height, width) -> (height, width, channels)."""
    return (*tensor.shape[2:], *tensor.shape[1:2])
