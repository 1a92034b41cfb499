"""The page of a claim: what was found, in words and as a figure, in a browser at the width of desk and telephone."""

import dataclasses
import html
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pages import Page
from striate.base.tables import Table
from striate.claims import worded
from striate.claims.arithmetic import facts
from striate.claims.carried import Found, Trained
from striate.claims.degradation import CLAIM
from striate.claims.verdict import Question, verdicts
from striate.report import claim as report
from striate.report.forest import ROW, forest

LOSS, ERROR = "training loss", "held-out error"
# Sizes of letters on the screen, those of a figure as it is enlarged or shrunk.
SIZES = """() => Array.from(document.querySelectorAll('main p, main td, main svg text'), each => {
    const scale = each.getScreenCTM ? each.getScreenCTM().a : 1;
    return [each.textContent, parseFloat(getComputedStyle(each).fontSize) * scale];
})"""


def question(
    ones: tuple[float, ...], unit: str = "times", claimed: int = 1, failed: str = "", name: str = "both at rate 0.02"
) -> Question:
    """Against ones of 1, or 5 points."""
    of, smallest = (LOSS, 1.25) if unit == "times" else (ERROR, 0.5)
    others = (1.0 if unit == "times" else 5.0,) * len(ones)
    return Question(name, of, "deep", "shallow", ones, others, unit, claimed, smallest, failed)  # type: ignore[arg-type]


ASKED = (
    question((110.0, 130.0, 140.0)),
    question((1.0, 1.01, 0.99), claimed=-1),
    question((0.5, 1.1, 2.0), name="both at rate 0.04"),
    question((math.nan, 1.0, 1.0), failed="the reference did not train: loss 2.3 (seed 0)"),
    question((3.3, 3.2, 3.4), "points", -1),
    question((6.4, 6.5, 6.6), "points", -1),
)
WORDS = ["CONFIRMED", "NOT SEEN", "INCONCLUSIVE", "INCONCLUSIVE", "CONFIRMED", "REFUTED"]


@pytest.fixture(scope="module")
def found() -> Found:
    return Found(
        claim=CLAIM, verdicts=verdicts(ASKED), seeds=(0, 1, 2), trainings=12, data="/home/me/secret/photos",
        trained=(Trained("deep", 0.02, 0.5, True), Trained("deep", 0.04, None, False)), began="2026-11-30T07:12:00Z",
        seconds=61.0, work=100.0, machine="a processor",
        command="striate claims degradation --data /home/me/secret/photos",
        beside=(Table(("network", "arrives"), [("deep", "2e-11")], "What arrives"),),
    )  # fmt: skip


def test_a_verdict_is_told_in_words(found):
    told = [worded.sentence(each) for each in found.verdicts]
    assert [each.word for each in found.verdicts] == WORDS
    assert told[0].startswith("deep has 126 times the training loss of shallow (")
    assert told[0].endswith("), both at rate 0.02")
    assert told[3].startswith("nothing can be said of the training loss of deep and shallow: the reference did not")
    assert told[4].startswith("deep has 1.7 points less held-out error than shallow (1.")
    assert told[5].startswith("deep has 1.5 points more held-out error than shallow (1.")
    low, high = worded.between(found.verdicts[4]).split(" to ")
    assert 0 < float(low) < 1.7 < float(high)
    assert [bool(worded.to_settle(each)) for each in found.verdicts] == [False, False, True, False, False, False]
    assert worded.counted(tuple(WORDS)) == "2 CONFIRMED, 1 REFUTED, 1 NOT SEEN, 2 INCONCLUSIVE"


@pytest.mark.parametrize(
    ("value", "told"),
    [(125.4, "125"), (1.0, "1.00"), (1250.0, "1,250"), (0.0813, "0.0813"), (2e-11, "2e-11"), (2e6, "2e+06")],
)
def test_a_ratio_has_three_digits(value, told):
    assert worded.times(value) == told


def test_chance_is_told_for_one_claim_and_for_all():
    assert worded.chance(3, 0) == "3 verdicts here: by Holm's rule chance turns one or more of them with at most 5 %."
    assert worded.chance(1, 25).endswith("Of 25 claims, as many as are recorded, that is 1.2 with a turned verdict.")


@pytest.mark.parametrize(
    ("chosen", "best", "told"),
    [
        ((3, 2, 1), 2, "deep (0.4)"),
        ((1, 2, 3), 0, "deep (0.1)"),
        ((2, 1, 3), 1, ""),
        ((None,) * 3, 0, ""),
        ((1, 2), 0, ""),
    ],
)
def test_a_best_rate_at_an_end_of_the_rates_is_told(chosen, best, told):
    rates = [0.1 * 2**place for place in range(len(chosen))]
    trained = [Trained("deep", *each, place == best) for place, each in enumerate(zip(rates, chosen, strict=True))]
    said = worded.ends([*trained, Trained("middle", 1, 3.0, False), Trained("middle", 2, 1.0, True)])
    assert said.endswith(f": {told}.") if told else said == ""


def test_the_page_says_what_was_found_and_what_was_done(found):
    text = html.unescape(report.render(found))
    rows = Page(text).tables["Table"]
    assert [row[0] for row in rows[1:7]] == WORDS
    assert rows[1][2] == "126 times"
    assert rows[4][2] == "the reference did not train: loss 2.3 (seed 0)"
    assert rows[5][2:5] == ["-1.7 points", f"-{rows[5][3][1:4]} to -{rows[5][3][-3:]}", rows[5][4]]
    assert ["deep", "0.02", "0.5", "best"] in rows
    assert ["deep", "0.04", "failed", ""] in rows
    assert ["data", "…/photos"] in rows
    edged = tuple(Trained("deep", rate, 1 / rate, rate == 4) for rate in (1, 2, 4))
    assert worded.ends(edged) in report.render(dataclasses.replace(found, trained=edged))
    assert Page(text).tables["What arrives"] == [["network", "arrives"], ["deep", "2e-11"]]
    assert "secret" not in text
    for told in (CLAIM.sentence, CLAIM.source, CLAIM.lesson, CLAIM.protocol, CLAIM.gate, "6 verdicts here"):
        assert told in text
    assert text.index("<b>CONFIRMED</b>") < text.index("<svg") < text.index(CLAIM.protocol)


def test_the_page_of_the_exact_has_each_sentence_and_why_it_is_loose():
    text = html.unescape(report.arithmetic(facts(), "striate claims"))
    assert all(each.sentence in text and each.ours in text and each.why in text for each in facts())


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1280])
def test_the_pages_fit_and_can_be_read(browser, tmp_path: Path, found: Found, width: int) -> None:
    report.write(found, tmp_path)
    (tmp_path / "arithmetic.html").write_text(report.arithmetic(facts(), "striate claims"))
    for name, least in (("report.html", 40), ("arithmetic.html", 60)):
        page = browser.new_page(viewport={"width": width, "height": 900})
        said, asked = [], []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto((tmp_path / name).as_uri())
        assert said == []
        assert asked == [(tmp_path / name).as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        sizes = page.evaluate(SIZES)
        assert len(sizes) > least
        assert [each for each in sizes if each[1] < 11.9] == []
        page.close()


@pytest.mark.slow
@pytest.mark.browser
def test_the_figure_has_a_row_for_each_verdict_on_an_axis_for_each_measure(
    browser, tmp_path: Path, found: Found
) -> None:
    report.write(found, tmp_path)
    page = browser.new_page(viewport={"width": 600, "height": 900})
    page.goto((tmp_path / "figure.svg").as_uri())
    texts = page.evaluate(
        "Array.from(document.querySelectorAll('text'), each => [each.textContent, each.getBBox()].flat())"
    )
    words = [each[0] for each in texts]
    assert [each for each in words if each.isupper()] == WORDS
    assert [each for each in words if each in (f"times the {LOSS}", f"points more {ERROR}")] == [
        f"times the {LOSS}", f"points more {ERROR}"
    ]  # fmt: skip
    page.close()


@pytest.mark.parametrize("unit", ["times", "points"])
def test_an_effect_lies_where_its_axis_says(unit):
    """On the arrow where it is just worth a word, to its right where it is more, to its left where it is none."""
    at = {}
    for name, effect in {"nothing": 0.0, "worth": 1.0, "more": 1.5}.items():
        one = 1.25**effect if unit == "times" else 5 + 0.5 * effect
        drawn = forest(verdicts([question((one, one * 1.0001, one / 1.0001), unit)]), name)
        marks = [each for each in ElementTree.fromstring(drawn).iter("use") if float(each.get("y", 0)) < ROW]
        arrow, dot = (float(each.get("x", 0)) for each in marks)
        at[name] = dot - arrow
    assert at["worth"] == pytest.approx(0, abs=0.05)
    assert at["more"] == pytest.approx(-0.5 * at["nothing"], rel=0.01)
    assert at["more"] > 20
