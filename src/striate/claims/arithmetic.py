"""What lectures say of the networks' numbers, beside the exact ones: nothing is trained."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, final

import torch
from torch import nn

from striate.cost.count import count
from striate.cost.rows import Count, Row
from striate.layers import conv
from striate.models.build import build
from striate.models.catalog import find

Word = Literal["exact", "about", "loose"]
# How far a number may lie from the printed one and still be what it is about.
ABOUT = 0.05


@final
@dataclass(frozen=True)
class Fact:
    """A lecture's sentence and our number: "exact" as printed, "about" within 5 %, or "loose", and then `why`."""

    sentence: str
    source: str
    ours: str
    word: Word
    why: str = ""


def facts() -> tuple[Fact, ...]:
    """Every sentence, in the order of the lectures."""
    return (
        *_parameters(), *_vgg(), _three_by_three(), _inception(), _bottleneck(), _same_time(), _identity_blocks(),
        _zero_block(), _depths(), *_lenet(), *_compared(),
    )  # fmt: skip


def of_numbers(ours: float, printed: float, half: float = 0.0) -> Word:
    """`half` is half a unit of the last digit that is printed."""
    if abs(ours - printed) <= half:
        return "exact"
    return "about" if abs(ours / printed - 1) <= ABOUT else "loose"


def _together(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


@cache
def _of(name: str) -> Count:
    """Without auxiliary heads, which answer only while a network is trained."""
    entry = find(name)
    return count(_built(name, **({"aux": False} if name == "googlenet" else {})), entry.input)


def _built(name: str, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return build(name, **options)


def _parameters() -> Iterator[Fact]:
    lenet, printed_lenet = _of("lenet5").params, _of("lenet5_1998").params
    yield Fact(
        "LeNet-5 has 60 thousand parameters.", "LeCun et al. 1998; course slides", f"{printed_lenet:,} as printed",
        of_numbers(printed_lenet, 60_000), f"The one that is practised has {lenet:,}: its C3 sees every map of S2.",
    )  # fmt: skip
    alexnet, whole = _of("alexnet").params, _parameters_of("alexnet", groups=1)
    yield Fact(
        "AlexNet has about 60 million parameters.", "study notes", f"{alexnet:,}", of_numbers(alexnet, 60e6, 0.5e6),
        f"Without its two halves it would have {whole:,}.",
    )  # fmt: skip
    vgg = _of("vgg16").params
    yield Fact("VGG-16 has 138 million parameters.", "course slides", f"{vgg:,}", of_numbers(vgg, 138e6, 0.5e6))
    googlenet, trained = _of("googlenet").params, _parameters_of("googlenet")
    yield Fact(
        "GoogLeNet has 3 % of VGG's parameters.", "study notes", f"{100 * googlenet / vgg:.1f} % ({googlenet:,})",
        of_numbers(googlenet / vgg, 0.03, 0.005),
        "5 % is nearer: 3 % would be a network of four million. With its auxiliary heads, which only training needs, "
        f"it is {100 * trained / vgg:.0f} %.",
    )  # fmt: skip


def _parameters_of(name: str, **options: Any) -> int:
    return sum(each.numel() for each in _built(name, **options).parameters())


def _vgg() -> Iterator[Fact]:
    rows = _of("vgg16").rows
    maps = [(each, _cells(each)) for each in rows if each.module.startswith("features") and each.kind == "Conv2d"]
    held = sum(cells for _, cells in maps)
    early = sum(cells for _, cells in maps[:4])
    yield Fact(
        "VGG uses most of its memory early.", "study notes",
        f"the first 4 of 13 convolutions answer with {100 * early / held:.0f} % of all numbers that convolutions hold",
        "exact" if early > held / 2 else "loose",
    )  # fmt: skip
    params = sum(each.params for each in rows)
    late = sum(each.params for each in rows if each.module.startswith("classifier"))
    first = next(each.params for each in rows if each.module == "classifier.0")
    yield Fact(
        "Most of VGG's parameters sit in the fully connected layers.", "study notes",
        f"{100 * late / params:.0f} %, and {100 * first / params:.0f} % in the first of them alone",
        "exact" if late > params / 2 else "loose",
    )  # fmt: skip


def _shape(row: Row) -> tuple[int, ...]:
    """Of what the module answers, without the batch."""
    return () if row.output is None else row.output[1:]


def _cells(row: Row) -> int:
    return math.prod(_shape(row))


def _three_by_three() -> Fact:
    channels = 64
    stacked = nn.Sequential(*(nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(3)))
    large = nn.Sequential(nn.Conv2d(channels, channels, 7, padding=3, bias=False))
    ours, theirs = (count(each, (channels, 32, 32)).rows[-1].field for each in (stacked, large))
    weights = [sum(one.numel() for one in each.parameters()) for each in (stacked, large)]
    seen = ours is not None and theirs is not None and ours.size == theirs.size == (7, 7)
    return Fact(
        "Three 3x3 convolutions see what one 7x7 sees, with 27/49 of the weights.", "Simonyan and Zisserman 2015",
        f"both see 7x7; {weights[0]:,} against {weights[1]:,} weights with {channels} channels",
        "exact" if seen and weights[0] * 49 == weights[1] * 27 else "loose",
        "At equal channels; and with two more activations between.",
    )  # fmt: skip


def _inception() -> Fact:
    direct = count(nn.Conv2d(192, 32, 5, padding=2), (192, 28, 28)).macs
    reduced = count(nn.Sequential(nn.Conv2d(192, 16, 1), nn.Conv2d(16, 32, 5, padding=2)), (192, 28, 28)).macs
    return Fact(
        "A 1x1 convolution to 16 channels brings the Inception module's 5x5 branch from 120 M multiplications to "
        "12.4 M, a tenth.", "course slides", f"{direct:,} and {reduced:,}: {reduced / direct:.3f}",
        "exact" if (round(direct / 1e6), round(reduced / 1e6, 1)) == (120, 12.4) else "loose",
    )  # fmt: skip


def _bottleneck() -> Fact:
    side, c = 8, 16
    pair, bottleneck, narrow = (
        count(nn.Sequential(*layers), (wide, side, side)).macs // (side * side * c * c)
        for wide, layers in (
            (4 * c, [conv(4 * c, 4 * c, 3), conv(4 * c, 4 * c, 3)]),
            (4 * c, [conv(4 * c, c, 1), conv(c, c, 3), conv(c, 4 * c, 1)]),
            (c, [conv(c, c, 3), conv(c, c, 3)]),
        )
    )
    return Fact(
        "Two 3x3 convolutions cost 288 HWC², a bottleneck 17 HWC².", "graduate course",
        f"{pair} HWC² and {bottleneck} HWC²", "exact" if (pair, bottleneck) == (288, 17) else "loose",
        f"Both take and give 4C channels. A pair that works on C of them costs {narrow} HWC²: a bottleneck buys four "
        "times the width for the price of a basic block, rather than making that block 17 times cheaper.",
    )  # fmt: skip


def _same_time() -> Fact:
    before, after = (count(conv(c, c, 3), (c, side, side)).macs for c, side in ((64, 56), (128, 28)))
    return Fact(
        "Halving the map and doubling the channels keeps the time of a layer.", "He et al. 2015, section 3.3",
        f"{before:,} multiply-adds before and {after:,} after", "exact" if before == after else "loose",
        "The work is equal; the weights are four times as many and the maps half as large, so that seconds may differ.",
    )  # fmt: skip


def _identity_blocks() -> Fact:
    net = _built("resnet101")
    stages = [net.get_submodule(f"layer{number}") for number in range(1, 5)]
    found = [sum(_is_identity(block) for block in stage.children()) for stage in stages]
    return Fact(
        "ResNet-101 has one convolution block in each stage, and 2, 3, 22 and 2 identity blocks.", "paper review",
        _together([str(each) for each in found]), "exact" if found == [2, 3, 22, 2] else "loose",
    )  # fmt: skip


def _is_identity(block: nn.Module) -> bool:
    """Whether its shortcut has no weights."""
    return not any("downsample" in name for name, _ in block.named_parameters())


def _zero_block() -> Fact:
    """Of each block the answer to what a ReLU before it may have given."""
    net = build("resnet56").eval()
    blocks = [block for stage in ("layer1", "layer2", "layer3") for block in net.get_submodule(stage).children()]
    same = 0
    for block in filter(_keeps_shape, blocks):
        for each in block.parameters():
            nn.init.zeros_(each)
        maps = next(each.in_channels for each in block.modules() if isinstance(each, nn.Conv2d))
        x = torch.linspace(-1, 1, maps * 16).view(1, maps, 4, 4).relu()
        same += torch.equal(block(x), x)
    of = sum(map(_keeps_shape, blocks))
    return Fact(
        "With zero weights a residual block is the identity.", "course slides",
        f"{same} of {of} blocks of resnet56 give back exactly what they are given",
        "exact" if same == of else "loose",
        f"The other {len(blocks) - of} change its shape. A block of 2015 ends in a ReLU, which leaves alone what "
        "another ReLU gave; in a plain network the same weights make zeros.",
    )  # fmt: skip


def _keeps_shape(block: nn.Module) -> bool:
    return all(each.stride == (1, 1) for each in block.modules() if isinstance(each, nn.Conv2d))


def _depths() -> Fact:
    printed = {"alexnet": 8, "vgg19": 19, "googlenet": 22, "resnet152": 152}
    found = {name: _depth(name) for name in printed}
    told = [f"{name} {depth}" for name, depth in found.items()]
    return Fact(
        "AlexNet has 8 layers, VGG 19, GoogLeNet 22 and ResNet 152.", "graduate course", _together(told),
        "exact" if found == printed else "loose",
        "Layers with weights on the longest way; a projection beside a block and a branch beside another add none.",
    )  # fmt: skip


def _depth(name: str) -> int:
    """Layers with weights from the picture to the answer, the deepest branch of an Inception module counted."""
    weighted = [row.module for row in _of(name).rows if row.kind in ("Conv2d", "Linear")]
    modules = {each.partition(".")[0] for each in weighted if each.startswith("inception")}
    return sum(not each.startswith("inception") and "downsample" not in each for each in weighted) + 2 * len(modules)


def _lenet() -> Iterator[Fact]:
    rows = [each for each in _of("lenet5").rows if each.params or "Pool" in each.kind]
    shapes = [_shape(each) for each in rows]
    printed = [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120,), (84,), (10,)]
    yield Fact(
        "LeNet-5 makes 28x28x6, 14x14x6, 10x10x16, 5x5x16 = 400, then 120, 84 and 10.", "course slides",
        _together(["x".join(map(str, (*shape[1:], shape[0]))) for shape in shapes]),
        "exact" if shapes == printed else "loose",
    )  # fmt: skip
    last = next(each for each in _of("alexnet").rows if each.module == "pool5")
    yield Fact(
        "AlexNet's last map is 6x6x256, 9,216 numbers.", "course slides",
        f"{'x'.join(map(str, (*_shape(last)[1:], *_shape(last)[:1])))}, {_cells(last):,}",
        "exact" if _shape(last) == (256, 6, 6) else "loose",
    )  # fmt: skip


def _compared() -> Iterator[Fact]:
    names = ("alexnet", "vgg16", "googlenet", "resnet50", "resnet152")
    found = {name: _of(name) for name in names}
    work = {name: each.macs for name, each in found.items()}
    params = {name: each.params for name, each in found.items()}
    told = [f"{name} {params[name] / 1e6:.1f} M and {work[name] / 1e9:.2f} G" for name in names]
    yield Fact(
        "AlexNet: little computation, much memory.", "graduate course",
        "parameters and multiply-adds: " + _together(told),
        "exact" if work["alexnet"] == min(work.values()) and params["alexnet"] > params["resnet50"] else "loose",
        f"Much memory is that of its parameters, {found['alexnet'].params * 4 / 2**20:.0f} MiB; the maps of a picture "
        "take least of all here.",
    )  # fmt: skip
    yield Fact(
        "VGG has most parameters and most operations.", "graduate course", "the same numbers",
        "exact" if max(work, key=work.__getitem__) == max(params, key=params.__getitem__) == "vgg16" else "loose",
    )  # fmt: skip
    fewest = min(params, key=params.__getitem__)
    times = work["googlenet"] / work["alexnet"]
    yield Fact(
        "GoogLeNet is the most efficient.", "graduate course",
        f"{params['googlenet']:,} parameters, the fewest of the five; {times:.1f} times AlexNet's multiply-adds",
        "exact" if fewest == "googlenet" and times < 1 else "loose",
        "It depends on what is counted: it has the fewest parameters, and a tenth of VGG's work for a lower error; "
        "AlexNet needs less work, and ResNets buy more accuracy for more of both.",
    )  # fmt: skip
