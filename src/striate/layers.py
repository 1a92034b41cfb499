"""Parts that several papers share: plain functions that return plain modules, and the few modules torch lacks."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, TypeVar, final

import torch
from torch import nn

Activation = Callable[[], nn.Module]
Norm = Callable[[int], nn.Module]
Net = TypeVar("Net", bound=nn.Module)


def chain(**layers: nn.Module) -> nn.Sequential:
    """The layers one after another, under their names."""
    return nn.Sequential(OrderedDict(layers))


def conv(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, norm: Norm | None = None
) -> nn.Conv2d:
    """A square convolution that keeps height and width at stride 1, for an odd `kernel`.

    It has a bias only when no norm follows: a norm would subtract it again.
    """
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=norm is None)


def normalise(norm: Norm | None, channels: int) -> nn.Module:
    """The norm, or an identity in its place, so that names and positions do not depend on the choice."""
    return nn.Identity() if norm is None else norm(channels)


def dropout_layer(rate: float) -> dict[str, nn.Module]:
    """The layer `dropout`, to be merged into a network's layers: none at all when `rate` is 0."""
    return {"dropout": nn.Dropout(rate)} if rate else {}


def head(features: int, classes: int, dropout: float) -> dict[str, nn.Module]:
    """Global average pooling and one linear layer."""
    layers = {"avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), **dropout_layer(dropout)}
    return layers | {"fc": nn.Linear(features, classes)}


def response_norm() -> nn.LocalResponseNorm:
    """Local response normalisation as Krizhevsky et al. 2012 print it, section 3.3, with their constants.

    b = a / (k + alpha * sum of a^2 over n neighbouring maps)^beta. PyTorch divides alpha by n, the paper does
    not: hence the factor.
    """
    n, k, alpha, beta = 5, 2, 1e-4, 0.75
    return ResponseNorm(n, alpha=alpha * n, beta=beta, k=k)


@final
class ResponseNorm(nn.LocalResponseNorm):
    """torch's, computed in float32 for pictures of half precision: on a CPU it has no kernel for them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels, height, width) -> the same shape."""
        half = x.dtype in (torch.bfloat16, torch.float16)
        return super().forward(x.float()).to(x.dtype) if half else super().forward(x)


@final
class SqueezeExcitation(nn.Module):
    """Scale each map by a number from 0 to 1 drawn from all of them: Hu et al. 2018, Figs. 2 and 3.

    `ratio` is r: the maps are squeezed to channels / r; at least 8, as timm's networks have it, where the paper's
    r = 16 gives 4 for the 64 maps of SE-ResNet-18 and -34.
    """

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        squeezed = max(8, channels // ratio)
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)  # 1x1 convolutions on one cell: the paper's two dense layers
        self.relu = nn.ReLU()
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels, height, width) -> the same shape."""
        return x * self.sigmoid(self.fc2(self.relu(self.fc1(self.squeeze(x)))))  # type: ignore[no-any-return]


class Heads(NamedTuple):
    """What a network with auxiliary classifiers answers while it trains; in eval mode it answers `logits` alone.

    The loss is that of `logits` plus `weight` times that of each auxiliary answer.
    """

    logits: torch.Tensor
    auxiliary: tuple[torch.Tensor, ...]
    weight: float


def he_initialise(net: Net, mode: Literal["fan_out", "fan_in"] = "fan_out") -> Net:
    """Draw each convolution's weights from a normal of variance 2 / fan-out, set its bias to 0; in place.

    He et al. 2015, "Delving Deep into Rectifiers", eq. 14: the variance of the gradient then survives a ReLU; that
    of the maps does with "fan_in", eq. 10.
    """
    for module in _convolutions(net):
        nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return net


def initialise(net: Net, how: str, paper: Callable[[nn.Module], object] = he_initialise) -> Net:
    """Draw the weights of `net` anew, in place: "paper" as its paper says, "he" or "xavier" for every family.

    "he" is `he_initialise`; "xavier" is Glorot and Bengio 2010, eq. 16: a uniform draw of variance
    2 / (fan-in + fan-out), biases 0, for convolutions and linear layers.
    """
    if any(parameter.is_meta for parameter in net.parameters()):
        return net  # nothing to draw; torch would import its compiler for that, which takes a second
    if how == "paper":
        paper(net)
    elif how == "he":
        he_initialise(net)
    else:
        for module in _weighted(net):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


def gaussian(net: Net) -> Net:
    """A draw as papers before 2014 print it: weights normal with deviation 0.01, biases 0; in place."""
    for module in _weighted(net):
        nn.init.normal_(module.weight, std=0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return net


def _convolutions(net: nn.Module) -> Iterator[nn.Conv2d | nn.ConvTranspose2d]:
    return (module for module in net.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d))


def _weighted(net: nn.Module) -> Iterator[nn.Conv2d | nn.ConvTranspose2d | nn.Linear]:
    """Convolutions, then linear layers: initial weights are drawn in this order."""
    yield from _convolutions(net)
    yield from (module for module in net.modules() if isinstance(module, nn.Linear))
