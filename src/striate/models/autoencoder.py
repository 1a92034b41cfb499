"""The convolutional autoencoder: Masci, Meier, Ciresan and Schmidhuber 2011, "Stacked Convolutional Auto-Encoders
for Hierarchical Feature Extraction", in the symmetric form that is taught."""

from collections import OrderedDict

from torch import nn

from striate.base.options import Whole
from striate.layers import conv as convolution
from striate.layers import initialise, normalise
from striate.models.options import Activation, Init, Norm

# fmt: off
# Basic blocks of the encoder, for a digit of 1@28x28: a 3x3 convolution and an activation, then a pool. The decoder
# has the same blocks the other way round, each with an upsampling in place of its pool.
#    block  maps  map size
BLOCKS = (
    (1,     16,   14),
    (2,     8,    7),
)
# fmt: on


def autoencoder(
    *,
    channels: Whole = 1,
    width: Whole = 16,
    norm: Norm = None,
    activation: Activation = nn.ReLU,
    init: Init = "paper",
) -> nn.Sequential:
    """Down to a code and up again: (n, channels, height, width) -> the same shape, sides multiples of 4.

    `net.encoder` gives the code, (n, width / 2, height / 4, width / 4), and `net.decoder` the picture. The last
    convolution has no activation: its numbers are those of the picture, of any sign.

    - `width`: maps of the first block; the second has half of them, so that the code of a 28x28 picture of one
      channel has half its numbers.
    - `norm`: a norm between each convolution and its activation; none as a rule.
    - `init`: the paper does not say; "paper" is `incoming_normal`, so that the last convolution, of few maps,
      starts with small answers; "he" or "xavier" as `layers.initialise`.
    """
    first = BLOCKS[0][1]
    maps = [max(1, width * each // first) for _, each, _ in BLOCKS]

    def block(number: int, inputs: int, outputs: int) -> OrderedDict[str, nn.Module]:
        return OrderedDict[str, nn.Module](
            {
                f"conv{number}": convolution(inputs, outputs, 3, norm=norm),
                f"norm{number}": normalise(norm, outputs),
                f"relu{number}": activation(),
            }
        )

    encoder: OrderedDict[str, nn.Module] = OrderedDict()
    decoder: OrderedDict[str, nn.Module] = OrderedDict()
    before = channels
    for (number, *_), here in zip(BLOCKS, maps, strict=True):
        encoder.update(block(number, before, here))
        encoder[f"pool{number}"] = nn.MaxPool2d(2)
        before = here
    for (number, *_), here in zip(BLOCKS[::-1], maps[::-1], strict=True):
        decoder.update(block(number, before, here))
        decoder[f"up{number}"] = nn.Upsample(scale_factor=2)
        before = here
    decoder["output"] = convolution(before, channels, 3)
    net = nn.Sequential(OrderedDict(encoder=nn.Sequential(encoder), decoder=nn.Sequential(decoder)))
    initialise(net, init, incoming_normal)
    return net


def incoming_normal(net: nn.Module) -> nn.Module:
    """Draw each convolution's weights from a normal of variance 2 / fan-in, set its bias to 0; in place.

    He et al. 2015, "Delving Deep into Rectifiers", eq. 10: the variance of the maps then survives a ReLU.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net
