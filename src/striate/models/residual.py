"""What the residual families share: the options of their blocks, the stem and the stages.

He et al. 2015, "Deep Residual Learning for Image Recognition". Each family's own file holds its table and its blocks,
or takes those of resnet.py, and says how wide each block is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from striate.base.options import Whole
from striate.layers import chain, conv, normalise
from striate.models.entry import Line
from striate.models.options import Activation, Init, Norm, Stem

EXPANSION = {"basic": 1, "bottleneck": 4}  # channels that leave a block, per filter that the tables print

Shortcut = Literal["A", "B", "C", "none"]
StrideOn = Literal["1x1", "3x3"]


@dataclass(frozen=True)
class Style:
    """The options of every residual family; each is an option of its builders.

    - `shortcut`: where a block changes shape, "A" pads the identity with zero channels and "B" projects it;
      "C" projects in every block; "none" leaves the additions out, which makes the plain twin.
    - `norm`: None leaves it out and gives each convolution its bias back.
    - `se`: the reduction ratio of squeeze-excitation before each addition, 16 in Hu et al. 2018; None leaves it out.
    - `init`: "paper" and "he" as `layers.he_initialise`, or "xavier".

    And of the builders:

    - `stem`: "224" is a 7x7 convolution and a pool, both of stride 2; "32", for small pictures, is one 3x3 convolution
      with an identity in the pool's place.
    - `stride_on`: the convolution of a bottleneck that halves the map, "1x1" as published (v1) or "3x3" as practised
      since fb.resnet.torch and torchvision (v1.5).
    - `zero_init`: the last norm of each block starts at 0, its last convolution where there are no norms.
    - `dropout`: the rate before the last layer, none as published.
    """

    shortcut: Shortcut = "B"
    norm: Norm = nn.BatchNorm2d
    activation: Activation = nn.ReLU
    se: Whole | None = None
    init: Init = "paper"


def large_stem(channels: int, stem: Stem, style: Style) -> dict[str, nn.Module]:
    """What comes before the stages for ImageNet, to 64 maps: He et al. 2015, Table 1; or `small_stem` and no pool."""
    if stem == "32":
        return small_stem(channels, 64, style) | {"maxpool": nn.Identity()}
    return {
        "conv1": conv(channels, 64, 7, stride=2, norm=style.norm),
        "bn1": normalise(style.norm, 64),
        "relu": style.activation(),
        "maxpool": nn.MaxPool2d(3, stride=2, padding=1),
    }


def small_stem(channels: int, maps: int, style: Style) -> dict[str, nn.Module]:
    """What comes before the stages for CIFAR, one 3x3 convolution: He et al. 2015, section 4.2."""
    return {
        "conv1": conv(channels, maps, 3, norm=style.norm),
        "bn1": normalise(style.norm, maps),
        "relu": style.activation(),
    }


def stages(
    block: Callable[[int, int, int], nn.Module], inputs: int, filters: Sequence[int], repeats: Sequence[int],
    style: Style, expansion: int = 1, first: Callable[[int, int, int], nn.Module] | None = None,
) -> dict[str, nn.Module]:  # fmt: skip
    """layer1, layer2 ...: every stage but the first halves the map in its first block.

    `block` takes (inputs, filters, stride) and gives filters * expansion maps; `first`, where given, builds the first
    block of all. A plain net has each block's layers in a row, without the shortcut.
    """
    built: dict[str, nn.Module] = {}
    for number, (width, times) in enumerate(zip(filters, repeats, strict=True), start=1):
        opening = first or block if number == 1 else block
        blocks = [opening(inputs, width, 1 if number == 1 else 2)]
        inputs = width * expansion
        blocks += [block(inputs, width, 1) for _ in range(times - 1)]
        built[f"layer{number}"] = nn.Sequential(*(map(plain, blocks) if style.shortcut == "none" else blocks))
    return built


def plain(block: nn.Module) -> nn.Sequential:
    """The same layers in a row, without a shortcut: the comparison of the paper in one line."""
    return chain(**{name: layer for name, layer in block.named_children() if name != "downsample"})


def imagenet_table(names: Sequence[str], blocks: Sequence[str]) -> list[Line]:
    """What the papers' tables of networks for ImageNet have in common.

    `names` are what the paper calls the first convolution and the four stages, `blocks` the stages' words.
    """
    return [
        Line(names[0], "7x7, 64, stride 2", ("conv1", "bn1", "relu"), "112x112"),
        Line(names[1], f"3x3 max pool, stride 2; {blocks[0]}", ("maxpool", "layer1"), "56x56"),
        Line(names[2], blocks[1], ("layer2",), "28x28"),
        Line(names[3], blocks[2], ("layer3",), "14x14"),
        Line(names[4], blocks[3], ("layer4",), "7x7"),
        Line("fc", "global average pool, 1000-d fc, softmax", ("avgpool", "flatten", "fc"), "1x1"),
    ]
