"""What the documents say is what the code does."""

import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_generated_tables_are_up_to_date():
    made = runpy.run_path(str(ROOT / "docs" / "make_tables.py"))["tables"]()
    assert {name: (ROOT / "docs" / "tables" / name).read_text() for name in made} == made


def test_the_readme_opens_with_the_two_commands():
    blocks = re.findall(r"```\w*\n(.*?)```", README, re.DOTALL)
    assert [block.strip() for block in blocks[:2]] == [
        "pip install -e . && striate train digits",
        "pip install -e '.[dev]' && pytest",
    ]


def test_every_file_and_folder_that_the_documents_link_to_is_there():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), (page.name, target)


def test_the_captioned_tree_names_every_module():
    named = set(re.findall(r"[\w/]+\.py|\w+/", README))
    for path in (ROOT / "src" / "striate").iterdir():
        if path.name not in {"__pycache__", "py.typed"}:
            assert (f"{path.name}/" if path.is_dir() else path.name) in named, path.name


FORBIDDEN = {"pickle", "shelve", "marshal", "dill", "yaml", "subprocess"}
FORBIDDEN_CALLS = {"eval", "exec", "torch.load", "torch.save", "torch.jit.load", "torch.export.load", "os.system"}


@pytest.mark.parametrize("path", sorted((ROOT / "src").rglob("*.py")), ids=lambda path: path.name)
def test_nothing_is_unpickled_or_evaluated(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not {name.split(".")[0] for name in names} & FORBIDDEN
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in FORBIDDEN_CALLS
            assert not any(keyword.arg in {"allow_pickle", "shell"} for keyword in node.keywords)
