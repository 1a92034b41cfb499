"""The effective receptive field, measured on networks whose answer is known."""

from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn

from striate.base.errors import UsageError
from striate.cost.gradient_field import gradient_field


def blur(layers: int) -> nn.Sequential:
    """Means over 3x3, one after the other: the gradient is the kernel convolved with itself."""
    net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(layers)])
    for each in net:
        nn.init.constant_(each.weight, 1 / 9)
    return net


def test_strength_is_the_kernel_convolved_with_itself() -> None:
    found = gradient_field(blur(3), "2", (1, 15, 15), samples=1)
    side = np.convolve(np.convolve([1, 1, 1], [1, 1, 1]), [1, 1, 1]) / 27
    expected = np.zeros((15, 15))
    expected[4:11, 4:11] = np.outer(side, side)
    assert found.cell == (7, 7)
    assert found.box == ((4, 10), (4, 10))
    np.testing.assert_allclose(found.strength, expected, atol=1e-6)


def test_the_effective_field_is_the_smallest_square_with_95_percent() -> None:
    """Sides 7, 5, 3 hold 1, (25/27)^2 = 0.857 and (19/27)^2: only 7 holds 95 % after three layers."""
    assert gradient_field(blur(3), "2", (1, 15, 15), samples=1).effective == 7
    assert gradient_field(blur(1), "0", (1, 15, 15), samples=1).effective == 3


def test_it_grows_like_the_root_of_depth() -> None:
    """Luo et al. 2016, section 2: the share of the field that counts goes down as 1 / sqrt(n)."""
    shallow, deep = (gradient_field(blur(n), str(n - 1), (1, 81, 81), samples=1) for n in (8, 32))
    assert deep.field is not None
    assert deep.field.size == (65, 65)
    assert deep.effective < 2.4 * shallow.effective  # twice, and not four times


def test_nothing_lies_outside_the_predicted_interval() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 5, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(4, 4, 3))
    found = gradient_field(net, "3", (3, 40, 36), samples=20)
    assert found.box is not None
    (top, bottom), (left, right) = found.box
    rows, columns = found.strength.nonzero()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (top, bottom, left, right)
    assert found.strength.sum() == pytest.approx(1)


def test_the_network_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(), nn.Conv2d(4, 2, 1))
    net.train()
    net[3].eval()
    net(torch.rand(2, 3, 8, 8)).sum().backward()
    state = {name: each.clone() for name, each in net.state_dict().items()}
    gradients = [each.grad.clone() for each in net.parameters() if each.grad is not None]
    random = torch.get_rng_state()
    one, other = (gradient_field(net, "1", (3, 8, 8), samples=2, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.strength, other.strength)
    assert torch.equal(random, torch.get_rng_state())
    assert [each.training for each in net] == [True, True, True, False, True]
    assert all(torch.equal(state[name], each) for name, each in net.state_dict().items())
    assert all(torch.equal(one, each.grad) for one, each in zip(gradients, net.parameters(), strict=True))
    assert not any(each._forward_hooks for each in net.modules())


def test_the_picture() -> None:
    found = gradient_field(blur(2), "1", (1, 12, 20), samples=1)
    svg = found.svg()
    assert ElementTree.fromstring(svg.encode()).tag.endswith("svg")
    assert "receptive field, by arithmetic: 5 x 5" in svg
    assert "holds 95 % of the gradient: 5 x 5" in svg
    assert svg == found.svg()
    assert str(found) == "1, cell 6,10: receptive field 5x5, 95 % of the gradient in 5x5 of 12x20 pixels"


def test_a_square_that_runs_out_of_the_picture_is_told_and_drawn_as_far_as_it_is_inside() -> None:
    """Cell 3 sees rows 0 to 6, and the picture ends with row 5."""
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 5, padding=2))
    for each in net:
        nn.init.constant_(each.weight, 1.0)
    found = gradient_field(net, "1", (1, 6, 20), samples=1)
    assert found.cell == (3, 10)
    assert found.effective == 7
    assert found.square == ((0, 5), (7, 13))
    assert "95 % of the gradient in 6x7 of 6x20 pixels" in str(found)
    assert "holds 95 % of the gradient: 6 x 7" in found.svg()


def test_a_field_that_arithmetic_cannot_tell_is_still_measured() -> None:
    class Flipped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x.flip(2))  # type: ignore[no-any-return]

    found = gradient_field(Flipped(), "conv", (1, 9, 9), samples=2)
    assert found.field is None
    assert found.box is None
    assert found.effective == 3
    assert "unknown" in str(found)
    assert "<svg" in found.svg()


@pytest.mark.parametrize(
    ("layer", "samples", "said"),
    [("1", 1, "is no module of this network"), ("lost", 1, "0"), ("0", 0, "too few"), ("2", 1, "no feature map")],
)
def test_what_cannot_be_measured_is_told(layer: str, samples: int, said: str) -> None:
    net = nn.Sequential()
    for name, each in (("0", nn.Conv2d(1, 2, 3)), ("flat", nn.Flatten()), ("2", nn.Linear(72, 2))):
        net.add_module(name, each)
    with pytest.raises(UsageError, match=said):
        gradient_field(net, layer, (1, 8, 8), samples=samples)
