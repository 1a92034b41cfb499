"""One training at a time in a run folder: a lock that dies with its process, or a file where the system has no locks.

To look whether a run is held takes nothing that a training would have to wait for.
"""

import contextlib
import errno
import json
import os
import platform
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from striate.base.errors import MachineError, RunError

LOCK, MARK = ".lock", ".held-by"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
# Seconds: between the making of a mark and its being written, and for those who look to get out of the way.
_WRITING, _PATIENCE = 1.0, 10.0
_PLAIN = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


@contextlib.contextmanager
def alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """This process alone trains the run in `folder`; a RunError where another one does."""
    try:
        handle = _locked(folder)
    except OSError as error:
        cause = error.strerror or str(error)
        if error.errno not in _NO_LOCKS:
            raise MachineError(folder / LOCK, f"the run cannot be locked ({cause})", "a folder of yours") from None
        say(f"{folder}: this file system has no locks ({cause}), so a file called {MARK} says that the run is taken")
        with _marked(folder / MARK):
            yield
        return
    try:
        _refuse_mark(folder / MARK)  # by a process that found no locks here
        yield
    finally:
        os.close(handle)


def is_held(folder: Path) -> bool:
    """Whether a process trains the run in `folder`, as far as can be seen; nothing is written."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY | _PLAIN)
    except FileNotFoundError:
        return _mark_holds(folder / MARK)
    except OSError:
        return True
    try:
        return not _flock(handle, shared=True) or _mark_holds(folder / MARK)
    except OSError:
        return _mark_holds(folder / MARK)
    finally:
        os.close(handle)


def _locked(folder: Path) -> int:
    """The handle that holds the lock. Who only looks has it shared for a moment, and is waited for."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | _PLAIN, 0o644)
    try:
        until = time.monotonic() + _PATIENCE
        while not _flock(handle):
            if not _flock(handle, shared=True) or time.monotonic() > until:
                raise _taken(folder, "waiting for it, or a fresh run")
            _flock(handle, release=True)
            time.sleep(secrets.randbelow(1000) / 1e5)  # two that come together must not stay in step
        return handle
    except BaseException:
        os.close(handle)
        raise


def _flock(handle: int, *, shared: bool = False, release: bool = False) -> bool:
    """Whether it was had, without waiting; an OSError of `_NO_LOCKS` where there are none."""
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, "Windows knows no flock")
    import fcntl

    kind = fcntl.LOCK_UN if release else (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    try:
        fcntl.flock(handle, kind)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _taken(folder: Path, hint: str) -> RunError:
    return RunError(folder, "another process is training this run", hint)


# Where there are no locks


@contextlib.contextmanager
def _marked(path: Path) -> Iterator[None]:
    while not _make_mark(path):
        _refuse_mark(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _make_mark(path: Path) -> bool:
    """Whether it was made, and not there before."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN, 0o644), "wb") as file:
            file.write(json.dumps(_this_process()).encode())
            return True
    except FileExistsError:
        return False
    except OSError as error:
        hint = "a folder that you may write to, on a disk with room"
        raise MachineError(path, f"cannot be written ({error.strerror or error})", hint) from None


def _refuse_mark(path: Path) -> None:
    """A RunError where a process holds the run by this mark; one whose process is gone is removed."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise MachineError(path, "it is no file of striate", "removing it")
    seen = _read(path)
    if seen is not None and _holder(seen) is None:  # it may be about to be written
        time.sleep(_WRITING)
        seen = _read(path)
    if seen is None:
        return
    if _holder(seen) is not None and not _gone(_holder(seen)):
        raise _taken(path.parent, f"waiting for it, or removing {path} where you know that none does")
    aside = path.with_name(f".striate-{secrets.token_hex(8)}.partial")
    try:
        path.rename(aside)
        if _read(aside) != seen:  # another one was faster, and has left its own
            aside.rename(path)
            raise _taken(path.parent, "waiting for it, or a fresh run")
        aside.unlink()
    except FileNotFoundError:  # another one was faster
        return
    except OSError as error:
        raise MachineError(path, f"cannot be taken over ({error.strerror or error})", "removing it") from None


def _mark_holds(path: Path) -> bool:
    seen = _read(path)
    return seen is not None and (_holder(seen) is None or not _gone(_holder(seen)))


def _read(path: Path) -> bytes | None:
    """What a mark says, None where there is none."""
    try:
        return path.read_bytes()[:4096] if path.is_file() and not path.is_symlink() else b"" if path.exists() else None
    except OSError:
        return b""


def _holder(seen: bytes) -> dict[str, Any] | None:
    """Who holds a run by its mark; None while it is not written."""
    try:
        found = json.loads(seen)
    except (ValueError, RecursionError):
        return None
    pid = found.get("pid") if isinstance(found, dict) else None
    return found if isinstance(pid, int) and 0 < pid < 2**31 else None


def _this_process() -> dict[str, Any]:
    return {"pid": os.getpid(), "started": _started(os.getpid()), **_this_system()}


def _this_system() -> dict[str, str]:
    """What tells this system from all others, its processes' numbers from those of other containers, and its starts."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbers = ""
    boot, machine = _text(Path("/proc/sys/kernel/random/boot_id")), _text(Path("/etc/machine-id"))
    return {"host": platform.node(), "machine": machine, "numbers": numbers, "boot": boot}


def _gone(holder: dict[str, Any] | None) -> bool:
    """Whether the process has certainly ended: it was one of this host, and there is none like it."""
    here = _this_system()
    if holder is None or sys.platform == "win32":
        return False
    if any(holder.get(name) != here[name] for name in ("host", "machine", "numbers")):
        return False
    if holder.get("boot") != here["boot"]:
        return bool(here["machine"])  # hosts of one name are told apart by it
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return holder.get("started") != _started(holder["pid"])


def _started(pid: int) -> str:
    """When a process began, "" where that cannot be known; one that has ended and is not yet buried has not."""
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return "" if len(fields) < 20 or fields[0] == "Z" else fields[19]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
