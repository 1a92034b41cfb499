"""Deconvnet: which parts of a picture one feature map answers to, as Zeiler and Fergus 2014 published it.

"Visualizing and Understanding Convolutional Networks", section 2.1: all other activations of the layer are set to
zero, and the map goes back to the picture, layer by layer, by unpooling with the switches of the max pools, by
rectifying, and by the transposed filters. No gradient is taken: a rectifier passes what is positive of the signal,
wherever it was open on the way up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

from striate.base.errors import UsageError
from striate.inside.calls import Call, answering, calls, path, place_of

# Affine in evaluation mode: transposed. A norm there scales each map, which is a part of the filter before it.
FILTERS = (
    nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.modules.batchnorm._BatchNorm, nn.AvgPool2d, nn.AdaptiveAvgPool2d,
    nn.Flatten, nn.ZeroPad2d,
)  # fmt: skip
# The paper names three steps, and none that would undo the contrast normalisation of its own network.
PASSED = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.LocalResponseNorm)


@final
@dataclass(frozen=True, eq=False)
class Projection:
    """One feature map in the picture: `values` (channels, height, width), in the units of what the network is given.

    `cell` is the (row, column) that was left alone, None where it was the whole map; `activation` is the map's highest.
    """

    layer: str
    feature: int
    cell: tuple[int, int] | None
    activation: float
    values: Tensor


def deconvnet(
    net: nn.Module,
    picture: Tensor,
    *,
    layer: str | None = None,
    feature: int | None = None,
    of: Literal["cell", "map"] | tuple[int, int] = "cell",
) -> Projection:
    """The projection of one feature map of `layer` for a picture (1, channels, height, width).

    - `layer`: a module's name; the last rectifier or max pool that can be projected when None.
    - `feature`: the number of a map from 0; the one with the highest activation when None.
    - `of`: "cell" projects its highest activation alone, as for Figure 2 of the paper; "map" all of it; a (row, column)
      what would come back of a 1 at that cell, whatever is active there.

    The path from the picture to the layer has to be a chain of convolutions, linear layers, norms of batches, average
    and max pools, and nn.ReLU. Where windows of a max pool overlap, what comes back to one place is added. The paper
    says nothing of response normalisation: it passes what comes back unchanged. A UsageError, with the reason, where
    there is something else on the path, or no such layer or map.
    """
    with answering(net):
        return _projected(way_to(calls(net, picture), layer), feature, of)


def way_to(found: list[Call], layer: str | None) -> list[Call]:
    """The calls from the picture to a layer, in order, that `units` goes back; refusals are those of `deconvnet`."""
    way = path(found, _last(found) if layer is None else place_of(found, layer))
    for call in way:
        _refuse(call)
    return way


def units(way: list[Call], chosen: Sequence[tuple[int, int, int]]) -> Tensor:
    """The projections of single activations (map, row, column) of one picture: (n, channels, height, width)."""
    maps = way[-1].value
    signal = maps.new_zeros((len(chosen), *maps.shape[1:]))
    for number, at in enumerate(chosen):
        signal[(number, *at)] = maps[(0, *at)]
    return _to_picture(way, signal)


def _last(found: list[Call]) -> int:
    """The deepest rectified maps, pooled or not, whose path is one that can be gone back."""
    for place in reversed(range(len(found))):
        if found[place].maps and isinstance(found[place].module, nn.ReLU | nn.MaxPool2d):
            try:
                way = path(found, place)
                for call in way:
                    _refuse(call)
            except UsageError:
                continue
            if any(isinstance(call.module, nn.ReLU) for call in way):
                return place
    cause = "no ReLU or max pool of this network is reached from the picture by a chain that a deconvnet goes back"
    raise UsageError("deconvnet", cause, "grad-cam, or another network, such as alexnet or vgg16")


def _refuse(call: Call) -> None:
    """A UsageError where a deconvnet has no way back through a module."""
    module = call.module
    plain = not isinstance(module, nn.modules.batchnorm._BatchNorm) or module.running_mean is not None
    if not isinstance(module, (nn.ReLU, nn.MaxPool2d, *PASSED)) and not (isinstance(module, FILTERS) and plain):
        cause = f"{call.name} is a {type(module).__name__}, and a deconvnet goes back through filters, pools and ReLU"
        raise UsageError("layer", cause, "a layer before it, or grad-cam")


def _projected(way: list[Call], feature: int | None, of: Literal["cell", "map"] | tuple[int, int]) -> Projection:
    maps = way[-1].value
    highest = maps[0].flatten(1).amax(1)
    chosen = int(highest.argmax()) if feature is None else feature
    if not 0 <= chosen < len(highest):
        raise UsageError("feature", f"{way[-1].name} has maps 0 to {len(highest) - 1}, and no {chosen}", "one of them")
    cell = divmod(int(maps[0, chosen].argmax()), maps.shape[3]) if isinstance(of, str) else of
    signal = torch.zeros_like(maps)
    if of == "map":
        signal[0, chosen] = maps[0, chosen]
    else:
        signal[0, chosen, *cell] = maps[0, chosen, *cell] if of == "cell" else 1
    values = _to_picture(way, signal)
    return Projection(way[-1].name, chosen, None if of == "map" else cell, float(highest[chosen]), values[0].detach())


def _to_picture(way: list[Call], signal: Tensor) -> Tensor:
    """Signals (n, ...) for one picture, each by itself."""
    for call in reversed(way):
        signal = _back(call, signal)
    return signal


def _back(call: Call, signal: Tensor) -> Tensor:
    module = call.module
    if isinstance(module, nn.ReLU):
        return signal.clamp(min=0)
    if isinstance(module, nn.MaxPool2d):
        return _unpooled(module, call.given, signal)
    if isinstance(module, PASSED):
        return signal
    if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        sides = (len(signal), *call.given.shape[1:])  # as below, without the pass forward that takes as long
        how = module.stride, module.padding, module.dilation, module.groups
        made: Tensor = conv2d_input(sides, module.weight.detach(), signal, *how)  # type: ignore[no-untyped-call]
        return made
    # of an affine map the product with its derivative is the transposed filter, at any point
    point = call.given.new_zeros((len(signal), *call.given.shape[1:])).requires_grad_()
    (back,) = torch.autograd.grad(module(point), point, signal)
    return back


def _unpooled(pool: nn.MaxPool2d, given: Tensor, signal: Tensor) -> Tensor:
    """What comes back to each window at the place of its maximum, the switch, and 0 elsewhere."""
    _, switches = functional.max_pool2d(
        given, pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode, return_indices=True
    )
    flat = given.new_zeros((len(signal), given.shape[1], given[0, 0].numel()))
    at = switches.flatten(2).expand(len(signal), -1, -1)
    return flat.scatter_add(2, at, signal.flatten(2)).view(len(signal), *given.shape[1:])
