"""What the documents say is what the code does."""

import ast
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_generated_tables_are_up_to_date():
    made = runpy.run_path(str(ROOT / "docs" / "make_tables.py"))["files"]()
    assert {place: (ROOT / place).read_text() for place in made} == made


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
    named = set(re.findall(r"[\w/]+\.(?:py|json)|\w+/", README))
    for path in (ROOT / "src" / "striate").iterdir():
        if path.name not in {"__pycache__", "py.typed"}:
            assert (f"{path.name}/" if path.is_dir() else path.name) in named, path.name


FORBIDDEN = {"pickle", "shelve", "marshal", "dill", "yaml", "subprocess"}
FORBIDDEN_CALLS = {
    "eval", "exec", "torch.load", "torch.save", "torch.jit.load", "torch.export.load", "torch.hub.load",
    "torch.hub.load_state_dict_from_url", "os.system",
}  # fmt: skip
# What processes exchange by these functions of torch.distributed is unpickled where it comes in.
UNPICKLING = {
    "broadcast_object_list", "scatter_object_list", "all_gather_object", "gather_object", "send_object_list",
    "recv_object_list",
}  # fmt: skip
READS_FOREIGN_FILES = "models/weights.py"


def offences(source, name):
    """What in a file could run code that is not its own: imports and calls, as they are written."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            yield from {each.split(".")[0] for each in names} & FORBIDDEN
            if isinstance(node, ast.ImportFrom):
                yield from {f"{node.module}.{alias.name}" for alias in node.names} & FORBIDDEN_CALLS
        if isinstance(node, ast.Call):
            safely = any(each.arg == "weights_only" and ast.unparse(each.value) == "True" for each in node.keywords)
            if ast.unparse(node.func) == "torch.load" and safely and name.endswith(READS_FOREIGN_FILES):
                continue
            yield from {ast.unparse(node.func)} & FORBIDDEN_CALLS
            yield from {each.arg for each in node.keywords} & {"allow_pickle", "shell"}
        if isinstance(node, ast.Name | ast.Attribute | ast.alias):
            called = node.name if isinstance(node, ast.alias) else ast.unparse(node)
            yield from {called.rpartition(".")[2]} & UNPICKLING


@pytest.mark.parametrize("path", sorted((ROOT / "src").rglob("*.py")), ids=lambda path: path.name)
def test_nothing_is_unpickled_or_evaluated(path):
    assert not list(offences(path.read_text(), path.as_posix()))


@pytest.mark.parametrize(
    ("source", "name", "found"),
    [
        ("torch.load(p, weights_only=True)", READS_FOREIGN_FILES, []),
        ("torch.load(p, weights_only=True)", "models/resnet.py", ["torch.load"]),
        ("torch.load(p)", READS_FOREIGN_FILES, ["torch.load"]),
        ("torch.load(p, weights_only=False)", READS_FOREIGN_FILES, ["torch.load"]),
        ("torch.load(p, weights_only=safe)", READS_FOREIGN_FILES, ["torch.load"]),
        ("torch.load(p, weights_only=1)", READS_FOREIGN_FILES, ["torch.load"]),
        ("from torch import load", READS_FOREIGN_FILES, ["torch.load"]),
        ("import pickle", READS_FOREIGN_FILES, ["pickle"]),
        ("eval(p)", "cli.py", ["eval"]),
        ("distributed.broadcast_object_list(p)", "base/processes.py", ["broadcast_object_list"]),
        ("from torch.distributed import gather_object", "base/processes.py", ["gather_object"]),
    ],
)
def test_what_could_run_foreign_code_is_found(source, name, found):
    assert list(offences(source, name)) == found


WALKS = re.findall(
    r"^\d\. `([\w/]+\.py)`, (.*?)(?=^\d\. |^\n|\Z)", (ROOT / "docs" / "walks.md").read_text(), re.M | re.S
)


@pytest.mark.parametrize(("place", "told"), WALKS, ids=[place for place, _ in WALKS])
def test_every_name_on_the_walks_is_where_they_say(place, told):
    source = (ROOT / "src" / "striate" / place).read_text()
    names = re.findall(r"`([A-Za-z_][\w.]*)(?<!json)(?<!csv)`", told)
    assert len(names) >= 1
    for name in names:
        assert re.search(rf"\b{re.escape(name.rpartition('.')[2])}\b", source), name
    first = names[0].rpartition(".")[2]
    assert re.search(rf"def {first}\(", source), first


def test_a_walk_opens_three_files_at_most():
    walks = (ROOT / "docs" / "walks.md").read_text().split("\n## ")[1:]
    assert [len(re.findall(r"^\d\. ", walk, re.M)) for walk in walks] == [3, 3, 3]
