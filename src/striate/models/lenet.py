"""LeNet-5: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition"."""

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Literal, final

import torch
from torch import nn
from torch.nn import functional

from striate.base.options import Range, Rate, Whole
from striate.base.randomness import draws
from striate.layers import chain, dropout_layer, initialise
from striate.models.entry import Line
from striate.models.options import Activation, Init

# Figure 2 and section II.B: a picture of 1@32x32, each layer fed by the one above, 10 classes.
# fmt: off
#    layer     kind               maps  kernel  map size  trainable parameters  connections
FIGURE_2 = (
    ("c1",     "convolution",     6,    5,      28,       156,                  122_304),
    ("s2",     "subsampling",     6,    2,      14,       12,                   5_880),
    ("c3",     "convolution",     16,   5,      10,       1_516,                151_600),
    ("s4",     "subsampling",     16,   2,      5,        32,                   2_000),
    ("c5",     "full connection", 120,  5,      1,        48_120,               48_120),
    ("f6",     "full connection", 84,   1,      1,        10_164,               10_164),
    ("output", "full connection", 10,   1,      1,        0,                    840),
)

# Table I: each column is a map of C3, each row a map of S2; X where the one sees the other.
#    0123456789.....15
TABLE_1 = (
    "X...XXX..XXXX.XX",
    "XX...XXX..XXXX.X",
    "XXX...XXX..X.XXX",
    ".XXX..XXXX..X.XX",
    "..XXX..XXXX.XX.X",
    "...XXX..XXXX.XXX",
)

# Figure 3, drawn anew: stylised digits of 7x12; ink is +1, paper -1, read row by row they are the 84 states of F6.
FIGURE_3 = (
    "....... ....... ....... ....... ....... ....... ....... ....... ....... .......",
    "..###.. ...#... .#####. .#####. .....#. ####### ..####. ####### .#####. .#####.",
    ".#...#. ..##... #.....# #.....# ....##. #...... .#..... ......# #.....# #.....#",
    "#.....# .#.#... ......# ......# ...#.#. #...... #...... .....#. #.....# #.....#",
    "#.....# ...#... ......# ......# ..#..#. ######. #...... .....#. #.....# #.....#",
    "#.....# ...#... .....#. ..####. .#...#. ......# ######. ....#.. .#####. #.....#",
    "#.....# ...#... ....#.. ......# #....#. ......# #.....# ....#.. #.....# .######",
    "#.....# ...#... ..##... ......# ####### ......# #.....# ...#... #.....# ......#",
    "#.....# ...#... .#..... ......# .....#. ......# #.....# ...#... #.....# ......#",
    ".#...#. ...#... #...... #.....# .....#. #.....# #.....# ..#.... #.....# .....#.",
    "..###.. .#####. ####### .#####. .....#. .#####. .#####. ..#.... .#####. .####..",
    "....... ....... ....... ....... ....... ....... ....... ....... ....... .......",
)
# fmt: on


def lenet5(
    classes: Whole = 10,
    *,
    channels: Whole = 1,
    activation: Activation = nn.Tanh,
    dropout: Rate = 0.0,
    init: Literal["torch", Init] = "torch",
) -> nn.Sequential:
    """LeNet-5 as practised: (n, channels, 32, 32) -> (n, classes) logits; 61,706 parameters for 1 and 10.

    C3 sees all six S2 maps, S2 and S4 only average, the activation is plain tanh, and the output is linear, for
    softmax and cross-entropy; see `lenet5_1998`. C5, printed as a 5x5 convolution over 5x5 maps, is the fully
    connected layer that it equals at 32x32, with the same 48,120 parameters.

    `init` is "torch", as PyTorch starts its layers; "paper", see `uniform_by_fan_in`; "he" or "xavier".

    Pictures must be 32x32 pixels: 28-pixel digits are padded, and sides of 33 to 35, though they run, would
    lose their last rows and columns. `dropout` acts before the output layer. Layers and state-dict keys bear
    the paper's names.
    """
    layers: dict[str, nn.Module] = {}
    inputs = channels
    for name, kind, maps, kernel, *_ in FIGURE_2:
        if kind == "convolution":
            layers[name] = nn.Conv2d(inputs, maps, kernel)
        elif kind == "subsampling":
            layers[name] = nn.AvgPool2d(kernel)
        else:
            if name == "c5":
                layers["flatten"] = nn.Flatten()
            if name == "output":
                layers |= dropout_layer(dropout)
                maps = classes
            layers[name] = nn.Linear(inputs * kernel**2, maps)
        if kind != "subsampling" and name != "output":
            layers[f"{name}_activation"] = activation()
        inputs = maps
    net = chain(**layers)
    return net if init == "torch" else initialise(net, init, uniform_by_fan_in)


@final
class ScaledTanh(nn.Module):
    """1.7159 tanh(2x / 3), the squashing function of appendix A: it takes 1 to 1 and -1 to -1."""

    def __init__(self) -> None:
        super().__init__()
        self.tanh = nn.Tanh()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape -> the same shape."""
        return 1.7159 * self.tanh(x * (2 / 3))  # type: ignore[no-any-return]


def lenet5_1998(
    classes: Whole = 10,
    *,
    channels: Whole = 1,
    activation: Activation = ScaledTanh,
    init: Init = "paper",
    rubbish: Annotated[float, Range(0.1, least=0)] = 0.1,
) -> nn.Sequential:
    """LeNet-5 as published: (n, channels, 32, 32) -> (n, classes) logits; 60,000 parameters for 1 and 10.

    In training mode it answers (n, classes + 1): cross-entropy on these is the paper's loss, equation 9. See
    `RadialBasis`; `rubbish` is the j there, at least 0.

    - `activation` follows S2 and S4 too.
    - `init`: "paper", see `uniform_by_fan_in`; "he" or "xavier", and subsampling starts as a plain average.

    Pictures must be 32x32 pixels. Layers and state-dict keys bear the paper's names.
    """
    layers: dict[str, nn.Module] = {}
    inputs = channels
    for name, kind, maps, kernel, *_ in FIGURE_2:
        if name == "c3":
            layers[name] = TableConvolution(TABLE_1, kernel)
        elif name in ("c1", "c5"):
            layers[name] = nn.Conv2d(inputs, maps, kernel)
        elif kind == "subsampling":
            layers[name] = Subsampling(maps, kernel)
        elif name == "f6":
            layers["flatten"] = nn.Flatten()
            layers[name] = nn.Linear(inputs, maps)
        else:
            layers[name] = RadialBasis(codes(classes, inputs), rubbish)
        if name != "output":
            layers[f"{name}_activation"] = activation()
        inputs = maps
    return initialise(chain(**layers), init, uniform_by_fan_in)


def figure_2() -> list[Line]:
    """Figure 2 with the numbers that section II.B prints, for both networks."""
    lines = []
    for name, kind, maps, kernel, side, parameters, connections in FIGURE_2:
        words = f"{kind}{f' {kernel}x{kernel}' if kernel > 1 else ''}; {connections:,} connections"
        output = f"{side}x{side}x{maps}" if side > 1 else str(maps)
        lines.append(Line(name.upper(), words, (name,), output, f"{parameters:,}" if parameters else ""))
    return lines


def codes(classes: int, states: int = 84) -> torch.Tensor:
    """What F6 should answer for each class: (classes, states) of +1 and -1.

    Ten classes get the digits of Figure 3. For other numbers the components are "chosen at random with equal
    probabilities" (section II.B), always the same ones.
    """
    if classes == 10:
        glyphs = ["".join(row.split()[digit] for row in FIGURE_3) for digit in range(10)]
        return torch.tensor([[1.0 if cell == "#" else -1.0 for cell in glyph] for glyph in glyphs])
    drawn = draws(0, "codes of LeNet-5", 0, range(classes), states)
    return torch.tensor([[1.0 if number < 0.5 else -1.0 for number in row] for row in drawn.tolist()])


def uniform_by_fan_in(net: nn.Module) -> nn.Module:
    """Weights and biases uniform between -2.4 / F and 2.4 / F, F a unit's number of inputs: appendix A; in place."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | Subsampling):
            fan_in = module.side**2 if isinstance(module, Subsampling) else module.weight[0].numel()
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -2.4 / fan_in, 2.4 / fan_in)
    return net


@final
class Subsampling(nn.Module):
    """S2 and S4: the sum of side x side cells, times the map's coefficient, plus its bias."""

    def __init__(self, maps: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.pool = nn.AvgPool2d(side)
        self.coefficient = nn.Parameter(torch.full((maps, 1, 1), 1 / side**2))
        self.bias = nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, maps, height, width) -> (n, maps, height / side, width / side)."""
        return self.pool(x) * self.side**2 * self.coefficient + self.bias  # type: ignore[no-any-return]


@final
class TableConvolution(nn.Module):
    """C3: each output map sees the input maps that its column of `table` marks, and no others.

    Neighbouring columns with equally many marks are one grouped convolution.
    """

    sees: torch.Tensor

    def __init__(self, table: Sequence[str], kernel: int) -> None:
        super().__init__()
        columns = [[row for row, mark in enumerate(column) if mark == "X"] for column in zip(*table, strict=True)]
        alike = [list(group) for _, group in groupby(columns, len)]
        self.widths = [sum(map(len, group)) for group in alike]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, len(group), kernel, groups=len(group))
            for width, group in zip(self.widths, alike, strict=True)
        )
        self.register_buffer("sees", torch.tensor([row for column in columns for row in column]), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 6, height, width) -> (n, 16, height - 4, width - 4) for Table I and a kernel of 5."""
        parts = torch.split(x.index_select(1, self.sees), self.widths, 1)
        return torch.cat([convolve(part) for convolve, part in zip(self.convolutions, parts, strict=True)], 1)


@final
class RadialBasis(nn.Module):
    """The output layer: the penalty y of a class is the squared distance from F6's states to its code (eq. 7).

    In eval mode the logits are -y. In training mode a column -j follows, the penalty of a "rubbish" class, so
    that cross-entropy over all columns is the paper's maximum a posteriori criterion for a picture of class D:
    y_D + log(exp(-j) + sum of exp(-y)), equation 9. The paper asks for a positive j and prints no value.
    """

    codes: torch.Tensor

    def __init__(self, codes: torch.Tensor, rubbish: float) -> None:
        super().__init__()
        self.rubbish = rubbish
        self.register_buffer("codes", codes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 84) -> (n, classes), or (n, classes + 1) in training mode."""
        logits = -(x.unsqueeze(1) - self.codes).square().sum(2)
        return functional.pad(logits, (0, 1), value=-self.rubbish) if self.training else logits

    def extra_repr(self) -> str:
        return f"{self.codes.shape[0]} codes of {self.codes.shape[1]}, rubbish={self.rubbish}"
