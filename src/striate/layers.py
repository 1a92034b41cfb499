"""Parts that several papers share: plain functions that return plain modules."""

from collections.abc import Callable

from torch import nn

Activation = Callable[[], nn.Module]
Norm = Callable[[int], nn.Module]


def conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1, norm: Norm | None = None) -> nn.Conv2d:
    """A square convolution that keeps height and width at stride 1, for an odd `kernel`.

    It has a bias only when no norm follows: a norm would subtract it again.
    """
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=norm is None)


def normalise(norm: Norm | None, channels: int) -> nn.Module:
    """The norm, or an identity in its place, so that names and positions do not depend on the choice."""
    return nn.Identity() if norm is None else norm(channels)


def dropout_layer(rate: float) -> dict[str, nn.Module]:
    """The layer `dropout`, to be merged into a network's layers: none at all when `rate` is 0."""
    return {"dropout": nn.Dropout(rate)} if rate else {}


def he_initialise(net: nn.Module) -> nn.Module:
    """Draw each convolution's weights from a normal of variance 2 / fan-out, set its bias to 0; in place.

    He et al. 2015, "Delving Deep into Rectifiers", eq. 14: the variance of the gradient then survives a ReLU.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net
