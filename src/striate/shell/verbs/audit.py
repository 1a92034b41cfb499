"""striate audit: pictures looked through before training."""

import dataclasses
import inspect
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from striate.data.asked import AUDITED
from striate.shell.output import Force, Json, print_json, print_table, refuse_force, tell
from striate.shell.recipes import taking
from striate.training.recipe import Recipe


def audit(data: str, /, *, page: Path | None = None, force: Force = False, json: Json = False, **reading: Any) -> None:
    """Look pictures through before training: broken files, near-duplicates, leaks, conflicts, balance, odd ones.

    Example: striate audit digits

    Example: striate audit photos/ --page audit.html

    Example: striate audit runs/digits-lenet5-1
    """
    refuse_force(force, page)
    from striate.base.screen import Screen
    from striate.face.auditing import looked_through

    given = {name: value for name, value in reading.items() if value is not None}
    with Screen(quiet=True) as screen:
        found = looked_through(data, page, force, screen, given)
    if json:
        print_json({**found.as_dict(), "page": None if page is None else str(page)})
        return
    tell(found.headline)
    for table in found.tables():
        tell()
        print_table(table.head, table.rows, table.to_the_right())
        for note in table.notes:
            tell(note)
    tell()
    for note in found.notes:
        tell(f"note: {note}")
    tell(f"page    {page}" if page else f"with small pictures: striate audit {data} --page audit.html")


def _parameters() -> list[inspect.Parameter]:
    """Its own parameters, then the keys of a recipe that say how data are read."""
    *own, _ = inspect.signature(audit).parameters.values()
    helps = {
        "data": "What `striate train` takes, with labels, masks or neither; or a run folder, for its own split; "
        "or a folder of runs that are all folds of the data, which doubt labels.",
        "page": "Write what was found to this HTML file, with small pictures.",
    }
    told = [
        each.replace(annotation=Annotated[each.annotation, Parameter(help=helps[each.name])])
        if each.name in helps
        else each
        for each in own
    ]
    group = Group("Reading", sort_key=1)
    keys = {key.name: key for key in dataclasses.fields(Recipe)}
    for name in AUDITED:
        kind = keys[name].type if keys[name].default is None else keys[name].type | None  # type: ignore[operator]
        parameter = Parameter(help=keys[name].metadata["help"], group=group, show_default=False)
        told.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, parameter])
        )
    return told


taking(audit, _parameters())
