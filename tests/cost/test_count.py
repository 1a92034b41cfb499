"""Rows add up to totals, and every output says the same."""

import csv
import io
import json
import sys

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.checkpoint import checkpoint

from striate.base.errors import MachineError, UsageError
from striate.cost.count import count
from striate.cost.work import Tally

COLUMNS = ("params", "activations", "outputs", "macs", "macs_valid", "additions", "comparisons", "transcendental")
COLUMNS += ("bytes_read", "bytes_written")


class Residual(nn.Module):
    """Two calls of one convolution, a batch norm without parameters to train, and an addition in place."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.conv, self.norm, self.act = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.unused = nn.Linear(2, 3)
        self.norm.requires_grad_(False)

    def forward(self, x):
        y = self.act(self.norm(self.conv(x)))
        y = self.conv(y) * self.scale
        y += x
        return y


NET = nn.Sequential(nn.Conv2d(3, 4, 3), Residual(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))


@pytest.mark.parametrize("training", [False, True])
def test_rows_stages_and_phases_add_up_to_the_totals(training):
    found = count(NET, (3, 8, 8), batch=2, training=training, optimizer="momentum")
    for column in COLUMNS:
        assert getattr(found, column) == sum(getattr(row, column) for row in found.rows)
        assert getattr(found, column) == sum(getattr(stage, column) for stage in found.stages())
    assert found.tally == sum(found.phases.values(), Tally())
    assert tuple(found.phases) == (("forward", "loss", "backward", "optimizer") if training else ("forward",))
    assert found.params == found.trainable + found.frozen == sum(each.numel() for each in NET.parameters())
    assert found.frozen == 8
    assert found.buffers == 9
    assert found.batch == 2


def test_a_row_for_each_call_of_a_leaf_and_for_each_operator_of_a_parent():
    found = count(NET, (3, 8, 8), batch=2)
    rows = [(row.module, row.kind, row.params, row.called) for row in found.rows]
    assert rows == [
        ("0", "Conv2d", 112, True),
        ("1.conv", "Conv2d", 148, True),
        ("1.norm", "BatchNorm2d", 8, True),
        ("1.act", "ReLU", 0, True),
        ("1.conv", "Conv2d", 0, True),
        ("1", "mul", 4, True),
        ("1", "add", 0, True),
        ("2", "AdaptiveAvgPool2d", 0, True),
        ("3", "Flatten", 0, True),
        ("4", "Linear", 25, True),
        ("1.unused", "Linear", 9, False),
    ]
    assert found.rows[0].inputs == ((2, 3, 8, 8),)
    assert found.rows[0].output == (2, 4, 6, 6)
    assert found.rows[-1].output is None
    stages = {stage.module: stage.params for stage in found.stages()}
    assert stages == {"0": 112, "1": 169, "2": 0, "3": 0, "4": 25}
    assert found.stages(2)[1].module == "1.conv"
    assert found.activations == 2 * (4 * 36 + 2 * 4 * 36 + 5)


def test_the_last_feature_map_and_its_field_are_told_in_text_and_json():
    found = count(NET, (3, 8, 8))
    assert (found.last.module, found.last.shape) == ("1", (1, 4, 6, 6))
    assert found.last.field.size == (7, 7)
    assert "last feature map: 4x6x6 of 1, sees 7 every 1 from -2" in str(found).splitlines()
    record = json.loads(found.to_json())
    seven = {"size": [7, 7], "stride": [1, 1], "offset": [-2, -2], "uniform": True, "whole": False}
    assert record["last"] == {"module": "1", "shape": [1, 4, 6, 6], "field": seven}
    assert record["rows"][0]["field"] == seven | {"size": [3, 3], "offset": [0, 0]}
    assert record["rows"][-1]["field"] is None


def test_json_tells_the_peak_by_kind_and_by_operator():
    found = count(NET, (3, 8, 8), training=True, optimizer="adamw")
    record = json.loads(found.to_json())["memory"]
    assert record["bytes"] == found.peak_bytes == sum(record["kinds"].values()) == sum(record["operators"].values())
    assert record["operator"] == found.memory.operator
    assert json.loads(count(NET, (3, 8, 8)).to_json())["memory"] is None


def test_a_weight_that_two_layers_share_is_counted_once():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    net[2].weight = net[0].weight
    found = count(net, (4,))
    assert [row.params for row in found.rows] == [20, 0, 4]
    assert found.params == 24
    assert [row.macs for row in found.rows] == [16, 0, 16]


def test_receptive_fields_and_memory_come_with_it():
    found = count(NET, (3, 8, 8), batch=2)
    assert found.rows[1].field.size == (5, 5)
    assert found.fields[0].size == (3, 3)
    assert found.peak_bytes is None
    assert count(NET, (3, 8, 8), memory=True).peak_bytes > 0
    found = count(NET, (3, 8, 8), training=True)
    assert found.peak_bytes == found.memory.bytes > 4 * 2 * found.trainable
    assert count(NET, (3, 8, 8), training=True, memory=False).peak_bytes is None


def test_bytes_by_hand():
    # 8x8 pictures, 4 bytes a number: the convolution reads picture, weight and bias, and writes its result
    row = count(NET, (3, 8, 8), batch=2).rows[0]
    assert row.bytes_read == 4 * (2 * 3 * 8 * 8 + 4 * 3 * 9 + 4)
    assert row.bytes_written == 4 * 2 * 4 * 6 * 6

    # a number repeated by expand is read once; views cost nothing; a fill reads nothing
    class Views(nn.Module):
        def forward(self, x):
            y = x.view(-1)[:1].expand(64) + x.view(-1)
            return y.zero_()

    row = count(Views(), (8, 8)).rows[0]
    assert row.bytes_read == 4 * (1 + 64)
    assert row.bytes_written == 4 * (64 + 64)
    table = count(nn.Embedding(1000, 4), torch.zeros(1, 3, dtype=torch.long)).rows[0]
    assert (table.bytes_read, table.bytes_written) == (3 * 8 + 3 * 16, 3 * 16)
    half = count(nn.Linear(4, 5, bias=False).bfloat16(), (4,)).rows[0]
    assert (half.bytes_read, half.bytes_written) == (2 * (4 + 20), 2 * 5)


def test_why_is_the_formula_with_its_numbers():
    found = count(NET, (3, 8, 8), batch=2, training=True)
    lines = found.rows[0].why().splitlines()
    assert lines[0] == "convolution: multiply-adds: 2 * 6*6*4 * 3*3*3 = 7,776"
    assert "convolution: additions: 2 * 6*6*4 = 288" in lines
    assert "backward convolution_backward: multiply-adds: 2 * 6*6*4 * 3*3*3 = 7,776" in lines
    assert "backward convolution_backward: additions: 2*4*6*6 - 4 = 284" in lines
    assert "multiply-adds on what is not padding" in found.rows[1].why()
    assert "1.act\n  relu_: comparisons: 2*4*6*6 = 288" in found.why()
    with torch.device("meta"):
        alexnet = nn.Conv2d(3, 96, 11, 4)
    assert (
        count(alexnet, (3, 227, 227))
        .rows[0]
        .why()
        .startswith("convolution: multiply-adds: 55*55*96 * 11*11*3 = 105,415,200")
    )


@pytest.mark.parametrize("training", [False, True])
def test_every_formula_evaluates_to_its_number(training):
    with torch.device("meta"):
        net = torchvision.models.mobilenet_v3_small()
    lines = [
        line for row in count(net, (3, 64, 64), batch=2, training=training).rows for line in row.why().splitlines()
    ]
    assert len(lines) > 100
    for line in lines:
        formula, number = line.split(": ")[-1].split(" = ")
        products = [product.split("*") for product in formula.replace("- ", "+ -1*").replace(" * ", "*").split(" + ")]
        total = 0
        for factors in products:
            product = 1
            for factor in factors:
                product *= int(factor)
            total += product
        assert total == int(number.replace(",", ""))


def test_a_checkpoint_adds_its_second_forward_to_the_backward_of_the_same_rows():
    class Saving(nn.Module):
        def __init__(self, again):
            super().__init__()
            self.again, self.stem, self.body = again, nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 6), nn.Tanh())

        def forward(self, x):
            x = self.stem(x)
            return checkpoint(self.body, x, use_reentrant=False) if self.again else self.body(x)

    plain, saving = (count(Saving(again), (4,), training=True) for again in (False, True))
    kinds = [[(row.module, row.kind, row.params) for row in found.rows] for found in (plain, saving)]
    assert kinds[0] == kinds[1]
    assert saving.phases["forward"] == plain.phases["forward"]
    assert saving.phases["backward"].macs - plain.phases["backward"].macs == 4 * 6
    assert saving.rows[1].phases["backward"].macs == 3 * 4 * 6


def test_a_parameter_used_without_calling_its_module_is_in_its_own_row():
    found = count(nn.MultiheadAttention(8, 2, batch_first=True), ((5, 8),) * 3, training=True, optimizer="sgd")
    out = next(row for row in found.rows if row.module == "out_proj")
    assert (out.kind, out.params, out.called) == ("NonDynamicallyQuantizableLinear", 72, False)
    assert out.phases["optimizer"].additions == 2 * 72
    assert found.params == sum(row.params for row in found.rows)


def test_text_is_aligned_and_ends_in_totals():
    text = str(count(NET, (3, 8, 8), batch=2, training=True))
    lines = text.splitlines()
    assert lines[0] == "Sequential, one training step, input 2x3x8x8 (batch of 2)"
    numbers = [line for line in lines[3:] if line[:1].isdigit()]
    assert len({len(line) for line in numbers}) == 1
    assert "total" in text
    assert "not called" in text
    assert "bytes at the peak" in text
    assert "298 trainable, 8 frozen; buffers: 9" in text


def test_json_csv_markdown_and_html_carry_the_same_numbers():
    found = count(NET, (3, 8, 8), batch=2, training=True)
    loaded = json.loads(found.to_json(indent=1))
    assert loaded["macs"] == found.macs
    assert loaded["rows"][0]["output"] == [2, 4, 6, 6]
    assert loaded["phases"]["backward"]["macs"] == found.phases["backward"].macs
    assert loaded["peak_bytes"] == found.peak_bytes
    lines = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [int(line["macs"]) for line in lines] == [row.macs for row in found.rows]
    assert lines[0]["output"] == "2x4x6x6"
    markdown = found.to_markdown()
    assert f"{found.macs:,}" in markdown
    assert sum(line.startswith("| ") for line in markdown.splitlines()) == len(found.rows) + 3
    page = found._repr_html_()
    assert page.count("<tr>") == len(found.rows) + 2
    assert f"{found.macs:,}" in page


def test_html_and_markdown_escape_names():
    net = nn.Sequential()
    net.add_module("<b>|", nn.Linear(2, 2))
    found = count(net, (2,))
    assert "&lt;b&gt;|" in found._repr_html_()
    assert "<b>\\|" in found.to_markdown()


def test_a_data_frame_needs_pandas_and_says_so(monkeypatch):
    found = count(NET, (3, 8, 8))
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MachineError, match=r"pandas.*not installed.*pip install pandas"):
        found.to_dataframe()


def test_a_data_frame_has_a_line_for_each_row():
    pandas = pytest.importorskip("pandas")
    found = count(NET, (3, 8, 8))
    frame = found.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert int(frame["macs"].sum()) == found.macs


def test_an_answer_to_unknown_operators_that_is_none_is_refused():
    with pytest.raises(UsageError, match=r"unknown: 'ignore'"):
        count(NET, (3, 8, 8), unknown="ignore")


def test_operators_add_up_to_the_whole():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 5))
    whole = count(net, (3, 8, 8), batch=2, training=True)
    found = {(each.name, each.phase): each for each in whole.operators()}
    assert found["convolution", "forward"].calls == 2
    assert found["convolution", "forward"].work.macs == 2 * (36 * 4 * 27 + 16 * 4 * 36)
    assert sum(each.work.macs for each in found.values()) == whole.macs
    assert sum(each.work.additions for each in found.values()) == whole.additions
