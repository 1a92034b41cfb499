"""Every method on every network of the catalogue: an answer of the right shape, or the reason why there is none."""

import pytest
import torch
from nets import seeded
from torch import nn

from samples import sampled
from striate.base.errors import UsageError
from striate.inside import activation, attribution, gradient
from striate.inside.deconvnet import deconvnet
from striate.models.build import build
from striate.models.catalog import catalog, find

pytestmark = pytest.mark.slow

SMALLER = {"unet": {"width": 4}, "unet_padded": {"width": 4}, "nin_imagenet": {"init": "he"}}
SIDES = {"nin_imagenet": 160}  # at 64 its last maps have one cell
# What squashes its sums, and is no rectifier.
SQUASHED = ("lenet5", "lenet5_1998")
# What enters their first rectifier is joined from several, or normalised before.
JOINED = ("densenet_l40_12", "densenet_l100_12", "densenet_bc_100_12", "densenet_bc_250_24", "densenet_bc_190_40")
DENSE = ("lenet", "alexnet", "zfnet", "unet", "autoencoder")


SHOWN = ("lenet5", "unet_padded", "autoencoder", "vgg11", "resnet20", "nin_cifar10", "densenet_l40_12")


@pytest.fixture(scope="module", params=sampled(catalog(), kept=SHOWN))
def given(request):
    """A network with settled statistics and a picture of a size that leaves it maps of several cells."""
    name, entry = request.param, find(request.param)
    side = entry.least if entry.fixed else max(entry.least, SIDES.get(name, 64 - (64 - entry.least) % entry.step))
    options = SMALLER.get(name, {}) | ({"dense": False} if name.startswith("vgg") else {})
    net = seeded(lambda: build(name, **options))
    draw = torch.Generator().manual_seed(1)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    if norms:
        with torch.no_grad():
            net.train()(torch.randn(4, entry.input[0], side, side, generator=draw))
    return name, entry, net.eval(), torch.randn(1, entry.input[0], side, side, generator=draw)


def score(outputs):
    return outputs[:, 0].flatten(1).mean(1) if outputs.ndim == 4 else outputs[:, 1]


def test_deconvnet(given):
    name, _, net, x = given
    if name in (*SQUASHED, *JOINED):
        with pytest.raises(UsageError, match="no ReLU or max pool of this network is reached"):
            deconvnet(net, x)
        return
    found = deconvnet(net, x)
    assert found.values.shape == x.shape[1:]
    assert found.values.abs().sum() > 0


def test_class_activation(given):
    name, entry, net, x = given
    graded, layer = activation.grad_cam(net, x, score, coarsest=entry.task != "classify")
    assert graded.ndim == 2
    assert graded.numel() > 1
    if entry.family in DENSE:
        with pytest.raises(UsageError, match="does not end in the mean of a layer's maps"):
            activation.cam(net, x, 1)
        return
    mapped, other = activation.cam(net, x, 1)
    assert other == layer or name.startswith("vgg")  # whose last pool is averaged
    graded, _ = activation.grad_cam(net, x, score, layer=other)
    assert (graded - mapped.clamp(min=0) / mapped.numel()).abs().max() <= 1e-5 * mapped.abs().max() / mapped.numel()


def test_gradients(given):
    name, _, net, x = given
    if name in SQUASHED:
        with pytest.raises(UsageError, match="an activation that is no ReLU: Tanh"):
            gradient.guided(net, x, score)
    else:
        assert gradient.guided(net, x, score).abs().sum() > 0
    assert gradient.plain(net, x, score).shape == x.shape


@pytest.mark.whole
def test_integrated_gradients_and_occlusion(given):
    """Complete to 1 %, or told how far from it: of a network of hundreds of layers the way may be too rough."""
    pytest.importorskip("captum.attr")
    _, _, net, x = given
    values, left = attribution.integrated(net, x, score)
    with torch.no_grad():
        apart = float(score(net(x)) - score(net(torch.zeros_like(x))))
    assert abs(float(values.sum()) - apart) <= (left + 1e-3) * abs(apart)
    hidden = attribution.occlusion(net, x, score)
    assert hidden.shape == x.shape[2:]
    assert hidden.abs().sum() > 0


CHAIN = "no ReLU or max pool of this network is reached"
END = "does not end in the mean of a layer's maps"
TOKENS = "this network holds tokens, and no maps"
# Of each network of timm its side, and the layer that a method looks at or why it does not serve.
OF_TIMM = {
    "resnet18": (64, "layer1.0.act1", "layer4.1.act2", None, None),
    "densenet121": (64, CHAIN, "features.norm5.act", None, None),  # of these two a norm has its rectifier inside
    "regnety_002": (64, CHAIN, "s4.b7.act3", None, None),
    "vgg11_bn": (64, "features.28", END, None, None),
    "efficientnet_b0": (64, CHAIN, "bn2.act", None, "no ReLU: Silu"),
    "mobilenetv3_small_050": (64, CHAIN, END, None, "no ReLU: Hardswish"),
    "convnext_atto": (64, CHAIN, END, None, "no ReLU: Gelu"),
    "inception_v3": (107, CHAIN, "Mixed_7c", None, None),
    "vit_tiny_patch16_224": (224, CHAIN, END, TOKENS, "no ReLU: Gelu"),
    "swin_tiny_patch4_window7_224": (224, CHAIN, END, TOKENS, "no ReLU: Gelu"),
}


def answered(work, refused):
    """What a method says of a network, where it is not refused with this reason."""
    if refused is None:
        return work()
    with pytest.raises(UsageError, match=refused):
        work()
    return None


@pytest.mark.parametrize(
    "name", [name if name in ("resnet18",) else pytest.param(name, marks=pytest.mark.whole) for name in OF_TIMM]
)
def test_networks_of_timm_are_served_or_refused_with_the_reason(name):
    side, chain, end, maps, rectified = OF_TIMM[name]
    net = seeded(lambda: build(f"timm:{name}"))
    x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    projected = answered(lambda: deconvnet(net, x), chain if chain == CHAIN else None)
    assert projected is None or (projected.layer == chain and projected.values.abs().sum() > 0)
    graded = answered(lambda: activation.grad_cam(net, x, score, layer=None if end == END else end), maps)
    assert graded is None or graded[0].numel() > 1
    mapped = answered(lambda: activation.cam(net, x, 1), end if end == END else None)
    if mapped is not None:
        values, layer = mapped
        assert layer == end
        wanted = values.clamp(min=0) / values.numel()
        assert (graded[0] - wanted).abs().max() <= 1e-5 * values.abs().max() / values.numel()
    led = answered(lambda: gradient.guided(net, x, score), rectified)
    assert led is None or led.abs().sum() > 0
    assert gradient.plain(net, x, score).abs().sum() > 0


def test_a_network_of_tokens_is_refused():
    net = seeded(lambda: build("timm:test_vit"))
    x = torch.randn(1, 3, 160, 160, generator=torch.Generator().manual_seed(1))
    with pytest.raises(UsageError, match="this network holds tokens, and no maps"):
        activation.grad_cam(net, x, score)
    with pytest.raises(UsageError, match="an activation that is no ReLU: Gelu"):
        gradient.guided(net, x, score)
    with pytest.raises(UsageError, match="no ReLU or max pool of this network is reached"):
        deconvnet(net, x)
