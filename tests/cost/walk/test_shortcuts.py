"""The quick results of operators on meta against torch's own, and against a CPU where the two differ."""

from itertools import product

import pytest
import torch

from striate.cost.walk.shortcuts import SHORTCUTS

aten = torch.ops.aten
SHAPES = [(2, 3, 4, 5), (2, 3, 1, 1), (2, 3), (2, 3, 7), (2, 1, 4, 4), (2, 3, 2, 4, 4)]
LAYOUTS = [*product(SHAPES, ["contiguous"]), ((2, 3, 4, 5), "channels_last"), ((2, 3, 1, 1), "channels_last")]
TYPES = [torch.float32, torch.bfloat16, torch.float64]


def facts(results):
    results = results if isinstance(results, (tuple, list)) else [results]
    return [None if each is None else (each.shape, each.stride(), each.dtype) for each in results]


def tensor(shape, layout, dtype, device="cpu"):
    format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    return torch.ones(shape, dtype=dtype, device=device).contiguous(memory_format=format)


@pytest.mark.parametrize(("shape", "layout"), LAYOUTS)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("scaled", [False, True])
def test_batch_norm_returns_what_a_cpu_returns(shape, layout, dtype, training, scaled):
    x = tensor(shape, layout, dtype)
    channel = torch.ones(shape[1], dtype=torch.float32 if dtype == torch.bfloat16 else dtype)
    scale = channel if scaled else None
    args = (x, scale, scale, channel.clone(), channel.clone(), training, 0.1, 1e-5)
    quick = SHORTCUTS[aten.native_batch_norm.default](args)
    slow = aten.native_batch_norm(*args)
    assert facts(quick) == facts(slow)
    for mask in ([True, True, True], [False, True, True], [True, False, False]):
        if scaled:
            args = (torch.ones_like(x), x, scale, channel, channel, *slow[1:], training, 1e-5, mask)
            quick = SHORTCUTS[aten.native_batch_norm_backward.default](args)
            assert facts(quick) == facts(aten.native_batch_norm_backward(*args))


@pytest.mark.parametrize("weight_layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize(("weight", "groups"), [((6, 4, 3, 3), 1), ((4, 1, 3, 3), 4)])
def test_a_convolution_lays_its_results_as_a_cpu_does(layout, weight_layout, weight, groups):
    how = ([1, 1], [1, 1], [1, 1], False, [0, 0], groups)
    on = {}
    for device in ("cpu", "meta"):
        x, w = tensor((2, 4, 5, 5), layout, torch.float32, device), tensor(weight, weight_layout, torch.float32, device)
        result = run(aten.convolution.default, (x, w, None, *how))
        gradients = run(aten.convolution_backward.default, (result, x, w, None, *how, [True, True, False]))
        on[device] = facts(result), facts(gradients[:2])
    assert on["meta"] == on["cpu"]


def run(operator, args):
    """By the quick way where there is one for these arguments."""
    quick = SHORTCUTS[operator](args) if args[0].is_meta else NotImplemented
    return operator(*args) if quick is NotImplemented else quick


@pytest.mark.parametrize(("shape", "layout"), LAYOUTS)
def test_sums_gates_and_concatenations_return_what_torch_returns(shape, layout):
    x = tensor(shape, layout, torch.float32, "meta")
    y, row = torch.empty_like(x), torch.empty(1, device="meta").expand(shape)
    cases = [(aten.add.Tensor, (x, y)), (aten.add.Tensor, (x, row)), (aten.add.Tensor, (row, row))]
    cases += [(aten.relu.default, (each,)) for each in (x, row, x.transpose(0, 1), x[:, ::2])]
    cases += [(aten.threshold_backward.default, (x, y, 0)), (aten.threshold_backward.default, (row, y, 0))]
    cases += [(aten.cat.default, ([x, y, x], 1)), (aten.cat.default, ([x, y], 0)), (aten.cat.default, ([x, y],))]
    for operator, args in cases:
        quick = SHORTCUTS[operator](args)
        assert quick is NotImplemented or facts(quick) == facts(operator(*args))


def test_the_frequent_cases_are_quick():
    x = torch.empty(2, 3, 4, 5, device="meta")
    assert SHORTCUTS[aten.add.Tensor]((x, x)) is not NotImplemented
    assert SHORTCUTS[aten.cat.default](([x, x], 1)) is not NotImplemented
    assert SHORTCUTS[aten.relu.default]((x,)) is not NotImplemented
    assert SHORTCUTS[aten.relu.default]((x > 0,)) is NotImplemented, "torch refuses it"
    assert SHORTCUTS[aten.threshold_backward.default]((x, x, 0)) is not NotImplemented


@pytest.mark.parametrize("shapes", [[(2, 3, 4, 5), (2, 3, 4, 6)], [(2, 3, 4, 5), (1, 3, 4, 5)]])
def test_concatenating_what_does_not_fit_is_left_to_torch_to_refuse(shapes):
    assert SHORTCUTS[aten.cat.default](([torch.empty(shape, device="meta") for shape in shapes], 1)) is NotImplemented
