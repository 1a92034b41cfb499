"""Operators of everyday, each against a count by hand; and all functions of torch that take plain arguments."""

import inspect
import warnings
from collections import defaultdict
from itertools import chain

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from function import Call
from striate.cost.count import count
from striate.cost.rules import rule_of
from striate.cost.walk.kernels import as_on_a_cpu


def on_meta(*shape, dtype=torch.float32):
    return torch.empty(shape, dtype=dtype, device="meta")


def whole(*shape):
    return on_meta(*shape, dtype=torch.long)


def counted(function, *given, **options):
    found = count(Call(function), given, **options)
    return found.additions, found.comparisons, found.transcendental


ONE, TWO = [on_meta(2, 3)], [on_meta(2, 3)] * 2


@pytest.mark.parametrize(
    ("function", "given", "expected"),  # for each of 6: additions, comparisons, transcendental
    [
        (torch.frac, ONE, (1, 1, 0)),
        (torch.nan_to_num, ONE, (0, 3, 0)),
        (torch.signbit, ONE, (0, 1, 0)),
        (torch.isposinf, ONE, (0, 1, 0)),
        (torch.isfinite, ONE, (1, 3, 0)),  # itself, and not endless: |x|, compared; both
        (torch.logit, ONE, (2, 0, 1)),
        (lambda x: torch.logit(x, 0.1), ONE, (2, 2, 1)),
        (torch.hypot, TWO, (3, 0, 1)),
        (torch.heaviside, TWO, (0, 2, 0)),
        (torch.logaddexp, TWO, (3, 1, 2)),
        (torch.logaddexp2, TWO, (3, 1, 2)),
        (torch.sinc, ONE, (2, 1, 1)),
        (torch.deg2rad, ONE, (1, 0, 0)),
        (torch.rad2deg, ONE, (1, 0, 0)),
        (torch.ldexp, [on_meta(2, 3), whole(2, 3)], (1, 0, 0)),
        (torch.nextafter, TWO, (0, 1, 0)),
        (torch.bitwise_left_shift, [whole(2, 3)] * 2, (0, 1, 0)),
        (torch.gcd, [whole(2, 3)] * 2, (1, 1, 0)),
        (lambda x: torch.float_power(x, 0.3), ONE, (0, 0, 1)),
        (torch.special.entr, ONE, (2, 1, 1)),
        (torch.special.xlog1py, TWO, (2, 1, 1)),
        (lambda x: torch.mvlgamma(x, 2), ONE, (4, 0, 2)),
        (torch.conj_physical, ONE, (0, 0, 0)),
        *(
            (each, ONE, (0, 0, 1))
            for each in (torch.lgamma, torch.digamma, torch.i0, torch.asinh, torch.acosh, torch.atanh)
        ),
        *((each, ONE, (0, 0, 1)) for each in (torch.special.i0e, torch.special.i1, torch.special.erfcx)),
        *((each, TWO, (0, 0, 1)) for each in (torch.igamma, torch.special.zeta)),
        (lambda x: torch.bucketize(x, on_meta(7)), ONE, (0, 3, 0)),  # 8 places are 3 halves
        (lambda x: torch.searchsorted(on_meta(2, 8), x), ONE, (0, 4, 0)),
        (lambda x: torch.isin(x, 1.0), ONE, (0, 1, 0)),
        (lambda x: x.take(whole(6)), ONE, (0, 0, 0)),
        (lambda x: x.put(whole(6), on_meta(6)), ONE, (0, 0, 0)),
        (lambda x: x.put(whole(6), on_meta(6), accumulate=True), ONE, (1, 0, 0)),
        (lambda x: x.index_reduce(0, whole(2), x, "amax"), ONE, (1, 0, 0)),
        (lambda x: x.masked_scatter(x > 0, x), ONE, (0, 1, 0)),
        (lambda x: torch.histogram(x, 4, range=(0.0, 1.0))[0], ONE, (4, 2, 0)),
        (lambda x: torch.histogram(x, on_meta(5))[0], ONE, (1, 3, 0)),
        (lambda x: x + torch.hann_window(3, device="meta"), ONE, None),
    ],
)
def test_pointwise(function, given, expected):
    if expected is None:
        assert counted(function, *given) == (6 + 3 * 3, 0, 3)  # a - b cos(c n) for each of three
    else:
        assert counted(function, *given) == tuple(6 * each for each in expected)


def test_what_is_in_a_row_is_found_by_halves():
    # four numbers sorted, two halvings each; six numbers found by two halvings and compared
    assert counted(lambda x: torch.isin(x, on_meta(4)), *ONE) == (0, 4 * 2 + 6 * (2 + 1), 0)


def test_backward_of_a_logit():
    for bounds, comparisons in ((None, 0), (0.1, 2)):
        step = count(Call(lambda x, eps=bounds: torch.logit(x, eps)), ONE[0], training=True, input_gradient=True)
        (done,) = (work for row in step.rows for _, name, work in row.works if name == "logit_backward")
        assert (done.additions, done.comparisons) == (6 * 3, 6 * comparisons)


def test_all_ways_to_read_a_sequence():
    def loss(x):
        return functional.ctc_loss(x, torch.ones(2, 3, dtype=torch.long), (5, 4), (3, 2), reduction="none")

    step = count(Call(loss), on_meta(5, 2, 6), training=True, input_gradient=True, loss=lambda y: y.sum())
    works = {name: work for row in step.rows for _, name, work in row.works}
    states = 5 * (2 * 3 + 1) + 4 * (2 * 2 + 1)
    forward, backward = works["_ctc_loss"], works["_ctc_loss_backward"]
    # of three powers: less the largest 3, their sum 2, the largest 1, the label's 1; equal labels, and the largest 2
    assert (forward.additions, forward.comparisons) == (states * 7 + 2 * 5, states * 3 + 2)
    assert forward.transcendental == states * (3 + 1) + 2 * (2 + 1)
    assert backward.transcendental == states * (4 + 3) + 5 * 2 * 6 * 2
    assert backward.additions == states * (7 + 5) + 5 * 2 * 6 * 4


# --- all functions that take plain arguments --------------------------------------------------------------------------

PLACES = (torch, functional, torch.linalg, torch.fft, torch.special, Tensor)
# Values decide how much these do, and counting has none; or tensors are not what they are about.
NOT_COUNTED = """
    allclose argwhere bincount nonzero unique unique_consecutive masked_select corrcoef cov hash_tensor histogramdd
    matrix_sqrth vander lobpcg batch_norm_stats
"""
# Polynomials and functions of Bessel and Airy, by name
RARELY_MET = ("bessel", "airy", "polynomial")
# Sparse, nested and quantized tensors, and what is no operation
OTHERS = """
    sparse nested quant fbgemm mkldnn cudnn miopen indices nnz _dim values hsmm hspmm saddmm sspaddmm smm _philox
    to_dense compile save load seed deterministic threads profil set_ register qscheme coalesce while_loop
    import_ir vmap fork wait autocast int_repr q_ pinned to_padded vulkan sym_ numpy tolist storage pin_memory cuda
    share record backward data_ptr dlpack map apply_ retain requires_grad hook crow ccol grad_fn _make manual
"""


def functions():
    """Each name once: a tensor's methods are mostly the functions again."""
    named = set()
    for place in PLACES:
        for name in dir(place):
            function = getattr(place, name)
            if name.startswith("_") or name in named or inspect.isclass(function) or not callable(function):
                continue
            if name in NOT_COUNTED.split() or any(each in name for each in (*RARELY_MET, *OTHERS.split())):
                continue
            named.add(name)
            yield f"{place.__name__}.{name}", function


def arguments():
    """What a function may be called with: matrices, rows, pictures, whole and complex numbers; numbers behind them."""

    def asking(*shape):
        return on_meta(*shape).requires_grad_()

    square, one, flags = asking(4, 4), whole(4, 4), on_meta(4, 4, dtype=torch.bool)
    yield from ((square,), (square, square), (square, square, square), (square, 2), (square, 0, 1), (square, 0.5))
    yield from ((asking(4),), (asking(4), asking(4)), (square, asking(4)), (asking(2, 3, 8),), (asking(2, 3, 8), 2))
    yield from ((asking(2, 3, 8, 8),), (asking(2, 3, 8, 8), 2), (one,), (one, one), (one, 2), (flags,), (flags, flags))
    yield from ((on_meta(4, 4, dtype=torch.complex64),), ([square, square],), (square, [0]), (square, (2, 2)), (4,))
    yield from ((square, 0, one), (square, 0, one, square), (square, flags), (square, flags, 0.5), (square, whole(4)))
    yield from ((square, 0, whole(4), square), (square, 2, 1), (square, -1, 1.0), (square, square, whole(4)))
    yield from (
        (asking(5, 2, 4), asking(5, 4, 3)),
        (asking(5, 2, 3), asking(5, 2, 4), asking(5, 4, 3)),
        (asking(6, 4),),
    )


class Lacking(TorchDispatchMode):
    """Collects the operators that have no rule."""

    def __init__(self):
        super().__init__()
        self.found, self.seen = defaultdict(set), set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.add(func)
        if rule_of(func) is None:
            self.found[str(func)].add(self.of)
        return func(*args, **(kwargs or {}))


@pytest.mark.slow
def test_every_function_of_torch_that_takes_plain_arguments_has_rules_forward_and_backward():
    lacking, given = Lacking(), list(arguments())
    with warnings.catch_warnings(), as_on_a_cpu(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        for name, function in functions():
            lacking.of = name
            for each in given:
                try:
                    with lacking:
                        answer = function(*each)
                        answers = answer if isinstance(answer, (tuple, list)) else (answer,)
                        sums = [one.abs().sum() for one in answers if isinstance(one, Tensor) and one.requires_grad]
                        if sums:
                            sum(sums).backward()
                except Exception:  # not what it takes
                    continue
    assert not lacking.found
    assert len(lacking.seen) > 500


def test_lists_of_what_is_left_out_are_about_something_that_there_is():
    names = set(chain.from_iterable(map(dir, PLACES)))
    assert not set(NOT_COUNTED.split()) - names
    assert all(any(word in name for name in names) for word in RARELY_MET)
