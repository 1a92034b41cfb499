"""Nothing but the tasks' own files and their registry names a task."""

import ast
from pathlib import Path

import pytest

from striate.tasks import registry

SRC = Path(__file__).parents[1] / "src" / "striate"
KNOWN = {"registry", "task", "measures", "prediction"}
ROOMS = ("training", "runs", "evaluate", "report", "shell", "data", "predictor.py", "face")
FILES = sorted(
    path for room in ROOMS for path in ([SRC / room] if room.endswith(".py") else (SRC / room).rglob("*.py"))
)


def named(source):
    """What a file says of tasks: their modules that it imports, and their names or classes as words of code."""
    tree = ast.parse(source)
    modules = set()
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module == "striate.tasks":
            modules |= set(names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("striate.tasks."):
            modules.add(node.module.split(".")[2])
        elif isinstance(node, ast.Import):
            modules |= {name.split(".")[2] for name in names if name.startswith("striate.tasks.")}
    tasks = set(registry.tasks()) | {kind.__name__ for kind, _ in registry.tasks().values()}
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    words = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    }
    words |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return (modules - KNOWN) | (words & tasks)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_no_file_outside_the_tasks_names_one(path):
    assert not named(path.read_text())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from striate.tasks import registry", set()),
        ("from striate.tasks.task import Task", set()),
        ("from striate.tasks.classify import Classify", {"classify"}),
        ("from striate.tasks import reconstruct", {"reconstruct"}),
        ("import striate.tasks.classify", {"classify"}),
        ("def f(task): return task.name == 'denoise'", {"denoise"}),
        ("x = Classify()", {"Classify"}),
        ('"""classify"""', set()),
    ],
)
def test_a_task_that_is_named_is_found(source, found):
    assert named(source) == found
