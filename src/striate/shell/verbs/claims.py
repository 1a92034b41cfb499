"""striate claims: sentences of lectures put to the test; without a name, what is exact, and a list of the others."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from striate.base.errors import HungUp, Interrupted, RunError, StriateError, Terminated, UsageError
from striate.base.words import duration, many
from striate.shell.output import Json, print_json, print_table, tell

if TYPE_CHECKING:
    from striate.claims.carried import Found
    from striate.claims.recorded import Listed
    from striate.training.execution import Carried, Listener

STOPPED = (Interrupted, Terminated, HungUp)


def claims(
    *names: str,
    data: str | None = None,
    size: int | None = None,
    seeds: int | None = None,
    time: str | None = None,
    runs: Path = Path("runs"),
    jobs: int | None = None,
    threads: int | None = None,
    json: Json = False,
    command: Annotated[str, Parameter(parse=False)] = "",
) -> None:
    """Put sentences of lectures to the test; without a name, those that need no training, and a list of the others.

    Example: striate claims

    Example: striate claims degradation --time 1s

    Parameters
    ----------
    names
        Claims, one after another; the same again goes on where it was stopped.
    data
        A folder of pictures or a name; the built-in digits unless said otherwise.
    size
        Pixels of a side; 8 for the digits, else 32.
    seeds
        So many instead of those that a claim has.
    time
        As many seeds as fit into this, such as 5m, and at least one.
    runs
        The folder in which claims/DATA-NAME is made.
    jobs
        Trainings at the same time.
    threads
        Of each training.
    """
    from striate.base.screen import Screen
    from striate.claims.catalogue import known
    from striate.face.claims import list_claims
    from striate.training.execution import Carried, Execution

    for name in names:
        known(name)
    if not names and time is not None:
        raise UsageError("--time", "nothing is trained without a name", "striate claims NAME --time 5m")
    carried = Carried("", jobs, threads, Execution(runs, command=command))
    facts, listed = list[dict[str, Any]](), tuple["Listed", ...]()
    with Screen(quiet=json) as screen:
        if not names:
            facts = _arithmetic(runs, command, json)
            listed = list_claims(jobs)
            if not json:
                _print_list(listed)
        wanted = names or [each.name for each in listed if each.seconds == 0]
        told, failed = _each(wanted, data, {"size": size, "seeds": seeds, "time": time}, carried, screen, json)
    if json:
        print_json(
            {"facts": facts, "listed": [dataclasses.asdict(each) for each in listed], "claims": told, "failed": failed}
        )
    if failed:
        raise RunError(
            "claims", f"{len(failed)} of {len(wanted)} failed", "the same again: what is done is not done again"
        )


def _each(
    names: Sequence[str], data: str | None, asked: Mapping[str, Any], carried: "Carried", listener: "Listener",
    json: bool,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:  # fmt: skip
    """One after another: the record of each, and by name the error of each that failed."""
    from striate.face.claims import carry_out_claim

    told, failed = [], dict[str, Any]()
    for name in names:
        try:
            found, folder = carry_out_claim(name, data, asked, carried, listener)
        except StriateError as error:
            if isinstance(error, STOPPED) or len(names) == 1:
                raise
            failed[name] = error.as_dict()
            tell(f"{name}: {error}", file=sys.stderr)
            continue
        told.append({**found.as_dict(), "folder": str(folder), "report": str(folder / "report.html")})
        if not json:
            _print(found, folder)
    return told, failed


def _print(found: "Found", folder: Path) -> None:
    from striate.claims import worded

    tell(f"{found.claim.name}: {found.claim.sentence}")
    for each in found.verdicts:
        tell(f"{each.word}: {worded.sentence(each)}")
        if more := worded.to_settle(each):
            tell(more)
    if more := worded.ends(found.trained):
        tell(more)
    tell(worded.chance(len(found.verdicts), 1))
    tell(f"claim   {folder}")
    tell(f"report  {folder / 'report.html'}")
    tell()


def _arithmetic(runs: Path, command: str, json: bool) -> list[dict[str, Any]]:
    """What is exact, printed, and as a page."""
    from striate.base import durable
    from striate.claims.arithmetic import facts
    from striate.report.claim import NAME, arithmetic

    found, folder = facts(), runs / "claims" / "arithmetic"
    durable.make_folder(folder)
    durable.write(folder / NAME, arithmetic(found, command).encode())
    if not json:
        print_table(("a lecture says", "here it is", ""), [(each.sentence, each.ours, each.word) for each in found])
        for each in found:
            if each.word == "loose":
                tell(f"loose: {each.sentence} {each.why}")
        tell(f"report  {folder / NAME}")
        tell()
    return [dataclasses.asdict(each) for each in found]


def _print_list(listed: Sequence["Listed"]) -> None:
    from striate.claims.worded import counted

    rows = [
        (
            each.name, each.sentence, "not recorded yet" if each.recorded is None else counted(each.recorded.verdicts),
            "" if each.seconds is None else "at once" if each.seconds == 0 else f"about {duration(each.seconds)}",
        )
        for each in listed
    ]  # fmt: skip
    print_table(("claim", "sentence", "recorded", "here"), rows, right=(3,))
    tell(f"{many(len(rows), 'claim')}; one of them: striate claims {rows[0][0]}")
    tell()
