"""The effective receptive field: how strongly each pixel really moves a cell, measured with gradients.

Luo, Li, Urtasun and Zemel 2016, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks":
the pixels in the middle reach a cell along many more paths than those at the border of its field, so that the effective
field is like a Gaussian and much smaller than what arithmetic allows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.base import figures
from striate.base.errors import UsageError, nearest, printable
from striate.base.units import by
from striate.cost.field.fields import Field, fields
from striate.cost.field.steps import Interval

SHARE = 0.95  # of the mass, that the effective field holds


@final
@dataclass(frozen=True)
class GradientField:
    """What was measured for one cell of one layer.

    - `strength`: float64 (height, width), mean over samples and input channels of the absolute gradient; the sum is 1.
    - `cell`: row and column of the cell, in the middle of the map.
    - `field`: what arithmetic predicts for the layer, or None where it cannot be told; `box` is its interval for the
      cell, cut off at the border: first and last row, first and last column.
    """

    layer: str
    strength: npt.NDArray[np.float64]
    cell: tuple[int, int]
    field: Field | None
    box: tuple[Interval, Interval] | None
    samples: int

    @property
    def effective(self) -> int:
        """Side, in pixels, of the smallest square about the centre that holds 95 % of the strength; 0 if there is none.

        The centre is that of the predicted interval, or of the strength itself. What lies outside the picture is empty:
        `square` is what remains.
        """
        rows, columns = np.indices(self.strength.shape)
        row, column = self._centre()
        ring = np.maximum(abs(rows - row), abs(columns - column)).ravel()
        order = np.argsort(ring, kind="stable")
        held = np.cumsum(self.strength.ravel()[order])
        if not held[-1]:
            return 0
        return int(2 * ring[order][np.searchsorted(held, SHARE * held[-1])]) + 1

    @property
    def square(self) -> tuple[Interval, Interval]:
        """That square inside the picture: first and last row, first and last column."""
        height, width = self.strength.shape
        row, column = self._centre()
        half = (self.effective - 1) / 2
        rows, columns = (
            (max(0, round(centre - half)), min(size - 1, round(centre + half)))
            for centre, size in ((row, height), (column, width))
        )
        return rows, columns

    def _centre(self) -> tuple[float, float]:
        if self.field is not None:
            (top, bottom), (left, right) = self.field.sees(self.cell)
            return (top + bottom) / 2, (left + right) / 2
        mass = np.maximum(self.strength.sum(), np.finfo(float).tiny)
        row, column = (float((each * self.strength).sum() / mass) for each in np.indices(self.strength.shape))
        return row, column

    def __str__(self) -> str:
        predicted = "unknown" if self.field is None else by(self.field.size)
        height, width = self.strength.shape
        rows, columns = map(_length, self.square)
        return (
            f"{self.layer or 'output'}, cell {self.cell[0]},{self.cell[1]}: receptive field {predicted}, "
            f"95 % of the gradient in {rows}x{columns} of {height}x{width} pixels"
        )

    def svg(self) -> str:
        """The picture: strength as shade, by its square root; on it the predicted interval and the effective square."""
        height, width = self.strength.shape

        def draw(figure: Any) -> None:
            axes = figure.add_subplot()
            shade = np.sqrt(self.strength / max(self.strength.max(), np.finfo(float).tiny))
            axes.imshow(shade, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
            self._outlines(axes)
            axes.set_title(printable(self.layer or "output", 60), fontsize=11, loc="left", pad=8)
            axes.set(xlabel="pixel", xlim=(-1.5, width + 0.5), ylim=(height + 0.5, -1.5))
            axes.tick_params(labelsize=8)
            for spine in axes.spines.values():
                spine.set_color("#999999")
            figure.legend(loc="outside lower center", frameon=False, fontsize=9, ncols=1)

        style = {"svg.hashsalt": self.layer, "text.parse_math": False}
        return figures.svg(draw, 5.2, 5.2 * max(0.4, min(2.0, height / width)) + 0.9, style)

    def _outlines(self, axes: Any) -> None:
        from matplotlib.patches import Rectangle

        def outline(rows: Interval, columns: Interval, **look: Any) -> None:
            corner = (columns[0] - 0.5, rows[0] - 0.5)
            axes.add_patch(Rectangle(corner, _length(columns), _length(rows), fill=False, **look))

        if self.box is not None and self.field is not None:
            said = f"receptive field, by arithmetic: {' x '.join(map(str, self.field.size))}"
            outline(*self.box, lw=1.6, edgecolor="#c2410c", label=said)
        said = f"holds 95 % of the gradient: {' x '.join(str(_length(each)) for each in self.square)}"
        outline(*self.square, lw=1.4, edgecolor="#111111", linestyle=(0, (4, 2)), label=said)


def _length(interval: Interval) -> int:
    return max(0, interval[1] - interval[0] + 1)


def gradient_field(
    net: nn.Module, layer: str, input_size: Sequence[int], *, samples: int = 16, seed: int = 0
) -> GradientField:
    """Measure which pixels move the cell in the middle of a layer's output (n, channels, height, width).

    The network runs in evaluation mode on `samples` random normal pictures of `input_size` (channels, height, width),
    where its weights are; the channels of the cell are added up with random normal weights. Its modes, gradients and
    torch's own random state are left as they were.

    Raises `UsageError` for a layer that is not there, not called, or without height and width, and the errors of
    `trace`.
    """
    names = dict(net.named_modules())
    if layer not in names:
        close = ", ".join(nearest(layer, names, 3) or list(names)[1:4])
        raise UsageError("layer", f"{layer!r} is no module of this network", f"one of {close}")
    if samples < 1:
        raise UsageError("samples", f"{samples} is too few", "1 or more")
    field = fields(net, input_size).at(layer)
    weight = next(net.parameters(), torch.zeros(()))
    generator = torch.Generator().manual_seed(seed)
    caught: list[Tensor] = []
    cell: tuple[int, int] | None = None

    def catch(module: nn.Module, given: Any, out: Any) -> None:
        nonlocal cell
        if not isinstance(out, Tensor) or out.ndim != 4:
            hint = "a layer that answers one tensor with height and width, such as a convolution"
            raise UsageError(f"layer {layer!r}", "its output is no feature map", hint)
        cell = (out.shape[2] // 2, out.shape[3] // 2)
        channels = torch.randn(out.shape[1], generator=generator).to(out)
        caught[:] = [(out[:, :, cell[0], cell[1]] * channels).sum()]  # now: what follows may change it in place

    strength = np.zeros(tuple(input_size[-2:]))
    hook = names[layer].register_forward_hook(catch)
    try:
        with _evaluating(net), torch.enable_grad():
            for _ in range(samples):
                x = torch.randn((1, *input_size), generator=generator).to(weight).requires_grad_()
                caught.clear()
                net(x)
                if not caught:
                    raise UsageError(f"layer {layer!r}", "the network does not call it", "another layer")
                (gradient,) = torch.autograd.grad(caught[0], x, allow_unused=True)
                if gradient is not None:
                    strength += gradient.detach().abs().mean((0, 1)).double().cpu().numpy()
    finally:
        hook.remove()
    assert cell is not None
    box = None
    if field is not None:
        rows, columns = field.inside(cell)
        box = (rows, columns)
    total = strength.sum()
    return GradientField(layer, strength / total if total else strength, cell, field, box, samples)


@contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards each module as it was."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
