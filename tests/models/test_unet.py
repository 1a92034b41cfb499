"""U-Net against Figure 1 and the sentences of Ronneberger et al. 2015."""

import copy
from functools import partial

import pytest
import torch
import torchvision
from builders import unet, unet_padded, unet_resnet
from torch import nn

from striate.base.errors import UsageError
from striate.models.build import build
from striate.models.catalog import catalog, check_size, find, table
from striate.models.unet import FIGURE_1, Up, centre, incoming_normal

NAMES = [name for name, entry in catalog().items() if entry.family == "unet"]
BUILDERS = [unet, unet_padded, partial(unet_resnet, 18), partial(unet_resnet, 50)]


def on_nothing(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return build(name, **options)


def sizes_of(net: nn.Module, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The shape of what each module gives, without the batch."""
    sizes: dict[str, tuple[int, ...]] = {}
    for path, module in net.named_modules():
        module.register_forward_hook(lambda *call, path=path: sizes.update({path: tuple(call[2].shape[1:])}))
    net(torch.empty(1, *shape, device="meta"))
    return sizes


def test_the_catalogue_has_the_published_the_padded_and_those_on_resnets():
    assert NAMES == ["unet", "unet_padded", "unet_resnet18", "unet_resnet34", "unet_resnet50"]
    assert {find(name).task for name in NAMES} == {"segment"}


def test_every_map_has_the_size_that_figure_1_prints():
    sizes = sizes_of(on_nothing("unet"), (1, 572, 572))
    printed = {"down1": (64, 570, 568), "down2": (128, 282, 280), "down3": (256, 138, 136), "down4": (512, 66, 64)}
    printed |= {"bottom": (1024, 30, 28)}
    printed |= {"up4": (512, 54, 52), "up3": (256, 102, 100), "up2": (128, 198, 196), "up1": (64, 390, 388)}
    for name, (maps, first, second) in printed.items():
        path = f"decoder.{name}" if name.startswith("up") else f"encoder.{name}"
        assert sizes[f"{path}.conv1"] == (maps, first, first)
        assert sizes[f"{path}.conv2"] == sizes[path] == (maps, second, second)
    pools = {"pool1": (64, 284), "pool2": (128, 140), "pool3": (256, 68), "pool4": (512, 32)}
    for name, (maps, side) in pools.items():
        assert sizes[f"encoder.{name}"] == (maps, side, side)
    for name, side in {"up4": 56, "up3": 104, "up2": 200, "up1": 392}.items():
        assert sizes[f"decoder.{name}.upconv"][1:] == (side, side)
    assert sizes[""] == (2, 388, 388)
    assert all(sizes[f"encoder.{name}.conv1"][1] == enters - 2 for name, _, enters, *_ in FIGURE_1[:5])


def test_there_are_23_convolutions_and_up_convolutions_halve_the_maps():
    net = on_nothing("unet")
    assert sum(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for layer in net.modules()) == 23
    ups = [layer for layer in net.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert [(up.in_channels, up.out_channels) for up in ups] == [(1024, 512), (512, 256), (256, 128), (128, 64)]
    assert {(up.kernel_size, up.stride) for up in ups} == {((2, 2), (2, 2))}
    assert [step.conv1.in_channels for step in net.decoder.values()] == [1024, 512, 256, 128]


@pytest.mark.parametrize("name", ["unet", "unet_padded"])
def test_every_line_of_the_table_has_the_output_that_it_prints(name):
    net = on_nothing(name)
    sizes = sizes_of(net, find(name).input)
    for line in table(name):
        maps, height, width = sizes[line.children[-1]]
        assert line.output == (f"{height}x{width}x{maps}" if name == "unet" else "")
    claimed = [key for key, _ in net.named_parameters() for line in table(name) for child in line.children
               if key.startswith(f"{child}.")]  # fmt: skip
    assert claimed == [key for key, _ in net.named_parameters()]


@pytest.mark.parametrize("side", [188, 204, 572])
def test_convolutions_without_padding_take_184_pixels(side):
    net = on_nothing("unet", width=2)
    assert net(torch.empty(1, 1, side, 188, device="meta")).shape == (1, 2, side - 184, 4)
    check_size("unet", side, 188)


@pytest.mark.parametrize("side", [187, 189, 196, 512])
def test_a_side_that_makes_a_pool_odd_is_refused_with_its_neighbours(side):
    with pytest.raises(UsageError, match="188" if side < 204 else "508 or 524"):
        check_size("unet", side, 188)


def test_a_smaller_side_than_the_least_has_no_answer():
    with pytest.raises(RuntimeError, match="Kernel size"):
        on_nothing("unet", width=1)(torch.empty(1, 1, 172, 172, device="meta"))


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("steps", [(1, 3), (4, 2)])
def test_padded_answers_have_the_size_of_the_picture(name, steps):
    entry = find(name)
    height, width = (steps_ * entry.step for steps_ in steps)
    check_size(name, height, width)
    assert on_nothing(name, classes=5)(torch.empty(2, 3, height, width, device="meta")).shape == (2, 5, height, width)


def test_a_map_is_cropped_at_its_middle_before_it_is_concatenated():
    x = torch.arange(2 * 6 * 8.0).view(1, 2, 6, 8)
    assert torch.equal(centre(x, 2, 4), x[:, :, 2:4, 2:6])
    assert centre(x, 6, 8).data_ptr() == x.data_ptr()
    up = Up(3, 2, 4, 0, norm=None, activation=nn.ReLU)
    below, beside, seen = torch.randn(1, 3, 4, 4), torch.randn(1, 4, 14, 14), []
    up.conv1.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    assert up(below, beside).shape == (1, 2, 4, 4)
    assert torch.equal(seen[0][:, :4], beside[:, :, 3:11, 3:11])
    torch.testing.assert_close(seen[0][:, 4:], up.upconv(below))


def test_each_level_waits_for_the_step_of_its_own_side():
    net = unet_padded(width=2, norm=None)
    given = {}
    for name, step in net.decoder.items():
        step.register_forward_pre_hook(lambda _, maps, name=name: given.update({name: maps[1]}))
    outputs = {}
    for name, level in net.encoder.named_children():
        level.register_forward_hook(lambda _, __, maps, name=name: outputs.update({name: maps}))
    net(torch.randn(1, 3, 32, 32))
    assert all(given[f"up{level}"] is outputs[f"down{level}"] for level in (1, 2, 3, 4))


@pytest.mark.parametrize("builder", BUILDERS)
def test_without_shortcuts_nothing_is_concatenated_and_the_bottom_decides_alone(builder):
    with torch.device("meta"):
        with_them, without = builder(), builder(shortcut="none")
    assert list(without.state_dict()) == list(with_them.state_dict())
    for one, other in zip(with_them.decoder.values(), without.decoder.values(), strict=True):
        assert other.conv1.in_channels == other.upconv.out_channels
        assert one.conv1.in_channels >= one.upconv.out_channels
    torch.manual_seed(0)
    small = unet_padded(width=2, shortcut="none").eval()
    seen = []
    small.encoder.bottom.register_forward_hook(lambda *call: torch.zeros_like(call[2]))
    for _ in range(2):
        seen.append(small(torch.randn(1, 3, 32, 32)))
    assert torch.equal(*seen)  # all that reaches the answer passes the bottom


def test_weights_start_with_variance_two_over_the_incoming_nodes():
    torch.manual_seed(0)
    net = unet()
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            assert not module.bias.any()
            incoming = module.in_channels * (
                1 if isinstance(module, nn.ConvTranspose2d) else module.kernel_size[0] ** 2
            )
            if module.weight.numel() > 30_000:
                assert module.weight.var().item() * incoming / 2 == pytest.approx(1, rel=0.05)
    # Section 3's example: a 3x3 convolution of 64 maps has N = 576.
    assert net.encoder.down1.conv2.weight.std().item() == pytest.approx((2 / 576) ** 0.5, rel=0.02)


def test_an_up_convolution_keeps_the_variance_that_a_relu_halves():
    torch.manual_seed(0)
    up = incoming_normal(nn.ConvTranspose2d(256, 128, 2, stride=2))
    x = torch.relu(torch.randn(2, 256, 16, 16))
    assert up(x).var().item() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_dropout_stands_at_the_end_of_the_last_two_levels_down(rate):
    places = {path: module.p for path, module in unet(width=2, dropout=rate).named_modules()
              if isinstance(module, nn.Dropout)}  # fmt: skip
    assert places == {"encoder.down4.dropout": rate, "encoder.bottom.dropout": rate}
    on_resnet = [
        path for path, module in unet_resnet(18, dropout=rate).named_modules() if isinstance(module, nn.Dropout)
    ]
    assert on_resnet == ["encoder.dropout"]


def test_dropout_is_as_released_in_the_published_net_and_absent_in_the_others():
    rates = {name: {each.p for each in on_nothing(name).modules() if isinstance(each, nn.Dropout)} for name in NAMES}
    assert rates.pop("unet") == {0.5}
    assert set(map(len, rates.values())) == {0}


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_3x3_convolutions_have_a_bias_only_where_no_norm_follows(builder, norm):
    with torch.device("meta"):
        net = builder(norm=norm)
    biases = {layer.bias is None for layer in net.modules() if isinstance(layer, nn.Conv2d) and layer is not net.last}
    assert biases == {norm == "batch"}
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules()) == (norm == "batch")
    ups = [layer for layer in net.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert all(layer.bias is not None for layer in (net.last, *ups))


def test_width_is_that_of_the_first_level():
    net = on_nothing("unet", width="8")
    assert [net.encoder.down1.conv1.out_channels, net.encoder.bottom.conv2.out_channels] == [8, 128]
    assert net.last.in_channels == 8


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_the_encoder_has_the_keys_shapes_and_answers_of_torchvisions_resnet(depth):
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=1).eval()
    net = unet_resnet(depth).eval()
    published = {key: value for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
    net.encoder.load_state_dict(published, strict=True)
    assert {key for key in net.state_dict() if key.startswith("encoder.")} == {f"encoder.{key}" for key in published}
    x = torch.randn(1, 3, 64, 64)
    trunk = nn.Sequential(*list(theirs.children())[:8])
    torch.testing.assert_close(net.encoder(x), trunk(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("depth", [18, 50])
def test_a_unet_on_a_resnet_concatenates_maps_of_equal_sides(depth):
    with torch.device("meta"):
        net = unet_resnet(depth)
    sides = []
    for step in net.decoder.values():
        step.register_forward_pre_hook(lambda _, maps: sides.append(tuple(each.shape[-1] for each in maps)))
    net(torch.empty(1, 3, 64, 64, device="meta"))
    assert sides == [(2, 4), (4, 8), (8, 16), (16, 32), (32,)]
    assert [step.upconv.out_channels for step in net.decoder.values()] == [256, 128, 64, 32, 16]


def test_three_channels_and_one_class_change_the_ends_by_arithmetic():
    # 2 x 9 x 64 more in the first layer, 65 fewer in the last
    with torch.device("meta"):
        assert sum(each.numel() for each in unet(1, channels=3).parameters()) == 31_031_745
    assert 31_030_658 + 2 * 9 * 64 - 65 == 31_031_745


def test_equal_answers_after_a_deep_copy_while_training():
    torch.manual_seed(0)
    net = unet(width=2)
    x, answers = torch.randn(1, 1, 188, 188), []
    for each in (net, copy.deepcopy(net)):
        torch.manual_seed(1)
        answers.append(each(x))
    assert torch.equal(*answers)


@pytest.mark.parametrize(
    ("builder", "options", "where"),
    [
        (unet, {"classes": 0}, "classes"),
        (unet, {"channels": 0}, "channels"),
        (unet, {"width": "wide"}, "width"),
        (unet, {"shortcut": "add"}, "shortcut"),
        (unet_padded, {"dropout": 1}, "dropout"),
        (unet_padded, {"norm": "bach"}, "norm"),
        (unet_padded, {"init": "zero"}, "init"),
        (partial(unet_resnet, 101), {}, "depth"),
        (partial(unet_resnet, 18), {"shortcut": "A"}, "shortcut"),
        (partial(unet_resnet, 18), {"dropout": -1}, "dropout"),
    ],
)
def test_an_option_that_cannot_be_meant_is_named(builder, options, where):
    with pytest.raises(UsageError) as caught, torch.device("meta"):
        builder(**options)
    assert caught.value.where == where
