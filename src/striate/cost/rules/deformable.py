"""Deformable convolution, an operator of torchvision: a convolution whose taps look at places between the pixels."""

from math import prod

from striate.cost.rules.rare import BEYOND, BILINEAR, TAPS, WEIGHTS, ZEROS
from striate.cost.rules.rule import Rule
from striate.cost.walk.events import Call
from striate.cost.work import Term, Work, work

SAMPLE = 7  # four taps times their weights, and their sum
TO_PICTURE, TO_OFFSETS = 2 * 4, 4 * 2 * 3  # as in a grid of places: each tap, for the picture and for each of two axes


def _places(call: Call, at: int) -> tuple[list[Term], list[Term]]:
    """Additions and comparisons: the offset is added, the weights of four taps, and which of them are inside."""
    offsets = call.shape(at)  # two for each tap, group of channels and place
    kept = TAPS[BILINEAR]
    additions: list[Term] = [(offsets, (1 + WEIGHTS[BILINEAR],)), ((prod(offsets) // 2,), (4,))]
    return additions, [(offsets, (1 + kept * BEYOND[ZEROS][1],))]


def _sampled(call: Call, given: int, of_offsets: int) -> tuple[int, ...]:
    """One number for each channel, tap and place."""
    taps = call.shape(given + 1)[2:]
    count, _, *places = call.shape(of_offsets)
    return (count, call.shape(given)[1], *taps, *places)


def _forward(call: Call) -> Work:
    """The picture between its pixels, perhaps times a mask; then a convolution of that, and the bias."""
    sampled, masked = _sampled(call, 0, 2), bool(call.args[13])
    additions, comparisons = _places(call, 2)
    macs: Term = (call.result, call.shape(1)[1:])
    additions += [(sampled, (SAMPLE + masked,)), (call.result,)]
    return work(macs=[macs], macs_valid=[macs], additions=additions, comparisons=comparisons)


def _backward(call: Call) -> Work:
    """Two products, and the picture between its pixels once more; the gradient to it, to the offsets and to the mask.

    A mask is met three times: in what is sampled, in its gradient, and in the gradient of its own, a product and a sum.
    """
    gradient, sampled, masked = call.shape(), _sampled(call, 1, 3), bool(call.args[14])
    additions, comparisons = _places(call, 3)
    macs: Term = (gradient, call.shape(2)[1:])
    additions += [(sampled, (SAMPLE + TO_PICTURE + TO_OFFSETS + 4 * masked,)), (gradient,), ((-1,), (gradient[1],))]
    return work(macs=[macs] * 2, macs_valid=[macs] * 2, additions=additions, comparisons=comparisons)


DEFORMABLE: dict[str, Rule] = {  # by name, for the operators are there once torchvision is imported
    "torchvision.deform_conv2d": _forward,
    "torchvision._deform_conv2d_backward": _backward,
}
