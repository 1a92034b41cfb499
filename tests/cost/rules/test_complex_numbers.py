"""Complex numbers by one convention: a multiply-add is 4 real ones, with a real number 2; all counted by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from function import Call
from striate.cost.count import count

COMPLEX = torch.complex64


def numbers(*shape):
    return torch.empty(shape, dtype=COMPLEX, device="meta")


def real(*shape):
    return torch.empty(shape, device="meta")


def counted(function, *given):
    net = function if isinstance(function, nn.Module) else Call(function)
    return count(net, given)


def magnitude(answer):
    return answer.abs().sum()


def test_a_linear_layer_makes_four_real_products_of_each_complex_one():
    found = counted(nn.Linear(3, 4, dtype=COMPLEX), numbers(3))
    assert (found.macs, found.macs_valid, found.additions) == (4 * 12, 4 * 12, 2 * 4)
    assert "multiply-adds: 4 * 4 * 3 = 48" in found.rows[0].why()
    step = count(nn.Linear(3, 4, dtype=COMPLEX), numbers(2, 3), training=True, loss=magnitude)
    assert (step.phases["forward"].macs, step.phases["backward"].macs) == (4 * 24, 4 * 24)


def test_a_shape_stands_for_complex_numbers_where_all_weights_are():
    step = count(nn.Linear(3, 4, dtype=COMPLEX), (3,), training=True, input_gradient=True, loss=magnitude)
    assert (step.phases["forward"].macs, step.phases["backward"].macs) == (4 * 12, 2 * 4 * 12)
    mixed = nn.Sequential(nn.Linear(3, 4), Call(lambda x: x.to(COMPLEX)), nn.Linear(4, 2, dtype=COMPLEX))
    assert count(mixed, (3,)).macs == 12 + 4 * 8


CONVOLUTIONS = [
    (nn.Conv1d, (2, 7), 5, {}),
    (nn.Conv2d, (2, 5, 5), 9, {}),
    (nn.Conv2d, (2, 5, 5), 4, {"stride": 2}),
    (nn.Conv2d, (2, 5, 5), 25, {"padding": "same"}),
    (nn.Conv2d, (2, 5, 5), 9, {"padding": "valid"}),
    (nn.Conv3d, (2, 3, 3, 4), 2, {}),
]


@pytest.mark.parametrize(("kind", "shape", "places", "options"), CONVOLUTIONS)
@pytest.mark.parametrize("batched", [True, False])
def test_convolutions_make_four_forward_and_backward(kind, shape, places, options, batched):
    net, taps = kind(2, 3, 3, dtype=COMPLEX, **options), 2 * 3 ** (len(shape) - 1)
    given = numbers(*((1, *shape) if batched else shape))
    step = count(net, given, training=True, loss=magnitude)
    forward, backward = step.phases["forward"], step.phases["backward"]
    assert (forward.macs, forward.additions) == (4 * places * 3 * taps, 2 * 3 * places)
    assert backward.macs == 4 * places * 3 * taps
    assert step.activations == 3 * places
    (row,) = (each for each in step.rows if each.kind == kind.__name__)
    assert row.output == ((1, 3) if batched else (3,)) + row.output[-len(shape) + 1 :]


@pytest.mark.parametrize(("kind", "axes"), [(nn.ConvTranspose1d, 1), (nn.ConvTranspose2d, 2), (nn.ConvTranspose3d, 3)])
def test_transposed_convolutions_make_four(kind, axes):
    net = kind(2, 3, 3, stride=2, output_padding=1, bias=False, dtype=COMPLEX)
    step = count(net, numbers(1, 2, *[4] * axes), training=True, loss=magnitude)
    assert step.phases["forward"].macs == step.phases["backward"].macs == 4 * 4**axes * 2 * 3 * 3**axes
    assert step.rows[0].output == (1, 3, *[10] * axes)


def test_padding_that_is_the_same_and_even_kernels():
    found = counted(nn.Conv2d(2, 3, (2, 4), padding="same", dtype=COMPLEX), numbers(1, 2, 5, 6))
    assert (found.macs, found.rows[-1].output) == (4 * 5 * 6 * 3 * 2 * 8, (1, 3, 5, 6))


@pytest.mark.parametrize("bias", [True, False])
def test_a_real_network_of_a_complex_ones_shapes_counts_a_quarter(bias):
    def network(dtype):
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=bias, dtype=dtype),
            nn.ConvTranspose2d(8, 4, 2, bias=bias, dtype=dtype),
            nn.Flatten(),
            nn.Linear(4 * 25, 10, dtype=dtype),
        )

    one, four = (
        count(network(dtype), torch.empty(2, 3, 8, 8, dtype=dtype, device="meta"), training=True, loss=magnitude)
        for dtype in (torch.float32, COMPLEX)
    )
    for phase in ("forward", "backward"):
        assert 4 * one.phases[phase].macs == four.phases[phase].macs
        assert 4 * one.phases[phase].macs_valid == four.phases[phase].macs_valid
    assert one.activations == four.activations


@pytest.mark.parametrize(
    ("function", "given", "macs", "additions"),
    [
        (lambda a, b: a @ b, [numbers(2, 3), numbers(3, 5)], 4 * 30, 0),
        (torch.bmm, [numbers(4, 2, 3), numbers(4, 3, 5)], 4 * 120, 0),
        (torch.addmm, [numbers(2, 5), numbers(2, 3), numbers(3, 5)], 4 * 30, 2 * 10),
        (torch.baddbmm, [numbers(4, 2, 5), numbers(4, 2, 3), numbers(4, 3, 5)], 4 * 120, 2 * 40),
        (lambda a, b: torch.einsum("ij,kj->ik", a, b), [numbers(2, 3), numbers(5, 3)], 4 * 30, 0),
        (lambda a, b: torch.vdot(a[0], b[0]), [numbers(1, 7), numbers(1, 7)], 4 * 7, 0),
        (torch.mv, [numbers(4, 7), numbers(7)], 4 * 28, 0),
        (functional.bilinear, [numbers(2, 3), numbers(2, 4), numbers(5, 3, 4)], 4 * 2 * 5 * (12 + 3), 0),
    ],
)
def test_matrix_products(function, given, macs, additions):
    found = counted(function, *given)
    assert (found.macs, found.macs_valid, found.additions) == (macs, macs, additions)


ONE_AND_ANOTHER = [numbers(2, 3), numbers(2, 3)]
ONE_AND_REAL = [numbers(2, 3), real(2, 3)]


@pytest.mark.parametrize(
    ("function", "given", "additions", "comparisons", "transcendental"),  # for each of 6
    [
        (lambda a, b: a * b, ONE_AND_ANOTHER, 4 + 2, 0, 0),
        (lambda a, b: a * b, ONE_AND_REAL, 2, 0, 0),
        (lambda a, b: b * a, ONE_AND_REAL, 2, 0, 0),
        (lambda a: a * 2.0, [numbers(2, 3)], 2, 0, 0),
        (lambda a: a * 2j, [numbers(2, 3)], 6, 0, 0),
        (lambda a: a * 2j, [real(2, 3)], 2, 0, 0),
        (lambda a, b: a.mul_(b), ONE_AND_ANOTHER, 6, 0, 0),
        (lambda a, b: a + b, ONE_AND_ANOTHER, 2, 0, 0),
        (lambda a, b: a - b, ONE_AND_REAL, 1, 0, 0),
        (lambda a: a + 1, [numbers(2, 3)], 1, 0, 0),
        (lambda a, b: torch.add(a, b, alpha=2), ONE_AND_ANOTHER, 2 + 2, 0, 0),
        (lambda a, b: torch.add(a, b, alpha=2), ONE_AND_REAL, 1 + 1, 0, 0),
        (lambda a, b: a / b, ONE_AND_ANOTHER, 6 + 3 + 2, 0, 0),  # times a - bi, over its square
        (lambda a, b: a / b, ONE_AND_REAL, 2, 0, 0),
        (lambda a, b: b / a, ONE_AND_REAL, 3 + 1 + 2 + 1, 0, 0),  # square, r over it, times both parts, a sign
        (lambda a: -a, [numbers(2, 3)], 2, 0, 0),
        (lambda a: a**2, [numbers(2, 3)], 6, 0, 0),
        (lambda a: a**3, [numbers(2, 3)], 12, 0, 0),
        (lambda a: a**0.5, [numbers(2, 3)], 3 + 2 + 2, 0, 3 + 3),  # log, times w, e^
        (torch.addcmul, [numbers(2, 3)] * 3, 6 + 2, 0, 0),
        (torch.addcdiv, [numbers(2, 3)] * 3, 11 + 2, 0, 0),
        (lambda a, b: torch.lerp(a, b, 0.5), ONE_AND_ANOTHER, 2 + 2 + 2, 0, 0),
        (lambda a: a.abs(), [numbers(2, 3)], 3, 0, 1),
        (lambda a: a.angle(), [numbers(2, 3)], 0, 0, 1),
        (lambda a: a.exp(), [numbers(2, 3)], 2, 0, 3),
        (lambda a: a.log(), [numbers(2, 3)], 3, 0, 3),
        (lambda a: a.sgn(), [numbers(2, 3)], 5, 1, 1),
        (torch.polar, [real(2, 3), real(2, 3)], 2, 0, 2),
        (torch.complex, [real(2, 3), real(2, 3)], 0, 0, 0),
        (lambda a: a.conj().real + a.imag, [numbers(2, 3)], 1, 0, 0),
        (lambda a, b: a == b, ONE_AND_ANOTHER, 0, 2, 0),
    ],
)
def test_elementwise(function, given, additions, comparisons, transcendental):
    found = counted(function, *given)
    expected = (6 * additions, 6 * comparisons, 6 * transcendental)
    assert (found.additions, found.comparisons, found.transcendental) == expected


@pytest.mark.parametrize(
    ("function", "additions", "transcendental"),  # 2 rows of 3
    [
        (lambda a: a.sum(1), 2 * (6 - 2), 0),
        (lambda a: a.mean(1), 2 * 6, 0),
        (lambda a: a.prod(1), 6 * (6 - 2), 0),
        (lambda a: a.cumprod(1), 6 * 6, 0),
        (lambda a: a.var(1), 6 * (2 + 2 + 3 + 1), 0),  # mean, difference, square of its length, mean
        (lambda a: a.norm(dim=1), 6 * 4 - 2, 2),
    ],
)
def test_sums_and_the_like(function, additions, transcendental):
    found = counted(function, numbers(2, 3))
    assert (found.additions, found.transcendental) == (additions, transcendental)


def test_a_transform_is_made_of_the_same_products_and_sums():
    # a butterfly: a product of 6 and two sums of 2 each; 8 numbers are 4 butterflies on each of 3 floors
    assert counted(torch.fft.fft, numbers(8)).additions == 4 * 3 * (6 + 2 + 2)
    # real numbers, two as one complex one
    assert counted(torch.fft.fft, real(8)).additions == 2 * 3 * (6 + 2 + 2)


def test_an_optimizer_moves_both_parts():
    complex_step, real_step = (
        count(nn.Linear(3, 4, dtype=dtype), given, training=True, optimizer="adamw", loss=magnitude)
        for dtype, given in ((COMPLEX, numbers(2, 3)), (torch.float32, real(2, 3)))
    )
    of_steps = 2  # one number for each parameter
    twice, once = (each.phases["optimizer"].additions - of_steps for each in (complex_step, real_step))
    assert twice == 2 * once
    assert complex_step.phases["optimizer"].transcendental == 2 * real_step.phases["optimizer"].transcendental
