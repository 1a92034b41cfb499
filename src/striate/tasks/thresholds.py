"""What a user would segment with before a network: one threshold, or the nearest colour."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from striate.data.feed import Batch
from striate.data.picture.laid import Array
from striate.data.preprocess import LUMA

Answers = Callable[[Tensor], Tensor]
LEVELS = 256


def rivals(
    classes: int, train: Iterable[Batch], val: Iterable[Batch], score: Callable[[Sequence[tuple[Tensor, Batch]]], float]
) -> Mapping[str, Answers]:
    """Each by name: pictures (n, channels, h, w) in 0..1 -> ids (n, h, w)."""
    pixels, colours = _colours(classes, train)
    commonest = int(pixels.argmax())
    found: dict[str, Answers] = {
        "the commonest class": lambda pictures: torch.full_like(pictures[:, 0], commonest, dtype=torch.uint8),
        "nearest mean colour": lambda pictures: nearest(pictures, colours),
    }
    if classes == 2:
        ways = [lambda pictures, bright=bright: by_otsu(pictures, bright) for bright in (True, False)]
        asked = list(val)
        best = max(ways, key=lambda way: score([(way(batch.pictures), batch) for batch in asked]))
        found["Otsu's threshold"] = best
    return found


def otsu(values: Array) -> int:
    """Otsu 1979: the byte above which one class lies, of the largest variance between the two."""
    counts = np.bincount(values.ravel(), minlength=LEVELS).astype(np.float64)
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * np.arange(LEVELS))
    above = total - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (sums[-1] * below - sums * total) ** 2 / (below * above)
    between = np.nan_to_num(between, nan=-1.0)
    return int(between.argmax() if between.max() >= 0 else values.max())  # of one level alone nothing lies above


def by_otsu(pictures: Tensor, bright: bool = True) -> Tensor:
    """Of each picture: 1 where its luminance is above its own threshold, or where it is not."""
    grey = (255 * luminance(pictures)).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    found = np.stack([(each > otsu(each)) == bright for each in grey])
    return torch.from_numpy(found.astype(np.uint8)).to(pictures.device)


def luminance(pictures: Tensor) -> Tensor:
    """(n, channels, h, w) -> (n, h, w): of three channels ITU-R BT.601, of others the mean."""
    if pictures.shape[1] != len(LUMA):
        return pictures.mean(1)
    return (pictures * torch.tensor(LUMA, device=pictures.device)[:, None, None]).sum(1)


def nearest(pictures: Tensor, colours: Tensor) -> Tensor:
    """The class whose mean colour is nearest; `colours` (classes, channels), infinite for a class that has none."""
    colours = colours.to(pictures.device, pictures.dtype)
    distances = torch.stack([(pictures - each[:, None, None]).square().sum(1) for each in colours])
    return distances.argmin(0).to(torch.uint8 if len(colours) <= LEVELS else torch.int32)


def _colours(classes: int, train: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """Counted pixels of each class, and the mean of their colours (classes, channels)."""
    pixels, sums = torch.zeros(classes, dtype=torch.float64), torch.zeros(classes, 1, dtype=torch.float64)
    for batch in train:
        mask = batch.targets["mask"].cpu()
        counted = mask >= 0
        ids, values = mask[counted].long(), batch.pictures.cpu().double().movedim(1, -1)[counted]
        pixels = pixels + torch.bincount(ids, minlength=classes)
        sums = sums + torch.zeros(classes, values.shape[1], dtype=torch.float64).index_add_(0, ids, values)
    return pixels, torch.where(pixels[:, None] > 0, sums / pixels[:, None].clamp(min=1), torch.inf)
