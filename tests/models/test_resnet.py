"""Residual networks against torchvision and against the sentences of He et al. 2015."""

from functools import partial

import pytest
import torch
from builders import resnet, small_resnet
from torch import nn

import oracle
from striate.base.errors import UsageError
from striate.layers import SqueezeExcitation
from striate.models.build import build as build_by_name
from striate.models.catalog import catalog, find, table
from striate.models.resnet import BasicBlock, Bottleneck, PaddedIdentity

pytestmark = pytest.mark.slow


def residuals(net: nn.Module) -> list[BasicBlock | Bottleneck]:
    return [module for module in net.modules() if isinstance(module, BasicBlock | Bottleneck)]


@pytest.mark.parametrize("options", [{}, {"stem": "32"}, {"norm": None}, {"shortcut": "none"}, {"dropout": 0.2}])
def test_the_first_eight_children_are_the_trunk_whatever_the_options(options):
    with torch.device("meta"):
        net = resnet(18, **options)
    names = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"]
    assert [name for name, _ in net[:8].named_children()] == names
    side = 32 if options.get("stem") == "32" else 224
    x = torch.empty(1, 3, side, side, device="meta")
    assert net[:8](x).shape[1:] == ((512, 4, 4) if side == 32 else (512, 7, 7))


def test_stages_of_table_1_have_the_output_sizes_that_it_prints():
    x, sizes = torch.empty(1, 3, 224, 224, device="meta"), {}
    with torch.device("meta"):
        net = resnet(50)
    for name, layer in net.named_children():
        x = layer(x)
        sizes[name] = tuple(x.shape[1:])
    printed = {"conv1": (64, 112, 112), "layer1": (256, 56, 56), "layer2": (512, 28, 28)}
    printed |= {"layer3": (1024, 14, 14), "layer4": (2048, 7, 7), "avgpool": (2048, 1, 1)}
    assert {name: sizes[name] for name in printed} == printed


def test_stages_of_section_4_2_have_the_output_sizes_that_it_prints():
    x, sizes = torch.empty(1, 3, 32, 32, device="meta"), []
    with torch.device("meta"):
        net = small_resnet(20)
    for name, layer in net.named_children():
        x = layer(x)
        if name.startswith("layer"):
            sizes.append(tuple(x.shape[1:]))
    assert sizes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


@pytest.mark.parametrize("build", [partial(resnet, 18), partial(resnet, 50), partial(small_resnet, 20)])
@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
def test_projections_stand_where_the_option_says(build, shortcut):
    with torch.device("meta"):
        blocks = residuals(build(shortcut=shortcut))
    projected = [isinstance(block.downsample, nn.Sequential) for block in blocks]
    changes = [block.conv1.in_channels != list(block.children())[-3].num_features for block in blocks]
    expected = {"A": [False] * len(blocks), "B": changes, "C": [True] * len(blocks)}
    assert projected == expected[shortcut]
    if shortcut == "A":
        assert [isinstance(block.downsample, PaddedIdentity) for block in blocks] == changes


def test_option_a_keeps_every_second_pixel_and_adds_zero_channels():
    x = torch.arange(2 * 2 * 3 * 3.0).view(2, 2, 3, 3)
    y = PaddedIdentity(stride=2, missing=3)(x)
    assert torch.equal(y[:, :2], x[:, :, [0, 2]][:, :, :, [0, 2]])
    assert y.shape == (2, 5, 2, 2)
    assert not y[:, 2:].any()


def test_option_a_has_the_parameters_of_the_plain_twin():
    with torch.device("meta"):
        counts = [sum(p.numel() for p in resnet(34, shortcut=option).parameters()) for option in ("A", "none", "B")]
    assert counts == [21_623_848, 21_623_848, 21_797_672]


@pytest.mark.parametrize("kind", ["basic", "bottleneck"])
def test_a_plain_net_is_the_residual_net_less_its_additions(kind):
    torch.manual_seed(0)
    depth = 18 if kind == "basic" else 50
    plain, residual = resnet(depth, shortcut="none").eval(), resnet(depth, shortcut="A").eval()
    plain.load_state_dict(residual.state_dict(), strict=True)
    x = torch.randn(2, 64, 8, 8)
    plain_block, block = plain.layer1[0], residual.layer1[0]
    shortcut = block.downsample(x)
    before = plain_block[:-1](x)
    torch.testing.assert_close(block(x), torch.relu(before + shortcut))
    torch.testing.assert_close(plain_block(x), torch.relu(before))


@pytest.mark.parametrize(("stride_on", "strides"), [("1x1", (2, 1)), ("3x3", (1, 2))])
def test_stride_stands_on_the_convolution_that_is_asked_for(stride_on, strides):
    with torch.device("meta"):
        net = resnet(50, stride_on=stride_on)
    for stage in (net.layer2, net.layer3, net.layer4):
        assert (stage[0].conv1.stride[0], stage[0].conv2.stride[0]) == strides
        assert {block.conv1.stride[0] * block.conv2.stride[0] for block in stage[1:]} == {1}


@pytest.mark.parametrize("shortcut", ["A", "B", "none"])
def test_without_norm_every_convolution_has_a_bias_that_starts_at_zero(shortcut):
    net = resnet(18, norm=None, shortcut=shortcut, stem="32")
    assert not [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert all(conv.bias is not None and not conv.bias.any() for conv in convolutions)
    normed = [module for module in resnet(18).modules() if isinstance(module, nn.Conv2d)]
    assert all(conv.bias is None for conv in normed)


def test_a_norm_may_be_any_module_of_the_channels():
    net = small_resnet(20, norm=partial(nn.GroupNorm, 8), zero_init=True)
    assert net.bn1.num_groups == 8
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_convolutions_start_with_variance_two_over_fan_out():
    torch.manual_seed(0)
    for module in resnet(50).modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 50_000:
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            assert module.weight.var().item() * fan_out / 2 == pytest.approx(1, rel=0.05)
            assert module.weight.mean().abs().item() < 5 / module.weight.numel() ** 0.5


@pytest.mark.parametrize("build", [partial(resnet, 18), partial(resnet, 50), partial(small_resnet, 20)])
def test_zero_init_starts_each_block_as_its_shortcut(build):
    torch.manual_seed(0)
    for block in residuals(build(zero_init=True)):
        x = torch.randn(2, block.conv1.in_channels, 4, 4)
        torch.testing.assert_close(block(x), torch.relu(block.downsample(x)))
        scales = [block.get_submodule(name).weight for name in oracle.chain(block) if name.startswith("bn")]
        assert not scales[-1].any()
        assert all(bool((scale == 1).all()) for scale in scales[:-1])
    assert all(block.get_submodule(oracle.chain(block)[-1]).weight.all() for block in residuals(build()))


@pytest.mark.parametrize("build", [partial(resnet, 18), partial(resnet, 50), partial(small_resnet, 20)])
def test_zero_init_without_norms_starts_each_block_as_its_shortcut_and_draws_all_else_as_before(build):
    nets = []
    for zero_init in (True, False):
        torch.manual_seed(0)
        nets.append(build(norm=None, zero_init=zero_init))
    for block in residuals(nets[0]):
        x = torch.randn(2, block.conv1.in_channels, 4, 4)
        torch.testing.assert_close(block(x), torch.relu(block.downsample(x)))
    ours, drawn = (net.state_dict() for net in nets)
    changed = {key for key in ours if not torch.equal(ours[key], drawn[key])}
    last = "conv3" if "conv3" in str(nets[0].layer1) else "conv2"
    assert changed == {f"{name}.{last}.weight" for name, each in nets[0].named_modules() if each in residuals(nets[0])}


def test_dropout_stands_before_the_last_layer():
    for net in (resnet(18, dropout=0.4), small_resnet(20, dropout="0.4")):
        assert [name for name, _ in net.named_children()][-3:] == ["flatten", "dropout", "fc"]
        assert net.dropout.p == 0.4


@pytest.mark.parametrize("size", [(1, 1), (33, 57), (65, 64)])
def test_odd_sizes_give_the_same_shape_on_both_paths_of_every_block(size):
    for shortcut in ("A", "B"):
        with torch.device("meta"):
            nets = resnet(50, shortcut=shortcut).eval(), small_resnet(20, shortcut=shortcut).eval()
        assert [net(torch.empty(1, 3, *size, device="meta")).shape[1] for net in nets] == [1000, 10]


@pytest.mark.parametrize(("build", "depth"), [(resnet, 20), (resnet, 0), (small_resnet, 18), (small_resnet, 21)])
def test_a_depth_that_the_paper_has_not_is_refused_with_those_it_has(build, depth):
    with pytest.raises(UsageError, match=f"no network of {depth} layers.*one of"):
        build(depth)


def shapes_of(name: str, **options: object) -> list[torch.Size]:
    return [shape for _, shape in oracle.shapes(partial(build_by_name, name, **options))]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnext50_32x4d", {"groups": 32, "width": 4}),
        ("wide_resnet50_2", {"width": 128}),
        ("seresnet50", {"se": 16}),
        ("seresnext50_32x4d", {"se": "16", "groups": "32", "width": "4"}),
    ],
)
def test_options_of_resnet50_build_the_networks_of_later_papers(name, options):
    assert shapes_of("resnet50", **options) == shapes_of(name)
    assert shapes_of("resnet50") != shapes_of(name)


def test_groups_split_the_3x3_convolution_of_every_bottleneck_and_nothing_else():
    with torch.device("meta"):
        net = resnet(50, groups=32, width=4)
    blocks = residuals(net)
    assert {block.conv2.groups for block in blocks} == {32}
    assert [stage[0].conv2.in_channels for stage in (net.layer1, net.layer2, net.layer3, net.layer4)] == [
        128, 256, 512, 1024,
    ]  # fmt: skip
    others = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m not in [block.conv2 for block in blocks]]
    assert {module.groups for module in others} == {1}


@pytest.mark.parametrize(("option", "value"), [("groups", 2), ("width", 4)])
def test_basic_blocks_have_neither_groups_nor_width(option, value):
    with pytest.raises(UsageError, match="not bottlenecks") as caught:
        resnet(18, **{option: value})
    assert caught.value.where == option
    with pytest.raises(UsageError, match="whole number"):
        resnet(50, **{option: 0})


@pytest.mark.parametrize("shortcut", ["B", "none"])
@pytest.mark.parametrize("build", [partial(resnet, 18), partial(small_resnet, 20)])
def test_squeeze_excitation_scales_the_last_maps_of_each_block_before_the_addition(build, shortcut):
    torch.manual_seed(0)
    net = build(se=4, shortcut=shortcut).eval()
    block = net.layer2[0]
    parts = dict(block.named_children())
    assert isinstance(parts["se"], SqueezeExcitation)
    x = torch.randn(2, block.conv1.in_channels, 8, 8)
    y = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))
    pooled = y.mean((2, 3), keepdim=True)
    y = y * torch.sigmoid(block.se.fc2(torch.relu(block.se.fc1(pooled))))
    torch.testing.assert_close(block(x), torch.relu(y + block.downsample(x) if shortcut == "B" else y))
    assert len([m for m in net.modules() if isinstance(m, SqueezeExcitation)]) == (8 if "layer4" in str(net) else 9)
    assert not [m for m in build(shortcut=shortcut).modules() if isinstance(m, SqueezeExcitation)]


def test_zero_init_with_squeeze_excitation_still_starts_blocks_as_their_shortcuts():
    torch.manual_seed(0)
    for block in residuals(resnet(18, se=16, zero_init=True)):
        x = torch.randn(2, block.conv1.in_channels, 4, 4)
        torch.testing.assert_close(block(x), torch.relu(block.downsample(x)))
        assert not block.bn2.weight.any()


def test_the_initialisation_is_the_one_asked_for():
    # He: variance 2 / (9 * 512); Xavier: uniform, variance 2 / (9 * (256 + 512)).
    for init, expected, steps in (("paper", 2 / 4608, 4), ("he", 2 / 4608, 4), ("xavier", 2 / 6912, 3**0.5)):
        torch.manual_seed(0)
        weight = resnet(18, init=init).layer4[0].conv1.weight.detach()
        assert weight.var().item() == pytest.approx(expected, rel=0.02)
        assert (float(weight.abs().max()) <= steps * expected**0.5 * 1.001) == (init == "xavier")
    with pytest.raises(UsageError, match="init='xavier'"):
        small_resnet(20, init="xavie")


def test_1202_layers_are_200_blocks_a_stage_and_nothing_recurses():
    net = small_resnet(1202)
    assert [len(stage) for stage in (net.layer1, net.layer2, net.layer3)] == [200] * 3
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in net.modules()) == 1202


@pytest.mark.parametrize("name", [name for name, entry in catalog().items() if entry.family == "resnet"])
def test_the_paper_table_names_every_layer_with_parameters_once(name):
    with torch.device("meta"):
        net = build_by_name(name)
    lines = table(name)
    named = [child for line in lines for child in line.children]
    assert len(named) == len(set(named))
    assert set(named) == {child for child, _ in net.named_children()}
    x = torch.empty(1, *find(name).input, device="meta")
    for line in lines:
        for child in line.children:
            x = net.get_submodule(child)(x)
        if line.output and line.layer != "fc":
            assert line.output == f"{x.shape[2]}x{x.shape[3]}", line


def test_the_paper_table_prints_the_blocks_that_are_built():
    assert table("resnet18")[2].words == "[3x3, 128; 3x3, 128] x 2"
    assert table("resnet50_v1")[4].words == "[1x1, 512; 3x3, 512; 1x1, 2048] x 3"
    assert table("resnet56")[1].words == "18 layers, 32 filters"


def test_weights_are_claimed_only_for_v1_5_and_torchvisions_names():
    claimed = {
        name: str(entry.weights) for name, entry in catalog().items() if entry.family == "resnet" and entry.weights
    }
    assert claimed == {f"resnet{depth}": f"torchvision:resnet{depth}" for depth in (18, 34, 50, 101, 152)}
