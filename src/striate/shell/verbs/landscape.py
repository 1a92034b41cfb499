"""striate landscape: the loss around a run's weights, as a figure and numbers."""

import dataclasses
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from striate.shell import asked
from striate.shell.output import Device, Force, Json, Keep, print_json, tell

if TYPE_CHECKING:
    from striate.inside.landscape import Landscape


def landscape(
    run: Path,
    /,
    *,
    of: Literal["plane", "gradient"] = "plane",
    points: int = 11,
    pictures: int = 200,
    moved: Annotated[Path | None, Parameter(name="--data")] = None,
    out: Path = Path("landscape.svg"),
    keep: Keep = False,
    force: Force = False,
    json: Json = False,
    device: Device = "cpu",
    command: Annotated[str, Parameter(parse=False)] = "",
) -> None:
    """The loss around a run's weights, on training pictures: on a plane, or along the gradient.

    Example: striate landscape runs/digits-lenet5-1 --of gradient --out gradient.svg

    Parameters
    ----------
    run
        A run folder.
    of
        A plane of two directions, every filter as long as the network's; or steps against the gradient.
    points
        Along each direction, an odd number.
    pictures
        Of training, drawn by the run's seed.
    moved
        Where the run's data lie now.
    out
        The SVG file of the figure.
    """
    output = asked.drawn("--out", out, force)
    import striate
    from striate.base.screen import Screen

    with Screen(quiet=True) as screen:
        found = striate.landscape(
            run, of=of, points=points, pictures=pictures, data=moved, keep=keep and command, device=device,
            progress=lambda done, total: screen.progress("losses", done, total),
        )  # fmt: skip
    for note in found.notes:
        tell(note, file=sys.stderr)
    asked.write(output, found.svg)
    if json:
        print_json({"run": str(run), "out": str(out), **_told(found)})
        return
    for line in str(found).splitlines():
        tell(line)


def _told(found: "Landscape") -> dict[str, Any]:
    """Every number; none where the loss is no finite one."""
    from striate.inside.landscape import Plane

    told: dict[str, Any] = {"of": found.of, "pictures": found.pictures, "notes": found.notes}
    if isinstance(found.found, Plane):
        told |= dataclasses.asdict(found.found) | {"curvatures": found.found.curvatures}
    else:
        told["states"] = [dataclasses.asdict(each) | {"smooth": each.smooth} for each in found.found]
    known: dict[str, Any] = _finite(told)
    return known


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
