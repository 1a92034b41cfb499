"""Each operator's work against a count by hand, or against an operator that counts: ones convolved with ones."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from function import Call
from striate.base.errors import UsageError
from striate.cost.count import count
from striate.cost.rules import FREE, MOVED, RULES, work_of
from striate.cost.walk.events import NO_CALL
from striate.cost.walk.events import Call as OperatorCall
from striate.cost.work import Work, attention, convolution, matmul

CONVOLUTIONS = {
    (1, False): functional.conv1d,
    (2, False): functional.conv2d,
    (3, False): functional.conv3d,
    (1, True): functional.conv_transpose1d,
    (2, True): functional.conv_transpose2d,
    (3, True): functional.conv_transpose3d,
}
small = st.integers(1, 3)


def counted(function, *shapes, **options):
    return count(Call(function), tuple(shape[1:] for shape in shapes), batch=shapes[0][0], **options)


@st.composite
def layers(draw):
    axes, transposed, groups = draw(small), draw(st.booleans()), draw(small)
    setting = {
        "stride": draw(st.tuples(*[small] * axes)),
        "padding": draw(st.tuples(*[st.integers(0, 2)] * axes)),
        "dilation": draw(st.tuples(*[small] * axes)),
        "groups": groups,
    }
    sizes = draw(st.tuples(*[st.integers(3, 7)] * axes))
    kernel = draw(st.tuples(*[small] * axes))
    x, weight = (draw(small), 2 * groups, *sizes), (2 * groups, 3, *kernel)
    if not transposed:
        weight = (3 * groups, 2, *kernel)
        spans = [d * (k - 1) + 1 for d, k in zip(setting["dilation"], kernel, strict=True)]
        assume(all(s + 2 * p >= span for s, p, span in zip(sizes, setting["padding"], spans, strict=True)))
    else:
        reach = zip(sizes, setting["stride"], setting["padding"], setting["dilation"], kernel, strict=True)
        assume(all((n - 1) * s - 2 * p + d * (k - 1) + 1 > 0 for n, s, p, d, k in reach))
    return axes, transposed, x, weight, setting


def products_by_ones(axes, transposed, x, weight, setting):
    """All products of ones, and those that are not with padding, or reach an output: each result adds up its own."""
    convolve = CONVOLUTIONS[axes, transposed]
    x, weight = torch.ones(x, dtype=torch.float64), torch.ones(weight, dtype=torch.float64)
    valid = convolve(x, weight, **setting).sum()
    if transposed:
        everything = convolve(x, weight, **(setting | {"padding": 0})).sum()
    else:
        sides = [side for each in reversed(setting["padding"]) for side in (each, each)]
        everything = convolve(functional.pad(x, sides, value=1), weight, **(setting | {"padding": 0})).sum()
    return int(everything), int(valid)


@settings(max_examples=150)
@given(layers(), st.booleans())
def test_convolutions_of_all_kinds_make_as_many_products_as_ones_add_up_to(layer, biased):
    axes, transposed, x, weight, setting = layer
    convolve = CONVOLUTIONS[axes, transposed]
    channels = weight[1] * setting["groups"] if transposed else weight[0]
    bias = torch.ones(channels, device="meta") if biased else None
    weight_tensor = torch.ones(weight, device="meta")
    found = counted(lambda given: convolve(given, weight_tensor, bias, **setting), x)
    assert (found.macs, found.macs_valid) == products_by_ones(*layer)
    result = convolve(torch.empty(x, device="meta"), weight_tensor, **setting)
    assert found.additions == (result.numel() if biased else 0)
    assert found.activations == result.numel()


@settings(max_examples=60)
@given(layers(), st.booleans())
def test_each_gradient_of_a_convolution_costs_what_the_forward_pass_costs(layer, of_input):
    axes, transposed, x, weight, setting = layer
    kinds = [nn.Conv1d, nn.Conv2d, nn.Conv3d], [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]
    outputs = weight[1] * setting["groups"] if transposed else weight[0]
    with torch.device("meta"):
        net = kinds[transposed][axes - 1](x[1], outputs, weight[2:], **setting)
    found = count(net, x[1:], batch=x[0], training=True, input_gradient=of_input, loss=lambda y: y.sum())
    everything, valid = products_by_ones(*layer)
    backward = found.phases["backward"]
    assert (backward.macs, backward.macs_valid) == ((1 + of_input) * everything, (1 + of_input) * valid)
    result = net(torch.empty(x, device="meta"))
    assert backward.additions == result.numel() - outputs  # the bias


def test_convolution_as_arithmetic_by_hand():
    # AlexNet's first: 96 filters of 11x11x3, 55x55 places
    done = convolution(
        (1, 3, 227, 227), (96, 3, 11, 11), (1, 96, 55, 55), stride=(4, 4), padding=(0, 0), dilation=(1, 1)
    )
    assert done.macs == done.macs_valid == 105_415_200
    assert done.why == "multiply-adds: 55*55*96 * 11*11*3 = 105,415,200"
    # 3x3 on 4x4 with padding 1, one map: 36 of 16 * 9 products per axis pair: (4 + 3 + 3)^2 = 100 of 144
    done = convolution((1, 1, 4, 4), (1, 1, 3, 3), (1, 1, 4, 4), stride=(1, 1), padding=(1, 1), dilation=(1, 1))
    assert (done.macs, done.macs_valid) == (144, 100)
    assert "10*10 = 100" in done.why


def test_formulas_of_products_work_on_symbols():
    sympy = pytest.importorskip("sympy")
    h, w, c = sympy.symbols("h w c", positive=True, integer=True)
    options = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}
    done = convolution((1, c, h, w), (64, c, 3, 3), (1, 64, h, w), **options)
    assert sympy.expand(done.macs - 64 * 9 * h * w * c) == 0
    assert sympy.expand(matmul(h, c, w, bias=True).macs - h * w * c) == 0


@pytest.mark.parametrize(
    ("function", "shapes", "macs", "additions"),
    [
        (lambda a, b: a @ b.T, [(2, 3), (2, 3)], 2 * 2 * 3, 0),
        (torch.bmm, [(4, 2, 3), (4, 3, 5)], 4 * 2 * 3 * 5, 0),
        (torch.matmul, [(4, 6, 2, 3), (4, 6, 3, 5)], 4 * 6 * 2 * 3 * 5, 0),
        (lambda x, a, b: torch.baddbmm(x, a, b), [(4, 2, 5), (4, 2, 3), (4, 3, 5)], 4 * 2 * 3 * 5, 4 * 2 * 5),
        (lambda a, b: torch.einsum("nij,nkj->nik", a, b), [(4, 2, 3), (4, 5, 3)], 4 * 2 * 3 * 5, 0),
        (lambda a, b: torch.dot(a[0], b[0]), [(1, 7), (1, 7)], 7, 0),
        (lambda a, b: torch.mv(a, b[0]), [(4, 7), (4, 7)], 28, 0),
    ],
)
def test_matrix_products(function, shapes, macs, additions):
    found = counted(function, *shapes)
    assert (found.macs, found.macs_valid, found.additions) == (macs, macs, additions)


def test_linear_layers_forward_and_backward():
    found = count(nn.Linear(5, 7), (3, 5), batch=2, training=True, input_gradient=True, optimizer=None)
    assert found.phases["forward"].macs == 2 * 3 * 5 * 7
    assert found.phases["forward"].additions == 2 * 3 * 7
    assert found.phases["backward"].macs == 2 * (2 * 3 * 5 * 7)


def test_attention_by_hand_whether_fused_or_not():
    query, key, value = (2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7)
    scores, rows = 2 * 3 * 4 * 6, 2 * 3 * 4
    found = counted(functional.scaled_dot_product_attention, query, key, value)
    assert found.macs == scores * (5 + 7) == attention(query, key, value).macs
    assert found.transcendental == scores == attention(query, key, value).transcendental
    assert attention(query, key, value).comparisons == scores - rows == found.comparisons
    assert attention(query, key, value, backward=True).macs == scores * (3 * 5 + 2 * 7)


@st.composite
def pools(draw):
    axes = draw(small)
    kernel = draw(st.tuples(*[small] * axes))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    stride = draw(st.tuples(*[small] * axes))
    sizes = draw(st.tuples(*[st.integers(3, 8)] * axes))
    return axes, (draw(small), 2, *sizes), kernel, stride, padding, draw(st.booleans())


@settings(max_examples=100)
@given(pools())
def test_pools_see_what_windows_of_ones_add_up_to(pool):
    axes, shape, kernel, stride, padding, ceil = pool
    ones = torch.ones(shape, dtype=torch.float64)
    mean, largest = getattr(functional, f"avg_pool{axes}d"), getattr(functional, f"max_pool{axes}d")
    if axes == 1:  # torch's own has no divisor_override
        summed = functional.avg_pool2d(ones[:, :, None], (1, *kernel), (1, *stride), (0, *padding), ceil, True, 1)
    else:
        summed = mean(ones, kernel, stride, padding, ceil, True, 1)
    seen, results = int(summed.sum()), summed.numel()
    assert counted(lambda x: mean(x, kernel, stride, padding, ceil), shape).additions == seen
    assert counted(lambda x: largest(x, kernel, stride, padding, 1, ceil), shape).comparisons == seen - results


def test_a_dilated_largest_pool_by_hand():
    # 2x2 with dilation 2 and padding 1 on 4x4: places -1, 0, 1, 2 and taps 2 further: along an axis 1 + 2 + 2 + 1 meet
    found = counted(lambda x: functional.max_pool2d(x, 2, 1, 1, dilation=2), (1, 1, 4, 4))
    assert found.comparisons == 6 * 6 - 4 * 4


@pytest.mark.parametrize(("given", "result"), [(7, 3), (8, 4), (5, 5), (6, 1), (3, 5)])
def test_adaptive_pools_see_windows_from_floor_to_ceiling(given, result):
    side = sum(math.ceil((i + 1) * given / result) - math.floor(i * given / result) for i in range(result))
    shape = (2, 3, given, given)
    assert counted(lambda x: functional.adaptive_avg_pool2d(x, result), shape).additions == 6 * side**2
    found = counted(lambda x: functional.adaptive_max_pool2d(x, result), shape)
    assert found.comparisons == 6 * (side**2 - result**2)


@pytest.mark.parametrize(
    ("mode", "shape", "operations"),  # taps: 2 products and a sum (3) or 4 and 3 (7), along one axis after the other
    [
        ("nearest", (1, 2, 3, 3), 0),
        ("linear", (1, 2, 3), 3),
        ("bilinear", (1, 2, 3, 3), 3 * (1 + 2)),
        ("trilinear", (1, 2, 3, 3, 3), 3 * (1 + 2 + 4)),
        ("bicubic", (1, 2, 3, 3), 7 * (1 + 4)),
    ],
)
def test_interpolation(mode, shape, operations):
    found = counted(lambda x: functional.interpolate(x, scale_factor=2, mode=mode), shape)
    assert found.additions == operations * math.prod(shape) * 2 ** (len(shape) - 2)
    assert found.macs == 0
    net = nn.Sequential(nn.Conv2d(2, 2, 1)) if len(shape) == 4 else None
    if net is not None:
        step = nn.Sequential(*net, nn.Upsample(scale_factor=2, mode=mode))
        assert count(step, shape[1:], training=True).phases["backward"].additions > 0


def test_batch_norm_by_hand():
    n, channels = 2 * 3 * 4 * 4, 3
    found = count(nn.BatchNorm2d(3), (3, 4, 4), batch=2)
    assert (found.additions, found.transcendental) == (2 * n + 4 * channels, channels)
    found = count(nn.BatchNorm2d(3), (3, 4, 4), batch=2, training=True).phases["forward"]
    # mean 1, variance 3, scale and shift 2; running statistics 7 a channel; 1 counts the batches
    assert (found.additions, found.transcendental) == (6 * n + (4 + 7) * channels + 1, channels)
    found = count(nn.BatchNorm2d(3, affine=False), (3, 4, 4), batch=2)
    assert found.additions == 2 * n + 2 * channels


@pytest.mark.parametrize(
    ("module", "additions", "transcendental"),
    [
        (nn.LayerNorm([3, 4, 4]), 8 * 96 + 2, 2),
        (nn.LayerNorm([3, 4, 4], elementwise_affine=False), 6 * 96 + 2, 2),
        (nn.GroupNorm(3, 3), 6 * 96 + 3 * 6 + 6, 6),
        (nn.InstanceNorm2d(3), 6 * 96 + 2 * 6, 6),
    ],
)
def test_other_norms_by_hand(module, additions, transcendental):
    found = count(module, (3, 4, 4), batch=2)
    assert (found.additions, found.transcendental) == (additions, transcendental)


@pytest.mark.parametrize("shape", [(6,), (2, 6), (2, 5, 6)])
def test_rows_of_a_linear_layer_and_of_a_norm_are_all_but_the_last_axes(shape):
    rows = math.prod(shape[:-1])
    given, result, weight, bias = (torch.empty(each, device="meta") for each in (shape, (*shape[:-1], 4), (4, 6), 4))
    done = work_of(torch.ops.aten.linear.default, [given, weight, bias], {}, [result])
    assert (done.macs, done.additions) == (rows * 4 * 6, rows * 4)
    done = work_of(torch.ops.aten._fused_rms_norm.default, [given, [6], None, None], {}, [given])
    assert (done.additions, done.transcendental) == (rows * (6 * 3 + 1), rows)


@pytest.mark.parametrize(
    ("function", "additions", "comparisons", "transcendental"),  # for each of 24 elements
    [
        (functional.relu, 0, 1, 0),
        (functional.relu6, 0, 2, 0),
        (functional.leaky_relu, 1, 1, 0),
        (torch.sigmoid, 3, 0, 1),
        (functional.silu, 3, 0, 1),
        (torch.tanh, 0, 0, 1),
        (functional.gelu, 4, 0, 1),
        (lambda x: functional.gelu(x, approximate="tanh"), 8, 0, 1),
        (functional.hardswish, 3, 2, 0),
        (functional.hardsigmoid, 2, 2, 0),
        (functional.elu, 1, 1, 1),
        (functional.softplus, 2, 1, 2),
        (functional.mish, 1, 0, 3),
        (torch.exp, 0, 0, 1),
        (torch.rsqrt, 0, 0, 1),
        (lambda x: x + 1, 1, 0, 0),
        (lambda x: x.add_(x), 1, 0, 0),
        (lambda x: torch.add(x, x, alpha=2), 2, 0, 0),
        (lambda x: 1 - x, 1, 0, 0),
        (lambda x: x**2, 1, 0, 0),
        (lambda x: x**3, 2, 0, 0),
        (lambda x: x**0.3, 0, 0, 1),
        (lambda x: x.clamp(0, 1), 0, 2, 0),
        (lambda x: x.clamp(min=0), 0, 1, 0),
        (lambda x: x.view(-1).flip(0).clone(), 0, 0, 0),
        (lambda x: torch.cat([x, x]), 0, 0, 0),
        (lambda x: x.lerp(x, 0.5), 3, 0, 0),
    ],
)
def test_one_operation_or_a_few_an_element(function, additions, comparisons, transcendental):
    found = counted(function, (2, 3, 4))
    expected = (24 * additions, 24 * comparisons, 24 * transcendental)
    assert (found.additions, found.comparisons, found.transcendental) == expected


@pytest.mark.parametrize(
    ("function", "additions", "comparisons", "transcendental"),  # of 6 rows of 4
    [
        (lambda x: x.sum(2), 24 - 6, 0, 0),
        (lambda x: x.sum(), 24 - 1, 0, 0),
        (lambda x: x.mean(2), 24 - 6 + 6, 0, 0),
        (lambda x: x.amax(2), 0, 24 - 6, 0),
        (lambda x: x.max(2).values, 0, 24 - 6, 0),
        (lambda x: x.argmax(2), 0, 24 - 6, 0),
        (lambda x: x.var(2), 4 * 24, 0, 0),
        (lambda x: x.std(2), 4 * 24, 0, 6),
        (lambda x: x.norm(dim=2), 2 * 24 - 6, 0, 6),
        (lambda x: x.softmax(2), 24 + 18 + 24, 18, 24),
        (lambda x: x.softmax(-1), 24 + 18 + 24, 18, 24),
        (lambda x: x.log_softmax(2), 24 + 18 + 24, 18, 24 + 6),
        (lambda x: x.logsumexp(2), 24 + 18 + 6, 18, 24 + 6),
    ],
)
def test_sums_and_the_like(function, additions, comparisons, transcendental):
    found = counted(function, (2, 3, 4))
    assert (found.additions, found.comparisons, found.transcendental) == (additions, comparisons, transcendental)


def test_losses_by_hand():
    # cross-entropy of 2 rows of 5: softmax's logarithm, then 2 picked, added up and divided
    loss = count(nn.Linear(3, 5), (3,), batch=2, training=True).phases["loss"]
    assert (loss.additions, loss.comparisons, loss.transcendental) == (10 + 8 + 10 + 2, 8, 10 + 2)
    # mean square of 24: difference, square, mean
    loss = count(nn.Linear(4, 4), (3, 4), batch=2, training=True).phases["loss"]
    assert (loss.additions, loss.comparisons, loss.transcendental) == (3 * 24, 0, 0)


@pytest.mark.parametrize(
    ("optimizer", "weight", "steps", "roots"),
    [
        ("sgd", 2, 0, 0),  # w - r g
        ("momentum", 1 + 1 + 2, 0, 0),  # m v, + g, w - r v
        ("adamw", 1 + 3 + (1 + 3) + 2 + 3, 1, 1),  # decay, mean, square, root scaled + epsilon, w - r m / root
    ],
)
def test_optimizers_by_hand(optimizer, weight, steps, roots):
    step = count(nn.Linear(3, 5, bias=False), (3,), training=True, optimizer=optimizer).phases["optimizer"]
    assert (step.additions, step.transcendental) == (15 * weight + steps, 15 * roots)


class Unknown(nn.Module):
    def forward(self, x):
        return torch.special.bessel_j0(x)


def test_an_operator_without_a_rule_is_an_error_that_names_operator_and_module():
    net = nn.Sequential(nn.Linear(4, 4), nn.Sequential(Unknown()))
    with pytest.raises(UsageError, match=r"module '1\.0'.*no rule.*aten\.special_bessel_j0\.default.*report"):
        count(net, (4,))


def test_unknown_operators_are_listed_when_asked_for_and_the_others_counted():
    found = count(nn.Sequential(nn.Linear(4, 4), Unknown()), (4,), unknown="report")
    assert found.unknown == {"aten.special_bessel_j0.default": {"1": 1}}
    assert found.macs == 16
    assert "NOT COUNTED: aten.special_bessel_j0.default, once, in 1" in str(found)


def test_no_operator_is_in_two_of_the_lists_that_cost_nothing_and_something():
    nothing = FREE.keys() | MOVED.keys()
    assert not FREE.keys() & MOVED.keys()
    x = torch.empty(2, 3, device="meta")
    called = OperatorCall(torch.ops.aten.view.default, (x,), {}, (x,), "", NO_CALL, "forward")
    assert all(RULES[each](called) == Work() for each in nothing)
    assert work_of(torch.ops.aten.special_bessel_j0.default, [x], {}, [x]) is None
