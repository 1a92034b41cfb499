"""One pass over tensors that have shapes and no storage: every operator of a step, and the module that called it."""

import gc
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from striate.base.errors import Option, UsageError
from striate.base.units import by
from striate.cost.walk.autocast import Autocast
from striate.cost.walk.events import NO_CALL, Call, Observer, Phase, Traced
from striate.cost.walk.kernels import as_on_a_cpu
from striate.cost.walk.shortcuts import SHORTCUTS
from striate.cost.walk.training import default_loss, optimizer_state, optimizer_step
from striate.cost.walk.twin import meta_inputs, meta_twin, named

aten = torch.ops.aten
Inputs = Sequence[Any] | Tensor
Loss = Callable[[Any], Tensor]


@torch.inference_mode(False)  # a caller's would hand over operators whole that have no rule, and take no gradients
def trace(
    net: nn.Module,
    inputs: Inputs,
    observers: Sequence[Observer],
    *,
    batch: int = 1,
    training: bool = False,
    loss: Loss | None = None,
    optimizer: str | None = None,
    autocast: bool = False,
    input_gradient: bool = False,
) -> Traced:
    """Run a twin of `net` once, on no storage, and tell the observers. `net` itself is neither run nor changed.

    - `inputs`: the shape of one sample, such as (3, 224, 224); a tuple of such shapes for a network with several
      inputs; or tensors, batch included, of which only shape and type are used.
    - `batch`: samples, for shapes; tensors bring their own.
    - `training`: the whole step: the network in training mode, loss, backward, optimizer. Otherwise only forward, in
      evaluation mode and without gradients.
    - `loss`: outputs -> one number. Default: cross-entropy for 2-D outputs, mean square for others; auxiliary heads
      add theirs.
    - `optimizer`: "sgd", "momentum", "adamw", or None for no step. Its state is that of any step but the first.
    - `autocast`: bfloat16, as `torch.autocast("cpu", torch.bfloat16)` would choose it for forward and loss.
    - `input_gradient`: floating-point and complex inputs ask for a gradient.

    Hooks on modules are not called, except torch's own (weight and spectral norm). Raises `UsageError` naming the
    module: a size that it cannot take, a missing input, control flow that depends on values, a lazy or scripted module.
    """
    twin = meta_twin(net)
    twin.train(training)
    given = meta_inputs(twin, inputs, batch)
    if training and not input_gradient and not any(each.requires_grad for each in twin.parameters()):
        cause = "nothing in it asks for a gradient, so there is no training step to trace"
        hint = (Option("training", False), ", or parameters that are not frozen")
        raise UsageError(named(twin), cause, hint)
    if input_gradient:
        given = tuple(
            each.requires_grad_() if each.is_floating_point() or each.is_complex() else each for each in given
        )
    state = optimizer_state(twin, optimizer) if training else {}
    names = {module: name for name, module in twin.named_modules()}
    traced = Traced(twin, given, names, state, training)
    for observer in observers:
        observer.begin(traced)
    # what the forward pass draws on the CPU is not taken from the user's random numbers
    with torch.set_grad_enabled(training), as_on_a_cpu(), _no_collection(), torch.random.fork_rng(devices=[]):
        _Walk(traced, observers, autocast).run(loss or default_loss, optimizer)
    return traced


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python's collector of cycles waits: it takes longer than the pass, and comes when chance will have it."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@final
class _Walk(TorchDispatchMode):
    """Sees the operators; knows by the wrapped `forward` of each module who is being called."""

    def __init__(self, traced: Traced, observers: Sequence[Observer], autocast: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._traced, self._observers, self._autocast = traced, observers, autocast
        self._called = _heeded(observers, "called")
        self._entered = _heeded(observers, "module_entered")
        self._left = _heeded(observers, "module_left")
        self._phase: Phase = "forward"
        self._stack: list[tuple[str, int]] = []
        self._calls: list[str] = []  # module name of each call number
        self._nodes: list[int] = []  # autograd's sequence number from which on nodes were made by ...
        self._makers: list[int] = []  # ... this call
        self._owners: dict[int, tuple[str, int]] = {}  # id of a parameter -> its module's name and first call
        self._failed: tuple[str, tuple[Tensor, ...], object] | None = None
        self._refused: torch._ops.OpOverload | None = None
        for module, name in traced.names.items():
            for parameter in module.parameters(recurse=False):
                self._owners.setdefault(id(parameter), (name, NO_CALL))

    def run(self, loss: Loss, optimizer: str | None) -> None:
        """The step; whatever goes wrong in it is told as a `UsageError`."""
        traced = self._traced
        before = {module: module.__dict__.get("forward") for module in traced.names}
        for module, name in traced.names.items():
            module.forward = self._watched(module, name)
        try:
            with self:
                with self._precision():
                    traced.outputs = traced.net(*traced.inputs)
                    self._end("forward", then="loss")
                    if not traced.training:
                        return
                    value = _one_number(loss(traced.outputs))
                    self._end("loss", then="backward")
                value.backward()  # type: ignore[no-untyped-call]
                self._end("backward", then="optimizer")
                if optimizer is not None:
                    with torch.no_grad():
                        self._step(optimizer)
                    self._end("optimizer", then="optimizer")
        except UsageError:
            raise
        except Exception as error:
            raise self._explained(error) from error
        finally:
            for module, forward in before.items():
                del module.forward
                if forward is not None:
                    module.forward = forward

    def _precision(self) -> AbstractContextManager[object]:
        return Autocast() if self._autocast else nullcontext()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is aten._to_copy.default and args[0].is_meta:  # to the CPU, say: it is there as little as anywhere
            kwargs = {**kwargs, "device": args[0].device}
        try:
            shortcut = None if kwargs else SHORTCUTS.get(func)
            out = NotImplemented if shortcut is None else shortcut(args)
            if out is NotImplemented:
                try:
                    out = func(*args, **kwargs)
                except RuntimeError as error:
                    if "not on the expected device" not in str(error):
                        raise
                    args, kwargs = _on_meta(args), _on_meta(kwargs)  # the forward pass made a tensor of its own
                    out = func(*args, **kwargs)
        except Exception:
            self._refused = func
            raise
        name, number = self._stack[-1] if self._stack else self._maker()
        call = Call(func, args, kwargs, _flat(out), name, number, self._phase)
        for called in self._called:
            called(call)
        return out

    def _watched(self, module: nn.Module, name: str) -> Callable[..., Any]:
        forward = module.forward

        def watched(*args: Any, **kwargs: Any) -> Any:
            number = len(self._calls)
            self._calls.append(name)
            self._stack.append((name, number))
            self._note()
            given = _flat((args, kwargs) if kwargs else args)
            for entered in self._entered:
                entered(name, number, given)
            again = self._phase == "backward" and len(self._stack) == 1  # a checkpoint computes it again
            try:
                with self._precision() if again else nullcontext():
                    out = forward(*args, **kwargs)
            except Exception as error:
                # A checkpoint stops its second forward by an exception; to keep it would keep what it holds alive.
                if self._phase != "backward" and (self._failed is None or self._failed[2] is not error):
                    self._failed = (name, given, error)
                self._leave(name, number, ())
                raise
            del given
            self._leave(name, number, _flat(out))
            return out

        return watched

    def _leave(self, name: str, number: int, outputs: tuple[Tensor, ...]) -> None:
        for left in self._left:
            left(name, number, outputs)
        self._stack.pop()
        self._note()

    def _note(self) -> None:
        """From here on, autograd's nodes are made by the call on top of the stack."""
        self._nodes.append(torch._C._autograd._get_sequence_nr())
        self._makers.append(self._stack[-1][1] if self._stack else NO_CALL)

    def _maker(self) -> tuple[str, int]:
        """Who made the autograd node that is running; in the optimizer phase `_step` says it by the stack."""
        node = torch._C._current_autograd_node() if self._phase == "backward" else None
        if node is None:
            return "", NO_CALL
        variable = getattr(node, "variable", None)
        if variable is not None:  # the node that adds to a parameter's gradient
            return self._owner(variable)
        number = self._makers[bisect_right(self._nodes, node._sequence_nr()) - 1]
        return ("", NO_CALL) if number == NO_CALL else (self._calls[number], number)

    def _owner(self, parameter: Tensor) -> tuple[str, int]:
        name, number = self._owners.get(id(parameter), ("", NO_CALL))
        if number == NO_CALL and name in self._calls:
            number = self._calls.index(name)
            self._owners[id(parameter)] = (name, number)
        return name, number

    def _step(self, optimizer: str) -> None:
        for name, parameter in self._traced.net.named_parameters():
            if parameter.grad is not None:
                self._stack.append(self._owner(parameter))
                optimizer_step(optimizer, parameter, parameter.grad, self._traced.optimizer_state[name])
                self._stack.pop()

    def _end(self, phase: Phase, *, then: Phase) -> None:
        for observer in self._observers:
            observer.phase_ended(phase)
        self._phase = then

    def _explained(self, error: Exception) -> UsageError:
        """What went wrong, as a sentence that names the innermost module."""
        name, given, _ = self._failed or ("", self._traced.inputs, None)
        where = "loss" if self._phase == "loss" else named(self._traced.net, name)
        text = str(error).strip()
        said = f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"
        reads = str(self._refused).removeprefix("aten.") in VALUE_READERS.split()
        if reads or any(words in text for words in VALUE_WORDS):
            reader = f" ({self._refused})" if self._refused is not None else ""
            cause = f"what it computes depends on the values in a tensor{reader}, and counting has only shapes"
            return UsageError(where, cause, "the same without .item(), `if tensor`, .numpy() and selections by a mask")
        if isinstance(error, TypeError) and "positional argument" in text:
            hint = "a tuple with one shape for each input, such as ((3, 32, 32), (10,))"
            return UsageError(where, f"it was called with {len(given)} inputs and asks for others ({said})", hint)
        if self._phase == "loss":
            answer = _shapes(_flat(self._traced.outputs))
            return UsageError(where, f"it cannot take the network's answer, {answer} ({said})", LOSS_HINT)
        if isinstance(error, NotImplementedError):
            cause = f"{self._refused} cannot run without values ({said})"
            return UsageError(where, cause, "counting the modules around it, each by itself")
        if self._phase == "forward":
            return UsageError(where, f"it cannot take {_shapes(given)} ({said})", "another input size")
        return UsageError(where, f"its {self._phase} cannot be traced ({said})", "count it without training")


def _heeded(observers: Sequence[Observer], event: str) -> list[Callable[..., None]]:
    """The methods for this event of those who have one of their own: to call one that does nothing takes time too."""
    own = [each for each in observers if getattr(type(each), event) is not getattr(Observer, event)]
    return [getattr(each, event) for each in own]


LOSS_HINT = "loss=, a function from what the network returns to one number"
VALUE_READERS = """
    _local_scalar_dense.default equal.default is_nonzero.default masked_select.default nonzero.default _unique2.default
    unique_consecutive.default unique_dim.default repeat_interleave.Tensor bincount.default
"""
VALUE_WORDS = ("nonzero", "out of meta tensor", "meta device type tensor to numpy", "on meta tensors")


def _one_number(value: Any) -> Tensor:
    if isinstance(value, Tensor) and value.numel() == 1:
        return value
    given = _shapes([value]) if isinstance(value, Tensor) else type(value).__name__
    raise UsageError("loss", f"it gives {given}, not one number", LOSS_HINT)


def _shapes(tensors: Sequence[Tensor]) -> str:
    return " and ".join(by(each.shape) for each in tensors) or "nothing"


def _on_meta(value: Any) -> Any:
    """The same arguments with every tensor on meta."""
    return tree_map_only(Tensor, lambda each: each if each.is_meta else torch.empty_like(each, device="meta"), value)


def _flat(value: Any) -> tuple[Tensor, ...]:
    """The tensors in nested tuples, lists, mappings and dataclass-like results, in order."""
    if isinstance(value, Tensor):
        return (value,)
    if isinstance(value, (tuple, list)):
        return tuple([tensor for each in value for tensor in _flat(each)])
    if isinstance(value, Mapping):
        return tuple([tensor for each in value.values() for tensor in _flat(each)])
    return ()
