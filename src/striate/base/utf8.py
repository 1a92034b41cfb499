"""Texts that no encoding of Unicode can hold, as the names of files may be: what becomes of them in JSON."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from striate.base.errors import encodable

_ODD = "not UTF-8"
# What the codec "unicode_escape" writes.
_WRITTEN = re.compile(r"(?:[ -\[\]-~]|\\(?:[\\tnr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}))*", re.ASCII)


def readable(value: Any) -> Any:
    """A value for people and other programs: what is not UTF-8 is spelled out, `caf\\xe9`."""
    return _each(value, encodable)


def exact(value: Any) -> Any:
    """A value for a file that is read back: such a text is an object, which `restored` turns back."""
    return _each(
        value, lambda text: text if encodable(text) == text else {_ODD: text.encode("unicode_escape").decode()}
    )


def restored(value: dict[str, Any]) -> Any:
    """The hook for `json.loads` of what `exact` made; a ValueError where it made nothing like it."""
    odd = value.get(_ODD)
    if len(value) != 1 or not isinstance(odd, str):
        return value
    if not _WRITTEN.fullmatch(odd):
        raise ValueError(f"{odd!r} is no text that was written so")
    return odd.encode("ascii").decode("unicode_escape")


def _each(value: Any, text: Callable[[str], Any]) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {encodable(str(key)): _each(each, text) for key, each in value.items()}
    return [_each(each, text) for each in value] if isinstance(value, list | tuple) else value
