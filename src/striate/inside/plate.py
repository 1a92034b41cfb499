"""Small pictures in rows, each with a word above it: one picture as PNG or SVG."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from striate.data.picture.laid import Array, Pixels

# Pixels between the pictures and around them; a line of words; the side that a picture is drawn with.
GAP, LINE, LEAST, MOST = 4, 13, 32, 112
FONT, LETTER = 10, 6.0
WHITE = 255
# The part of the strongest pixels that are all drawn alike.
STRONGEST = 0.995


@final
@dataclass(frozen=True, eq=False)
class Plate:
    """`tiles` are uint8 (height, width, 3), all of one size, `columns` in a row; `labels` stand above them."""

    tiles: Sequence[Pixels]
    labels: Sequence[str]
    columns: int

    @property
    def pixels(self) -> Pixels:
        """The whole picture, uint8 (height, width, 3)."""
        image = Image.fromarray(self._bare())
        draw, font = ImageDraw.Draw(image), ImageFont.load_default(FONT)
        for number, (row, column) in enumerate(self._corners()):
            draw.text((column, row - LINE), self._cut(number), fill=(0, 0, 0), font=font)
        return np.asarray(image)

    def svg(self) -> str:
        """The same as an SVG file, its words as text."""
        bare = self._bare()
        buffer = io.BytesIO()
        Image.fromarray(bare).save(buffer, "PNG", optimize=True)
        data, (height, width) = base64.b64encode(buffer.getvalue()).decode("ascii"), bare.shape[:2]
        words = (
            f'<text x="{column}" y="{row - 3}">{escape(self._cut(number))}</text>'
            for number, (row, column) in enumerate(self._corners())
            if self.labels[number]
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'font-family="sans-serif" font-size="{FONT}">\n'
            f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/>\n'
            + "\n".join(words) + "\n</svg>\n"
        )  # fmt: skip

    def _bare(self) -> Pixels:
        """Without words."""
        (height, width), rows = self.tiles[0].shape[:2], math.ceil(len(self.tiles) / self.columns)
        whole = (rows * (height + LINE + GAP) + GAP, self.columns * (width + GAP) + GAP, 3)
        shown = np.full(whole, WHITE, np.uint8)
        for tile, (row, column) in zip(self.tiles, self._corners(), strict=True):
            shown[row : row + height, column : column + width] = tile
        return shown

    def _corners(self) -> list[tuple[int, int]]:
        """The upper left corner of each tile."""
        height, width = self.tiles[0].shape[:2]
        places = (divmod(number, self.columns) for number in range(len(self.tiles)))
        return [(row * (height + LINE + GAP) + LINE + GAP, column * (width + GAP) + GAP) for row, column in places]

    def _cut(self, number: int) -> str:
        """So much of a word as there is room for above its tile, and above those after it that have none."""
        row = self.labels[number + 1 : (number // self.columns + 1) * self.columns]
        free = 1 + next((at for at, label in enumerate(row) if label), len(row))
        return self.labels[number][: max(4, int(free * (self.tiles[0].shape[1] + GAP) / LETTER))]


def block(pictures: Sequence[Pixels], columns: int, size: int) -> Pixels:
    """Pictures of one size in rows of so many, two pixels apart; of fewer than `size` the rest stays white."""
    height, width = pictures[0].shape[:2]
    rows = math.ceil(size / columns)
    shown = np.full((rows * (height + 2) - 2, columns * (width + 2) - 2, 3), WHITE, np.uint8)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        top, left = row * (height + 2), column * (width + 2)
        shown[top : top + height, left : left + width] = picture
    return shown


def sized(picture: Pixels, least: int = LEAST, most: int = MOST) -> Pixels:
    """A small picture with each pixel as a square, a large one made smaller: uint8 (height, width, 3)."""
    shown = picture if picture.shape[2] == 3 else picture.repeat(3, 2)
    times = math.ceil(least / max(shown.shape[:2]))
    if times > 1:
        return shown.repeat(times, 0).repeat(times, 1)
    if max(shown.shape[:2]) <= most:
        return shown
    image = Image.fromarray(shown)
    image.thumbnail((most, most), Image.Resampling.LANCZOS)
    return np.asarray(image)


def around_grey(values: Array, strongest: float | None = None) -> Pixels:
    """Numbers (channels, height, width) as uint8 (height, width, 3): 0 is grey; signs and colours are their own.

    `strongest` is drawn white and its negative black; nearly the strongest of these when None.
    """
    layers = values if len(values) == 3 else values.mean(0, keepdims=True)
    scaled = layers / (most(np.abs(layers)) if strongest is None else strongest)
    shown = np.rint(127.5 + 127.5 * np.clip(scaled, -1, 1)).astype(np.uint8)
    return shown.transpose(1, 2, 0) if len(shown) == 3 else shown.transpose(1, 2, 0).repeat(3, 2)


def inked(shares: Array) -> Pixels:
    """Shares in 0..1 (height, width) in colours that grow lighter: uint8 (height, width, 3)."""
    from matplotlib import colormaps  # only for those who look

    return np.asarray(np.rint(255 * colormaps["inferno"](shares)[..., :3]), np.uint8)


def most(values: Array) -> float:
    """Nearly the highest of what is positive; 1 where nothing is."""
    positive = values[values > 0]
    return float(np.quantile(positive, STRONGEST)) if positive.size else 1.0
