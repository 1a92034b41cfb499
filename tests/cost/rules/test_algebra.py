"""Linear algebra and other products that few networks ask for, each against a count by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from function import Call
from striate.cost.count import count
from striate.cost.rules import work_of

aten, linalg = torch.ops.aten, torch.linalg


def on_meta(*shape, dtype=torch.float32):
    return torch.empty(shape, dtype=dtype, device="meta")


def counted(function, *shapes):
    found = count(Call(function), tuple(on_meta(*shape) for shape in shapes))
    return found.macs, found.additions, found.comparisons, found.transcendental


# a matrix of 4: elimination has 3*3 + 2*2 + 1 products, 3 + 2 + 1 quotients and as many to compare for the pivot
ELIMINATION = (14, 6, 6, 0)
# a vector by a triangle of 4: 3 + 2 + 1 products, 4 quotients
SOLVED, UNIT = (6, 4), (6, 0)


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        (lambda a: linalg.lu_factor(a)[0], [(4, 4)], ELIMINATION),
        (lambda a: linalg.lu_factor(a)[0], [(2, 4, 4)], (28, 12, 12, 0)),
        (lambda a: linalg.lu_factor(a)[0], [(4, 2)], (3 * 1 + 2 * 0, 3 + 2, 3 + 2, 0)),
        (lambda a: linalg.lu(a)[1], [(4, 4)], ELIMINATION),
        (linalg.det, [(4, 4)], (14, 6 + 4, 6, 0)),  # and the diagonal's product
        (lambda a: linalg.slogdet(a)[1], [(4, 4)], (14, 6 + 4, 6 + 4, 4)),
        (linalg.inv, [(4, 4)], (4 * 4 * 4, 6 + 4 * 4, 6, 0)),
        (linalg.solve, [(4, 4), (4, 2)], (14 + 2 * (6 + 6), 6 + 2 * 4, 6, 0)),
        (linalg.solve, [(4, 4), (4,)], (14 + 6 + 6, 6 + 4, 6, 0)),
        (lambda a, b: linalg.solve(a, b, left=False), [(4, 4), (3, 4)], (14 + 3 * 12, 6 + 3 * 4, 6, 0)),
        (linalg.solve, [(5, 4, 4), (5, 4, 2)], tuple(5 * each for each in (14 + 24, 6 + 8, 6, 0))),
        (lambda a, b: linalg.solve_triangular(a, b, upper=True), [(4, 4), (4, 3)], (18, 12, 0, 0)),
        (lambda a, b: linalg.solve_triangular(a, b, upper=True, unitriangular=True), [(4, 4), (4, 3)], (18, 0, 0, 0)),
        (lambda a, b: torch.triangular_solve(b, a)[0], [(4, 4), (4, 3)], (18, 12, 0, 0)),
        # columns 0 to 3, each less those before it: 0*4 + 1*3 + 2*2 + 3*1; quotients below; four roots
        (linalg.cholesky, [(4, 4)], (10, 6, 0, 4)),
        (lambda a, b: torch.cholesky_solve(b, a), [(4, 4), (4, 3)], (2 * 18, 2 * 12, 0, 0)),
        (torch.cholesky_inverse, [(6, 6)], (6**3 // 3, 6, 0, 0)),
        # reflections: m n^2 - n^3/3 for the triangle, and as many for the first columns of the other
        (lambda a: linalg.qr(a, mode="r")[1], [(6, 3)], (6 * 9 - 9, 0, 0, 3)),
        (lambda a: linalg.qr(a)[1], [(6, 3)], (2 * (6 * 9 - 9), 0, 0, 6)),
        # ... and for all: 2 (m^2 n - m n^2 + n^3/3)
        (lambda a: linalg.qr(a, mode="complete")[1], [(6, 3)], (45 + 2 * (108 - 54 + 9), 0, 0, 6)),
        (lambda a: torch.geqrf(a)[0], [(6, 3)], (45, 0, 0, 3)),
        (linalg.householder_product, [(6, 3), (3,)], (45, 0, 0, 3)),
        (torch.ormqr, [(6, 3), (3,), (6, 5)], (5 * (2 * 6 * 3 - 3 * 3), 0, 0, 0)),
        # the triangle, reflections on two vectors, two substitutions in a triangle of 3
        (lambda a, b: linalg.lstsq(a, b)[0], [(6, 3), (6, 2)], (45 + 2 * 27 + 2 * 3, 2 * 3, 0, 3)),
        (linalg.eigvalsh, [(6, 6)], (2 * 6**3 // 3, 0, 0, 0)),
        (lambda a: linalg.eigh(a)[1], [(6, 6)], (9 * 6**3 // 2, 0, 0, 0)),
        (lambda a: linalg.eigvals(a).real, [(6, 6)], (5 * 6**3, 0, 0, 0)),
        (lambda a: linalg.eig(a)[0].real, [(6, 6)], (25 * 6**3 // 2, 0, 0, 0)),
        (linalg.svdvals, [(6, 3)], (2 * 6 * 9 - 2 * 9, 0, 0, 0)),
        (linalg.svdvals, [(3, 6)], (2 * 6 * 9 - 2 * 9, 0, 0, 0)),
        (lambda a: linalg.svd(a, full_matrices=False)[0], [(6, 3)], (7 * 6 * 9 + 4 * 27, 0, 0, 0)),
        (lambda a: linalg.svd(a)[0], [(6, 2)], (2 * 36 * 2 + 4 * 6 * 4 + 9 * 8 // 2, 0, 0, 0)),
        # singular vectors; 3 kept?, 3 quotients, 3 columns times them; a product of 3x3 and 3x6
        (linalg.pinv, [(6, 3)], (7 * 54 + 108 + 3 * 3 * 6, 3 + 9, 3, 0)),
        (linalg.matrix_exp, [(4, 4)], (5 * 64, 0, 0, 0)),
        (lambda a: linalg.matrix_power(a, 3), [(4, 4)], (2 * 64, 0, 0, 0)),
        (lambda a, b: linalg.cross(a, b), [(5, 3), (5, 3)], (0, 15 * 3, 0, 0)),
        (torch.trace, [(4, 4)], (0, 3, 0, 0)),
        (torch.addr, [(4, 5), (4,), (5,)], (0, 20 * 2, 0, 0)),
        (linalg.vecdot, [(2, 3), (2, 3)], (0, 6 + 4, 0, 0)),
        (torch.kron, [(2, 3), (4, 5)], (0, 6 * 20, 0, 0)),
        (lambda a, b: torch.tensordot(a, b, 1), [(2, 3), (3, 4)], (24, 0, 0, 0)),
        (linalg.multi_dot, None, (2 * 3 * 4 + 2 * 4 * 5, 0, 0, 0)),
        (torch.dist, [(2, 3), (2, 3)], (0, 6 + 6 + 5, 0, 1)),  # differences, squares, their sum, a root
        # four rows: squares and their sum 5, a root; too long?, a sum and a quotient, and 3 products
        (lambda x: torch.renorm(x, 2, 0, 1.0), [(4, 3)], (0, 4 * (5 + 2 + 3), 4, 4)),
    ],
)
def test_linear_algebra(function, shapes, expected):
    if shapes is None:
        found = count(Call(lambda a, b, c: function([a, b, c])), (on_meta(2, 3), on_meta(3, 4), on_meta(4, 5)))
        assert (found.macs, found.additions) == expected[:2]
    else:
        assert counted(function, *shapes) == expected


def test_a_complex_matrix_is_four_real_ones():
    found = count(Call(linalg.inv), on_meta(4, 4, dtype=torch.complex64))
    assert found.macs == 4 * 4**3


def test_backward_of_a_solution_and_a_layer_kept_orthogonal():
    step = count(Call(linalg.solve), (on_meta(4, 4), on_meta(4, 2)), training=True, input_gradient=True)
    # the other way round by the same factors; the gradient of the matrix is a product of 4x2 and 2x4
    assert step.phases["backward"].macs == 2 * (6 + 6) + 4 * 2 * 4
    net = parametrizations.orthogonal(nn.Linear(4, 4, bias=False))
    assert count(net, (4,), batch=2).macs == 5 * 64 + 4**3 + 2 * 16  # e^A, times what it began with, and the layer


@pytest.mark.parametrize(
    ("left", "right", "macs"),
    [
        ((12, 8), (2, 8, 16), 12 * 8 * 16),  # each row is in one of two groups
        ((2, 12, 8), (8, 32), 12 * 8 * 32),  # each column is
        ((12, 16), (16, 8), 12 * 16 * 8),  # each inner place is
    ],
)
def test_grouped_products(left, right, macs):
    def grouped(a, b):
        return functional.grouped_mm(a, b, offs=on_meta(2, dtype=torch.int32))

    found = count(Call(grouped), tuple(on_meta(*each, dtype=torch.bfloat16) for each in (left, right)))
    assert (found.macs, found.macs_valid) == (macs, macs)
    alike = [on_meta(3, 4, 8), on_meta(3, 8, 16)]
    assert work_of(aten._grouped_mm.default, alike, {}, [on_meta(3, 4, 16)]).macs == 3 * 4 * 8 * 16


def test_products_with_what_follows_them():
    bias, left, right, result = on_meta(5), on_meta(2, 3), on_meta(3, 5), [on_meta(2, 5)]
    for options, extra in [({}, (10, 10, 0)), ({"use_gelu": True}, (10 + 40, 0, 10))]:
        done = work_of(aten._addmm_activation.default, [bias, left, right], options, result)
        assert (done.macs, done.additions, done.comparisons, done.transcendental) == (30, *extra)
    whole = [on_meta(2, 3, dtype=torch.int8), on_meta(3, 5, dtype=torch.int8)]
    assert work_of(aten._int_mm.default, whole, {}, result).macs == 30


def test_a_convolution_along_time():
    net = Call(lambda x: torch.conv_tbc(x, on_meta(3, 4, 5).requires_grad_(), on_meta(5).requires_grad_(), 1))
    step = count(net, on_meta(6, 2, 4), training=True, input_gradient=True)
    forward, backward = step.phases["forward"], step.phases["backward"]
    assert (forward.macs, forward.additions) == (6 * 2 * 5 * 3 * 4, 6 * 2 * 5)
    assert forward.macs_valid == (5 + 6 + 5) * 2 * 5 * 4
    assert backward.macs == 2 * forward.macs_valid  # torch's own has no products with padding


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_deformable_convolution(masked, groups):
    ops = pytest.importorskip("torchvision.ops")
    layer = ops.DeformConv2d(4, 6, 3, groups=groups)
    offsets, mask, places = on_meta(2, 2 * 9, 6, 6), on_meta(2, 9, 6, 6), 2 * 9 * 6 * 6
    given = (on_meta(2, 4, 8, 8), offsets, *([mask] if masked else []))
    step = count(layer, given, training=True, input_gradient=True)
    forward, backward = step.phases["forward"], step.phases["backward"]
    results, sampled = 2 * 6 * 6 * 6, 4 * places
    products = results * (4 // groups) * 9
    assert (forward.macs, backward.macs, step.activations) == (products, 2 * products, results)
    # two coordinates, each moved, with two weights; four products of weights
    placed = places * (2 * (1 + 2) + 4)
    # four taps times their weights, their sum; the mask; the bias
    assert forward.additions == placed + sampled * (7 + masked) + results
    assert forward.comparisons == backward.comparisons == places * 2 * (1 + 2 * 2)  # its floor; are both taps inside?
    # sampled again; to each tap of the picture 2; to each axis and tap 3; the mask in three places; the bias
    each = 7 + 4 * 2 + 2 * 4 * 3 + 4 * masked
    (done,) = (work for phase, name, work in step.rows[0].works if name == "_deform_conv2d_backward")
    assert done.additions == placed + sampled * each + results - 6


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
@pytest.mark.parametrize("both", [False, True])
def test_packed_sequences_are_as_long_as_they_are(kind, gates, both):
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = getattr(nn, kind)(4, 5, batch_first=True, bidirectional=both)

        def forward(self, x):
            packed = pack_padded_sequence(x, [7, 4, 2], batch_first=True)
            return pad_packed_sequence(self.layer(packed)[0], batch_first=True)[0]

    step = count(Packed(), (7, 4), batch=3, training=True, optimizer=None)
    forward = (7 + 4 + 2) * gates * 5 * (4 + 5) * (1 + both)
    assert step.phases["forward"].macs == forward
    # the input asks for no gradient, nor does a first state: of three sequences, or backwards of the longest alone
    assert step.phases["backward"].macs == 2 * forward - gates * 5 * ((1 + both) * 13 * 4 + (3 + both) * 5)
