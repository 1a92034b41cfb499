"""While a network is built to be counted nothing is fetched: who tries is told at once, and waits for no server."""

from __future__ import annotations

import contextlib
import socket
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any


class Fetched(BaseException):
    """Something was to be fetched. Not an `Exception`: those who fetch catch these, wait, and try again."""


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Connections, urllib and torch.hub raise `Fetched` while it lasts; connections within the machine too."""

    def refused(*args: Any, **kwargs: Any) -> Any:
        told = [each for each in (*args, *kwargs.values()) if not isinstance(each, socket.socket)]
        raise Fetched(_address(told[0]) if told else "")

    places: list[tuple[Any, str]] = [(socket, "getaddrinfo"), (socket.socket, "connect"), (urllib.request, "urlopen")]
    hub = sys.modules.get("torch.hub")
    if hub is not None:
        places += [(hub, "load_state_dict_from_url"), (hub, "download_url_to_file")]
    before = [(owner, name, vars(owner).get(name)) for owner, name in places]
    for owner, name in places:
        setattr(owner, name, refused)
    try:
        yield
    finally:
        for owner, name, own in before:
            if own is None:  # it is inherited
                delattr(owner, name)
            else:
                setattr(owner, name, own)


def _address(given: Any) -> str:
    """A URL, a host, or (host, port)."""
    url = getattr(given, "full_url", given)
    return str(url[0] if isinstance(url, tuple) and url else url)
