"""Inception-v3 against Table 1 of Szegedy et al. 2016 and against torchvision."""

import pytest
import torch
from builders import inception_v3
from torch import nn

from striate.base.errors import UsageError
from striate.layers import SqueezeExcitation
from striate.models.build import build
from striate.models.catalog import check_size
from striate.models.inception import table_1


def on_nothing(**options) -> nn.Sequential:
    with torch.device("meta"):
        return inception_v3(**options)


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def without_dropout(net: nn.Module) -> nn.Module:
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return net


def test_each_layer_has_the_size_that_table_1_prints_but_for_the_one_released_otherwise():
    net, x, sizes = on_nothing().eval(), torch.empty(1, 3, 299, 299, device="meta"), {}
    for name, layer in net.named_children():
        if name != "AuxLogits":
            x = layer(x)
            sizes[name] = "x".join(map(str, (*x.shape[2:], x.shape[1]))) if x.ndim == 4 else f"1x1x{x.shape[1]}"
    printed = {line.children[-1]: line.output for line in table_1() if line.children and line.output}
    assert {name: (sizes[name], output) for name, output in printed.items() if sizes[name] != output} == {
        "Conv2d_3b_1x1": ("73x73x80", "71x71x80")
    }
    assert sizes["Conv2d_4a_3x3"] == "71x71x192", "Table 1 has 35x35x192 here, which only the pool gives"


def test_multiply_adds_are_the_sum_of_the_released_kernels_over_their_maps():
    stem = 149**2 * 3 * 32 * 9 + 147**2 * (32 * 32 * 9 + 32 * 64 * 9) + 73**2 * 64 * 80 + 71**2 * 80 * 192 * 9
    at_35 = 35**2 * sum(
        c * 64 + (c * 48 + 48 * 64 * 25) + (c * 64 + 64 * 96 * 9 + 96 * 96 * 9) + c * pooled
        for c, pooled in ((192, 32), (256, 64), (288, 64))
    )
    to_17 = 17**2 * 288 * 384 * 9 + 35**2 * (288 * 64 + 64 * 96 * 9) + 17**2 * 96 * 96 * 9
    at_17 = 17**2 * sum(
        768 * 192 + (768 * n + 7 * n * n + 7 * n * 192) + (768 * n + 3 * 7 * n * n + 7 * n * 192) + 768 * 192
        for n in (128, 160, 160, 192)
    )
    to_8 = 17**2 * 768 * 192 + 8**2 * 192 * 320 * 9 + 17**2 * (768 * 192 + 2 * 7 * 192**2) + 8**2 * 192**2 * 9
    at_8 = 8**2 * sum(
        c * 320 + (c * 384 + 2 * 3 * 384**2) + (c * 448 + 448 * 384 * 9 + 2 * 3 * 384**2) + c * 192
        for c in (1280, 2048)
    )
    total = 0

    def add(layer, _, output):
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    net = on_nothing().eval()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(add)
    net(torch.empty(1, 3, 299, 299, device="meta"))
    assert total == stem + at_35 + to_17 + at_17 + to_8 + at_8 + 2048 * 1000 == 5_713_216_096


def test_parameters_with_and_without_the_auxiliary_head():
    head = 768 * 128 + 2 * 128 + 128 * 768 * 25 + 2 * 768 + 768 * 1000 + 1000
    assert parameters(on_nothing()) == 27_161_264
    assert parameters(on_nothing(aux=False)) == 27_161_264 - head == 23_834_568


def test_norms_and_the_head_are_those_released():
    net = on_nothing()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.eps for norm in norms} == {0.001}
    assert len(norms) == len([module for module in net.modules() if isinstance(module, nn.Conv2d)]) == 96
    assert (net.AuxLogits.after, net.AuxLogits.weight) == ("Mixed_6e", 0.4)
    assert net.dropout.p == 0.5


def test_the_trunk_is_all_before_the_head_and_a_chain_in_either_mode():
    net = on_nothing()
    trunk = net[: [name for name, _ in net.named_children()].index("AuxLogits")]
    assert trunk(torch.empty(2, 3, 299, 299, device="meta")).shape == (2, 2048, 8, 8)


@pytest.mark.parametrize(("options", "least"), [({}, 299), ({"aux": False}, 75)])
def test_the_least_side_is_the_first_that_trains(options, least):
    with torch.device("meta"):
        net = build("inception_v3", **options)
        net(torch.empty(2, 3, least, least))
        with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
            net(torch.empty(2, 3, least - 1, least - 1))
    check_size("inception_v3", least, least, **options)
    with pytest.raises(UsageError, match=f"at least {least}x{least}"):
        check_size("inception_v3", least - 1, least, **options)


def test_squeeze_excitation_stands_after_each_module_when_asked_for():
    plain, scaled = on_nothing(), on_nothing(se=16)
    found = [name for name, module in scaled.named_modules() if isinstance(module, SqueezeExcitation)]
    modules = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
    assert found == [f"Mixed_{name}.se" for name in modules]
    maps = (256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048, 2048)
    assert parameters(scaled) - parameters(plain) == sum(c * (c // 16) * 2 + c // 16 + c for c in maps)


def test_norm_activation_dropout_and_channels_are_as_asked_for():
    net = on_nothing(norm="none", activation="elu", dropout=0, channels=1, aux=False)
    assert not [module for module in net.modules() if isinstance(module, nn.BatchNorm2d | nn.ReLU | nn.Dropout)]
    assert all(module.bias is not None for module in net.modules() if isinstance(module, nn.Conv2d))
    assert net(torch.empty(2, 1, 75, 75, device="meta")).shape == (2, 1000)
    with pytest.raises(UsageError, match="3 channels, not 1"):
        inception_v3(channels=1, transform_input=True)


def test_the_lines_of_the_table_cover_each_parameter_once():
    with_parameters = [name for name, layer in on_nothing().named_children() if parameters(layer)]
    named = [child for line in table_1() for child in line.children]
    assert len(named) == len(set(named))
    assert set(with_parameters) <= set(named)


@pytest.mark.slow
def test_it_exports_with_its_transform():
    torch.manual_seed(0)
    net, x = inception_v3(classes=4, transform_input=True).eval(), torch.randn(2, 3, 75, 75)
    torch.testing.assert_close(torch.export.export(net, (x,)).module()(x), net(x))
