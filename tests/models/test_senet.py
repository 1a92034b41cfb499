"""Squeeze-and-excitation networks against timm and Hu et al. 2018."""

from functools import partial

import pytest
import torch
from builders import senet, senet154
from torch import nn

import oracle
from striate.base.errors import UsageError
from striate.layers import SqueezeExcitation
from striate.models.build import build
from striate.models.catalog import table
from striate.models.resnet import BasicBlock, Bottleneck


def test_squeeze_excitation_is_two_dense_layers_on_the_means_of_the_maps():
    torch.manual_seed(0)
    se, x = SqueezeExcitation(256, 16), torch.randn(3, 256, 5, 7)
    with torch.no_grad():
        nn.init.normal_(se.fc1.bias)
        nn.init.normal_(se.fc2.bias)
    squeezed = torch.relu(x.mean((2, 3)) @ se.fc1.weight[:, :, 0, 0].T + se.fc1.bias)
    scale = torch.sigmoid(squeezed @ se.fc2.weight[:, :, 0, 0].T + se.fc2.bias)
    assert squeezed.shape == (3, 16)
    torch.testing.assert_close(se(x), x * scale[:, :, None, None])


@pytest.mark.parametrize(("ratio", "squeezed"), [(2, 128), (4, 64), (8, 32), (16, 16), (32, 8), (64, 8)])
def test_maps_are_squeezed_by_the_ratio_and_to_eight_at_least(ratio, squeezed):
    with torch.device("meta"):
        net = senet(50, se=ratio)
    assert net.layer1[0].se.fc1.out_channels == squeezed
    assert net.layer4[0].se.fc1.out_channels == 2048 // ratio


def test_without_squeeze_excitation_it_is_the_residual_network():
    assert oracle.shapes(partial(senet, 50, se="none")) == oracle.shapes(partial(build, "resnet50"))
    assert oracle.shapes(partial(senet, 18, se=None)) == oracle.shapes(partial(build, "resnet18"))


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_v1_has_the_stride_on_the_1x1_and_the_parameters_of_v1_5(depth):
    with torch.device("meta"):
        published, now = build(f"seresnet{depth}_v1"), build(f"seresnet{depth}")
    assert (published.layer2[0].conv1.stride, published.layer2[0].conv2.stride) == ((2, 2), (1, 1))
    assert (now.layer2[0].conv1.stride, now.layer2[0].conv2.stride) == ((1, 1), (2, 2))
    assert sum(p.numel() for p in published.parameters()) == sum(p.numel() for p in now.parameters())


def test_senet154_differs_in_the_four_places_that_the_appendix_lists():
    with torch.device("meta"):
        net = senet154()
    convolutions = [m for m in net.conv1 if isinstance(m, nn.Conv2d)]
    assert [(m.kernel_size[0], m.stride[0], m.out_channels) for m in convolutions] == [
        (3, 2, 64),
        (3, 1, 64),
        (3, 1, 128),
    ]
    stages = (net.layer1, net.layer2, net.layer3, net.layer4)
    assert [len(stage) for stage in stages] == [3, 8, 36, 3]
    assert [stage[0].downsample[0].kernel_size for stage in stages] == [(1, 1), (3, 3), (3, 3), (3, 3)]
    for block in (m for m in net.modules() if isinstance(m, BasicBlock | Bottleneck)):
        assert block.conv2.groups == 64
        assert 2 * block.conv1.out_channels == block.conv2.out_channels == block.conv3.out_channels
        assert oracle.chain(block)[-1] == "se"
    assert net.dropout.p == 0.2


def test_table_1_is_built():
    with torch.device("meta"):
        net = build("seresnext50_32x4d")
        x = torch.empty(1, 3, 224, 224)
    lines = table("seresnext50_32x4d")
    # Table 1 as printed, right and middle columns
    assert lines[2].words == "[1x1, 256; 3x3, 256, C=32; 1x1, 512; fc, [32, 512]] x 4"
    assert table("seresnet50_v1")[2].words == "[1x1, 128; 3x3, 128; 1x1, 512; fc, [32, 512]] x 4"
    assert [child for line in lines for child in line.children] == [child for child, _ in net.named_children()]
    for line in lines[:-1]:
        for child in line.children:
            x = net.get_submodule(child)(x)
        assert line.output == f"{x.shape[2]}x{x.shape[3]}"


@pytest.mark.parametrize("builder", [partial(senet, 50), senet154])
def test_ablations_change_what_they_name(builder):
    with torch.device("meta"):
        plain = builder(shortcut="none")
        assert not [m for m in plain.modules() if isinstance(m, BasicBlock | Bottleneck)]
        assert [m for m in plain.modules() if isinstance(m, SqueezeExcitation)]
        bare = builder(norm="none")
        assert all(m.bias is not None for m in bare.modules() if isinstance(m, nn.Conv2d))
        smooth = [m for m in builder(activation="gelu").modules() if isinstance(m, nn.ReLU)]
        assert len(smooth) == sum(isinstance(m, SqueezeExcitation) for m in plain.modules())  # only those in a squeeze
        assert builder(dropout=0.4).dropout.p == 0.4
        assert "dropout" not in dict(builder(dropout=0).named_children())


def test_small_stem_keeps_small_pictures():
    with torch.device("meta"):
        assert senet(18, stem="32")[:8](torch.empty(1, 3, 32, 32)).shape[2:] == (4, 4)


@pytest.mark.parametrize(
    ("depth", "options", "key"),
    [
        (20, {}, "depth"),
        (18, {"groups": 32}, "groups"),
        (18, {"width": 4}, "width"),
        (34, {"stride_on": "1x1"}, "stride_on"),
        (50, {"stride_on": "2x2"}, "stride_on"),
        (50, {"se": 0}, "se"),
        (50, {"se": "much"}, "se"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(depth, options, key):
    with pytest.raises(UsageError) as caught, torch.device("meta"):
        senet(depth, **options)
    assert caught.value.where == key
