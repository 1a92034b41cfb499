"""striate evaluate, predict, report and runs: what is done with a run folder."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from striate.base.errors import DataError, RunError, StriateError, UsageError
from striate.base.words import many
from striate.data.picture.pixels import PIXELS, check_most
from striate.shell.output import Device, Force, Json, print_json, print_result, print_table, refuse_force, tell

if TYPE_CHECKING:
    from striate.base.outputs import Output
    from striate.base.screen import Screen
    from striate.predictor import Prediction
    from striate.runs.run import Run
    from striate.tasks.task import Task

Order = Literal["date", "name", "model", "duration", "result"]
OF_ALL = ("file", "status")  # the columns that the table of every task begins with
LISTED = ("label", "probability", "label_2", "probability_2")
Folder = Annotated[Path, Parameter(help="A run folder.")]
MaxPixels = Annotated[int, Parameter(help="Read pictures of up to so many pixels, which takes memory in proportion.")]
Looks = Annotated[Literal["one", "ten"], Parameter(help="Look at each picture once, or at ten crops of it.")]

Scales = Annotated[
    tuple[int, ...],
    Parameter(
        negative="", show_default=False, consume_multiple=True,
        help="Look at each picture on canvases of these sides, and average the answers.",
    ),
]  # fmt: skip


def evaluate(
    run: Folder,
    data: str | None = None,
    /,
    *,
    open_test: Annotated[bool, Parameter(negative="")] = False,
    moved: Annotated[Path | None, Parameter(name="--data", help="Where this run's own data lie now.")] = None,
    looks: Looks = "one",
    scales: Scales = (),
    max_pixels: MaxPixels | None = None,
    json: Json = False,
    device: Device | None = None,
) -> None:
    """Numbers of a run on its own validation pictures, on its test set, or on other labelled pictures.

    Example: striate evaluate runs/digits-lenet5-1

    Example: striate evaluate runs/digits-lenet5-1 --open-test

    Parameters
    ----------
    data
        A folder of class folders, or of images/ and masks/, a table of paths and labels or masks, or a built-in set;
        classes are named as in training.
    open_test
        Open the sealed test set, which is counted: once, when all settings are chosen.
    """
    import striate

    opened = striate.open_run(run)
    evaluation = opened.evaluate(
        data, open_test=open_test, moved=moved, views=looks, scales=scales, max_pixels=max_pixels, device=device
    )
    notes = [*opened.warnings, *evaluation.notes]
    if {"validation", "held"} & evaluation.numbers.keys():  # a sealed test set was opened: the page shows it
        try:
            striate.write_report(run)
        except StriateError as error:
            notes.append(f"the page still shows what there was before ({error.where}: {error.cause})")
    for note in notes:
        tell(note, file=sys.stderr)
    if json:
        print_json(dict(evaluation.numbers) | {"notes": list(evaluation.notes)})
    else:
        print_result(evaluation.numbers, run)


def predict(
    run: Folder,
    /,
    *pictures: str,
    looks: Looks = "one",
    scales: Scales = (),
    max_pixels: MaxPixels = PIXELS,
    top: int | None = None,
    csv: Path | None = None,
    out: Path | None = None,
    masks: Literal["ids", "colours"] | None = None,
    overlays: Annotated[bool, Parameter(negative="")] = False,
    holes: Path | None = None,
    calibrated: Annotated[bool, Parameter(negative="")] = False,
    force: Force = False,
    json: Json = False,
    device: Device = "cpu",
) -> None:
    """The answer for each picture; a bad picture is a row with its cause.

    Example: striate predict runs/digits-lenet5-1 new/ more/*.jpg --csv answers.csv

    Parameters
    ----------
    pictures
        Files, folders and patterns.
    top
        How many classes to list per picture, 5 as a rule.
    csv
        Write the table to this file.
    out
        Where the answers are pictures: write them into this new or empty folder, as PNG.
    masks
        With --out, masks as class ids, shown in colours by a palette (the default), or as colours alone.
    overlays
        With --out, each picture with its mask over it besides.
    holes
        For a run that fills holes: a picture that is white where to fill, or a folder of such by the pictures' names.
    calibrated
        Probabilities by the temperature that each run's validation has settled.
    force
        Write the table over any file, and pictures beside those that are there.
    """
    refuse_none(pictures, f"striate predict {run}")
    if top is not None and top < 1:
        raise UsageError("top", f"{top} is out of range", "a number of at least 1")
    if out is None and (masks or overlays):
        raise UsageError("masks" if masks else "overlays", "no folder to write them to", "--out with a new folder")
    check_most(max_pixels)
    refuse_force(force, csv, out)
    from striate.base import devices, durable
    from striate.base.screen import Screen
    from striate.data.sources.folder import list_pictures
    from striate.runs.predicting import predictions
    from striate.shell import pictures as answered

    with Screen(quiet=True) as screen:
        opened = opened_with(screen, run)
        answering = opened.calibrated if calibrated else opened.predictor
        predictor = answering.looking(looks, scales).on(devices.named(device))
        paths = list_pictures(pictures)
        task = predictor.task if top is None else predictor.task.listing(top)
        predictor.marked(holes)  # before anything is written
        folder = None if out is None else answered.folder(out, task, masks, overlays, force)
        output = None if csv is None else _table(csv, task, read_for(pictures, paths, [opened]), force)
        head, rows, told, written, notes = [*OF_ALL, *task.columns], [], [], [], list[str]()
        for each in predictions(
            predictor, opened.sealed, paths, top=top, holes=holes, max_pixels=max_pixels, tiles=screen.progress
        ):
            written += [] if folder is None else folder.write(each)
            rows.append(_cells(each, len(head)))
            told.append(each.as_dict() if json else {})
            screen.progress("pictures", len(rows), len(paths))
            notes += each.notes
        written += [] if folder is None else folder.legend()
    for note in notes:
        tell(note, file=sys.stderr)
    if output is not None:
        output.write(durable.to_csv(head, rows).encode())
    if json:
        print_json({"run": str(run), "predictions": told, "written": written, "notes": notes})
    elif csv is None:
        print_table(*_in_short(head, rows))
    if not any(status == "ok" for _, status, *_ in rows):
        raise none_read(pictures[0], len(rows))


def refuse_none(pictures: Sequence[str], call: str) -> None:
    if not pictures:
        raise UsageError("pictures", "none are named", f"{call} PICTURES...")


def none_read(first: str, count: int) -> DataError:
    return DataError(first, f"of {many(count, 'picture')} none could be read", "JPEG, PNG or other pictures")


def opened_with(screen: "Screen", run: Path) -> "Run":
    """The run, and what a user of its answers should know said."""
    import striate

    opened = striate.open_run(run)
    for warning in opened.warnings:
        screen.say(warning)
    return opened


def _table(csv: Path, task: "Task", read: Sequence[tuple[str, Path]], force: bool) -> "Output":
    """The table that is to be written, checked: it replaces a table of this task, however many answers that lists."""
    from striate.base.outputs import Output

    words = {column.rstrip("_0123456789") for column in task.columns}

    def own(head: bytes) -> bool:
        columns = head.partition(b"\n")[0].decode("utf-8", "replace").split(",")
        return tuple(columns[:2]) == OF_ALL and {each.rstrip("_0123456789") for each in columns[2:]} == words

    output = Output(f"--csv {csv}", csv, own, read, force)
    output.check()
    return output


def read_for(pictures: Sequence[str], paths: Sequence[Path], runs: Sequence["Run"]) -> list[tuple[str, Path]]:
    """What is read for answers to pictures, and what it is called."""
    read = [("the pictures", path) for path in (*map(Path, pictures), *paths)]
    for run in runs:
        data = run.facts["data"]
        read.append((f"the files of the run {run.name}", run.folder))
        read += [(f"the data of the run {run.name}", Path(data[key])) for key in ("path", "root") if data.get(key)]
    return read


def _cells(prediction: "Prediction", count: int) -> list[object]:
    """A row of `count` cells; a picture that could not be read has empty ones."""
    cells: list[object] = [prediction.file, prediction.status, *prediction.answer.cells()]
    return cells + [""] * (count - len(cells))


def _in_short(head: Sequence[str], rows: Sequence[Sequence[object]]) -> tuple[list[str], list[list[str]]]:
    """Numbers as they are read; and of many classes the first of each picture in columns, the others in one."""
    short = [[f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    if tuple(head[2:6]) != LISTED:
        return list(head), short
    pairs = (zip(cells[4::2], cells[5::2], strict=True) for cells in short)
    then = (", ".join(f"{label} {share}" for label, share in each if label) for each in pairs)
    return [*head[:4], "then"], [[*cells[:4], others] for cells, others in zip(short, then, strict=True)]


def report(run: Folder, /, *, force: Force = False, json: Json = False) -> None:
    """Write the page of a finished run, study or choice again, from what is on disk; no test set is opened.

    Example: striate report runs/digits-lenet5-1
    """
    import striate

    path = striate.write_report(run, force=force)
    if json:
        print_json({"run": str(run), "report": str(path)})
    else:
        tell(f"report  {path}")


def runs(folder: Path = Path("runs"), /, *, sort: Order = "date", json: Json = False) -> None:
    """The runs in a folder, with their results: the newest, or what else is sorted by, comes last.

    Example: striate runs --sort result

    Parameters
    ----------
    folder
        Where run folders are.
    sort
        Rising by this: the newest, the longest, the best result at the bottom.
    """
    from dataclasses import asdict

    from striate.runs.listed import listed

    if not folder.is_dir():
        raise RunError(folder, "no such folder", "the folder that was given to --runs")
    found = listed(folder, sort)
    if json:
        print_json({"runs": [asdict(each) for each in found]})
        return
    head = ["run", "model", "data", "epochs", "date", "duration", "status", "result"]
    rows = [
        [each.name, each.model, each.data, each.progress, each.date, each.duration, each.status, each.told]
        for each in found
    ]
    print_table(head, rows, right=(3, 4, 5), spared=("data", "model"))
