"""Published weights in, and weights out: fetched once, checked, read without running code, fitted to a network.

A file fits when its keys and shapes are the network's, except for what `load` says of the last layer, the first
convolution and auxiliary heads. Every such change is a sentence, which `striate.build` gives as a `UserWarning`.
"""

import os
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, final

import safetensors.torch
import torch
from torch import Tensor, nn

from striate.base import durable
from striate.base.errors import Hint, Option, RunError, UsageError, near
from striate.base.outputs import Output, known_by
from striate.base.paths import path_of
from striate.base.units import by
from striate.base.words import many
from striate.models import outside
from striate.models.catalog import catalog, construct
from striate.models.entry import Entry
from striate.models.lenet import RadialBasis
from striate.models.published import HUB, SUFFIXES, Published, fetch, published

__all__ = ["Filled", "Published", "fetch", "fill", "load", "published", "read", "save"]

SHOWN = 3  # keys of each kind in an error
# Where training scripts put the state dict in a checkpoint, and what wrappers put before its keys.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
PREFIXES = ("module.", "_orig_mod.", "model.")
WEIGHTS_FILE = "weights.safetensors"


@final
@dataclass(frozen=True)
class Filled:
    """What became of a network's weights: `said` in sentences, and the modules that start `anew`, by name."""

    said: tuple[str, ...]
    anew: tuple[str, ...]


def read(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a .safetensors or .pth file, or of a run folder, by key; no code in it is ever run.

    A checkpoint's state dict is looked for in the usual places. `RunError` for anything else.
    """
    path = path_of(path)
    if path.is_dir():
        folder = path / "checkpoints" / "best" if (path / "checkpoints").is_dir() else path
        files = durable.read_folder(folder)
        if WEIGHTS_FILE not in files:
            raise RunError(folder, f"holds no {WEIGHTS_FILE}", "a run folder or a file of weights")
        return _tensors(_read(path, lambda: safetensors.torch.load(files[WEIGHTS_FILE])), path)
    if not path.is_file():
        raise RunError(path, "no such file", "the path of a .safetensors or .pth file, or of a run folder")
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError as error:
        raise RunError(path, f"cannot be read ({error.strerror})", "a file that you may read") from None
    if start[8:9] == b"{":
        return _tensors(_read(path, lambda: safetensors.torch.load_file(path)), path)
    if start.startswith((b"PK", b"\x80")):
        return _tensors(_read(path, lambda: torch.load(path, map_location="cpu", weights_only=True)), path)
    page = start.lstrip().startswith(b"<")
    cause = "is a web page, not weights" if page else "is neither a safetensors nor a PyTorch file"
    raise RunError(path, cause, "fetching it again; its publisher's page gives the address of the file itself")


def load(net: nn.Module, source: str | os.PathLike[str], *, part: str = "") -> tuple[str, ...]:
    """Copy the weights of a file or run folder into `net`, in place; what had to be changed, in sentences.

    - Keys may lack or bear a wrapper's "module."; `num_batches_tracked` may be missing; half precision is widened.
    - Other classes, or a file without a last layer: the network keeps its own fresh one.
    - Other channels: with k input channels in the file and c here, channel j of the first convolution gets the
      filters of the channels i = j mod c, added, when c < k; else filter j mod k, divided by how many channels
      share it. The sum over channels stays, so a picture whose channels are equal after
      normalisation gets the answer it got before.
    - Auxiliary heads that only one side has are left out, or stay as they are.
    - `part` names the module that they are for, such as features: of a file of the whole network its keys alone are
      taken, and all else starts anew.

    `RunError` when anything else differs; `net` is then untouched.
    """
    return put(net, read(source), source, part=part).said


def put(net: nn.Module, state: Mapping[str, Tensor], source: object, *, part: str = "", official: str = "") -> Filled:
    """`load` for tensors already read; `source` is what an error names.

    `official` is the module that takes a published file where the whole network does not.
    """
    if part:
        tries = {part: _fit_part(net, state, part)}
    else:
        tries = {"": _fit(net, state)}
        if official:
            tries[official] = _fit(net.get_submodule(official), state, official)
    where = next((name for name, fit in tries.items() if not fit.problems), None)
    if where is None:
        problems = "; ".join(tries[part].problems)
        raise RunError(source, f"holds the weights of another network: {problems}", _hint(net, state, part))
    own, fitting = net.get_submodule(where).state_dict(), tries[where]
    if any(own[key].is_meta for key in fitting.values):
        raise UsageError("weights", "a network on the meta device has no place for them", "building it elsewhere")
    with torch.no_grad():
        for key, value in fitting.values.items():
            own[key].copy_(value)
    filled = {f"{where}.{key}" if where else key for key in fitting.values}
    anew = dict.fromkeys(_module(name) for name, _ in net.named_parameters() if name not in filled)
    return Filled(fitting.notes, tuple(anew))


def _hint(net: nn.Module, state: Mapping[str, Tensor], part: str) -> Hint:
    """What to try with weights that do not fit: naming the part that they cover, or the network that they are of."""
    for name, _ in net.named_children():
        fit = _fit_part(net, state, name)
        if not part and not fit.problems and len(fit.notes) == 1:  # nothing of the file is left out
            return (Option("part", name), f": {name} alone takes them, and all else starts anew")
    names = _networks_that_fit(state)
    return f"{' or '.join(names)}, which it fits" if names else "the network and options it was trained with"


def fill(
    net: nn.Module, entry: Entry, weights: str | os.PathLike[str], options: Mapping[str, Any], part: str | None = None
) -> Filled:
    """Give a network built from `entry` with `options` its `weights`: published ones, or those of a path.

    Sentences for whoever asked: which weights they are, and what `load` changed; and what starts anew.
    """
    official = entry.weights
    if is_path(weights):
        path, said = path_of(weights), []
    else:
        where = published(entry, str(weights))
        path = fetch(where)
        said = [f"{entry.name} has the weights {where.source}, {where.tag}, from {path.name}"]
        if not where.sha256 and not where.place.startswith(HUB):
            said.append("their publisher tells no hash, so the file was not checked")
    state = read(path)
    # timm's own reader renames what it published under older keys; a file of ours has the present ones.
    if entry.name.startswith(outside.PREFIX) and (not is_path(weights) or _fit(net, state).problems):
        state = outside.translated(entry, state, options)
    theirs = not is_path(weights) or (official is not None and path.name.startswith(official.name))
    if "transform_input" in options and theirs:
        said.append(f"torchvision trained with transform_input=True; here it is {options['transform_input']}")
    found = put(net, state, path, part=part or "", official=official.part if official else "")
    return Filled((*said, *found.said), found.anew)


def published_fit(net: nn.Module, entry: Entry) -> bool:
    """Whether there are published weights, and the options that `net` was built with leave them a place."""
    with torch.device("meta"):
        return entry.weights is not None and not _fit(net, construct(entry).state_dict()).problems


def is_path(weights: str | os.PathLike[str]) -> bool:
    """Whether `weights` is a file or folder rather than the name of published weights."""
    text = os.fspath(weights)
    return isinstance(weights, os.PathLike) or text.endswith(SUFFIXES) or "/" in text or os.sep in text


def save(net: nn.Module, path: str | os.PathLike[str], *, force: bool = False, **facts: str) -> None:
    """Write the weights of `net` to a .safetensors file, whole or not at all, with `facts` as its metadata.

    A file that is there is replaced where `save` wrote it, or with `force`; any other is a `UsageError`.

    The keys are the network's own, so torchvision's or timm's network of the same name loads the file.
    """
    values = {key: value.detach().cpu().contiguous().clone() for key, value in net.state_dict().items()}
    output = Output(str(path), path_of(path), known_by('"writer":"striate"'), force=force)
    output.write(safetensors.torch.save(values, metadata={"format": "pt", "writer": "striate", **facts}))


def _read(path: Path, reader: Callable[[], Any]) -> Any:
    """What the reader gives; a file made to break it, or to run code, is a `RunError` and is not tried otherwise."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch warns of is either read or refused below
            return reader()
    except Exception as error:  # bytes that are no pickle make an unpickler raise nearly anything
        if "Weights only load failed" in str(error):  # torch goes on to advise loading it all the same
            found = re.search(r"GLOBAL ([\w.]+)", str(error))
            what = f"more than tensors ({found[1]})" if found else "something else than tensors"
            hint = "its state dict alone, as torch.save(net.state_dict(), path) or safetensors write it"
            raise RunError(path, f"holds {what}, which could run code, so it is not loaded", hint) from None
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise RunError(path, f"is damaged or cut short ({reason})", "fetching or copying it again") from None


def _tensors(value: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in what a file held, each value an ordinary tensor of real, finite numbers."""
    for _ in range(len(WRAPPERS)):
        inner = [value[key] for key in WRAPPERS if isinstance(value, Mapping) and isinstance(value.get(key), Mapping)]
        value = inner[0] if inner else value
    hint = "a state dict, key by key a tensor"
    if not isinstance(value, Mapping) or not value:
        raise RunError(path, f"holds a {type(value).__name__} where a state dict should be", hint)
    for key, each in value.items():
        if not isinstance(key, str) or not isinstance(each, Tensor):
            raise RunError(path, f"holds a {type(each).__name__} under {key!r} where a tensor should be", hint)
        if each.is_quantized or each.layout != torch.strided or each.is_complex():
            raise RunError(path, f"{key} is not an ordinary tensor of numbers", hint)
        if each.numel() * each.element_size() > each.untyped_storage().nbytes():
            raise RunError(path, f"{key} claims more numbers than the file holds", hint)
        if each.is_floating_point() and not each.isfinite().all():
            raise RunError(path, f"{key} holds numbers that are not finite", "weights of a training that went well")
    return {key: each.detach() for key, each in value.items()}


@dataclass(frozen=True)
class _Fit:
    """What of a file goes where; it fits when there are no problems."""

    values: Mapping[str, Tensor]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def _fit(net: nn.Module, state: Mapping[str, Tensor], part: str = "", *, whole: bool = False) -> _Fit:
    """`net` beside the tensors of a file; with `part`, the file's last layer has no place and is left out.

    `whole`: no last layer of its own starts anew.
    """
    own = net.state_dict()
    values = _renamed(state, own)
    notes = [f"{part} alone has them; the other layers start anew"] if part else []
    counters = [key for key in (*values, *own) if key.endswith("num_batches_tracked")]
    missing = [key for key in own if key not in values and key not in counters]
    foreign = [key for key in values if key not in own and key not in counters]
    layers, head = _layers(net, own), head_of(net)
    if missing and {*map(_module, missing)} == {head} and not whole:
        notes.append(f"{head} is not in the file and starts anew")
        missing = []
    if part and len({*map(_module, foreign)}) == 1:
        notes.append(f"{_module(foreign[0])} of the file has no place there and is left out")
        foreign = []
    for keys, sentence in (
        (missing, "{} is not in the file and starts anew"),
        (foreign, "{} of the file has no place here and is left out"),
    ):
        if heads := [key for key in keys if key.lower().startswith("aux")]:
            notes.append(sentence.format(", ".join(dict.fromkeys(key.partition(".")[0] for key in heads))))
            keys[:] = [key for key in keys if key not in heads]
    values = {key: value for key, value in values.items() if key in own}
    misshapen = [key for key in own if key in values and values[key].shape != own[key].shape]
    if adapted := _inputs(net, values, own, misshapen):
        first = next(iter(adapted))
        counts = f"{values[first].shape[1]} input channels in the file and {own[first].shape[1]} here"
        notes.append(f"{_module(first)} has {counts}: its filters are added up or shared, see striate.models.weights")
        values |= adapted
        misshapen = [key for key in misshapen if key not in adapted]
    if not whole and (pair := _classes(values, own, misshapen, layers)):
        names = ", ".join(dict.fromkeys(map(_module, misshapen)))
        notes.append(f"{names} starts anew: the file has {many(pair[0], 'class')}, the network {pair[1]}")
        values = {key: value for key, value in values.items() if key not in misshapen}
        misshapen = []
    kinds = {str(value.dtype)[6:] for key, value in values.items() if value.dtype != own[key].dtype}
    if kinds:
        notes.append(f"numbers stored as {', '.join(sorted(kinds))} are brought to the network's precision")
    shapes = [f"{key} ({_sides(values[key])} in the file, {_sides(own[key])} here)" for key in misshapen]
    told = (("missing", missing), ("without a place", foreign), ("of another shape", shapes))
    problems = tuple(f"{len(keys)} {words}: {_some(keys)}" for words, keys in told if keys)
    return _Fit(values, tuple(notes), problems)


def _fit_part(net: nn.Module, state: Mapping[str, Tensor], part: str) -> _Fit:
    """The module `part` beside the tensors that a file has under its name, or beside all where it has none such."""
    try:
        inside = net.get_submodule(part)
    except AttributeError:
        names = [name for name, child in net.named_children() if any(True for _ in child.parameters())]
        raise UsageError("part", f"the network has no part {part!r}", near(part, names, " or ".join(names))) from None
    values = _renamed(state, net.state_dict())
    under = {key.removeprefix(f"{part}."): value for key, value in values.items() if key.startswith(f"{part}.")}
    found = _fit(inside, under or values, part, whole=True)
    left = dict.fromkeys(_module(key) for key in values if not key.startswith(f"{part}.")) if under else {}
    named = f"{_some(list(left))} of the file {'is' if len(left) == 1 else 'are'} left out"
    return replace(found, notes=(*found.notes, named)) if left else found


def _inputs(
    net: nn.Module, values: Mapping[str, Tensor], own: Mapping[str, Tensor], misshapen: list[str]
) -> dict[str, Tensor]:
    """The first convolution, and any other beside it that sees the picture, brought to the channels here."""
    modules = {key: net.get_submodule(_module(key)) for key in own if own[key].ndim == 4}
    convs = [key for key, module in modules.items() if isinstance(module, nn.Conv2d) and module.groups == 1]
    if not convs or convs[0] not in misshapen:  # a layer in the middle is never taken for the first
        return {}
    pair = (values[convs[0]].shape[1:2], own[convs[0]].shape[1:2])
    chosen = [key for key in misshapen if key in convs and (values[key].shape[1:2], own[key].shape[1:2]) == pair]
    adapted = {key: with_channels(values[key], own[key].shape[1]) for key in chosen if values[key].ndim == 4}
    return {key: value for key, value in adapted.items() if value.shape == own[key].shape}


def head_of(net: nn.Module) -> str:
    """The name of the last layer."""
    layers = _layers(net, net.state_dict())
    return _module(layers[-1]) if layers else ""


def _layers(net: nn.Module, own: Mapping[str, Tensor]) -> list[str]:
    return [key for key in own if isinstance(net.get_submodule(_module(key)), nn.Linear | nn.Conv2d | RadialBasis)]


def with_channels(filters: Tensor, channels: int) -> Tensor:
    """(outputs, k, h, w) -> (outputs, channels, h, w) whose sum over channels is the same; see `load`."""
    k = filters.shape[1]
    if channels < k:
        return torch.stack([filters[:, j::channels].sum(1) for j in range(channels)], dim=1)
    copies = [len(range(j % k, channels, k)) for j in range(channels)]
    return torch.stack([filters[:, j % k] / copies[j] for j in range(channels)], dim=1)


def _classes(
    values: Mapping[str, Tensor], own: Mapping[str, Tensor], misshapen: list[str], layers: list[str]
) -> tuple[int, int] | None:
    """(classes in the file, classes here) when the number of outputs of last layers is all that differs."""
    if not layers or layers[-1] not in misshapen:  # a layer in the middle is never taken for the last
        return None
    if any(key not in layers or values[key].shape[1:] != own[key].shape[1:] for key in misshapen):
        return None
    pairs = {(len(values[key]), len(own[key])) for key in misshapen if values[key].ndim}
    return pairs.pop() if len(pairs) == 1 else None


def _renamed(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys without what wrappers put before them, and with the present names of DenseNet's layers.

    torchvision's DenseNet files date from when a module's name could hold a point: norm.1 for norm1.
    """
    values = dict(state)
    for prefix in PREFIXES * 2:
        if all(key.startswith(prefix) for key in values) and not any(key.startswith(prefix) for key in own):
            values = {key.removeprefix(prefix): value for key, value in values.items()}
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", key): value for key, value in values.items()}


def _networks_that_fit(state: Mapping[str, Tensor]) -> list[str]:
    """The networks with published weights that a file fits as they are; built without storage."""
    entries = [entry for entry in catalog().values() if entry.weights and not entry.weights.part]
    with torch.device("meta"):
        fitting = (entry.name for entry in entries if not _fit(construct(entry), state).problems)
        return list(islice(fitting, SHOWN))


def _module(key: str) -> str:
    return key.rpartition(".")[0]


def _sides(value: Tensor) -> str:
    return by(value.shape) or "one number"


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (" ..." if len(keys) > SHOWN else "")
