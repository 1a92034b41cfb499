"""Values that depend neither on the input nor on parameters: they are followed on the CPU, beside a pass without any.

Each small storage of the pass may have a shadow, a storage of the CPU with its values. Constants of the network have
one from the start. An operator of which all tensors have shadows runs on them too, and its results have shadows then.
What is written in place from something unknown loses its shadow, and random numbers never have one.
"""

import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map_only

from striate.cost.walk.events import tensors

aten = torch.ops.aten
MOST = 2**20  # numbers in a tensor whose values are followed, and in all constants of a network
Args = tuple[Any, ...]
Kwargs = Mapping[str, Any]
Run = Callable[[Any, Args, Kwargs], tuple[Any, Args, Kwargs]]  # an operator on meta, and its arguments there


def _packets(names: str) -> frozenset[Any]:
    return frozenset(getattr(aten, name) for name in names.split())


# Of the first argument nothing is read but its type, its shape, or neither.
TYPED = _packets("new_zeros new_ones new_full new_empty new_empty_strided")
SHAPED = _packets("zeros_like ones_like full_like empty_like")
FILLED = _packets("zero_ fill_ copy_")
# Not filled yet. Who reads it before it is filled reads anything; here it is nought.
EMPTY = _packets("empty empty_like empty_strided empty_permuted new_empty new_empty_strided")
MADE = (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor)  # from Python's own numbers
TOLD = (Tensor.numpy, Tensor.__array__)  # what the dispatcher does not see


@final
class Known:
    """The shadows of one pass."""

    def __init__(self) -> None:
        self._shadows: dict[int, tuple[weakref.ref[Any], torch.UntypedStorage]] = {}  # by address of the storage
        self._room = MOST

    def keep(self, constant: Tensor, twin: Tensor) -> None:
        """The network's own constant, copied, for its twin; not where all constants together are too many."""
        if constant.is_meta or constant.requires_grad or constant.numel() > self._room:
            return
        self._room -= constant.numel()
        self._learn(twin, constant.detach())

    def call(self, operator: Any, args: Args, kwargs: Kwargs, run: Run) -> tuple[Any, Args, Kwargs]:
        """What `run` gives for an operator, or what its values say where it has none to give."""
        device = torch.device(kwargs.get("device") or "cpu")
        if device.type != "meta" and not any(each.is_meta for each in tensors((*args, *kwargs.values()))):
            return run(operator, args, kwargs)  # the forward pass computes with real numbers of its own
        args = self._selected(operator, args)
        written = _written(operator, args, kwargs)
        values = self._values(operator, args, kwargs)
        if values is not None and self._stays(operator, kwargs, written):
            return operator(*values[0], **values[1]), args, kwargs
        try:
            out, args, kwargs = run(operator, args, kwargs)
        except Exception:
            if values is None:
                raise
            return tree_map_only(Tensor, self._born, operator(*values[0], **values[1])), args, kwargs
        self._follow(operator, values, out, written)
        return out, args, kwargs

    def of(self, tensor: Tensor) -> Tensor | None:
        """The values of a tensor, which are its own where it has a storage; None where they are not known."""
        if not tensor.is_meta:
            return tensor
        if tensor.layout != torch.strided or tensor.is_conj() or tensor.is_neg():
            return None
        found = self._shadows.get(_address(tensor))
        if found is None or found[1].nbytes() != tensor.untyped_storage().nbytes():
            return None
        return _seen_as(tensor, found[1])

    def made(self, real: Tensor) -> Tensor:
        """A tensor of the pass with these values."""
        return self._born(real)

    def _values(self, operator: Any, args: Args, kwargs: Kwargs) -> tuple[Args, dict[str, Any]] | None:
        """The arguments with values for tensors; None where one is unknown, and for random numbers."""
        if torch.Tag.nondeterministic_seeded in operator.tags:
            return None
        missing: list[Tensor] = []

        def value(tensor: Tensor) -> Tensor:
            found = self.of(tensor)
            if found is None:
                missing.append(tensor)
            return tensor if found is None else found

        stood_in = self._stood_in(operator.overloadpacket, args)
        real, named = tree_map_only(Tensor, value, ((*stood_in, *args[len(stood_in) :]), dict(kwargs)))
        if missing:
            return None
        if named.get("device") is not None:
            named["device"] = torch.device("cpu")
        named.pop("pin_memory", None)
        return real, named

    def _stood_in(self, packet: Any, args: Args) -> Args:
        """A tensor of noughts for a first argument that is unknown and not read."""
        if packet in TYPED:
            return (torch.zeros(1, dtype=args[0].dtype),)
        shaped = packet in SHAPED and args[0].numel() <= MOST
        if (shaped or (packet in FILLED and _fills_its_storage(args[0]))) and self.of(args[0]) is None:
            return (torch.zeros_like(args[0], device="cpu"),)
        return ()

    def _follow(
        self, operator: Any, values: tuple[Args, dict[str, Any]] | None, out: Any, written: list[Tensor]
    ) -> None:
        """Run the operator on values too; without them, or where that fails, what it wrote is unknown from here on."""
        results = [each for each in tree_leaves(out) if isinstance(each, Tensor)]
        if values is not None and all(each.numel() <= MOST for each in results):
            try:
                real = [each for each in tree_leaves(operator(*values[0], **values[1])) if isinstance(each, Tensor)]
                for twin, found in zip(results, real, strict=True):
                    if operator.overloadpacket in EMPTY:
                        found.zero_()
                    if twin.is_meta and _address(twin) not in self._shadows:
                        self._learn(twin, found)
                return
            except Exception:  # a kernel that the CPU lacks, say: the pass itself does not need it
                pass
        for each in written:
            self._shadows.pop(_address(each), None)

    def _stays(self, operator: Any, kwargs: Kwargs, written: list[Tensor]) -> bool:
        """What is brought to the CPU, or written into a tensor of the network's own there, is real from then on."""
        if operator is aten._to_copy.default and torch.device(kwargs.get("device") or "meta").type == "cpu":
            return True
        return bool(written) and not any(each.is_meta for each in written)

    def _selected(self, operator: Any, args: Args) -> Args:
        """With the places in a mask that is known instead of the mask: how many there are is known, too."""
        if operator is not aten.index.Tensor:
            return args
        places: list[Tensor | None] = []
        for each in args[1]:
            mask = None if each is None or each.dtype not in (torch.bool, torch.uint8) else self.of(each)
            places += [each] if mask is None else map(self._born, mask.nonzero(as_tuple=True))
        return (args[0], places)

    def _born(self, real: Tensor) -> Tensor:
        twin = torch.empty_like(real, device="meta")
        self._learn(twin, real)
        return twin

    def _learn(self, twin: Tensor, real: Tensor) -> None:
        """A copy, laid out as the twin is: the other may be changed later."""
        if twin.layout != torch.strided or real.layout != torch.strided or twin.is_quantized:
            return
        held = twin.untyped_storage()
        shadow = torch.empty(held.nbytes(), dtype=torch.uint8).untyped_storage()
        _seen_as(twin, shadow).copy_(real)
        address = _address(twin)
        self._shadows[address] = weakref.ref(held, partial(self._gone, address)), shadow

    def _gone(self, address: int, held: object) -> None:
        if address in self._shadows and self._shadows[address][0] is held:
            del self._shadows[address]


@final
class Values(TorchFunctionMode):
    """Numbers that Python hands to torch, and that torch hands to Python, without the dispatcher."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self._known = known

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        own = func is Tensor.new_tensor
        if func in MADE and not isinstance(args[own] if args[own:] else kwargs.get("data"), Tensor):
            device = kwargs.get("device") or (args[0].device if own else "cpu")
            if torch.device(device).type == "meta":
                real = func(*args, **{**kwargs, "device": "cpu"})
                with _disable_current_modes():
                    return self._known.made(real.detach()).requires_grad_(real.requires_grad)
        if func in TOLD and args[0].is_meta:
            with _disable_current_modes():
                found = self._known.of(args[0])
            if found is not None:
                return func(found.clone(), *args[1:], **kwargs)
        return func(*args, **kwargs)


def _written(operator: Any, args: Args, kwargs: Kwargs) -> list[Tensor]:
    """The tensors that an operator writes to; batch norm does not say so of its statistics."""
    if operator is aten.native_batch_norm.default and args[5]:
        return [each for each in args[3:5] if each is not None]
    if not operator._schema.is_mutable:
        return []
    given = {each.name: kwargs.get(each.name) for each in operator._schema.arguments}
    given |= dict(zip(given, args, strict=False))
    writes = [each.name for each in operator._schema.arguments if each.alias_info and each.alias_info.is_write]
    return tensors(given[name] for name in writes)


def _fills_its_storage(tensor: Tensor) -> bool:
    return tensor.numel() <= MOST and tensor.numel() * tensor.itemsize == tensor.untyped_storage().nbytes()


def _seen_as(tensor: Tensor, storage: torch.UntypedStorage) -> Tensor:
    """The values in a storage, laid out as the tensor is."""
    empty = torch.empty(0, dtype=tensor.dtype)
    return empty.set_(storage, tensor.storage_offset(), tensor.shape, tensor.stride())


def _address(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
