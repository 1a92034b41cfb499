"""Networks that timm builds, under the names `timm:NAME`: counted, trained, explained and exported like the others.

timm is the optional extra `zoo`: it is imported when such a name is used, and not before.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from striate.base.errors import MachineError, RunError, UsageError, nearest
from striate.base.options import Rate, Whole
from striate.models.entry import Entry, Paper, Weights

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "timm:"
ASSUMED_LEAST = 32  # five halvings leave one cell
# timm would fetch and read files by itself under these names.
RESERVED = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir")


def names(pattern: str = "timm:*") -> list[str]:
    """The `timm:` names that a pattern with * and ? matches, sorted; about 1,400 in all."""
    return [PREFIX + name for name in library("timm").list_models() if fnmatchcase(PREFIX + name, pattern)]


def entry_of(name: str) -> Entry:
    """What timm's configuration says of `timm:NAME` or `timm:NAME.TAG`.

    timm tells neither paper nor year of a network: the year is 0. An unknown name or tag is a `UsageError` that
    gives the three nearest; without timm it is a `MachineError`.
    """
    timm = library("timm")
    architecture, _, tag = name.removeprefix(PREFIX).partition(".")
    if architecture not in (known := timm.list_models()):
        raise UsageError(f"model {name}", "timm has no network of this name", _three(architecture, known))
    tags = timm.models.get_arch_pretrained_cfgs(architecture)
    if tag and f"{architecture}.{tag}" not in tags:
        raise UsageError(f"model {name}", "timm has no weights under this tag", _three(name[len(PREFIX) :], tags))
    config = timm.get_pretrained_cfg(f"{architecture}.{tag}" if tag else architecture)
    least = config.min_input_size[1] if config.min_input_size else ASSUMED_LEAST
    fixed = bool(config.fixed_input_size)
    differences = [f"Built by timm {timm.__version__}, with timm's initial weights; its options are timm's."]
    if not fixed and not config.min_input_size:
        differences.append(f"timm does not say which side is the least; {least} pixels is assumed here.")
    if not config.num_classes:
        differences.append("timm trained it without classes: say how many there are.")
    return Entry(
        name=name, builder="striate.models.outside:network", options={"architecture": architecture},
        paper=Paper("not told by timm", 0, "", f"but for its weights: {config.paper_ids}" if config.paper_ids else ""),
        input=tuple(config.input_size), published=(),
        known_for="One of timm's networks, known here by its configuration alone.", differences=tuple(differences),
        least=config.input_size[1] if fixed else least, fixed=fixed, more_options=True,
        weights=Weights("timm", architecture, config.tag or "") if config.has_weights else None,
    )  # fmt: skip


def network(
    architecture: str,
    classes: Whole | None = None,
    *,
    channels: Whole | None = None,
    dropout: Rate = 0.0,
    **options: Any,
) -> Any:
    """A network of timm, freshly initialised; `options` are keywords of timm's own, as values or as words.

    `classes` and `channels` are timm's when None; `dropout` is timm's `drop_rate`. What timm refuses is a
    `UsageError` with timm's own words.
    """
    for key in options:
        if key in RESERVED:
            raise UsageError(key, "timm would read files by itself", 'weights="imagenet" or weights=PATH')
    given = {key: _value(value) for key, value in options.items()}
    if classes is not None:
        given["num_classes"] = classes
    if channels is not None:
        given["in_chans"] = channels
    if dropout:
        given["drop_rate"] = dropout
    try:
        return library("timm").create_model(architecture, **given)
    except (TypeError, ValueError, AssertionError, LookupError, AttributeError, NotImplementedError) as error:
        hint = f"options that timm's {architecture} takes"
        raise UsageError(f"{PREFIX}{architecture}", f"timm refuses ({error})", hint) from error


def translated(entry: Entry, state: Mapping[str, Tensor], options: Mapping[str, Any]) -> dict[str, Tensor]:
    """`state`, a file's tensors, under the keys and in the shapes of timm's present network.

    timm renames and resamples what older files hold; it does so here on tensors already read, at the published
    number of classes and channels. What does not fit is a `RunError`.
    """
    tag = entry.weights.tag if entry.weights else ""
    ours = ("classes", "channels", "dropout")
    try:
        built = library("timm").create_model(
            entry.options["architecture"], pretrained=True, pretrained_cfg=tag or None,
            pretrained_cfg_overlay={"state_dict": dict(state)},
            **{key: _value(value) for key, value in options.items() if key not in ours},
        )  # fmt: skip
    except (RuntimeError, LookupError, TypeError, ValueError, AssertionError, AttributeError) as error:
        raise RunError(entry.name, f"timm cannot use these weights ({error})", "the file that timm names") from error
    return dict(built.state_dict())


def library(name: str) -> Any:
    """The module `name` of the extra `zoo`; a `MachineError` with the command that installs it."""
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # torchvision of another torch raises RuntimeError
        raise MachineError(name, f"cannot be used here ({error})", "pip install 'striate[zoo]'") from error


def _three(name: str, known: Any) -> str:
    found = [PREFIX + each for each in nearest(name, known, 3)]
    return " or ".join([", ".join(found[:-1]), found[-1]] if len(found) > 1 else found) or "a name that timm lists"


def _value(value: Any) -> Any:
    """A word of a command line as the number or truth value it spells."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return {"True": True, "False": False, "none": None, "None": None}.get(value, value)
