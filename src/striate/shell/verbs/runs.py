"""striate evaluate, predict and runs: what is done with a run folder."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from striate.base.errors import DataError, RunError, UsageError
from striate.shell.output import Device, Json, number, print_json, print_result, print_table

if TYPE_CHECKING:
    from striate.runs.run import Prediction


def evaluate(run: Path, data: str | None = None, /, *, json: Json = False, device: Device = "cpu") -> None:
    """Numbers of a run on a labelled folder, or on its own test set, opened once more.

    Example: striate evaluate runs/digits-lenet5-1

    Parameters
    ----------
    run
        A run folder.
    data
        A folder of class folders, named as in training.
    json
        The last line of output is one JSON object.
    device
        cpu, cuda or cuda:N.
    """
    import striate

    opened = striate.open_run(run)
    evaluation = opened.evaluate(data, device=device)
    for note in (*opened.warnings, *evaluation.notes):
        print(note, file=sys.stderr)
    if json:
        print_json(dict(evaluation.numbers) | {"notes": list(evaluation.notes)})
    else:
        print_result(evaluation.numbers)


def predict(
    run: Path,
    /,
    *pictures: str,
    top: int = 5,
    csv: Path | None = None,
    json: Json = False,
    device: Device = "cpu",
) -> None:
    """The label of each picture; a bad picture is a row with its cause.

    Example: striate predict runs/digits-lenet5-1 photos/ more/*.png --csv answers.csv

    Parameters
    ----------
    run
        A run folder.
    pictures
        Files, folders and patterns.
    top
        How many classes to list per picture.
    csv
        Write the table to this file.
    json
        The last line of output is one JSON object.
    device
        cpu, cuda or cuda:N.
    """
    if not pictures:
        raise UsageError("pictures", "none are named", f"striate predict {run} PICTURES...")
    if top < 1:
        raise UsageError("top", f"{top} is out of range", "a number of at least 1")
    import striate
    from striate.base import durable
    from striate.shell.screen import Screen

    with Screen(quiet=True) as screen:
        opened = striate.open_run(run)
        for warning in opened.warnings:
            screen.say(warning)
        found = opened.predict(
            pictures, top=top, device=device, progress=lambda done, total: screen.progress("pictures", done, total)
        )
    if csv is not None:
        most = min(top, len(opened.classes))
        more = [f"{what}_{place}" for place in range(2, most + 1) for what in ("label", "probability")]
        head = ["file", "status", "label", "probability", *more]
        durable.write_csv(csv, head, (_cells(each, len(head)) for each in found))
    if json:
        print_json({"run": str(run), "predictions": [each.as_dict() for each in found]})
    elif csv is None:
        print_table(["file", "status", "label", "probability", "then"], [_in_short(each) for each in found])
    if not any(each.top for each in found):
        raise DataError(pictures[0], f"none of {len(found)} pictures could be read", "JPEG, PNG or other pictures")


def _cells(prediction: "Prediction", count: int) -> list[object]:
    """A row of `count` cells; a picture that could not be read has empty ones."""
    cells: list[object] = [prediction.file, prediction.status]
    cells += (value for pair in prediction.top for value in pair)
    return cells + [""] * (count - len(cells))


def _in_short(prediction: "Prediction") -> list[str]:
    probability = "" if prediction.probability is None else f"{prediction.probability:.4f}"
    others = ", ".join(f"{label} {share:.4f}" for label, share in prediction.top[1:])
    return [prediction.file, prediction.status, prediction.label or "", probability, others]


def runs(folder: Path = Path("runs"), /, *, json: Json = False) -> None:
    """The runs in a folder, with their results.

    Example: striate runs

    Parameters
    ----------
    folder
        Where run folders are.
    json
        The last line of output is one JSON object.
    """
    import striate

    if not folder.is_dir():
        raise RunError(folder, "no such folder", "the folder that was given to --runs")
    found = striate.list_runs(folder)
    if json:
        facts = [{"run": str(each.folder), "status": each.status, "result": each.result} for each in found]
        print_json({"runs": facts})
        return
    rows = []
    for each in found:
        numbers = (each.result or {}).get("numbers", [])
        rows.append([each.name, each.status, number(numbers[0]) if numbers else ""])
    print_table(["run", "status", "result"], rows)
