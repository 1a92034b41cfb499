"""Generations of a training on disk: each complete in itself, checked when read, stepped back from when damaged."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from striate.base import durable
from striate.base.errors import RunError

Tensors = Mapping[str, Tensor]
KEPT = 2
_STEPS, _BEST = r"step-\d{9,}", "best"


@dataclass(frozen=True)
class Generation:
    """All that resuming needs. `best` is None while no epoch has ended."""

    step: int
    weights: Tensors
    optimizer: Tensors
    best: Tensors | None
    state: Mapping[str, Any]


def save(folder: Path, generation: Generation) -> None:
    """Write `folder`/step-N, then remove all generations but it and the one before it.

    A newer one is there only when `read_newest` stepped over it: it must not take the place of a sound one.
    """
    files = {
        "weights.safetensors": tensors_to_bytes(generation.weights),
        "optimizer.safetensors": tensors_to_bytes(generation.optimizer),
        "state.json": durable.to_json({"step": generation.step, **generation.state}),
    }
    if generation.best is not None:
        files["best.safetensors"] = tensors_to_bytes(generation.best)
    durable.save_folder(folder / f"step-{generation.step:09d}", files)
    sweep(folder)
    with contextlib.suppress(OSError):  # the new one is in place, whatever becomes of older ones
        found = _newest_first(folder)
        kept = [path for path in found if _step(path) <= generation.step][:KEPT]
        for path in found:
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed saves left in `folder`."""
    durable.sweep(folder, f"{_STEPS}|{_BEST}")


def read_newest(folder: Path) -> tuple[Generation | None, list[str]]:
    """The newest generation that verifies, and a sentence for each newer one that did not."""
    notes = []
    for path in _newest_first(folder):
        try:
            generation = _read(path)
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
    durable.save_folder(folder / _BEST, {"weights.safetensors": tensors_to_bytes(weights)})


def digest(weights: Tensors) -> str:
    """The sha256 of the file that holds these weights."""
    return hashlib.sha256(tensors_to_bytes(weights)).hexdigest()


def read_best(folder: Path) -> tuple[Tensors, str, list[str]]:
    """The chosen weights, the name of the folder they came from, and a sentence when that is not `best`."""
    notes = []
    if durable.standing(folder / _BEST).is_dir():
        try:
            return _tensors(folder / _BEST, durable.read_folder(folder / _BEST)["weights.safetensors"]), _BEST, []
        except (RunError, KeyError) as error:
            notes.append(f"best is damaged and was stepped over ({error})")
    generation, older = read_newest(folder)
    if generation is None:
        cause = "; ".join(notes) or "no weights are saved here"
        raise RunError(folder, cause, "training first, or another run")
    weights = generation.weights if generation.best is None else generation.best
    name = f"step-{generation.step:09d}"
    return weights, name, [*notes, *older, f"the weights chosen so far are those of {name}"]


def tensors_to_bytes(tensors: Tensors) -> bytes:
    """safetensors; contiguous copies on the CPU."""
    return tensor_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def _newest_first(folder: Path) -> list[Path]:
    found = durable.saved_folders(folder, _STEPS) if folder.is_dir() else []
    return sorted(found, key=_step, reverse=True)


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _read(path: Path) -> Generation:
    files = durable.read_folder(path)
    try:
        state = json.loads(files["state.json"])
        best = _tensors(path, files["best.safetensors"]) if "best.safetensors" in files else None
        weights, optimizer = (_tensors(path, files[f"{name}.safetensors"]) for name in ("weights", "optimizer"))
        return Generation(int(state.pop("step")), weights, optimizer, best, state)
    except KeyError as error:
        raise RunError(path, f"{error.args[0]} is missing", "an older generation") from None


def _tensors(path: Path, data: bytes) -> Tensors:
    try:
        return read_tensors(data)
    except SafetensorError as error:
        raise RunError(path, f"weights that cannot be read ({error})", "an older generation") from None
