"""Writes docs/tables/ from the code: `python docs/make_tables.py`. A test compares what lies there with this."""

import dataclasses
from pathlib import Path

import torch

from striate.data.augment import PRESETS, Augment
from striate.models.catalog import build, catalog
from striate.training.recipe import FOR_DIGITS, FOR_PHOTOGRAPHS, Recipe


def tables() -> dict[str, str]:
    """File name -> Markdown."""
    return {"recipe.md": recipe(), "augmentation.md": augmentation(), "networks.md": networks()}


def recipe() -> str:
    rows = [
        "# The keys of a recipe",
        "",
        "| key | what it is | default | digits | photographs |",
        "|---|---|---|---|---|",
    ]
    for key in dataclasses.fields(Recipe):
        default = "" if key.default in (None, (), dataclasses.MISSING) else f"`{key.default}`"
        suited = [f"`{suits[key.name]}`" if key.name in suits else "" for suits in (FOR_DIGITS, FOR_PHOTOGRAPHS)]
        rows.append(f"| `{key.name}` | {key.metadata['help']} | {default} | {suited[0]} | {suited[1]} |")
    return "\n".join(rows) + "\n"


def augmentation() -> str:
    head = ["# Presets of augmentation", "", f"| | {' | '.join(PRESETS)} |", "|---" * (len(PRESETS) + 1) + "|"]
    rows = [
        f"| `{each.name}` | {' | '.join(f'{getattr(values, each.name):g}' for values in PRESETS.values())} |"
        for each in dataclasses.fields(Augment)
    ]
    return "\n".join([*head, *rows]) + "\n"


def networks() -> str:
    rows = [
        "# The catalogue",
        "",
        "| name | year | input | parameters | paper | known for |",
        "|---|---|---|---:|---|---|",
    ]
    for entry in catalog().values():
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in build(entry.name).parameters())
        size = "x".join(map(str, entry.input))
        rows.append(f"| `{entry.name}` | {entry.year} | {size} | {count:,} | {entry.paper} | {entry.known_for} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    for name, text in tables().items():
        (Path(__file__).parent / "tables" / name).write_text(text)
