"""What holds for every network of the catalogue, and the answers to names and options that are wrong."""

import dataclasses
import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from striate.errors import UsageError
from striate.models.catalog import build, catalog, check_size, find, least_size

NAMES = list(catalog())

# torchvision 0.29.2's metadata for the ImageNet nets, closed-form arithmetic for the others.
PARAMETERS = {
    "lenet5": 61_706,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "plain34": 21_623_848,
    "resnet20": 269_722,
    "resnet56": 853_018,
}
# Convolutions and linear layers, closed form; the ImageNet rows equal torchvision's metadata to its digits.
MULTIPLY_ADDS = {
    "lenet5": 416_520,
    "resnet18": 1_814_073_344,
    "resnet34": 3_663_761_408,
    "resnet50": 4_089_184_256,
    "resnet152": 11_513_626_624,
    "resnet50_v1": 3_857_973_248,
    "resnet101_v1": 7_570_194_432,
    "resnet152_v1": 11_282_415_616,
}
# The paper's section 4.2 prints parameters in millions to these digits.
PRINTED_MILLIONS = {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7"}


def on_nothing(name: str, **options: object) -> nn.Sequential:
    """The network on tensors without storage: shapes and counts at no cost."""
    with torch.device("meta"):
        net = build(name, **options)
    assert isinstance(net, nn.Sequential)
    return net


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def multiply_adds(net: nn.Module, shape: tuple[int, int, int]) -> int:
    total = 0

    def add(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(add)
    net(torch.empty(1, *shape, device="meta"))
    return total


@pytest.mark.parametrize("name", NAMES)
def test_published_input_gives_one_logit_per_published_class(name):
    entry = find(name)
    classes = 1000 if entry.input[1] == 224 else 10
    assert on_nothing(name)(torch.empty(2, *entry.input, device="meta")).shape == (2, classes)


@pytest.mark.parametrize("name", NAMES)
def test_classes_and_channels_change_the_ends_only(name):
    entry, published = find(name), on_nothing(name).state_dict()
    other = on_nothing(name, classes=7, channels=2)
    changed = [key for key, value in other.state_dict().items() if value.shape != published[key].shape]
    first, last = next(iter(published)), list(published)[-2:]
    assert changed == [first, *last]
    assert other(torch.empty(2, 2, *entry.input[1:], device="meta")).shape == (2, 7)


@pytest.mark.parametrize(("name", "number"), PARAMETERS.items())
def test_parameters_equal_the_golden(name, number):
    assert parameters(on_nothing(name)) == number


@pytest.mark.parametrize(("depth", "printed"), PRINTED_MILLIONS.items())
def test_small_nets_round_to_the_paper_and_their_plain_twins_are_as_large(depth, printed):
    number = parameters(on_nothing(f"resnet{depth}"))
    assert f"{number / 1e6:.{len(printed) - 2}f}" == printed
    assert find(f"resnet{depth}").published["parameters"] == f"{printed} M"
    assert parameters(on_nothing(f"plain{depth}")) == number


@pytest.mark.parametrize(("name", "number"), MULTIPLY_ADDS.items())
def test_multiply_adds_equal_the_golden(name, number):
    assert multiply_adds(on_nothing(name), find(name).input) == number


@pytest.mark.parametrize(("name", "millions"), [("resnet20", "40.55"), ("resnet56", "125.49")])
def test_multiply_adds_of_small_nets_round_to_the_golden(name, millions):
    assert f"{multiply_adds(on_nothing(name), find(name).input) / 1e6:.2f}" == millions


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_v1_5_costs_more_than_v1_and_has_the_same_parameters(name):
    now, published = on_nothing(name), on_nothing(f"{name}_v1")
    assert parameters(now) == parameters(published)
    # Three 1x1 convolutions, one in each stage that halves, run before the stride instead of after it.
    assert multiply_adds(now, (3, 224, 224)) - multiply_adds(published, (3, 224, 224)) == 231_211_008


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("plain")])
def test_plain_nets_have_neither_shortcuts_nor_projections(name):
    net = on_nothing(name)
    assert not [key for key in net.state_dict() if "downsample" in key]
    assert {type(block) for stage in net if isinstance(stage, nn.Sequential) for block in stage} == {nn.Sequential}


@pytest.mark.parametrize("name", NAMES)
def test_no_activation_is_reused_or_in_place(name):
    net, calls = on_nothing(name), []
    for module in net.modules():
        if isinstance(module, nn.ReLU | nn.Tanh):
            assert not getattr(module, "inplace", False)
            module.register_forward_hook(lambda layer, *_: calls.append(id(layer)))
    net(torch.empty(1, *find(name).input, device="meta"))
    assert calls
    assert len(calls) == len(set(calls))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_receives_a_finite_gradient(name):
    torch.manual_seed(0)
    entry = find(name)
    side = entry.least if entry.fixed else entry.least + 1  # the last stage has 2x2 cells
    net = build(name, classes=5)
    loss = nn.functional.cross_entropy(net(torch.randn(3, entry.input[0], side, side)), torch.tensor([0, 1, 2]))
    loss.backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "resnet50_v1", "plain18", "resnet20"])
def test_equal_seeds_build_equal_bits_and_unequal_seeds_do_not(name):
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(build(name).state_dict())
    first, again, other = states
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not any(torch.equal(first[key], other[key]) for key in first if key.endswith("v1.weight"))


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "resnet50", "plain18", "resnet20"])
def test_safetensors_round_trip_gives_equal_bits_and_answers(name, tmp_path):
    torch.manual_seed(0)
    entry = find(name)
    net, other = build(name).eval(), build(name).eval()
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"), strict=True)
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in net.state_dict().items())
    x = torch.randn(1, entry.input[0], entry.least, entry.least)
    assert torch.equal(net(x), other(x))


@pytest.mark.parametrize(
    ("name", "options"), [("lenet5", {}), ("resnet18", {"stem": "32"}), ("resnet20", {}), ("plain20", {})]
)
def test_exports_with_any_batch_size_and_equal_answers(name, options):
    torch.manual_seed(0)
    net = build(name, **options).eval()
    x = torch.randn(3, find(name).input[0], 32, 32)
    program = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("n", min=1, max=64)},))
    for batch in (x, x[:1]):
        torch.testing.assert_close(program.module()(batch), net(batch))


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in NAMES if not find(name).fixed] + [("resnet18", {"stem": 32}), ("resnet50", {"stem": "32"})],
)
def test_the_least_side_is_where_the_last_stage_has_one_whole_cell(name, options):
    least, entry = least_size(name, **options), find(name)
    net = on_nothing(name, **options)
    trunk = net.eval()[: [key for key, _ in net.named_children()].index("avgpool")]
    sides = [trunk(torch.empty(1, entry.input[0], side, side, device="meta")).shape[-1] for side in (least, 2 * least)]
    assert sides == [1, 2]
    check_size(entry, least, 2 * least, **options)
    with pytest.raises(UsageError, match=f"at least {least}x{least}"):
        check_size(name, least - 1, 2 * least, **options)


def test_small_stem_is_suggested_where_it_would_help():
    with pytest.raises(UsageError, match="stem=32"):
        check_size("resnet18", 28, 28)


@pytest.mark.parametrize("side", [28, 31, 33, 35, 64])
def test_lenet_takes_32_pixels_and_nothing_else(side):
    check_size("lenet5", 32, 32)
    with pytest.raises(UsageError, match="32x32 and takes no other size"):
        check_size("lenet5", side, side)


def test_importing_the_catalogue_and_asking_for_names_leaves_torch_alone():
    code = (
        "import sys; from striate.models.catalog import catalog, find, least_size\n"
        "names = list(catalog()); str(find('resnet50')); least_size('lenet5')\n"
        "assert not {'torch', 'numpy', 'torchvision'} & set(sys.modules), 'heavy import'\n"
        "print(len(names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, str(len(NAMES))), done.stderr


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("lenet", "lenet5"), ("ResNet-50", "resnet50"), ("resnet-18", "resnet18"), ("plain-34", "plain34")],
)
def test_an_unknown_name_is_answered_with_three_names_one_of_them_meant(typo, meant):
    with pytest.raises(UsageError) as caught:
        find(typo)
    offered = caught.value.hint.replace(" or ", ", ").split(", ")
    assert len(set(offered)) == 3
    assert set(offered) <= set(NAMES)
    assert meant in offered


@pytest.mark.parametrize("name", ["", "x" * 10_000, "日本", "resnet\u202e18"])
def test_a_senseless_name_is_a_usage_error(name):
    with pytest.raises(UsageError):
        build(name)


@pytest.mark.parametrize(
    ("name", "options", "key", "sentence"),
    [
        ("lenet5", {"width": 2}, "width", "one of classes, channels, activation, dropout"),
        ("resnet20", {"stem": "32"}, "stem", "one of classes, channels, shortcut, norm"),
        ("resnet18", {"depth": 50}, "depth", "resnet18 stands for depth=18"),
        ("plain18", {"shortcut": "B"}, "shortcut", "plain18 stands for shortcut=none"),
        ("resnet50_v1", {"stride_on": "3x3"}, "stride_on", "another name: .*resnet50"),
        ("resnet18", {"stride_on": "1x1"}, "stride_on", "no 1x1 convolution"),
        ("resnet18", {"shortcut": "Z"}, "shortcut", "'Z' is not one of A, B, C, none"),
        ("resnet18", {"stem": 64}, "stem", "64 is not one of 224, 32"),
        ("resnet18", {"norm": "bach"}, "norm", "norm=batch"),
        ("lenet5", {"activation": "rely"}, "activation", "activation=relu"),
        ("lenet5", {"activation": nn.ReLU()}, "activation", "its class, ReLU"),
        ("lenet5", {"classes": 0}, "classes", "whole number of at least 1"),
        ("lenet5", {"classes": True}, "classes", "whole number of at least 1"),
        ("resnet18", {"classes": 2.5}, "classes", "whole number of at least 1"),
        ("resnet20", {"channels": -3}, "channels", "whole number of at least 1"),
        ("resnet18", {"dropout": 1.5}, "dropout", "from 0 to below 1"),
        ("resnet18", {"dropout": 1}, "dropout", "from 0 to below 1"),
        ("lenet5", {"dropout": "much"}, "dropout", "from 0 to below 1"),
        ("lenet5", {"dropout": float("nan")}, "dropout", "from 0 to below 1"),
        ("resnet18", {"zero_init": "perhaps"}, "zero_init", "is not one of true, false"),
        ("resnet18", {"zero_init": True, "norm": "none"}, "zero_init", "zero_init=false"),
        ("plain18", {"zero_init": True}, "zero_init", "zero_init=false"),
    ],
)
def test_an_option_that_cannot_be_meant_is_named_with_what_can(name, options, key, sentence):
    with pytest.raises(UsageError, match=sentence) as caught, torch.device("meta"):
        build(name, **options)
    assert caught.value.where == key


def test_words_of_a_command_line_build_what_the_values_build():
    words = {
        "norm": "none",
        "activation": "tanh",
        "stem": 32,
        "dropout": "0.5",
        "classes": "4",
        "channels": "1",
    }
    values = {"norm": None, "activation": nn.Tanh, "stem": "32", "dropout": 0.5, "classes": 4, "channels": 1}
    assert str(on_nothing("resnet18", **words)) == str(on_nothing("resnet18", **values))
    assert str(on_nothing("resnet18", norm="batch", zero_init="false")) == str(on_nothing("resnet18"))


def test_the_catalogue_cannot_be_changed():
    entry = find("resnet18")
    with pytest.raises(TypeError):
        catalog()["mine"] = entry
    with pytest.raises(TypeError):
        entry.options["depth"] = 50
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.name = "mine"
    assert len({entry, find("resnet34"), find("resnet18")}) == 2


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_prints_what_it_knows_and_becomes_json(name):
    entry = find(name)
    text = str(entry)
    for sentence in (name, entry.paper, entry.known_for, *entry.published.values(), *entry.differences):
        assert sentence in text
    assert json.loads(json.dumps(entry.as_dict()))["options"] == dict(entry.options)
