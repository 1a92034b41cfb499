"""The page of a claim: the sentence, what came of it with effect and interval, and what was done for it."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from striate.base import durable, words
from striate.base.sections import Section
from striate.base.tables import Table
from striate.claims import worded
from striate.claims.arithmetic import Fact
from striate.claims.carried import Found
from striate.claims.recorded import recorded
from striate.claims.verdict import Verdict
from striate.report import figures, page
from striate.report.forest import CAPTION, forest
from striate.report.origin import name_of, without_folders

NAME, RECORD, FIGURE = "report.html", "found.json", "figure.svg"
LONGEST = 400  # letters of a cell
RULE = (
    "An effect is the mean of the differences between two arms, seed by seed: the same seed is the same split and the "
    "same batches. Its interval is Student's; with several questions the intervals are as wide as Holm 1979 asks, so "
    "that all of them hold together in 95 of 100 cases."
)


def write(found: Found, folder: Path) -> None:
    """found.json, figure.svg and report.html, in the folder where its trainings lie."""
    durable.make_folder(folder)
    durable.write_json(folder / RECORD, found.as_dict())
    durable.write(folder / FIGURE, figures.standing(_figure(found)).encode())
    durable.write(folder / NAME, render(found).encode())


def render(found: Found) -> str:
    """The page as text."""
    claim = found.claim
    told = f"{name_of(found.data)}, {words.many(len(found.seeds), 'seed')}"
    if found.trainings:
        told += f", {words.many(found.trainings, 'training')}"
    return page.filled(
        "study.html.j2",
        title=claim.name.replace("_", " ").capitalize(),
        told=told,
        command=without_folders(found.command),
        sentences=[
            f"“{claim.sentence}” ({claim.source})",
            *((each.word, f"{worded.sentence(each)}.") for each in found.verdicts),
            *(("More seeds", f"{each}.") for each in _to_settle(found.verdicts)),
            *(("Rates", each) for each in [worded.ends(found.trained)] if each),
            ("What to take from it", claim.lesson),
            worded.chance(len(found.verdicts), len(recorded())),
        ],
        figure=_figure(found),
        wide=False,
        longest=LONGEST,
        caption=CAPTION,
        sections=page.shown(list(_sections(found))),
    )


def _figure(found: Found) -> str:
    return forest(found.verdicts, f"Effects: {found.claim.sentence}")


def _to_settle(verdicts: Sequence[Verdict]) -> list[str]:
    return [f"{told} ({each.question.name})" for each in verdicts if (told := worded.to_settle(each))]


def verdicts(found: Sequence[Verdict]) -> Table:
    """A row for each question."""
    head = ("verdict", "compared", "effect", "interval", "level", "worth a word")
    rows = [
        (
            each.word, f"{each.question.of}: {each.question.one} against {each.question.other}, {each.question.name}",
            *_numbers(each), worded.smallest(each),
        )
        for each in found
    ]  # fmt: skip
    return Table(head, rows, right=(2, 3, 4, 5), notes=[f"{word}: {meant}." for word, meant in worded.MEANT.items()])


def _numbers(verdict: Verdict) -> tuple[str, str, str]:
    """Effect, interval and how often the interval holds."""
    if math.isnan(verdict.effect):
        return verdict.question.unfit, "", ""
    if verdict.question.unit == "times":
        effect = f"{worded.times(verdict.effect)} times"
        return effect, worded.between(verdict), f"{100 * verdict.level:.3g} %"
    effect, low, high = (worded.points(each, "+") for each in (verdict.effect, verdict.low, verdict.high))
    return f"{effect} points", f"{low} to {high}", f"{100 * verdict.level:.3g} %"


def _sections(found: Found) -> Iterable[Section]:
    claim = found.claim
    yield Section("verdicts", "Verdicts", RULE, (verdicts(found.verdicts),))
    if found.beside:
        yield Section("beside", "Beside", "More was measured than the verdicts need.", found.beside)
    how = f"{claim.protocol} The gate: {claim.gate}." if claim.gate else claim.protocol
    rows = [
        (each.arm, f"{each.rate:g}", "failed" if each.chosen is None else f"{each.chosen:.3g}", "best" * each.best)
        for each in found.trained
    ]
    head = ("arm", "rate", "chosen by", "")
    note = "Chosen by: what validation has least of at the best rate, its loss as a rule; the mean over seeds."
    trained = Table(head, rows, notes=[note] if rows else [], otherwise="Nothing was trained.", right=(1, 2))
    yield Section("trained", "What was done", how, (trained,))
    yield Section("seeds", "Seed by seed", "What each arm has of what is compared.", (_seeds(found),))
    facts = [
        ("data", name_of(found.data)),
        ("began", f"{found.began[:10]} {found.began[11:16]} UTC"),
        ("took", words.duration(found.seconds)),
        ("trainings, one after another", words.duration(found.work)),
        ("machine", found.machine),
    ]
    yield Section("origin", "Where and when", "", (Table(("key", "value"), facts),))


def _seeds(found: Found) -> Table:
    rows = [
        (f"{question.of}, {question.name}", arm, *(f"{value:.4g}" for value in values))
        for question in (each.question for each in found.verdicts)
        for arm, values in ((question.one, question.ones), (question.other, question.others))
    ]
    longest = max((len(row) - 2 for row in rows), default=0)
    rows = [(*row, *[""] * (2 + longest - len(row))) for row in rows]
    return Table(("of", "arm", *(f"seed {each}" for each in found.seeds)), rows, right=range(2, 2 + longest))


def arithmetic(facts: Sequence[Fact], command: str) -> str:
    """The page of what is exact: each sentence of a lecture with our number beside it."""
    rows = [(each.sentence, each.ours, each.word, each.why, each.source) for each in facts]
    loose = sum(each.word == "loose" for each in facts)
    head = ("a lecture says", "here it is", "", "and", "who says it")
    why = "Exact as it is printed, about (within 5 %), or loose, and then why: a sentence of a lecture has to be short."
    return page.filled(
        "study.html.j2",
        title="Arithmetic",
        told=f"{words.many(len(facts), 'sentence')} of lectures, beside the exact numbers; nothing is trained",
        command=without_folders(command),
        sentences=[f"{len(facts) - loose} of {len(facts)} hold as they are printed, exactly or within 5 %."],
        figure="",
        wide=False,
        longest=LONGEST,
        caption="",
        sections=page.shown([Section("sentences", "Sentence by sentence", why, (Table(head, rows),))]),
    )
