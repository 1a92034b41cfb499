"""Pre-activation networks against the sentences of He et al. 2016, the formula written out, and timm's blocks."""

from functools import partial

import pytest
import timm
import torch
from builders import preact_resnet, small_preact_resnet
from torch import nn
from torch.nn import functional

import oracle
from striate.base.errors import UsageError
from striate.models.build import build
from striate.models.catalog import catalog
from striate.models.preact import ActivatedBasic, ActivatedBottleneck
from striate.models.resnet import PaddedIdentity


def blocks(net: nn.Module) -> list[nn.Module]:
    return [module for module in net.modules() if isinstance(module, ActivatedBasic | ActivatedBottleneck)]


def on_nothing(builder, *args, **options):
    with torch.device("meta"):
        return builder(*args, **options)


def activated(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Batch normalisation with running statistics, and ReLU, from the formulas."""
    mean, variance, scale, shift = (
        value.view(-1, 1, 1) for value in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return ((x - mean) / (variance + norm.eps).sqrt() * scale + shift).clamp(min=0)


def block_of(net: nn.Module, kind: str) -> nn.Module:
    """A block of the second stage: its first, which changes shape, or its second, which does not."""
    return net.layer2[0 if kind == "convolution" else 1]


@pytest.mark.parametrize("kind", ["convolution", "identity"])
@pytest.mark.parametrize("stride_on", ["1x1", "3x3"])
def test_a_bottleneck_is_the_formula_written_out(kind, stride_on):
    torch.manual_seed(0)
    net = oracle.unlike_fresh(preact_resnet(50, stride_on=stride_on, stem="32")).eval()
    block = block_of(net, kind)
    x = torch.randn(2, block.conv1.in_channels, 8, 8)
    first, second = ((2, 1) if stride_on == "1x1" else (1, 2)) if kind == "convolution" else (1, 1)
    a = activated(block.bn1, x)
    y = functional.conv2d(a, block.conv1.weight, stride=first)
    y = functional.conv2d(activated(block.bn2, y), block.conv2.weight, stride=second, padding=1)
    y = functional.conv2d(activated(block.bn3, y), block.conv3.weight)
    shortcut = functional.conv2d(a, block.downsample.weight, stride=2) if kind == "convolution" else x
    torch.testing.assert_close(block(x), y + shortcut)
    assert bool((block(x) < 0).any())  # nothing follows the addition


@pytest.mark.parametrize("shortcut", ["A", "B", "C", "none"])
@pytest.mark.parametrize("kind", ["convolution", "identity"])
def test_a_basic_block_is_the_formula_written_out_for_every_shortcut(kind, shortcut):
    torch.manual_seed(0)
    block = block_of(oracle.unlike_fresh(small_preact_resnet(110, shortcut=shortcut)).eval(), kind)
    x = torch.randn(2, block.conv1.in_channels, 8, 8)
    stride, a = 2 if kind == "convolution" else 1, activated(block.bn1, x)
    y = functional.conv2d(a, block.conv1.weight, stride=stride, padding=1)
    y = functional.conv2d(activated(block.bn2, y), block.conv2.weight, padding=1)
    projected = shortcut == "C" or (shortcut == "B" and kind == "convolution")
    if projected:  # the projection takes the activated input
        y = y + functional.conv2d(a, block.downsample.weight, stride=stride)
    elif shortcut == "A" and kind == "convolution":  # the padded identity takes the input itself
        y = y + functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 16))
    elif shortcut != "none":
        y = y + x
    torch.testing.assert_close(block(x), y)


def test_the_first_block_is_activated_right_after_the_first_convolution_and_before_the_split():
    torch.manual_seed(0)
    net = oracle.unlike_fresh(small_preact_resnet(110)).eval()
    block = net.layer1[0]
    assert oracle.chain(block)[0] == "conv1"
    assert all(oracle.chain(other)[:3] == ("bn1", "relu1", "conv1") for other in blocks(net)[1:])
    x = torch.randn(2, 3, 8, 8)
    a = activated(net.bn1, net.conv1(x))
    y = block.conv2(activated(block.bn2, block.conv1(a)))
    torch.testing.assert_close(net[:3](x), a)
    torch.testing.assert_close(block(a), y + a)


def test_a_norm_and_an_activation_follow_the_last_addition():
    for net in (on_nothing(preact_resnet, 18), on_nothing(small_preact_resnet, 164)):
        names = [name for name, _ in net.named_children()]
        assert names[-5:] == ["bn_last", "relu_last", "avgpool", "flatten", "fc"]
        assert (net.bn_last.num_features, type(net.relu_last)) == (net.fc.in_features, nn.ReLU)


def test_blocks_and_shortcuts_are_those_of_the_paper():
    small = {depth: on_nothing(small_preact_resnet, depth) for depth in (110, 164, 1001)}
    assert {depth: len(blocks(net)) for depth, net in small.items()} == {110: 54, 164: 54, 1001: 333}
    padded = [isinstance(block.downsample, PaddedIdentity) for block in blocks(small[110])]
    projected = [isinstance(block.downsample, nn.Conv2d) for block in blocks(small[164])]
    assert [at for at, there in enumerate(padded) if there] == [18, 36]
    assert [at for at, there in enumerate(projected) if there] == [0, 18, 36]
    assert not any(hasattr(block, "conv3") for block in blocks(small[110]))
    assert all(hasattr(block, "conv3") for block in blocks(small[164]))
    # depth counts the layers with weights on the longest path
    for depth, net in small.items():
        on_path = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert len(on_path) - sum(isinstance(block.downsample, nn.Conv2d) for block in blocks(net)) == depth
    assert [len(stage) for stage in on_nothing(preact_resnet, 200)[4:8]] == [3, 24, 36, 3]


def test_blocks_and_the_end_equal_timms():
    """timm's first block is activated after the pool, ours before it: from there on the sums are the same."""
    torch.manual_seed(0)
    theirs = oracle.unlike_fresh(timm.create_model("resnetv2_50", num_classes=10)).eval()
    weights = {}
    for key, value in theirs.state_dict().items():
        name = (
            key.replace("stages.", "layer").replace(".blocks", "").replace("norm", "bn").replace("stem.conv", "conv1")
        )
        if name.startswith("layer"):
            name = f"layer{int(name[5]) + 1}{name[6:]}".replace("downsample.conv", "downsample")
        else:
            name = name.replace("head.", "").replace("bn.", "bn_last.")
        name = name.replace("layer1.0.bn1", "bn1")
        weights[name] = value.flatten(1) if name == "fc.weight" else value
    ours = preact_resnet(50, 10).eval()
    ours.load_state_dict(weights, strict=True)
    x = torch.randn(2, 3, 64, 64)
    after_the_pool = ours.relu(ours.bn1(ours.maxpool(ours.conv1(x))))
    oracle.same([ours[4:](after_the_pool), theirs(x)])


@pytest.mark.parametrize("name", ["preact_resnet50", "preact_resnet164"])
def test_stride_on_the_1x1_costs_less_and_has_the_same_parameters(name):
    assert oracle.shapes(partial(build, name)) == oracle.shapes(partial(build, name, stride_on="1x1"))
    strides = [
        [(block.conv1.stride[0], block.conv2.stride[0]) for block in blocks(on_nothing(build, name, stride_on=on))]
        for on in ("1x1", "3x3")
    ]
    assert set(strides[0]) == {(1, 1), (2, 1)}
    assert set(strides[1]) == {(1, 1), (1, 2)}


@pytest.mark.parametrize(("depth", "parameters"), [(20, 269_722), (56, 853_018), (110, 1_727_962)])
def test_the_layers_of_a_resnet_in_another_order_have_its_parameters(depth, parameters):
    names = f"preact_resnet{depth}", f"resnet{depth}"
    assert [sum(p.numel() for p in on_nothing(build, name).parameters()) for name in names] == [parameters] * 2


@pytest.mark.parametrize("name", ["preact_resnet50", "preact_resnet110"])
def test_ablations_change_what_they_name(name):
    plain = on_nothing(build, name, shortcut="none")
    assert not blocks(plain)
    assert not [key for key in plain.state_dict() if "downsample" in key]
    bare = on_nothing(build, name, norm="none")
    assert not [m for m in bare.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(m.bias is not None for m in bare.modules() if isinstance(m, nn.Conv2d))
    assert all(m.bias is None for m in on_nothing(build, name).modules() if isinstance(m, nn.Conv2d))
    smooth = on_nothing(build, name, activation="silu")
    assert not [m for m in smooth.modules() if isinstance(m, nn.ReLU)]
    squeezed = blocks(on_nothing(build, name, se=8))
    assert all(oracle.chain(block)[-1] == "se" for block in squeezed)
    dropped = on_nothing(build, name, dropout=0.3)
    assert [child for child, _ in dropped.named_children()][-2:] == ["dropout", "fc"]


def test_small_stem_keeps_small_pictures():
    net = on_nothing(preact_resnet, 18, stem="32")
    assert net[:10](torch.empty(1, 3, 32, 32, device="meta")).shape[2:] == (4, 4)


@pytest.mark.parametrize(
    ("builder", "depth", "options", "sentence"),
    [
        (preact_resnet, 20, {}, "no network of 20 layers.*18, 34, 50"),
        (small_preact_resnet, 44, {}, "no network of 44 layers.*20, 56, 110, 164, 1001"),
        (preact_resnet, 18, {"stride_on": "1x1"}, "no 1x1 convolution"),
        (small_preact_resnet, 110, {"shortcut": "D"}, "one of paper, A, B, C, none"),
        (preact_resnet, 18, {"channels": 0}, "whole number"),
    ],
)
def test_what_cannot_be_meant_is_refused(builder, depth, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        builder(depth, **options)


def test_no_weights_are_claimed():
    assert not [name for name, entry in catalog().items() if entry.family == "preact" and entry.weights]
