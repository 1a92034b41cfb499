"""Tables in terminals of different widths: a number is never cut, and a sentence folds between words."""

import re
import sys

import pytest

from striate.shell.output import print_table
from typed import call

pytestmark = pytest.mark.slow


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Make the commands believe that they write to a terminal of so many columns."""

    def of(columns: int) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "dumb")

    return of


def words(text: str) -> set[str]:
    return set(text.split())


COMMANDS = (
    ("count", "resnet18", "--show", "operators"),
    ("count", "resnet18", "--show", "stages"),
    ("models", "googlenet"),
    ("models", "vgg*"),
    ("compare", "alexnet", "nin_imagenet", "--batch", "1", "--no-measure", "--to", "charts"),
)


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:4]))
def test_every_number_is_whole_however_narrow_the_terminal(capsys, terminal, tmp_path, monkeypatch, columns, command):
    monkeypatch.chdir(tmp_path)
    expected = words(call(capsys, *command)[1])
    terminal(columns)
    shown = call(capsys, *command)[1]
    numbers = {word for word in expected if re.fullmatch(r"[\d,.]*\d|\d+(x\d+)+", word) and len(word) > 1}
    assert len(numbers) > 5
    assert sorted(numbers - words(shown)) == []
    table = shown.partition("\n\n")[2] if command[1] == "googlenet" else shown
    assert max(map(len, table.splitlines())) <= columns


def test_a_table_that_fits_is_a_table_and_one_that_does_not_a_block_a_row(capsys, terminal):
    terminal(80)
    _, stages, _ = call(capsys, "count", "resnet18", "--show", "stages")
    assert stages.splitlines()[0].split() == [
        "stage", "output", "parameters", "activations", "multiply-adds", "without", "padding",
    ]  # fmt: skip
    _, operators, _ = call(capsys, "count", "resnet18", "--show", "operators")
    assert operators.splitlines()[:4] == [
        "operator:        convolution", "phase:           forward", "calls:           20",
        "multiply-adds:   1,813,561,344",
    ]  # fmt: skip


def test_sentences_fold_between_words_and_markup_is_text(capsys, terminal):
    terminal(40)
    print_table(["name", "number", "said"], [["a", "1,234,567", "[red]one two three four five six seven"]], right=[1])
    out = capsys.readouterr().out
    assert "1,234,567  [red]one two three" in out
    assert max(map(len, out.splitlines())) <= 40


def test_count_leaves_out_columns_that_a_narrow_terminal_lacks_and_says_so(capsys, terminal):
    whole = call(capsys, "count", "resnet18")[1]
    assert "transcendental" in whole.splitlines()[1]
    terminal(120)
    *table, note = call(capsys, "count", "resnet18")[1].splitlines()
    heads = ["module", "kind", "output", "field", "parameters", "multiply-adds"]
    assert re.split(r"\s{2,}", table[1]) == heads
    assert note == (
        "left out, for the terminal is narrow: transcendental, comparisons, additions, without padding; "
        "--format csv or json has them"
    )
    terminal(80)
    narrow = call(capsys, "count", "resnet18")[1].splitlines()
    last = next(place for place, line in enumerate(narrow) if line.startswith("total"))
    assert max(map(len, narrow[: last + 1])) <= 80
    assert narrow[last].split() == ["total", "11,689,512", "1,814,073,344"]
    terminal(200)
    assert call(capsys, "count", "resnet18")[1] == whole


def test_cells_in_a_notebook_do_not_wrap():
    import striate

    shown = striate.count(striate.build("lenet5"), (1, 32, 32))._repr_html_()
    assert shown.count("<td") == shown.count('<td style="text-align:left;white-space:nowrap">') + shown.count(
        '<td style="text-align:right;white-space:nowrap">'
    )
