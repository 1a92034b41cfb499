"""Pictures a second from tar shards in the order of an epoch: striate beside webdataset, and by whole copies or ranges.

Photograph-like JPEG files of 400x300 lie in shards of `--each`. Every side reads all pictures of an epoch in its own
shuffled order, in one process on one core, and they take turns. `bytes`: pictures are read and not decoded; `canvases`:
both decode by striate's own decoder to 224x224, so that only the source differs. `cold`: the kernel is asked to forget
the shards before each pass. webdataset permutes shards and shuffles in a buffer of `--window` pictures; striate's
window holds as many. The folder is the same pictures as files, in an order without windows.

The last table is one epoch from a local server that waits 20 ms before each answer, as one on the Internet does: each
picture by a range, or each shard whole.

    python benchmarks/shards.py --rounds 7 --write
"""

import argparse
import contextlib
import http.server
import io
import os
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from digits import machine, publish, ratios, spread, table

SIZE, LATENCY = 224, 0.02
Pass = Callable[[bool], int]


def pictures(folder: Path, count: int, each: int) -> None:
    """JPEG files with the edges and grain of photographs, and the same in shards with their classes."""
    import numpy as np
    from PIL import Image

    draw, (y, x) = np.random.default_rng(0), np.mgrid[:300, :400]
    for place in range(count):
        waves = [120 + 90 * np.sin(x / (5 + place % 40)) * np.cos(y / 9), x / 2, y * 0.8 + place % 50]
        pixels = np.clip(np.stack(waves, -1) + draw.normal(0, 8, (300, 400, 1)), 0, 255).astype(np.uint8)
        path = folder / "files" / f"{place % 10}" / f"{place:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=90)
    for shard in range(-(-count // each)):
        with tarfile.open(folder / f"set-{shard:04}.tar", "w") as tar:
            for place in range(shard * each, min(count, (shard + 1) * each)):
                tar.add(folder / "files" / f"{place % 10}" / f"{place:06}.jpg", f"{place:06}.jpg")
                entry = tarfile.TarInfo(f"{place:06}.cls")
                entry.size = 1
                tar.addfile(entry, io.BytesIO(b"%d" % (place % 10)))


def forget(folder: Path) -> None:
    """Asks the kernel to let go of what it holds of these files."""
    for path in folder.rglob("*.*"):
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def striate(data: str, window: int) -> Pass:
    """Its samples in the order of an epoch, each read with its check."""
    import numpy as np

    from striate.data import samples as module
    from striate.data.load import read_samples
    from striate.data.preprocess import Preprocess
    from striate.data.units import units_of

    module.WINDOW = window
    samples = read_samples(data, workers=0, check="headers")
    units, way, epochs = units_of(samples), Preprocess(SIZE, 3), iter(range(10_000))

    def once(decoded: bool) -> int:
        total = 0
        for index in units.order(np.arange(len(samples)), 0, next(epochs)):
            read = samples.read(index)
            total += way.looks(read, "")[0][0].shape[-1] if decoded else bool(read)
        return total

    return once


def webdataset(folder: Path, window: int) -> Pass:
    """Shards permuted, samples shuffled in a buffer."""
    import webdataset as wds

    from striate.data.preprocess import Preprocess

    shards, way = sorted(map(str, folder.glob("*.tar"))), Preprocess(SIZE, 3)
    data = wds.WebDataset(shards, shardshuffle=len(shards), empty_check=False).shuffle(window).to_tuple("jpg", "cls")

    def once(decoded: bool) -> int:
        return sum(way.looks(read, "")[0][0].shape[-1] if decoded else bool(read) for read, _ in data)

    return once


def measured(sides: dict[str, Pass], rounds: int, decoded: bool, before: Callable[[], None]) -> dict[str, list[float]]:
    """Pictures a second of each side, round by round."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, once in sides.items():
            before()
            began = time.perf_counter()
            count = once(decoded) // (SIZE if decoded else 1)
            rates[name].append(count / (time.perf_counter() - began))
    return rates


class Slow(http.server.SimpleHTTPRequestHandler):
    """A server of files and of ranges of them, which waits before each answer."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *what: Any) -> None:
        """Nothing on the screen."""

    def do_GET(self) -> None:
        time.sleep(LATENCY)
        data = Path(self.translate_path(self.path)).read_bytes()
        asked = self.headers.get("Range")
        if asked:
            first, last = map(int, asked.removeprefix("bytes=").split("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            data = data[first : last + 1]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def serving(root: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Slow, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def fetching(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Pictures a second of an epoch over the wire: by ranges, and by whole shards that are then read from disk."""
    from fsspec.core import url_to_fs

    from striate.data.sources.tars import held

    rates: dict[str, list[float]] = {"a range for each picture": [], "whole shards": []}
    tars = sorted(folder.glob("*.tar"))
    places = {path.name: [one for one in held(path, "").members if one.name.endswith("jpg")] for path in tars}
    with serving(folder) as address, tempfile.TemporaryDirectory() as copies:
        system, _ = url_to_fs(address)
        for _ in range(rounds):
            began = time.perf_counter()
            for name, members in places.items():
                for each in members:
                    system.cat_file(f"{address}/{name}", each.offset, each.offset + each.size)
            rates["a range for each picture"].append(sum(map(len, places.values())) / (time.perf_counter() - began))
            began = time.perf_counter()
            for name, members in places.items():
                system.get_file(f"{address}/{name}", f"{copies}/{name}")
                for each in members:
                    with Path(copies, name).open("rb") as file:
                        file.seek(each.offset)
                        file.read(each.size)
            rates["whole shards"].append(sum(map(len, places.values())) / (time.perf_counter() - began))
    return rates


def rows(rates: dict[str, list[float]], base: str) -> list[list[str]]:
    return [
        [name, spread(each, 0), ratios(each, rates[base] if name != base else None)] for name, each in rates.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--each", type=int, default=500)
    parser.add_argument("--window", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    lines = ["# Tar shards", "", f"On {machine()}.", ""]
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        pictures(folder, asked.count, asked.each)
        sides = {
            "webdataset": webdataset(folder, asked.window),
            "striate": striate(f"shards:{folder}/*.tar", asked.window),
            "striate, a folder": striate(str(folder / "files"), asked.window),
        }
        told = f"{asked.count:,} JPEG files of 400x300 in {-(-asked.count // asked.each)} shards"
        lines += [f"{told}, windows of {asked.window:,} pictures; median of {asked.rounds} rounds (least–most).", ""]
        for name, decoded, before in (
            ("bytes, warm", False, lambda: None),
            ("bytes, cold", False, lambda: forget(folder)),
            ("canvases of 224x224, warm", True, lambda: None),
        ):
            rates = measured(sides, asked.rounds if not decoded else max(3, asked.rounds // 2), decoded, before)
            head = [name, "pictures a second", "beside webdataset"]
            lines += [table(head, rows(rates, "webdataset")), ""]
        rates = fetching(folder, 3)
        head = ["from a server that waits 20 ms", "pictures a second", "beside ranges"]
        lines += [table(head, rows(rates, "a range for each picture"))]
    publish("shards", lines, asked.write)


if __name__ == "__main__":
    main()
