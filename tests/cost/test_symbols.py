"""Formulas over symbols: the lectures' own, and those of real networks against the count of real sizes."""

import pytest
import sympy
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from striate.cost.count import count
from striate.cost.symbols import Convolution, multiply_adds, network_multiply_adds
from striate.errors import UsageError

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


@settings(max_examples=6, deadline=None)
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


def test_a_square_picture_may_use_one_symbol():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    assert network_multiply_adds(net, (3, H, H)) == 108 * H**2


def test_a_network_of_one_size_has_no_formula():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 30 * 30, 5))
    with pytest.raises(UsageError, match="no formula over these symbols"):
        network_multiply_adds(net, (1, H, W))
