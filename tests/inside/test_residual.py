"""Residual blocks and gates: told apart in every network, their parts and the network without one as by hand."""

import copy

import numpy as np
import pytest
import torch
from nets import seeded
from torch import nn

from samples import sampled
from striate.base.errors import UsageError
from striate.inside import residual
from striate.models.build import build
from striate.models.catalog import catalog, find
from striate.models.preact import ActivatedBasic, ActivatedBottleneck
from striate.models.resnet import BasicBlock

pytestmark = pytest.mark.slow

# One of each kind of block, and of what has none.
SHOWN = ("resnet20", "resnet50", "preact_resnet18", "preact_resnet164", "wide_resnet16_8", "seresnet18", "plain20",
         "lenet5", "unet_resnet18", "densenet_l40_12")  # fmt: skip
FAMILIES = ("resnet", "preact", "wide_resnet", "resnext", "senet")


def branch(block, x):
    """F(x) and what it is added to, layer for layer as the papers draw them."""
    if isinstance(block, ActivatedBasic | ActivatedBottleneck):
        a = x if block.first else block.relu1(block.bn1(x))
        y = block.conv2(block.relu2(block.bn2(block.conv1(a))))
        y = y if isinstance(block, ActivatedBasic) else block.conv3(block.relu3(block.bn3(y)))
        shortcut = block.downsample(a if isinstance(block.downsample, nn.Conv2d) else x)
    else:
        y = block.bn2(block.conv2(block.relu1(block.bn1(block.conv1(x)))))
        y = y if isinstance(block, BasicBlock) else block.bn3(block.conv3(block.relu2(y)))
        shortcut = block.downsample(x)
    return (y if block.se is None else block.se(y)), shortcut


def of_timm(name, **options):
    """Its last norms start at 0, and here no branch is to be nothing."""
    net = seeded(lambda: build(name, **options))
    for each in net.modules():
        if isinstance(each, nn.BatchNorm2d):
            nn.init.constant_(each.weight, 0.9)
    return net


class Shortcut(nn.Module):
    """What is left of a block without F."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        _, shortcut = branch(self.block, x)
        return shortcut if isinstance(self.block, ActivatedBasic | ActivatedBottleneck) else self.block.relu(shortcut)


def replaced(net, name):
    """A copy of the network with one block replaced by what is left of it."""
    other = copy.deepcopy(net)
    parent, _, child = name.rpartition(".")
    setattr(other.get_submodule(parent), child, Shortcut(other.get_submodule(name)))
    return other


def entered(net, found, x):
    """What each block is given, and what the network answers."""
    given = {}
    hooks = [
        each.block.register_forward_pre_hook(lambda _, args, name=each.name: given.update({name: args[0].clone()}))
        for each in found
    ]
    out = net(x)
    for hook in hooks:
        hook.remove()
    return given, out


@torch.no_grad()
@pytest.mark.parametrize("name", sampled(catalog(), kept=SHOWN))
def test_every_network_of_the_catalogue_has_its_blocks_or_the_reason(name):
    entry = find(name)
    with torch.device("meta"):
        deep = sum(isinstance(each, nn.Conv2d) for each in build(name).modules()) > 300
    net = seeded(lambda: build(name, **({"width": 4} if name in ("unet", "unet_padded") else {}))) if not deep else None
    if net is None:
        with torch.device("meta"):
            assert len(residual.residuals(build(name))) > 50
        return
    if not (entry.family in FAMILIES or name.startswith("unet_resnet")) or name.startswith("plain"):
        with pytest.raises(UsageError, match="no residual block that is known"):
            residual.residuals(net)
        return
    side = entry.least if entry.fixed else max(entry.least, 32)
    x = torch.randn(2, entry.input[0], side, side, generator=torch.Generator().manual_seed(1))
    found = residual.residuals(net)
    given, whole = entered(net, found, x)
    with residual.norms(found) as (ours, beside):
        again = net(x)
    assert torch.equal(again, whole)
    assert ours.canvases == 2
    for place, each in enumerate(found):
        parts = [part.flatten(1).double().norm(dim=1).numpy() for part in branch(each.block, given[each.name])]
        np.testing.assert_allclose(ours.of(place), parts[0], rtol=1e-6)
        np.testing.assert_allclose(beside.of(place), parts[1], rtol=1e-6)
        assert each.projects == any(True for _ in each.block.downsample.parameters())
    for each in (found[0], found[-1]):
        with residual.without(each):
            less = net(x)
        assert torch.equal(less, replaced(net, each.name)(x))
        assert not torch.equal(less, whole)
    assert torch.equal(net(x), whole)  # nothing of the network is left changed


@torch.no_grad()
@pytest.mark.parametrize("name", [
    "resnet18", "resnetv2_50", *(pytest.param(each, marks=pytest.mark.whole) for each in (
        "resnet26", "seresnet50", "efficientnet_b0", "mobilenetv3_small_050", "resnetv2_50x1_bit",
    )),
])  # fmt: skip
def test_of_timm_a_block_without_its_branch_answers_with_its_shortcut(name):
    net = of_timm(f"timm:{name}")
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found = residual.residuals(net)
    given, _ = entered(net, found, x)
    for each in found:
        with residual.without(each):
            left = each.block(given[each.name].clone())
        assert not torch.equal(left, each.block(given[each.name].clone()))
        kept = []
        if each.beside is None:
            shortcut = given[each.name]
        else:
            hook = each.beside.register_forward_hook(lambda _m, _a, made, kept=kept: kept.append(made.clone()))
            each.block(given[each.name].clone())
            hook.remove()
            (shortcut,) = kept
        assert torch.equal(left, shortcut) or torch.equal(left, shortcut.clamp(min=0))


def test_of_torchvision_too():
    torchvision = pytest.importorskip("torchvision")
    net = torchvision.models.resnet18(weights=None).eval()
    twin = build("resnet18").eval()
    twin.load_state_dict(net.state_dict())
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    heard = []
    for each in (net, twin):
        with torch.no_grad(), residual.norms(residual.residuals(each)) as parts:
            each(x)
        heard.append([part.of(place) for part in parts for place in range(8)])
    np.testing.assert_allclose(*heard, rtol=1e-6)


@torch.no_grad()
def test_a_block_that_adds_nothing_has_norm_0_and_loses_nothing():
    net = seeded(lambda: build("resnet20", zero_init=True))
    x = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found = residual.residuals(net)
    with residual.norms(found) as (ours, beside):
        whole = net(x)
    for place, each in enumerate(found):
        assert not ours.of(place).any()
        assert beside.of(place).all()
        with residual.without(each):
            assert torch.equal(net(x), whole)


GATED = {
    "resnet20": {"se": 16}, "seresnet18": {}, "timm:seresnet50": {}, "timm:mobilenetv3_small_050": {},
    "timm:legacy_seresnet18": {}, "timm:ese_vovnet19b_dw": {},
}  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("name", [
    each if "timm" not in each or "se" in each[:8] else pytest.param(each, marks=pytest.mark.whole) for each in GATED
])  # fmt: skip
def test_gates_are_what_maps_are_multiplied_by(name):
    net = of_timm(name, **GATED[name])
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found = residual.gates(net)
    seen = {}

    def look(which):
        def hook(_, args, made):
            # where a map is not 0, what it became divided by what it was
            was, is_now = args[0].flatten(2), made.flatten(2)
            at = was.abs().argmax(2, keepdim=True)
            seen[which] = (is_now.gather(2, at) / was.gather(2, at))[..., 0]

        return hook

    hooks = [net.get_submodule(which).register_forward_hook(look(which)) for which in found]
    with residual.gating(list(found.values())) as heard:
        net(x)
    for hook in hooks:
        hook.remove()
    for place, which in enumerate(found):
        there = seen[which].isfinite().numpy()
        assert there.mean() > 0.5
        np.testing.assert_allclose(heard.of(place)[there], seen[which].numpy()[there], rtol=1e-5, atol=1e-6)


def test_a_network_without_gates_is_refused():
    with pytest.raises(UsageError, match="it has no squeeze-excitation that is known"):
        residual.gates(build("resnet20"))
