"""Openings of test sets: a list in each run folder, which is copied with it, and one beside the runs; of a run within a
study also one beside the study.

What any list knows counts once, by its id. An opening has its id from who answers, so that what a kill has stopped
between the opening and the answers is the same opening when it is done again.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.base import durable
from striate.base.errors import MachineError, RunError, printable

NAME = "test-openings.jsonl"
# What makes a folder of runs a study.
STUDY = "study.json"
CHOICE = "choice.json"
# A list of a hundred thousand openings is smaller.
LARGEST = 2**26


@dataclass(frozen=True)
class Opening:
    """`test_set` is the digest of the split, `n` its number of pictures."""

    id: str
    test_set: str
    n: int


def sealed_set(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """ "n" and "digest" of a run's test set, by what its pictures hold."""
    test = facts["split"]["test"]
    return {"n": test["n"], "digest": test.get("contents") or test["digest"]}


def opening_of(folder: Path, answers: Sequence[str], test: Mapping[str, Any], *, again: bool = True) -> Opening:
    """The opening of a test set for `answers`, the digests of who gives them and of what they are given for.

    `again`: one after those that were answered, for whoever asks again means it; else it is always the same one.
    """
    done = {str(line["answered"]) for path in _lists(folder) for line in _lines(path) if "answered" in line}
    number = 0
    while True:
        opening = Opening(_digest([*answers, test["digest"], number]), test["digest"], test["n"])
        if not again or opening.id not in done:
            return opening
        number += 1


def record_opening(folder: Path, opening: Opening) -> tuple[int, list[str]]:
    """Write down, before it happens, that a test set is opened by the run in `folder`.

    How often that has been, this opening included, and what is to be said of the lists: each is given what the others
    know of this test set, and one of them that can be written to is enough.
    """
    new = {"id": opening.id, "test_set": opening.test_set, "n": opening.n, "run": printable(folder.name)}
    times, failures = _shared(folder, opening.test_set, {opening.id: new})
    if len(failures) == len(_lists(folder)):
        hint = "a folder that you may write to, on a disk with room"
        raise MachineError(failures[0].where, f"the opening of a test set stays unwritten ({failures[0].cause})", hint)
    return times, [f"{each.where}: {each.cause}; the opening is written down in another list" for each in failures]


def close_opening(folder: Path, opening: Opening) -> None:
    """Write down that an opening has been answered: whoever asks again opens once more."""
    *first, last = _lists(folder)
    line = json.dumps({"answered": opening.id})
    for path in first:
        try:
            return durable.append_lines(path, [line])
        except MachineError:
            continue
    durable.append_lines(last, [line])


def times_opened(folder: Path, digest: str) -> int:
    """How often this test set has been opened, as far as the lists in and beside `folder` tell.

    Each is given what only another knows, where it can be written to: a write may have failed before.
    """
    return _shared(folder, digest, {})[0]


def taken_over(folder: Path, digest: str, others: Sequence[Path]) -> int:
    """How often this test set has been opened, as far as the lists of `others` tell, which are now known here."""
    known = [_openings(path, digest) for other in others for path in _lists(other)]
    return _shared(folder, digest, {key: line for lines in known for key, line in lines.items()})[0]


def _shared(folder: Path, digest: str, new: dict[str, dict[str, Any]]) -> tuple[int, list[MachineError]]:
    """The number of openings in any list and `new`, all of which each list has from now on; and what failed."""
    known = {path: _openings(path, digest) for path in _lists(folder)}
    whole = {key: line for lines in known.values() for key, line in lines.items()} | new
    failures = []
    for path, lines in known.items():
        missing = [line for key, line in whole.items() if key not in lines]
        try:
            durable.append_lines(path, [json.dumps(line) for line in missing])
        except MachineError as error:
            failures.append(error)
    return len(whole), failures


def _lists(folder: Path) -> tuple[Path, ...]:
    beside = folder.resolve().parent
    within = (beside / STUDY).is_file() or (beside / CHOICE).is_file()
    return (folder / NAME, beside / NAME, *([beside.parent / NAME] if within else []))


def _openings(path: Path, digest: str) -> dict[str, dict[str, Any]]:
    """By id. Equal lines of before there were ids are as many openings, and the same ones in another list."""
    found: dict[str, dict[str, Any]] = {}
    alike: Counter[str] = Counter()
    for line in _lines(path):
        if line.get("test_set") != digest:
            continue
        key = line.get("id")
        if not isinstance(key, str):
            said = json.dumps(line, sort_keys=True)
            alike[said] += 1
            key = _digest([said, alike[said]])
        found[key] = {**line, "id": key}
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    """The lines that are objects; a line that a kill has cut was of an opening that never came."""
    if path.is_symlink() or not path.is_file():
        return []
    try:
        if path.stat().st_size > LARGEST:
            raise OSError(f"{path.stat().st_size:,} bytes are no list of openings")
        lines = [_value(line) for line in path.read_bytes().splitlines()]
    except OSError as error:
        raise RunError(path, f"cannot be read ({error.strerror or error})", "the list as it was") from None
    return [line for line in lines if isinstance(line, dict)]


def _value(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
