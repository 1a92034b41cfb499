"""Worker processes on machines that give them little, and under scripts that do not expect them."""

import dataclasses
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pictures import encode, photo, put
from striate.base.errors import MachineError
from striate.base.processes import Afresh
from striate.data.feed import Streamed, cut_batches
from striate.data.preprocess import Preprocess
from striate.data.samples import Samples
from striate.data.scan import scan
from striate.data.sources.folder import list_folder
from striate.data.units import units_of
from striate.data.workers import Looks, Reading

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:This DataLoader will create")]

# What a process of its own does in /dev/shm of the size that is named: batches by two workers and by none.
LITTLE = """
import sys, hashlib, numpy, torch
from pathlib import Path
from striate.data.scan import scan
from striate.data.feed import Streamed, cut_batches
from striate.data.preprocess import Preprocess
from striate.data.sources.folder import list_folder
from striate.data.units import units_of

samples = scan(list_folder(Path(sys.argv[1])))
groups = cut_batches(numpy.arange(len(samples)), 12)
for workers in (0, 2):
    source = Streamed(units_of(samples), Preprocess(64, 3), torch.device("cpu"), workers, print)
    pixels = b"".join(batch.pictures.numpy().tobytes() for _ in range(2) for batch in source.batches(groups))
    print(hashlib.sha256(pixels).hexdigest())
"""

# A script as a beginner writes it: nothing keeps it from running again where it is imported.
SCRIPT = """
print("the script runs")
from pathlib import Path
from striate.data.load import read_samples
import sys

print(len(read_samples(sys.argv[1], workers=2)))
"""


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    for seed in range(12):
        put(tmp_path / "cat" / f"{seed}.png", encode(photo(20, 30, seed)))
        put(tmp_path / "dog" / f"{seed}.png", encode(photo(15, 20, 50 + seed)))
    return scan(list_folder(tmp_path))


def _with_shared_memory(size: str, *words: str) -> "subprocess.CompletedProcess[str]":
    mounted = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", mounted, "sh", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(("size", "told"), [("16k", "without worker processes"), ("1m", "through a pipe"), ("1g", "")])
def test_little_shared_memory_is_met_with_a_sentence_and_the_same_pictures(
    samples: Samples, size: str, told: str
) -> None:
    if shutil.which("unshare") is None or _with_shared_memory("1m", "true").returncode:
        pytest.skip("no /dev/shm of another size can be mounted here")
    done = _with_shared_memory(size, sys.executable, "-c", LITTLE, str(samples.root))
    alone, *said, together = done.stdout.splitlines()
    assert (done.returncode, alone == together) == (0, True), done.stderr
    assert len(said) == (told != "")
    assert told in " ".join(said)
    assert "Traceback" not in done.stderr


class Dying:
    """A reader of pictures whose process dies, the first two times that it is asked."""

    def __init__(self, read: Any, died: Path) -> None:
        self.read, self.died = read, died

    def __call__(self, index: int) -> Any:
        if index == 7 and len(list(self.died.iterdir())) < 2:
            (self.died / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.read(index)

    def where(self, index: int) -> str:
        return str(self.read.where(index))


def test_batches_go_through_a_pipe_where_workers_die_again(samples: Samples, tmp_path: Path) -> None:
    groups, preprocess = cut_batches(np.arange(len(samples)), 5), Preprocess(12, 3)
    expected = list(Streamed(units_of(samples), preprocess, torch.device("cpu"), 0).batches(groups))
    (tmp_path / "died").mkdir()
    dying = dataclasses.replace(samples, read=Dying(samples.read, tmp_path / "died"))
    said: list[str] = []
    found = list(Reading(Looks(units_of(dying), preprocess), 2, False, said.append).batches(groups))
    assert [np.asarray(each[0]).tolist() for each in found] == [each.indices.tolist() for each in expected]
    assert all(torch.equal(torch.as_tensor(one[1]), each.pictures) for one, each in zip(found, expected, strict=True))
    assert "through a pipe" in " ".join(said)


class Stuck:
    """A reader of pictures that never comes back, as of a disk that is gone."""

    def __call__(self, index: int) -> bytes:
        time.sleep(3600)
        return b""

    def where(self, index: int) -> str:
        return "stuck.png"


def test_a_worker_that_gives_nothing_is_not_waited_for_without_end(samples: Samples) -> None:
    stuck = dataclasses.replace(samples, read=Stuck())
    reading = Reading(Looks(units_of(stuck), Preprocess(12, 3)), 1, False, wait=0.2)
    with pytest.raises(MachineError, match="no batch came from worker processes"):
        list(reading.batches([np.array([0])]))


@pytest.mark.parametrize("how", ["file", "module"])
def test_no_process_runs_the_users_script_again(samples: Samples, tmp_path: Path, how: str) -> None:
    (tmp_path / "beginner.py").write_text(SCRIPT)
    words = ["beginner.py"] if how == "file" else ["-m", "beginner"]
    done = subprocess.run(
        [sys.executable, *words, str(samples.root)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split("\n") == ["the script runs", "24", ""], done.stderr


def test_pictures_are_read_by_processes_that_are_started_anew(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the system does not copy processes: macOS, and Linux from Python 3.14 on."""
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none=False: "spawn")
    groups = cut_batches(np.arange(len(samples)), 12)
    expected = Streamed(units_of(samples), Preprocess(12, 3), torch.device("cpu"), 0).batches(groups)
    reading = Reading(Looks(units_of(samples), Preprocess(12, 3)), 1, False)
    found = list(reading.batches(groups))
    assert isinstance(reading._loader.multiprocessing_context, Afresh)
    assert all(torch.equal(torch.as_tensor(one[1]), other.pictures) for one, other in zip(found, expected, strict=True))
