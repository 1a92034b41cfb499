"""striate ensemble: several runs that answer as one."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from striate.shell.output import Json, print_run


def ensemble(
    *members: Path,
    weigh: Literal["equal", "validation"] = "equal",
    average: Literal["answers", "weights"] = "answers",
    keep_sealed: Annotated[bool, Parameter(negative="")] = False,
    runs: Path = Path("runs"),
    json: Json = False,
    command: Annotated[str, Parameter(parse=False)] = "",
) -> None:
    """Let runs answer together: a run folder of its own, measured beside its members.

    Example: striate ensemble runs/digits-lenet5-1 runs/digits-resnet20-1

    Parameters
    ----------
    members
        Run folders of one task on the same pictures with the same test set.
    weigh
        Equal weights, or those of least log loss on validation pictures.
    average
        Average answers; or the weights, of one run's kept epochs or of runs that began with the same weights.
    keep_sealed
        Leave the test set sealed.
    runs
        Where run folders are made.
    """
    from striate.base.screen import Screen
    from striate.face.finished import put_together

    with Screen(quiet=json) as screen:
        run = put_together(members, weigh, average, keep_sealed, runs, screen, command)
    told = [f"{each['run']}: {each['network']}, weight {each['weight']:.4f}" for each in run.facts.get("members", ())]
    for place, each in enumerate(run.facts.get("averaged", ())):
        told.append(f"{'    and' if place else 'the mean'} of {each['of']}")
    print_run(run, json, told)
