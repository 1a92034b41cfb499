"""What a person is told: a code, the file or key, the cause, and what to try."""

import difflib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Option:
    """An option in a hint, which Python and the shell each spell in their own way.

    `table` is the key of a recipe that holds it: "model_options" or "task_options".
    """

    name: str
    value: object
    table: str = ""

    def __str__(self) -> str:
        return f"{self.name}={self.value!r}"


Hint = str | tuple[str | Option, ...]


_SENTENCE = 2_000


class StriateError(Exception):
    """One sentence for a person; `kind` and `exit_code` are fixed by the subclass.

    A hint is a text, or texts and options in a row; `hint` and the message spell those as Python does.
    """

    kind: ClassVar[str]
    exit_code: ClassVar[int]

    def __init__(self, where: object, cause: str, hint: Hint) -> None:
        self._parts = (hint,) if isinstance(hint, str) else hint
        self.where, self.cause, self.hint = escaped(str(where)), printable(cause, _SENTENCE), self.told(str)
        super().__init__(f"{self.where}: {self.cause}. Try: {self.hint}")

    @property
    def options(self) -> tuple[Option, ...]:
        """Those that the hint names."""
        return tuple(part for part in self._parts if isinstance(part, Option))

    def told(self, spell: Callable[[Option], str]) -> str:
        """The hint with each option as `spell` writes it."""
        return printable("".join(spell(part) if isinstance(part, Option) else part for part in self._parts), _SENTENCE)

    def __reduce__(self) -> tuple[type["StriateError"], tuple[str, str, Hint]]:
        """So that a worker process can hand the whole error to the one that started it."""
        return type(self), (self.where, self.cause, self._parts)

    def as_dict(self, spell: Callable[[Option], str] = str) -> dict[str, object]:
        """The same fields for `--json`."""
        return {
            "error": self.kind,
            "where": self.where,
            "cause": self.cause,
            "try": self.told(spell),
            "exit_code": self.exit_code,
        }


class UsageError(StriateError):
    """A recipe, option or argument that cannot be meant."""

    kind, exit_code = "usage", 2


class DataError(StriateError):
    """Pictures, folders or labels that cannot be used."""

    kind, exit_code = "data", 3


class RunError(StriateError):
    """A run folder, a checkpoint or weights that cannot be used, or a training that broke down."""

    kind, exit_code = "run", 4


class MachineError(StriateError):
    """This machine lacks something: a device, disk space, a library."""

    kind, exit_code = "environment", 5


class Fault(StriateError):
    """striate itself went wrong: nothing is wrong with what it was given."""

    kind, exit_code = "fault", 1


class Interrupted(StriateError):
    """A signal asked the program to stop, and what was done is saved."""

    kind, exit_code = "interrupted", 130


class HungUp(StriateError):
    """The terminal is gone, and what was done is saved."""

    kind, exit_code = "hung up", 129


class Terminated(StriateError):
    """SIGTERM asked the program to stop, and what was done is saved."""

    kind, exit_code = "terminated", 143


def nearest(name: str, names: Iterable[str], most: int = 1) -> list[str]:
    """At most so many names that are like `name` in letters of any case, best first; none where none is."""
    spelled = {each.lower(): each for each in names}
    return [spelled[each] for each in difflib.get_close_matches(name.lower(), spelled, n=most)]


def near(name: str, names: Iterable[str], otherwise: str, hint: str = "{!r}") -> str:
    """A `hint` with the name that is nearest, or what to try `otherwise`."""
    return next((hint.format(each) for each in nearest(name, names)), otherwise)


_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, most: int = 400) -> str:
    """`escaped`, and cut after `most` characters."""
    safe = escaped(text)
    return safe if len(safe) <= most else safe[:most] + "..."


def escaped(text: str) -> str:
    """`text` with control, bidirectional and undecodable characters spelled out, in one line.

    A byte of a file name that is not UTF-8 is written as such: `caf\\xe9`.
    """
    return text if text.isprintable() else "".join(map(_spelled, text))


def encodable(text: str) -> str:
    """`text` that every encoding of Unicode can hold: what is not UTF-8 in a file name is escaped."""
    if text.isascii():
        return text
    return "".join(_spelled(each) if unicodedata.category(each) == "Cs" else each for each in text)


def _spelled(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE:
        return character
    if "\udc80" <= character <= "\udcff":  # a byte, as `os.fsdecode` keeps it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
