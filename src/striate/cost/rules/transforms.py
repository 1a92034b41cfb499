"""Fourier transforms, by halves: a row of n numbers is n/2 log2 n butterflies.

A butterfly is a product of two complex numbers (4 products and 2 sums of real ones) and two complex sums (4). The
logarithm is rounded up, as if a row that is no power of 2 took as many floors as the next one that is.
"""

from collections.abc import Sequence

from striate.cost.rules.rule import Arguments, Options, Results, Rule, halvings, operators
from striate.cost.work import Term, Work, work

BUTTERFLY = 10


def _complex(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    shape = tuple(args[0].shape)
    return work(additions=[*_butterflies(shape, args[1]), *_scaled(outputs[0].shape, args[2], 2)])


def _from_real(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """The last axis first, on real numbers; the others on the half that is not the other's mirror."""
    shape, axes = tuple(args[0].shape), args[1]
    rest = _butterflies(_half(shape, axes[-1]), axes[:-1])
    return work(additions=[_real(shape, axes[-1]), *rest, *_scaled(outputs[0].shape, args[2], 2)])


def _to_real(args: Arguments, kwargs: Options, outputs: Results) -> Work:
    """The other way round."""
    shape, axes = tuple(outputs[0].shape), args[1]
    rest = _butterflies(_half(shape, axes[-1]), axes[:-1])
    return work(additions=[*rest, _real(shape, axes[-1]), *_scaled(shape, args[2], 1)])


def _butterflies(shape: Sequence[int], axes: Sequence[int]) -> list[Term]:
    """Complex numbers, each in half a butterfly on each floor, along one axis after the other."""
    return [(shape, (BUTTERFLY // 2, halvings(shape[axis]))) for axis in axes]


def _real(shape: Sequence[int], axis: int) -> Term:
    """Real numbers, two of them as one complex number."""
    return (_resized(shape, axis, -(-shape[axis] // 2)), (BUTTERFLY // 2, halvings(shape[axis])))


def _half(shape: Sequence[int], axis: int) -> Sequence[int]:
    return _resized(shape, axis, shape[axis] // 2 + 1)


def _resized(shape: Sequence[int], axis: int, size: int) -> Sequence[int]:
    axis %= len(shape)
    return (*shape[:axis], size, *shape[axis + 1 :])


def _scaled(shape: Sequence[int], normalised: int, parts: int) -> list[Term]:
    """Each number divided by n or its root, if torch is asked for that."""
    return [(tuple(shape), (parts,))] if normalised else []


TRANSFORMS: dict[object, Rule] = {
    **operators("_fft_c2c", _complex),
    **operators("_fft_r2c", _from_real),
    **operators("_fft_c2r", _to_real),
}
