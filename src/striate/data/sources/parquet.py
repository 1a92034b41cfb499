"""Parquet: a table of typed columns, which may hold the pictures themselves as Hugging Face writes them."""

import json
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, final

from striate.base.errors import DataError
from striate.base.foreign import missing_package
from striate.data.contents import identity_of
from striate.data.picture import decode, limits
from striate.data.picture.pixels import PIXELS
from striate.data.sources.sheet import Sheet

SUFFIX = ".parquet"
# Pictures are had by row group, a few of which each process keeps.
MOST_BYTES, _KEPT = 256_000_000, 4
_WHOLE = "a whole Parquet file: copy or download it again"


@final
@dataclass(frozen=True)
class Cells:
    """Pictures in a column of bytes, or of bytes beside a path; `starts` are the first rows of the row groups."""

    path: Path
    column: str
    starts: Sequence[int]
    rows: Sequence[int]

    def __call__(self, index: int, max_pixels: int = PIXELS) -> bytes:
        row = self.rows[index]
        group = bisect_right(self.starts, row) - 1
        with telling(self.path):
            column = _row_group(self.path, self.path.stat().st_mtime_ns, self.column, group)
            data: bytes | None = column[row - self.starts[group]].as_py()
        if data is None:
            raise DataError(
                self.where(index), "the table holds no bytes of it", "its bytes, or a column of paths alone"
            )
        limits.refuse_large(len(data), self.where(index), max_pixels)
        return data

    def where(self, index: int) -> str:
        return f"{self.path}, row {self.rows[index] + 1}"

    def identity(self, index: int) -> tuple[int, ...] | None:
        found = identity_of(self.path)
        return found and (*found, self.rows[index])

    def taken(self, places: Sequence[int]) -> "Cells":
        return replace(self, rows=tuple(self.rows[place] for place in places))


@lru_cache(maxsize=_KEPT)
def _metadata(path: Path, changed: int) -> Any:
    from pyarrow import parquet

    with decode.open_file(path) as opened:
        return parquet.read_metadata(opened)


@lru_cache(maxsize=_KEPT)
def _row_group(path: Path, changed: int, column: str, group: int) -> Any:
    import pyarrow
    from pyarrow import parquet

    metadata = _metadata(path, changed)
    with decode.open_file(path) as opened, parquet.ParquetFile(opened, metadata=metadata) as file:
        found = file.read_row_group(group, [column], use_threads=False).column(0)
    array = found.combine_chunks() if found.num_chunks != 1 else found.chunk(0)
    return array.field("bytes") if pyarrow.types.is_struct(array.type) else array


def read(path: Path, known: Collection[str], pictures: Collection[str] = ()) -> Sheet:
    """The cells of those columns whose heads are `known`, in any case, as texts; others are left empty.

    Whole numbers stay as they are, also where they became fractions because some are missing; a class of the `datasets`
    package is its name. One of the columns called as in `pictures` may hold these: their names are then another column
    of texts called so, or the paths beside them. A DataError where such a column holds no plain values.
    """
    import_pyarrow(path)
    from pyarrow import parquet

    with telling(path), decode.open_file(path) as opened, parquet.ParquetFile(opened) as file:
        schema = file.schema_arrow
        wanted = [name for name in schema.names if name.lower() in known]
        if len(set(wanted)) < len(wanted):
            raise DataError(path, f"a column twice: {', '.join(wanted)}", "a name of its own for each column")
        held = [name for name in wanted if name.lower() in pictures and _holds_bytes(schema.field(name).type)]
        if len(held) > 1:
            raise DataError(path, f"columns {' and '.join(held)} each hold pictures", "keep one of them")
        contents, names = _pictures(path, file, held[0]) if held else (None, [])
        table = file.read([name for name in wanted if name not in held], use_threads=False)
        count = file.metadata.num_rows
    classes = _class_names(schema.metadata)
    cells = {name: _texts(path, name, table.column(name), classes.get(name)) for name in table.column_names}
    said = [name for name in cells if name.lower() in pictures]
    if held and len(said) == 1:
        cells[said[0]] = names_of(cells[said[0]], numbered(count))
    elif held and not said:
        cells[held[0]] = names
    head = ["" if said and name in held else name for name in schema.names]  # its names stand in another
    columns = (cells.get(name, [""] * count) for name in schema.names)
    return Sheet(head, [*enumerate(zip(*columns, strict=True), start=1)], "row", contents=contents)


def _holds_bytes(kind: Any) -> bool:
    """Whether a column holds bytes: alone, or as Hugging Face writes a picture, beside its path."""
    from pyarrow import types

    if types.is_struct(kind):
        own = kind.field("bytes").type if kind.get_field_index("bytes") >= 0 else kind
        return own != kind and (types.is_null(own) or _holds_bytes(own))  # none at all are told picture by picture
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _pictures(path: Path, file: Any, name: str) -> tuple[Cells, list[str]]:
    """What a column of pictures holds, and what they are called."""
    from pyarrow import types

    kind, counts = file.schema_arrow.field(name).type, []
    leaf = f"{name}.bytes" if types.is_struct(kind) else name
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        counts.append(group.num_rows)
        columns = (group.column(place) for place in range(group.num_columns))
        size = next(each.total_uncompressed_size for each in columns if each.path_in_schema == leaf)
        if size > MOST_BYTES:
            cause = f"a row group of {size:,} bytes of pictures, more than the {MOST_BYTES:,} that are read at a time"
            raise DataError(path, cause, "the table written with row_group_size=100, as the datasets package does")
    starts = [sum(counts[:place]) for place in range(len(counts))]
    count, paths = sum(counts), list[str | None]()
    if types.is_struct(kind) and kind.get_field_index("path") >= 0:
        paths = file.read([f"{name}.path"], use_threads=False).column(0).combine_chunks().field("path").to_pylist()
    return Cells(path, leaf, tuple(starts), range(count)), names_of(paths, numbered(count))


def names_of(paths: Sequence[str | None], others: Sequence[str]) -> list[str]:
    """What pictures are called: by their paths if each has its own, which leads nowhere else; or by the other names."""
    texts = [path or "" for path in paths]
    if len({PurePosixPath(text) for text in texts if _is_name(text)}) == len(others):
        return [PurePosixPath(text).as_posix() for text in texts]
    return list(others)


def numbered(count: int) -> list[str]:
    return [f"{place:0{len(str(count - 1))}d}" for place in range(count)]


def _is_name(text: str) -> bool:
    parts = PurePosixPath(text).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and not {"\\", "\0", ":"} & set(text)


def import_pyarrow(path: Path) -> None:
    """A MachineError says what to install where pyarrow is missing."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise missing_package(str(path), error, "data") from None


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """What pyarrow says of a file that is cut or none of its own, in one line."""
    import pyarrow

    try:
        yield
    except (OSError, pyarrow.ArrowException) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(path, f"not a Parquet file that can be read ({said})", _WHOLE) from None


def _class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """The classes of each column, where the `datasets` package wrote them beside the numbers."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {name: list(map(str, each["names"])) for name, each in features.items() if each.get("names")}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _texts(path: Path, name: str, column: Any, classes: list[str] | None) -> list[str]:
    """A column as a CSV file would hold it: "" where a value is missing."""
    from pyarrow import types

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    values = column.to_pylist()
    if types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind):
        return ["" if value is None else value for value in values]
    if types.is_integer(kind) and classes:
        return [classes[value] if value is not None and 0 <= value < len(classes) else "" for value in values]
    if types.is_integer(kind) or types.is_boolean(kind):
        return ["" if value is None else str(value).lower() for value in values]
    if types.is_floating(kind):
        return ["" if value is None else str(int(value)) if value % 1 == 0 else str(value) for value in values]
    raise DataError(path, f"column {name} holds {column.type}", "texts or whole numbers there")
