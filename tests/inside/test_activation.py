"""Class activation maps: CAM by its definition, Grad-CAM beside it and beside captum's."""

import pytest
import torch
from nets import WAYS, Same, of, picture, seeded
from torch import nn

from striate.base.errors import UsageError
from striate.inside.activation import cam, grad_cam
from striate.models.build import build


@pytest.mark.parametrize(("name", "side"), [("resnet20", 32), ("nin_cifar10", 24), ("densenet_l40_12", 16)])
@pytest.mark.slow
def test_grad_cam_is_what_is_positive_of_cam_by_the_number_of_cells_where_theory_says_so(name, side):
    net, x = seeded(lambda: build(name)), picture(3, side, side)
    for label in (0, 7):
        found, layer = cam(net, x, label)
        graded, other = grad_cam(net, x, of(label))
        assert layer == other
        wanted = found.clamp(min=0) / found.numel()
        assert found.abs().max() > 0
        assert (graded - wanted).abs().max() <= 1e-5 * found.abs().max() / found.numel()
        bias = 0 if name == "nin_cifar10" else list(net.modules())[-1].bias[label]
        torch.testing.assert_close(found.mean() + bias, net(x)[0, label])


@pytest.mark.parametrize("how", WAYS)
def test_an_activation_may_be_in_place_used_again_or_a_function_and_a_network_frozen(how):
    x = picture(3, 12, 12)
    plain, other = seeded(Same), seeded(lambda: Same(how)).requires_grad_(False)
    wanted, _ = grad_cam(plain, x, of(2), layer="conv2")
    found, _ = grad_cam(other, x, of(2), layer="conv2")
    assert wanted.max() > 0
    torch.testing.assert_close(found, wanted)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in other.modules())
    assert all(each.grad is None for each in other.parameters())


def test_grad_cam_is_captums():
    attr = pytest.importorskip("captum.attr")
    net, x = seeded(Same), picture(3, 12, 12)
    found, _ = grad_cam(net, x, of(1), layer="relu2")
    wanted = attr.LayerGradCam(net, net.relu2).attribute(x, 1, relu_attributions=True)
    torch.testing.assert_close(found, wanted[0, 0].detach())


@pytest.mark.parametrize("how", ["a function", "a function in place"])
def test_cam_of_maps_that_no_layer_makes_is_refused(how):
    with pytest.raises(UsageError, match=r"does not end in the mean of a layer's maps"):
        cam(seeded(lambda: Same(how)), picture(3, 12, 12), 0)


@pytest.mark.parametrize(
    ("model", "side", "layer"),
    [("vgg11", 64, "features.19"), ("resnet18", 64, "layer4.1.relu"), ("unet_padded", 32, "encoder.bottom.relu2")],
)
@pytest.mark.slow
def test_the_layer_is_chosen_for_you(model, side, layer):
    options = {"vgg11": {"dense": False}, "unet_padded": {"width": 4}}.get(model, {})
    net = seeded(lambda: build(model, **options))
    pictures = model.startswith("unet")
    found, name = grad_cam(
        net, picture(3, side, side), lambda outputs: outputs[:, 0].flatten().sum()[None], coarsest=pictures
    )
    assert name == layer
    assert found.shape == {"vgg11": (4, 4), "resnet18": (2, 2), "unet_padded": (2, 2)}[model]


def test_a_block_may_be_named_and_means_what_is_last_in_it():
    net, x = seeded(lambda: build("resnet20")), picture(3, 16, 16)
    found, name = grad_cam(net, x, of(0), layer="layer2")
    assert name == "layer2.2.relu"
    torch.testing.assert_close(found, grad_cam(net, x, of(0), layer="layer2.2.relu")[0])


def test_what_has_no_maps_is_refused():
    net, x = seeded(lambda: build("resnet20")), picture(3, 16, 16)
    with pytest.raises(UsageError, match=r"'layer9' is no layer that makes maps of this picture"):
        grad_cam(net, x, of(0), layer="layer9")
    with pytest.raises(UsageError, match=r"avgpool makes maps of one cell"):
        grad_cam(net, x, of(0), layer="avgpool")
    with pytest.raises(UsageError, match=r"no layer has maps of more than one cell"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), picture(3, 2, 2), of(0))
    tokens = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Flatten(2), nn.Linear(9, 5), nn.Flatten(), nn.Linear(20, 2))
    with pytest.raises(UsageError, match=r"this network holds tokens, and no maps"):
        grad_cam(tokens, picture(3, 4, 4), of(0))


def test_a_network_that_detaches_is_refused():
    class Detached(Same):
        def forward(self, x):
            return super().forward(x).detach()

    with pytest.raises(UsageError, match=r"what is explained has no gradient there"):
        grad_cam(seeded(Detached), picture(3, 12, 12), of(0))
