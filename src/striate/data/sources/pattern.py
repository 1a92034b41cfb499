"""Which shards a pattern means, what they are called together, and which subset each is of."""

import glob
import itertools
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from striate.base.errors import DataError, Option
from striate.base.paths import path_of
from striate.base.words import some
from striate.data.sources import fetched
from striate.data.sources.address import is_remote
from striate.data.sources.fetched import Shard
from striate.data.sources.layout import SUBSETS, Layout, listed

# More shards than anybody has: 10 TB in shards of 100 MB.
MOST = 100_000
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expanded(pattern: str) -> list[str]:
    """{0000..0009} and {a,b} written out, as a shell and webdataset do; a DataError for more than anybody has."""
    done, waiting = list[str](), [pattern]
    while waiting:
        each = waiting.pop()
        found = re.search(r"\{([^{}]*)\}", each)
        if found is None:
            done.append(each)
            continue
        within = found[1]
        if numbers := _RANGE.fullmatch(within):
            first, last = sorted(map(int, numbers.groups()))
            width = max(map(len, numbers.groups())) if within[0] == "0" else 0
            choices: Iterable[str] = (f"{number:0{width}d}" for number in range(first, last + 1))
            count = last + 1 - first
        elif "," in within:
            choices = within.split(",")
            count = len(within.split(","))
        else:
            cause = f"{found[0]} is neither a range nor a list"
            raise DataError(pattern, cause, "{0000..0009} or {train,val}")
        if count + len(done) + len(waiting) > MOST:
            raise DataError(pattern, f"more than {MOST:,} shards", "a smaller range")
        waiting += [each[: found.start()] + choice + each[found.end() :] for choice in choices]
    return done


def shards_of(pattern: str) -> tuple[Shard, ...]:
    """The shards of a pattern, sorted by bytes, each once."""
    if is_remote(pattern):
        fetched.refuse_secrets(pattern)
        found = set(itertools.chain.from_iterable(map(fetched.found, expanded(pattern))))
    else:
        found = set(itertools.chain.from_iterable(map(_files, expanded(str(path_of(pattern))))))
    if not found:
        raise DataError(
            pattern, "no shard is called so", "the path of tar files: train-{0000..0009}.tar, or train-*.tar"
        )
    if len(found) > MOST:
        raise DataError(pattern, f"more than {MOST:,} shards", "a narrower pattern")
    ordered = sorted(found, key=os.fsencode)
    if is_remote(pattern):
        return tuple(map(fetched.shard, ordered))
    return tuple(Shard(each, Path(each).absolute()) for each in ordered)


def _files(pattern: str) -> list[str]:
    if Path(pattern).is_dir():
        return glob.glob(f"{glob.escape(pattern)}/**/*.tar", recursive=True)  # noqa: PTH207 - as typed, absolute or not
    if os.path.lexists(pattern) or not glob.has_magic(pattern):
        return [pattern]
    return glob.glob(pattern, recursive=True)  # noqa: PTH207


def name_of(pattern: str) -> str:
    """What the data are called: what all names of shards begin with, or their folder's name."""
    path = PurePosixPath(pattern.rstrip("/"))
    name = re.split(r"[{*?\[]", path.name)[0].removesuffix(".tar").rstrip("-_. ")
    return name or re.sub(r"[{}*?\[\]]", "", path.parent.name) or "shards"


def subsets_of(pattern: str, shards: Sequence[Shard], layout: Layout, learnable: bool) -> tuple[str, ...]:
    """The subset of each shard by its name or its folder's, () where all are one set; "" of those to be left out."""
    if layout == "classes":
        return ()
    subsets = tuple(map(_subset, (shard.address for shard in shards)))
    several = sorted(set(subsets) - {""})
    if len(several) < 2:
        return ()
    others = [shard.address for shard, subset in zip(shards, subsets, strict=True) if not subset]
    if others and layout == "auto":
        cause = f"shards of {listed(several)} beside others: {some(others, 3)}"
        leaves = (Option("layout", "classes"), " takes all for one; ", Option("layout", "subsets"), " leaves these out")
        raise DataError(pattern, cause, leaves)
    if "train" not in several and learnable:
        hint = ("train in the name of some, or ", Option("layout", "classes"), ", which takes all for one")
        raise DataError(pattern, f"shards of {listed(several)} but none of train", hint)
    return subsets


def _subset(address: str) -> str:
    """train, val or test by the words of a shard's name, else by the name of its folder."""
    path = PurePosixPath(address.replace(os.sep, "/"))
    words = re.split(r"[^a-z]+", path.stem.lower())
    meant = {SUBSETS[word] for word in words if word in SUBSETS}
    return meant.pop() if len(meant) == 1 else SUBSETS.get(path.parent.name.lower(), "")
