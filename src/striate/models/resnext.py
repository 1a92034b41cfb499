"""ResNeXt: Xie et al. 2017, "Aggregated Residual Transformations for Deep Neural Networks"."""

from torch import nn

from striate.base.options import Rate, Whole
from striate.layers import chain, head
from striate.models.entry import Line
from striate.models.options import Stem, check_depth
from striate.models.residual import Style, imagenet_table, large_stem, small_stem, stages
from striate.models.resnet import Bottleneck, initialised

# fmt: off
# Table 1, right, for ImageNet: ResNeXt-50 (32x4d); section 5.1 deepens conv4 for 101 layers.
#     layers  conv2  conv3  conv4  conv5
TABLE_1 = {
      50:    (3,     4,     6,     3),
      101:   (3,     4,     23,    3),
}
TABLE_1_OUTPUTS = (256, 512, 1024, 2048)

# fmt: on
SECTION_5_3_OUTPUTS = (256, 512, 1024)  # section 5.3, for CIFAR: 29 layers, 3 stages of 3 blocks


def resnext(
    depth: int,
    classes: Whole = 1000,
    *,
    groups: Whole = 32,
    width: Whole = 4,
    channels: Whole = 3,
    style: Style = Style(),
    stem: Stem = "224",
    zero_init: bool = False,
    dropout: Rate = 0.0,
) -> nn.Sequential:
    """A network of Table 1: (n, channels, height, width) -> (n, classes) logits, for any height and width.

    `depth` is 50 or 101. `groups` is the cardinality C and `width` d the maps of each path in conv2, doubled with each
    stage: the default is 32x4d. Blocks are of form (c) of Fig. 3, with the stride on the grouped 3x3 convolution. The
    other options are explained in `residual.Style`. With options as given here, keys and shapes are torchvision's.
    Raises `UsageError` for another depth.
    """
    check_depth(depth, TABLE_1, "Table 1")
    layers = large_stem(channels, stem, style)
    layers |= _stages(TABLE_1_OUTPUTS, TABLE_1[depth], groups, width, style)
    layers |= head(TABLE_1_OUTPUTS[-1], classes, dropout)
    return initialised(chain(**layers), style, zero_init)


def small_resnext(
    depth: int = 29,
    classes: Whole = 10,
    *,
    groups: Whole = 8,
    width: Whole = 64,
    outputs: Whole = SECTION_5_3_OUTPUTS[0],
    channels: Whole = 3,
    style: Style = Style(),
    zero_init: bool = False,
    dropout: Rate = 0.0,
) -> nn.Sequential:
    """The network of section 5.3, for CIFAR: (n, channels, height, width) -> (n, classes) logits.

    `groups` and `width` are 8 and 64 (34.4 M parameters) or 16 and 64 (68.1 M) in the paper; `outputs` are the maps
    that leave the first stage, doubled with each. The other options are those of `resnext`. Raises `UsageError` for
    another depth.
    """
    check_depth(depth, (29,), "section 5.3")
    layers = small_stem(channels, 64, style)
    stages_give = tuple(outputs * each // SECTION_5_3_OUTPUTS[0] for each in SECTION_5_3_OUTPUTS)
    layers |= _stages(stages_give, (3, 3, 3), groups, width, style)
    layers |= head(stages_give[-1], classes, dropout)
    return initialised(chain(**layers), style, zero_init)


def _stages(
    outputs: tuple[int, ...], repeats: tuple[int, ...], groups: int, width: int, style: Style
) -> dict[str, nn.Module]:
    first = outputs[0]

    def block(inputs: int, outputs: int, stride: int) -> nn.Module:
        return Bottleneck(inputs, groups * width * outputs // first, outputs, stride, style, groups=groups)

    return stages(block, 64, outputs, repeats, style)


def table_1(depth: int, groups: int, width: int) -> list[Line]:
    """Table 1, right, with its depth, cardinality and width filled in; the paper prints 50 layers and 32x4d."""
    blocks = []
    for outputs, times in zip(TABLE_1_OUTPUTS, TABLE_1[depth], strict=True):
        middle = groups * width * outputs // 256
        blocks.append(f"[1x1, {middle}; 3x3, {middle}, C={groups}; 1x1, {outputs}] x {times}")
    return imagenet_table(["conv1", "conv2", "conv3", "conv4", "conv5"], blocks)
