"""With batch normalisation and without: the arms of five claims."""

from collections.abc import Mapping
from typing import Any


def four_layers(norm: str = "none") -> Mapping[str, Any]:
    """The four-layer network, its weights drawn as He et al. 2015 do: as released it hardly begins in so few steps."""
    return {"model": "alexnet_cifar10", "model_options": {"init": "he", "lrn": False, "norm": norm}}


PLAIN, NORMED = "plain", "batch-norm"
ARMS = {PLAIN: four_layers(), NORMED: four_layers("batch")}
NETWORK = (
    "AlexNet's four-layer network for small pictures, with and without a batch normalisation between each "
    "convolution and its ReLU, which takes the place of the bias"
)
# Few training pictures make short epochs, after each of which validation is asked. The rate stays what it is.
EPOCHS = 24
SHORT = {"split": "40/60/0", "schedule": "constant", "epochs": EPOCHS}
