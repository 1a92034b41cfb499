"""Residual networks against torchvision and against the sentences of He et al. 2015."""

from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from striate.errors import UsageError
from striate.models.resnet import PaddedIdentity, Residual, resnet, small_resnet


def residuals(net: nn.Module) -> list[Residual]:
    return [module for module in net.modules() if isinstance(module, Residual)]


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_keys_and_shapes_are_torchvisions(depth):
    with torch.device("meta"):
        ours, theirs = resnet(depth), getattr(torchvision.models, f"resnet{depth}")()
    shapes = [[(key, value.shape) for key, value in net.state_dict().items()] for net in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("depth", [18, 50])
def test_answers_and_input_gradients_equal_torchvisions(depth, training):
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, f"resnet{depth}")().train(training)
    ours = resnet(depth).train(training)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 3, 64, 64)
    answers, gradients = [], []
    for net in (ours, theirs):
        pixels = x.clone().requires_grad_()
        answers.append(net(pixels))
        answers[-1].square().sum().backward()
        gradients.append(pixels.grad)
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-5 * float(gradients[1].abs().max()))
    statistics = [net.state_dict() for net in (ours, theirs)]
    for key, value in statistics[1].items():
        torch.testing.assert_close(statistics[0][key], value, rtol=1e-5, atol=1e-5)


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
        scales = [block.get_submodule(name).weight for name in block.chain if name.startswith("bn")]
        assert not scales[-1].any()
        assert all(bool((scale == 1).all()) for scale in scales[:-1])
    assert all(block.get_submodule(block.chain[-1]).weight.all() for block in residuals(build()))


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
