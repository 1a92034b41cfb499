"""The figures of what was watched hold each layer and each part of the time, and no number that was not seen."""

import dataclasses
import math
import re

import pytest

from small import photographs, train
from striate.base.errors import RunError
from striate.report.collect import collect
from striate.report.page import render
from striate.report.watched import MOST_COLUMNS, _by_time, drawn
from striate.runs.run import open_run
from striate.runs.watched import Seen

ROW = Seen(0, 1, "a", 1.0, 1e-3, 0.0, 1.0, math.nan)


@pytest.mark.slow
def test_the_report_of_a_training_that_was_watched_draws_it(tmp_path):
    data = str(photographs(tmp_path / "photos"))
    run = train(tmp_path, data=data, model="resnet20", size=16, batch=9, execution={"watch": 1})
    page = render(collect(run))
    figures = re.findall(r'aria-label="([^"]* by layer[^"]*)"', page)
    titles = ("Norm of the gradient", "Change of the weights in a step by their norm", "Share of dead units",
              "Deviation of what a layer gives")  # fmt: skip
    assert figures == [f"{title} by layer{more}" for title in titles for more in ("", " over time")]
    assert "Layer 1 is conv1, layer 20 fc; faint epoch 1, strong epoch 2." in page
    assert "nan" not in page[page.index('id="watched"') : page.index("</section>", page.index('id="watched"'))].lower()
    (run.folder / "watch.csv").write_text("harm")
    with pytest.raises(RunError, match=r"watch\.csv"):
        collect(open_run(run.folder))
    (run.folder / "watch.csv").unlink()
    assert 'id="watched"' not in render(collect(open_run(run.folder)))


def test_what_was_never_seen_is_no_figure_and_what_is_striking_is_a_sentence():
    rows = [ROW, dataclasses.replace(ROW, layer="b", gradient=1e-9)]
    found, said = drawn(rows[::-1])
    assert [each.title for each in found] == [
        "Norm of the gradient", "Change of the weights in a step by their norm", "Deviation of what a layer gives",
    ]  # fmt: skip
    assert found[0].ends == "Faint 1e-09, strong 1."
    assert said.startswith("The gradient of b is 1e-09 of that of a")
    assert drawn([]) == ([], "")


@pytest.mark.parametrize("steps", [[0], [0, 2, 4, 6, 10, 20, 30], list(range(0, 10_000, 10)), list(range(500))])
def test_each_column_of_time_has_a_step_that_was_watched_and_each_step_is_in_one(steps):
    told = {("a", step): float(step + 1) for step in steps}
    table, last = _by_time(["a"], steps, told)
    assert last == steps[-1]
    assert table.shape[1] <= MOST_COLUMNS
    assert not any(math.isnan(value) for value in table[0])
    assert sorted(table[0]) == list(table[0]), "time goes on"


def test_values_of_zero_and_below_are_left_out_of_a_logarithm():
    found, _ = drawn([dataclasses.replace(ROW, gradient=0.0), dataclasses.replace(ROW, layer="b")])
    assert found[0].ends == "Faint 1, strong 1."
