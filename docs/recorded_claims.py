"""What docs/claims.md and `striate claims` say of recorded claims, from benchmarks/results/claims/."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from striate.base.tables import Table, markdown
from striate.base.words import duration, many
from striate.claims import worded
from striate.claims.arithmetic import facts
from striate.claims.carried import Trained
from striate.claims.catalogue import NAMES, find
from striate.claims.recorded import shortened
from striate.claims.verdict import Question, Verdict, verdicts

PLACE = "benchmarks/results/claims"
START, END = "<!-- recorded -->\n", "<!-- /recorded -->\n"
Record = Mapping[str, Any]


def files(root: Path) -> dict[str, str]:
    """Path below the root -> text."""
    found = {name: json.loads(path.read_text()) for name in NAMES if (path := root / PLACE / f"{name}.json").exists()}
    above, start, rest = (root / "docs" / "claims.md").read_text().partition(START)
    _, end, below = rest.partition(END)
    short = {name: shortened(each) for name, each in found.items()}
    return {
        "src/striate/claims/recorded.json": json.dumps(short, indent=1) + "\n",
        "docs/claims.md": "".join((above, start, "\n".join(recorded(found)), "\n", end, below)),
    }


def recorded(found: Mapping[str, Record]) -> Iterator[str]:
    """Arithmetic, a table of all claims, and a section for each that is recorded."""
    yield "\n## Arithmetic\n"
    rows = [(each.sentence, each.ours, each.word, each.why) for each in facts()]
    yield markdown(Table(("a lecture says", "here it is", "", "and"), rows, right=()))
    yield "\n## What was recorded\n"
    rows = []
    for name in NAMES:
        each = found.get(name)
        told = "not recorded yet" if each is None else worded.counted(tuple(one["word"] for one in each["verdicts"]))
        where = f"[{name}](#{name})" if each is not None else name
        rows.append((where, find(name).sentence, told, "" if each is None else _took(each)))
    yield markdown(Table(("claim", "sentence", "verdicts", "trainings, one after another"), rows, right=(3,)))
    if found:
        count = sum(len(each["verdicts"]) for each in found.values())
        told = (
            f"\n{many(count, 'verdict')} of {many(len(found), 'claim')}. Were nothing true of any of them, chance would"
        )
        yield f"{told} turn a verdict of about {0.05 * len(found):.2g} claims at most."
    for name, each in found.items():
        yield from section(name, each)


def section(name: str, found: Record) -> Iterator[str]:
    yield f"\n## {name}\n"
    yield f"> {found['sentence']} ({found['source']})\n"
    again = read(found)
    assert [each.word for each in again] == [each["word"] for each in found["verdicts"]], f"{name}: other verdicts"
    for each in again:
        more = f" {told}." if (told := worded.to_settle(each)) else ""
        yield f"- **{each.word}**: {worded.sentence(each)}.{more[:2].upper()}{more[2:]}"
    if told := worded.ends([Trained(**each) for each in found["trained"]]):
        yield f"- {told}"
    yield f"\n![Effects with their intervals](../{PLACE}/{name}.svg)\n"
    for each in found.get("beside", ()):
        told = Table(tuple(each["head"]), each["rows"], f"{each['caption']}:", right=range(1, len(each["head"])))
        yield f"{markdown(told)}\n"
    yield f"{found['lesson']}\n"
    gate = f" The gate: {found['gate']}." if found["gate"] else ""
    yield f"*{found['protocol']}{gate} {_origin(found)}*"


def _took(found: Record) -> str:
    return duration(found["work"]) if found["trainings"] else "none"


def _origin(found: Record) -> str:
    done = f"{many(found['trainings'], 'training')}, {duration(found['work'])}" if found["trainings"] else "no training"
    told = f"{many(len(found['seeds']), 'seed')} on {found['data']}, {done}, {found['began'][:10]}"
    return f"{told}, {found['machine']}: `{found['command']}`."


def read(found: Record) -> tuple[Verdict, ...]:
    """The verdicts, made again from what each seed gave."""
    asked = [each["question"] for each in found["verdicts"]]
    seeds = [{key: tuple(map(_number, each[key])) for key in ("ones", "others")} for each in asked]
    return verdicts([Question(**{**each, **numbers}) for each, numbers in zip(asked, seeds, strict=True)])


def _number(value: float | None) -> float:
    return math.nan if value is None else value
