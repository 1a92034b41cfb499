"""LeNet-5 layer by layer, against Figure 2 and section II.B of LeCun et al. 1998."""

import pytest
import torch
from torch import nn

from striate.errors import UsageError
from striate.models.lenet import lenet5


def test_each_layer_has_the_maps_that_figure_2_prints():
    sizes = {"c1": (6, 28, 28), "s2": (6, 14, 14), "c3": (16, 10, 10), "s4": (16, 5, 5)}
    sizes |= {"c5": (120,), "f6": (84,), "output": (10,)}
    x, seen = torch.zeros(1, 1, 32, 32), {}
    for name, layer in lenet5().named_children():
        x = layer(x)
        seen[name] = tuple(x.shape[1:])
    assert {name: seen[name] for name in sizes} == sizes


def test_parameters_of_each_layer_follow_from_the_table():
    # C1, C5 and F6 as section II.B prints them (156, 48,120, 10,164); C3 and output by arithmetic:
    # 16 * (6 * 25 + 1) with every connection, where 1998 had 1,516; 10 * (84 + 1) where it had fixed codes.
    numbers = {"c1": 156, "c3": 2_416, "c5": 48_120, "f6": 10_164, "output": 850}
    net = lenet5()
    counted = {name: sum(p.numel() for p in layer.parameters()) for name, layer in net.named_children()}
    assert {name: number for name, number in counted.items() if number} == numbers
    assert sum(numbers.values()) == 61_706


def test_state_dict_keys_are_the_layer_names_of_the_paper():
    layers = ("c1", "c3", "c5", "f6", "output")
    assert list(lenet5().state_dict()) == [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]


def test_answers_equal_the_formula_written_out():
    torch.manual_seed(0)
    net, x = lenet5(), torch.randn(4, 1, 32, 32)
    w = net.state_dict()
    y = nn.functional.avg_pool2d(torch.tanh(nn.functional.conv2d(x, w["c1.weight"], w["c1.bias"])), 2)
    y = nn.functional.avg_pool2d(torch.tanh(nn.functional.conv2d(y, w["c3.weight"], w["c3.bias"])), 2)
    # C5 as the paper has it, a convolution over the whole map.
    y = torch.tanh(nn.functional.conv2d(y, w["c5.weight"].view(120, 16, 5, 5), w["c5.bias"])).flatten(1)
    y = torch.tanh(y @ w["f6.weight"].T + w["f6.bias"]) @ w["output.weight"].T + w["output.bias"]
    torch.testing.assert_close(net(x), y)


def test_dropout_stands_before_the_output_layer_only_when_asked_for():
    assert not [layer for layer in lenet5() if isinstance(layer, nn.Dropout)]
    net = lenet5(dropout=0.3)
    assert [name for name, _ in net.named_children()][-2:] == ["dropout", "output"]
    assert net.dropout.p == 0.3
    assert list(net.state_dict()) == list(lenet5().state_dict())


def test_activation_is_replaced_everywhere():
    net = lenet5(activation="relu")
    assert [type(layer).__name__ for layer in net if isinstance(layer, nn.ReLU | nn.Tanh)] == ["ReLU"] * 4


def test_a_slice_of_the_network_is_a_network():
    assert lenet5()[:6](torch.zeros(1, 1, 32, 32)).shape == (1, 16, 5, 5)


def test_values_are_checked_without_the_catalogue():
    with pytest.raises(UsageError, match="classes"):
        lenet5(0)
    with pytest.raises(UsageError, match="dropout"):
        lenet5(dropout=-0.1)
