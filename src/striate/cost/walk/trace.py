"""One pass over tensors that have shapes and no storage: every operator of a step, and the module that called it."""

import copy
import gc
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from striate.base.errors import Fault, Option, StriateError, UsageError
from striate.base.foreign import is_foreign
from striate.cost.walk.autocast import Autocast
from striate.cost.walk.events import NO_CALL, Call, Observer, Phase, Traced, flat
from striate.cost.walk.failures import LOSS_HINT, DependsOnValues, Failure, explained, reads_values, said, shapes
from striate.cost.walk.inputs import Given, meta_inputs
from striate.cost.walk.inputs import Inputs as Inputs
from striate.cost.walk.kernels import as_on_a_cpu
from striate.cost.walk.known import Known, Values
from striate.cost.walk.shortcuts import SHORTCUTS
from striate.cost.walk.training import default_loss, optimizer_state, optimizer_step
from striate.cost.walk.twin import left_out, meta_twin, named, without_hooks_of_every_module

aten = torch.ops.aten
# Products of numbers of one type: a CPU refuses others, which meta tensors of torch are not asked about.
OF_ONE_TYPE = frozenset(
    (
        aten.mm.default, aten.addmm.default, aten.bmm.default, aten.baddbmm.default, aten.mv.default,
        aten.addmv.default, aten.dot.default, aten.convolution.default, aten.conv1d.default, aten.conv2d.default,
        aten.conv3d.default,
    )
)  # fmt: skip
Loss = Callable[[Any], Tensor]
OnFault = Callable[[Observer, Call], None]


@dataclass(frozen=True, slots=True)
class _Step:
    """What of `trace` is asked for."""

    batch: int
    training: bool
    loss: Loss | None
    optimizer: str | None
    autocast: bool
    input_gradient: bool
    hooks: bool
    on_fault: OnFault | None


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
    hooks: bool = False,
    values: bool = True,
    on_fault: OnFault | None = None,
) -> Traced:
    """Run a twin of `net` once, on no storage, and tell the observers. `net` itself is neither run nor changed.

    - `inputs`: the shape of one sample, such as (3, 224, 224); a tuple of such shapes for a network with several
      inputs; or tensors, batch included, of which only shape and type are used. A mapping is inputs by keyword. Each
      input may be None, a number, a text, or a list or mapping of all these; a row of whole numbers is always a shape.
    - `batch`: samples, for shapes; tensors bring their own.
    - `training`: the whole step: the network in training mode, loss, backward, optimizer. Otherwise only forward, in
      evaluation mode and without gradients.
    - `loss`: outputs -> one number. Default: cross-entropy for 2-D outputs, mean square for others; auxiliary heads
      add theirs.
    - `optimizer`: "sgd", "momentum", "adamw", or None for no step. Its state is that of any step but the first.
    - `autocast`: bfloat16, as `torch.autocast("cpu", torch.bfloat16)` would choose it for forward and loss.
    - `input_gradient`: floating-point and complex inputs ask for a gradient.
    - `hooks`: forward hooks and pre-hooks run, those of the twin: what they compute is booked on their module, and what
      they write to is the caller's own. Otherwise `Traced.left_out` says how many there are. Backward hooks never run.
    - `values`: a network that looks at values is run a second time, and those that depend neither on the input nor on
      parameters are followed. The observers are then as they were, and told of the second pass alone.
    - `on_fault`: is told where an observer itself breaks down over an operator, and the pass goes on. Without it that
      is a `Fault`.

    Torch's own hooks (weight and spectral norm) always run. An exception of a class that is neither Python's nor
    torch's is the caller's own, and passes. Raises `UsageError` naming the module: a size that it cannot take, a
    missing input, a lazy or scripted module; `DependsOnValues` where what it does depends on the input.
    """
    step = _Step(batch, training, loss, optimizer, autocast, input_gradient, hooks, on_fault)
    before = [(vars(each), copy.deepcopy(vars(each))) for each in observers]
    try:
        return _once(net, inputs, observers, step, None)
    except DependsOnValues:
        if not values:
            raise
    for now, then in before:
        now.clear()
        now.update(then)
    return _once(net, inputs, observers, step, Known())


@torch.inference_mode(False)  # a caller's would hand over operators whole that have no rule, and take no gradients
def _once(net: nn.Module, inputs: Inputs, observers: Sequence[Observer], step: _Step, known: Known | None) -> Traced:
    twin, training = meta_twin(net, hooks=step.hooks, known=known), step.training
    twin.train(training)
    given = meta_inputs(twin, inputs, step.batch)
    if training and not step.input_gradient and not any(each.requires_grad for each in twin.parameters()):
        cause = "nothing in it asks for a gradient, so there is no training step to trace"
        hint = (Option("training", False), ", or parameters that are not frozen")
        raise UsageError(named(twin), cause, hint)
    for each in given.tensors:
        each.requires_grad_(step.input_gradient and (each.is_floating_point() or each.is_complex()))
    state = optimizer_state(twin, step.optimizer) if training else {}
    names = {module: name for name, module in twin.named_modules()}
    traced = Traced(twin, given.tensors, names, state, training, left_out(net, hooks=step.hooks, training=training))
    walk = _Walk(traced, given, observers, step, known)
    # what the forward pass draws on the CPU is not taken from the user's random numbers
    with (
        torch.set_grad_enabled(training), as_on_a_cpu(), _no_collection(), torch.random.fork_rng(devices=[]),
        without_hooks_of_every_module(hooks=step.hooks),
    ):  # fmt: skip
        walk.run()
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

    def __init__(
        self, traced: Traced, given: Given, observers: Sequence[Observer], step: _Step, known: Known | None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._traced, self._given, self._observers = traced, given, observers
        self._asked, self._known = step, known
        heeded = partial(_heeded, observers, faulty=self._faulty)
        self._called, self._ended = heeded("called"), heeded("phase_ended")
        self._entered, self._left = heeded("module_entered"), heeded("module_left")
        self._phase: Phase = "forward"
        self._stack: list[tuple[str, int]] = []
        self._calls: list[str] = []  # module name of each call number
        self._nodes: list[int] = []  # autograd's sequence number from which on nodes were made by ...
        self._makers: list[int] = []  # ... this call
        self._first: dict[str, int] = {}  # the first call of each module, hooks aside
        self._owners: dict[int, tuple[str, int]] = {}  # id of a parameter -> its module's name and first call
        self._failed: tuple[str, tuple[Tensor, ...], int, object] | None = None
        self._refused: torch._ops.OpOverload | None = None
        self._told: StriateError | None = None  # what an observer raised, in case that the network catches it
        for module, name in traced.names.items():
            for parameter in module.parameters(recurse=False):
                self._owners.setdefault(id(parameter), (name, NO_CALL))

    def run(self) -> None:
        """The step; whatever goes wrong in it is told as a `StriateError`."""
        before = {module: module.__dict__.get("forward") for module in self._traced.names}
        for module, name in self._traced.names.items():
            module.forward = self._watched(module, name)
            for hooks in (module._forward_pre_hooks, module._forward_hooks):
                hooks.update({key: self._booked(hook, name) for key, hook in hooks.items()})
        for begin in _heeded(self._observers, "begin", self._faulty):
            begin(self._traced)
        try:
            with self, nullcontext() if self._known is None else Values(self._known):
                self._phases()
        except StriateError:
            raise
        except Exception as error:
            looked = self._known is None and reads_values(self._refused)  # and may not, in a second pass
            if self._told is None and is_foreign(error) and not looked:  # the caller's own, which is theirs to catch
                raise
            raise (self._told or self._explained(error)) from error
        finally:
            for module, forward in before.items():
                del module.forward
                if forward is not None:
                    module.forward = forward
        if self._told is not None:  # and the network caught it
            raise self._told

    def _phases(self) -> None:
        traced, optimizer = self._traced, self._asked.optimizer
        with self._precision():
            traced.outputs = traced.net(*self._given.args, **self._given.kwargs)
            self._end("forward", then="loss")
            if not traced.training:
                return
            value = _one_number((self._asked.loss or default_loss)(traced.outputs))
            self._end("loss", then="backward")
        value.backward()  # type: ignore[no-untyped-call]
        self._end("backward", then="optimizer")
        if optimizer is not None:
            with torch.no_grad():
                self._step(optimizer)
            self._end("optimizer", then="optimizer")

    def _precision(self) -> AbstractContextManager[object]:
        return Autocast() if self._asked.autocast else nullcontext()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        try:
            if self._known is None:
                out, args, kwargs = _run(func, args, kwargs)
            else:
                out, args, kwargs = self._known.call(func, args, kwargs, _run)
        except Exception:
            self._refused = func
            raise
        name, number = self._stack[-1] if self._stack else self._maker()
        call = Call(func, args, kwargs, flat(out), name, number, self._phase)
        for called in self._called:
            called(call)
        return out

    def _watched(self, module: nn.Module, name: str) -> Callable[..., Any]:
        forward = module.forward

        def watched(*args: Any, **kwargs: Any) -> Any:
            number = self._enter(name)
            self._first.setdefault(name, number)
            given = flat((args, kwargs) if kwargs else args)
            for entered in self._entered:
                entered(name, number, given)
            again = self._phase == "backward" and len(self._stack) == 1  # a checkpoint computes it again
            try:
                with self._precision() if again else nullcontext():
                    out = forward(*args, **kwargs)
            except Exception as error:
                # A checkpoint stops its second forward by an exception; to keep it would keep what it holds alive.
                if self._phase != "backward" and (self._failed is None or self._failed[3] is not error):
                    self._failed = (name, given, len(args) + len(kwargs), error)
                self._leave(name, number, ())
                raise
            del given
            self._leave(name, number, flat(out))
            return out

        return watched

    def _enter(self, name: str) -> int:
        number = len(self._calls)
        self._calls.append(name)
        self._stack.append((name, number))
        self._note()
        return number

    def _booked(self, hook: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The hook, of which operators are those of its module, as of a call of its own."""

        def booked(*args: Any, **kwargs: Any) -> Any:
            self._enter(name)
            try:
                return hook(*args, **kwargs)
            finally:
                self._stack.pop()
                self._note()

        return booked

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
        if number == NO_CALL and name in self._first:
            number = self._first[name]
            self._owners[id(parameter)] = (name, number)
        return name, number

    def _step(self, optimizer: str) -> None:
        for name, parameter in self._traced.net.named_parameters():
            if parameter.grad is not None:
                self._stack.append(self._owner(parameter))
                optimizer_step(optimizer, parameter, parameter.grad, self._traced.optimizer_state[name])
                self._stack.pop()

    def _end(self, phase: Phase, *, then: Phase) -> None:
        for ended in self._ended:
            ended(phase)
        self._phase = then

    def _explained(self, error: Exception) -> StriateError:
        name, given, arguments, _ = self._failed or ("", self._traced.inputs, len(self._traced.inputs), None)
        where = "loss" if self._phase == "loss" else named(self._traced.net, name)
        answer = shapes(flat(self._traced.outputs)) if self._phase == "loss" else ""
        return explained(Failure(error, where, given, arguments, self._phase, self._refused, answer))

    def _faulty(self, observer: Observer, event: str, args: tuple[Any, ...], error: Exception) -> None:
        """An observer broke down over what it was told: that is no fault of the network's."""
        if isinstance(error, StriateError):
            self._told = error
            raise error
        call = args[0] if args and isinstance(args[0], Call) else None
        if call is not None and self._asked.on_fault is not None:
            self._asked.on_fault(observer, call)
            return
        name = args[0] if args and event.startswith("module") else ""
        where, what = (call.module, str(call.operator)) if call else (name, event.replace("_", " "))
        cause = f"striate's own {type(observer).__name__.lower()} broke down over {what} ({said(error)}), "
        cause += "which is a fault of striate and not of the network"
        listed = (Option("unknown", "report"), ", which lists such an operator and counts the others")
        hint = "counting the modules in it, each by itself" if call is None else listed
        self._told = Fault(named(self._traced.net, where), cause, hint)
        raise self._told from error


def _run(operator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, tuple[Any, ...], Any]:
    """What an operator gives on meta, and the arguments on meta."""
    if operator in OF_ONE_TYPE:
        kinds = dict.fromkeys(str(each.dtype).removeprefix("torch.") for each in args if isinstance(each, Tensor))
        if len(kinds) > 1:
            raise RuntimeError(f"expected one dtype, but got {' and '.join(kinds)}")
    if operator is aten._to_copy.default and args[0].is_meta:  # to the CPU, say: it is there as little as anywhere
        kwargs = {**kwargs, "device": args[0].device}
    shortcut = None if kwargs else SHORTCUTS.get(operator)
    out = NotImplemented if shortcut is None else shortcut(args)
    if out is NotImplemented:
        try:
            out = operator(*args, **kwargs)
        except RuntimeError as error:
            if "not on the expected device" not in str(error):
                raise
            args, kwargs = _on_meta(args), _on_meta(kwargs)  # the forward pass made a tensor of its own
            out = operator(*args, **kwargs)
    return out, args, kwargs


def _heeded(observers: Sequence[Observer], event: str, faulty: Callable[..., None]) -> list[Callable[..., None]]:
    """The methods for this event of those who have one of their own: to call one that does nothing takes time too."""
    own = [each for each in observers if getattr(type(each), event) is not getattr(Observer, event)]
    return [_guarded(each, event, faulty) for each in own]


def _guarded(observer: Observer, event: str, faulty: Callable[..., None]) -> Callable[..., None]:
    """Its method, of which an exception is told as a fault of its own and never as one of the network's."""
    method = getattr(observer, event)

    def told(*args: Any) -> None:
        try:
            method(*args)
        except Exception as error:
            faulty(observer, event, args, error)

    return told


def _one_number(value: Any) -> Tensor:
    if isinstance(value, Tensor) and value.numel() == 1:
        return value
    given = shapes([value]) if isinstance(value, Tensor) else type(value).__name__
    raise UsageError("loss", f"it gives {given}, not one number", LOSS_HINT)


def _on_meta(value: Any) -> Any:
    """The same arguments with every tensor on meta."""
    return tree_map_only(Tensor, lambda each: each if each.is_meta else torch.empty_like(each, device="meta"), value)
