"""ZFNet against Figure 3 and the sentences of Zeiler and Fergus 2014."""

import pytest
import torch
from builders import zfnet
from torch import nn

from striate.base.errors import UsageError
from striate.models.catalog import check_size
from striate.models.zfnet import figure_3


def on_nothing(**options):
    with torch.device("meta"):
        return zfnet(**options)


def sizes(net: nn.Sequential) -> dict[str, tuple[int, ...]]:
    x, seen = torch.empty(1, 3, 224, 224, device="meta"), {}
    for name, layer in net.named_children():
        x = layer(x)
        seen[name] = tuple(x.shape[1:])
    return seen


def test_maps_have_the_sizes_that_figure_3_prints():
    seen = sizes(on_nothing())
    printed = {"conv1": (96, 110, 110), "norm1": (96, 55, 55), "conv2": (256, 26, 26), "norm2": (256, 13, 13)}
    printed |= {"conv3": (384, 13, 13), "conv4": (384, 13, 13), "conv5": (256, 13, 13), "pool5": (256, 6, 6)}
    printed |= {"fc6": (4096,), "fc7": (4096,), "fc8": (1000,)}
    assert {name: seen[name] for name in printed} == printed


def test_layers_stand_in_the_order_of_figure_3():
    names = [name for name, _ in on_nothing().named_children()]
    assert " ".join(names) == (
        "conv1 relu1 pool1 norm1 conv2 relu2 pool2 norm2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 "
        "flatten fc6 relu6 drop6 fc7 relu7 drop7 fc8"
    )


def test_no_convolution_is_grouped():
    net = on_nothing()
    assert {layer.groups for layer in net if isinstance(layer, nn.Conv2d)} == {1}


def test_contrast_is_normalised_with_the_constants_of_2012():
    torch.manual_seed(0)
    a = 30 * torch.randn(2, 96, 3, 3)
    sums = torch.stack([a[:, max(0, i - 2) : i + 3].square().sum(1) for i in range(96)], 1)
    torch.testing.assert_close(on_nothing().norm1(a), a / (2 + 1e-4 * sums) ** 0.75)


def test_weights_start_with_deviation_0_01_and_biases_at_0():
    torch.manual_seed(0)
    for key, value in zfnet(classes=10).named_parameters():
        if key.endswith("bias"):
            assert not value.any()
        else:
            assert value.std().item() == pytest.approx(0.01, rel=0.03)


def test_options_change_what_they_say():
    assert "norm1" not in dict(on_nothing(lrn=False).named_children())
    assert "drop7" not in dict(on_nothing(dropout=0).named_children())
    normed = on_nothing(norm="group")
    assert [name for name, _ in normed[:5].named_children()] == ["conv1", "bn1", "relu1", "pool1", "norm1"]
    assert normed.conv5.bias is None
    assert isinstance(on_nothing(activation="elu").relu1, nn.ELU)
    assert on_nothing(classes=7, channels=1)(torch.empty(2, 1, 224, 224, device="meta")).shape == (2, 7)
    with pytest.raises(UsageError, match="init"):
        on_nothing(init="luck")


@pytest.mark.parametrize("side", [223, 225, 227])
def test_only_224_pixels_fit(side):
    check_size("zfnet", 224, 224)
    with pytest.raises(UsageError, match="224x224"):
        check_size("zfnet", side, side)


def test_each_parameter_stands_in_exactly_one_line_and_printed_sizes_are_met():
    net = on_nothing()
    children = [child for line in figure_3() for child in line.children]
    keys = [f"{child}.{key}" for child in children for key, _ in net.get_submodule(child).named_parameters()]
    assert sorted(keys) == sorted(key for key, _ in net.named_parameters())
    seen = sizes(net)
    for line in figure_3():
        *plane, maps = map(int, line.output.split("x"))
        assert seen[line.children[-1]] == (maps, *plane)
