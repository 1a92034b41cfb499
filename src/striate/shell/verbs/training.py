"""striate train: its options are where and how, then every field of the recipe."""

from pathlib import Path
from typing import Any, Literal

from striate.base.errors import UsageError
from striate.base.units import parse_bytes
from striate.shell.output import print_run
from striate.shell.recipes import with_recipe


@with_recipe({
    "data": "A built-in set (digits, cells), a folder of class folders or of images/ and masks/, a table of paths "
    "and labels or masks, or a recipe.",
    "resume": "Go on with this run folder; one that is done and has no report is given it.",
    "runs": "Where run folders are made.",
    "tensorboard": "Write each epoch for TensorBoard into a folder of the run's name in this one.",
    "watch": "Record what each layer does in every so many-th step; without a number, in as many as cost little.",
    "keep_epochs": "Keep the weights of so many last epochs, for striate ensemble --average weights.",
})  # fmt: skip
def train(
    data: str | None = None,
    /,
    *,
    resume: Path | None = None,
    moved: Path | None = None,
    runs: Path = Path("runs"),
    workers: int | None = None,
    memory: Literal["auto", "resident", "streamed"] = "auto",
    save_every: float = 30.0,
    no_cache: bool = False,
    tensorboard: Path | None = None,
    canvases: str | None = None,
    keep_epochs: int = 0,
    watch: int | bool = False,  # the parser tries them in this order, and 1 is a number
    json: bool = False,
    command: str = "",
    **recipe: Any,
) -> None:
    """Train a network and open the sealed test set once; with --keep-sealed, leave it closed.

    Example: striate train digits

    Example: striate train digits --model resnet20 --model-options.se 16 --size 16 --epochs 2 --keep-epochs 2

    Example: striate train photos/ --model resnet18 --epochs 30 --augment strong --keep-sealed

    Example: striate train digits --task reconstruct
    """
    from striate.base.screen import Screen
    from striate.face.training import carry_out
    from striate.training.execution import Execution

    if resume is not None and data is not None:
        raise UsageError("resume", f"a run goes on with its own data, not with {data}", "--data where they have moved")
    if resume is None and moved is not None:
        raise UsageError("--data", "it says where the data of a run that goes on lie now", f"striate train {moved}")
    with Screen(quiet=json) as screen:
        disk = None if canvases is None else parse_bytes(canvases, "--canvases")
        execution = Execution(
            runs, workers, memory, save_every, tensorboard, command, not no_cache, disk, keep_epochs, watch
        )
        run = carry_out(data if moved is None else moved, resume, recipe, execution, screen)
    if run is not None:  # of the first of several processes
        print_run(run, json)
