"""Memory and time of a very large picture: answered in tiles, by `striate predict` as a person would call it.

    python benchmarks/tiles.py --write
    python benchmarks/tiles.py --side 2000 --quick

A U-Net of width 16, trained for one epoch: what it says means nothing here, what it costs does. The picture is grey,
`side` x `side`, of generated cells. The peak is that of the resident set of the whole command, in MB of 10^6 bytes;
progress is read from the terminal that the command is given. Exit code 1 above 2 GB, or where no progress was seen.
"""

import argparse
import datetime
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from digits import machine, publish, table

MOST = 2_000  # MB
NETWORKS = ("unet_padded", "unet")


def large(path: Path, side: int) -> None:
    """One generated picture again and again."""
    from striate.data.sources.cells import Cells

    picture, _ = Cells(size=min(2000, side)).picture(0)
    times = -(-side // len(picture))
    Image.fromarray(np.tile(picture[..., 0], (times, times))[:side, :side]).save(path, compress_level=1)


def trained(model: str, folder: Path) -> Path:
    import striate

    run = striate.train("cells:number=5,size=512", model=model, epochs=1, batch=4, runs=folder)
    return Path(run.folder)


def predicted(run: Path, picture: Path, out: Path, side: int) -> tuple[float, float, int]:
    """Peak in MB and seconds of the command, and how often it told how far it was."""
    command = [sys.executable, "-m", "striate", "predict", str(run), str(picture), "--out", str(out)]
    command += ["--max-pixels", str(max(50_000_000, side * side))]
    ours, theirs = pty.openpty()
    start = time.perf_counter()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        said += part
    _, status, used = os.wait4(child.pid, 0)
    took = time.perf_counter() - start
    if status:
        sys.exit(said.decode("utf-8", "replace"))
    seen = {found.decode() for found in re.findall(rb"tiles of [^\r\n]*?(\d+/\d+)", said)}
    with Image.open(next(out.glob("*.png"))) as mask:
        assert mask.size == (side, side), mask.size
    return used.ru_maxrss * 1024 / 1e6, took, len(seen)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="the padded network alone")
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    chosen = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None  # of this script's own look at the answer
    before, rows, failed = machine(), [], False
    with tempfile.TemporaryDirectory() as home:
        folder, picture = Path(home), Path(home, "large.png")
        large(picture, chosen.side)
        for model in NETWORKS[:1] if chosen.quick else NETWORKS:
            run = trained(model, folder / "runs")
            peak, took, seen = predicted(run, picture, folder / model, chosen.side)
            rows.append([f"{model}, width 16", f"{peak:,.0f}", f"{took:,.0f}", f"{seen:,}"])
            failed = failed or peak > MOST or (seen < 2 and chosen.side > 2000)
    page = [f"# A picture of {chosen.side:,} x {chosen.side:,} pixels", "", before, ""]
    page += [f"{datetime.date.today()}, `python {' '.join(sys.argv)}`", ""]
    publish("tiles", [*page, table(["", "peak, MB", "seconds", "progress told, times"], rows)], chosen.write)
    sys.exit(failed)


if __name__ == "__main__":
    main()
