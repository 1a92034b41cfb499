"""Whole networks against what torchvision prints beside its weights, and against arithmetic on the papers' tables."""

import pytest
import torch
import torchvision
from torch.overrides import TorchFunctionMode

from striate.cost.count import count

pytestmark = pytest.mark.slow

NAMES = torchvision.models.list_models(torchvision.models)


class Storageless(TorchFunctionMode):
    """Makes layers on meta, and leaves alone the arithmetic by which RegNet finds its widths."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in (torch.empty, torch.ones, torch.zeros):
            kwargs = {**kwargs, "device": "meta"}
        return func(*args, **kwargs)


def build(name, size=224):
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if name == "googlenet":  # num_params is printed without the auxiliary heads, for Inception-v3 with them
        options["aux_logits"] = False
    if name.startswith("vit"):  # has an embedding for each place
        options["image_size"] = size
    with Storageless():
        return torchvision.models.get_model(name, **options)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.whole] * (at % 3 > 0)) for at, name in enumerate(NAMES)]
)
def test_multiply_adds_and_parameters_are_those_that_torchvision_prints(name):
    by_size = {}
    for weights in torchvision.models.get_model_weights(name):
        size = weights.transforms.keywords["crop_size"]
        by_size.setdefault(size, []).append(weights.meta)
    for size, metas in by_size.items():
        found = count(build(name, size), (3, size, size))
        for meta in metas:
            assert round(found.macs / 1e9, 3) == meta["_ops"]
            assert found.params == meta["num_params"] == sum(row.params for row in found.rows)


# torchvision's metadata of COCO_WITH_VOC_LABELS_V1; its `_ops` are of 520 pixels through the auxiliary head too.
SEGMENTERS = {"fcn_resnet50": 35_322_218, "deeplabv3_resnet50": 42_004_074}


@pytest.mark.parametrize("name", SEGMENTERS)
def test_segmenters_have_the_parameters_that_torchvision_prints(name):
    with Storageless():
        net = torchvision.models.get_model(name, weights=None, weights_backbone=None, aux_loss=True)
    assert count(net, (3, 64, 64)).params == SEGMENTERS[name]


# Closed-form arithmetic on the papers' tables, by another program than striate's.
EXACT = {
    "alexnet": 714_188_480,
    "vgg11": 7_609_090_048,
    "vgg16": 15_470_264_320,
    "googlenet": 1_498_376_192,
    "resnet18": 1_814_073_344,
    "resnet34": 3_663_761_408,
    "resnet50": 4_089_184_256,
    "resnet152": 11_513_626_624,
    "resnext50_32x4d": 4_230_479_872,
    "resnext101_32x8d": 16_414_015_488,
    "wide_resnet50_2": 11_398_021_120,
    "densenet121": 2_834_161_664,
    "densenet169": 3_359_843_328,
}


@pytest.mark.parametrize("name", EXACT)
def test_multiply_adds_are_those_of_the_tables(name):
    assert count(build(name), (3, 224, 224)).macs == EXACT[name]


@pytest.mark.parametrize(
    ("of_picture", "step"),
    [
        # 3 times 4,230,479,872, less the first convolution's 118,013,952 when the picture has no gradient
        (False, 12_573_425_664),
        (True, 12_691_439_616),
    ],
)
def test_the_backward_of_grouped_convolution_costs_what_the_arithmetic_says(of_picture, step):
    found = count(build("resnext50_32x4d"), (3, 224, 224), training=True, input_gradient=of_picture)
    assert found.macs == step == 3 * 4_230_479_872 - (0 if of_picture else 112 * 112 * 64 * 7 * 7 * 3)


# fvcore 0.1.5.post20221221 with torch 2.15: FlopCountAnalysis(net, zeros(1, 3, 224, 224)).by_operator()
FVCORE = {
    "alexnet": {"conv": 655_566_528, "linear": 58_621_952},
    "vgg16": {"conv": 15_346_630_656, "linear": 123_633_664},
    "googlenet": {"conv": 1_497_352_192, "linear": 1_024_000},
    "resnet50": {"conv": 4_087_136_256, "linear": 2_048_000},
    "resnext50_32x4d": {"conv": 4_228_431_872, "linear": 2_048_000},
    "densenet121": {"conv": 2_833_137_664, "linear": 1_024_000},
    "mobilenet_v3_small": {"conv": 54_896_576, "linear": 1_613_824},
    "efficientnet_b0": {"conv": 384_534_752, "linear": 1_280_000},
    "shufflenet_v2_x1_0": {"conv": 143_883_992, "linear": 1_024_000},
    "squeezenet1_0": {"conv": 818_924_576, "linear": 0},
}


@pytest.mark.parametrize("name", FVCORE)
def test_convolutions_and_linear_layers_are_fvcores(name):
    rows = count(build(name), (3, 224, 224)).rows
    kinds = {"conv": "Conv2d", "linear": "Linear"}
    for kind, expected in FVCORE[name].items():
        assert sum(row.macs for row in rows if row.kind == kinds[kind]) == expected


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vit_b_16", "swin_t", "convnext_tiny", "maxvit_t"])
def test_a_training_step_leaves_no_operator_without_a_rule(name):
    found = count(build(name), (3, 224, 224), batch=2, training=True, optimizer="adamw")
    assert not found.unknown
    # forward once, backward twice; fused attention has two products forward and five backward, one of them again
    forward = found.phases["forward"].macs
    fused = sum(each.work.macs for each in found.operators() if each.phase == "forward" and "attention" in each.name)
    assert 2 * forward < found.macs <= 3 * forward + fused // 2
    assert (fused > 0) == (name == "vit_b_16")
    assert found.params == sum(row.params for row in found.rows)
