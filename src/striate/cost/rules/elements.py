"""One operation or a few an element: arithmetic, activations, sums and means, losses."""

from torch import Tensor

from striate.cost.rules.rule import Each, Rule, both, each_given, each_result, each_row, table
from striate.cost.walk.events import Call
from striate.cost.work import NONE, Work, elementwise

# fmt: off
#    additions, comparisons, transcendental: for each element of the result
ELEMENTWISE: tuple[tuple[Each, str], ...] = (
    ((1, 0, 0), "mul div neg reciprocal square floor_divide remainder fmod multiply divide deg2rad rad2deg ldexp"),
    ((1, 1, 0), "frac"),                                   # x less its whole part
    ((1, 1, 0), "gcd lcm"),                                # one step of Euclid's: how many there are, values say
    ((0, 0, 0), "conj_physical _conj_physical"),           # of real numbers
    ((3, 0, 0), "lerp"),                                   # a + w (b - a)
    ((0, 1, 0), "relu threshold clamp_min clamp_max maximum minimum fmax fmin abs sign sgn eq ne lt le gt ge "
                "logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_not bitwise_xor isnan "
                "isinf floor ceil round trunc hardshrink angle signbit isposinf isneginf bitwise_left_shift "
                "bitwise_right_shift nextafter frexp"),
    ((0, 2, 0), "hardtanh heaviside"),
    ((0, 3, 0), "nan_to_num"),                             # none, or above or below all?
    ((1, 2, 0), "softshrink"),
    ((1, 1, 0), "leaky_relu _prelu_kernel rrelu_with_noise rrelu_with_noise_functional"),
    ((2, 2, 0), "hardsigmoid"),                            # clamp(x + 3, 0, 6) / 6
    ((3, 2, 0), "hardswish"),                              # x clamp(x + 3, 0, 6) / 6
    ((0, 0, 1), "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan atan2 sinh cosh tanh erf "
                "erfc erfinv acosh asinh atanh lgamma digamma polygamma igamma igammac i0 special_i0e special_i1 "
                "special_i1e special_erfcx special_ndtri special_log_ndtr special_zeta"),
    ((3, 0, 1), "hypot"),                                  # the root of a a + b b
    ((2, 1, 1), "sinc special_entr special_xlog1py"),      # sin(pi x) / (pi x); -x log x; x log(1 + y); or 0 or 1
    ((3, 1, 2), "logaddexp logaddexp2"),                   # a + log(1 + e^(b - a)) with a the larger
    ((3, 0, 1), "sigmoid silu"),                           # 1 / (1 + e^-x), x / (1 + e^-x)
    ((1, 1, 1), "xlogy"),                                  # x log y, or 0
    ((1, 1, 1), "elu celu selu"),                          # x, or a (e^x - 1)
    ((2, 1, 2), "softplus"),                               # log(1 + e^bx) / b
    ((2, 2, 2), "log_sigmoid_forward"),                    # min(0, x) - log(1 + e^-|x|)
    ((1, 0, 3), "mish"),                                   # x tanh(log(1 + e^x))
    ((4, 0, 1), "glu"),                                    # a / (1 + e^-b), and the product
    ((2, 1, 0), "native_dropout"),                         # drawn below the rate?, mask, scale
)
#    ... and of backward, for each element of the first argument, which is the gradient
BACKWARD: tuple[tuple[Each, str], ...] = (
    ((0, 1, 0), "threshold_backward hardshrink_backward softshrink_backward"),
    ((0, 2, 0), "hardtanh_backward"),
    ((1, 1, 0), "leaky_relu_backward rrelu_with_noise_backward"),
    ((2, 1, 0), "_prelu_kernel_backward"),                 # the slope has a gradient too
    ((1, 2, 0), "hardsigmoid_backward"),                   # g / 6 inside
    ((3, 2, 0), "hardswish_backward"),                     # g (x / 3 + 0.5) inside
    ((3, 0, 0), "sigmoid_backward tanh_backward"),         # g (1 - y) y, g (1 - y y)
    ((8, 0, 1), "silu_backward"),                          # s of (3, 0, 1), g s (1 + x (1 - s))
    ((2, 1, 1), "elu_backward"),                           # g, or g a e^x
    ((4, 1, 1), "softplus_backward log_sigmoid_backward"), # g z / (z + 1) with z = e^bx
    ((9, 0, 4), "mish_backward"),                          # s of (3, 0, 1), t of (0, 0, 3), g (t + x s (1 - t t))
    ((8, 0, 1), "glu_backward"),                           # s of (3, 0, 1), g s, and g s (1 - s) a
    ((2, 0, 0), "native_dropout_backward"),
    ((3, 0, 0), "max_unpool2d_backward"),
)
#    ... and n numbers reduced to m: for each of n, for each of m
REDUCTIONS: tuple[tuple[Each, Each, str], ...] = (
    ((1, 0, 0), (-1, 0, 0), "sum prod nansum"),
    ((1, 0, 0), (0, 0, 0),  "mean cumsum cumprod"),        # a mean: n - m sums and m divisions
    ((0, 1, 0), (0, -1, 0), "amax amin max min argmax argmin all any aminmax"),
    ((4, 0, 0), (0, 0, 0),  "var var_mean"),               # mean n; difference, square, their mean 3 n
    ((4, 0, 0), (0, 0, 1),  "std std_mean"),
    ((2, 0, 0), (-1, 0, 1), "linalg_vector_norm norm native_norm"),    # the square root of the sum of squares
    ((2, 1, 1), (0, -1, 1), "logsumexp"),                  # largest, subtract, e^, sum, log, add the largest
)
#    ... and losses: for each element of the output, without the sum
LOSSES: tuple[tuple[Each, str], ...] = (
    ((2, 0, 0), "mse_loss"),
    ((4, 2, 0), "smooth_l1_loss huber_loss"),
    ((5, 0, 2), "binary_cross_entropy"),                   # -(y log p + (1 - y) log(1 - p))
    ((7, 1, 2), "binary_cross_entropy_with_logits"),
    ((3, 0, 2), "soft_margin_loss"),                       # log(1 + e^(-y x))
)
LOSSES_BACKWARD: tuple[tuple[Each, str], ...] = (
    ((3, 0, 0), "mse_loss_backward"),                      # (x - y) g 2/n
    ((3, 2, 0), "smooth_l1_loss_backward huber_loss_backward"),
    ((5, 0, 0), "binary_cross_entropy_backward"),          # g (p - y) / (p (1 - p))
    ((7, 0, 1), "soft_margin_loss_backward"),              # -y z / (z + 1) g/n with z = e^(-y x)
)
# fmt: on


def _power(call: Call) -> Work:
    """Squares and cubes are products, other powers are transcendental."""
    exponent = call.args[1]
    if not isinstance(exponent, Tensor) and exponent in (1, 2, 3):
        return elementwise(call.result, int(exponent) - 1)
    return elementwise(call.result, transcendental=1)


def _clamp(call: Call) -> Work:
    bounds = [*call.args[1:], call.kwargs.get("min"), call.kwargs.get("max")]
    return elementwise(call.result, comparisons=sum(bound is not None for bound in bounds))


def _logit(call: Call) -> Work:
    """log(x / (1 - x)), with x between bounds if there are any."""
    bounds = 0 if call.argument(1, None) is None else 2
    return elementwise(call.result, 2, bounds, 1)


def _logit_backward(call: Call) -> Work:
    """g / (x (1 - x)), or nothing outside the bounds."""
    bounds = 0 if call.argument(2, None) is None else 2
    return elementwise(call.result, 3, bounds)


def _gelu_backward(call: Call) -> Work:
    """g (0.5 (1 + erf(x / sqrt 2)) + x k e^(-x x / 2)), or the same of the other form."""
    tanh = call.kwargs.get("approximate") == "tanh"
    return elementwise(call.shape(), 17 if tanh else 9, transcendental=1 if tanh else 2)


def _reduction(element: Each, result: Each) -> Rule:
    return lambda call: both(call.shape(), element, call.result, result)


def _loss(element: Each) -> Rule:
    """A mean adds one operation for each element, a sum one less."""
    additions, *others = element

    def rule(call: Call) -> Work:
        return elementwise(call.shape(), additions + (call.shape() != call.result), *others)

    return rule


ELEMENTS = table(
    {
        **{names: each_result(*each) for each, names in ELEMENTWISE},
        **{names: each_given(*each) for each, names in BACKWARD},
        **{names: _reduction(n, m) for n, m, names in REDUCTIONS},
        **{names: _loss(each) for each, names in LOSSES},
        **{names: each_given(*each, position=1) for each, names in LOSSES_BACKWARD},
        # a + alpha b: the product is left out where alpha is 1
        "add sub rsub": lambda call: elementwise(call.result, 1 if call.kwargs.get("alpha", 1) == 1 else 2),
        # a + value b c, and a + value b / c
        "addcmul addcdiv": lambda call: elementwise(call.result, 2 if call.kwargs.get("value", 1) == 1 else 3),
        "pow": _power,
        "clamp": _clamp,
        "logit": _logit,
        "logit_backward": _logit_backward,
        # the sum of so many logarithms of gamma functions, of x - j/2
        "mvlgamma": lambda call: elementwise(call.result, 2 * call.args[1], 0, call.args[1]),
        # 0.5 x (1 + erf(x / sqrt 2)), or 0.5 x (1 + tanh(b (x + k x x x)))
        "gelu": lambda call: elementwise(call.result, 8 if call.kwargs.get("approximate") == "tanh" else 4, 0, 1),
        "gelu_backward": _gelu_backward,
        # largest of a row, subtract it, e^, their sum, divide (or subtract the logarithm of the sum)
        "_softmax _safe_softmax": each_row((3, 1, 1), (-1, -1, 0)),
        "_log_softmax": each_row((3, 1, 1), (-1, -1, 1)),
        # (g - sum(g y)) y, and g - e^y sum(g)
        "_softmax_backward_data": each_row((4, 0, 0), (-1, 0, 0), axis_at=2),
        "_log_softmax_backward_data": each_row((3, 0, 1), (-1, 0, 0), axis_at=2),
        # one number is picked for each target; they are added up and divided once
        "nll_loss_forward nll_loss2d_forward": each_given(1, position=1),
        "nll_loss_backward nll_loss2d_backward": each_given(1, position=2),
        "index_put _unsafe_index_put _index_put_impl": lambda call: (
            elementwise(call.shape(2), 1) if call.argument(3, call.kwargs.get("accumulate")) else NONE
        ),
        "embedding_dense_backward": each_given(1),
        "index_add scatter_add scatter_reduce index_reduce": each_given(1, position=3),
        "put": lambda call: elementwise(call.shape(1), 1) if call.argument(3, False) else NONE,
        "segment_reduce": each_given(1),
        "equal": each_given(0, 1),
        "allclose": each_given(3, 3),  # |a - b| against one bound + another |b|
        "count_nonzero": _reduction((1, 1, 0), (-1, 0, 0)),
    }
)
