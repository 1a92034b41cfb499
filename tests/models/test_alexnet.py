"""AlexNet against torchvision and against the sentences of Krizhevsky et al. 2012."""

import pytest
import torch
from builders import alexnet, alexnet_cifar10, alexnet_owt
from torch import nn

from striate.base.errors import UsageError
from striate.models.alexnet import FOUR_LAYERS, figure_2, four_layers, one_tower
from striate.models.catalog import check_size


def on_nothing(build, **options):
    with torch.device("meta"):
        return build(**options)


def sizes(net: nn.Sequential, side: int) -> dict[str, tuple[int, ...]]:
    x, seen = torch.empty(1, 3, side, side, device="meta"), {}
    for name, layer in net.named_children():
        x = layer(x)
        seen[name] = tuple(x.shape[1:])
    return seen


def test_maps_have_the_sizes_that_figure_2_prints():
    seen = sizes(on_nothing(alexnet), 227)
    printed = {"conv1": (96, 55, 55), "conv2": (256, 27, 27), "conv3": (384, 13, 13), "conv4": (384, 13, 13)}
    printed |= {"conv5": (256, 13, 13), "pool5": (256, 6, 6), "fc6": (4096,), "fc7": (4096,), "fc8": (1000,)}
    assert {name: seen[name] for name in printed} == printed


def test_the_printed_224_pixels_do_not_give_the_printed_maps():
    assert sizes(on_nothing(alexnet)[:1], 224)["conv1"] == (96, 54, 54)


def test_convolutions_have_the_kernels_that_section_3_5_prints():
    # "256 kernels of size 5x5x48", "384 kernels of size 3x3x256", "384 ... 3x3x192", "256 ... 3x3x192"
    kernels = [(96, 3, 11, 11), (256, 48, 5, 5), (384, 256, 3, 3), (384, 192, 3, 3), (256, 192, 3, 3)]
    net = on_nothing(alexnet)
    assert [tuple(net.get_submodule(f"conv{number}").weight.shape) for number in range(1, 6)] == kernels
    assert [net.get_submodule(f"conv{number}").groups for number in range(1, 6)] == [1, 2, 1, 2, 2]


def test_layers_stand_in_the_order_of_section_3():
    names = [name for name, _ in on_nothing(alexnet).named_children()]
    assert " ".join(names) == (
        "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 "
        "flatten fc6 relu6 drop6 fc7 relu7 drop7 fc8"
    )


def test_response_normalisation_is_the_printed_formula():
    torch.manual_seed(0)
    a = 30 * torch.randn(2, 96, 3, 3)
    sums = torch.stack([a[:, max(0, i - 2) : i + 3].square().sum(1) for i in range(96)], 1)
    torch.testing.assert_close(on_nothing(alexnet).norm1(a), a / (2 + 1e-4 * sums) ** 0.75)


def test_pools_overlap():
    pools = [layer for layer in on_nothing(alexnet) if isinstance(layer, nn.MaxPool2d)]
    assert [(pool.kernel_size, pool.stride) for pool in pools] == [(3, 2)] * 3


def test_weights_and_biases_start_as_section_5_prints():
    torch.manual_seed(0)
    net = alexnet(classes=10)
    ones = {name for name, each in net.named_parameters() if name.endswith("bias") and bool((each == 1).all())}
    assert ones == {"conv2.bias", "conv4.bias", "conv5.bias", "fc6.bias", "fc7.bias"}
    assert not any(net.get_submodule(name).bias.any() for name in ("conv1", "conv3", "fc8"))
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
        assert net.get_submodule(name).weight.std().item() == pytest.approx(0.01, rel=0.03)
    assert not alexnet(classes=10, init="he").conv2.bias.any()


def test_options_change_what_they_say():
    assert "norm1" not in dict(on_nothing(alexnet, lrn="false").named_children())
    assert "drop6" not in dict(on_nothing(alexnet, dropout=0).named_children())
    normed = on_nothing(alexnet, norm="batch")
    assert [name for name, _ in normed[:5].named_children()] == ["conv1", "bn1", "relu1", "norm1", "pool1"]
    assert normed.conv1.bias is None
    assert alexnet(classes=2, norm="batch").bn2.bias.any().item() is False
    assert on_nothing(alexnet, groups="1").conv2.weight.shape[1] == 96
    assert isinstance(on_nothing(alexnet, activation="tanh").relu6, nn.Tanh)
    with pytest.raises(UsageError, match=r"3 does not divide.*one of 1, 2, 4, 8, 16, 32"):
        on_nothing(alexnet, groups=3)


def test_only_227_pixels_fit():
    check_size("alexnet", 227, 227)
    for side in (224, 226, 228):
        with pytest.raises(UsageError, match="227x227"):
            check_size("alexnet", side, side)


def test_one_tower_takes_63_pixels_and_no_fewer():
    net = on_nothing(alexnet_owt)
    assert net.features(torch.empty(1, 3, 63, 63, device="meta")).shape[2:] == (1, 1)
    with pytest.raises(RuntimeError):
        net(torch.empty(1, 3, 62, 63, device="meta"))
    with pytest.raises(UsageError, match="at least 63x63"):
        check_size("alexnet_owt", 62, 63)


def test_one_tower_with_a_norm_has_no_bias_before_it():
    net = on_nothing(alexnet_owt, norm="batch")
    convolutions = [layer for layer in net.features if isinstance(layer, nn.Conv2d)]
    assert [layer.bias for layer in convolutions] == [None] * 5
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in net.features) == 5


@pytest.mark.parametrize(
    ("build", "table"), [(alexnet, figure_2), (alexnet_owt, one_tower), (alexnet_cifar10, four_layers)]
)
def test_each_parameter_stands_in_exactly_one_line_of_the_table(build, table):
    net = on_nothing(build)
    children = [child for line in table() for child in line.children]
    keys = [f"{child}.{key}" for child in children for key, _ in net.get_submodule(child).named_parameters()]
    assert sorted(keys) == sorted(key for key, _ in net.named_parameters())


def test_printed_sizes_of_the_table_are_those_of_the_network():
    seen = sizes(on_nothing(alexnet), 227)
    for line in figure_2():
        if line.output:
            *plane, maps = map(int, line.output.split("x"))
            assert seen[line.children[-1]] == (maps, *plane)


@pytest.mark.parametrize("pool", [2, 3])
def test_the_four_layer_network_has_the_maps_of_its_file_with_pools_that_overlap_or_not(pool):
    # cuda-convnet, layers-18pct.cfg: 32, 32 and 64 maps of 32, 16 and 8, pooled to 16, 8 and 4
    seen = sizes(on_nothing(alexnet_cifar10, pool=pool), 32)
    printed = {"conv1": (32, 32, 32), "pool1": (32, 16, 16), "conv2": (32, 16, 16), "pool2": (32, 8, 8)}
    printed |= {"conv3": (64, 8, 8), "pool3": (64, 4, 4), "fc10": (10,)}
    assert {name: seen[name] for name in printed} == printed
    by_hand = 3 * 32 * 25 + 32 + 32 * 32 * 25 + 32 + 32 * 64 * 25 + 64 + 64 * 16 * 10 + 10
    assert sum(each.numel() for each in on_nothing(alexnet_cifar10, pool=pool).parameters()) == by_hand


def test_the_first_layers_of_the_four_layer_network_are_alexnets_or_zfnets():
    # Zeiler and Fergus 2014, section 4.1: 11x11 that move by 4 became 7x7 that move by 2, and conv2 then moves by 2
    found = {}
    for first in ("alexnet", "zfnet"):
        net = on_nothing(alexnet_cifar10, first=first)
        found[first] = [
            (net.get_submodule(each).kernel_size[0], net.get_submodule(each).stride[0])
            for each in ("conv1", "conv2", "conv3")
        ]
        assert sizes(net, 32)["pool2"] == (32, 2, 2)  # as far down after the first two
    assert found == {"alexnet": [(11, 4), (5, 1), (5, 1)], "zfnet": [(7, 2), (5, 2), (5, 1)]}
    with pytest.raises(UsageError, match="sides of at least 32 pixels"):
        check_size("alexnet_cifar10", 31, 40, first="zfnet")


def test_the_four_layer_networks_weights_are_drawn_as_its_file_says():
    torch.manual_seed(0)
    net = alexnet_cifar10()
    for name, _, _, deviation in FOUR_LAYERS:
        assert net.get_parameter(f"{name}.weight").std().item() == pytest.approx(deviation, rel=0.1)
        assert not net.get_parameter(f"{name}.bias").any()
