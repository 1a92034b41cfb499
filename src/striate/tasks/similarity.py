"""How near one picture is to another."""

import numpy as np

from striate.data.picture.laid import Array

# An error below this is none that 8-bit pixels can tell: 100 dB.
LEAST = 1e-10


def psnr(squared: Array) -> Array:
    """Peak signal-to-noise ratio in dB of mean squared errors in units of 0..1; at most 100."""
    return np.asarray(-10 * np.log10(np.maximum(squared, LEAST)))
