"""Normalisation. n numbers are normalised in c channels, or in rows of their own."""

from math import prod

from striate.cost.rules.rule import Rule, both, each_given, table
from striate.cost.walk.events import Call
from striate.cost.work import Work


def _batch_norm(training: bool | None) -> Rule:
    """x * scale + shift, from running statistics or from those of the batch.

    The batch's mean is 1 operation an element, its variance 3 (difference, square, mean), the rest 2. For a channel:
    root of variance + epsilon, scale and shift; in training the running mean and variance move (7 with the
    correction from a variance of n to one of n - 1).
    """

    def rule(call: Call) -> Work:
        given, weight, bias = call.args[:3]
        own = call.args[5] if training is None else training
        moves = own and len(call.args) > 3 and hasattr(call.args[3], "shape")
        channel = 2 + (weight is not None) + (bias is not None) + (7 if moves else 0)
        return both(given.shape, (6 if own else 2, 0, 0), given.shape[1:2], (channel, 0, 1))

    return rule


def _batch_norm_backward(call: Call) -> Work:
    """In training: sums of g and of g (x - mean), 4 an element; then (g - a - (x - mean) b) c, 5 an element.

    From running statistics: g c, and the two sums only where scale and shift are trained.
    """
    gradient, training, (of_input, of_weight, of_bias) = call.shape(), call.args[7], call.args[9]
    sums = training or of_weight or of_bias
    element = (4 if sums else 0) + ((5 if training else 1) if of_input else 0)
    channel = (-2 if sums else 0) + (5 if training else 1) * bool(of_input) + bool(of_weight)
    return both(gradient, (element, 0, 0), gradient[1:2], (channel, 0, 0))


def _layer_norm(call: Call) -> Work:
    """Mean 1 an element, variance 3, (x - mean) / deviation 2, scale 1, shift 1; a root for each row."""
    given, inner, weight, bias = call.shape(), call.args[1], call.args[2], call.args[3]
    element = 6 + (weight is not None) + (bias is not None)
    return both(given, (element, 0, 0), given[: len(given) - len(inner)], (1, 0, 1))


def _layer_norm_backward(call: Call) -> Work:
    """x normalised 2; g scaled 1; sums of it and of its product with x 3; (g - a - x b) / deviation 4; parameters 3."""
    gradient, inner, weight, (of_input, of_weight, of_bias) = call.shape(), call.args[2], call.args[5], call.args[7]
    size = max(1, prod(inner))
    element = 2 + (7 + (weight is not None)) * bool(of_input) + 2 * bool(of_weight) + bool(of_bias)
    return both(gradient, (element, 0, 0), (size,), (-(bool(of_weight) + bool(of_bias)), 0, 0))


def _group_norm(call: Call) -> Work:
    """As a layer norm of each group; scale and shift are put together for each channel of each picture (3)."""
    given, _, _, pictures, channels, _, groups = call.args[:7]
    of_channels = both(given.shape, (6, 0, 0), (pictures, channels), (3, 0, 0))
    return of_channels + both((), (0, 0, 0), (pictures, groups), (1, 0, 1))


def _group_norm_backward(call: Call) -> Work:
    """Sums of g and of g x 3; g a + x b + c 4; the sums put together for each channel of each picture (8)."""
    gradient, pictures, channels, of_input = call.shape(), call.args[5], call.args[6], call.args[9][0]
    return both(gradient, (3 + 4 * bool(of_input), 0, 0), (pictures, channels), (8, 0, 0))


def _rms_norm(call: Call) -> Work:
    given, inner, weight = call.shape(), call.args[1], call.argument(2, None)
    return both(given, (3 + (weight is not None), 0, 0), given[: len(given) - len(inner)], (1, 0, 1))


NORMS = table(
    {
        "native_batch_norm cudnn_batch_norm miopen_batch_norm": _batch_norm(None),
        "_native_batch_norm_legit _native_batch_norm_legit_functional": _batch_norm(None),
        "_native_batch_norm_legit_no_training _batch_norm_no_update": _batch_norm(False),
        "_batch_norm_with_update _batch_norm_with_update_functional": _batch_norm(True),
        "native_batch_norm_backward": _batch_norm_backward,
        "native_layer_norm": _layer_norm,
        "native_layer_norm_backward": _layer_norm_backward,
        "native_group_norm": _group_norm,
        "native_group_norm_backward": _group_norm_backward,
        "_fused_rms_norm": _rms_norm,
        # x normalised 1; g scaled 1; the sum of their product 2; (g - x a) / root 3; scale 2
        "_fused_rms_norm_backward": each_given(9),
        # v * (g / |v|): square, sum and product for each of v, a division and a root for each of g
        "_weight_norm_interface": lambda call: both(call.shape(), (3, 0, 0), call.shape(1), (0, 0, 1)),
        # the sum of gradient times v 2, (gradient - v a) b 3; for each of g its gradient, a and b 4, less the sum's 1
        "_weight_norm_interface_backward": lambda call: both(call.shape(), (5, 0, 0), call.shape(2), (3, 0, 0)),
    }
)
