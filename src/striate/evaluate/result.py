"""Rows kept of pictures become the numbers of a result, each with its n, its subset and its interval."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from striate.evaluate.grouped import Groups
from striate.evaluate.numbers import number
from striate.evaluate.paired import paired
from striate.tasks.measures import Measure
from striate.tasks.task import Rows, Task


def result(task: Task, kept: Rows, subset: str, groups: Groups | None = None) -> dict[str, Any]:
    """What result.json says of these rows; `groups` (n,) as for `number`."""
    return {
        "subset": subset,
        "n": len(kept),
        "numbers": [number(each, subset, groups).as_dict() for each in task.measures(kept)],
        **_plain(task.breakdown(kept), subset, groups),
    }


def beside(one: Measure, rivals: Sequence[Measure], subset: str, groups: Groups | None = None) -> list[dict[str, Any]]:
    """The baselines of result.json: the number of each, and what lies between `one` and it, picture for picture."""
    told = []
    for each in rivals:
        found = paired(one, each, groups)
        told.append(number(each, subset, groups).as_dict() | ({} if found is None else {"paired": found.as_dict()}))
    return told


def _plain(value: Any, subset: str, groups: Groups | None) -> Any:
    """The same with a number in place of each measure."""
    if isinstance(value, get_args(Measure)):
        return number(value, subset, groups).as_dict()
    if isinstance(value, Mapping):
        return {key: _plain(each, subset, groups) for key, each in value.items()}
    if isinstance(value, list) and value and not isinstance(value[0], int | float | list):
        return [_plain(each, subset, groups) for each in value]
    return value
