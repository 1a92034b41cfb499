"""The list of networks, and the answers to names and options that are wrong."""

import dataclasses
import json
import subprocess
import sys
from decimal import Decimal

import pytest
import torch
from torch import nn

from samples import sampled
from striate.base.errors import UsageError
from striate.cost.count import count
from striate.models import facts
from striate.models.build import build
from striate.models.catalog import catalog, check_size, find, least_size, options_of

pytestmark = pytest.mark.slow

NAMES = list(catalog())
DEEP = {"resnet1202": "resnet110", "preact_resnet1001": "preact_resnet164"}  # each passes like its shallow twin

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


def test_the_catalogue_and_an_entry_show_themselves(monkeypatch):
    for columns, missing in (("200", set()), ("60", {"known for", "paper"})):
        monkeypatch.setenv("COLUMNS", columns)
        head, _, *lines = repr(catalog("resnet1*")).splitlines()
        assert [line.split()[0] for line in lines[:2]] == ["resnet18", "resnet101"]
        assert {name for name in ("known for", "paper") if name not in head} == missing
    assert repr(catalog()["resnet18"]) == "Entry('resnet18', He, Zhang, Ren and Sun 2015, classify, 3x224x224)"
    assert catalog("resnet18")._repr_html_().count("<tr>") == 2
    assert list(catalog("no such*")) == []
    with pytest.raises(TypeError):
        catalog()["mine"] = catalog()["resnet18"]
    counted = count(nn.Linear(4, 4), (4,))
    assert repr(counted) == counted.to_text() == str(counted)


@pytest.mark.parametrize(("depth", "printed"), PRINTED_MILLIONS.items())
def test_small_nets_round_to_the_paper_and_their_plain_twins_are_as_large(depth, printed):
    number = parameters(on_nothing(f"resnet{depth}"))
    assert f"{number / 1e6:.{len(printed) - 2}f}" == printed
    assert facts.parameters(printed, "M") in find(f"resnet{depth}").published
    assert parameters(on_nothing(f"plain{depth}")) == number


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_v1_5_costs_more_than_v1_and_has_the_same_parameters(name):
    now, published = on_nothing(name), on_nothing(f"{name}_v1")
    assert parameters(now) == parameters(published)
    # Three 1x1 convolutions, one in each stage that halves, run before the stride instead of after it.
    assert count(now, (3, 224, 224)).macs - count(published, (3, 224, 224)).macs == 231_211_008


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("plain")])
def test_plain_nets_have_neither_shortcuts_nor_projections(name):
    net = on_nothing(name)
    assert not [key for key in net.state_dict() if "downsample" in key]
    assert {type(block) for stage in net if isinstance(stage, nn.Sequential) for block in stage} == {nn.Sequential}


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in NAMES if find(name).family == "resnet" and name not in DEEP]
    + [("resnet18", {"stem": 32}), ("resnet50", {"stem": "32"})],
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
    with pytest.raises(UsageError, match="stem='32'"):
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
        ("resnet18", {"stride_on": "1x1"}, "stride_on", "one of classes, channels, shortcut, norm"),
        ("resnet34", {"groups": 32}, "groups", "resnet34 has no such option"),
        ("seresnet18", {"width": 4}, "width", "seresnet18 has no such option"),
        ("preact_resnet110", {"stride_on": "1x1"}, "stride_on", "preact_resnet110 has no such option"),
        ("resnet18", {"shortcut": "Z"}, "shortcut", "'Z' is not one of A, B, C, none"),
        ("resnet18", {"stem": 64}, "stem", "64 is not one of 224, 32"),
        ("resnet18", {"norm": "bach"}, "norm", "norm='batch'"),
        ("lenet5", {"activation": "rely"}, "activation", "activation='relu'"),
        ("lenet5", {"activation": nn.ReLU()}, "activation", "its class, ReLU"),
        ("lenet5", {"classes": 0}, "classes", "whole number of at least 1"),
        ("lenet5", {"classes": True}, "classes", "whole number of at least 1"),
        ("resnet18", {"classes": 2.5}, "classes", "whole number of at least 1"),
        ("resnet18", {"classes": 2.0}, "classes", "whole number of at least 1"),
        ("resnet18", {"classes": "1e1"}, "classes", "whole number of at least 1"),
        ("resnet18", {"norm": nn.BatchNorm2d(3)}, "norm", "its class, BatchNorm2d"),
        ("resnet20", {"channels": -3}, "channels", "whole number of at least 1"),
        ("resnet18", {"dropout": 1.5}, "dropout", "from 0 to below 1"),
        ("resnet18", {"dropout": 1}, "dropout", "from 0 to below 1"),
        ("lenet5", {"dropout": "much"}, "dropout", "from 0 to below 1"),
        ("lenet5", {"dropout": float("nan")}, "dropout", "from 0 to below 1"),
        ("resnet18", {"zero_init": "perhaps"}, "zero_init", "is not one of true, false"),
        ("plain18", {"zero_init": True}, "zero_init", "one of classes, channels, norm"),
    ],
)
def test_an_option_that_cannot_be_meant_is_named_with_what_can(name, options, key, sentence):
    with pytest.raises(UsageError, match=sentence) as caught, torch.device("meta"):
        build(name, **options)
    assert caught.value.where == key


# For each option a value that is nowhere its default, unless the second is needed.
OTHER = {
    "shortcut": ("none",), "stride_on": ("1x1",), "norm": ("group",),
    "activation": ("elu",), "stem": ("32",), "groups": (4,), "width": (8,), "se": (4,), "init": ("xavier",),
    "zero_init": (True,), "dropout": (0.3,), "lrn": (False, True), "aux": (False,), "transform_input": (True,),
    "memory_efficient": (True,), "outputs": (2,), "rubbish": (0.2,), "bottleneck": (True,), "compression": (0.5,),
    "dense": (False,), "pool": (2,), "first": ("zfnet",),
}  # fmt: skip


@pytest.mark.parametrize(("deep", "shallow"), DEEP.items())
def test_a_very_deep_network_has_the_options_and_the_least_side_of_its_shallow_twin(deep, shallow):
    assert options_of(find(deep)) == options_of(find(shallow))
    assert least_size(deep) == least_size(shallow)


@pytest.mark.parametrize("name", sampled(name for name in NAMES if name not in DEEP))
def test_every_option_that_a_network_lists_can_be_used(name):
    for key in set(options_of(find(name))) - {"classes", "channels"}:  # those are tried in test_every_network.py
        assert key in OTHER, f"{key} is not tried"
        for value in OTHER[key]:
            with torch.device("meta"):
                build(name, **{key: value})


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
    for sentence in (name, str(entry.paper), str(entry.weights or ""), entry.known_for, *entry.differences):
        assert sentence in text
    plain = json.loads(json.dumps(entry.as_dict()))
    assert plain["options"] == dict(entry.options)
    assert [each["least"] for each in plain["sizes"]] == [each.least for each in entry.sizes]
    for subject, told in plain["published"].items():
        assert f"\n    {subject}: {told}\n" in text
    for fact in entry.published:  # none is lost, not even a digit
        (told,) = (
            told for subject, told in plain["published"].items() if subject.partition(", top-")[0] == fact.subject
        )
        assert told.endswith(fact.unit)
        assert fact.number in told.removesuffix(fact.unit).strip().split(" / ")


def test_a_fact_tells_its_number_as_printed_and_what_it_depends_on():
    own = [
        *facts.top("20.70", "5.3", crops=1, side=320), *facts.top("21.8", crops=10, of="ResNet-50"),
        facts.error("CIFAR-10", "60", bound="above"), facts.parameters(25_557_032, source="torchvision"),
        *facts.top("", "15.3", subset="test", how="7 nets"),
    ]  # fmt: skip
    assert facts.prose(own) == {
        "error on ImageNet, 1 crop of 320, top-1 / top-5": "20.70 / 5.3 %",
        "error of ResNet-50 on ImageNet, 10 crops, top-1": "21.8 %",
        "error on CIFAR-10": "above 60 %",
        "parameters, torchvision": "25,557,032",
        "error on ImageNet test, 7 nets, top-5": "15.3 %",
    }
    assert own[0].value == Decimal("20.7")
    with pytest.raises(dataclasses.FrozenInstanceError):
        own[0].value = Decimal(1)
