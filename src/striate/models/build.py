"""A name becomes a network: its options checked and read, its weights fetched where there are to be any."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from striate.base.errors import UsageError
from striate.models.catalog import catalog, construct, find, options_of
from striate.models.entry import Entry

if TYPE_CHECKING:
    from torch import nn


def build(
    name: str,
    *,
    classes: int | None = None,
    channels: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    part: str | None = None,
    **options: Any,
) -> nn.Module:
    """The network called `name`, freshly initialised from torch's random numbers, or with `weights`.

    - `name` is one of the catalogue, or `timm:NAME` for one of timm's.
    - `classes` and `channels` are the published ones when None.
    - `weights`: "imagenet" for the newest that torchvision or timm publishes, one of their own names such as
      "IMAGENET1K_V1" or "a1_in1k", or the path of a .safetensors or .pth file or of a run folder. A published
      file is fetched once into the usual cache (TORCH_HOME, HF_HOME) and its hash is checked; no code in a file
      is ever run. Which weights they are, and what was changed to fit other classes or channels, are given as
      `UserWarning`s; `striate.models.weights.load` states the rules.
    - `part` names the module that the weights are for, such as "features"; all else starts anew.
    - `options` are those of its builder, as values or as the words of a command line. `transform_input` is on
      with published weights, which were trained with it.

    An unknown name, option or value is a `UsageError`; weights that do not fit are a `RunError`; a missing
    connection or extra is a `MachineError`.
    """
    entry = find(name)
    free = options_of(entry)
    given = options | {key: value for key, value in (("classes", classes), ("channels", channels)) if value is not None}
    for key in given:
        if key in entry.options:
            raise UsageError(key, f"{name} stands for {key}={entry.options[key]}", _elsewhere(entry, key))
        if key not in free and not entry.more_options:
            raise UsageError(key, f"{name} has no such option", f"one of {', '.join(free)}")
    if weights is None:
        if part is not None:
            raise UsageError("part", f"{part} of which weights", "weights=PATH as well, or leaving it out")
        return construct(entry, **given)
    from striate.models import weights as files

    if "transform_input" in free:
        given.setdefault("transform_input", not files.is_path(weights) and str(channels or 3) == "3")
    network = construct(entry, **given)
    for sentence in files.fill(network, entry, weights, given, part).said:
        warnings.warn(sentence, stacklevel=2)
    return network


def _elsewhere(entry: Entry, key: str) -> str:
    """What to try instead of changing what a name stands for: the names that stand for something else."""
    others = [other for other in catalog().values() if other.builder == entry.builder]
    names = [other.name for other in others if other.options.get(key) != entry.options[key]]
    return f"another name: {', '.join(names)}" if names else "leave it out"
