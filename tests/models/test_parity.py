"""Every network that torchvision or timm has too, given the same weights: keys, shapes, answers, gradients."""

import pytest
import timm
import torch
import torchvision
from torch import nn

import oracle
from samples import lightest
from striate.models.build import build
from striate.models.catalog import catalog, find
from striate.models.entry import Weights

pytestmark = pytest.mark.slow

# timm builds SE-ResNets for which nobody publishes weights; the encoders of U-Nets are compared in test_unet.py
BESIDE = {name: str(entry.weights) for name, entry in catalog().items() if entry.weights and not entry.weights.part}
BESIDE |= {f"seresnet{depth}": f"timm:seresnet{depth}" for depth in (18, 34, 50, 101, 152)}
VARIANTS = [
    *(pytest.param(name, {}, {}, marks=[] if name in lightest(BESIDE) else pytest.mark.whole) for name in BESIDE),
    ("densenet121", {"memory_efficient": True}, {}),
    ("googlenet_bn", {"transform_input": True}, {"transform_input": True}),
    ("inception_v3", {"transform_input": True}, {"transform_input": True}),
]


def other(name: str, **options: object) -> nn.Module:
    """The publisher's own network."""
    publisher, _, theirs = BESIDE[name].partition(":")
    if publisher == "timm":
        return timm.create_model(theirs, drop_rate=0.2 if name == "senet154" else 0.0, **options)  # Hu et al.: 0.2
    slow = {"init_weights": False} if theirs.startswith(("vgg", "googlenet", "inception")) else {}
    return getattr(torchvision.models, theirs)(**slow, **options)


def test_every_network_of_these_families_that_torchvision_has_is_compared():
    families = ("alexnet", "vgg", "googlenet", "inception", "resne", "wide_resnet", "densenet")
    theirs = [name for name in torchvision.models.list_models(torchvision.models) if name.startswith(families)]
    assert {f"torchvision:{name}" for name in theirs} == {each for each in BESIDE.values() if "torchvision" in each}


@pytest.mark.parametrize("name", [name for name, entry in catalog().items() if entry.family == "senet"])
def test_weights_of_se_nets_are_claimed_where_timm_has_them(name):
    assert find(name).weights == (Weights("timm", name) if timm.list_pretrained(f"{name}.*") else None)


@pytest.mark.parametrize("name", BESIDE)
def test_keys_and_shapes_are_the_publishers(name):
    ours, theirs = oracle.shapes(lambda: build(name)), oracle.shapes(lambda: other(name))
    if name == "inception_v3":  # here its auxiliary head stands last, behind the trunk
        ours, theirs = sorted(ours), sorted(theirs)
    assert ours == theirs


@pytest.mark.parametrize(("name", "options", "theirs"), VARIANTS, ids=str)
def test_answers_input_gradients_and_statistics_equal_the_publishers_in_either_mode(name, options, theirs):
    torch.manual_seed(0)
    net = oracle.unlike_fresh(other(name, **theirs))
    ours = oracle.holding(lambda: build(name, **options), net)
    side = 96 if name.startswith("googlenet") else max(find(name).least, 48)
    for training in (False, True):
        oracle.assert_same(ours, net, torch.randn(2, 3, side, side), training)
