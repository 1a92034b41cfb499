"""Formulas over symbols: the lectures' own, and those of real networks against the count of real sizes."""

import pytest
import sympy
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import striate
from striate.base.errors import UsageError
from striate.cost.count import count
from striate.cost.symbols import HINT, Convolution, NetworkFormula, multiply_adds, network_multiply_adds
from striate.models.catalog import find

pytestmark = pytest.mark.slow

C, H, W = sympy.symbols("C H W", positive=True, integer=True)


def test_two_convolutions_and_a_bottleneck_on_4c_channels():
    # He et al. 2015, Fig. 5, with C the bottleneck's width: 2 * 9 * 16 and 4 + 9 + 4.
    assert multiply_adds((4 * C, H, W), Convolution(4 * C, 3), Convolution(4 * C, 3)) == 288 * H * W * C**2
    bottleneck = (Convolution(C, 1), Convolution(C, 3), Convolution(4 * C, 1))
    assert multiply_adds((4 * C, H, W), *bottleneck) == 17 * H * W * C**2


def test_three_small_kernels_beside_a_large_one():
    # Simonyan and Zisserman 2014, section 2.3: 27 C^2 weights against 49 C^2.
    assert multiply_adds((C, 1, 1), *[Convolution(C, 3)] * 3) == 27 * C**2
    assert multiply_adds((C, 1, 1), Convolution(C, 7)) == 49 * C**2


def test_the_inception_branch_with_and_without_its_reduction():
    # Szegedy et al. 2014, Table 1, inception (3a): 5x5 to 32 maps on 28x28x192.
    assert multiply_adds((192, 28, 28), Convolution(32, 5)) == 120_422_400
    assert multiply_adds((192, 28, 28), Convolution(16, 1), Convolution(32, 5)) == 12_443_648


def test_stride_and_groups_divide():
    assert multiply_adds((C, H, W), Convolution(C, 3, stride=2)) == sympy.Rational(9, 4) * H * W * C**2
    assert multiply_adds((C, H, W), Convolution(C, 3, groups=C)) == 9 * H * W * C


def test_a_network_over_multiples_of_its_stride_is_its_count_over_an_area():
    with torch.device("meta"):
        net = torchvision.models.resnet50()
    formula = network_multiply_adds(net, (3, H, W), multiple_of=32)
    # 4,089,184,256 at 224 (torchvision's metadata: 4.089), of which the last layer is 2048 * 1000.
    assert formula == sympy.Rational(4_089_184_256 - 2_048_000, 224 * 224) * H * W + 2_048_000


@settings(max_examples=6)
@given(height=st.integers(33, 90), width=st.integers(33, 90))
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "squeezenet1_0"])
def test_the_formula_with_its_rounding_is_the_count_of_any_size(name, height, width):
    formula, net = _formula(name)
    assert formula.subs({H: height, W: width}) == count(net, (3, height, width)).macs


_KNOWN: dict[str, tuple[sympy.Expr, nn.Module]] = {}


def _formula(name):
    if name not in _KNOWN:
        with torch.device("meta"):
            net = getattr(torchvision.models, name)().eval()
        _KNOWN[name] = network_multiply_adds(net, (3, H, W)), net
    return _KNOWN[name]


SIDES = [(224, 256), (229, 318), (301, 227), (250, 339), (333, 333)]


class Forward(nn.Module):
    """Two convolutions, 3 to 4 maps and 4 to 4, and a forward of the test's own."""

    def __init__(self, forward):
        super().__init__()
        self.first, self.second, self.own = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), forward

    def forward(self, picture):
        return self.own(self, picture)


def _restored(net, picture):
    small = F.max_pool2d(net.first(picture), 2)
    return net.second(F.interpolate(small, size=picture.shape[-2:]))


def _padded(net, picture):
    return net.first(F.pad(picture, (0, -picture.shape[-1] % 16, 0, -picture.shape[-2] % 16)))


def _placed(net, picture):
    return net.second(net.first(picture) + torch.arange(picture.shape[-1] - 2))


def _attended(net, picture):
    pixels = F.avg_pool2d(net.first(picture), 16).flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(pixels, pixels, pixels)


SMALL = {
    "twice as large": nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 4, 3)),
    "half as much again": nn.Sequential(nn.Upsample(scale_factor=1.5), nn.Conv2d(3, 4, 3)),
    "bilinear": nn.Sequential(nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 4, 3)),
    "a third": nn.Sequential(nn.Upsample(scale_factor=1 / 3), nn.Conv2d(3, 4, 3)),
    "pool that rounds up": nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(3, 4, 3)),
    "pools of other layouts": nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 3), nn.Conv2d(3, 4, 5, 3)),
    "transposed": nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ConvTranspose2d(4, 4, 3, 2, 1)),
    "activations in place": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(True), nn.Conv2d(4, 4, 3)),
    "size of the picture": Forward(_restored),
    "padded to multiples": Forward(_padded),
    "a tensor of its own": Forward(_placed),
    "attention": Forward(_attended),
}


@pytest.mark.parametrize("name", SMALL)
def test_the_formula_of_a_small_network_is_the_count_of_any_size(name):
    net = SMALL[name]
    formula = network_multiply_adds(net, (3, H, W))
    for height, width in SIDES:
        assert formula.subs({H: height, W: width}) == count(net, (3, height, width)).macs


CATALOGUE = "autoencoder unet unet_padded googlenet nin_imagenet seresnet18 resnet20"


@pytest.mark.parametrize("name", CATALOGUE.split())
def test_the_formula_of_a_network_of_the_catalogue_is_the_count_of_any_size(name):
    with torch.device("meta"):
        net = striate.build(name)
    channels = find(name).input[0]
    formula = network_multiply_adds(net, (channels, H, W))
    for height, width in SIDES:
        assert formula.subs({H: height, W: width}) == count(net, (channels, height, width)).macs


def test_a_u_net_over_multiples_of_its_stride():
    with torch.device("meta"):
        net = striate.build("unet_resnet18")
    formula = network_multiply_adds(net, (3, H, W))  # for the sizes that it takes
    for height, width in [(224, 256), (352, 288)]:
        assert formula.subs({H: height, W: width}) == count(net, (3, height, width)).macs
    assert network_multiply_adds(net, (3, H, W), multiple_of=32) == 73296 * H * W


def test_rounding_is_of_whole_numbers_and_fractions():
    assert network_multiply_adds(SMALL["twice as large"], (3, H, W)) == 432 * H * W - 432 * H - 432 * W + 432
    assert str(network_multiply_adds(SMALL["half as much again"], (3, H, W))) == (
        "108*(floor(3*H/2) - 2)*(floor(3*W/2) - 2)"
    )
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1))
    assert str(network_multiply_adds(net, (3, H, W))) == (
        "144*ceiling(H/4)*ceiling(W/4) + 108*ceiling(H/2)*ceiling(W/2)"
    )


def test_a_pool_that_rounds_up_over_its_padding_has_a_formula_for_even_sides_alone():
    net = nn.Sequential(nn.MaxPool2d(2, 2, 1, ceil_mode=True), nn.Conv2d(3, 4, 3))
    with pytest.raises(UsageError, match=r"at 3x\d+x\d+, not \d+, and needs 2\*ceiling\(.*Try: a size by itself"):
        network_multiply_adds(net, (3, H, W))
    assert network_multiply_adds(net, (3, H, W), multiple_of=2) == sympy.expand(27 * (H - 2) * (W - 2))


@pytest.mark.parametrize(
    ("condition", "needs"),
    [
        (lambda height, width: width > 300, r"W - 2 <= 300"),
        (lambda height, width: width > 1500, r"W - 2 <= 1500"),
        (lambda height, width: width > height, r"W - 2 > H - 2"),
        (lambda height, width: height % 2, r"Mod\(H, 2\) = 0"),
    ],
)
def test_a_forward_that_compares_sides_has_no_formula_for_all(condition, needs):
    def forward(net, picture):
        first = net.first(picture)
        return net.second(first) if condition(*first.shape[-2:]) else first

    with pytest.raises(UsageError, match=f"no single formula holds for all sizes.*needs {needs}"):
        network_multiply_adds(Forward(forward), (3, H, W))


def test_a_factor_whose_products_are_rounded_before_they_are_cut_has_no_formula():
    # 0.7 * 340 is 237.99999999999997
    with pytest.raises(UsageError, match=r"needs floor\(0\.7\*([HW])\) = floor\(7\*\1/10\)"):
        network_multiply_adds(nn.Sequential(nn.Upsample(scale_factor=0.7), nn.Conv2d(3, 4, 3)), (3, H, W))


def test_sizes_that_the_pass_froze_are_found_out():
    def half(net, picture):
        return net.second(F.interpolate(net.first(picture), size=(9, int(picture.shape[-1] / 2))))

    def unseen(net, picture):  # and torch does not know of it
        width = picture.shape[-1]
        return net.second(
            F.interpolate(net.first(picture), size=(9, HINT if isinstance(width, torch.SymInt) else width))
        )

    def whole(net, picture):
        return net.second(F.interpolate(net.first(picture), size=(9, int(picture.shape[-1]))))

    for forward in (half, unseen):
        with pytest.raises(UsageError, match="no single formula holds for all sizes"):
            network_multiply_adds(Forward(forward), (3, H, W))
    with pytest.raises(UsageError, match=r"int\(\) of a side, fixes height or width"):
        network_multiply_adds(Forward(whole), (3, H, W))


def test_one_pass_gives_the_formula_for_all_sides_and_for_multiples():
    formula = NetworkFormula(nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1)), (3, H, W))
    assert str(formula.over()) == "108*ceiling(H/2)*ceiling(W/2)"
    assert formula.over(2) == 27 * H * W


def test_symbols_may_be_any():
    height = sympy.Symbol("h")
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1))
    assert network_multiply_adds(net, (3, height, 64)).free_symbols == {height}
    assert network_multiply_adds(net, (3, height, 64), multiple_of=2) == 27 * 64 * height


def test_channels_are_a_number():
    with pytest.raises(UsageError, match=r"C stands for channels, which are the network's own.*as in 3xHxW"):
        network_multiply_adds(nn.Conv2d(3, 4, 3), (C, H, W))
    with pytest.raises(UsageError, match="neither a whole number nor a symbol"):
        network_multiply_adds(nn.Conv2d(3, 4, 3), (3, 2 * H, W))


def test_a_square_picture_may_use_one_symbol():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    assert network_multiply_adds(net, (3, H, H)) == 108 * H**2


def test_a_network_of_one_size_has_no_formula():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 30 * 30, 5))
    with pytest.raises(UsageError, match=r"no formula over these symbols \(with 1x224x256, module '2': it cannot take"):
        network_multiply_adds(net, (1, H, W))


def test_what_torch_says_of_its_own_files_is_not_passed_on():
    def forward(net, picture):
        if isinstance(picture.shape[-1], torch.SymInt):
            raise RuntimeError("/__w/pytorch/build/aten/src/ATen/RegisterCPU_1.cpp:2410: SymIntArrayRef expected to")
        return net.first(picture)

    net = nn.Sequential(Forward(forward))
    with pytest.raises(UsageError, match=r"\(torch does not follow them through module '0'\)\. Try: numbers"):
        network_multiply_adds(net, (3, H, W))
