"""Guided backpropagation, SmoothGrad, integrated gradients and occlusion: laws, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nets import WAYS, Same, of, picture, seeded
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from striate.base.errors import UsageError
from striate.inside import attribution, gradient
from striate.models.build import build


def test_guided_backpropagation_is_captums_on_modules():
    attr = pytest.importorskip("captum.attr")
    net, x = seeded(Same), picture(3, 12, 12)
    with pytest.warns(UserWarning, match="backward hooks"):
        wanted = attr.GuidedBackprop(net).attribute(x.clone().requires_grad_(), 1).detach()
    torch.testing.assert_close(gradient.guided(net, x, of(1)), wanted)
    assert not torch.allclose(wanted, gradient.plain(net, x, of(1)))


@pytest.mark.parametrize("how", WAYS)
def test_it_is_the_same_however_a_network_rectifies(how):
    x = picture(3, 12, 12)
    wanted = gradient.guided(seeded(Same), x, of(1))
    net = seeded(lambda: Same(how)).requires_grad_(False)
    torch.testing.assert_close(gradient.guided(net, x, of(1)), wanted)
    torch.testing.assert_close(gradient.guided(net, x, of(1)), wanted)  # nothing is left of the first time


@pytest.mark.parametrize(
    ("activate", "named"),
    [
        (functional.silu, "Silu"), (functional.gelu, "Gelu"), (torch.tanh, "Tanh"), (functional.elu, "Elu"),
        (functional.leaky_relu, "LeakyRelu"), (functional.hardswish, "Hardswish"), (functional.mish, "Mish"),
        (lambda x: x.clamp(min=0), "Clamp"), (lambda x: x * torch.sigmoid(x), "Sigmoid"),
        (lambda x: torch.where(x > 0, x, 0), "Where"), (lambda x: torch.maximum(x, torch.zeros(())), "Maximum"),
        (lambda x: checkpoint(functional.relu, x, use_reentrant=True), "a step of its own"),
    ],
)  # fmt: skip
def test_another_activation_is_refused_and_never_answered_with_a_plain_gradient(activate, named):
    class Other(Same):
        def rectified(self, x, module):
            return activate(x) if module is self.relu1 else module(x)

    with pytest.raises(UsageError, match=named):
        gradient.guided(seeded(Other), picture(3, 12, 12), of(0))


def test_a_network_without_any_rectifier_is_refused_and_one_with_gates_is_not():
    linear = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(200, 2))
    with pytest.raises(UsageError, match=r"has no ReLU"):
        gradient.guided(linear, picture(3, 12, 12), of(0))
    gated = seeded(lambda: build("resnet20", se=4))
    assert gradient.guided(gated, picture(3, 8, 8), of(0)).abs().sum() > 0


def test_smooth_is_the_mean_gradient_of_noisy_copies_and_draws_the_same_noise():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    x = picture(3, 2, 2)
    torch.testing.assert_close(gradient.smooth(linear, x, of(1)), linear[1].weight[1].view(1, 3, 2, 2).detach())
    net, x = seeded(Same), picture(3, 12, 12)
    found = gradient.smooth(net, x, of(1))
    torch.testing.assert_close(found, gradient.smooth(net, x, of(1)), rtol=0, atol=0)
    plain = gradient.plain(net, x, of(1))
    assert 0.5 < float(torch.cosine_similarity(found.flatten(), plain.flatten(), 0)) < 0.9999


@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.sampled_from(WAYS))
@settings(max_examples=8)
def test_integrated_gradients_are_complete_to_one_percent(seed, label, how):
    pytest.importorskip("captum.attr")
    net, x = seeded(lambda: Same(how), seed), picture(3, 10, 10, seed=seed)
    with torch.no_grad():
        apart = float((net(x) - net(torch.zeros_like(x)))[0, label])
    assume(abs(apart) > 0.01)  # 1 % of two scores that are almost equal is less than the steps can tell
    values, left = attribution.integrated(net, x, of(label))
    assert abs(float(values.sum()) - apart) <= 0.0101 * abs(apart)
    assert left <= 0.01


def test_occlusion_is_how_much_the_score_falls_by_windows_one_by_one():
    pytest.importorskip("captum.attr")
    net, x = seeded(Same), picture(3, 12, 9)
    found = attribution.occlusion(net, x, of(3)).numpy()
    total, count = np.zeros((12, 9)), np.zeros((12, 9))
    with torch.no_grad():
        for top in range(0, 11):
            for left in range(0, 8):
                hidden = x.clone()
                hidden[..., top : top + 2, left : left + 2] = 0
                total[top : top + 2, left : left + 2] += float((net(x) - net(hidden))[0, 3])
                count[top : top + 2, left : left + 2] += 1
    np.testing.assert_allclose(found, total / count, atol=1e-5)


def test_a_network_is_left_in_the_mode_that_each_of_its_modules_was_in():
    net = Same().train()
    net.conv1.eval()
    gradient.guided(net, picture(3, 12, 12), of(0))
    assert (net.training, net.conv1.training, net.conv2.training) == (True, False, True)
