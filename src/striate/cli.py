"""Verbs only: parse, call one public function, print."""

import dataclasses
import inspect
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

from cyclopts import App, CycloptsError, Group, Parameter

from striate.errors import DataError, RunError, StriateError, UsageError, printable
from striate.training.recipe import FOR_DIGITS, FOR_PHOTOGRAPHS, Recipe

if TYPE_CHECKING:
    from striate.run import Prediction

EVERYWHERE = Group("Everywhere", sort_key=90)
Json = Annotated[bool, Parameter(name="--json", negative="", group=EVERYWHERE)]
Device = Annotated[str, Parameter(group=EVERYWHERE)]

app = App(
    name="striate",
    help="Convolutional networks on pictures: built exactly, counted exactly, trained honestly.",
    help_epilogue="Every command takes --help, --json and --debug. First steps: striate train digits",
    version_flags=["--version"],
)
app.register_install_completion_command()


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The command; leaves with 0 done, 2 usage, 3 data, 4 run or weights, 5 environment, 130 or 143 signals."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug, as_json = "--debug" in words, "--json" in words
    words = [word for word in words if word != "--debug"]
    try:
        app(words, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        sys.exit(0)
    except StriateError as error:
        _fail(error, debug, as_json)
    except CycloptsError as error:
        _fail(_usage(error), debug, as_json)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:  # the reader of our output has left; nothing more to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _fail(error: StriateError, debug: bool, as_json: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    if os.environ.get("RANK", "0") == "0":  # one process of a group speaks
        print(f"error[{error.kind}]: {error}", file=sys.stderr)
        if as_json:
            print(json.dumps(error.as_dict()))
    sys.exit(error.exit_code)


def _usage(error: CycloptsError) -> UsageError:
    """The parser's own message as one sentence; it names the option and the nearest one."""
    message = " ".join(str(error).split())
    said, _, near = message.partition(" Did you mean ")
    command = " ".join(error.command_chain or ())
    hint = near.rstrip("?").split("?")[0] if near else f"striate {command} --help".replace("  ", " ")
    return UsageError(f"striate {command}".strip(), said.rstrip("."), hint)


def _train(
    data: str | None = None,
    /,
    *,
    resume: Path | None = None,
    runs: Path = Path("runs"),
    workers: int | None = None,
    memory: Literal["auto", "resident", "streamed"] = "auto",
    save_every: float = 30.0,
    json: bool = False,
    **recipe: Any,
) -> None:
    import striate
    from striate.screen import Screen

    with Screen(quiet=json) as screen:
        run = striate.train(
            data, resume=resume, runs=runs, workers=workers, memory=memory, save_every=save_every, listener=screen,
            **recipe,
        )  # fmt: skip
    if run.result is None:  # not the first of several processes
        return
    if json:
        _print_json({"run": str(run.folder), "report": str(run.folder / "report.html"), "result": run.result})
        return
    _print_result(run.result)
    print(f"run     {run.folder}")
    print(f"report  {run.folder / 'report.html'}")


def _options_of_train() -> inspect.Signature:
    """Train's parameters: where and how, then every field of the recipe."""
    own = list(inspect.signature(_train).parameters.values())[:-1]
    helps = {
        "data": "A built-in set (digits), a folder of class folders, or a recipe in TOML.",
        "resume": "Go on with this run folder.",
        "runs": "Where run folders are made.",
        "workers": "Processes that read pictures.",
        "memory": "Keep all pictures in memory, or read them anew each time.",
        "save_every": "Seconds between saves; each is complete.",
        "json": "The last line of output is one JSON object.",
    }
    groups = [Group(name, sort_key=place) for place, name in enumerate(_recipe_groups(), start=1)]
    where = Group("Where and how", sort_key=80)
    parameters = [
        each.replace(annotation=Annotated[each.annotation, Parameter(help=helps[each.name], group=where, negative="")])
        if each.kind is each.KEYWORD_ONLY
        else each.replace(annotation=Annotated[each.annotation, Parameter(help=helps[each.name])])
        for each in own
    ]
    for key in dataclasses.fields(Recipe):
        if key.name == "data":
            continue
        group = next(group for group in groups if group.name == key.metadata["group"])
        note = "" if key.default in (None, (), dataclasses.MISSING) else f" [default: {str(key.default).lower()}]"
        if key.name in FOR_PHOTOGRAPHS:
            note = f" [photographs: {FOR_PHOTOGRAPHS[key.name]}, digits: {FOR_DIGITS[key.name]}]"
        # a mapping's values stay words here; the network's builder knows what they mean
        kind = dict[str, str] if key.name == "model_options" else key.type
        several = key.name == "step_epochs"
        parameter = Parameter(
            help=key.metadata["help"] + note, group=group, show_default=False,
            consume_multiple=several, negative="" if several else None,
        )  # fmt: skip
        parameters.append(
            inspect.Parameter(
                key.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, parameter]
            )
        )
    return inspect.Signature(parameters)


def _recipe_groups() -> list[str]:
    return list(dict.fromkeys(key.metadata["group"] for key in dataclasses.fields(Recipe)))


def train(*arguments: Any, **options: Any) -> None:
    """Train a network and open the sealed test set once.

    Example: striate train digits

    Example: striate train photos/ --model resnet18 --epochs 30 --augment strong
    """
    _train(*arguments, **options)


train.__signature__ = _options_of_train()  # type: ignore[attr-defined]
app.command(train)


@app.command
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
        _print_json(dict(evaluation.numbers) | {"notes": list(evaluation.notes)})
    else:
        _print_result(evaluation.numbers)


@app.command
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
    from striate import durable
    from striate.screen import Screen

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
        _print_json({"run": str(run), "predictions": [each.as_dict() for each in found]})
    elif csv is None:
        _print_table(["file", "status", "label", "probability", "then"], [_in_short(each) for each in found])
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


@app.command
def models(pattern: str | None = None, /, *, json: Json = False) -> None:
    """The catalogue of networks, or one of them in full.

    Example: striate models 'resnet*'

    Parameters
    ----------
    pattern
        A name, or a pattern with * and ?.
    json
        The last line of output is one JSON object.
    """
    from fnmatch import fnmatchcase

    from striate.models.catalog import catalog, find

    entries = catalog()
    chosen = [entry for name, entry in entries.items() if pattern is None or fnmatchcase(name, pattern)]
    if not chosen and pattern is not None:
        find(pattern)
    if json:
        _print_json({"models": [entry.as_dict() for entry in chosen]})
    elif pattern in entries:
        print(entries[str(pattern)])
    else:
        rows = [[each.name, each.year, "x".join(map(str, each.input)), each.known_for] for each in chosen]
        _print_table(["name", "year", "input", "known for"], rows)


@app.command
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
        _print_json({"runs": facts})
        return
    rows = []
    for each in found:
        numbers = (each.result or {}).get("numbers", [])
        rows.append([each.name, each.status, _number(numbers[0]) if numbers else ""])
    _print_table(["run", "status", "result"], rows)


def _print_result(result: Mapping[str, Any]) -> None:
    for number in result["numbers"]:
        print(_number(number))
    for number in result.get("baselines", ()):
        print(f"beside it: {_number(number)}")
    if "openings" in result:
        times = "once" if result["openings"] == 1 else f"{result['openings']} times"
        print(f"this test set has been opened {times}")
    if result["subset"] == "val":
        print("there is no test set: these validation pictures also chose the epoch, so the numbers flatter")


def _number(fields: Mapping[str, Any]) -> str:
    from striate.evaluate.numbers import Number

    return str(Number(**fields))


def _print_json(value: Any) -> None:
    print(json.dumps(value, allow_nan=False))


def _print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """In a terminal a table; elsewhere tabs between the fields, for other programs."""
    if not sys.stdout.isatty():
        for row in [head, *rows]:
            print("\t".join(printable(str(field)) for field in row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for title in head:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(printable(str(field)) for field in row))
    Console().print(table)
