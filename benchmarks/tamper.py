"""Change a run folder in many ways, and let everything that reads one read it.

    python benchmarks/tamper.py --copies 100
    python benchmarks/tamper.py --copies 100 --write      the result also as a page in results/
    python benchmarks/tamper.py --only 17                 one copy, with all that it says

Each copy of a small real run is changed in one way that its number decides: a value of a JSON file or of a table, bytes
flipped or cut, another run's file, a link, a pipe, a device or a folder in a file's place, a file without end, other
tensors under a manifest that agrees. `runs`, `predict`, `evaluate`, `report`, `train --resume` and `open_run` read it.
None may raise, hang, take memory without bound, open a file outside the folder or a connection, or leave with another
code than 0, 3, 4 or 5; and an answer that is given is the one of the whole run. What nobody can know is told apart: a
value by which the answers were defined, such as a mean of the preprocessing. Every tenth copy is also read by the
command itself, as another process. The exit code is 1 when something failed.
"""

import argparse
import collections
import contextlib
import datetime
import io
import json
import multiprocessing
import os
import platform
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from PIL import Image

import striate
from striate.base import durable
from striate.shell.cli import main as command

SECONDS, MEMORY = 60, 2**30  # of one verb; bytes above what there was
CODES = (0, 3, 4, 5)
RESULTS = Path(__file__).parent / "results"
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**70, 1.5, -1e308, 1e400, float("nan"), "", "word", "a\0b", "../outside", "OUTSIDE",
    "9" * 30, "\ud800", "x" * 100_000, [], [[]], {}, {"weights": "OUTSIDE"}, "NESTED",
)  # fmt: skip
FILES = ("run.json", "result.json", "epochs.csv", "split.csv", "predictions.csv", "report.html", "kept/of.json",
         "kept/manifest.json", "kept/test.safetensors", "checkpoints/best/manifest.json",
         "checkpoints/best/weights.safetensors", "STEP/state.json", "STEP/weights.safetensors",
         "STEP/optimizer.safetensors", "STEP/manifest.json")  # fmt: skip
FOLDERS = ("kept", "checkpoints", "checkpoints/best", "STEP")
# What defines the answers, or says where the data lie: no other part of the folder says it as well.
DEFINES = ("preprocess.", "task.", "recipe.", "network.options", "data.path", "data.root", "classes", "weights in")


@dataclass
class Found:
    """What became of one copy: how it was changed, the exit code of each verb, and what went wrong."""

    number: int
    change: str
    codes: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Verbs whose answer differs, where nobody can know."""


@dataclass(frozen=True)
class Home:
    """Pictures, a finished run of them, the same one stopped before its end, and a run of another network."""

    root: Path
    answers: dict[str, Any] = field(default_factory=dict)

    @property
    def pictures(self) -> Path:
        return self.root / "photos"

    @property
    def outside(self) -> Path:
        return self.root / "outside"


def made(root: Path) -> Home:
    """The runs that are copied, and what the whole one answers."""
    draws = np.random.default_rng(0)
    for label in range(3):
        folder = root / "photos" / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(8):
            pixels = np.clip(draws.normal(60 + 70 * label, 25, (24, 24)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    (root / "outside").mkdir()
    (root / "outside" / "secret").write_text("nothing of a run is here")
    common: dict[str, Any] = {"batch": 5, "save_every": 0, "runs": root / "made"}
    whole = striate.train(root / "photos", model="lenet5", epochs=2, **common)
    other = striate.train(root / "photos", model="resnet20", size=32, epochs=1, **common)
    assert whole is not None
    assert other is not None
    shutil.copytree(whole.folder, root / "whole" / "run")
    shutil.copytree(whole.folder, root / "stopped" / "run")
    shutil.copytree(other.folder, root / "other" / "run")
    stopped = root / "stopped" / "run"
    for name in ("result.json", "predictions.csv", "report.html"):
        (stopped / name).unlink()
    shutil.rmtree(stopped / "kept")
    shutil.rmtree(stopped / "checkpoints" / "best")
    facts = json.loads((stopped / "run.json").read_text())
    (stopped / "run.json").write_text(json.dumps(facts | {"status": "stopped"}))
    home = Home(root)
    copy = shutil.copytree(root / "whole", root / "copies" / "first") / "run"
    for name, words in verbs(home, copy).items():
        code, out, err = call(words)
        assert code in CODES, err
        home.answers[name] = answer(name, out)
    return home


def verbs(home: Home, run: Path) -> dict[str, list[str]]:
    picture = str(home.pictures / "class 1")
    return {
        "runs": ["runs", str(run.parent), "--json"],
        "predict": ["predict", str(run), picture, "--json"],
        "evaluate": ["evaluate", str(run), "--json"],
        "evaluate others": ["evaluate", str(run), str(home.pictures), "--json"],
        "report": ["report", str(run), "--json"],
        "resume": ["train", "--resume", str(run), "--json"],
    }


def answer(verb: str, out: str) -> Any:
    """What a verb says of pictures, without what counts up and where it lies."""
    told = json.loads(out.splitlines()[-1])
    if verb == "predict":
        return told.get("predictions")
    if verb.startswith("evaluate"):
        return told.get("numbers")
    return None


# How a copy is changed


def change(home: Home, run: Path, chance: random.Random) -> str:
    """Change the run in one way, and say which."""
    ways: tuple[Callable[[Home, Path, random.Random], str], ...] = (
        value_changed, value_changed, value_changed, value_changed, key_added, key_gone, weights_named, cut, flipped,
        encoded, linked, odd_kind, endless, swapped, cell_changed, tensors_changed, header_changed,
    )  # fmt: skip
    return chance.choice(ways)(home, run, chance)


def place(run: Path, chance: random.Random, names: tuple[str, ...], ends: str = "") -> Path:
    """One of the files or folders that are there."""
    steps = sorted((run / "checkpoints").glob("step-*"))
    found = [run / name if "STEP" not in name else steps[-1] / name[5:] for name in names if name.endswith(ends)]
    return chance.choice([path for path in found if path.exists()])


def resealed(path: Path, data: bytes) -> None:
    """Write a file; in a saved folder with a manifest that agrees, as somebody would who means it."""
    manifest = path.parent / durable.MANIFEST
    if not manifest.exists() or path == manifest:
        path.write_bytes(data)
        return
    files = {name: (path.parent / name).read_bytes() for name in json.loads(manifest.read_text())}
    shutil.rmtree(path.parent)
    durable.save_folder(path.parent, files | {path.name: data})


def keys(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value of a JSON file stands."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in below:
        yield (*above, key)
        yield from keys(each, (*above, key))


def json_changed(run: Path, chance: random.Random, do: Callable[[Any, Any], str], where: str = ".json") -> str:
    path = place(run, chance, (*FILES, *3 * FILES[:1]), where)  # most are in run.json
    values = json.loads(path.read_text())
    # a key of the top as often as all below it: a table of counts has thousands of numbers
    found = chance.choice([list(values), [each for each in keys(values) if isinstance(each, tuple)]])
    found = [each if isinstance(each, tuple) else (each,) for each in found]
    *above, last = chance.choice(found)
    table = values
    for key in above:
        table = table[key]
    told = do(table, last)
    text = json.dumps(values).replace('"NESTED"', "[" * 5000 + "]" * 5000)
    resealed(path, text.encode())
    return f"{path.name}: {'.'.join(map(str, (*above, last)))} {told}"


def value_changed(home: Home, run: Path, chance: random.Random) -> str:
    value = chance.choice(VALUES)
    value = str(home.outside / "secret") if value == "OUTSIDE" else value

    def do(table: Any, key: Any) -> str:
        table[key] = value
        return f"is {repr(value)[:40]}"

    return json_changed(run, chance, do)


def key_added(home: Home, run: Path, chance: random.Random) -> str:
    name = chance.choice(("weights", "path", "code", "__class__", "pretrained", ""))

    def do(table: Any, key: Any) -> str:
        inside = table[key] if isinstance(table[key], dict) else table
        if isinstance(inside, list):
            inside.append(str(home.outside / "secret"))
        else:
            inside[name] = str(home.outside / "secret")
        return f"with {name!r}"

    return json_changed(run, chance, do)


def key_gone(home: Home, run: Path, chance: random.Random) -> str:
    def do(table: Any, key: Any) -> str:
        del table[key]
        return "gone"

    return json_changed(run, chance, do)


def weights_named(home: Home, run: Path, chance: random.Random) -> str:
    """An option of the network that would fetch or open weights, in both places that say it."""
    facts = json.loads((run / "run.json").read_text())
    name = chance.choice(("weights", "pretrained", "checkpoint_path", "pretrained_cfg"))
    value = chance.choice((str(home.outside / "secret"), "imagenet", "hf-hub:someone/something"))
    for options in (facts["network"]["options"], facts["recipe"]["model_options"]):
        options[name] = value
    if chance.random() < 0.5:
        facts["network"]["name"] = facts["recipe"]["model"] = chance.choice(("resnet18", "timm:resnet10t", "os:system"))
    (run / "run.json").write_text(json.dumps(facts))
    return f"weights in run.json: {name} is {value}, of {facts['network']['name']}"


def cut(home: Home, run: Path, chance: random.Random) -> str:
    path = place(run, chance, FILES)
    data = path.read_bytes()
    at = chance.randrange(len(data))
    path.write_bytes(data[:at])
    return f"{path.name} cut at {at}"


def flipped(home: Home, run: Path, chance: random.Random) -> str:
    path = place(run, chance, FILES)
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 30))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return f"{path.name} with bits flipped"


def encoded(home: Home, run: Path, chance: random.Random) -> str:
    path = place(run, chance, FILES[:4])
    text = path.read_text()
    name, data = chance.choice((
        ("with a byte order mark", text.encode("utf-8-sig")), ("in UTF-16", text.encode("utf-16")),
        ("twice", (text + text).encode()), ("with bytes that are no text", b"\xff\xfe" + text.encode()),
        ("of zeros", bytes(len(text))), ("empty", b""),
    ))  # fmt: skip
    path.write_bytes(data)
    return f"{path.name} {name}"


def linked(home: Home, run: Path, chance: random.Random) -> str:
    path = place(run, chance, (*FILES, *FOLDERS))
    away = home.outside / f"{run.parent.name}-{path.name}"
    path.rename(away)
    path.symlink_to(away)
    return f"{path.name} a link to itself elsewhere"


def odd_kind(home: Home, run: Path, chance: random.Random) -> str:
    path = place(run, chance, (*FILES, *FOLDERS))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    kind = chance.choice(("a pipe", "a folder", "a device", "a link to a device", "a link to itself", "a file"))
    {
        "a pipe": lambda: os.mkfifo(path), "a folder": path.mkdir,
        "a link to a device": lambda: path.symlink_to("/dev/zero"),
        "a link to itself": lambda: path.symlink_to(path.name), "a file": path.touch, "a device": lambda: device(path),
    }[kind]()  # fmt: skip
    return f"{path.name} {kind}"


def device(path: Path) -> None:
    """What never ends; who may not make one has a pipe."""
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        os.mkfifo(path)


def endless(home: Home, run: Path, chance: random.Random) -> str:
    path, size = place(run, chance, FILES), chance.choice((2**25, 2**31, 2**40))
    with path.open("r+b") as file:
        file.truncate(size)
    return f"{path.name} of {size:,} bytes"


def swapped(home: Home, run: Path, chance: random.Random) -> str:
    path = place(run, chance, (*FILES, *FOLDERS))
    other = home.root / "other" / "run" / path.relative_to(run)
    if not other.exists():  # another step
        other = sorted((home.root / "other" / "run" / "checkpoints").glob("step-*"))[-1]
        other = other if path.is_dir() else other / path.name
    if path.is_dir():
        shutil.rmtree(path)
        shutil.copytree(other, path)
    else:
        resealed(path, other.read_bytes())
    return f"{path.name} of another run"


def cell_changed(home: Home, run: Path, chance: random.Random) -> str:
    path = place(run, chance, FILES[2:4])
    lines = [line.split(",") for line in path.read_text().splitlines()]
    row = chance.choice(lines)
    column = chance.randrange(len(row))
    row[column] = chance.choice(
        (
            "",
            "nan",
            "inf",
            "-1",
            "1e999",
            "x,y",
            '"',
            "../../outside/secret",
            "/etc/hostname",
            "\0",
            "test",
            "=1+1",
            "\u202e",
        )
    )
    path.write_text("\n".join(map(",".join, lines)) + "\n")
    return f"{path.name}: line {lines.index(row) + 1}, column {column + 1} is {row[column]!r}"


def tensors_changed(home: Home, run: Path, chance: random.Random) -> str:
    path = place(run, chance, FILES, ".safetensors")
    tensors = safetensors.numpy.load(path.read_bytes())
    name = chance.choice(sorted(tensors))
    was = tensors[name]
    told, tensors[name] = chance.choice((
        ("not finite", np.full_like(was, np.nan) if was.dtype.kind == "f" else was[:0]),
        ("huge", np.full_like(was, 1e38) if was.dtype.kind == "f" else was + was.dtype.type(100)),
        ("of another shape", np.zeros((2, *was.shape), was.dtype)), ("empty", was.reshape(-1)[:0]),
        ("of another kind", was.astype(np.float16)),
    ))  # fmt: skip
    resealed(path, safetensors.numpy.save(tensors))
    return f"{path.name}: {name} {told}"


def header_changed(home: Home, run: Path, chance: random.Random) -> str:
    path = place(run, chance, FILES, ".safetensors")
    many = {f"t{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(200_000)}
    large = {"t": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    told, head = chance.choice((
        ("of many tensors", json.dumps(many).encode()), ("of a huge tensor", json.dumps(large).encode()),
        ("without end", b"{" * 1000), ("nested", b'{"a":' * 10_000),
    ))  # fmt: skip
    length = 2**62 if told == "without end" else len(head)
    resealed(path, length.to_bytes(8, "little") + head)
    return f"{path.name} with a head {told}"


# What reads it


def call(words: list[str]) -> tuple[int, str, str]:
    """The command in this process: exit code, what was printed, what went to stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            command(words)
        except SystemExit as left:
            return int(left.code or 0), out.getvalue(), err.getvalue()
        except TimeoutError:
            return -1, out.getvalue(), f"it took more than {SECONDS} s"
        except BaseException:
            return -1, out.getvalue(), traceback.format_exc()
    return -1, "", "it did not leave"


class Watch:
    """Tells of every file that is opened outside, and of every connection and process."""

    def __init__(self, home: Home) -> None:
        self.seen: list[str] = []
        self._outside = str(home.outside)
        own = {str(Path(each).resolve()) for each in (*sys.path, sys.prefix, sys.base_prefix) if each}
        self._allowed = (
            *own,
            *sys.path[1:],
            str(home.root),
            "/proc",
            "/sys",
            "/dev/null",
            "/dev/urandom",
            "/usr",
            "/etc/ld",
        )
        sys.addaudithook(self._hook)
        self.on = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event.startswith("socket.") and event not in ("socket.__new__",):
            self.seen.append(event)
        name = arguments[0] if event in ("open", "os.listdir", "os.scandir") else None
        if isinstance(name, str | bytes) and os.sep in os.fsdecode(name):  # a bare name is one of an open folder
            path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100 - a link is not to be followed here
            if path.startswith(self._outside) or not path.startswith(self._allowed):
                self.seen.append(path)


def read_all(home: Home, watch: Watch, number: int, seed: int, resume: bool = True) -> Found:
    """One copy, changed and read by every verb. A stopped run is what resuming reads."""
    found = Found(number, "")
    for kind in ("whole", "stopped") if resume else ("whole",):
        chance = random.Random(f"{seed} {number}")
        run = shutil.copytree(home.root / kind, home.root / "copies" / f"{kind}-{number}") / "run"
        told = change(home, run, chance)
        found.change = found.change or told
        for name, words in verbs(home, run).items():
            if (name == "resume") == (kind == "stopped"):
                _one(home, watch, found, told, name, words)
        if kind == "whole":
            _python(watch, found, run)
            if number % 10 == 0:
                _process(home, found, run)
        shutil.rmtree(run.parent)
    return found


def _one(home: Home, watch: Watch, found: Found, told: str, name: str, words: list[str]) -> None:
    watch.seen.clear()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.alarm(SECONDS)
    watch.on = True
    code, out, err = call(words)
    watch.on = False
    signal.alarm(0)
    found.codes[name] = code
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    places = any(key in told for key in ("data.path", "data.root", "recipe.data"))
    if code not in CODES or "Traceback" in err:
        found.wrong.append(f"{name}: code {code}: {err[-1500:]}")
    if grown > MEMORY:
        found.wrong.append(f"{name}: {grown:,} bytes more")
    if watch.seen and not places:
        found.wrong.append(f"{name}: opened {', '.join(watch.seen[:5])}")
    if code == 0 and name in home.answers and (given := answer(name, out)) != home.answers[name]:
        if any(key in told for key in DEFINES):
            found.others.append(name)
        else:
            found.wrong.append(f"{name}: another answer: {str(given)[:300]}")


def _python(watch: Watch, found: Found, run: Path) -> None:
    """`open_run` and all that it gives: a StriateError, or a value."""
    from striate.base.errors import StriateError

    signal.alarm(SECONDS)
    try:
        opened = striate.open_run(run)
        for name in ("status", "result", "epochs", "lines", "kept", "warnings", "network"):
            with contextlib.suppress(StriateError):
                getattr(opened, name)
    except StriateError:
        pass
    except BaseException:
        found.wrong.append(f"open_run: {traceback.format_exc()[-1500:]}")
    finally:
        signal.alarm(0)


def _process(home: Home, found: Found, run: Path) -> None:
    """The command as another process: the same exit code, and no traceback."""
    words = verbs(home, run)["predict"]
    done = subprocess.run(
        [sys.executable, "-m", "striate", *words], capture_output=True, text=True, timeout=2 * SECONDS, check=False
    )
    if "Traceback" in done.stderr or done.returncode != found.codes["predict"]:
        found.wrong.append(f"predict as a process: code {done.returncode}: {done.stderr[-1500:]}")


def _late(*_: object) -> None:
    raise TimeoutError


def worker(root: Path, answers: dict[str, Any], numbers: list[int], seed: int, resume: bool = True) -> list[Found]:
    """Many copies, one after the other, in this process."""
    home = Home(root, answers)
    signal.signal(signal.SIGALRM, _late)
    watch = Watch(home)
    first = shutil.copytree(root / "whole", root / "copies" / f"first-{numbers[0]}") / "run"
    for words in verbs(home, first).values():
        call(words)  # what is imported, and what that caches, is no part of what is looked at
    return [read_all(home, watch, number, seed, resume) for number in numbers]


def page(found: list[Found], seconds: float, words: str) -> str:
    """The result as a table: what was changed, and how each verb left."""
    codes = collections.Counter(code for each in found for code in each.codes.values())
    wrong = [each for each in found if each.wrong]
    lines = [
        "# Tampered run folders", "",
        f"{datetime.date.today()}, `{words}`, {machine()}, {seconds:,.0f} s: {len(found)} copies, each read by "
        f"{len(found[0].codes)} verbs and by `open_run`.", "",
        f"Wrong: {len(wrong)}. Exit codes: {', '.join(f'{code}: {codes[code]}' for code in sorted(codes))}. "
        f"Another answer, where nobody can know: {sum(bool(each.others) for each in found)}.", "",
        "| copy | what was changed | " + " | ".join(found[0].codes) + " | other answer |",
        "|---:|---|" + "---:|" * len(found[0].codes) + "---|",
    ]  # fmt: skip
    for each in found:
        told = each.change.encode("unicode_escape").decode().replace("|", "\\|")[:90]
        cells = [str(code) for code in each.codes.values()]
        lines.append(f"| {each.number} | {told} | {' | '.join(cells)} | {', '.join(each.others)} |")
    return "\n".join(lines) + "\n"


def machine() -> str:
    """This machine in words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    kind = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {kind}, {memory:.0f} GiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    began = time.monotonic()
    numbers = list(range(arguments.copies)) if arguments.only is None else [arguments.only]
    with tempfile.TemporaryDirectory() as scratch:
        home = made(Path(scratch).resolve())
        parts = [part for part in (numbers[0::2], numbers[1::2]) if part]
        with multiprocessing.get_context("spawn").Pool(len(parts)) as pool:
            shares = [(home.root, home.answers, part, arguments.seed) for part in parts]
            found = [each for share in pool.starmap(worker, shares, chunksize=1) for each in share]
    found.sort(key=lambda each: each.number)
    for each in found:
        if each.wrong or arguments.only is not None:
            print(each.number, each.change, each.codes, each.others, *each.wrong, sep="\n  ")
    words = f"benchmarks/tamper.py --copies {arguments.copies} --seed {arguments.seed}"
    text = page(found, time.monotonic() - began, words)
    print(text.split("\n| copy")[0])
    if arguments.write:
        (RESULTS / f"tamper-{datetime.date.today()}.md").write_text(text)
    sys.exit(any(each.wrong for each in found))


if __name__ == "__main__":
    main()
