"""Names of every kind, of folders, classes, files, options and runs, through every verb."""

import ast
import csv
import io
import json
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import striate
from pictures import encode, photo, put
from striate.runs import subsets
from typed import call

SRC = Path(striate.__file__).parent
ESCAPE = b"\x1b]0;mine\x07\x1b[31m"
NAMES = (
    b"caf\xe9", ESCAPE, b"new\nline", "\u202egpj".encode(), b"-rf", b"=cmd|' calc'!A0", b"<script>alert(1)<img src=x>",
    "e\u0301\u0301".encode(), b"\"q'uo`te$", b"tab\there", "👩\u200d👧".encode(), b"x" * 250,
)  # fmt: skip


def safe(text: str) -> str:
    """What a terminal only shows; and no traceback."""
    assert "Traceback" not in text
    assert [each for each in text if each not in "\n\t" and not each.isprintable()] == []
    return text


def strict(text: str):
    """JSON as a strict parser reads it: a lone surrogate is an error."""
    return json.loads(json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Pictures and a run, both in folders that are called as badly."""
    home = tmp_path_factory.mktemp("home") / os.fsdecode(b"h\xe9\x1b[32m\n")
    data, number = home / os.fsdecode(b"d\xe9ta\x1b[31m\n" + b"y" * 230), 0
    for name in map(os.fsdecode, NAMES):
        for _ in range(3):
            number += 1
            put(data / name / f"{name[:240]} {number}.png", encode(photo(9, 9, number)))
    put(data / os.fsdecode(NAMES[0]) / os.fsdecode(ESCAPE + b"\xff.png"), b"")
    return home, data


@pytest.fixture(scope="module")
def run(home):
    recipe = {"model": "lenet5", "epochs": 1, "batch": 12, "max_bad": 0.1}
    return striate.train(home[1], runs=home[0] / "runs", **recipe).folder


pytestmark = pytest.mark.slow


def test_training_says_all_of_it_in_plain_characters(capsys, home):
    options = ("--model", "lenet5", "--epochs", "1", "--batch", "12", "--max-bad", "0.1")
    code, out, err = call(capsys, "train", str(home[1]), "--runs", str(home[0] / "others"), *options)
    assert code == 0
    assert r"skipped caf\xe9/\x1b]0;mine\x07\x1b[31m\xff.png: empty file" in safe(out + err)
    assert r"run     " in out
    assert r"d\xe9ta\x1b[31m\nyyy" in out


def test_every_file_of_a_run_is_utf8_and_keeps_the_names(home, run):
    for path in run.iterdir():
        if path.suffix in (".json", ".csv", ".html"):
            safe(path.read_bytes().decode("utf-8"))
    for name in ("run.json", "result.json"):
        strict((run / name).read_text("utf-8"))
    opened = striate.open_run(run)
    assert sorted(map(os.fsencode, opened.classes)) == sorted(NAMES)
    assert opened.facts["data"]["path"] == str(home[1])
    assert len(subsets.lines(run, opened.facts)) == 3 * len(NAMES)
    page = (run / "report.html").read_text("utf-8")
    assert "<img src=x>" not in page
    assert "cannot be shown" not in page


@pytest.mark.parametrize("words", ["predict", "evaluate", "report"])
def test_verbs_of_a_run(capsys, home, run, words):
    more = [str(home[1])] if words == "predict" else []
    code, out, err = call(capsys, words, str(run), *more)
    assert code == 0
    assert safe(out + err)
    code, out, err = call(capsys, words, str(run), *more, "--json")
    assert code == 0
    said = strict(out.splitlines()[-1])
    safe(out + err)
    if words == "predict":
        assert len(said["predictions"]) == 3 * len(NAMES) + 1
        assert {each["label"] for each in said["predictions"] if each["status"] == "ok"} <= {
            name.decode("utf-8", "backslashreplace") for name in NAMES
        }


class Tags(HTMLParser):
    """The elements of a piece of HTML."""

    def __init__(self, text):
        super().__init__()
        self.found = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.add(tag)


def test_what_a_terminal_or_a_notebook_shows_of_a_run_is_safe(home, run):
    opened = striate.open_run(run)
    predictions = opened.predict(home[1], top=12)
    for value in (opened, predictions[0], predictions[-1], opened.evaluate(), opened.embed(home[1])):
        assert "\n" not in safe(repr(value))
        shown = getattr(value, "_repr_html_", str)()
        assert Tags(shown).found <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "p", "br"}, shown
        safe(shown).encode()
    assert {each.status for each in predictions} == {"ok", "empty file"}


def test_runs_are_listed_and_a_table_is_written(capsys, home, run, tmp_path):
    (run.parent / "²").mkdir(exist_ok=True)
    (run.parent / "²" / "run.json").write_text("{}")
    code, out, err = call(capsys, "runs", str(run.parent))
    assert code == 0
    assert r"d\xe9ta\x1b[31m\ny" in safe(out + err)
    code, out, _ = call(capsys, "runs", str(run.parent), "--json")
    assert len(strict(out)["runs"]) == 2
    table = tmp_path / os.fsdecode(b"t\xe9\x1b[31m.csv")
    code, out, err = call(capsys, "predict", str(run), str(home[1]), "--csv", str(table))
    assert code == 0
    safe(out + err)
    rows = list(csv.DictReader(io.StringIO(table.read_bytes().decode("utf-8"))))
    assert len(rows) == 3 * len(NAMES) + 1


def test_a_run_that_was_stopped_goes_on(home, run):
    """Its names are found again, exactly."""
    other = striate.train(home[1], runs=home[0] / "stopped", model="lenet5", epochs=1, batch=12, max_bad=0.1).folder
    for name in ("result.json", "predictions.csv", "report.html"):
        (other / name).unlink()
    facts = (other / "run.json").read_text().replace('"status": "done"', '"status": "stopped"')
    (other / "run.json").write_text(facts)
    gone_on = striate.train(resume=other)
    assert gone_on.status == "done"
    assert gone_on.result["numbers"] == striate.open_run(run).result["numbers"]


BAD = os.fsdecode(b"n\xe9\x1b[31m\n\xe2\x80\xae")


@pytest.mark.parametrize(
    "words",
    [
        (BAD,), ("count", BAD), ("count", "lenet5", f"--{BAD}", "x"), ("count", "lenet5", "--input", BAD),
        ("count", "lenet5", f"--model-options.{BAD}", BAD), ("count", f"{BAD}:Net"), ("count", f"{BAD}.py:Net"),
        ("memory", BAD), ("latency", BAD), ("formula", BAD), ("draw", BAD, "--to", f"{BAD}.svg"), ("compare", BAD, BAD),
        ("models", BAD), ("train", BAD), ("train", "digits", "--model", BAD), ("train", "digits", "--split", BAD),
        ("train", "--resume", BAD), ("predict", BAD, BAD), ("evaluate", BAD), ("report", BAD), ("runs", BAD),
        ("train", "digits", f"--task-options.{BAD}", "1"), ("train", f"{BAD}.toml"), ("train", BAD, "--device", BAD),
    ],
    ids=lambda words: " ".join(words).encode("ascii", "backslashreplace").decode()[:40],
)  # fmt: skip
@pytest.mark.parametrize("more", [(), ("--json",), ("--debug",)], ids=["plain", "json", "debug"])
def test_what_was_typed_is_said_back_in_plain_characters(capsys, tmp_path, monkeypatch, words, more):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *words, *more)
    assert code in ((0, 2, 3, 4, 5) if words[0] == "models" else (2, 3, 4, 5))
    assert [each for each in out + err if each not in "\n\t" and not each.isprintable()] == []
    if more != ("--debug",):
        safe(out + err)
    if more == ("--json",) and code:
        strict(out.splitlines()[-1])


def test_a_terminal_without_unicode_is_shown_what_it_can_show(home, run):
    command = [sys.executable, "-m", "striate", "predict", str(run), str(home[1])]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    safe((done.stdout + done.stderr).decode("ascii"))


def test_one_file_prints():
    """Whatever is printed passes through what escapes it; the other file says that nothing can be."""
    found = {
        path.relative_to(SRC).as_posix()
        for path in SRC.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert found == {"shell/output.py", "shell/streams.py"}
