"""Parquet: a table of typed columns, which may hold the pictures themselves as Hugging Face writes them."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from striate.base.errors import DataError
from striate.base.foreign import missing_package
from striate.data.picture import decode
from striate.data.sources.sheet import Sheet

SUFFIX = ".parquet"
_WHOLE = "a whole Parquet file: copy or download it again"


def read(path: Path, known: Collection[str]) -> Sheet:
    """The cells of those columns whose heads are `known`, in any case, as texts; others are left empty.

    Whole numbers stay as they are, also where they became fractions because some are missing; a class of the `datasets`
    package is its name. A DataError where such a column holds no plain values.
    """
    import_pyarrow(path)
    import pyarrow
    from pyarrow import parquet

    try:
        with decode.open_file(path) as opened, parquet.ParquetFile(opened) as file:
            head = list(file.schema_arrow.names)
            wanted = [name for name in head if name.lower() in known]
            if len(set(wanted)) < len(wanted):
                raise DataError(path, f"a column twice: {', '.join(wanted)}", "a name of its own for each column")
            table = file.read(wanted)
    except (OSError, pyarrow.ArrowException) as error:
        raise broken(path, error) from None
    names = _class_names(table.schema.metadata)
    cells = {name: _texts(path, name, table.column(name), names.get(name)) for name in wanted}
    empty = [""] * len(table)
    columns = (cells.get(name, empty) for name in head)
    return Sheet(head, [*enumerate(zip(*columns, strict=True), start=1)], "row")


def import_pyarrow(path: Path) -> None:
    """A MachineError says what to install where pyarrow is missing."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise missing_package(str(path), error, "data") from None


def broken(path: Path, error: Exception) -> DataError:
    """What pyarrow says of a file that is cut or none of its own, in one line."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(path, f"not a Parquet file that can be read ({said})", _WHOLE)


def _class_names(metadata: Any) -> dict[str, list[str]]:
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
