"""Receptive fields: the numbers of the literature, closed forms, and every non-zero gradient of small networks."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

import striate
from striate.cost.field.fields import Fields, fields
from striate.cost.walk.trace import trace
from striate.layers import SqueezeExcitation

Windows = Iterable[tuple[int, int]]  # (kernel, stride) of one layer after the other


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build()


def chain(windows: Windows) -> tuple[int, int]:
    """Size and stride of a chain in closed form: 1 + sum of (kernel - 1) * the product of the strides before."""
    size, stride = 1, 1
    for kernel, step in windows:
        size += (kernel - 1) * stride
        stride *= step
    return size, stride


# --- the longest path through each network, written from the papers' tables -------------------------------------------

ALEXNET = [(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)]


def vgg(*convolutions: int) -> Windows:
    return [layer for count in convolutions for layer in [*[(3, 1)] * count, (2, 2)]]


def basic(*blocks: int) -> Windows:
    stages = [[(3, 1 if stage == 0 else 2), (3, 1), *[(3, 1)] * (2 * count - 2)] for stage, count in enumerate(blocks)]
    return [(7, 2), (3, 2), *(layer for stage in stages for layer in stage)]


def bottleneck(*blocks: int, stride_on: str) -> Windows:
    path: list[tuple[int, int]] = [(7, 2), (3, 2)]
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            path += [(1, stride), (3, 1)] if stride_on == "1x1" else [(3, stride)]
    return path


def densenet(*layers: int) -> Windows:
    path: list[tuple[int, int]] = [(7, 2), (3, 2)]
    for block, count in enumerate(layers):
        path += [*[(3, 1)] * count, *([(2, 2)] if block < len(layers) - 1 else [])]
    return path


def googlenet(widest: int, last_pool: int) -> Windows:
    modules = [[(widest, 1)] * count for count in (2, 5, 2)]
    return [(7, 2), (3, 2), (3, 1), (3, 2), *modules[0], (3, 2), *modules[1], (last_pool, 2), *modules[2]]


def cifar(blocks: int) -> Windows:
    return [(3, 1), *[(3, 1)] * (2 * blocks), *[(3, 2), *[(3, 1)] * (2 * blocks - 1)] * 2]


# From google-research/receptive_field's README where it lists the network (AlexNet, VGG-11 and -16, ResNet v1), else
# from the closed form alone. `networks.md` 2C and the closed form agree wherever both speak.
CLOSED = [
    ("AlexNet pool5", ALEXNET, 195),
    ("VGG-11", vgg(1, 1, 2, 2, 2), 150),
    ("VGG-13", vgg(2, 2, 2, 2, 2), 156),
    ("VGG-16", vgg(2, 2, 3, 3, 3), 212),
    ("VGG-19", vgg(2, 2, 4, 4, 4), 268),
    ("ZFNet pool5", [(7, 2), (3, 2), (5, 2), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)], 171),
    ("GoogLeNet of the paper", googlenet(5, 3), 715),
    ("GoogLeNet of torchvision", googlenet(3, 2), 379),
    ("ResNet-18", basic(2, 2, 2, 2), 435),
    ("ResNet-34", basic(3, 4, 6, 3), 899),
    ("ResNet-50 v1", bottleneck(3, 4, 6, 3, stride_on="1x1"), 483),
    ("ResNet-101 v1", bottleneck(3, 4, 23, 3, stride_on="1x1"), 1027),
    ("ResNet-152 v1", bottleneck(3, 8, 36, 3, stride_on="1x1"), 1507),
    ("ResNet-50 v1.5", bottleneck(3, 4, 6, 3, stride_on="3x3"), 427),
    ("ResNet-101 v1.5", bottleneck(3, 4, 23, 3, stride_on="3x3"), 971),
    ("ResNet-152 v1.5", bottleneck(3, 8, 36, 3, stride_on="3x3"), 1451),
    ("DenseNet-121", densenet(6, 12, 24, 16), 2071),
    ("DenseNet-169", densenet(6, 12, 32, 32), 3351),
    ("DenseNet-201", densenet(6, 12, 48, 32), 3863),
    ("CIFAR ResNet-20", cifar(3), 81),
    ("CIFAR ResNet-56", cifar(9), 249),
    ("CIFAR ResNet-110", cifar(18), 501),
    ("LeNet-5 C5", [(5, 1), (2, 2), (5, 1), (2, 2), (5, 1)], 32),
]


@pytest.mark.parametrize(("windows", "size"), [pytest.param(*rest, id=name) for name, *rest in CLOSED])
def test_the_closed_form_gives_the_published_size(windows: Windows, size: int) -> None:
    assert chain(windows)[0] == size


BUILT: list[tuple[str, Callable[[], nn.Module], Windows]] = [
    ("alexnet", models.alexnet, ALEXNET),
    ("vgg11", models.vgg11, vgg(1, 1, 2, 2, 2)),
    ("vgg13", models.vgg13, vgg(2, 2, 2, 2, 2)),
    ("vgg16_bn", models.vgg16_bn, vgg(2, 2, 3, 3, 3)),
    ("vgg19", models.vgg19, vgg(2, 2, 4, 4, 4)),
    ("googlenet", lambda: models.googlenet(init_weights=False), googlenet(3, 2)),
    ("resnet18", models.resnet18, basic(2, 2, 2, 2)),
    ("resnet34", models.resnet34, basic(3, 4, 6, 3)),
    ("resnet50", models.resnet50, bottleneck(3, 4, 6, 3, stride_on="3x3")),
    ("resnet101", models.resnet101, bottleneck(3, 4, 23, 3, stride_on="3x3")),
    ("resnext50", models.resnext50_32x4d, bottleneck(3, 4, 6, 3, stride_on="3x3")),
    ("densenet121", models.densenet121, densenet(6, 12, 24, 16)),
    ("densenet169", models.densenet169, densenet(6, 12, 32, 32)),
]


@pytest.mark.parametrize(("build", "windows"), [pytest.param(*rest, id=name) for name, *rest in BUILT])
def test_real_networks_have_the_field_of_their_longest_path(build: Callable[[], nn.Module], windows: Windows) -> None:
    last = fields(on_meta(build), (3, 224, 224)).last
    size, stride = chain(windows)
    assert last is not None
    assert (last.field.size, last.field.stride) == ((size, size), (stride, stride))
    assert last.field.uniform
    assert not last.field.gated


# `networks.md` 2C, as the catalogue builds them; the closed form of each is above.
CATALOGUE = [
    ("lenet5_1998", 32, 4),
    ("alexnet", 195, 32),
    ("zfnet", 171, 32),
    ("googlenet", 715, 32),
    ("googlenet_bn", 379, 32),
    ("resnet50_v1", 483, 32),
    ("resnet101_v1", 1027, 32),
    ("resnet152_v1", 1507, 32),
    ("resnet152", 1451, 32),
    ("densenet201", 3863, 32),
    ("resnet20", 81, 4),
    ("resnet56", 249, 4),
    ("resnet110", 501, 4),
]


@pytest.mark.parametrize(("name", "size", "stride"), CATALOGUE)
def test_the_catalogue(name: str, size: int, stride: int) -> None:
    net = on_meta(lambda: striate.build(name))
    last = fields(net, striate.catalog()[name].input).last
    assert last is not None
    assert (last.field.size, last.field.stride) == ((size, size), (stride, stride))


def test_every_layer_of_alexnet() -> None:
    """Offsets are minus the padding so far, in pixels: 2; 2 + 2 * 8; then 1 * 16 for each of three."""
    found = fields(on_meta(models.alexnet), (3, 224, 224))
    expected = {0: (11, 4, -2), 2: (19, 8, -2), 3: (51, 8, -18), 5: (67, 16, -18), 6: (99, 16, -34), 12: (195, 32, -66)}
    for layer, (size, stride, offset) in expected.items():
        field = found.at(f"features.{layer}")
        assert field is not None
        assert (field.size, field.stride, field.offset) == ((size,) * 2, (stride,) * 2, (offset,) * 2), layer
    logits = found.at("")
    assert logits is not None
    assert logits.whole
    assert str(logits) == "whole"


# --- ten small networks with branches: every cell against every gradient ----------------------------------------------


class Flow(nn.Module):
    """Named layers and how they are joined."""

    def __init__(self, how: Callable[[Any, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.how = how
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.how(self, x)


def conv(inputs: int, outputs: int, kernel: Any, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, bias=False, **options)


def residual() -> nn.Module:
    return Flow(
        lambda net, x: functional.relu_(net.b(functional.relu(net.a(x))) + net.short(x)),
        a=conv(2, 4, 3, stride=2, padding=1),
        b=conv(4, 4, 3, padding=1),
        short=conv(2, 4, 1, stride=2),
    )


def inception() -> nn.Module:
    return Flow(
        lambda net, x: torch.cat([net.one(x), net.three(x), net.five(x), net.pool(x)], 1),
        one=conv(2, 2, 1),
        three=conv(2, 2, 3, padding=1),
        five=nn.Sequential(conv(2, 1, 1), conv(1, 2, 5, padding=2)),
        pool=nn.MaxPool2d(3, 1, padding=1),
    )


def dense() -> nn.Module:
    def grow(net: Any, x: Tensor) -> Tensor:
        maps = [net.stem(x)]
        for layer in (net.a, net.b, net.c):
            maps.append(layer(torch.cat(maps, 1)))
        return functional.avg_pool2d(torch.cat(maps, 1), 2)

    stem = conv(2, 2, 3, stride=2, padding=1)
    return Flow(grow, stem=stem, **{name: conv(2 + at, 1, 3, padding=1) for at, name in enumerate("abc")})


def option_a() -> nn.Module:
    def shortcut(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1)) + net.a(x)

    return Flow(shortcut, stem=conv(2, 2, 3, padding=1), a=conv(2, 4, 3, stride=2, padding=1))


def u_net(up: nn.Module, inner: int = 4) -> nn.Module:
    return Flow(
        lambda net, x: net.out(torch.cat([net.up(net.down(functional.max_pool2d(net.top(x), 2))), net.top(x)], 1)),
        top=conv(2, 2, 3, padding=1),
        down=conv(2, 4, 3, padding=1),
        up=up,
        out=conv(inner + 2, 1, 3, padding=1),
    )


def shuffled() -> nn.Module:
    def shuffle(net: Any, x: Tensor) -> Tensor:
        left, right = net.stem(x).chunk(2, 1)
        y = torch.cat([left, net.a(right)], 1)
        n, c, h, w = y.shape
        return net.b(y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)[:, :2])

    return Flow(shuffle, stem=conv(2, 4, 3, stride=2), a=conv(2, 2, 3, padding=1), b=conv(2, 2, 3, padding=1))


def uneven() -> nn.Module:
    """Another kernel, stride and padding along each axis, and a pool that rounds up."""
    return Flow(
        lambda net, x: net.pool(net.a(x)) + net.b(x),
        a=conv(2, 2, (5, 3), padding=(2, 1)),
        pool=nn.MaxPool2d((3, 2), (2, 1), ceil_mode=True),
        b=conv(2, 2, (1, 2), stride=(2, 1)),
    )


def nested() -> nn.Module:
    return nn.Sequential(residual(), Flow(lambda net, x: x + net.a(x) * net.b(x), a=residual_keep(), b=conv(4, 4, 1)))


def residual_keep() -> nn.Module:
    return Flow(lambda net, x: x + net.a(x), a=conv(4, 4, 3, padding=1))


def subpixel() -> nn.Module:
    return Flow(
        lambda net, x: net.last(functional.pixel_shuffle(net.a(x), 2)) + net.skip(x),
        a=conv(2, 8, 3, stride=2, padding=1),
        last=conv(2, 1, 3, padding=1),
        skip=conv(2, 1, 1),
    )


def response_norm() -> nn.Module:
    return nn.Sequential(conv(2, 6, 3, stride=2), nn.LocalResponseNorm(3, alpha=0.01), nn.AvgPool2d(3, 2))


SMALL: dict[str, Callable[[], nn.Module]] = {
    "residual": residual,
    "inception": inception,
    "dense": dense,
    "option A": option_a,
    "U-Net, transposed convolution": lambda: u_net(nn.ConvTranspose2d(4, 4, 2, 2, bias=False)),
    "U-Net, overlapping transposed convolution": lambda: u_net(
        nn.ConvTranspose2d(4, 4, 3, 2, padding=1, output_padding=1, bias=False)
    ),
    "U-Net, nearest": lambda: u_net(nn.Upsample(scale_factor=2)),
    "U-Net, bilinear": lambda: u_net(nn.Upsample(scale_factor=2, mode="bilinear")),
    "U-Net, corners aligned": lambda: u_net(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)),
    "channel shuffle": shuffled,
    "uneven": uneven,
    "nested": nested,
    "sub-pixel": subpixel,
    "response norm": response_norm,
}


def dependence(net: nn.Module, size: tuple[int, int, int]) -> Tensor:
    """bool (rows of cells, columns, height, width): has the cell, all channels added up, a gradient at the pixel?"""
    generator = torch.Generator().manual_seed(0)
    net = net.double().eval()
    for parameter in net.parameters():  # positive, so that no two paths cancel
        parameter.data = 0.1 + torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
    # A maximum passes the gradient of one pixel: so many pictures.
    x = torch.rand(48, *size, generator=generator, dtype=torch.float64).requires_grad_()
    cells = net(x).sum((0, 1))
    rows = [torch.autograd.grad(cell, x, retain_graph=True)[0] for cell in cells.flatten()]
    return torch.stack([row.abs().amax((0, 1)) for row in rows]).gt(0).unflatten(0, cells.shape)


def predicted(net: nn.Module, size: tuple[int, int, int], shape: torch.Size) -> Tensor:
    last = fields(net, size).last
    assert last is not None
    assert last.shape[2:] == tuple(shape[:2])
    boxes = torch.zeros(shape, dtype=torch.bool)
    for row in range(shape[0]):
        for column in range(shape[1]):
            (top, bottom), (left, right) = last.field.inside((row, column))
            boxes[row, column, top : bottom + 1, left : right + 1] = True
    return boxes


@pytest.mark.parametrize("name", SMALL)
def test_every_cell_depends_on_exactly_the_predicted_pixels(name: str) -> None:
    """All cells, the border included: there the interval is cut off by the picture."""
    net, size = SMALL[name](), (2, 14, 16)
    found = dependence(net, size)
    assert torch.equal(found, predicted(net, size, found.shape))


@settings(max_examples=40)
@given(
    layers=st.lists(
        st.tuples(
            st.sampled_from(["conv", "pool", "up", "transposed"]),
            st.integers(1, 4),
            st.integers(1, 3),
            st.integers(0, 2),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_interval_holds_every_gradient_and_both_its_ends_have_one(layers: list[tuple[str, int, int, int]]) -> None:
    """Random chains, gaps between taps allowed: no gradient outside, and in mid picture one at either end."""
    built: list[nn.Module] = []
    for kind, kernel, stride, padding in layers:
        if kind == "conv":
            built.append(nn.Conv1d(1, 1, kernel, stride, padding, dilation=1 + padding, bias=False))
        elif kind == "pool":
            built.append(nn.AvgPool1d(kernel, stride, min(padding, kernel // 2), ceil_mode=padding == 2))
        elif kind == "up":
            built.append(nn.Upsample(scale_factor=stride, mode="nearest" if padding else "linear"))
        else:
            built.append(nn.ConvTranspose1d(1, 1, kernel, stride, min(padding, kernel - 1), bias=False))
    net = nn.Sequential(*built).double()
    x = torch.ones(1, 1, 90, dtype=torch.float64).requires_grad_()
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    try:
        cells = net(x)[0, 0]
    except RuntimeError:  # a kernel larger than what the layers before it have left
        reject()
    field = fields(net, (1, 90)).at("")
    assert field is not None
    for cell in range(len(cells)):
        seen = torch.autograd.grad(cells[cell], x, retain_graph=True)[0][0, 0].nonzero().flatten().tolist()
        ((first, last),) = field.sees((cell,))
        if seen:
            assert first <= seen[0]
            assert seen[-1] <= last
        if 30 < first <= last < 60:
            assert (seen[0], seen[-1]) == (first, last)


# --- what is no plain chain -------------------------------------------------------------------------------------------


def at_end(net: nn.Module, size: tuple[int, ...] = (4, 16, 16)) -> Any:
    return fields(net, size).at("")


def why_not(net: nn.Module, size: tuple[int, ...] = (4, 16, 16)) -> str:
    found = fields(net, size)
    assert found.at("") is None
    reason = found.why_not("")
    assert reason is not None
    return reason


def test_squeeze_excitation_is_a_gate() -> None:
    field = at_end(nn.Sequential(conv(4, 16, 3), SqueezeExcitation(16, 2), conv(16, 16, 3)))
    assert (field.size, field.gated, field.whole) == ((5, 5), True, False)
    assert str(field) == "5 every 1 from 0 +gate"


def test_what_is_added_from_the_whole_picture_is_no_gate() -> None:
    field = at_end(Flow(lambda net, x: x + net.a(x).mean((2, 3), keepdim=True), a=conv(4, 4, 3)))
    assert field.whole
    assert not field.gated


def test_pooled_context_in_a_concatenation_sees_everything() -> None:
    """As in DeepLab: the pooled branch is stretched over the map again."""

    def join(net: Any, x: Tensor) -> Tensor:
        pooled = functional.adaptive_avg_pool2d(x, 1)
        return net.a(torch.cat([x, functional.interpolate(pooled, size=x.shape[2:], mode="bilinear")], 1))

    assert at_end(Flow(join, a=conv(8, 4, 3))).whole


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.LayerNorm([4, 14, 14])])
def test_statistics_of_the_picture_are_a_gate(norm: nn.Module) -> None:
    field = at_end(nn.Sequential(conv(4, 4, 3), norm))
    assert (field.size, field.gated) == ((3, 3), True)


def test_batch_statistics_are_not_seen() -> None:
    found = Fields()
    trace(nn.Sequential(conv(4, 4, 3), nn.BatchNorm2d(4)), (4, 16, 16), [found], batch=2, training=True)
    assert found.last is not None
    assert (found.last.field.size, found.last.field.gated) == ((3, 3), False)


def test_norm_over_channels_alone_is_no_gate() -> None:
    net = Flow(
        lambda net, x: net.n(net.a(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2), a=conv(4, 4, 3), n=nn.LayerNorm(4)
    )
    assert (at_end(net).size, at_end(net).gated) == ((3, 3), False)


def test_linear_over_flattened_maps_sees_what_they_all_see() -> None:
    """A valid 5x5 convolution of stride 4 on 16 pixels leaves the last three out: 0 to 12 are seen."""
    field = at_end(nn.Sequential(conv(4, 2, 5, stride=4), nn.Flatten(), nn.Linear(18, 3)))
    assert field.sees((0, 0)) == ((0, 12), (0, 12))
    assert not field.whole
    assert field.stride == (0, 0)
    assert at_end(nn.Sequential(conv(4, 2, 4, stride=4), nn.Flatten(), nn.Linear(32, 3))).whole


def test_unpooling_follows_the_windows_of_its_pool() -> None:
    def unpool(net: Any, x: Tensor) -> Tensor:
        y, where = functional.max_pool2d(net.a(x), 3, 2, 1, return_indices=True)
        return functional.max_unpool2d(y, where, 3, 2, 1, output_size=x.shape)

    field = at_end(Flow(unpool, a=conv(4, 4, 1)))
    assert not field.uniform
    assert field.stride == (1, 1)
    assert field.sees((4, 5)) == ((3, 5), (3, 7))  # cell 4 lies in window 2 alone, cell 5 in windows 2 and 3


def test_the_field_after_upsampling_depends_on_the_place() -> None:
    field = at_end(
        nn.Sequential(conv(4, 4, 3, stride=2, padding=1), nn.Upsample(scale_factor=2), conv(4, 1, 3, padding=1))
    )
    assert not field.uniform
    assert [field.along[0].sees(cell) for cell in (4, 5)] == [(1, 5), (3, 7)]
    assert field.size == (5, 5)
    assert str(field) == "up to 5 every 1 from -3"


def test_strides_need_not_be_whole() -> None:
    field = at_end(nn.Sequential(conv(4, 4, 1, stride=2), nn.Upsample(scale_factor=3)))
    assert field.stride == (Fraction(2, 3),) * 2
    assert str(field) == "up to 1 every 2/3 from 0"


def test_cells_between_the_steps_of_a_transposed_convolution_see_nothing() -> None:
    """A kernel of 3 taps, 2 apart, over steps of 2: every other cell lies between them; the first one does."""
    field = at_end(nn.Sequential(conv(4, 4, 1), nn.ConvTranspose2d(4, 4, 3, 2, padding=1, dilation=2)))
    assert [field.along[0].sees(cell) for cell in (1, 2, 3)][::2] == [(-1, 1), (0, 2)]
    assert field.offset == (-1, -1)
    assert str(field) == "up to 3 every 1/2 from -1"


def test_cells_that_are_repeated_along_a_side_are_followed() -> None:
    field = at_end(Flow(lambda net, x: net.a(x).repeat_interleave(2, 2), a=conv(4, 4, 3)))
    assert [field.along[0].sees(cell) for cell in range(4)] == [(0, 2), (0, 2), (1, 3), (1, 3)]
    assert field.along[0].cells == 2 * field.along[1].cells
    assert field.stride == (Fraction(1, 2), 1)


def test_branches_that_drift_apart_are_told_cell_by_cell() -> None:
    """8 cells stretched over 15 with corners aligned beside 15 cells of stride 1."""
    net = Flow(lambda net, x: x + functional.interpolate(x[:, :, ::2, ::2], size=(15, 15), mode="nearest"))
    field = at_end(net, (1, 15, 15))
    assert [field.along[0].sees(cell) for cell in (0, 7, 14)] == [(0, 0), (6, 7), (14, 14)]
    assert not field.uniform


def test_three_axes_and_one() -> None:
    field = at_end(nn.Sequential(nn.Conv3d(1, 1, (1, 3, 5)), nn.MaxPool3d(2)), (1, 8, 16, 16))
    assert (field.size, field.stride) == ((2, 4, 6), (2, 2, 2))
    assert at_end(nn.Sequential(nn.Conv1d(1, 1, 3), nn.MaxPool1d(2)), (1, 16)).size == (4,)


def test_a_module_that_is_used_twice_has_the_field_of_its_last_call() -> None:
    net = Flow(lambda net, x: net.a(net.a(x)), a=conv(4, 4, 3))
    field = fields(net, (4, 16, 16)).at("a")
    assert field is not None
    assert field.size == (5, 5)


def test_writing_into_part_of_a_buffer_is_followed() -> None:
    def fill(net: Any, x: Tensor) -> Tensor:
        out = x.new_zeros(x.shape[0], 8, *x.shape[2:])
        out[:, :4] = net.a(x)
        out[:, 4:].copy_(x)
        return out

    assert at_end(Flow(fill, a=conv(4, 4, 3, padding=1))).size == (3, 3)


def test_a_view_that_is_changed_behind_ones_back_is_not_guessed() -> None:
    def change(net: Any, x: Tensor) -> Tensor:
        x = net.a(x)
        view = x[:, :2]
        x.add_(net.b(x))
        return view

    net = Flow(change, a=conv(4, 4, 1), b=conv(4, 4, 3, padding=1))
    assert "changed in place" in why_not(net)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (lambda net, x: x.flip(2), "aten.flip"),
        (lambda net, x: net.a(x.roll(1, 2)), "aten.roll"),
        (lambda net, x: functional.pad(x, (1, 1, 1, 1), mode="circular"), "through"),
        (lambda net, x: x.reshape(1, 4, 4, 4, 16).mean(2), "splits height or width"),
        (lambda net, x: x + x.transpose(2, 3), "different axes"),
        (lambda net, x: torch.cat([x, x], 2), "one after the other"),
        (
            lambda net, x: functional.grid_sample(x, torch.zeros(1, 4, 4, 2, device=x.device), align_corners=True),
            "grid_sample",
        ),
    ],
)
def test_what_is_not_followed_says_why(how: Callable[[Any, Tensor], Tensor], reason: str) -> None:
    assert reason in why_not(Flow(how, a=conv(4, 4, 3)))


def test_a_map_of_one_cell_that_is_repeated_is_seen_by_all() -> None:
    net = Flow(lambda net, x: x + net.a(x[:, :, 2:10, 3:11]), a=conv(4, 4, 8))
    field = at_end(net)
    assert [axis.always for axis in field.along] == [(2, 9), (3, 10)]
    assert field.sees((12, 1)) == ((2, 12), (1, 10))


def test_each_side_has_its_own_padding() -> None:
    field = at_end(Flow(lambda net, x: net.a(functional.pad(x, (1, 2, 3, 0))), a=conv(4, 4, 3)))
    assert field.offset == (-3, -1)
    assert field.inside((2, 2)) == ((0, 1), (1, 3))


def test_cropping_moves_the_field() -> None:
    field = at_end(Flow(lambda net, x: net.a(x[:, :, 4:-2, -8:]), a=conv(4, 4, 3)))
    assert field.offset == (4, 8)
    assert field.inside((7, 5)) == ((11, 13), (13, 15))


def test_a_convolution_over_width_in_place_of_channels_sees_all_of_it() -> None:
    field = at_end(Flow(lambda net, x: net.a(x.permute(0, 3, 2, 1)), a=conv(16, 4, (3, 1))))
    assert field.along[0].sees(2) == (2, 4)
    assert field.along[1].whole


def test_a_pixel_shuffle_by_views() -> None:
    def shuffle(net: Any, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return net.a(x.view(n, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w))

    field = at_end(Flow(shuffle, a=conv(1, 1, 3, padding=1)))
    assert [field.along[0].sees(cell) for cell in (4, 5)] == [(1, 2), (2, 3)]


def test_behind_what_is_not_followed_there_is_no_last_feature_map() -> None:
    found = fields(Flow(lambda net, x: net.a(net.a(x).flip(2)), a=conv(4, 4, 3)), (4, 16, 16))
    assert found.last is None


def test_text_of_a_field_without_places() -> None:
    assert str(at_end(nn.Sequential(conv(4, 2, 5, stride=4), nn.Flatten(), nn.Linear(18, 3)))) == "13 from 0"


def test_a_network_without_a_picture_has_no_field() -> None:
    found = fields(nn.Sequential(nn.Linear(4, 4)), (4,))
    assert found.at("") is None
    assert found.last is None
    assert found.why_not("") is None


def test_the_count_of_pixels_is_that_of_the_picture() -> None:
    field = fields(conv(1, 1, 3), (1, 8, 12)).at("")
    assert field is not None
    assert [axis.pixels for axis in field.along] == [8, 12]
