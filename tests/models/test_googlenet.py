"""GoogLeNet against Table 1, Fig. 3 and section 5 of Szegedy et al. 2015, and against torchvision."""

import pytest
import torch
from builders import googlenet, googlenet_bn
from torch import nn

from striate.base.errors import UsageError
from striate.layers import Heads, SqueezeExcitation
from striate.models.build import build
from striate.models.catalog import check_size
from striate.models.googlenet import TABLE_1, table_1

BOTH = [googlenet, googlenet_bn]


def on_nothing(builder, **options) -> nn.Sequential:
    with torch.device("meta"):
        return builder(**options)


def parameters(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def work(net: nn.Module, side: int = 224) -> dict[str, int]:
    """Weights and multiply-adds of each child of the network, without biases."""
    found: dict[str, int] = {}

    def count(name, layer, output):
        found[f"{name} weights"] = found.get(f"{name} weights", 0) + layer.weight.numel()
        cells = output.numel() // output.shape[1]
        found[name] = found.get(name, 0) + layer.weight.numel() * cells

    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda layer, _, output, name=name: count(name.split(".")[0], layer, output))
    net.eval()(torch.empty(1, 3, side, side, device="meta"))
    return found


def without_dropout(net: nn.Module) -> nn.Module:
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return net


@pytest.mark.parametrize("builder", BOTH)
def test_each_layer_has_the_output_size_that_table_1_prints(builder):
    net, x, sizes = on_nothing(builder).eval(), torch.empty(1, 3, 224, 224, device="meta"), {}
    for name, layer in net.named_children():
        if not name.startswith("aux"):
            x = layer(x)
            sizes[name] = tuple(x.shape[1:])
    for names, _, _, output, *_ in TABLE_1:
        width, height, maps = map(int, output.split("x"))
        found = sizes[names.split()[-1]]
        assert found == ((maps, height, width) if names not in ("dropout", "fc") else (maps,)), names


def test_operations_of_table_1_are_those_of_its_kernels_but_for_two_rows():
    found, differ = work(on_nothing(googlenet)), {}
    for names, _, _, _, _, _, printed in TABLE_1:
        if printed:
            counted = sum(found[name] for name in names.split())
            if abs(counted / 1e6 - int(printed[:-1])) > 1:
                differ[names] = counted
    # 34M is printed: a separable convolution, 8 maps a channel, would have (49 * 3 * 8 + 24 * 64) * 112^2
    assert differ == {"conv1": 49 * 3 * 64 * 112**2, "inception5a": 1_042_432 * 7**2}
    assert (49 * 3 * 8 + 24 * 64) * 112**2 == 34_019_328
    assert sum(int(printed[:-1]) for *_, printed in TABLE_1 if printed) == 1_502
    assert sum(count for name, count in found.items() if not name.endswith("weights")) == 1_582_671_872


def test_parameters_of_table_1_are_in_units_of_1024_and_agree_to_one_in_five_rows():
    found, differ = work(on_nothing(googlenet)), {}
    for names, _, _, _, _, printed, _ in TABLE_1:
        if printed:
            counted = sum(found[f"{name} weights"] for name in names.split()) / 1024
            if abs(counted - float(printed[:-1])) > 1:
                differ[names] = round(counted / float(printed[:-1]) - 1, 3)
    # the others: conv2 and conv3, 3a, 3b, 4b and fc
    rows = {"4a": 0.008, "4c": 0.075, "4d": 0.018, "4e": 0.008, "5a": -0.05, "5b": 0.015}
    assert found["conv1 weights"] == 9_408
    assert differ.pop("conv1") == round(9_408 / 1024 / 2.7 - 1, 3)
    assert {name.removeprefix("inception"): value for name, value in differ.items()} == rows


def test_parameters_with_and_without_auxiliary_heads():
    # a head: 1x1 convolution, 2,048 -> 1,024 and 1,024 -> 1,000 with biases; biased convolution or normalised
    dense = 2_048 * 1_024 + 1_024 + 1_024 * 1_000 + 1_000
    published, released = (on_nothing(builder) for builder in BOTH)
    assert parameters(published.aux1, published.aux2) == (512 + 528) * 128 + 2 * (128 + dense)
    assert parameters(released.aux1, released.aux2) == (512 + 528) * 128 + 2 * (256 + dense)
    assert [parameters(on_nothing(builder, aux=False)) for builder in BOTH] == [6_998_552, 6_624_904]
    assert [parameters(net) for net in (published, released)] == [13_378_280, 13_004_888]


def test_published_and_released_differ_where_the_catalogue_says():
    published, released = (on_nothing(builder) for builder in BOTH)
    for net, five, pool, rate in ((published, 5, 3, 0.4), (released, 3, 2, 0.2)):
        kernels = {
            net.get_submodule(name).branch3[1].conv.kernel_size for name, _ in net.named_children() if "3a" in name
        }
        assert kernels == {(five, five)}
        pools = [layer for layer in net if isinstance(layer, nn.MaxPool2d)]
        assert [(each.kernel_size, each.stride, each.ceil_mode) for each in pools] == [(3, 2, True)] * 3 + [
            (pool, 2, True)
        ]
        assert (net.dropout.p, net.aux1.dropout.p, net.aux2.dropout.p) == (rate, 0.7, 0.7)
    assert not [module for module in published.modules() if isinstance(module, nn.BatchNorm2d)]
    assert all(module.bias is not None for module in published.modules() if isinstance(module, nn.Conv2d))
    norms = [module for module in released.modules() if isinstance(module, nn.BatchNorm2d)]
    convolutions = [module for module in released.modules() if isinstance(module, nn.Conv2d)]
    assert len(norms) == len(convolutions) == 59
    assert {norm.eps for norm in norms} == {0.001}
    assert all(module.bias is None for module in convolutions)


def test_response_norms_stand_where_figure_3_has_them_with_alpha_as_printed_in_2012():
    names = [name for name, _ in on_nothing(googlenet).named_children()]
    assert names[:7] == ["conv1", "maxpool1", "norm1", "conv2", "conv3", "norm2", "maxpool2"]
    norm = on_nothing(googlenet).norm1
    assert (norm.size, norm.k, norm.alpha, norm.beta) == (5, 2.0, pytest.approx(5e-4), 0.75)
    assert not [layer for layer in on_nothing(googlenet, lrn=False) if isinstance(layer, nn.LocalResponseNorm)]


def test_auxiliary_heads_see_4a_and_4d_through_cells_of_5x5_at_stride_3():
    torch.manual_seed(0)
    net, seen = without_dropout(googlenet(classes=3)), {}
    for name in ("inception4a", "inception4d"):
        net.get_submodule(name).register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
    answers = net(torch.randn(1, 3, 224, 224))
    assert isinstance(answers, Heads)
    assert answers.weight == 0.3
    assert [seen[name].shape[1:] for name in seen] == [(512, 14, 14), (528, 14, 14)]
    for answer, head, name in zip(answers.auxiliary, (net.aux2, net.aux1), ("inception4d", "inception4a"), strict=True):
        cells = nn.functional.avg_pool2d(seen[name], 5, 3)
        assert cells.shape[2:] == (4, 4)
        hidden = torch.relu(head.fc1(torch.relu(head.conv.conv(cells)).flatten(1)))
        torch.testing.assert_close(answer, head.fc2(hidden))


@pytest.mark.parametrize("builder", BOTH)
def test_the_trunk_is_all_before_the_heads_and_a_chain_in_either_mode(builder):
    net = on_nothing(builder)
    trunk = net[: [name for name, _ in net.named_children()].index("aux1")]
    assert trunk(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 1024, 7, 7)


@pytest.mark.parametrize(
    ("name", "options", "least"),
    [
        ("googlenet", {}, 79),
        ("googlenet", {"aux": False}, 31),
        ("googlenet_bn", {}, 15),
        ("googlenet_bn", {"aux": False}, 15),
    ],
)
def test_the_least_side_is_the_first_that_trains(name, options, least):
    with torch.device("meta"):
        net = build(name, **options)
        net(torch.empty(2, 3, least, least))
        with pytest.raises(RuntimeError, match="Output size is too small"):
            net(torch.empty(2, 3, least - 1, least - 1))
    check_size(name, least, least, **options)
    with pytest.raises(UsageError, match=f"at least {least}x{least}"):
        check_size(name, least - 1, least, **options)


def test_the_published_network_without_heads_is_offered_for_smaller_pictures():
    with pytest.raises(UsageError, match="aux=False"):
        check_size("googlenet", 64, 64)


@pytest.mark.parametrize("builder", BOTH)
def test_squeeze_excitation_stands_after_each_module_when_asked_for(builder):
    plain, scaled = on_nothing(builder), on_nothing(builder, se="16")
    found = {name: module for name, module in scaled.named_modules() if isinstance(module, SqueezeExcitation)}
    assert list(found) == [f"inception{name}.se" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
    # two dense layers with biases: 2 c^2 / 16 + c / 16 + c for each module's c maps
    maps = (256, 480, 512, 512, 512, 528, 832, 832, 1024)
    assert parameters(scaled) - parameters(plain) == sum(c * (c // 16) * 2 + c // 16 + c for c in maps)
    assert all(key in scaled.state_dict() for key in plain.state_dict())


@pytest.mark.parametrize("builder", BOTH)
def test_norm_activation_dropout_and_channels_are_as_asked_for(builder):
    net = on_nothing(builder, norm="group", activation="elu", dropout=0, channels=1, aux="false")
    assert not [module for module in net.modules() if isinstance(module, nn.BatchNorm2d | nn.ReLU | nn.Dropout)]
    assert len([module for module in net.modules() if isinstance(module, nn.ELU)]) == 57
    assert all(module.bias is None for module in net.modules() if isinstance(module, nn.Conv2d))
    assert net(torch.empty(2, 1, 224, 224, device="meta")).shape == (2, 1000)
    bare = on_nothing(builder, norm="none")
    assert all(module.bias is not None for module in bare.modules() if isinstance(module, nn.Conv2d))


def test_weights_start_as_those_of_the_replication_so_that_maps_neither_vanish_nor_explode():
    torch.manual_seed(0)
    net = googlenet(classes=10)
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert module.weight.abs().max().item() == pytest.approx((3 / module.weight[0].numel()) ** 0.5, rel=0.01)
            last = name in ("fc", "aux1.fc2", "aux2.fc2")
            assert (module.bias == (0.0 if last else 0.2)).all()
    deepest = net[: [name for name, _ in net.named_children()].index("aux1")](torch.randn(2, 3, 96, 96))
    assert 0.1 < deepest.std().item() < 1
    assert not googlenet_bn(init="he", norm="none").conv1.conv.bias.any()


def test_the_pixels_of_the_released_weights_have_three_channels():
    with pytest.raises(UsageError, match="3 channels, not 1") as caught:
        googlenet_bn(channels=1, transform_input=True)
    assert caught.value.where == "transform_input"
    assert not on_nothing(googlenet_bn, transform_input=True)[:1].state_dict()


@pytest.mark.parametrize("builder", BOTH)
def test_the_lines_of_the_table_cover_each_parameter_once(builder):
    with_parameters = [name for name, layer in on_nothing(builder).named_children() if parameters(layer)]
    named = [child for line in table_1() for child in line.children]
    assert len(named) == len(set(named))
    assert set(with_parameters) <= set(named)
    first, module = table_1()[0], table_1()[4]
    assert (first.layer, first.words, first.output) == ("convolution", "7x7/2", "112x112x64")
    assert (first.parameters, first.multiply_adds) == ("2.7K", "34M")
    words = "#1x1 64, #3x3 reduce 96, #3x3 128, #5x5 reduce 16, #5x5 32, pool proj 32"
    assert (module.layer, module.words, module.children) == ("inception (3a)", words, ("inception3a",))
