"""Network in network against the authors' models for Caffe and the sentences of Lin et al. 2014."""

import pytest
import torch
from builders import nin_cifar10, nin_imagenet
from torch import nn

from striate.base.errors import UsageError
from striate.models.catalog import check_size, find
from striate.models.nin import table_cifar10, table_imagenet

BOTH = [(nin_cifar10, table_cifar10), (nin_imagenet, table_imagenet)]


def on_nothing(build, **options):
    with torch.device("meta"):
        return build(**options)


def sizes(net: nn.Sequential, side: int) -> dict[str, tuple[int, ...]]:
    x, seen = torch.empty(1, 3, side, side, device="meta"), {}
    for name, layer in net.named_children():
        x = layer(x)
        seen[name] = tuple(x.shape[1:])
    return seen


def test_maps_of_the_small_network_have_caffes_sizes():
    seen = sizes(on_nothing(nin_cifar10), 32)
    expected = {"cccp2": (96, 32, 32), "pool1": (96, 16, 16), "pool2": (192, 8, 8), "cccp6": (10, 8, 8)}
    assert {name: seen[name] for name in expected} == expected


def test_maps_of_the_large_network_have_caffes_sizes():
    seen = sizes(on_nothing(nin_imagenet), 224)
    expected = {"conv1": (96, 54, 54), "pool1": (96, 27, 27), "pool2": (256, 13, 13), "pool3": (384, 6, 6)}
    expected |= {"conv4": (1024, 6, 6), "cccp8": (1000, 6, 6)}
    assert {name: seen[name] for name in expected} == expected


@pytest.mark.parametrize("build", [nin_cifar10, nin_imagenet])
def test_every_convolution_is_followed_by_an_activation_and_two_of_three_are_1x1(build):
    layers = list(on_nothing(build))
    convolutions = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    assert all(isinstance(layers[index + 1], nn.ReLU) for index in convolutions)
    kernels = [layers[index].kernel_size[0] for index in convolutions]
    assert all(kernel > 1 for kernel in kernels[::3])
    assert {*kernels[1::3], *kernels[2::3]} == {1}
    assert not [layer for layer in layers if isinstance(layer, nn.Linear)]


@pytest.mark.parametrize("build", [nin_cifar10, nin_imagenet])
def test_a_logit_is_the_mean_of_its_class_map(build):
    torch.manual_seed(0)
    net, x = build(classes=3).eval(), torch.randn(2, 3, 64, 64)
    maps = net[: [name for name, _ in net.named_children()].index("avgpool")](x)
    assert maps.shape[1] == 3
    torch.testing.assert_close(net(x), maps.mean((2, 3)))


def test_dropout_stands_after_the_pools_of_the_first_blocks():
    names = [name for name, _ in on_nothing(nin_cifar10).named_children()]
    assert [names[names.index(drop) - 1] for drop in names if drop.startswith("drop")] == ["pool1", "pool2"]
    large = [name for name, _ in on_nothing(nin_imagenet).named_children()]
    assert [large[large.index(drop) - 1] for drop in large if drop.startswith("drop")] == ["pool3"]
    assert on_nothing(nin_cifar10).drop1.p == 0.5
    assert not [layer for layer in on_nothing(nin_cifar10, dropout=0) if isinstance(layer, nn.Dropout)]


def test_pools_are_of_the_kinds_that_caffe_has():
    net = on_nothing(nin_cifar10)
    assert (type(net.pool1), type(net.pool2)) == (nn.MaxPool2d, nn.AvgPool2d)
    assert {type(on_nothing(nin_imagenet).get_submodule(f"pool{number}")) for number in (1, 2, 3)} == {nn.MaxPool2d}


def test_incomplete_windows_are_averaged_over_the_cells_they_have():
    pool = nin_cifar10().pool2
    assert pool(torch.ones(1, 1, 16, 16)).eq(1).all()


def test_a_norm_takes_the_bias_of_every_convolution_but_the_class_maps():
    net = on_nothing(nin_cifar10, norm="batch")
    biased = [name for name, layer in net.named_children() if getattr(layer, "bias", None) is not None]
    assert biased == [*(name for name, layer in net.named_children() if isinstance(layer, nn.BatchNorm2d)), "cccp6"]
    assert isinstance(on_nothing(nin_imagenet, activation="gelu").cccp8_relu, nn.GELU)
    with pytest.raises(UsageError, match="dropout"):
        on_nothing(nin_imagenet, dropout=2)


@pytest.mark.parametrize(("name", "build"), [("nin_cifar10", nin_cifar10), ("nin_imagenet", nin_imagenet)])
def test_the_least_side_is_where_every_map_has_a_cell(name, build):
    net, least = on_nothing(build), find(name).least
    assert net(torch.empty(1, 3, least, least, device="meta")).shape[0] == 1
    with pytest.raises(RuntimeError):
        net(torch.empty(1, 3, least - 1, least, device="meta"))
    check_size(name, least, least + 1)
    with pytest.raises(UsageError, match=f"at least {least}x{least}"):
        check_size(name, least - 1, least)


@pytest.mark.parametrize(("build", "table"), BOTH)
def test_each_parameter_stands_in_exactly_one_line_of_the_table(build, table):
    net = on_nothing(build)
    children = [child for line in table() for child in line.children]
    assert sorted(children) == sorted(name for name, _ in net.named_children())


@pytest.mark.parametrize("build", [nin_cifar10, nin_imagenet])
def test_weights_start_as_he_et_al_draw_them(build):
    torch.manual_seed(0)
    for layer in build():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 50_000:
            fan_out = layer.out_channels * layer.kernel_size[0] ** 2
            assert layer.weight.var().item() * fan_out / 2 == pytest.approx(1, rel=0.05)
