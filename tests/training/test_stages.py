"""Stages: every parameter of a network in one of them, first to last, and the head for itself."""

import pytest
import torch

import striate
from striate.models.catalog import catalog, find, usual_size
from striate.models.weights import head_of
from striate.training.stages import stages

# One of each family; the others in `pytest -m whole`.
FEW = ("lenet5", "vgg11_bn", "resnet20", "densenet121", "googlenet", "unet_resnet18")
EVERY = [pytest.param(name, marks=() if name in FEW else pytest.mark.whole) for name in catalog()]


def of(name, anew=()):
    with torch.device("meta"):
        net = striate.build(name)
    side = usual_size(name)
    return net, stages(net, (find(name).input[0], side, side), anew)


@pytest.mark.parametrize("name", EVERY)
def test_each_parameter_is_in_one_stage_and_the_last_layer_in_the_last(name):
    net, found = of(name)
    assert sorted(each for stage in found for each in stage.parameters) == sorted(dict(net.named_parameters()))
    assert head_of(net) in found[-1].modules
    assert all(stage.parameters for stage in found)
    assert len(found) > 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("lenet5", "c1 | c3 | c5 to f6 | output"),
        (
            "vgg16",
            "features.0 to features.2 | features.5 to features.7 | features.10 to features.14 | "
            "features.17 to features.21 | features.24 to features.28 | classifier.0 to classifier.3 | classifier.6",
        ),
        (
            "resnet50",
            "conv1 to bn1 | layer1.0 to layer1.2 | layer2.0 to layer2.3 | layer3.0 to layer3.5 | "
            "layer4.0 to layer4.2 | fc",
        ),
        ("preact_resnet18", "conv1 to bn1 | layer1.0 to layer1.1 | layer2.0 to layer2.1 | layer3.0 to layer3.1 | "
         "layer4.0 to bn_last | fc"),
        ("googlenet", "conv1.conv | conv2.conv to conv3.conv | inception3a to inception3b | "
         "inception4a to inception4e | inception5a to inception5b | aux1.conv.conv to fc"),
    ],
)  # fmt: skip
def test_a_stage_is_what_has_maps_of_one_size(name, told):
    assert " | ".join(map(str, of(name)[1])) == told


def test_what_starts_anew_is_the_head():
    net, found = of("unet_resnet18", tuple(name for name, _ in striate.build("unet_resnet18").named_modules()
                                           if name.startswith(("decoder", "last"))))  # fmt: skip
    assert all(each.startswith("encoder") for stage in found[:-1] for each in stage.parameters)
    assert all(each.startswith(("decoder", "last")) for each in found[-1].parameters)
    assert found[-1].parameters == tuple(key for key, _ in net.named_parameters() if not key.startswith("encoder"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["timm:resnet10t", "timm:convnext_atto", "timm:vit_tiny_patch16_224"])
def test_networks_of_timm_have_stages_too(name):
    net, found = of(name)
    assert sorted(each for stage in found for each in stage.parameters) == sorted(dict(net.named_parameters()))
    assert len(found) == {"timm:resnet10t": 6, "timm:convnext_atto": 6, "timm:vit_tiny_patch16_224": 2}[name]
