"""Files that are read: what is no plain file, or no strict JSON, is a sentence that names it."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from striate.base import declared, reading
from striate.base.errors import RunError, printable
from striate.base.options import Range


def refused(path: Path, most: int = 100) -> str:
    with pytest.raises(RunError) as caught:
        reading.read_json(path, most)
    assert caught.value.where == printable(str(path))
    return caught.value.cause


def test_only_a_plain_file_of_a_size_that_can_be_meant_is_read(tmp_path: Path) -> None:
    (tmp_path / "whole").write_text("{}")
    assert reading.read_json(tmp_path / "whole", 100) == {}
    (tmp_path / "link").symlink_to(tmp_path / "whole")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    causes = {name: refused(tmp_path / name) for name in ("link", "pipe", "folder", "huge", "none", "a\0b")}
    assert causes["link"] == "it is a link, and nothing behind a link is read"
    assert causes["pipe"] == "it is a pipe and not a plain file"
    assert causes["folder"] == "it is a folder and not a plain file"
    assert causes["huge"] == "1,099,511,627,776 bytes, and at most 100 can be meant"
    assert causes["none"] == "no such file"
    assert refused(Path("/dev/zero")) == "it is a device and not a plain file"


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b'{"a": 1, "a": 2}', "'a' is there twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"[1e999]", "1e999 is too large a number"),
        (b"[" + b"9" * 90 + b"]", "is too large a number"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'["\xff"]', "utf-8"),
        ('{"a": 1}'.encode("utf-16"), "utf-8"),
        (b"[" * 40 + b"]" * 40, "nested more than 32 deep"),
        (b"", "Expecting value"),
        (b"[" * 50_000, "recursion"),
    ],
)
def test_json_is_strict(tmp_path: Path, data: bytes, cause: str) -> None:
    (tmp_path / "run.json").write_bytes(data)
    assert cause in refused(tmp_path / "run.json", 100_000)


def test_a_table_has_lines_as_long_as_its_head(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,"x\ny"\n')
    assert reading.read_table(path, 100) == (["a", "b"], [["1", "x\ny"]])
    for data in (b"a,b\n1\n", b"a,b\n\n", b"a,b\n1,2,3\n", b'a,b\n1,"2\n', b"a,b\n\xff,1\n", b"x" * 200):
        path.write_bytes(data)
        with pytest.raises(RunError, match=r"a\.csv"):
            reading.read_table(path, 100)


@dataclasses.dataclass(frozen=True)
class Inner:
    kind: Literal["one", 2]
    share: Annotated[float, Range(0.5, least=0, most=1)] = 0.5


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner
    names: tuple[str, ...] = ()
    pair: tuple[int, str] | None = None
    table: Mapping[str, float] = dataclasses.field(default_factory=dict)
    digest: declared.Digest = "0" * 64


ONE = {"inner": {"kind": "one"}}


def test_a_dataclass_is_its_own_schema() -> None:
    whole = {"inner": {"kind": 2, "share": 1}, "names": ["a"], "pair": [1, "b"], "table": {"c": 0.5}}
    assert declared.read(Outer, whole, "run.json") == Outer(Inner(2, 1), ("a",), (1, "b"), {"c": 0.5})
    assert declared.read(Annotated[Outer, declared.OPEN], ONE | {"other": 1}, "run.json") == Outer(Inner("one"))


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ([], "all of it is a list, and not a table"),
        ({}, "inner is missing"),
        ({"inner": {}}, "inner.kind is missing"),
        ({"inner": {"kind": True}}, "inner.kind is True, and not one of one, 2"),
        ({"inner": {"kind": "two"}}, "inner.kind is 'two', and not one of one, 2"),
        ({"inner": {"kind": 2, "share": 1.5}}, "inner.share is 1.5, and not a number from 0 to 1"),
        ({"inner": {"kind": 2, "share": True}}, "inner.share is True, and not a number"),
        ({"inner": {"kind": 2, "share": float("nan")}}, "inner.share is nan, and not a number"),
        ({"inner": {"kind": 2, "odd": 1}}, "inner.odd is no key that is known here"),
        (ONE | {"odd": 1}, "odd is no key that is known here"),
        (ONE | {"names": "abc"}, "names is 'abc', and not a list"),
        (ONE | {"names": ["a", 1]}, "names[1] is 1, and not a text"),
        (ONE | {"pair": [1]}, "pair has 1 part, and not 2"),
        (ONE | {"pair": [1.0, "b"]}, "pair[0] is 1.0, and not a whole number"),
        (ONE | {"table": {"c": None}}, "table.c is None, and not a number"),
        (ONE | {"digest": "0"}, "digest is '0', and not a text of the form [0-9a-f]{64}"),
    ],
)
def test_the_first_key_that_cannot_be_meant_is_named(value: Any, cause: str) -> None:
    with pytest.raises(RunError) as caught:
        declared.read(Outer, value, "run.json")
    assert (caught.value.where, caught.value.cause) == ("run.json", cause)
