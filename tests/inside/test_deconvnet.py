"""The deconvnet of Zeiler and Fergus: against one written by hand, against captum's, and what it refuses."""

import numpy as np
import pytest
import torch
from nets import picture, seeded
from torch import nn
from torch.nn import functional

from striate.base.errors import UsageError
from striate.inside.deconvnet import deconvnet
from striate.models.build import build

SLIM = {"vgg11": {"dense": False}, "vgg11_bn": {"dense": False}}  # without a hundred million weights that play no part


class Three(nn.Module):
    """Three layers, their activations modules; pools overlap."""

    def __init__(self, inplace=False):
        super().__init__()
        self.conv1, self.relu1, self.pool1 = nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(inplace), nn.MaxPool2d(3, 2)
        self.conv2, self.relu2, self.pool2 = nn.Conv2d(4, 5, 3, stride=2), nn.ReLU(inplace), nn.MaxPool2d(2, 1)
        self.conv3, self.relu3 = nn.Conv2d(5, 3, 2), nn.ReLU(inplace)

    def forward(self, x):
        x = self.pool1(self.relu1(self.conv1(x)))
        return self.relu3(self.conv3(self.pool2(self.relu2(self.conv2(x)))))


def drawn(net):
    """With weights that leave every map something positive."""
    for each in net.parameters():
        nn.init.normal_(each, std=0.3)
    return net


def by_hand(net, x, feature):
    """Loops over windows and taps, in numpy: nothing of torch but the weights."""

    def conv(x, layer):
        weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
        (step, _), (pad, _), kernel = layer.stride, layer.padding, weight.shape[2]
        x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
        rows, columns = ((side - kernel) // step + 1 for side in x.shape[1:])
        out = np.zeros((len(weight), rows, columns))
        for at in np.ndindex(rows, columns):
            i, j = at[0] * step, at[1] * step
            out[:, at[0], at[1]] = (weight * x[None, :, i : i + kernel, j : j + kernel]).sum((1, 2, 3)) + bias
        return out

    def pool(x, kernel, step):
        rows, columns = ((side - kernel) // step + 1 for side in x.shape[1:])
        out, switches = np.zeros((len(x), rows, columns)), {}
        for c, i, j in np.ndindex(out.shape):
            window = x[c, i * step : i * step + kernel, j * step : j * step + kernel]
            down, across = np.unravel_index(window.argmax(), window.shape)
            switches[c, i, j] = (c, i * step + down, j * step + across)
            out[c, i, j] = window.max()
        return out, switches

    def unpool(signal, switches, shape):
        back = np.zeros(shape)
        for at, switch in switches.items():
            back[switch] += signal[at]
        return back

    def transposed(signal, layer, shape):
        weight = layer.weight.detach().double().numpy()
        (step, _), (pad, _), kernel = layer.stride, layer.padding, weight.shape[2]
        back = np.zeros((shape[0], shape[1] + 2 * pad, shape[2] + 2 * pad))
        for o, i, j in np.ndindex(signal.shape):
            back[:, i * step : i * step + kernel, j * step : j * step + kernel] += signal[o, i, j] * weight[o]
        return back[:, pad : pad + shape[1], pad : pad + shape[2]]

    def rectified(x):
        return np.maximum(x, 0)

    x = x[0].double().numpy()
    first = rectified(conv(x, net.conv1))
    pooled1, switches1 = pool(first, 3, 2)
    second = rectified(conv(pooled1, net.conv2))
    pooled2, switches2 = pool(second, 2, 1)
    third = rectified(conv(pooled2, net.conv3))
    at = (feature, *np.unravel_index(third[feature].argmax(), third[feature].shape))
    signal = np.zeros_like(third)
    signal[at] = third[at]
    signal = transposed(rectified(signal), net.conv3, pooled2.shape)
    signal = transposed(rectified(unpool(signal, switches2, second.shape)), net.conv2, pooled1.shape)
    return transposed(rectified(unpool(signal, switches1, first.shape)), net.conv1, x.shape)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("feature", [0, 1, 2])
def test_it_is_what_is_written_by_hand_for_a_net_of_three_layers(inplace, feature):
    net, x = seeded(lambda: drawn(Three(inplace))).double(), picture(2, 19, 23).double()
    wanted = by_hand(net, x, feature)
    found = deconvnet(net, x, feature=feature)
    assert found.layer == "relu3"
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(found.values.numpy(), wanted, rtol=0, atol=1e-6)


def test_a_whole_map_is_the_sum_of_its_cells_where_nothing_negative_meets_a_rectifier():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
    found = deconvnet(net, picture(1, 8, 8), feature=1, of="map")
    assert found.cell is None
    x = picture(1, 8, 8)
    maps, switches = functional.max_pool2d(net[:2](x), 2, return_indices=True)
    maps[:, 0] = 0
    unpooled = functional.max_unpool2d(maps, switches, 2)
    wanted = functional.conv_transpose2d(unpooled, net[0].weight)
    torch.testing.assert_close(found.values, wanted[0].detach())


@pytest.mark.parametrize(
    ("name", "side", "layer"),
    [("alexnet_owt", 63, "features.11"), ("vgg11_bn", 32, "features.25"), ("resnet18", 40, "layer1.0.relu1")],
)
@pytest.mark.slow
def test_it_is_captums_where_there_are_modules_and_nothing_but_what_the_paper_names(name, side, layer):
    attr = pytest.importorskip("captum.attr")
    net, x = seeded(lambda: build(name, classes=5, **SLIM.get(name, {}))), picture(3, side, side)
    found = deconvnet(net, x, layer=layer)
    cut = Until(net, layer)
    with pytest.warns(UserWarning, match="backward hooks"):
        other = attr.Deconvolution(cut).attribute(x.clone().requires_grad_(), target=(found.feature, *found.cell))
    wanted = other[0].detach() * found.activation
    assert wanted.abs().max() > 0
    torch.testing.assert_close(found.values, wanted, rtol=1e-4, atol=1e-6 * float(wanted.abs().max()))


class Until(nn.Module):
    """A network that answers with what one of its layers makes."""

    def __init__(self, net, layer):
        super().__init__()
        self.net = net
        net.get_submodule(layer).register_forward_hook(lambda module, given, value: setattr(self, "made", value))

    def forward(self, x):
        self.net(x)
        return self.made


@pytest.mark.parametrize(
    ("name", "side", "layer"),
    [
        ("alexnet", 227, "pool5"), ("zfnet", 224, "pool5"), ("vgg11", 64, "features.20"),
        ("resnet18", 64, "layer1.0.relu1"), ("googlenet", 79, "inception3a.branch4.1.relu"),
        ("densenet121", 32, "features.pool0"),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_the_last_maps_that_a_chain_leads_to_are_taken_where_no_layer_is_named(name, side, layer):
    net = seeded(lambda: build(name, classes=3, **SLIM.get(name, {})))
    found = deconvnet(net, picture(3, side, side))
    assert found.values.shape == (3, side, side)
    assert torch.isfinite(found.values).all()
    assert found.layer == layer


def test_lenet_with_rectifiers_has_average_pools_that_are_filters():
    net = seeded(lambda: build("lenet5", activation="relu"))
    found = deconvnet(net, picture(1, 32, 32))
    assert found.layer == "c3_activation"
    assert found.values.abs().sum() > 0


class Functional(nn.Module):
    """An activation that is a function, in place or not; the second convolution is what it leads to."""

    def __init__(self, activate):
        super().__init__()
        self.conv1, self.conv2, self.relu, self.activate = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.ReLU(), activate

    def forward(self, x):
        return self.relu(self.conv2(self.activate(self.conv1(x))))


@pytest.mark.parametrize("activate", [functional.relu, functional.relu_, torch.tanh, lambda x: x + 1])
def test_what_lies_between_modules_is_refused_and_never_passed_over(activate):
    net = Functional(activate)
    with pytest.raises(UsageError, match=r"what enters conv2 is made by no module"):
        deconvnet(net, picture(1, 9, 9), layer="relu")
    with pytest.raises(UsageError, match=r"no ReLU or max pool of this network"):
        deconvnet(net, picture(1, 9, 9))


def test_refusals_name_the_layer_and_what_to_try():
    net, x = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Conv2d(2, 2, 3), nn.ReLU()), picture(1, 9, 9)
    with pytest.raises(UsageError, match=r"1 is a Tanh, and a deconvnet goes back through filters, pools and ReLU"):
        deconvnet(net, x, layer="3")
    with pytest.raises(UsageError, match=r"'4' is no layer that makes maps of this picture"):
        deconvnet(net, x, layer="4")
    with pytest.raises(UsageError, match=r"0 has maps 0 to 1, and no 2"):
        deconvnet(net, x, layer="0", feature=2)
    own = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False), nn.ReLU())
    with pytest.raises(UsageError, match=r"1 is a BatchNorm2d"):
        deconvnet(own, x, layer="2")


def test_a_module_that_is_used_again_is_gone_back_through_as_often():
    class Again(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(inplace=True)

        def forward(self, x):
            for _ in range(3):
                x = self.relu(self.conv(x))
            return x

    net = seeded(Again)
    plain = nn.Sequential(*(each for _ in range(3) for each in (net.conv, nn.ReLU())))
    x = picture(2, 6, 6)
    found, wanted = deconvnet(net, x, layer="relu", feature=0), deconvnet(plain, x, layer="5", feature=0)
    torch.testing.assert_close(found.values, wanted.values)


def test_the_network_is_left_as_it_was():
    net = Three(inplace=True).train().requires_grad_(False)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    x = picture(2, 19, 19)
    deconvnet(net, x)
    assert net.training
    assert not any(each.requires_grad or each.grad is not None for each in net.parameters())
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in before.items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    torch.testing.assert_close(x, picture(2, 19, 19))


def test_a_network_of_which_a_part_is_frozen_is_left_as_it_was():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()).train()
    net[1].eval()
    deconvnet(net, torch.ones(1, 1, 5, 5))
    assert [module.training for module in net] == [True, False, True]
