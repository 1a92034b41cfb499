"""What was seen of each layer while a network learned: watch.csv of a run folder.

Importing this file does not import torch.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import final

from striate.base import durable, reading
from striate.base.errors import RunError
from striate.base.reading import DAMAGED
from striate.runs.schema import MOST_LINES

FILE = "watch.csv"
MOST_NAME = 400
# What is striking of a layer: so many of its units dead; its weights changed by so little, or so much, in a step.
DEAD, STILL, WILD = 0.9, 1e-6, 0.1
# And of a network: the gradient of the first layer as a part of the last one's.
VANISHED = 1e-4


@final
@dataclass(frozen=True)
class Seen:
    """One layer in one step, counted from 0, of an epoch, counted from 1; NaN for what was not seen.

    `gradient`: norm of that of its weights, before it is clipped. `update`: norm of the change of the weights by theirs
    before. `mean` and `deviation` of what the layer gave; `dead`: the share of units, maps of a convolution, that the
    rectifier behind it left at 0 for the whole batch.
    """

    step: int
    epoch: int
    layer: str
    gradient: float
    update: float
    mean: float
    deviation: float
    dead: float


HEAD = [each.name for each in fields(Seen)]
# The least and the most that each value may be.
_WITHIN = {
    "gradient": (0, math.inf), "update": (0, math.inf), "mean": (-math.inf, math.inf), "deviation": (0, math.inf),
    "dead": (0, 1),
}  # fmt: skip


def write_watch(folder: Path, rows: Sequence[Seen]) -> None:
    """Numbers in six digits, nothing for what was not seen."""
    table = (
        [*astuple(row)[:3], *(float(f"{x:.6g}") if math.isfinite(x) else "" for x in astuple(row)[3:])] for row in rows
    )
    durable.write_csv(folder / FILE, HEAD, table)


def read_watch(folder: Path) -> list[Seen]:
    """The rows in order; none where the training was not watched."""
    path = folder / FILE
    if not os.path.lexists(path):
        return []
    head, lines = reading.read_table(path, MOST_LINES)
    if head != HEAD:
        raise RunError(path, "its head is not one that a training writes", DAMAGED)
    try:
        rows = [_row(line) for line in lines]
    except ValueError as error:
        raise RunError(path, f"cannot be read ({error})", DAMAGED) from None
    keys = [(row.step, row.layer) for row in rows]
    if len(set(keys)) < len(keys) or [step for step, _ in keys] != sorted(step for step, _ in keys):
        raise RunError(path, "its steps are not in order, or a layer is in one twice", DAMAGED)
    return rows


def _row(line: Sequence[str]) -> Seen:
    step, epoch, layer, *values = line
    row = Seen(int(step), int(epoch), durable.unquoted(layer), *(float(each) if each else math.nan for each in values))
    for name, (least, most) in _WITHIN.items():
        value = getattr(row, name)
        if math.isinf(value) or value < least or value > most:
            raise ValueError(f"{name} {value}")
    if row.step < 0 or row.epoch < 1 or not 0 < len(layer) <= MOST_NAME:
        raise ValueError(f"step {step} of layer {layer[:MOST_NAME]!r}")
    return row


def layers(rows: Sequence[Seen]) -> list[str]:
    """Their names in the order in which they ran."""
    return list(dict.fromkeys(row.layer for row in rows))


def striking(rows: Sequence[Seen]) -> str:
    """What of the last step that was watched is worth a look, in a sentence; "" where nothing is."""
    last = [row for row in rows if row.step == rows[-1].step]
    if dead := [row for row in last if row.dead > DEAD]:
        worst = max(dead, key=lambda row: row.dead)
        return f"{worst.dead:.0%} of the units of {worst.layer} are dead{_others(dead)}"
    if wild := [row for row in last if row.update > WILD]:
        worst = max(wild, key=lambda row: row.update)
        return f"one step changes the weights of {worst.layer} by {worst.update:.0%}{_others(wild)}: the rate is high"
    known = [row for row in last if row.gradient > 0]
    if len(known) > 1 and known[0].gradient < VANISHED * known[-1].gradient:
        return (
            f"the gradient of {known[0].layer} is {known[0].gradient / known[-1].gradient:.0e} of that of "
            f"{known[-1].layer}: it vanishes on its way back"
        )
    return ""


def _others(found: Sequence[Seen]) -> str:
    return f", and those of {len(found) - 1} more" if len(found) > 1 else ""
