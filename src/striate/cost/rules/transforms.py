"""Fourier transforms, and the windows that a signal is cut with."""

from striate.cost.rules.complex_numbers import PRODUCT
from striate.cost.rules.rule import each_result, halvings, table
from striate.cost.walk.events import Call
from striate.cost.work import Sizes, Term, Work, work

# --- windows over a signal: a cosine or two of each place, or a slope -------------------------------------------------

TAPERED = table(
    {
        "hann_window hamming_window": each_result(3, 0, 1),  # a - b cos(c n)
        "blackman_window": each_result(6, 0, 2),
        "bartlett_window": each_result(2, 1, 0),  # c n, or 2 - c n
        "kaiser_window": each_result(6, 0, 2),  # I0(b root(1 - (c n - 1)^2)) / I0(b)
    }
)

# --- Fourier transforms, by halves: a row of n numbers is n/2 log2 n butterflies --------------------------------------

# A butterfly is a product of two complex numbers and two complex sums (4). The logarithm is rounded up, as if a row
# that is no power of 2 took as many floors as the next one that is.
BUTTERFLY = PRODUCT + 4


def _from_real(call: Call) -> Work:
    """The last axis first, on real numbers; the others on the half that is not the other's mirror."""
    first, rest = _halves(call.shape(), call.args[1])
    return work(additions=[first, *rest, *_scaled(call, 2)])


def _to_real(call: Call) -> Work:
    """The other way round."""
    last, rest = _halves(call.result, call.args[1])
    return work(additions=[*rest, last, *_scaled(call, 1)])


def _butterflies(shape: Sizes, axes: Sizes) -> list[Term]:
    """Complex numbers, each in half a butterfly on each floor, along one axis after the other."""
    return [(shape, (BUTTERFLY // 2, halvings(shape[axis]))) for axis in axes]


def _halves(shape: Sizes, axes: Sizes) -> tuple[Term, list[Term]]:
    """The last axis, two real numbers as one complex one; the others on what is not its mirror."""
    axis = axes[-1] % len(shape)
    paired, half = ((*shape[:axis], size, *shape[axis + 1 :]) for size in (-(-shape[axis] // 2), shape[axis] // 2 + 1))
    return (paired, (BUTTERFLY // 2, halvings(shape[axis]))), _butterflies(half, axes[:-1])


def _scaled(call: Call, parts: int) -> list[Term]:
    """Each number divided by n or its root, if torch is asked for that."""
    return [(call.result, (parts,))] if call.args[2] else []


# From real numbers to complex ones and back: what is said here is of real operations already.
TRANSFORMS = table(
    {
        "_fft_c2c": lambda call: work(additions=[*_butterflies(call.shape(), call.args[1]), *_scaled(call, 2)]),
        "_fft_r2c": _from_real,
        "_fft_c2r": _to_real,
        "polar": each_result(2, 0, 2),  # r cos t + i r sin t
    }
)
