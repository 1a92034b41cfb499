"""Class activation maps: which places of a layer's maps speak for what a network answers."""

import torch
from torch import Tensor, nn

from striate.base.errors import UsageError
from striate.inside.calls import Call, answering, calls, place_of
from striate.inside.gradient import Score, gradient

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
# Their last side is channels, or their rows are parts of a picture without a place.
TOKENS = (nn.Linear, nn.LayerNorm)


def usual_layer(found: list[Call], *, coarsest: bool = False) -> str:
    """The layer whose maps tell most: the last that makes maps of more than one cell and is no pool.

    `coarsest`: of those with the fewest cells, for networks whose answer is a picture: the bottleneck. A UsageError for
    a network that holds tokens instead of maps.
    """
    if any(isinstance(call.module, TOKENS) and call.value.ndim == 3 for call in found):
        raise UsageError(
            "layer", "this network holds tokens, and no maps", "occlusion or integrated, or a layer's name"
        )
    known = [call for call in found if call.cells > 1 and not isinstance(call.module, POOLS + TOKENS)]
    if not known:
        raise UsageError("layer", "no layer has maps of more than one cell for this picture", "a larger picture")
    least = min(call.cells for call in known)
    return next(call.name for call in reversed(known) if not coarsest or call.cells == least)


def grad_cam(
    net: nn.Module, picture: Tensor, score: Score, *, layer: str | None = None, coarsest: bool = False
) -> tuple[Tensor, str]:
    """Grad-CAM, Selvaraju et al. 2017, equations 1 and 2: the map (height, width) of a layer, and its name.

    Each map counts by the mean of the score's gradient over its places, and what is positive of the sum is left.
    `layer`: a module's name, whose last call is meant; otherwise `usual_layer`. No parameter needs a gradient.
    """
    with answering(net):
        found = calls(net, picture)
        name = usual_layer(found, coarsest=coarsest) if layer is None else _named(found, layer)
        held: list[Tensor] = []  # of each call, for the last is meant

        def hold(module: nn.Module, given: object, made: Tensor) -> Tensor:
            held.append(made)
            return made.clone()  # what follows may work in place

        handle = net.get_submodule(name).register_forward_hook(hold)
        try:
            value = score(net(picture.detach().clone().requires_grad_().clone()))
        finally:
            handle.remove()
        slopes = gradient(value, held[-1], f"layer {name}")
    weights = slopes.mean((2, 3), keepdim=True)
    return (weights * held[-1]).sum(1)[0].clamp(min=0).detach(), name


def _named(found: list[Call], layer: str) -> str:
    call = found[place_of(found, layer)]
    if call.cells == 1:
        raise UsageError("layer", f"{layer} makes maps of one cell, which have no places", "a layer before it")
    return call.name


def cam(net: nn.Module, picture: Tensor, label: int) -> tuple[Tensor, str]:
    """The class activation map of Zhou et al. 2016, section 2: (height, width), and the layer whose maps it weighs.

    For networks that end in global average pooling, with one linear layer behind it or none: the maps are weighed by
    the class's weights. That what the linear layer is given is the mean of a layer's maps is tested on the picture; a
    UsageError where it is of none.
    """
    with answering(net), torch.no_grad():
        found = [call for call in calls(net, picture) if not isinstance(call.module, nn.Identity)]
        output = net(picture)
    last = found[-1] if found else None
    linear = last.module if last is not None and isinstance(last.module, nn.Linear) else None
    given = output if linear is None or last is None else last.given
    if given.ndim != 2 or output.ndim != 2:
        raise _no_pooling()
    for call in reversed(found):
        if call.cells > 1 and call.value.shape[:2] == given.shape:
            means = call.value.mean((2, 3))
            if torch.allclose(means, given, rtol=1e-4, atol=1e-5 * float(given.abs().max())):
                maps = call.value[0]
                weights = torch.eye(len(maps), device=maps.device)[label] if linear is None else linear.weight[label]
                return torch.einsum("k,khw->hw", weights.detach().to(maps), maps), call.name
    raise _no_pooling()


def _no_pooling() -> UsageError:
    cause = "the network does not end in the mean of a layer's maps and one linear layer"
    return UsageError("cam", cause, "grad-cam, which needs no such end")
