"""What a training costs before its first step: seconds, seconds of processor, memory; first start and second.

`python benchmarks/scan.py --home FOLDER [--files 100000] [--rows 1000000]` makes pictures below FOLDER, where they
stay, and writes benchmarks/results/scan-DATE.md. Each start is a process of its own that trains until its first step
is done.
"""

import argparse
import datetime
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 10
# Trains until the first step; then tells seconds since it began and memory, and leaves as one who is stopped.
CHILD = """
import json, os, resource, signal, sys, time
import torch
def status(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) * 1024
began, before = float(sys.argv[1]), status("VmRSS")
import striate
from striate.base.errors import Interrupted
from striate.training.execution import Silent
class First(Silent):
    told = None
    def say(self, text):
        if "known from before" in text: print(json.dumps({"said": text}))
    def progress(self, name, done, total, left=None):
        if name.startswith("epoch 1 of") and self.told is None:
            own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
            cpu = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
            self.told = {"seconds": time.time() - began, "cpu": cpu, "grown": status("VmHWM") - before}
            print(json.dumps(self.told), flush=True)
            os.kill(os.getpid(), signal.SIGINT)
recipe = json.loads(sys.argv[2])
try:
    striate.train(recipe.pop("data"), runs=sys.argv[3], listener=First(), **recipe)
except Interrupted:
    pass
run = max(os.scandir(sys.argv[3]), key=lambda each: each.stat().st_mtime_ns)
print(json.dumps({"timings": json.load(open(run.path + "/run.json"))["timings"]}))
"""


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels: np.ndarray) -> bytes:
    """A grey PNG, made faster than any library makes one so small."""
    height, width = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def make(folder: Path, count: int, side: int, made) -> None:  # type: ignore[no-untyped-def]
    """So many distinct pictures in class folders, lighter by class; and a table of them beside these."""
    if (folder.parent / f"{folder.name}.csv").exists():
        return
    rng, lines = np.random.default_rng(0), ["path,label"]
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True, exist_ok=True)
    for first in range(0, count, 1_000):
        noise = rng.integers(0, 90, (1_000, side, side), np.uint8)
        for place, pixels in enumerate(noise, start=first):
            name = f"class{place % CLASSES}/{place:07}.{'jpg' if made is jpeg else 'png'}"
            (folder / name).write_bytes(made(pixels + np.uint8(16 * (place % CLASSES))))
            lines.append(f"{folder.name}/{name},class{place % CLASSES}")
    (folder.parent / f"{folder.name}.csv").write_text("\n".join(lines) + "\n")


def tree(pid: int) -> list[int]:
    """A process and those below it."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def proportional(pid: int) -> int:
    """Bytes of memory, what is shared counted in part for each that shares it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def start(home: Path, recipe: dict[str, object]) -> dict[str, float]:
    """One start of a training until its first step is done."""
    environment = {**os.environ, "STRIATE_CACHE": str(home / "cache")}
    command = [sys.executable, "-c", CHILD, repr(time.time()), json.dumps(recipe), str(home / "runs")]
    most, over = [0], threading.Event()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:

        def watch() -> None:
            while not over.wait(0.2):
                most[0] = max(most[0], sum(map(proportional, tree(child.pid))))

        thread = threading.Thread(target=watch)
        thread.start()
        out, _ = child.communicate()
        over.set()
        thread.join()
    found: dict[str, float] = {"tree": most[0]}
    for line in out.splitlines():
        found |= json.loads(line)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", default=["png", "jpeg", "table"])
    parser.add_argument("--make", action="store_true", help="make the pictures and no more")
    asked = parser.parse_args()
    home = asked.home.resolve()
    cases = {
        "png": ("16x16 PNG", "png", asked.files, 16, png, {}),
        "jpeg": ("28x28 JPEG", "jpeg", asked.files, 28, jpeg, {}),
        "table": ("table, `--check names`", "rows.csv", asked.rows, 8, png, {"check": "names"}),
    }
    results = []
    for name in asked.only:
        told, data, count, side, made, more = cases[name]
        make(home / data.removesuffix(".csv"), count, side, made)
        if asked.make:
            continue
        shutil.rmtree(home / "cache", ignore_errors=True)
        for time_of in ("first", "second"):
            shutil.rmtree(home / "runs", ignore_errors=True)
            found = start(home, {"data": str(home / data), "model": "lenet5", "size": 32, "epochs": 1, **more})
            print(told, time_of, found, flush=True)
            stages = "; ".join(f"{stage} {seconds:.1f}" for stage, seconds in found["timings"].items())  # type: ignore
            results.append(
                f"| {count:,} {told} | {time_of} | {found['seconds']:.1f} | {found['cpu']:.1f} | "
                f"{found['grown'] / 1e6:,.0f} | {found['tree'] / 1e6:,.0f} | {stages} |"
            )
    if asked.make:
        return
    today = datetime.date.today().isoformat()
    head = (
        f"# Before the first step, {today}\n\n`python benchmarks/scan.py --files {asked.files} --rows {asked.rows}` on "
        f"{os.cpu_count()} cores (load before: {os.getloadavg()[0]:.1f}). Seconds until the first step is done, from "
        "the start of Python; processor seconds of all processes that have ended and of the main one; growth of the "
        "main process over `import torch` at its most; the most of the process tree, shared memory counted once.\n\n"
        "| pictures | start | s | processor s | grown, MB | tree, MB | stages, s |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | --- |\n"
    )
    path = Path(__file__).parent / "results" / f"scan-{today}.md"
    path.write_text(head + "\n".join(results) + "\n")


if __name__ == "__main__":
    main()
