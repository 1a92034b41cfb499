"""LeNet-5 layer by layer, against Figure 2, Table I and section II.B of LeCun et al. 1998."""

import copy

import pytest
import torch
from builders import lenet5, lenet5_1998
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

import small
from striate.base.errors import UsageError
from striate.models.build import build as build_by_name
from striate.models.lenet import FIGURE_2, FIGURE_3, ScaledTanh, Subsampling, codes, figure_2

# Table I as lists: the maps of S2 that each map of C3 sees.
TABLE_I = [
    *([0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [0, 4, 5], [0, 1, 5]),
    *([0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [0, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 5]),
    *([0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5]),
    [0, 1, 2, 3, 4, 5],
]


def outputs(net: nn.Sequential) -> dict[str, torch.Tensor]:
    x, seen = torch.zeros(1, 1, 32, 32), {}
    for name, layer in net.named_children():
        x = seen[name] = layer(x)
    return seen


def uniform(values: torch.Tensor, bound: float) -> bool:
    """Whether they fill the range, as far as so few can."""
    return bound * 0.5 < values.abs().max().item() <= bound


@pytest.mark.parametrize("build", [lenet5, lenet5_1998])
def test_each_layer_has_the_maps_that_figure_2_prints(build):
    sizes = {"c1": (6, 28, 28), "s2": (6, 14, 14), "c3": (16, 10, 10), "s4": (16, 5, 5)}
    sizes |= {"f6": (84,), "output": (10,)}
    seen = outputs(build().eval())
    assert {name: tuple(seen[name].shape[1:]) for name in sizes} == sizes
    assert seen["c5"].numel() == 120


def test_parameters_of_each_layer_follow_from_the_table():
    # C1, C5 and F6 as section II.B prints them (156, 48,120, 10,164); C3 and output by arithmetic:
    # 16 * (6 * 25 + 1) with every connection, where 1998 had 1,516; 10 * (84 + 1) where it had fixed codes.
    numbers = {"c1": 156, "c3": 2_416, "c5": 48_120, "f6": 10_164, "output": 850}
    net = lenet5()
    counted = {name: sum(p.numel() for p in layer.parameters()) for name, layer in net.named_children()}
    assert {name: number for name, number in counted.items() if number} == numbers
    assert sum(numbers.values()) == 61_706


def test_state_dict_keys_are_the_layer_names_of_the_paper():
    layers = ("c1", "c3", "c5", "f6", "output")
    assert list(lenet5().state_dict()) == [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]


def test_answers_equal_the_formula_written_out():
    torch.manual_seed(0)
    net, x = lenet5(), torch.randn(4, 1, 32, 32)
    w = net.state_dict()
    y = nn.functional.avg_pool2d(torch.tanh(nn.functional.conv2d(x, w["c1.weight"], w["c1.bias"])), 2)
    y = nn.functional.avg_pool2d(torch.tanh(nn.functional.conv2d(y, w["c3.weight"], w["c3.bias"])), 2)
    # C5 as the paper has it, a convolution over the whole map.
    y = torch.tanh(nn.functional.conv2d(y, w["c5.weight"].view(120, 16, 5, 5), w["c5.bias"])).flatten(1)
    y = torch.tanh(y @ w["f6.weight"].T + w["f6.bias"]) @ w["output.weight"].T + w["output.bias"]
    torch.testing.assert_close(net(x), y)


def test_dropout_stands_before_the_output_layer_only_when_asked_for():
    assert not [layer for layer in lenet5() if isinstance(layer, nn.Dropout)]
    net = lenet5(dropout=0.3)
    assert [name for name, _ in net.named_children()][-2:] == ["dropout", "output"]
    assert net.dropout.p == 0.3
    assert list(net.state_dict()) == list(lenet5().state_dict())


def test_activation_is_replaced_everywhere():
    net = lenet5(activation="relu")
    assert [type(layer).__name__ for layer in net if isinstance(layer, nn.ReLU | nn.Tanh)] == ["ReLU"] * 4
    assert [type(layer) for layer in lenet5_1998(activation="elu") if isinstance(layer, nn.ELU | ScaledTanh)] == (
        [nn.ELU] * 6
    )


def test_a_slice_of_the_network_is_a_network():
    assert lenet5()[:6](torch.zeros(1, 1, 32, 32)).shape == (1, 16, 5, 5)


def test_values_are_checked_without_the_catalogue():
    with pytest.raises(UsageError, match="classes"):
        lenet5(0)
    with pytest.raises(UsageError, match="dropout"):
        lenet5(dropout=-0.1)
    with pytest.raises(UsageError, match="torch, paper, he, xavier"):
        lenet5(init="luck")
    with pytest.raises(UsageError, match="paper, he, xavier"):
        lenet5_1998(init="torch")
    for value in (-1, "much", float("nan"), float("inf")):
        with pytest.raises(UsageError, match="rubbish"):
            lenet5_1998(rubbish=value)


def test_parameters_and_connections_of_1998_are_those_that_section_ii_b_prints():
    net = lenet5_1998().eval()
    seen, parameters, connections = outputs(net), {}, {}
    for name, *_ in FIGURE_2[:-1]:
        parameters[name] = sum(p.numel() for p in net.get_submodule(name).parameters())
    # Each unit has as many connections as it has inputs, and one to its bias; a radial basis has no bias.
    for name, inputs in {"c1": 25, "s2": 4, "s4": 4, "c5": 400, "f6": 120}.items():
        connections[name] = seen[name].numel() * (inputs + 1)
    connections["c3"] = sum(100 * (25 * len(sees) + 1) for sees in TABLE_I)
    connections["output"] = net.output.codes.numel()
    assert parameters == {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164}
    assert sum(p.numel() for p in net.parameters()) == sum(parameters.values()) == 60_000
    assert sum(connections.values()) == 340_908
    for name, *_, printed, links in FIGURE_2:
        assert (parameters.get(name, 0), connections[name]) == (printed, links)


def test_each_map_of_c3_sees_the_maps_that_table_i_marks():
    torch.manual_seed(0)
    layer, x = lenet5_1998().c3, torch.randn(2, 6, 14, 14)
    for unit, sees in enumerate(TABLE_I):
        pixels = x.clone().requires_grad_()
        layer(pixels)[:, unit].sum().backward()
        assert [index for index in range(6) if pixels.grad[:, index].any()] == sees
    # The convolution of one map written out: the last, which sees all six.
    last = layer.convolutions[-1]
    torch.testing.assert_close(layer(x)[:, 15:], functional.conv2d(x, last.weight, last.bias))


def test_table_i_has_the_groups_that_the_paper_describes():
    # "the first six take inputs from every contiguous subset of three, the next six from every contiguous subset of
    # four, the next three from some discontinuous subsets of four, the last one from all"; the maps form a ring.
    def contiguous(sees):
        return sum((index + 1) % 6 not in sees for index in sees) == 1

    assert [len(sees) for sees in TABLE_I] == [3] * 6 + [4] * 9 + [6]
    assert [contiguous(sees) for sees in TABLE_I[:15]] == [True] * 12 + [False] * 3


def test_subsampling_adds_four_cells_scales_them_and_adds_a_bias():
    layer, x = Subsampling(2, 2), torch.arange(2 * 16.0).view(1, 2, 4, 4)
    torch.testing.assert_close(layer(x), functional.avg_pool2d(x, 2))  # where it starts
    with torch.no_grad():
        layer.coefficient.copy_(torch.tensor([2.0, 3.0]).view(2, 1, 1))
        layer.bias.copy_(torch.tensor([0.5, -1.0]).view(2, 1, 1))
    assert layer(x)[0, 0, 0, 0].item() == 2 * (0 + 1 + 4 + 5) + 0.5
    assert layer(x)[0, 1, 1, 1].item() == 3 * (26 + 27 + 30 + 31) - 1


def test_the_squashing_function_is_the_printed_one():
    x = torch.linspace(-4, 4, 41)
    torch.testing.assert_close(ScaledTanh()(x), 1.7159 * torch.tanh(2 / 3 * x))
    torch.testing.assert_close(ScaledTanh()(torch.tensor([-1.0, 1.0])), torch.tensor([-1.0, 1.0]), atol=1e-4, rtol=0)


def test_answers_of_1998_equal_the_formula_written_out():
    torch.manual_seed(0)
    net, x = lenet5_1998().eval(), torch.randn(3, 1, 32, 32)
    w = net.state_dict()

    def squash(a):
        return 1.7159 * torch.tanh(2 / 3 * a)

    def pooled(y, name):
        return squash(4 * functional.avg_pool2d(y, 2) * w[f"{name}.coefficient"] + w[f"{name}.bias"])

    y = pooled(squash(functional.conv2d(x, w["c1.weight"], w["c1.bias"])), "s2")
    rows = [
        (weight, bias)
        for part in range(3)
        for weight, bias in zip(w[f"c3.convolutions.{part}.weight"], w[f"c3.convolutions.{part}.bias"], strict=True)
    ]
    maps = [
        functional.conv2d(y[:, sees], weight[None], bias[None])
        for sees, (weight, bias) in zip(TABLE_I, rows, strict=True)
    ]
    y = pooled(squash(torch.cat(maps, 1)), "s4")
    y = squash(y.flatten(1) @ w["c5.weight"].flatten(1).T + w["c5.bias"])
    y = squash(y @ w["f6.weight"].T + w["f6.bias"])
    torch.testing.assert_close(net(x), -((y[:, None] - w["output.codes"]) ** 2).sum(2))


@pytest.mark.parametrize("rubbish", [0.1, 84.0])
def test_cross_entropy_in_training_mode_is_equation_9(rubbish):
    torch.manual_seed(0)
    net, x, classes = lenet5_1998(rubbish=rubbish), torch.randn(5, 1, 32, 32), torch.tensor([3, 1, 4, 1, 5])
    with torch.no_grad():
        net.f6.weight.mul_(30)  # so that states differ and no term is negligible
        penalties = -net.eval()(x).double()
        rubbish_class = torch.exp(torch.tensor(-rubbish, dtype=torch.float64))
        own = penalties[torch.arange(5), classes]
        equation_9 = (own + torch.log(rubbish_class + torch.exp(-penalties).sum(1))).mean()
        answers = net.train()(x)
        assert answers.shape == (5, 11)
        assert answers[:, 10].eq(-rubbish).all()
        torch.testing.assert_close(
            functional.cross_entropy(answers.double(), classes), equation_9, rtol=1e-5, atol=1e-5
        )


def test_the_ten_codes_are_the_drawn_digits_and_no_parameters():
    net = lenet5_1998()
    assert [key for key, _ in net.output.named_parameters()] == []
    assert "output.codes" in net.state_dict()
    for digit in range(10):
        rows = net.output.codes[digit].view(12, 7).tolist()
        drawn = ["".join("#" if cell > 0 else "." for cell in row) for row in rows]
        assert drawn == [line.split()[digit] for line in FIGURE_3]
    assert set(net.output.codes.flatten().tolist()) == {-1.0, 1.0}
    apart = torch.cdist(codes(10), codes(10), p=0) + 84 * torch.eye(10)
    assert apart.min() >= 3  # cells in which the most alike digits differ


def test_codes_of_other_classes_are_drawn_once_and_for_all_with_equal_chances():
    many = codes(1000)
    assert torch.equal(many, codes(1000))
    assert torch.equal(codes(7), many[:7])
    assert set(many.flatten().tolist()) == {-1.0, 1.0}
    assert abs(many.mean().item()) < 4 / 84_000**0.5
    assert len(torch.unique(many, dim=0)) == 1000


def test_a_code_as_states_is_answered_with_its_class():
    net = lenet5_1998().eval()
    assert torch.equal(net.output(net.output.codes).argmax(1), torch.arange(10))
    assert not net.output(net.output.codes).diagonal().any()


@pytest.mark.parametrize("build", [lenet5, lenet5_1998])
def test_weights_of_the_paper_are_uniform_by_fan_in(build):
    torch.manual_seed(0)
    net = build(init="paper")
    for name, fan_in in {"c1": 25, "c5": 400, "f6": 120}.items():
        assert uniform(net.get_submodule(name).weight, 2.4 / fan_in)
        assert uniform(net.get_submodule(name).bias, 2.4 / fan_in)
    if build is lenet5_1998:
        for layer, fan_in in zip(net.c3.convolutions, (75, 100, 150), strict=True):
            assert uniform(layer.weight, 2.4 / fan_in)
        assert uniform(net.s4.coefficient, 0.6)
        assert uniform(net.s4.bias, 0.6)


def test_other_starts_leave_subsampling_a_plain_average():
    for init in ("he", "xavier"):
        net = lenet5_1998(init=init)
        assert bool((net.s2.coefficient == 0.25).all())
        assert not net.s2.bias.any()
        assert not net.c1.bias.any()


def test_the_modern_network_starts_as_pytorch_starts_it():
    torch.manual_seed(0)
    ours = lenet5()
    torch.manual_seed(0)
    theirs = [nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5), nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)]
    for layer, other in zip((ours.c1, ours.c3, ours.c5, ours.f6, ours.output), theirs, strict=True):
        assert torch.equal(layer.weight, other.weight)


@pytest.mark.parametrize("training", [False, True])
def test_1998_exports_in_both_modes_and_a_copy_answers_alike(training):
    torch.manual_seed(0)
    net, x = lenet5_1998(classes=4, channels=2).train(training), torch.randn(3, 2, 32, 32)
    program = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("n", min=1, max=64)},))
    for batch in (x, x[:1]):
        torch.testing.assert_close(program.module()(batch), net(batch))
    assert torch.equal(copy.deepcopy(net)(x), net(x))
    assert net(x).shape == (3, 5 if training else 4)


@pytest.mark.parametrize("build", [lenet5, lenet5_1998])
def test_the_table_names_every_layer_with_parameters_once_and_the_printed_sizes(build):
    net, lines = build().eval(), figure_2()
    seen = outputs(net)
    children = [child for line in lines for child in line.children]
    assert len(children) == len(set(children))
    assert {name for name, layer in net.named_children() if list(layer.parameters())} <= set(children)
    for line in lines:
        *plane, maps = map(int, line.output.split("x"))
        assert [side for side in seen[line.children[-1]].shape[1:] if side > 1] == [maps, *plane]
    assert sum(int(line.parameters.replace(",", "")) for line in lines if line.parameters) == 60_000


def test_1998_is_trained_with_the_papers_loss_unless_smoothing_is_asked_for(tmp_path):
    assert small.job(tmp_path / "1998", model="lenet5_1998").recipe.label_smoothing == 0.0
    assert small.job(tmp_path / "asked", model="lenet5_1998", label_smoothing=0.1).recipe.label_smoothing == 0.1
    assert small.job(tmp_path / "other", model="lenet5").recipe.label_smoothing == 0.1


def test_1998_takes_a_file_of_other_classes_and_keeps_its_own_codes(tmp_path):
    save_file(lenet5_1998(classes=7).state_dict(), tmp_path / "seven.safetensors")
    with pytest.warns(UserWarning, match="output starts anew: the file has 7 classes, the network 10"):
        net = build_by_name("lenet5_1998", weights=tmp_path / "seven.safetensors")
    assert torch.equal(net.output.codes, lenet5_1998().output.codes)
