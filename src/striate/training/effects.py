"""Options that would change nothing: whoever gives one means something that does not happen, and is told."""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from striate.base.errors import Hint, Option, UsageError
from striate.data.samples import Samples
from striate.data.sources.assigned import names_table
from striate.training.recipe import Recipe

# The keys that concern it, whether it is so, and why they then change nothing.
Rule = tuple[tuple[str, ...], bool, str]
OUT = "leaving it out"


def refuse_idle(asked: Recipe, filled: Recipe, lost: int) -> None:
    """A UsageError for keys that mean nothing beside the others; `filled` is the same recipe with everything filled in.

    `lost`: pixels at each border of a canvas that the network has no answer for.
    """
    steps, said = ("step_epochs", "step_factor"), f"the schedule {filled.schedule} has no steps"
    _refuse(asked, [(steps, filled.schedule != "step", said)], (Option("schedule", "step"), " as well"))
    epochs, first = asked.epochs, min(filled.step_epochs, default=0.0)
    _refuse(asked, (
        (steps, epochs is not None and first >= epochs, f"training ends after epoch {epochs}, before the first step"),
        (("patience",), epochs is not None and (asked.patience or 0) >= epochs - 1,
         f"so many epochs without improvement cannot pass before the last of {epochs}"),
        (("nesterov",), filled.optimizer == "adamw", "AdamW has no momentum of Nesterov's"),
        (("nesterov",), filled.momentum == 0, "there is no momentum"),
        (("context",), filled.resize != "tiles" and not lost, f"{filled.resize} makes no tiles of a picture"),
        (("operations", "magnitude"), filled.augment != "randaugment", f"{filled.augment} is not randaugment"),
        (("saturation", "hue", "colour_noise"), filled.channels != 3, f"{filled.channels} channels have no colour"),
        (("part", "finetune", "layer_decay", "frozen_norms"), filled.weights is None, "it starts from random weights"),
        (("layer_decay",), filled.finetune in ("head", "none"), f"finetune {filled.finetune} knows one rate"),
        (("frozen_norms",), filled.finetune in ("full", "none"), f"finetune {filled.finetune} freezes no layer"),
    ))  # fmt: skip


def refuse_unread(asked: Recipe, samples: Samples, masked: bool) -> None:
    """A UsageError for keys that these data, or a task without masks, have no use for."""
    name, source, given = samples.name, samples.source, sorted(set(samples.subsets or ()))
    table = asked.split is not None and names_table(asked.split)
    whole = "val" in given and asked.fold is None
    files, built_in = not samples.in_memory, source == "builtin"
    _refuse(asked, (
        (("layout",), source not in ("folder", "zip", "shards"), f"{name} is no folder"),
        (("follow_links",), source in ("zip", "shards"), f"no link in {name} is followed"),
        (("split", "split_seed"), whole, f"the data have {', '.join(given)} of their own"),
        (("split",), bool(given) and table, f"the data have {', '.join(given)} of their own"),
        (("mask_map", "ignore", "masks"), not masked or built_in, f"no masks of {name} are read"),
        (("check", "max_bad", "max_pixels", "follow_links"), not files, f"{name} has no files that are read"),
        (("merge_classes",), not files or masked, f"{name} has no class folders"),
        (("allow_leak",), not (given or table), f"{name} has no subsets of its own, and a split parts no copies"),
        (("groups",), asked.groups == "none" and samples.groups is None, f"{name} says nothing of groups"),
        (("saturation", "hue"), samples.grey, f"the pictures of {name} are grey"),
    ))  # fmt: skip


def refuse_seed(asked: Recipe, given: Sequence[str]) -> None:
    """A UsageError for a seed of a split that a table gives."""
    _refuse(
        asked, [(("split_seed",), "val" in given and asked.fold is None, f"{asked.split} says which picture is where")]
    )


def _told(value: object) -> str:
    """A value of a recipe as it is typed."""
    if isinstance(value, bool):
        return "it" if value else "turning it off"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _refuse(asked: Recipe, rules: Iterable[Rule], hint: Hint = OUT) -> None:
    for keys, idle, why in rules:
        for each in fields(Recipe):
            value = getattr(asked, each.name)
            # what is switched off, as it is anyway, asks for nothing
            if idle and each.name in keys and value != each.default and (value or each.default):
                raise UsageError(each.name, f"{_told(value)} changes nothing: {why}", hint)
