"""Shards at addresses: copied whole, once, into a bounded folder; a server that fails is told in a sentence."""

import contextlib
import http.server
import os
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pytest

from pictures import fill
from shards import shards_of
from striate.base.errors import DataError, MachineError
from striate.data.load import read_samples
from striate.data.sources import fetched

pytest.importorskip("aiohttp", reason="the extra hub")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetched, "TRIES", 1)
    return tmp_path / "cache" / "shards"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fill(tmp_path / "pictures", "cat dog", 4)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files whole: a range that is asked for is ignored, as many simple servers do."""

    asked: Counter[str]
    short = 0

    def log_message(self, *what: Any) -> None:
        """Nothing on the screen."""

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        if self.short:
            data = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: self.short])
        else:
            super().do_GET()


@contextlib.contextmanager
def serving(root: Path, short: int = 0) -> Iterator[tuple[str, Counter[str]]]:
    """The address of a server of these files, and how often each was asked for; `short`: so many bytes are sent."""
    kind = type("Handler", (Handler,), {"asked": Counter(), "short": short})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", kind.asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_shards_of_a_server_are_those_of_the_disk_and_each_is_fetched_once(folder: Path, tmp_path: Path) -> None:
    here = read_samples(shards_of(folder, tmp_path / "www", 3))
    with serving(tmp_path / "www") as (address, asked):
        there = read_samples(f"shards:{address}/set-{{0000..0002}}.tar")
        assert (there.fingerprint, there.digests) == (here.fingerprint, here.digests)
        assert [there.read(place) for place in range(8)] == [here.read(place) for place in range(8)]
        again = read_samples(f"shards:{address}/set-{{0000..0002}}.tar")
    assert again.fingerprint == here.fingerprint
    assert asked == {f"/set-{place:04}.tar": 1 for place in range(3)}


def test_a_pattern_is_looked_up_where_the_shards_are(folder: Path, tmp_path: Path) -> None:
    shards_of(folder, tmp_path / "www", 2)
    system = fsspec.filesystem("memory")
    for path in (tmp_path / "www").iterdir():
        system.pipe(f"/here/{path.name}", path.read_bytes())
    try:
        samples = read_samples("shards:memory://here/set-*.tar")
        assert samples.fingerprint == read_samples(folder).fingerprint
        assert samples.read.where(0) == "cat/0.png in memory:///here/set-0000.tar"
        with pytest.raises(DataError, match="no shard is called so"):
            read_samples("shards:memory://here/no-*.tar")
    finally:
        system.rm("/here", recursive=True)


def test_a_shard_that_changes_on_the_server_is_fetched_anew(folder: Path, tmp_path: Path) -> None:
    shards_of(folder, tmp_path / "www", 1)
    with serving(tmp_path / "www") as (address, asked):
        before = read_samples(f"shards:{address}/set-0000.tar")
        size = (tmp_path / "www" / "set-0000.tar").stat().st_size
        shards_of(fill(folder, "cat dog", 4, first=50), tmp_path / "www", 1)
        assert (tmp_path / "www" / "set-0000.tar").stat().st_size == size
        later = time.time() + 10
        os.utime(tmp_path / "www" / "set-0000.tar", (later, later))
        after = read_samples(f"shards:{address}/set-0000.tar")
        assert asked["/set-0000.tar"] == 2
    assert before.names == after.names
    assert before.fingerprint != after.fingerprint


def test_a_copy_that_was_thrown_out_is_fetched_when_it_is_read(folder: Path, tmp_path: Path, cache: Path) -> None:
    shards_of(folder, tmp_path / "www", 1)
    with serving(tmp_path / "www") as (address, _):
        samples = read_samples(f"shards:{address}/set-0000.tar")
        (copy,) = cache.glob("*.tar")
        copy.unlink()
        assert samples.read(0) == (folder / "cat" / "0.png").read_bytes()
        assert copy.exists()
        copy.unlink()
        shards_of(fill(tmp_path / "others", "cat dog", 4, first=9), tmp_path / "www", 1)
        with pytest.raises(DataError, match="changed since the data were scanned"):
            samples.read(0)


def test_many_that_need_one_shard_at_once_fetch_it_once(folder: Path, tmp_path: Path) -> None:
    shards_of(folder, tmp_path / "www", 1)
    with serving(tmp_path / "www") as (address, asked):
        one = fetched.shard(f"{address}/set-0000.tar")
        threads = [threading.Thread(target=one.at_hand) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert asked == {"/set-0000.tar": 1}


def test_the_longest_unused_copies_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age, name in enumerate("cab"):
        (tmp_path / f"{name}.tar").write_bytes(bytes(100))
        os.utime(tmp_path / f"{name}.tar", (1000 - age, 1000 - age))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 200))  # type: ignore[attr-defined]
    fetched.make_room(tmp_path, 100, "")  # 300 are held and 200 free: copies may take 250
    assert [path.name for path in tmp_path.iterdir()] == ["c.tar"]
    with pytest.raises(
        DataError, match=r"251 bytes, and copies of shards in .* take at most 150: half of what is free"
    ):
        fetched.make_room(tmp_path, 251, "")


@pytest.mark.parametrize(
    ("name", "kind", "cause"),
    [
        ("set-0001.tar", DataError, "no such file there (404)"),
        ("set-{0..1}.tar", DataError, "no such file there (404)"),
    ],
)
def test_a_shard_that_is_not_there_is_told(
    folder: Path, tmp_path: Path, name: str, kind: type[Exception], cause: str
) -> None:
    shards_of(folder, tmp_path / "www", 1)
    with serving(tmp_path / "www") as (address, _), pytest.raises(kind) as caught:
        read_samples(f"shards:{address}/{name}")
    assert cause in str(caught.value)


def test_a_shard_that_comes_cut_is_no_copy(folder: Path, tmp_path: Path, cache: Path) -> None:
    shards_of(folder, tmp_path / "www", 1)
    with serving(tmp_path / "www", short=700) as (address, _), pytest.raises(MachineError, match="cannot be fetched"):
        read_samples(f"shards:{address}/set-0000.tar")
    assert not [*cache.glob("*.tar")]


def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetched, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/set.tar"
        with pytest.raises(MachineError, match="it cannot be fetched"):
            read_samples(f"shards:{address}")
    with pytest.raises(MachineError, match="it cannot be fetched"):
        read_samples(f"shards:{address}")


def test_without_a_folder_for_copies_nothing_is_fetched(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    shards_of(folder, tmp_path / "www", 1)
    monkeypatch.setenv("STRIATE_CACHE", "")
    with serving(tmp_path / "www") as (address, asked), pytest.raises(MachineError, match="STRIATE_CACHE is empty"):
        read_samples(f"shards:{address}/set-0000.tar")
    assert not asked
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    monkeypatch.setenv("STRIATE_CACHE", str(blocked))
    with serving(tmp_path / "www") as (address, _), pytest.raises(MachineError, match="shards cannot be copied to"):
        read_samples(f"shards:{address}/set-0000.tar")
