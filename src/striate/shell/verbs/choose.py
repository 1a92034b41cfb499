"""striate choose: its options are what a network may take, where, then every field of the recipe but the network's."""

import shlex
from pathlib import Path
from typing import Any

from striate.base.errors import UsageError
from striate.shell.output import print_json, print_table, tell
from striate.shell.recipes import with_recipe


@with_recipe({
    "data": "What `striate train` takes: a built-in set, a folder, a table, or a recipe without a model.",
    "max_latency": "Most time that one picture may take here, such as 20ms.",
    "max_params": "Most parameters, such as 5M.",
    "max_memory": "Most memory of a training step, such as 4GiB.",
    "time": "Most time that all of it may take, about, such as 2h.",
    "resume": "Go on with this choice; what is done is not done again.",
    "runs": "Where the folder of the choice is made.",
}, besides=("model",))  # fmt: skip
def choose(
    data: str | None = None,
    /,
    *,
    max_latency: str | None = None,
    max_params: str | None = None,
    max_memory: str | None = None,
    time: str | None = None,
    resume: Path | None = None,
    runs: Path = Path("runs"),
    on: str = "",
    jobs: int | None = None,
    threads: int | None = None,
    json: bool = False,
    command: str = "",
    **recipe: Any,
) -> None:
    """Choose the network that suits the data within limits, by trainings of rising length and paired tests.

    Example: striate choose digits --max-params 100K --epochs 6

    Example: striate choose photos/ --max-params 65K --max-memory 4GiB --time 2h --epochs 4 --keep-sealed
    """
    from striate.base.screen import Screen
    from striate.face.many import carry_out_choice
    from striate.training.execution import Carried, Execution

    if resume is not None and data is not None:
        raise UsageError("resume", f"a choice goes on with its own data, not with {data}", f"--resume {resume} alone")
    limits = {"max_latency": max_latency, "max_params": max_params, "max_memory": max_memory, "time": time}
    with Screen(quiet=json) as screen:
        carried = Carried(on, jobs, threads, Execution(runs, command=command))
        found = carry_out_choice(data, resume, limits, recipe, carried, screen)
    if json:
        print_json(found.as_dict())
        return
    table = found.table()
    print_table(table.head, table.rows, right=(2, 3, 4))
    for note in table.notes:
        tell(note)
    tell(f"choice  {found.folder}")
    tell(f"report  {found.folder / 'report.html'}")
    if found.run is not None:
        tell(f"run     {found.run.folder}")
        tell(f"ask it: striate predict {shlex.quote(str(found.run.folder))} PICTURES")
