"""VGG against torchvision and against the sentences of Simonyan and Zisserman 2015."""

import pytest
import torch
from builders import vgg
from torch import nn

from striate.base.errors import UsageError
from striate.layers import SqueezeExcitation
from striate.models.build import build
from striate.models.catalog import catalog, check_size, table

NAMES = [name for name, entry in catalog().items() if entry.family == "vgg"]


def on_nothing(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return build(name, **options)


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in net.features if isinstance(layer, nn.Conv2d)]


def test_the_catalogue_has_each_column_and_its_twin_with_norm():
    columns = {"vgg11", "vgg13", "vgg16_c", "vgg16", "vgg19"}
    assert set(NAMES) == columns | {f"{name}_bn" for name in columns} | {"vgg11_lrn"}


@pytest.mark.parametrize(
    ("name", "layers"), [("vgg11", 8), ("vgg13", 10), ("vgg16_c", 13), ("vgg16", 13), ("vgg19", 16)]
)
def test_the_number_of_a_name_counts_the_layers_with_weights(name, layers):
    net = on_nothing(name)
    assert len(convolutions(net)) == layers
    assert sum(isinstance(layer, nn.Linear) for layer in net.classifier) == 3
    assert str(layers + 3) in name


def test_c_has_1x1_convolutions_in_three_places_and_the_others_have_none():
    kernels = {name: [layer.kernel_size[0] for layer in convolutions(on_nothing(name))] for name in NAMES}
    assert [index for index, kernel in enumerate(kernels["vgg16_c"]) if kernel == 1] == [6, 9, 12]
    assert kernels["vgg16_c_bn"] == kernels["vgg16_c"]
    assert all(set(each) == {3} for name, each in kernels.items() if "_c" not in name)


def test_only_a_lrn_normalises_responses_once_after_the_first_activation():
    places = {
        name: [
            index for index, layer in enumerate(on_nothing(name).features) if isinstance(layer, nn.LocalResponseNorm)
        ]
        for name in NAMES
    }
    assert places.pop("vgg11_lrn") == [2]
    assert not any(places.values())
    with pytest.raises(UsageError, match=r"another name: .*vgg11"):
        build("vgg11_lrn", lrn=False)


def test_each_stage_ends_in_a_pool_that_halves_the_map():
    net, x, maps = on_nothing("vgg16"), torch.empty(1, 3, 224, 224, device="meta"), []
    for layer in net.features:
        x = layer(x)
        if isinstance(layer, nn.MaxPool2d):
            maps.append(tuple(x.shape[1:]))
    assert maps == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]


def test_squeeze_excitation_follows_every_activation_of_a_convolution():
    layers = list(on_nothing("vgg11", se=16).features)
    places = [index for index, layer in enumerate(layers) if isinstance(layer, SqueezeExcitation)]
    assert len(places) == 8
    assert all(isinstance(layers[index - 1], nn.ReLU) for index in places)
    assert [layers[index].fc1.out_channels for index in places] == [8, 8, 16, 16, 32, 32, 32, 32]


def test_options_change_what_they_say():
    assert {layer.p for layer in on_nothing("vgg11", dropout="0.2").classifier if isinstance(layer, nn.Dropout)} == {
        0.2
    }
    grouped = on_nothing("vgg11", norm="group").features
    assert sum(isinstance(layer, nn.GroupNorm) for layer in grouped) == 8
    assert isinstance(on_nothing("vgg11", activation="silu").classifier[1], nn.SiLU)
    with pytest.raises(UsageError, match=r"no column F.*one of A, B, C, D, E"):
        vgg("F")
    with pytest.raises(UsageError, match="another name"):
        build("vgg16_bn", norm="none")


@pytest.mark.slow
def test_weights_start_as_glorot_and_bengio_draw_them_and_biases_at_0():
    torch.manual_seed(0)
    net = vgg("A", classes=10)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert not layer.bias.any()
            cells = layer.weight[0, 0].numel()
            fans = (layer.weight.shape[0] + layer.weight.shape[1]) * cells
            assert layer.weight.var().item() * fans / 2 == pytest.approx(1, rel=0.05)
            assert layer.weight.abs().max().item() <= (6 / fans) ** 0.5


def test_32_pixels_are_the_least():
    features = on_nothing("vgg19").features
    assert features(torch.empty(1, 3, 32, 33, device="meta")).shape[2:] == (1, 1)
    with pytest.raises(RuntimeError):
        features(torch.empty(1, 3, 31, 32, device="meta"))
    with pytest.raises(UsageError, match="at least 32x32"):
        check_size("vgg19", 31, 32)


@pytest.mark.parametrize("name", NAMES)
def test_each_parameter_stands_in_exactly_one_line_of_the_table(name):
    net, lines = on_nothing(name), table(name)
    children = [child for line in lines for child in line.children]
    keys = [f"{child}.{key}" for child in children for key, _ in net.get_submodule(child).named_parameters()]
    assert sorted(keys) == sorted(key for key, _ in net.named_parameters())
    leaves = [key for key, module in net.named_modules() if key and not list(module.children())]
    assert sorted(leaves) == sorted(children)


def test_the_table_of_c_reads_as_the_paper_prints_it():
    assert " ".join(line.layer for line in table("vgg16_c") if line.layer != "7x7") == (
        "conv3-64 conv3-64 maxpool conv3-128 conv3-128 maxpool conv3-256 conv3-256 conv1-256 maxpool "
        "conv3-512 conv3-512 conv1-512 maxpool conv3-512 conv3-512 conv1-512 maxpool FC-4096 FC-4096 FC-1000"
    )
    assert [line.layer for line in table("vgg11_lrn")][:3] == ["conv3-64", "LRN", "maxpool"]


def test_without_dense_layers_maps_are_averaged_and_one_linear_layer_answers():
    plain, net = on_nothing("vgg16"), on_nothing("vgg16", dense="false", classes=5)
    features = {key: value.shape for key, value in plain.state_dict().items() if key.startswith("features.")}
    found = {key: value.shape for key, value in net.state_dict().items()}
    assert found == features | {"fc.weight": (5, 512), "fc.bias": (5,)}
    assert sum(each.numel() for each in net.parameters()) == 14_714_688 + 5 * 513
    assert net(torch.empty(2, 3, 40, 70, device="meta")).shape == (2, 5)
