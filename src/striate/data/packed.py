"""Names and digests of many samples in a few arrays: a million of either take megabytes, and are pickled at once.

Both are sequences of texts, equal to the tuples of them.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Self, final, overload

import numpy as np
import numpy.typing as npt

# Texts that are unpacked at once.
_CHUNK = 1 << 14
_CODE = "utf-8", "surrogatepass"  # every text comes back as it was, whatever a file system put into it


class _Packed(Sequence[str]):
    """What both have in common."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({tuple(self[:3])!r}{f' and {len(self) - 3:,} more' if len(self) > 3 else ''})"

    def take(self, places: Sequence[int] | npt.NDArray[np.int64]) -> Self:
        """Those at these places, in this order."""
        raise NotImplementedError

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Self: ...
    def __getitem__(self, place: Any) -> Any:
        return self.take(range(len(self))[place]) if isinstance(place, slice) else self._one(range(len(self))[place])

    def _one(self, place: int) -> str:
        raise NotImplementedError


@final
class Names(_Packed):
    """Texts in one buffer; `starts` int64 (n + 1,) says where each begins, and the last where all end."""

    def __init__(self, data: bytes, starts: npt.NDArray[np.int64]) -> None:
        self._data, self._starts = data, starts

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        if isinstance(names, Names):
            return names
        return cls._joined(name.encode(*_CODE) for name in names)

    @classmethod
    def _joined(cls, parts: Iterable[bytes]) -> "Names":
        data, lengths = bytearray(), [0]
        for part in parts:
            data += part
            lengths.append(len(part))
        return cls(bytes(data), np.cumsum(lengths, dtype=np.int64))

    def take(self, places: Sequence[int] | npt.NDArray[np.int64]) -> "Names":
        if isinstance(places, range) and places == range(len(self)):
            return self
        if isinstance(places, range) and places.step == 1:
            starts = self._starts[places.start : places.start + len(places) + 1]
            return Names(self._data[starts[0] : starts[-1]], starts - starts[0])
        return Names._joined(self._at(np.asarray(places, np.int64)))

    def _at(self, places: npt.NDArray[np.int64]) -> Iterator[bytes]:
        for first in range(0, len(places), _CHUNK):
            part = places[first : first + _CHUNK]
            for start, end in zip(self._starts[part].tolist(), self._starts[part + 1].tolist(), strict=True):
                yield self._data[start:end]

    def __len__(self) -> int:
        return len(self._starts) - 1

    def _one(self, place: int) -> str:
        return self._data[self._starts[place] : self._starts[place + 1]].decode(*_CODE)

    def __iter__(self) -> Iterator[str]:
        return (part.decode(*_CODE) for part in self.parts())

    def parts(self) -> Iterator[bytes]:
        """Each as it is held."""
        for first in range(0, len(self), _CHUNK):
            starts = self._starts[first : first + _CHUNK + 1].tolist()
            for start, end in pairwise(starts):
                yield self._data[start:end]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Names):
            return self._data == other._data and np.array_equal(self._starts, other._starts)
        return super().__eq__(other)

    __hash__ = None


def digests_of(names: "Names") -> "Digests":
    """Those of the names themselves, where nothing else tells samples apart."""
    return Digests.joined(hashlib.sha256(name).digest() for name in names.parts())


@final
class Digests(_Packed):
    """SHA-256 digests, uint8 (n, 32), as texts of 64 hexadecimal digits."""

    def __init__(self, rows: npt.NDArray[np.uint8]) -> None:
        self.rows = rows

    @classmethod
    def of(cls, digests: Iterable[str]) -> "Digests":
        return digests if isinstance(digests, Digests) else cls.joined(map(bytes.fromhex, digests))

    @classmethod
    def joined(cls, digests: Iterable[bytes]) -> "Digests":
        whole = bytearray()  # joined at once, a million would lie in memory twice, one by one
        for digest in digests:
            whole += digest
        return cls(np.frombuffer(bytes(whole), np.uint8).reshape(-1, 32))

    @property
    def keys(self) -> npt.NDArray[np.uint64]:
        """The first 64 bits of each."""
        return np.ascontiguousarray(self.rows[:, :8]).view(">u8")[:, 0].astype(np.uint64)

    def order(self) -> npt.NDArray[np.int64]:
        """Their places as they are sorted, equal ones as they stand."""
        keys = self.keys
        order = np.argsort(keys, kind="stable")
        alike = int((keys[order[1:]] == keys[order[:-1]]).sum())
        if alike == int(self.repeat(order).sum()):
            return order
        return np.argsort(np.ascontiguousarray(self.rows).view("S32")[:, 0], kind="stable")  # 64 bits do not tell all

    def repeat(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Of each but the first, sorted in this order, whether it is the one before it again, (n - 1,)."""
        keys = self.keys[order]
        found: npt.NDArray[np.bool_] = keys[1:] == keys[:-1]
        places = np.flatnonzero(found)
        found[places] = (self.rows[order[places]] == self.rows[order[places + 1]]).all(1)
        return found

    def take(self, places: Sequence[int] | npt.NDArray[np.int64]) -> "Digests":
        return Digests(self.rows[np.asarray(places, np.int64)])

    def __len__(self) -> int:
        return len(self.rows)

    def _one(self, place: int) -> str:
        row: bytes = self.rows[place].tobytes()
        return row.hex()

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _CHUNK):
            digits = self.rows[first : first + _CHUNK].tobytes().hex()
            yield from (digits[start : start + 64] for start in range(0, len(digits), 64))

    def __eq__(self, other: object) -> bool:
        return np.array_equal(self.rows, other.rows) if isinstance(other, Digests) else super().__eq__(other)

    __hash__ = None
