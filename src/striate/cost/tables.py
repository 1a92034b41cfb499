"""A count as text, Markdown, CSV, JSON, HTML and a data frame: the same columns in each."""

import csv
import html
import io
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from striate.base.errors import MachineError

if TYPE_CHECKING:
    from striate.cost.count import Count, Row, Tally
    from striate.cost.field.fields import FeatureMap, Field
    from striate.cost.memory import Peak

TALLY = ("macs", "macs_valid", "additions", "comparisons", "transcendental", "bytes_read", "bytes_written")
COLUMNS = ("module", "kind", "input", "output", "field", "params", "activations", "outputs", *TALLY)
# What fits a screen: attribute -> head.
SHOWN: Mapping[str, str] = {
    "module": "module",
    "kind": "kind",
    "output": "output",
    "field": "field",
    "params": "parameters",
    "macs": "multiply-adds",
    "macs_valid": "without padding",
    "additions": "additions",
    "comparisons": "comparisons",
    "transcendental": "transcendental",
}
LEFT = ("module", "kind", "output", "field")
SPARED = ("transcendental", "comparisons", "additions", "macs_valid", "field", "kind", "output")  # the first first


def text(count: "Count", width: int | None = None) -> str:
    """An aligned table with totals, and a line for each phase; columns that a terminal of `width` lacks are named."""
    lines = [list(SHOWN.values()), *_shown(count)]
    columns = dict(zip(SHOWN, zip(*lines, strict=True), strict=True))
    left_out = []
    for name in SPARED:
        if width is not None and _line_width(columns) > width:
            del columns[name]
            left_out.append(SHOWN[name])
    padded = [
        [cell.ljust(most) if name in LEFT else cell.rjust(most) for cell in column]
        for name, column in columns.items()
        for most in [max(map(len, column))]
    ]
    head, *rows, totals = ("  ".join(line).rstrip() for line in zip(*padded, strict=True))
    rule = "-" * _line_width(columns)
    notes = _notes(count)
    if left_out:
        notes.append(f"left out, for the terminal is narrow: {', '.join(left_out)}; --format csv or json has them")
    return "\n".join([_head(count), head, rule, *rows, rule, totals, *notes])


def _line_width(columns: Mapping[str, Sequence[str]]) -> int:
    return sum(max(map(len, column)) for column in columns.values()) + 2 * (len(columns) - 1)


def markdown(count: "Count") -> str:
    """A table that GitHub and notebooks show, numbers to the right."""
    marks = ["---" if name in LEFT else "---:" for name in SHOWN]
    cells = [list(SHOWN.values()), marks, *_shown(count)]
    table = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells]
    return "\n".join([_head(count), "", *table, "", *(f"- {note}" for note in _notes(count))])


def html_table(count: "Count") -> str:
    """For a notebook: one escaped table without style sheets or scripts of its own."""

    def line(cells: Sequence[str], tag: str) -> str:
        aligned = [("left" if name in LEFT else "right", cell) for name, cell in zip(SHOWN, cells, strict=True)]
        return "<tr>" + "".join(
            f'<{tag} style="text-align:{side};white-space:nowrap">{html.escape(cell)}</{tag}>' for side, cell in aligned
        ) + "</tr>"  # fmt: skip

    *rows, totals = _shown(count)
    notes = "<br>".join(html.escape(note) for note in _notes(count))
    return (
        f"<table><caption>{html.escape(_head(count))}</caption>"
        f"<thead>{line(list(SHOWN.values()), 'th')}</thead>"
        f"<tbody>{''.join(line(row, 'td') for row in rows)}</tbody>"
        f"<tfoot>{line(totals, 'th')}</tfoot></table><p>{notes}</p>"
    )


def csv_text(count: "Count") -> str:
    """A head line and one line a row."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_record(row) for row in count.rows)
    return file.getvalue()


def dataframe(count: "Count") -> Any:
    """One line a row; shapes as text, numbers as whole numbers."""
    try:
        pandas = import_module("pandas")
    except ImportError as error:
        raise MachineError("pandas", "a data frame needs it and it is not installed", "pip install pandas") from error
    return pandas.DataFrame([_record(row) for row in count.rows], columns=list(COLUMNS))


def as_json(count: "Count", indent: int | None) -> str:
    """Totals, phases and rows; shapes as lists."""
    return json.dumps(as_dict(count), indent=indent, ensure_ascii=False)


def as_dict(count: "Count") -> dict[str, object]:
    """What `as_json` writes."""
    return {
        "network": count.network,
        "inputs": count.inputs,
        "batch": count.batch,
        "training": count.training,
        "params": count.params,
        "trainable": count.trainable,
        "frozen": count.frozen,
        "buffers": count.buffers,
        "activations": count.activations,
        "outputs": count.outputs,
        **_tallied(count.tally),
        "last": None if count.last is None else _map(count.last),
        "peak_bytes": count.peak_bytes,
        "memory": None if count.memory is None else _peak(count.memory),
        "phases": {phase: _tallied(tally) for phase, tally in count.phases.items()},
        "unknown": count.unknown,
        "rows": [
            {
                **_record(row),
                "input": row.inputs,
                "output": row.output,
                "field": None if row.field is None else _seen(row.field),
                "called": row.called,
                "phases": {phase: _tallied(tally) for phase, tally in row.phases.items()},
            }
            for row in count.rows
        ],
    }


def _tallied(tally: "Tally") -> dict[str, int]:
    return {name: getattr(tally, name) for name in TALLY}


def _seen(field: "Field") -> dict[str, object]:
    """Pixels by axis; a stride may be half a pixel behind an upsampling."""
    stride = [int(each) if each == int(each) else float(each) for each in field.stride]
    return {
        "size": field.size,
        "stride": stride,
        "offset": field.offset,
        "uniform": field.uniform,
        "whole": field.whole,
    }


def _map(last: "FeatureMap") -> dict[str, object]:
    return {"module": last.module, "shape": last.shape, "field": _seen(last.field)}


def _peak(memory: "Peak") -> dict[str, object]:
    names = ("bytes", "phase", "operator", "module", "kinds", "operators")
    return {name: getattr(memory, name) for name in names}


def _record(row: "Row") -> dict[str, object]:
    return {
        "module": row.module,
        "kind": row.kind,
        "input": " ".join(map(_shape, row.inputs)),
        "output": _shape(row.output),
        "field": _field(row.field),
        "params": row.params,
        "activations": row.activations,
        "outputs": row.outputs,
        **_tallied(row.tally),
    }


def _shown(count: "Count") -> list[list[str]]:
    """The rows and, last, the totals, as text."""
    lines = []
    for row in count.rows:
        record = _record(row) | {"module": row.module or count.network}
        if not row.called:
            record["output"] = "not called"
        lines.append([_cell(record[name]) for name in SHOWN])
    totals = {"module": "total", "params": count.params, **_tallied(count.tally)}
    lines.append([_cell(totals.get(name, "")) for name in SHOWN])
    return lines


def _head(count: "Count") -> str:
    shapes = " and ".join(map(_shape, count.inputs))
    what = "one training step" if count.training else "forward"
    return f"{count.network}, {what}, input {shapes} (batch of {count.batch})"


def _notes(count: "Count") -> list[str]:
    notes = [f"parameters: {count.trainable:,} trainable, {count.frozen:,} frozen; buffers: {count.buffers:,}"]
    notes.append(f"outputs of convolutions, linear layers and matrix products: {count.activations:,}")
    for phase, tally in count.phases.items():
        notes.append(
            f"{phase}: {tally.macs:,} multiply-adds, {tally.bytes_read:,} bytes read, {tally.bytes_written:,} written"
        )
    if count.last is not None:
        shape = _shape(count.last.shape[1:])
        notes.append(f"last feature map: {shape} of {count.last.module or count.network}, sees {count.last.field}")
    if count.memory is not None:
        notes += str(count.memory).splitlines()
    return notes + not_counted(count)


def not_counted(count: "Count") -> list[str]:
    """A line for each operator without a rule."""
    lines = []
    for operator, modules in count.unknown.items():
        names = ", ".join(name or count.network for name in modules)
        lines.append(f"NOT COUNTED: {operator}, {sum(modules.values())} times, in {names}")
    return lines


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _shape(shape: Sequence[int] | None) -> str:
    return "" if shape is None else "x".join(map(str, shape)) or "1 number"


def _field(field: object) -> str:
    return "" if field is None else str(field)
