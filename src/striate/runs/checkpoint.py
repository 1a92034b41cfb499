"""Generations of a training on disk: each complete in itself, checked when read, stepped back from when damaged."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from striate.base import declared, durable, reading
from striate.base.errors import MachineError, RunError
from striate.base.units import by

Tensors = Mapping[str, Tensor]
KEPT = 2
_STEPS, _EPOCHS, _BEST = r"step-\d{9,}", r"epoch-\d{4,}", "best"
WEIGHTS, OPTIMIZER, BEST = "weights.safetensors", "optimizer.safetensors", "best.safetensors"
PARTNER = "partner"  # before the names of its parameters, where an optimizer has those of the network as well
BESIDE = f"{PARTNER}.safetensors"
STATE = "state.json"
MOMENTS = 4  # two of an optimizer, its count of steps, and an average
MOST_OF_STATE = 2**26  # a line for each epoch
MOST_OF_PARTNER = 2**26
OLDER = "an older generation, or training again"


@dataclass(frozen=True)
class Generation:
    """All that resuming needs. `best` is None while no epoch has ended; `partner`, where nothing is trained beside."""

    step: int
    weights: Tensors
    optimizer: Tensors
    best: Tensors | None
    state: Mapping[str, Any]
    partner: Tensors | None = None


def save(folder: Path, generation: Generation) -> None:
    """Write `folder`/step-N, then remove all generations but it and the one before it.

    A newer one is there only when `read_newest` stepped over it: it must not take the place of a sound one.
    """
    files = {
        WEIGHTS: tensors_to_bytes(generation.weights),
        OPTIMIZER: tensors_to_bytes(generation.optimizer),
        STATE: durable.to_json({"step": generation.step, **generation.state}),
    }
    if generation.best is not None:
        files[BEST] = tensors_to_bytes(generation.best)
    if generation.partner is not None:
        files[BESIDE] = tensors_to_bytes(generation.partner)
    durable.save_folder(folder / f"step-{generation.step:09d}", files)
    sweep(folder)
    with contextlib.suppress(OSError):  # the new one is in place, whatever becomes of older ones
        found = _newest_first(folder)
        kept = [path for path in found if _number(path) <= generation.step][:KEPT]
        for path in found:
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed saves left in `folder`."""
    durable.sweep(folder, f"{_STEPS}|{_EPOCHS}|{_BEST}")


def read_newest(
    folder: Path, like: Tensors | None = None, state: Any = Mapping[str, Any], partner: Tensors | None = None
) -> tuple[Generation | None, list[str]]:
    """The newest generation that verifies, and a sentence for each newer one that did not.

    `like` are tensors of the same names, shapes and kinds as the weights, `partner` as the partner's, none where it
    has none; None: any. `state` declares what the state holds.
    """
    notes = []
    for path in _newest_first(folder):
        try:
            generation = _read(path, like, state, partner)
        except RunError as error:
            notes.append(f"{path.name} is damaged and was stepped over ({error.where}: {error.cause})")
            continue
        if notes:
            notes.append(f"{path.name} is used instead")
        return generation, notes
    if notes:
        raise RunError(folder, f"no generation verifies: {'; '.join(notes)}", "training again")
    return None, []


def save_best(folder: Path, weights: Tensors) -> None:
    """The chosen weights of a finished training, in `folder`/best."""
    durable.save_folder(folder / _BEST, {WEIGHTS: tensors_to_bytes(weights)})


def save_epoch(folder: Path, epoch: int, weights: Tensors, count: int) -> None:
    """The weights after an epoch, in `folder`/epoch-N; those of all but the last `count` epochs are removed."""
    durable.save_folder(folder / f"epoch-{epoch:04d}", {WEIGHTS: tensors_to_bytes(weights)})
    for path in durable.saved_folders(folder, _EPOCHS):
        if _number(path) <= epoch - count:
            shutil.rmtree(path, ignore_errors=True)


def read_epochs(folder: Path, like: Tensors) -> dict[int, Tensors]:
    """By epoch the weights that were kept, ascending; a RunError names the file that is damaged."""
    reading.refuse_link(folder)
    found = sorted(durable.saved_folders(folder, _EPOCHS), key=_number) if folder.is_dir() else []
    return {
        _number(path): _weights(path / WEIGHTS, durable.read_folder(path, _most(like))[WEIGHTS], like) for path in found
    }


def digest(weights: Tensors) -> str:
    """The sha256 of the file that holds these weights."""
    return hashlib.sha256(tensors_to_bytes(weights)).hexdigest()


def read_best(folder: Path, like: Tensors | None = None, expected: str | None = None) -> tuple[Tensors, str, list[str]]:
    """The chosen weights, the name of the folder they came from, and a sentence when that is not `best`.

    `expected` is the digest of the weights whose answers are kept: others are a RunError, however whole they are.
    """
    notes = []
    if os.path.lexists(durable.standing(folder / _BEST)):
        try:
            files = durable.read_folder(folder / _BEST, _most(like))
            weights = _weights(folder / _BEST / WEIGHTS, files[WEIGHTS], like)
            if expected not in (None, hashlib.sha256(files[WEIGHTS]).hexdigest()):
                raise RunError(folder / _BEST / WEIGHTS, "not the weights whose answers are kept", OLDER)
            return weights, _BEST, []
        except (RunError, KeyError) as error:
            notes.append(f"best is damaged and was stepped over ({error})")
    generation, older = read_newest(folder, like)
    if generation is None:
        cause = "; ".join(notes) or "no weights are saved here"
        raise RunError(folder, cause, "training first, or another run")
    weights = generation.weights if generation.best is None else generation.best
    name = f"step-{generation.step:09d}"
    if expected not in (None, digest(weights)):
        raise RunError(folder, f"neither {_BEST} nor {name} has the weights whose answers are kept", OLDER)
    return weights, name, [*notes, *older, f"the weights chosen so far are those of {name}"]


def tensors_to_bytes(tensors: Tensors) -> bytes:
    """safetensors; contiguous copies on the CPU. A MachineError where there is no memory for so many bytes."""
    size = sum(tensor.nbytes for tensor in tensors.values())
    try:
        bytearray(size)  # safetensors, which finds none, ends the process or waits for ever
    except MemoryError:
        hint = "a smaller network, or a machine with more memory"
        raise MachineError("memory", f"{size:,} bytes more are needed to save the weights", hint) from None
    return tensor_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def _newest_first(folder: Path) -> list[Path]:
    reading.refuse_link(folder)
    found = durable.saved_folders(folder, _STEPS) if folder.is_dir() else []
    return sorted(found, key=_number, reverse=True)


def _number(path: Path) -> int:
    """Of step-000000012, or epoch-0012."""
    return int(path.name.rpartition("-")[2])


def _read(path: Path, like: Tensors | None, state: Any, partner: Tensors | None) -> Generation:
    files = durable.read_folder(path, _most(like))
    try:
        told = reading.parsed(files[STATE], path / STATE)
        best = _weights(path / BEST, files[BEST], like) if BEST in files else None
        weights = _weights(path / WEIGHTS, files[WEIGHTS], like)
        beside = _weights(path / BESIDE, files[BESIDE], partner) if BESIDE in files or partner else None
        optimizer = _tensors(path / OPTIMIZER, files[OPTIMIZER])
        step = told.pop("step")
    except (KeyError, AttributeError) as error:
        raise RunError(path, f"{error.args[0]} is missing", OLDER) from None
    if step != _number(path):
        raise RunError(path / STATE, f"step is {step!r}", OLDER)
    declared.read(state, {"step": step, **told}, path / STATE)
    if like is not None:
        others = {f"{PARTNER}.{name}": tensor for name, tensor in (beside or {}).items()}
        _refuse_other_moments(path / OPTIMIZER, optimizer, {**like, **others})
    return Generation(step, weights, optimizer, best, told, beside)


def _most(like: Tensors | None) -> Mapping[str, int]:
    """Bytes that each file of a folder may have: so much as its tensors, and a head."""
    whole = sum(tensor.numel() * tensor.element_size() for tensor in like.values()) if like is not None else 2**40
    head = 2**20 + 1024 * len(like or ())
    return {
        WEIGHTS: whole + head, BEST: whole + head, BESIDE: MOST_OF_PARTNER, STATE: MOST_OF_STATE,
        OPTIMIZER: MOMENTS * (whole + head + MOST_OF_PARTNER),
    }  # fmt: skip


def _weights(path: Path, data: bytes, like: Tensors | None) -> Tensors:
    """Tensors that fit the network, of numbers that are finite."""
    found = _tensors(path, data)
    like = found if like is None else like
    for name in sorted(found.keys() ^ like.keys()):
        raise RunError(path, f"weights of another network: {name} is {'missing' if name in like else 'there'}", OLDER)
    for name, tensor in found.items():
        other = like[name]
        if (tensor.shape, tensor.dtype) != (other.shape, other.dtype):
            raise RunError(path, f"weights of another network: {name} is {by(tensor.shape) or 'one number'}", OLDER)
        if not torch.isfinite(tensor).all():
            raise RunError(path, f"{name} holds what is no finite number", OLDER)
    return found


def _refuse_other_moments(path: Path, optimizer: Tensors, like: Tensors) -> None:
    """What an optimizer keeps of a parameter has its shape, or is one number."""
    for place, tensor in optimizer.items():
        _, _, name = place.partition("/")
        if name not in like or tensor.shape not in (like[name].shape, ()):
            raise RunError(path, f"{place} is of another network", OLDER)


def _tensors(path: Path, data: bytes) -> Tensors:
    try:
        return read_tensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise RunError(path, f"weights that cannot be read ({error})", OLDER) from None
