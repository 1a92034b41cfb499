"""Several runs that answer as one: their answers averaged, with weights that validation alone may decide.

As the winners of ILSVRC did: Krizhevsky et al. 2012, section 6; Simonyan and Zisserman 2014, section 4.4.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from striate.base.errors import UsageError, printable
from striate.data.samples import Indices
from striate.predictor import together
from striate.runs import checkpoint, subsets
from striate.runs.joined import Asked, Common, Joined, alone, kept_of, lines_of, written
from striate.runs.kept import Kept, digest_of
from striate.runs.run import MEMBERS, Run, write_facts

Weigh = Literal["equal", "validation"]


def ensemble(runs: Sequence[Run], weigh: Weigh, asked: Asked) -> Run:
    """The run folder of `runs` together; members with no weight are left out of it.

    A UsageError where they answer different questions, a RunError where their pictures do not go together. The test set
    is opened once for all of them, unless what each has kept of it gives the answer.
    """
    lines = lines_of(runs)
    common = Common(runs[0])
    for run in runs:
        for warning in run.warnings:
            asked.say(f"{run.name}: {warning}")
    weights = [1 / len(runs)] * len(runs) if weigh == "equal" else _fitted(runs, lines, common, asked)
    for run, weight in zip(runs, weights, strict=True):
        if not weight:
            asked.say(f"{run.name} has no weight on validation, and is left out")
    used = tuple(run for run, weight in zip(runs, weights, strict=True) if weight)
    shares = [weight for weight in weights if weight]
    joined = Joined(
        used, together([run.predictor for run in used], shares), common, lines, MEMBERS,
        lambda subset, places: _kept(used, shares, subset, places), lambda folder: _copied(folder, used, shares),
    )  # fmt: skip
    return written(joined, asked)


def _kept(runs: Sequence[Run], shares: Sequence[float], subset: str, places: Indices) -> Kept | None:
    """From what each has kept, without a look at a picture; None where that does not tell."""
    own = [kept_of(run, subset, places) for run in runs]
    if len(own) == 1:
        return own[0]
    found = [each.rows for each in own if each is not None]
    if len(found) < len(own) or any(run.several for run in runs):  # what one has settled is not its members'
        return None
    tasks = [run.task for run in runs]
    rows = tasks[0].joined_rows(found, shares, tasks)
    return None if rows is None else Kept(rows, places)


def _fitted(runs: Sequence[Run], lines: Sequence[subsets.Line], common: Common, asked: Asked) -> list[float]:
    """The weight of each run, from validation pictures that no run was trained on; else a UsageError."""
    val = subsets.places(lines, "val")
    shared = {lines[place].digest for place in val}
    for run in runs:
        learned = {digest for digest, subset in subsets.seen(run.folder).items() if subset == "train"}
        if not len(val) or run.facts["split"]["val"]["n"] != len(val) or learned & shared:
            cause = f"validation pictures of some were learned by others, as by {run.name} or the run it started from"
            raise UsageError("weigh", cause, "equal weights")
    watched = partial(asked.progress, "answering validation pictures")
    found = [alone(run, "val", val, common, watched).rows for run in runs]
    fitted = runs[0].task.fitted(found, [run.task for run in runs])
    if fitted is None:
        cause = f"weights are fitted to probabilities of classes, and the task is to {runs[0].task.name}"
        raise UsageError("weigh", cause, "equal weights")
    return list(fitted)


def _copied(folder: Path, runs: Sequence[Run], shares: Sequence[float]) -> tuple[Mapping[str, Any], str]:
    """Each network that answers, in a run folder of its own inside; what run.json says of them, and their digest."""
    told: list[dict[str, Any]] = []
    for run, share in zip(runs, shares, strict=True):
        names = [each["run"] for each in run.facts.get(MEMBERS, ())] or [printable(run.name)]
        for called, (own, weight) in zip(names, run.members, strict=True):
            name = str(len(told) + 1)
            checkpoint.save_best(folder / MEMBERS / name / "checkpoints", own.weights)
            write_facts(folder / MEMBERS / name, own.facts)
            told.append({
                "folder": name, "run": called, "id": own.facts.get("id"),
                "network": own.facts["network"]["name"], "sha256": checkpoint.digest(own.weights),
                "weight": share * weight,
            })  # fmt: skip
    return {MEMBERS: told}, digest_of(told)
