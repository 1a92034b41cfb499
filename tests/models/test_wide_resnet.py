"""Wide residual networks against torchvision, the sums written out, and Zagoruyko and Komodakis 2016."""

from functools import partial

import pytest
import torch
from builders import resnet, small_wide_resnet, wide_resnet
from torch import nn

import oracle
from striate.base.errors import UsageError
from striate.models.build import build
from striate.models.catalog import table
from striate.models.preact import ActivatedBasic
from striate.models.resnet import Bottleneck


def test_only_the_3x3_convolution_of_a_bottleneck_is_widened():
    with torch.device("meta"):
        wide, thin = wide_resnet(50), resnet(50)
        assert oracle.shapes(partial(wide_resnet, 50, widening=1)) == oracle.shapes(partial(resnet, 50))
    pairs = zip(*([m for m in net.modules() if isinstance(m, Bottleneck)] for net in (wide, thin)), strict=True)
    for ours, theirs in pairs:
        assert ours.conv2.in_channels == ours.conv2.out_channels == 2 * theirs.conv2.out_channels
        assert ours.conv3.out_channels == theirs.conv3.out_channels


def test_a_small_net_is_the_formula_written_out():
    torch.manual_seed(0)
    net = oracle.unlike_fresh(small_wide_resnet(16, 5, widening=2, dropout=0.3)).eval()
    w, x = net.state_dict(), torch.randn(2, 3, 16, 16)

    def activated(key, y):
        names = ("running_mean", "running_var", "weight", "bias")
        mean, variance, scale, shift = (w[f"{key}.{name}"].view(-1, 1, 1) for name in names)
        return ((y - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)

    # as in the authors' code: the first block of a stage projects what its norm and activation give
    y = nn.functional.conv2d(x, w["conv1.weight"], padding=1)
    for stage in (1, 2, 3):
        for block in (0, 1):
            at, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            a = activated("bn1" if (stage, block) == (1, 0) else f"{at}.bn1", y)
            z = nn.functional.conv2d(a, w[f"{at}.conv1.weight"], padding=1, stride=stride)
            z = nn.functional.conv2d(activated(f"{at}.bn2", z), w[f"{at}.conv2.weight"], padding=1)
            y = z + (nn.functional.conv2d(a, w[f"{at}.downsample.weight"], stride=stride) if block == 0 else y)
    y = activated("bn_last", y).mean((2, 3)) @ w["fc.weight"].T + w["fc.bias"]
    torch.testing.assert_close(net(x), y)


def test_dropout_stands_between_the_two_convolutions_of_each_block():
    with torch.device("meta"):
        net, without = small_wide_resnet(16, widening=1, dropout="0.3"), small_wide_resnet(16, widening=1)
    found = [block for block in net.modules() if isinstance(block, ActivatedBasic)]
    assert {oracle.chain(block)[-5:] for block in found} == {("conv1", "bn2", "relu2", "dropout", "conv2")}
    assert {m.p for m in net.modules() if isinstance(m, nn.Dropout)} == {0.3}
    assert sum(isinstance(m, nn.Dropout) for m in net.modules()) == len(found) == 6
    assert not [m for m in without.modules() if isinstance(m, nn.Dropout)]
    assert list(net.state_dict()) == list(without.state_dict())


def test_dropout_changes_training_and_not_evaluation():
    torch.manual_seed(0)
    net, x = small_wide_resnet(10, widening=1, dropout=0.5), torch.randn(2, 3, 8, 8)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


@pytest.mark.parametrize(("name", "depth", "widening"), [
    ("wide_resnet28_10", 28, 10), ("wide_resnet40_4", 40, 4), ("wide_resnet16_8", 16, 8),
])  # fmt: skip
def test_table_1_is_built(name, depth, widening):
    with torch.device("meta"):
        net = build(name)
        x = torch.empty(1, 3, 32, 32)
    lines = table(name)
    assert [child for line in lines for child in line.children] == [child for child, _ in net.named_children()]
    assert lines[1].words == f"[3x3, {16 * widening}; 3x3, {16 * widening}] x {(depth - 4) // 6}"
    for line in lines[:-1]:
        for child in line.children:
            x = net.get_submodule(child)(x)
        assert line.output == f"{x.shape[2]}x{x.shape[3]}"
    assert [len(net.get_submodule(f"layer{stage}")) for stage in (1, 2, 3)] == [(depth - 4) // 6] * 3
    # the depth of the name counts every convolution, the three projections too
    assert sum(isinstance(m, nn.Conv2d) for m in net.modules()) == depth


def test_ablations_change_what_they_name():
    with torch.device("meta"):
        assert not [m for m in small_wide_resnet(16, shortcut="none").modules() if isinstance(m, ActivatedBasic)]
        assert not [k for k in small_wide_resnet(16, shortcut="A").state_dict() if "downsample" in k]
        bare = small_wide_resnet(16, norm="none")
        assert all(m.bias is not None for m in bare.modules() if isinstance(m, nn.Conv2d))
        assert {
            oracle.chain(b)[-1] for b in small_wide_resnet(16, se=16).modules() if isinstance(b, ActivatedBasic)
        } == {"se"}
        assert wide_resnet(50, stem="32")[:8](torch.empty(1, 3, 32, 32)).shape[2:] == (4, 4)


@pytest.mark.parametrize(
    ("builder", "depth", "options", "sentence"),
    [
        (wide_resnet, 18, {}, "no network of 18 layers.*50, 101"),
        (small_wide_resnet, 20, {}, "no network of 20 layers"),
        (small_wide_resnet, 4, {}, "no network of 4 layers"),
        (small_wide_resnet, 28, {"widening": 0}, "widening: 0 is not a whole number"),
        (small_wide_resnet, 28, {"dropout": 1}, "from 0 to below 1"),
        (wide_resnet, 50, {"shortcut": "none", "zero_init": True}, "zero_init=False"),
    ],
)
def test_what_cannot_be_meant_is_refused(builder, depth, options, sentence):
    with pytest.raises(UsageError, match=sentence), torch.device("meta"):
        builder(depth, **options)
