"""Writes docs/tables/, the sizes in CONTRIBUTING.md and survey/costs.json from the code, and from what was recorded of
claims docs/claims.md and claims/recorded.json: `python docs/make_tables.py`.

A test compares what lies there with this.
"""

import ast
import dataclasses
import json
import runpy
from pathlib import Path

from torch import nn

from striate.base.tables import Table, markdown
from striate.base.units import by
from striate.data.augment import PRESETS, Augment
from striate.models.catalog import catalog, declared, options_of
from striate.models.heads import released_norm
from striate.survey.listed import counted
from striate.tasks import registry
from striate.training.recipe import CHOSEN, FOR_CELLS, FOR_DIGITS, FOR_PICTURES, Recipe

ROOT = Path(__file__).parents[1]


def files() -> dict[str, str]:
    """Path below the root -> text."""
    numbers = {name: counted(entry).numbers for name, entry in catalog().items()}
    return {
        "src/striate/survey/costs.json": json.dumps(numbers, indent=1) + "\n",
        "docs/tables/recipe.md": recipe(),
        "docs/tables/augmentation.md": augmentation(),
        "docs/tables/networks.md": networks(numbers),
        "docs/tables/options.md": options(),
        "docs/tables/tasks.md": tasks(),
        "CONTRIBUTING.md": contributing(),
        **runpy.run_path(str(ROOT / "docs" / "recorded_claims.py"))["files"](ROOT),
    }


def recipe() -> str:
    rows = []
    for key in dataclasses.fields(Recipe):
        default = "" if key.default in (None, (), dataclasses.MISSING) else f"`{key.default}`"
        suiting = (FOR_DIGITS, {**FOR_PICTURES, **dict.fromkeys(CHOSEN, "chosen")}, FOR_CELLS)
        suited = [f"`{suits[key.name]}`" if key.name in suits else "" for suits in suiting]
        rows.append([f"`{key.name}`", key.metadata["help"], default, *suited])
    return page(["The keys of a recipe"], ["key", "what it is", "default", "digits", "pictures", "cells"], rows)


def augmentation() -> str:
    rows = [
        [
            f"`{each.name}`",
            *("–" if (found := getattr(values, each.name)) is None else f"{found:g}" for values in PRESETS.values()),
        ]
        for each in dataclasses.fields(Augment)
    ]
    return page(["Presets of augmentation"], ["", *PRESETS], rows)


def options() -> str:
    """What each network lets one change, with what it is otherwise."""
    rows = []
    for entry in catalog().values():
        known = declared(entry)
        free = [f"`{_otherwise(key, known[key][1])}`" for key in options_of(entry)]
        rows.append([f"`{entry.name}`", ", ".join(free)])
    return page(["Options of the networks"], ["network", "options and what they are otherwise"], rows)


def tasks() -> str:
    told = "`--task NAME`; by default the one that the network was made for. Options are `--task-options.NAME VALUE`."
    head = ["name", "networks", "without `--model`", "pictures need", "option", "otherwise", "what it does"]
    rows = []
    for name, (kind, _) in registry.tasks().items():
        model = kind.recipe.get("model", "as suits the data")
        needed = "masks" if kind.masked else "labels" if kind.labelled else ""
        for option, default, words in registry.options_of(name) or [("", "", "")]:
            said = [f"`{option}`", f"`{_otherwise(option, default).partition('=')[2]}`"] if option else ["", ""]
            rows.append([f"`{name}`", ", ".join(sorted(kind.networks)), model, needed, *said, words])
    return page(["The tasks", told], head, rows)


def _otherwise(key: str, default: object) -> str:
    """An option with its default as the command line would write it."""
    words = {nn.BatchNorm2d: "batch", released_norm: "batch", nn.ReLU: "relu", nn.Tanh: "tanh"}
    if callable(default):
        return f"{key}={words[default]}" if default in words else key  # the paper's own has no word
    return f"{key}={str(default).lower() if default is None or isinstance(default, bool) else default}"


def networks(numbers: dict[str, dict[str, int]]) -> str:
    told = (
        "Multiply-adds are those of convolutions and linear layers for one picture of the input's size.\n"
        "Auxiliary classifiers, which only train, are in neither number."
    )
    head = ["name", "year", "input", "parameters", "multiply-adds", "paper", "known for"]
    rows = []
    for entry in catalog().values():
        cost = numbers[entry.name]
        about = [f"`{entry.name}`", str(entry.year), by(entry.input)]
        rows.append([*about, cost["parameters"], cost["multiply_adds"], entry.paper, entry.known_for])
    return page(["The catalogue", told], head, rows)


def contributing() -> str:
    """The page as it is, with today's sizes between its two marks."""
    above, start, rest = (ROOT / "CONTRIBUTING.md").read_text().partition("<!-- sizes -->\n")
    _, end, below = rest.partition("<!-- /sizes -->\n")
    return "".join((above, start, sizes(), end, below))


def sizes() -> str:
    """Lines of each room of the source, with what asks to be split: the longest file and function."""
    source, rows = ROOT / "src" / "striate", []
    rooms = [each for each in source.iterdir() if each.is_dir() and each.name != "__pycache__"]
    alone = list(source.glob("*.py"))
    for name, files in [
        *((f"{room.name}/", room.rglob("*.py")) for room in sorted(rooms)),
        ("files beside them", alone),
    ]:
        lines = {path: len(path.read_text().splitlines()) for path in files}
        longest = max(lines, key=lambda path: (lines[path], path))
        most, function = max(long for path in lines for long in lengths(path))
        place = longest.relative_to(source).as_posix()
        rows.append(
            [f"`{name}`", sum(lines.values()), len(lines), f"`{place}` {lines[longest]}", f"`{function}` {most}"]
        )
    total = ["all", sum(row[1] for row in rows), sum(row[2] for row in rows), "", ""]
    head = ("room", "lines", "files", "longest file", "longest function")
    return markdown(Table(head, rows, totals=total)) + "\n"


def lengths(path: Path) -> list[tuple[int, str]]:
    """Lines of each function of a file, with its name; of a file without one, none of nothing."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
    return [(node.end_lineno - node.lineno + 1, f"{path.stem}.{node.name}") for node in nodes] or [(0, "")]


def page(above: list[str], head: list[str], rows: list[list[object]]) -> str:
    """A title, what is said below it, and a table."""
    return "\n\n".join([f"# {above[0]}", *above[1:], markdown(Table(tuple(head), rows))]) + "\n"


if __name__ == "__main__":
    for place, text in files().items():
        (ROOT / place).write_text(text)
