"""What is done to a picture that a network is to restore: noises, in units of 0..1."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from striate.base.options import Range
from striate.base.randomness import generators, normals
from striate.data.samples import Indices, Keys

NoiseKind = Literal["gaussian", "salt-and-pepper", "poisson", "speckle"]
# How strong each may be, and is where nothing is said: a deviation, a share of the pixels, photons at 1, a deviation.
NOISES: Mapping[str, Range] = MappingProxyType({
    "gaussian": Range(0.3, least=0.001, most=10),
    "salt-and-pepper": Range(0.1, least=0.0001, most=1),
    "poisson": Range(30, least=0.1, most=1e6),
    "speckle": Range(0.3, least=0.001, most=10),
})  # fmt: skip


def noisy(pictures: Tensor, kind: NoiseKind, strength: float, seed: int, epoch: int, samples: Indices | Keys) -> Tensor:
    """Pictures (n, c, h, w) with noise that (seed, epoch, sample) decides; values may leave 0..1.

    "salt-and-pepper" turns a share of the pixels black or white, all channels of one together; "poisson" counts
    photons, `strength` of them on average where a picture is 1; "speckle" is in proportion to the picture.
    """
    shape = tuple(pictures.shape[1:])
    if kind == "poisson":
        expected = pictures.cpu().double().clamp_min(0).mul(strength).numpy()
        sources = generators(seed, "noise", epoch, samples)
        counted = np.stack([source.poisson(each) for source, each in zip(sources, expected, strict=True)])
        return torch.from_numpy(counted / strength).to(pictures)
    if kind == "salt-and-pepper":
        sources = generators(seed, "noise", epoch, samples)
        drawn = torch.from_numpy(np.stack([source.random((1, *shape[1:]), np.float32) for source in sources]))
        drawn = drawn.to(pictures.device)
        return torch.where(drawn < strength, (drawn < strength / 2).to(pictures), pictures)
    noise = torch.from_numpy(normals(seed, "noise", epoch, samples, shape)).to(pictures.device).mul_(strength)
    return noise.add_(pictures) if kind == "gaussian" else noise.add_(1).mul_(pictures)
