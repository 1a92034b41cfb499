"""striate study: its options are what is trained and where, then every field of the recipe but those."""

import shlex
from pathlib import Path
from typing import Any, Literal

from striate.base.errors import UsageError
from striate.base.units import parse_bytes
from striate.shell.output import print_json, print_table, tell
from striate.shell.recipes import with_recipe


@with_recipe({
    "data": "What `striate train` takes: a built-in set, a folder, a table, or a recipe.",
    "models": "Names of the catalogue; without any, the network that suits the data.",
    "seeds": "Trainings of each network, with so many seeds from --seed on.",
    "folds": "Hold out each picture that is not sealed once, in so many parts.",
    "repeats": "With --folds: as often, each time cut anew.",
    "resume": "Go on with this study; what is done is not done again.",
    "runs": "Where the study's folder is made.",
}, besides=("model", "fold"))  # fmt: skip
def study(
    data: str | None = None,
    /,
    *,
    models: tuple[str, ...] = (),
    seeds: int = 1,
    folds: int | None = None,
    repeats: int = 1,
    resume: Path | None = None,
    runs: Path = Path("runs"),
    on: str = "",
    jobs: int | None = None,
    threads: int | None = None,
    workers: int | None = None,
    memory: Literal["auto", "resident", "streamed"] = "auto",
    save_every: float = 30.0,
    no_cache: bool = False,
    canvases: str | None = None,
    json: bool = False,
    command: str = "",
    **recipe: Any,
) -> None:
    """Train networks, seeds and folds on the same splits, and tell which differences are more than chance.

    Example: striate study digits --models lenet5 resnet20 --seeds 3 --epochs 5

    Example: striate study photos/ --models resnet20 plain20 --size 32 --epochs 2 --folds 3 --keep-sealed
    """
    from striate.base.screen import Screen
    from striate.face.many import carry_out_study
    from striate.report.study import networks
    from striate.training.execution import Carried, Execution

    if resume is not None and data is not None:
        raise UsageError("resume", f"a study goes on with its own data, not with {data}", f"--resume {resume} alone")
    asked = {"models": models, "seeds": seeds, "folds": folds, "repeats": repeats}
    with Screen(quiet=json) as screen:
        disk = None if canvases is None else parse_bytes(canvases, "--canvases")
        execution = Execution(runs, workers, memory, save_every, None, command, not no_cache, disk)
        found = carry_out_study(data, resume, asked, recipe, Carried(on, jobs, threads, execution), screen)
    result, page = found.result, found.folder / "report.html"
    if json or result is None:
        print_json({"study": str(found.folder), "report": str(page), "result": result and result.as_dict()})
        return
    table = networks(result)
    print_table(table.head, table.rows, table.to_the_right(), spared=("front",))
    for line in (*table.notes, *found.told()):
        tell(line)
    if result.failed:
        tell(f"those that failed are tried again by: striate study --resume {shlex.quote(str(found.folder))}")
    tell(f"study   {found.folder}")
    tell(f"report  {page}")
