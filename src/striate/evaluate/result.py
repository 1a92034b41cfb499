"""Rows kept of pictures become the numbers of a result, each with its n, its subset and its interval."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from striate.base import words
from striate.evaluate.grouped import Groups
from striate.evaluate.intervals import FEWEST
from striate.evaluate.numbers import number
from striate.evaluate.paired import paired
from striate.tasks.measures import Measure
from striate.tasks.task import Rows, Task

# With fewer pictures, or groups, Wilson's interval of a half is wider than a half.
RARE = 12


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


def doubts(result: Mapping[str, Any]) -> list[str]:
    """In sentences, what numbers of a result tell too little: of classes that are rare, and of few groups."""
    said, subset = [], words.subset(result["subset"])
    rows = [
        (each["class"], recall)
        for each in result.get("classes", ())
        if "support" in each and (recall := each.get("recall"))
    ]
    units = {name: recall["n"] if recall.get("groups") is None else recall["groups"] for name, recall in rows}
    if rare := {name: count for name, count in units.items() if count < RARE}:
        what = "groups" if any(recall.get("groups") is not None for _, recall in rows) else "pictures"
        listed = words.some((f"{name!r} has {count:,}" for name, count in rare.items()), 3)
        said.append(
            f"too rare for a number of their own to tell much, for with fewer than {RARE} {subset} {what} an interval "
            f"may span half of the scale: {listed}"
        )
    groups = result["numbers"][0].get("groups")
    if groups is not None and groups < FEWEST and result.get("baselines"):
        said.append(f"{words.many(groups, f'{subset} group')} cannot tell two apart: that takes at least {FEWEST}")
    return said


def _plain(value: Any, subset: str, groups: Groups | None) -> Any:
    """The same with a number in place of each measure."""
    if isinstance(value, get_args(Measure)):
        return number(value, subset, groups).as_dict()
    if isinstance(value, Mapping):
        return {key: _plain(each, subset, groups) for key, each in value.items()}
    if isinstance(value, list) and value and not isinstance(value[0], int | float | list):
        return [_plain(each, subset, groups) for each in value]
    return value
