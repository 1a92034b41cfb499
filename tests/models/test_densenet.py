"""DenseNet against torchvision and against the sentences of Huang et al. 2017."""

import copy
from functools import partial

import pytest
import torch
from builders import densenet, small_densenet
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from striate.base.errors import UsageError
from striate.models.build import build
from striate.models.catalog import catalog, check_size, find, table
from striate.models.densenet import DenseBlock, DenseLayer

pytestmark = pytest.mark.slow

NAMES = [name for name, entry in catalog().items() if entry.family == "densenet"]
PUBLISHED = [name for name in NAMES if find(name).weights]
bc = partial(small_densenet, 22, 6, bottleneck=True, compression=0.5)  # three layers a block


def on_nothing(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return build(name, **options)


def test_the_catalogue_has_tables_1_and_2_and_the_released_161():
    sizes = ("l40_12", "l100_12", "bc_100_12", "bc_250_24", "bc_190_40")
    table_1 = [f"densenet{depth}" for depth in (121, 161, 169, 201, 264)]
    assert [*table_1, *(f"densenet_{size}" for size in sizes)] == NAMES
    assert table_1[:-1] == PUBLISHED


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_the_table_has_the_output_that_it_prints(name):
    net, sizes = on_nothing(name), {}
    for path, module in net.named_modules():
        module.register_forward_hook(lambda *call, path=path: sizes.update({path: call[2].shape[2:]}))
    net(torch.empty(1, *find(name).input, device="meta"))
    for line in table(name):
        if line.output:
            assert "x".join(map(str, sizes[line.children[-1]])) == line.output, line
    claimed = [key for key, _ in net.named_parameters() for line in table(name) for child in line.children
               if key.startswith(f"{child}.")]  # fmt: skip
    assert claimed == [key for key, _ in net.named_parameters()]


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_a_name_counts_the_layers_with_weights_but_in_264(name):
    net = on_nothing(name)
    layers = sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in net.modules())
    assert layers == find(name).options["depth"] + (name == "densenet264")
    assert any("counts 265" in sentence for sentence in find(name).differences) == (name == "densenet264")


def test_dense_blocks_have_the_repeats_that_table_1_prints():
    printed = {121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}
    printed[264] = (6, 12, 64, 48)
    for depth, repeats in printed.items():
        blocks = [block for block in on_nothing(f"densenet{depth}").features if isinstance(block, DenseBlock)]
        assert tuple(len(block) for block in blocks) == repeats
        assert {line.words for line in table(f"densenet{depth}") if line.layer.startswith("Dense")} == {
            f"[1x1 conv, 3x3 conv] x {times}" for times in repeats
        }


def test_every_layer_reads_the_maps_of_all_layers_before_it():
    torch.manual_seed(0)
    block = bc(norm=None).features.denseblock1
    x = torch.randn(2, 12, 4, 4)
    maps = x
    for layer in block:
        assert layer.conv1.in_channels == maps.shape[1]
        new = layer.conv2(torch.relu(layer.conv1(torch.relu(maps))))
        maps = torch.cat((maps, new), 1)
    torch.testing.assert_close(block(x), maps)
    assert type(block[:2]) is DenseBlock
    torch.testing.assert_close(block[:2](x), maps[:, :24])


@pytest.mark.parametrize(("bottleneck", "compression"), [(False, 1.0), (True, 1.0), (False, 0.5), (True, 0.5)])
def test_stem_bottleneck_and_transition_have_the_widths_of_section_3(bottleneck, compression):
    net = small_densenet(22, 6, bottleneck=bottleneck, compression=compression).features
    layers, stem = (3 if bottleneck else 6), 12 if bottleneck and compression < 1 else 16
    assert net.conv0.out_channels == stem
    assert [len(net.denseblock1), len(net.denseblock2), len(net.denseblock3)] == [layers] * 3
    grown = stem + layers * 6
    assert (net.transition1.conv.in_channels, net.transition1.conv.out_channels) == (grown, int(compression * grown))
    layer = net.denseblock1.denselayer1
    convolutions = [each for each in layer.children() if isinstance(each, nn.Conv2d)]
    sides = [(each.kernel_size[0], each.out_channels) for each in convolutions]
    assert sides == ([(1, 24), (3, 6)] if bottleneck else [(3, 6)])


@pytest.mark.parametrize("share", [0.29, 0.7, 0.001])
def test_a_transition_keeps_the_whole_part_of_the_share(share):
    net = small_densenet(10, 42, compression=share)  # 16 + 2 * 42 = 100 maps
    assert net.features.transition1.conv.out_channels == {0.29: 29, 0.7: 70, 0.001: 1}[share]


def test_norm_and_activation_stand_before_every_convolution_but_the_first_and_before_the_average():
    kinds = [type(layer) for layer in bc().modules() if not list(layer.children())]
    for at, kind in enumerate(kinds):
        if kind is nn.Conv2d and at:
            assert kinds[at - 2 : at] == [nn.BatchNorm2d, nn.ReLU]
    average = kinds.index(nn.AdaptiveAvgPool2d)
    assert kinds[average - 2 : average] == [nn.BatchNorm2d, nn.ReLU]


@pytest.mark.parametrize("net", [bc(dropout=0.2), small_densenet(10, 6, dropout="0.2"), densenet(121, dropout=0.2)])
def test_dropout_follows_every_convolution_but_the_first(net):
    kinds = [type(layer) for layer in net.modules() if not list(layer.children())]
    convolutions = [at for at, kind in enumerate(kinds) if kind is nn.Conv2d]
    assert [kinds[at + 1] is nn.Dropout for at in convolutions] == [False] + [True] * (len(convolutions) - 1)
    assert kinds.count(nn.Dropout) == len(convolutions) - 1
    assert {layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)} == {0.2}


@pytest.mark.parametrize("build_one", [bc, partial(small_densenet, 10, 6), partial(densenet, 121)])
def test_without_norm_every_convolution_has_a_bias_and_with_it_none(build_one):
    for norm in ("none", "batch"):
        with torch.device("meta"):
            net = build_one(norm=norm)
        biases = {layer.bias is None for layer in net.modules() if isinstance(layer, nn.Conv2d)}
        assert biases == {norm == "batch"}
        assert any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules()) == (norm == "batch")


def test_the_small_stem_keeps_the_side_and_the_names():
    with torch.device("meta"):
        small, usual = densenet(121, stem=32), densenet(121)
    assert list(small.state_dict()) == list(usual.state_dict())
    assert small.features[:4](torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 64, 32, 32)
    check_size("densenet121", 8, 8, stem="32")
    assert small(torch.empty(2, 3, 8, 8, device="meta")).shape == (2, 1000)
    with pytest.raises(UsageError, match="stem='32'"):
        check_size("densenet121", 28, 28)
    with pytest.raises(RuntimeError):
        usual.features(torch.empty(2, 3, 28, 28, device="meta"))


def test_the_receptive_field_of_a_small_net_is_what_the_closed_form_says():
    # 3 + 12 layers of 2 + 1, of 4 + 2, of 8; seen by the gradient of one cell, every weight positive.
    net = small_densenet(40, 12, norm=None, activation=nn.Identity).double().features
    for weight in net.parameters():
        nn.init.constant_(weight, 0.001)
    x = torch.ones(1, 3, 4, 360, dtype=torch.float64, requires_grad=True)
    net(x)[0, -1, 0, 45].backward()
    assert int((x.grad[0, 0].abs().sum(0) > 0).sum()) == 174


# What follows holds memory_efficient to its promise: the same bits, less kept.


def twins(**options: object) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    naive, efficient = bc(**options), bc(**options, memory_efficient=True)
    efficient.load_state_dict(naive.state_dict(), strict=True)
    return naive, efficient


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dropout": 0.3},
        {"activation": nn.RReLU, "dropout": 0.3},  # draws within what is computed again
        {"norm": partial(nn.BatchNorm2d, momentum=None)},  # averages over all batches: counting one twice shows
        {"norm": partial(nn.InstanceNorm2d, affine=True, track_running_stats=True)},
        {"norm": "group"},
        {"norm": "none"},
    ],
)
def test_memory_efficient_steps_give_equal_bits(options, training):
    nets = twins(**options)
    for step in range(2):
        x, gradients = torch.randn(3, 3, 16, 16), []
        for net in nets:
            net.train(training).zero_grad()
            pixels = x.clone().requires_grad_()
            torch.manual_seed(step)
            net(pixels).square().sum().backward()
            gradients.append([pixels.grad, *(each.grad for each in net.parameters()), torch.rand(1)])
        assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))
    for key, value in nets[0].state_dict().items():
        assert torch.equal(value, nets[1].state_dict()[key]), key
    if training and "norm" not in options:
        assert nets[1].features.denseblock1.denselayer2.norm1.num_batches_tracked == 2


def test_memory_efficient_nets_may_go_back_twice_and_without_gradients():
    for net in twins():
        x = torch.randn(3, 3, 16, 16, requires_grad=True)
        loss = net(x).square().sum()
        once = torch.autograd.grad(loss, x, retain_graph=True)[0]
        assert torch.equal(torch.autograd.grad(loss, x)[0], once)
        assert net.features.denseblock1.denselayer2.norm1.num_batches_tracked == 1
    with torch.no_grad():
        naive, efficient = (net.eval() for net in twins())
        assert torch.equal(naive(x), efficient(x))


def test_buffers_stay_the_same_tensors_and_copies_stay_apart():
    net = bc(memory_efficient=True)
    buffers = {key: id(value) for key, value in net.named_buffers()}
    other = copy.deepcopy(net)
    net(torch.randn(2, 3, 8, 8)).sum().backward()
    assert {key: id(value) for key, value in net.named_buffers()} == buffers
    assert not any(value.any() for key, value in other.named_buffers() if key.endswith("num_batches_tracked"))


def kept_numbers(depth: int, memory_efficient: bool) -> int:
    """How many numbers the backward pass needs: what autograd saves and what checkpoints hold."""
    net = small_densenet(depth, 4, bottleneck=True, compression=0.5, memory_efficient=memory_efficient)
    storages: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    for layer in net.modules():
        if isinstance(layer, DenseLayer):
            layer.register_forward_pre_hook(lambda _, maps: [keep(each) for each in maps] and None)
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = net(torch.randn(1, 3, 16, 16)).sum()
    assert loss.isfinite()
    return sum(each.numel() for each in storages.values() if not isinstance(each, nn.Parameter))


def test_memory_grows_with_depth_not_with_its_square():
    shallow, deep = 100, 196  # 16 and 32 layers a block
    naive = kept_numbers(deep, False) / kept_numbers(shallow, False)
    efficient = kept_numbers(deep, True) / kept_numbers(shallow, True)
    assert naive > 2.6
    assert efficient < 2.1
    assert kept_numbers(deep, True) < 0.5 * kept_numbers(deep, False)


@torch.no_grad()
def operators(net: nn.Module) -> dict[str, int]:
    class Counter(TorchDispatchMode):
        def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
            counts[operator.overloadpacket.__name__] = counts.get(operator.overloadpacket.__name__, 0) + 1
            return operator(*args, **(kwargs or {}))

    counts: dict[str, int] = {}
    with torch.enable_grad(), Counter():
        net(torch.randn(2, 3, 8, 8)).sum().backward()
    return counts


def test_concatenations_norms_and_activations_are_computed_again_and_no_convolution():
    naive, efficient = (operators(net) for net in twins())
    assert efficient["convolution"] == naive["convolution"]
    assert efficient["native_batch_norm"] - naive["native_batch_norm"] == 9  # one in each dense layer
    assert efficient["cat"] - naive["cat"] == 9


@pytest.mark.parametrize("training", [False, True])
def test_memory_efficient_nets_export(training):
    net, x = bc(memory_efficient=True).train(training), torch.randn(2, 3, 8, 8)
    exported = torch.export.export(net, (x,)).module()
    torch.testing.assert_close(exported(x), copy.deepcopy(net)(x))


# Options


def test_bottleneck_and_compression_may_be_added_to_the_plain_net_one_by_one():
    added = on_nothing("densenet_l100_12", bottleneck="true", compression="0.5")
    assert str(added) == str(on_nothing("densenet_bc_100_12"))
    with pytest.raises(UsageError, match=r"densenet_bc_100_12 stands for compression=0\.5"):
        build("densenet_bc_100_12", compression=1)


@pytest.mark.parametrize(
    ("arguments", "options", "where"),
    [
        ((41, 12), {}, "depth"),
        ((4, 12), {}, "depth"),
        ((43, 12), {"bottleneck": True}, "depth"),
        ((40, 0), {}, "growth"),
        ((40, 12), {"compression": 0}, "compression"),
        ((40, 12), {"compression": 1.1}, "compression"),
        ((40, 12), {"compression": "half"}, "compression"),
        ((40, 12), {"compression": True}, "compression"),
        ((40, 12), {"bottleneck": "perhaps"}, "bottleneck"),
        ((40, 12), {"memory_efficient": 2}, "memory_efficient"),
        ((40, 12), {"dropout": 1}, "dropout"),
        ((40, 12, 0), {}, "classes"),
    ],
)
def test_an_option_that_cannot_be_meant_is_named(arguments, options, where):
    with pytest.raises(UsageError) as caught, torch.device("meta"):
        small_densenet(*arguments, **options)
    assert caught.value.where == where


@pytest.mark.parametrize(("depth", "hint"), [(41, "40 or 43"), (42, "40 or 43"), (3, "7 or 10")])
def test_a_depth_that_does_not_divide_is_answered_with_its_neighbours(depth, hint):
    with pytest.raises(UsageError) as caught, torch.device("meta"):
        small_densenet(depth, 12)
    assert caught.value.hint == hint


def test_a_depth_that_table_1_has_not_is_refused_with_those_it_has():
    with pytest.raises(UsageError, match=r"no network of 100 layers.*121, 161, 169, 201, 264"):
        densenet(100)
