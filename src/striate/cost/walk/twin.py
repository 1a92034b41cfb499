"""A network's twin and its inputs on the meta device: shapes and types, no storage."""

import copy
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from striate.base.errors import UsageError
from striate.cost.walk.failures import too_deep
from striate.cost.walk.known import Known

FORWARD_HOOKS = ("_forward_pre_hooks", "_forward_hooks")
BACKWARD_HOOKS = ("_backward_pre_hooks", "_backward_hooks")
MODULE_HINT = 'a module, such as striate.build("resnet18")'
EVERY = "every module"  # whose hooks are the program's, not the network's
WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def named(net: nn.Module, module: str = "") -> str:
    """A module of the network as an error names it; the network itself where the module's name is empty."""
    return f"module {module!r}" if module else f"the network ({type(net).__name__})"


def meta_twin(net: nn.Module, *, hooks: bool = False, known: Known | None = None) -> nn.Module:
    """A deep copy whose tensors are on meta; no storage is allocated, and `net` is left as it is.

    What is shared, a tensor or a storage, is shared in the twin. Wrappers for several devices are taken off. Hooks are
    left behind, except torch's own, which compute weights, and with `hooks` those of forward. `known` keeps the values
    of what is no parameter. Raises `UsageError` for a module that is lazy, scripted or cannot be copied.
    """
    if not isinstance(net, nn.Module):
        raise UsageError("the network", f"{net!r:.60} is no torch.nn.Module", MODULE_HINT)
    net = _unwrapped(net)
    memo: dict[int, Any] = {}
    storages: dict[int, torch.UntypedStorage] = {}
    for name, module in net.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            cause = "it is scripted, and no longer says which module calls an operator"
            raise UsageError(named(net, name), cause, "the module as it was before torch.jit")
        for group in (module._parameters, module._buffers):
            for tensor in group.values():
                if is_lazy(tensor):
                    cause = "it is lazy and does not know its size yet"
                    raise UsageError(named(net, name), cause, "call the network once before")
                if tensor is not None and id(tensor) not in memo:
                    twin = _shared(tensor, storages)
                    parameter = group is module._parameters
                    if known is not None and not parameter:
                        known.keep(tensor, twin)
                    memo[id(tensor)] = nn.Parameter(twin, tensor.requires_grad) if parameter else twin
    try:
        with _Storageless(known):
            for module in net.modules():
                for key in BACKWARD_HOOKS if hooks else (*FORWARD_HOOKS, *BACKWARD_HOOKS):
                    group = getattr(module, key)
                    if not group:
                        continue
                    kept = OrderedDict((number, hook) for number, hook in group.items() if _is_torchs(hook))
                    memo[id(group)] = copy.deepcopy(kept, memo)
            twin_net = copy.deepcopy(net, memo)
    except RecursionError as error:
        raise too_deep(named(net), error) from error
    except Exception as error:
        cause = f"it cannot be copied ({type(error).__name__}: {error})"
        raise UsageError(named(net), cause, "a module without files, locks or generators") from error
    if set(twin_net.modules()) & set(net.modules()):  # counting would change the network itself
        raise UsageError(named(net), "its __deepcopy__ gives the module itself", "a module that can be copied")
    return twin_net


def left_out(net: nn.Module, *, hooks: bool, training: bool) -> dict[str, int]:
    """How many hooks of each module a pass does not run: those of forward without `hooks`, in training of backward."""
    groups = (() if hooks else FORWARD_HOOKS) + (BACKWARD_HOOKS if training else ())
    found = Counter[str]()
    for name, module in _unwrapped(net).named_modules():
        found[name] = sum(not _is_torchs(hook) for key in groups for hook in getattr(module, key).values())
        if training:
            for each in module.parameters(recurse=False):
                found[name] += len(each._backward_hooks or ()) + len(each._post_accumulate_grad_hooks or ())
    for group in _of_every_module(groups):
        found[EVERY] += len(group)
    return {name: count for name, count in found.items() if count}


@contextmanager
def without_hooks_of_every_module(*, hooks: bool) -> Iterator[None]:
    """Those that torch calls for each module of a program are told of the program's own passes, not of this one."""
    groups = _of_every_module(BACKWARD_HOOKS if hooks else (*FORWARD_HOOKS, *BACKWARD_HOOKS))
    before = [dict(group) for group in groups]
    for group in groups:
        group.clear()
    try:
        yield
    finally:
        for group, kept in zip(groups, before, strict=True):
            group.update(kept)


def _of_every_module(keys: Sequence[str]) -> list[dict[int, Any]]:
    return [getattr(nn.modules.module, f"_global{key}") for key in keys]


@final
class _Storageless(TorchFunctionMode):
    """Makes `copy.deepcopy` of tensors that are neither parameters nor buffers answer with a twin on meta."""

    def __init__(self, known: Known | None) -> None:
        super().__init__()
        self._known = known

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__deepcopy__:
            tensor, memo = args
            if id(tensor) not in memo:
                memo[id(tensor)] = empty(tensor)
                if self._known is not None:
                    self._known.keep(tensor, memo[id(tensor)])
            return memo[id(tensor)]
        return func(*args, **(kwargs or {}))


def empty(tensor: Tensor) -> Tensor:
    """A tensor on meta with the shape, type and layout of another."""
    with torch.no_grad():
        return torch.empty_like(tensor, device="meta", requires_grad=False)


def _shared(tensor: Tensor, storages: dict[int, torch.UntypedStorage]) -> Tensor:
    """Like `empty`; twins of tensors that share a storage share one. `storages`: by the address of the original."""
    if tensor.layout != torch.strided or type(tensor) not in (Tensor, nn.Parameter):
        return empty(tensor)
    original = tensor.untyped_storage()
    if original._cdata not in storages:
        whole = torch.empty(original.nbytes(), dtype=torch.uint8, device="meta")
        storages[original._cdata] = whole.untyped_storage()
    bare = torch.empty(0, dtype=tensor.dtype, device="meta")
    return bare.set_(storages[original._cdata], tensor.storage_offset(), tensor.shape, tensor.stride())


def _unwrapped(net: nn.Module) -> nn.Module:
    while True:
        inner = getattr(net, "_orig_mod", None)  # what torch.compile wraps
        if isinstance(net, WRAPPERS):
            inner = net.module
        if not isinstance(inner, nn.Module):
            return net
        net = inner


def _is_torchs(hook: Any) -> bool:
    owner = getattr(hook, "__self__", hook)
    module = getattr(owner, "__module__", None) or type(owner).__module__
    return str(module).split(".")[0] == "torch"
