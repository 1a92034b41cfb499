"""LeNet-5: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition"."""

from collections import OrderedDict

from torch import nn

from striate.layers import Activation, dropout_layer
from striate.models import options

# Figure 2 and section II.B: a picture of 1@32x32, each layer fed by the one above, 10 classes.
# fmt: off
#    layer     kind               maps  kernel  map size
FIGURE_2 = (
    ("c1",     "convolution",     6,    5,      28),
    ("s2",     "subsampling",     6,    2,      14),
    ("c3",     "convolution",     16,   5,      10),
    ("s4",     "subsampling",     16,   2,      5),
    ("c5",     "full connection", 120,  5,      1),
    ("f6",     "full connection", 84,   1,      1),
    ("output", "full connection", 10,   1,      1),
)
# fmt: on


def lenet5(
    classes: int = 10,
    *,
    channels: int = 1,
    activation: str | Activation = nn.Tanh,
    dropout: float = 0.0,
) -> nn.Sequential:
    """LeNet-5 as practised: (n, channels, 32, 32) -> (n, classes) logits; 61,706 parameters for 1 and 10.

    It differs from 1998 in this: every C3 map sees all six S2 maps (there a table connects 60 pairs); S2 and
    S4 average without the coefficient and bias of each map; the activation is plain tanh (there
    1.7159 tanh(2x/3)); the output is linear, for softmax and cross-entropy (there distances to fixed 7x12
    codes, a radial basis function); weights start as PyTorch starts them. C5, printed as a 5x5 convolution
    over 5x5 maps, is the fully connected layer that it equals at 32x32, with the same 48,120 parameters.

    Pictures must be 32x32 pixels: 28-pixel digits are padded, and sides of 33 to 35, though they run, would
    lose their last rows and columns. `dropout` acts before the output layer. Layers and state-dict keys bear
    the paper's names. Raises `UsageError` for a value that cannot be meant.
    """
    classes, channels = options.count("classes", classes), options.count("channels", channels)
    activate, rate = options.activation(activation), options.fraction("dropout", dropout)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = channels
    for name, kind, maps, kernel, _ in FIGURE_2:
        if kind == "convolution":
            layers[name] = nn.Conv2d(inputs, maps, kernel)
        elif kind == "subsampling":
            layers[name] = nn.AvgPool2d(kernel)
        else:
            if name == "c5":
                layers["flatten"] = nn.Flatten()
            if name == "output":
                layers.update(dropout_layer(rate))
                maps = classes
            layers[name] = nn.Linear(inputs * kernel**2, maps)
        if kind != "subsampling" and name != "output":
            layers[f"{name}_activation"] = activate()
        inputs = maps
    return nn.Sequential(layers)
