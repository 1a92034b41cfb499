"""ResNeXt against torchvision, its three equal forms, and Xie et al. 2017."""

from functools import partial

import pytest
import torch
from builders import resnext, small_resnext
from torch import nn

import oracle
from striate.base.errors import UsageError
from striate.models.build import build
from striate.models.catalog import catalog, find, table
from striate.models.resnet import Bottleneck, PaddedIdentity


def test_a_grouped_block_equals_the_sum_of_its_paths():
    """Fig. 3: form (c), built here, against form (a), one narrow bottleneck a path and the sum of what they give."""
    torch.manual_seed(0)
    block = oracle.unlike_fresh(resnext(50, groups=4, width=8)).eval().layer1[1]
    x, total = torch.randn(2, 256, 6, 6), 0.0
    for path in range(4):
        at = slice(8 * path, 8 * path + 8)

        def norm(y, bn, at=at):
            statistics = bn.running_mean[at], bn.running_var[at], bn.weight[at], bn.bias[at]
            return torch.relu(nn.functional.batch_norm(y, *statistics, training=False))

        y = norm(nn.functional.conv2d(x, block.conv1.weight[at]), block.bn1)
        y = norm(nn.functional.conv2d(y, block.conv2.weight[at], padding=1), block.bn2)
        total = total + nn.functional.conv2d(y, block.conv3.weight[:, at])
    torch.testing.assert_close(block(x), torch.relu(block.bn3(total) + x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name, entry in catalog().items() if entry.family == "resnext"])
def test_the_stride_is_on_the_grouped_3x3_convolution(name):
    with torch.device("meta"):
        net = build(name)
    groups, width = find(name).options["groups"], find(name).options["width"]
    stages = [stage for key, stage in net.named_children() if key.startswith("layer")]
    for number, stage in enumerate(stages):
        for block in stage:
            assert (block.conv2.groups, block.conv2.out_channels) == (groups, groups * width * 2**number)
            assert {block.conv1.stride, block.conv3.stride} == {(1, 1)}
            assert (block.conv1.groups, block.conv3.groups) == (1, 1)
            assert block.conv2.stride[0] == (2 if number and block is stage[0] else 1)


def test_table_1_is_built():
    with torch.device("meta"):
        net = build("resnext50_32x4d")
        x = torch.empty(1, 3, 224, 224)
    lines = table("resnext50_32x4d")
    # Table 1 as printed, right column
    assert lines[1].words == "3x3 max pool, stride 2; [1x1, 128; 3x3, 128, C=32; 1x1, 256] x 3"
    assert lines[4].words == "[1x1, 1024; 3x3, 1024, C=32; 1x1, 2048] x 3"
    assert [child for line in lines for child in line.children] == [child for child, _ in net.named_children()]
    for line in lines[:-1]:
        for child in line.children:
            x = net.get_submodule(child)(x)
        assert line.output == f"{x.shape[2]}x{x.shape[3]}"


def test_parameters_of_section_5_3_by_arithmetic():
    # 16x64d: the paper prints 68.1 M, 8x64d 34.4 M.
    for groups, number, printed in ((8, 34_426_698, "34.4"), (16, 68_155_210, "68.2")):
        with torch.device("meta"):
            net = small_resnext(groups=groups)
        assert sum(p.numel() for p in net.parameters()) == number
        assert f"{number / 1e6:.1f}" == printed
        assert [stage[0].conv3.out_channels for stage in (net.layer1, net.layer2, net.layer3)] == [256, 512, 1024]
        assert [len(stage) for stage in (net.layer1, net.layer2, net.layer3)] == [3, 3, 3]


@pytest.mark.parametrize("builder", [partial(resnext, 50), small_resnext])
def test_ablations_change_what_they_name(builder):
    with torch.device("meta"):
        assert not [m for m in builder(shortcut="none").modules() if isinstance(m, Bottleneck)]
        assert sum(isinstance(m, PaddedIdentity) for m in builder(shortcut="A").modules()) == (
            4 if builder is not small_resnext else 3
        )
        assert all(m.bias is not None for m in builder(norm="none").modules() if isinstance(m, nn.Conv2d))
        assert not [m for m in builder(activation="gelu").modules() if isinstance(m, nn.ReLU)]
        assert {oracle.chain(m)[-1] for m in builder(se=16).modules() if isinstance(m, Bottleneck)} == {"se"}
        assert builder(dropout=0.2).dropout.p == 0.2
        assert resnext(50, stem="32")[:8](torch.empty(1, 3, 32, 32)).shape[2:] == (4, 4)
    blocks = [m for m in builder(zero_init=True, width=4).modules() if isinstance(m, Bottleneck)]
    assert not any(block.bn3.weight.any() for block in blocks)


@pytest.mark.parametrize(
    ("builder", "options", "sentence"),
    [
        (partial(resnext, 18), {}, "no network of 18 layers.*50, 101"),
        (partial(small_resnext, 50), {}, "no network of 50 layers.*29"),
        (partial(resnext, 50), {"groups": 0}, "groups"),
        (partial(resnext, 50), {"width": "wide"}, "width"),
    ],
)
def test_what_cannot_be_meant_is_refused(builder, options, sentence):
    with pytest.raises(UsageError, match=sentence), torch.device("meta"):
        builder(**options)
