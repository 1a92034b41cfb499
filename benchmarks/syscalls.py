"""Kill and fail a training at every system call that it makes on its run folder, resume it, and compare the bits.

    python benchmarks/syscalls.py                 every call: killed before it, and failed with ENOSPC and with EIO
    python benchmarks/syscalls.py --every 25      a sample of them

To be killed before a call is to be killed after the one before. A first training is traced (strace) and shows the
calls: its saves, pruning, and all of its end with the page. Then each is tried in a training of its own, which must end
without a traceback; resumed without faults it must have the bits of the first, one opening of its test set, and nothing
left over.
Prints a table; the exit code is 1 when one try differs.
"""

import argparse
import ctypes
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a process of one thread may be forked

CALLS = (
    "openat", "write", "pwrite64", "fsync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir",
    "mkdirat", "rmdir", "link", "linkat",
)  # fmt: skip
ENDS = ("killed", "0", "4", "5")
FAULTS = ("signal=SIGKILL", "error=ENOSPC", "error=EIO")
RECIPE = ["train", "digits", "--epochs", "1", "--batch", "1000", "--save-every", "0", "--workers", "0"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="Try each so-many-th call only.")
    every = parser.parse_args().every
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        _trained(Path(scratch, "warm"))  # imports what a training imports on its way
        whole = Path(scratch, "whole")
        calls = _calls(whole)
        expected = _bits(_run(whole))
        tries = [(name, number, fault) for name, number in calls for fault in FAULTS][::every]
        failures, outcomes = [], Counter[tuple[str, str, str]]()
        for place, (name, number, fault) in enumerate(tries):
            home = Path(scratch, f"t{place:04d}")
            ended, wrong = _tried(home, f"{name}:{fault}:when={number}", expected)
            outcomes[name, fault, ended] += 1
            failures += [f"{name} {number} {fault}: {wrong}"] if wrong else []
            told = f"wrong: {name} {number} {fault}: {wrong}" if wrong else f"{place + 1} of {len(tries)}"
            print(f"\r{told}", end="\n" if wrong else "", file=sys.stderr, flush=True)
            subprocess.run(["rm", "-rf", str(home)], check=True)
    print(file=sys.stderr)
    _print(outcomes, failures, len(tries), len(calls), time.monotonic() - began)
    sys.exit(1 if failures else 0)


def _print(outcomes: "Counter[tuple[str, str, str]]", failures: list[str], tries: int, calls: int, took: float) -> None:
    print(f"{calls} calls, {tries} tries in {took / 60:.1f} minutes, {len(failures)} wrong\n")
    print("| call | fault | tries | killed | went on to its end | ended with exit code 4 | with 5 |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name, fault in sorted({(name, fault) for name, fault, _ in outcomes}):
        found = Counter({ended: n for (call, kind, ended), n in outcomes.items() if (call, kind) == (name, fault)})
        print(f"| {name} | {fault} | {found.total()} | {' | '.join(str(found[ended]) for ended in ENDS)} |")
    for failure in failures:
        print(f"\n- {failure}")


def _calls(home: Path) -> list[tuple[str, int]]:
    """Name and number of each call on what lies in `home`, counted among all calls of that name."""
    log = home.with_suffix(".trace")
    options = ["-y", "-s", "0", "-e", f"trace={','.join(CALLS)}", "-o", str(log)]
    assert _forked(lambda: _train([*RECIPE, "--runs", str(home)]), home, options) == "0"
    count, found = Counter[str](), []
    for line in log.read_text().splitlines():
        name = line.partition("(")[0]
        if name not in CALLS:
            continue
        count[name] += 1
        of = re.search(r"<(.*?)>", line) if name in ("write", "pwrite64", "fsync") else re.search(r"(.*)", line)
        if of is not None and re.search(rf'{re.escape(str(home))}[/">]', of[1] + '"'):
            found.append((name, count[name]))
    return found


def _tried(home: Path, fault: str, expected: object) -> tuple[str, str]:
    """How a training with a fault ended, and what is wrong after it was resumed."""
    options = ["-o", os.devnull, "-e", f"trace={fault.partition(':')[0]}", "-e", f"inject={fault}"]
    ended = _forked(lambda: _train([*RECIPE, "--runs", str(home)]), home, options)
    said = home.with_suffix(".said").read_text(errors="replace")
    if ended not in ENDS or "Traceback" in said:
        return ended, f"ended with {ended}: {said[-500:]}"
    for _ in range(3):
        run = _run(home)
        if (run / "report.html").exists():
            break
        words = ["train", "--resume", str(run)] if (run / "run.json").exists() else [*RECIPE, "--runs", str(home)]
        again = _forked(lambda words=words: _train(words), home, [])
        if again != "0":
            return ended, f"resumed, it ended with {again}: {home.with_suffix('.said').read_text()[-500:]}"
    left = [str(path) for path in run.rglob(".*") if path.name not in (".lock",)]
    wrong = [f"left over: {left}"] if left and ended != "0" else []
    found = _bits(_run(home))
    return ended, "; ".join([*wrong, *([] if found == expected else [f"other bits or openings: {found}"])])


def _forked(work: Callable[[], int], home: Path, strace: list[str]) -> str:
    """The exit code of `work` in a child, or "killed"; `strace` are options of one that looks on."""
    ready, go = os.pipe()
    child = os.fork()
    if not child:
        said = os.open(home.with_suffix(".said"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1))  # PR_SET_PTRACER: strace is no parent of this process
        os.read(ready, 1)
        os._exit(work())
    watch = (
        subprocess.Popen(["strace", "-qq", "-p", str(child), *strace], stderr=subprocess.DEVNULL) if strace else None
    )
    while watch and watch.poll() is None and "TracerPid:\t0\n" in Path(f"/proc/{child}/status").read_text():
        time.sleep(0.001)
    os.write(go, b"x")
    _, status = os.waitpid(child, 0)
    os.close(ready)
    os.close(go)
    if watch:
        watch.wait()
    return "killed" if os.WIFSIGNALED(status) else str(os.WEXITSTATUS(status))


def _train(words: list[str]) -> int:
    from striate.shell.cli import main

    try:
        main(words)
    except SystemExit as left:
        sys.stdout.flush()
        return int(left.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    return 99


def _trained(home: Path) -> None:
    """A training and a resumption in this process."""
    kept = os.dup(1), os.dup(2)
    for number in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    assert _train([*RECIPE, "--runs", str(home)]) == 0
    assert _train(["train", "--resume", str(_run(home))]) == 4
    for number in (1, 2):
        os.dup2(kept[number - 1], number)


def _run(home: Path) -> Path:
    """The last run there that has begun, or one that is to come."""
    return max(home.glob("digits-*/run.json"), default=home / "none" / "run.json").parent


def _bits(run: Path) -> dict[str, object]:
    """sha256 of the last and the chosen weights, of the optimizer, and of the rows; and how many openings there are."""
    return {**{path.parent.name + "/" + path.name: _sum(path) for path in _files(run)}, "openings": _openings(run)}


def _files(run: Path) -> Iterator[Path]:
    last = max((run / "checkpoints").glob("step-*"), default=run / "none")
    for folder in (last, run / "checkpoints" / "best", run / "kept"):
        yield from sorted(folder.glob("*.safetensors"))


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _openings(run: Path) -> list[int]:
    """Lines in each list."""
    lists = [folder / "test-openings.jsonl" for folder in (run, run.parent)]
    return [len(path.read_text().splitlines()) if path.exists() else 0 for path in lists]


if __name__ == "__main__":
    main()
