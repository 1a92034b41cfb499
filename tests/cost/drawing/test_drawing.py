"""The architecture drawing: what is drawn, that it is to scale, that no label covers another, and the text."""

import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from striate.base.errors import UsageError
from striate.cost.drawing.drawing import Drawing, drawing
from striate.cost.drawing.flow import Layer, layers
from striate.cost.drawing.slabs import BOLD, GLYPH, HIGHEST, LONGEST, SIZE

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = (3, 224, 224)


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build()


class UNet(nn.Module):
    """Two floors, pools and concatenations written in `forward`."""

    def __init__(self) -> None:
        super().__init__()
        self.top, self.middle = self.two(3, 8), self.two(8, 16)
        self.bottom = self.two(16, 32)
        self.up1, self.up2 = nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)
        self.right1, self.right2 = self.two(32, 16), self.two(16, 8)
        self.last = nn.Conv2d(8, 2, 1)

    def two(self, inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        top = self.top(x)
        middle = self.middle(functional.max_pool2d(top, 2))
        y = self.up1(self.bottom(functional.max_pool2d(middle, 2)))
        y = self.up2(self.right1(torch.cat([middle, y], 1)))
        return self.last(self.right2(torch.cat([top, y], 1)))


def deep() -> nn.Module:
    stages = [
        nn.Sequential(*[nn.Conv2d(3 if n == at == 0 else n + at, n + at + 1, 3) for n in range(20)])
        for at in (3, 23, 43)
    ]
    return nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()), *stages)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "alexnet": (models.alexnet, PICTURE),
    "vgg16": (models.vgg16, PICTURE),
    "resnet50": (models.resnet50, PICTURE),
    "googlenet": (lambda: models.googlenet(init_weights=False), PICTURE),
    "densenet121": (models.densenet121, PICTURE),
    "mobilenet": (models.mobilenet_v2, PICTURE),
    "u-net": (UNet, (3, 64, 48)),
    "one layer": (lambda: nn.Sequential(nn.Linear(4, 2)), (4,)),
    "sequence": (lambda: nn.Sequential(nn.Conv1d(2, 4, 3), nn.MaxPool1d(2)), (2, 32)),
    "volume": (lambda: nn.Sequential(nn.Conv3d(2, 4, 3), nn.MaxPool3d(2)), (2, 8, 32, 32)),
}


@pytest.fixture(params=NETWORKS, scope="module")
def drawn(request: pytest.FixtureRequest) -> Drawing:
    build, size = NETWORKS[request.param]
    return drawing(on_meta(build), size, title=request.param)


# --- what is drawn ----------------------------------------------------------------------------------------------------


def test_alexnet_has_the_eleven_layers_of_its_figure() -> None:
    """Shapes of Krizhevsky 2014, "One weird trick", as torchvision builds it; activations and dropout are not drawn."""
    found = layers(on_meta(models.alexnet), PICTURE)
    assert [(each.label, each.shape) for each in found] == [
        ("input", (224, 224, 3)),
        ("conv 11x11 /4", (55, 55, 64)),
        ("max pool 3x3 /2", (27, 27, 64)),
        ("conv 5x5", (27, 27, 192)),
        ("max pool 3x3 /2", (13, 13, 192)),
        ("conv 3x3", (13, 13, 384)),
        ("conv 3x3", (13, 13, 256)),
        ("conv 3x3", (13, 13, 256)),
        ("max pool 3x3 /2", (6, 6, 256)),
        ("linear", (4096,)),
        ("linear", (4096,)),
        ("linear", (1000,)),
    ]


def test_residual_blocks_are_units_and_equal_ones_are_counted() -> None:
    found = layers(on_meta(models.resnet50), PICTURE)
    blocks = [(each.repeats, each.shape) for each in found if each.kind == "block"]
    assert blocks == [(3, (56, 56, 256)), (4, (28, 28, 512)), (6, (14, 14, 1024)), (3, (7, 7, 2048))]
    assert {each.label for each in found if each.kind == "block"} == {"Bottleneck"}
    assert [each.label for each in found if each.kind != "block"] == [
        "input",
        "conv 7x7 /2",
        "max pool 3x3 /2",
        "global avg pool",
        "linear",
    ]


def test_nine_inception_modules() -> None:
    found = layers(on_meta(NETWORKS["googlenet"][0]), PICTURE)
    assert sum(each.repeats for each in found if each.label == "Inception") == 9


def test_a_u_has_its_skips_although_forward_joins_them() -> None:
    found = layers(on_meta(UNet), (3, 64, 64))
    assert [each.kind for each in found].count("pooling") == 2
    assert [each.label for each in found].count("up-conv 2x2 /2") == 2
    skips = {each.module: tuple(found[at].module for at in each.skips) for each in found if each.skips}
    assert skips == {"right1.0": ("middle.2",), "right2.0": ("top.2",)}


def test_a_deep_network_is_drawn_by_stages() -> None:
    found = layers(on_meta(deep), (3, 224, 224))
    assert [each.kind for each in found] == ["input", "convolution", "block", "block", "block"]
    assert [each.shape[-1] for each in found] == [3, 3, 23, 43, 63]


def test_equal_layers_of_a_deep_chain_are_one() -> None:
    chain = nn.Sequential(*[nn.Conv2d(4, 4, 3, padding=1) for _ in range(60)])
    found = layers(chain, (4, 8, 8))
    assert [(each.label, each.repeats) for each in found] == [("input", 1), ("conv 3x3", 60)]


def test_a_wrapper_is_opened() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = UNet()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x).sigmoid()  # type: ignore[no-any-return]

    assert len(layers(Wrapped(), (3, 64, 64))) == len(layers(UNet(), (3, 64, 64)))


# --- the picture ------------------------------------------------------------------------------------------------------


def test_svg_is_self_contained_xml(drawn: Drawing) -> None:
    root = ElementTree.fromstring(drawn.svg())
    assert root.tag == f"{SVG}svg"
    assert "href" not in drawn.svg()
    assert "url(" not in drawn.svg()
    assert "<script" not in drawn.svg()
    titles = [group.findtext(f"{SVG}title") for group in root.iter(f"{SVG}g")]
    assert len(titles) == len(drawn.layers)
    for layer, said in zip(drawn.layers, titles, strict=True):
        assert said is not None
        assert layer.label in said
        assert "x".join(map(str, layer.shape)) in said


def test_slabs_are_to_scale(drawn: Drawing) -> None:
    """Height by the square root of rows, thickness by that of channels, each on one scale, at least 3 points."""
    fronts = [group.find(f"{SVG}rect") for group in ElementTree.fromstring(drawn.svg()).iter(f"{SVG}g")]
    rows = [
        each.shape[-3] if len(each.shape) > 2 else each.shape[0] if len(each.shape) > 1 else 1 for each in drawn.layers
    ]
    columns = [each.shape[-2] if len(each.shape) > 2 else 1 for each in drawn.layers]
    largest, most = max(rows + columns), max(each.shape[-1] for each in drawn.layers)
    for front, layer, high in zip(fronts, drawn.layers, rows, strict=True):
        assert front is not None
        assert float(front.attrib["height"]) == pytest.approx(max(3, HIGHEST * math.sqrt(high / largest)), abs=0.06)
        wide = max(3, LONGEST * math.sqrt(layer.shape[-1] / most))
        assert float(front.attrib["width"]) == pytest.approx(wide, abs=0.06)


def extents(root: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of each text, by the widest that its letters may be."""
    found = []
    for text in root.iter(f"{SVG}text"):
        size = float(text.get("font-size", SIZE))
        glyph = BOLD if text.get("font-weight") == "bold" else GLYPH
        length = glyph / SIZE * size * len("".join(text.itertext()))
        turned = re.fullmatch(r"translate\((\S+) (\S+)\) rotate\(-90\)", text.get("transform", ""))
        if turned:
            x, y = map(float, turned.groups())
            found.append((x - size, y, x + 0.3 * size, y + length))
            continue
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        left = x - length / 2 if text.get("text-anchor") == "middle" else x
        found.append((left, y - 0.8 * size, left + length, y + 0.25 * size))
    return found


def test_no_label_covers_another_or_leaves_the_picture(drawn: Drawing) -> None:
    root = ElementTree.fromstring(drawn.svg())
    texts = extents(root)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for at, (left, top, right, bottom) in enumerate(texts):
        assert left >= 0
        assert top >= 0
        assert right <= width
        assert bottom <= height
        for other in texts[:at]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_no_slab_stands_before_another(drawn: Drawing) -> None:
    groups = list(ElementTree.fromstring(drawn.svg()).iter(f"{SVG}g"))
    points = [
        [
            tuple(map(float, pair.split(",")))
            for side in group.iter(f"{SVG}polygon")
            for pair in side.attrib["points"].split()
        ]
        for group in groups
    ]
    spans = [(min(x for x, _ in each), max(x for x, _ in each)) for each in points]
    assert all(right < left for (_, right), (left, _) in pairwise(spans))


def test_names_are_escaped() -> None:
    shown = Drawing('<b>&"', (Layer("", "input", "input", (4, 4, 1)), Layer("a<b", "block", "A&B\x1b[31m", (4, 4, 1))))
    root = ElementTree.fromstring(shown.svg())
    assert root.findtext(f"{SVG}title") == '<b>&": 1 layer'
    assert not re.search(r"[^\x09\x0a\x20-\x7e]", shown.text())


def test_skips_are_arcs_with_a_head() -> None:
    svg = drawing(UNet(), (3, 64, 64)).svg()
    assert svg.count("<polygon") == 2 * len(layers(UNet(), (3, 64, 64))) + 2


# --- the text ---------------------------------------------------------------------------------------------------------


def test_text_is_ascii_of_at_most_a_hundred_columns(drawn: Drawing) -> None:
    lines = drawn.text().splitlines()
    assert drawn.text().isascii()
    assert max(map(len, lines)) <= 100
    for layer in drawn.layers:
        assert any("x".join(map(str, layer.shape)) in line and layer.label in line for line in lines)
    assert str(drawn) == drawn.text()


def test_text_of_a_small_network() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10))
    assert drawing(net, (1, 12, 12), title="small").text().splitlines() == [
        "small",
        "layer                                                         output height          channels",
        "                            input                            12x12x1 ############### =====",
        "0                           conv 5x5                           8x8x4 ############    =========",
        "2                           max pool 2x2 /2                    4x4x4 #########       =========",
        "4                           linear                                10 ####            ===============",
        "Bars go by the square root; height on one scale, channels on another.",
    ]


def test_a_size_that_does_not_fit_is_told() -> None:
    with pytest.raises(UsageError, match="another input size"):
        drawing(nn.Conv2d(3, 4, 9), (3, 4, 4))


def test_nothing_of_the_network_changes() -> None:
    net: Any = models.squeezenet1_1()
    net.train()
    before = {name: each.clone() for name, each in net.state_dict().items()}
    drawing(net, PICTURE)
    assert net.training
    assert all(torch.equal(before[name], each) for name, each in net.state_dict().items())
