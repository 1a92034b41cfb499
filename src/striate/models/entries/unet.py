"""The catalogue's entries of models/unet.py."""

from decimal import Decimal

from striate.models.entry import Entry, Paper, Weights
from striate.models.facts import Fact

RONNEBERGER = Paper(
    "Ronneberger, Fischer and Brox", 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation"
)
_ISBI, _TRACKING = "ISBI EM segmentation", "ISBI cell tracking"
_CHILDREN = "Figure 1 names no layers: encoder.down1 ... encoder.bottom, decoder.up4 ... decoder.up1 and last are ours."

UNET = Entry(
    name="unet", builder="striate.models.unet:unet", options={}, paper=RONNEBERGER.at("Fig. 1"), input=(1, 572, 572),
    published=(
        Fact("convolutions", Decimal(23), how="up-convolutions among them"),
        Fact("sides of the output", Decimal(388), "pixels", how="input of 572"),
        Fact("warping error", Decimal("0.000353"), on=_ISBI),
        Fact("Rand error", Decimal("0.0382"), on=_ISBI),
        Fact("pixel error", Decimal("0.0611"), on=_ISBI),
        Fact("IoU", Decimal("0.9203"), on=_TRACKING, subset="PhC-U373"),
        Fact("IoU", Decimal("0.7756"), on=_TRACKING, subset="DIC-HeLa"),
    ),
    known_for="Segments cells from a few dozen pictures: down for context, up for place, and joined at every level.",
    differences=(
        "Convolutions are not padded: the outer 92 pixels are context only, and the caller mirrors pictures there.",
        "31,030,658 parameters and 150.4 G multiply-adds by our arithmetic: the paper prints neither.",
        "The paper does not print the rate of its dropout: 0.5, on the last two levels down, is the released "
        "network's.",
        "Maps from the way down stand first in a concatenation, as Figure 1 draws them; the released network has them "
        "last.",
        "The paper trains one picture at a time with momentum 0.99, and weighs pixels (w0 = 10, sigma = 5 pixels) so "
        "that the gaps between touching cells count: --batch 1 --momentum 0.99 --task-options.border 10.",
        _CHILDREN,
    ),
    least=188,  # 4 pixels of answer
    step=16, task="segment", table="striate.models.unet:figure_1",
)  # fmt: skip

UNET_PADDED = Entry(
    name="unet_padded", builder="striate.models.unet:unet_padded", options={},
    paper=RONNEBERGER.at("Fig. 1, as practised"), input=(3, 512, 512), published=(),
    known_for="The U-Net of most programs: the answer has the size of the picture.",
    differences=(
        "Every 3x3 convolution is padded with zeros, where the paper loses a ring of pixels to each.",
        "Batch normalisation instead of biases, and no dropout; the paper has neither norm nor padding.",
        "It takes 3 channels; the paper's pictures have 1.",
        _CHILDREN,
    ),
    least=16, step=16, task="segment", table="striate.models.unet:figure_1_padded",
)  # fmt: skip


def _on_resnet(depth: int, known_for: str) -> Entry:
    """A U-Net whose contracting path is a ResNet."""
    return Entry(
        name=f"unet_resnet{depth}", builder="striate.models.unet:unet_resnet", options={"depth": depth},
        paper=RONNEBERGER.at("its contracting path replaced by a ResNet (He et al. 2015)"), input=(3, 224, 224),
        published=(), known_for=known_for,
        differences=(
            f"No paper prints it. encoder is resnet{depth} up to layer4, whose published weights fit it.",
            "The way up has 256, 128, 64, 32 and 16 maps, padded, with batch normalisation.",
            "The ResNet halves the picture before its first kept map, so the last step up has none to concatenate.",
        ),
        least=32, step=32, weights=Weights("torchvision", f"resnet{depth}", part="encoder"), task="segment",
    )  # fmt: skip


ENTRIES: tuple[Entry, ...] = (
    UNET,
    UNET_PADDED,
    _on_resnet(18, "Segmentation from published ImageNet weights at the least cost."),
    _on_resnet(34, "The usual first try when pictures with masks are few: published weights go down, a U goes up."),
    _on_resnet(50, "Segmentation on the reference network of computer vision."),
)
