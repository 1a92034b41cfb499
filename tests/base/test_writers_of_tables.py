"""Tables and figures as values, and what is written of them."""

import csv
import io

import matplotlib as mpl

from striate.base import figures, tables
from striate.base.tables import Table

TABLE = Table(
    ("name", "kind", "count"),
    [("a|b", "x", 1234), ("<c>", "long kind", 5)],
    caption="Two & more",
    totals=("total", "", 1239),
    notes=("a note", "and <another>"),
    spared=("kind", "count"),
    elsewhere="see elsewhere",
)


def test_text_is_aligned_with_numbers_to_the_right_and_totals_below_a_rule() -> None:
    assert tables.text(TABLE).splitlines() == [
        "Two & more",
        "name   kind       count",
        "-----------------------",
        "a|b    x          1,234",
        "<c>    long kind      5",
        "-----------------------",
        "total             1,239",
        "a note",
        "and <another>",
    ]


def test_a_narrow_terminal_loses_columns_one_after_the_other_and_is_told_which() -> None:
    told = "left out, for the terminal is narrow: {}; see elsewhere"
    assert tables.text(TABLE, 23) == tables.text(TABLE)
    assert tables.text(TABLE, 22).splitlines()[1] == "name   count"
    assert tables.text(TABLE, 22).splitlines()[-1] == told.format("kind")
    assert tables.text(TABLE, 5).splitlines()[-1] == told.format("kind, count")
    assert tables.text(TABLE, 1).splitlines()[1] == "name"


def test_markdown_and_html_escape_and_carry_the_same_cells() -> None:
    assert tables.markdown(TABLE).splitlines()[2:7] == [
        "| name | kind | count |",
        "| --- | --- | ---: |",
        "| a\\|b | x | 1,234 |",
        "| <c> | long kind | 5 |",
        "| total |  | 1,239 |",
    ]
    page = tables.html_table(TABLE)
    assert page.startswith("<table><caption>Two &amp; more</caption><thead><tr><th")
    assert page.endswith("</tfoot></table><p>a note<br>and &lt;another&gt;</p>")
    assert '<td style="text-align:right;white-space:nowrap">1,234</td>' in page
    assert "&lt;c&gt;" in page


def test_csv_has_bare_numbers_and_no_totals() -> None:
    assert list(csv.reader(io.StringIO(tables.csv(TABLE)))) == [
        ["name", "kind", "count"],
        ["a|b", "x", "1234"],
        ["<c>", "long kind", "5"],
    ]


def test_columns_stand_where_they_are_told_to() -> None:
    said = Table(("a", "b"), [("1", "2")], right=(0,))
    assert tables.markdown(said) == "| a | b |\n| ---: | --- |\n| 1 | 2 |"


def test_a_figure_is_the_same_bytes_whatever_the_process_told_matplotlib() -> None:
    def draw(figure: object) -> None:
        figure.add_subplot().plot([1, 2], [3, 4], label="鳥")  # type: ignore[attr-defined]

    plain = figures.svg(draw, 2, 1, {"svg.hashsalt": "a"})
    with mpl.rc_context({"lines.linewidth": 9, "svg.fonttype": "path"}):
        assert figures.svg(draw, 2, 1, {"svg.hashsalt": "a"}) == plain
    assert figures.svg(draw, 2, 1, {"svg.hashsalt": "b"}) != plain
    assert "<dc:date>" not in plain
    assert 'width="144pt" height="72pt"' in plain
