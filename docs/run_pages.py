"""Types the pages: `python docs/run_pages.py [PAGE ...]` runs what each prints, in order, in a copy of this folder.

The word behind a block's fence says what is done with it:

- `sh`: commands, in one shell for the page;
- `console`: commands behind `$`, and the output that each must have, in which `...` is anything;
- `python`: runs in one interpreter for the page; with `>>>` the output is compared as well;
- `toml`: a file, whose name stands in its first line: `# recipe.toml`;
- `text`: nothing to type.

`<!-- not run: REASON -->` above a block leaves it out, and it is listed. The page `help` is every verb's examples.
"""

import contextlib
import doctest
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
import threading
import time
import venv
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

ROOT = Path(__file__).parents[1]
SECONDS = 600  # that one command may take
SHOWN = 30  # lines of what failed
BLOCK = re.compile(r"^(?:<!-- not run: (?P<excuse>.+) -->\n)?```(?P<kind>.*)\n(?P<text>(?s:.*?))^```$", re.MULTILINE)
KINDS = ("sh", "console", "python", "toml", "text")

INTERPRETER = """
import doctest, json, linecache, os, sys, traceback
told, sys.stdin = sys.stdin, open(os.devnull)
names = {"__name__": "__main__"}
for order in map(json.loads, told):
    source, page, line, failed = order["source"], order["page"], order["line"], 0
    try:
        if source.startswith(">>>"):
            test = doctest.DocTestParser().get_doctest(source, names, page, page, line - 1)
            failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, clear_globs=False).failed
            names = test.globs
        else:
            exec(compile("\\n" * (line - 1) + source, page, "exec"), names)
    except BaseException:
        failed = 1
        traceback.print_exc()
    print(f"\\n{order['mark']} {failed}", flush=True)
"""


@final
@dataclass(frozen=True)
class Block:
    """`excuse` is why it is not run, where it is not."""

    line: int
    kind: str
    text: str
    excuse: str | None


@final
@dataclass(frozen=True)
class Step:
    """One thing that a reader types; `wanted` is what must be printed, where the page shows it."""

    line: int
    kind: str
    text: str
    wanted: str | None = None


class Failed(Exception):
    """A step did not do what its page says."""


@final
class Session:
    """A shell or an interpreter that takes one step after another; what it prints ends with a mark."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, text=True, errors="replace", start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def ask(self, order: str, mark: str) -> tuple[int, str]:
        """The exit code and the output."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        late = threading.Timer(SECONDS, self.stop)
        late.start()
        lines: list[str] = []
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(order + "\n")
            self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(mark):
                late.cancel()
                return int(line.split()[1]), "".join(lines).removesuffix("\n")
            lines.append(line)
        if not late.is_alive():
            lines.append(f"took longer than {SECONDS} seconds")
        late.cancel()
        return self.process.wait(), "".join(lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        with contextlib.suppress(BrokenPipeError), self.process:  # closes what leads there, and waits
            pass

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def blocks(text: str) -> Iterator[Block]:
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("kind")) + 1
        yield Block(line + 1, found["kind"], found["text"], found["excuse"])


def steps(block: Block) -> Iterator[Step]:
    """A block of commands one command at a time, so that the one that fails is named."""
    if block.kind not in ("sh", "console"):
        yield Step(block.line, block.kind, block.text)
        return
    prompt = "$ " if block.kind == "console" else ""
    lines = deque(enumerate(block.text.splitlines(), block.line))
    while lines:
        first, line = lines.popleft()
        typed = line.removeprefix(prompt)
        while lines and not _whole(typed):
            typed += "\n" + lines.popleft()[1]
        shown = []
        while prompt and lines and not lines[0][1].startswith(prompt):
            shown.append(lines.popleft()[1] + "\n")
        if typed.strip():
            yield Step(first, "sh", typed, "".join(shown) if prompt else None)


def _whole(typed: str) -> bool:
    """Whether a shell would run this, or wait for the rest of it."""
    judged = subprocess.run(["bash", "-n", "-c", typed], capture_output=True, check=False)
    return not (typed.endswith("\\") or judged.returncode or judged.stderr)


def examples() -> str:
    """The page of every verb's own examples, as its help has them."""
    from striate.shell.cli import app

    found = [
        example
        for verb in app
        if not verb.startswith("-")
        for example in re.findall(r"^ *Example: (.+)$", app[verb].help or "", re.MULTILINE)
    ]
    return "\n".join(["```sh", "python docs/material.py", *found, "```", ""])


def run(name: str, text: str, folder: Path, environment: dict[str, str]) -> list[str]:
    """Types a page in a folder; what was left out, a line each."""
    left = []
    with (
        Session(["bash", "--noprofile", "--norc"], folder, environment) as shell,
        Session(["python", "-u", "-c", INTERPRETER], folder, environment) as python,
    ):
        for block in blocks(text):
            if block.kind not in KINDS:
                raise Failed(f"{name}:{block.line - 1}: a block is one of {', '.join(KINDS)}, this is {block.kind!r}")
            if block.excuse is not None:
                left.append(f"{name}:{block.line}: {block.text.splitlines()[0]}: {block.excuse}")
            elif block.kind != "text":
                for step in steps(block):
                    _take(name, step, folder, shell, python)
    return left


def _take(name: str, step: Step, folder: Path, shell: Session, python: Session) -> None:
    began = time.monotonic()
    mark = secrets.token_hex(8)
    if step.kind == "toml":
        place = re.match(r"# (\S+\.toml)\n", step.text)
        if not place:
            raise Failed(f"{name}:{step.line}: the first line names no file, such as '# recipe.toml'")
        (folder / place[1]).write_text(step.text)
        return
    if step.kind == "python":
        order = {"source": step.text, "page": name, "line": step.line, "mark": mark}
        code, output = python.ask(json.dumps(order), mark)
    else:
        order = f"eval {shlex.quote(step.text)} </dev/null\nprintf '\\n{mark} %d\\n' $?"
        code, output = shell.ask(order, mark)
    print(f"{time.monotonic() - began:6.1f} s  {name}:{step.line}  {step.text.splitlines()[0]}", flush=True)
    if code:
        _fail(name, step, f"exit code {code}", output)
    if step.wanted is not None and not doctest.OutputChecker().check_output(step.wanted, output, doctest.ELLIPSIS):
        _fail(name, step, f"the page shows\n{textwrap.indent(step.wanted, '    ')}but this is printed:", output)


def _fail(name: str, step: Step, what: str, output: str) -> None:
    last = "\n".join(output.rstrip().splitlines()[-SHOWN:])
    raise Failed(f"{name}:{step.line}: {step.text.rstrip()}\n{what}\n{textwrap.indent(last, '    ')}")


def _environment(place: Path) -> dict[str, str]:
    """Of a new virtual environment that sees this one's packages: what a page installs goes there, and not here."""
    venv.create(place, with_pip=True, symlinks=True)
    inner = sysconfig.get_path("purelib", "venv", {"base": str(place), "platbase": str(place)})
    Path(inner, "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    paths = os.pathsep.join([f"{place}/bin", str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": paths, "VIRTUAL_ENV": str(place)}


def _copy(folder: Path) -> None:
    """What git keeps, or would keep, of this folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def main(arguments: Sequence[str]) -> None:
    pages = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")), "help"]
    texts = {page: examples() if page == "help" else (ROOT / page).read_text() for page in arguments or pages}
    left, failed = [], 0
    with tempfile.TemporaryDirectory() as home:
        environment = _environment(Path(home, "venv"))
        for name, text in texts.items():
            folder = Path(home, name.replace("/", "-"))
            _copy(folder)
            try:
                left += run(name, text, folder, environment | {"PYTHONPATH": str(folder / "src")})
            except Failed as failure:
                failed += 1
                print(f"FAILED {failure}", flush=True)
    print("\n".join(["not run:", *(f"    {each}" for each in left)] if left else ["all was run"]))
    sys.exit(f"{failed} of {len(texts)} pages do not work as printed" if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
