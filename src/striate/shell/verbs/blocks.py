"""striate blocks and gates: what residual blocks add and what is lost without each; what gates let through."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from striate.base.errors import UsageError
from striate.shell import asked
from striate.shell.output import Device, Force, Json, Keep, print_json, print_table, refuse_force, tell
from striate.shell.verbs.runs import Folder

Subset = Annotated[Literal["validation", "train"], Parameter(help="Of which of the run's own pictures.")]
Pictures = Annotated[int, Parameter(help="Of at most so many pictures.")]
Out = Annotated[Path | None, Parameter(help="Write the figure to this SVG file.")]
Moved = Annotated[Path | None, Parameter(name="--data", help="Where this run's own data lie now.")]
Command = Annotated[str, Parameter(parse=False)]


def blocks(
    run: Folder,
    /,
    *,
    subset: Subset = "validation",
    pictures: Pictures = 500,
    out: Out = None,
    keep: Keep = False,
    moved: Moved = None,
    force: Force = False,
    json: Json = False,
    device: Device = "cpu",
    command: Command = "",
) -> None:
    """What each residual block adds to what passes it by, and what is lost without it. No test picture is looked at.

    Example: striate blocks runs/photos-resnet18-1 --out blocks.svg
    """
    _answer("blocks", run, pictures, out, force, json,
            {"subset": subset, "data": moved, "keep": keep and command, "device": device})  # fmt: skip


def gates(
    run: Folder,
    /,
    *,
    subset: Subset = "validation",
    pictures: Pictures = 500,
    out: Out = None,
    keep: Keep = False,
    moved: Moved = None,
    force: Force = False,
    json: Json = False,
    device: Device = "cpu",
    command: Command = "",
) -> None:
    """What squeeze-excitation lets through of each class, map for map. No test picture is looked at.

    Example: striate gates runs/digits-resnet20-1 --out gates.svg
    """
    _answer("gates", run, pictures, out, force, json,
            {"subset": subset, "data": moved, "keep": keep and command, "device": device})  # fmt: skip


def _answer(
    verb: Literal["blocks", "gates"], run: Path, pictures: int, out: Path | None, force: bool, json: bool,
    asked_for: dict[str, Any],
) -> None:  # fmt: skip
    refuse_force(force, out)
    if pictures < 1:
        raise UsageError("pictures", f"{pictures} is out of range", "a number of at least 1")
    output = None if out is None else asked.drawn("--out", out, force)
    import striate
    from striate.base.screen import Screen
    from striate.report import blocks as drawing
    from striate.shell.verbs.runs import opened_with

    with Screen(quiet=True) as screen:
        opened = opened_with(screen, run)
        told = partial(screen.progress, verb if verb == "blocks" else "pictures")
        found = getattr(striate, verb)(opened, pictures=pictures, progress=told, **asked_for)
    if output is not None:
        asked.write(output, getattr(drawing, verb)(found))
    if json:
        print_json({"run": str(run), **found.as_dict()})
        return
    table = found.table()
    print_table(table.head, table.rows, table.to_the_right(), table.spared)
    for line in table.notes:
        tell(line)
