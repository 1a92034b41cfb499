"""The convolutional autoencoder: Masci, Meier, Ciresan and Schmidhuber 2011, "Stacked Convolutional Auto-Encoders
for Hierarchical Feature Extraction", in the symmetric form that is taught."""

from functools import partial

from torch import nn

from striate.base.options import Whole
from striate.layers import chain, he_initialise, initialise, normalise
from striate.layers import conv as convolution
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
    outputs: Whole | None = None,
    width: Whole = 16,
    norm: Norm = None,
    activation: Activation = nn.ReLU,
    init: Init = "paper",
) -> nn.Sequential:
    """Down to a code and up again: (n, channels, height, width) -> (n, outputs, height, width), sides multiples of 4.

    `net.encoder` gives the code, (n, width / 2, height / 4, width / 4), and `net.decoder` the picture. The last
    convolution has no activation: its numbers are those of the picture, of any sign.

    - `outputs`: maps of the answer; as many as it is given as a rule.
    - `width`: maps of the first block; the second has half of them, so that the code of a 28x28 picture of one
      channel has half its numbers.
    - `norm`: a norm between each convolution and its activation; none as a rule.
    - `init`: the paper does not say; "paper" is `layers.he_initialise` by fan-in, so that the last convolution, of few
      maps, starts with small answers; "he" or "xavier" as `layers.initialise`.
    """
    blocks = [(number, max(1, width * maps // BLOCKS[0][1])) for number, maps, _ in BLOCKS]

    def block(number: int, inputs: int, outputs: int) -> dict[str, nn.Module]:
        return {
            f"conv{number}": convolution(inputs, outputs, 3, norm=norm),
            f"norm{number}": normalise(norm, outputs),
            f"relu{number}": activation(),
        }

    encoder: dict[str, nn.Module] = {}
    decoder: dict[str, nn.Module] = {}
    before = channels
    for number, here in blocks:
        encoder |= block(number, before, here) | {f"pool{number}": nn.MaxPool2d(2)}
        before = here
    for number, here in blocks[::-1]:
        decoder |= block(number, before, here) | {f"up{number}": nn.Upsample(scale_factor=2)}
        before = here
    decoder["output"] = convolution(before, outputs or channels, 3)
    net = chain(encoder=chain(**encoder), decoder=chain(**decoder))
    return initialise(net, init, partial(he_initialise, mode="fan_in"))
