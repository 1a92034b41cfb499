"""Records what becomes of claims: `python benchmarks/claims.py [NAME ...] --runs DIR [--seeds N]`.

Without a name all of them. Each is put to the test by the shell's own command, which goes on where it was stopped; its
record and its figure go to results/claims/. Then `python docs/make_tables.py` writes what the docs and `striate claims`
say of them.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from striate.claims.catalogue import NAMES, known
from striate.report.claim import FIGURE, RECORD

RESULTS = Path(__file__).parent / "results" / "claims"


def record(name: str, runs: Path, seeds: int | None) -> bool:
    """Whether it came to its end."""
    command = ["striate", "claims", name, *([] if seeds is None else ["--seeds", str(seeds)])]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--runs", str(runs), "--json"], check=False, stdout=subprocess.PIPE
    )
    if done.returncode:
        return False
    folder = Path(json.loads(done.stdout)["claims"][0]["folder"])
    found = json.loads((folder / RECORD).read_text()) | {"command": " ".join(command)}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    shutil.copyfile(folder / FIGURE, RESULTS / f"{name}.svg")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seeds", type=int)
    asked = parser.parse_args()
    began, failed = time.monotonic(), []
    for name in [known(each) for each in asked.names] or NAMES:
        before = time.monotonic()
        done = record(name, asked.runs, asked.seeds)
        print(f"{time.monotonic() - before:7.0f} s  {name}{'' if done else '  FAILED'}", flush=True)
        failed += [] if done else [name]
    print(f"{time.monotonic() - began:7.0f} s  in all")
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
