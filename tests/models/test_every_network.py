"""What holds for every network of the catalogue; what takes real passes is shown on samples."""

import copy
import functools
import inspect
import math

import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from torch.nn import functional

from samples import DEEP, sampled
from striate.layers import Heads
from striate.models import catalog as catalogue
from striate.models.build import build
from striate.models.catalog import catalog, check_size, find

pytestmark = pytest.mark.slow

NARROW = {"unet": {"width": 16}, "unet_padded": {"width": 16}}  # so that its real passes take seconds, not minutes


@pytest.fixture(params=sampled(catalog(), kept=set(catalog()) - DEEP))
def any_name(request: pytest.FixtureRequest) -> str:
    return request.param


# Of the module, so that the tests of one network follow each other and build it once.
@pytest.fixture(scope="module", params=sampled(catalog()))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def exported() -> set[str]:
    """How the networks print that this process has exported."""
    return set()


def on_nothing(name: str, **options: object) -> nn.Module:
    """The network on tensors without storage: shapes and counts at no cost."""
    with torch.device("meta"):
        return build(name, **options)


def real(name: str) -> nn.Module:
    """Freshly built; running statistics are those of a few pictures, for those of a new network fit no pictures.

    In evaluation mode each of 600 blocks would otherwise double the activations.
    """
    net, statistics = built(name)
    net.load_state_dict(statistics, strict=False)  # a test before this one may have run it in training mode
    return net


@functools.lru_cache(maxsize=1)
def built(name: str) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """A network for all tests of it, and a copy of its statistics."""
    torch.manual_seed(0)
    net = build(name, **NARROW.get(name, {}))
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        net.train()(small_input(name, 4))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return net, {key: buffer.clone() for key, buffer in net.named_buffers()}


def small_input(name: str, n: int = 2, *, heads: bool = True) -> torch.Tensor:
    """Random pictures, one step larger than the smallest that the network takes, its auxiliary heads too or not."""
    entry = find(name)
    least = entry.least if heads else min([entry.least, *(each.least for each in entry.sizes if each.option == "aux")])
    side = least if entry.fixed else least + entry.step
    return torch.randn(n, entry.input[0], side, side, generator=torch.Generator().manual_seed(1))


def answers(outputs: torch.Tensor | Heads) -> tuple[torch.Tensor, ...]:
    return (outputs.logits, *outputs.auxiliary) if isinstance(outputs, Heads) else (outputs,)


def apart(outputs: torch.Tensor, expected: torch.Tensor) -> float:
    """The distance between two answers, relative to the second."""
    return float((outputs.float() - expected).norm() / expected.norm())


def default(name: str, option: str) -> int | None:
    parameters = inspect.signature(catalogue._function(find(name).builder)).parameters
    return parameters[option].default if option in parameters else None


def test_published_input_gives_the_published_output(any_name):
    name = any_name
    entry, classes = find(name), default(name, "classes")
    outputs = on_nothing(name).eval()(torch.empty(2, *entry.input, device="meta"))
    if entry.task == "classify":
        assert outputs.shape == (2, classes)
    elif entry.task == "reconstruct":
        assert outputs.shape == (2, *entry.input)
    else:
        assert outputs.shape[:2] == (2, classes)
        assert all(0 < there <= here for there, here in zip(outputs.shape[2:], entry.input[1:], strict=True))


def test_classes_and_channels_change_the_ends_only(any_name):
    name = any_name
    published, wanted = on_nothing(name).state_dict(), {"channels": 2}
    before = [find(name).input[0]]
    if default(name, "classes") is not None:
        wanted["classes"] = 7
        before.append(default(name, "classes"))
    other = on_nothing(name, **wanted)
    assert other.state_dict().keys() == published.keys()
    changed = {key: value.shape for key, value in other.state_dict().items() if value.shape != published[key].shape}
    for key, shape in changed.items():
        pairs = [(old, new) for old, new in zip(published[key].shape, shape, strict=True) if old != new]
        assert len(pairs) == 1, key
        assert pairs[0] in zip(before, wanted.values(), strict=True), key
    assert next(iter(changed)) == next(key for key, value in published.items() if value.dim() == 4)
    side = find(name).input[1:]
    assert other.eval()(torch.empty(2, 2, *side, device="meta")).shape[1] == wanted.get("classes", 2)


def test_no_activation_is_reused_or_in_place(name):
    net, calls = real(name).train(), []
    activations = [module for module in net.modules() if isinstance(module, nn.ReLU | nn.Tanh | nn.Sigmoid)]
    assert not [module for module in activations if getattr(module, "inplace", False)]
    hooks = [module.register_forward_hook(lambda layer, *_: calls.append(id(layer))) for module in activations]
    with torch.no_grad():
        net(small_input(name))
    for hook in hooks:
        hook.remove()
    assert len(calls) == len(set(calls))
    assert calls


def test_the_least_side_works_and_a_smaller_one_is_refused(name):
    entry = find(name)
    net = real(name).train()  # in training mode: auxiliary heads need their size too
    for side in [entry.least] if entry.fixed else [entry.least, entry.least + entry.step]:
        check_size(name, side, side)
        with torch.no_grad():
            outputs = net(torch.zeros(2, entry.input[0], side, side))
        assert all(each.numel() for each in answers(outputs))
    for side in {entry.least - 1, entry.least - entry.step}:
        with pytest.raises(catalogue.UsageError, match=str(entry.least)):
            check_size(name, side, entry.least)


def test_every_parameter_receives_a_finite_gradient(name):
    net, x = real(name).train(), small_input(name, 3)
    outputs = answers(net(x))
    if find(name).task == "reconstruct":
        loss = functional.mse_loss(outputs[0], x)
    else:
        targets = torch.arange(3).view(3, *[1] * (outputs[0].dim() - 2)).expand(3, *outputs[0].shape[2:])
        loss = sum(functional.cross_entropy(each, targets.remainder(each.shape[1])) for each in outputs)
    loss.backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None, key
        least, most = map(float, parameter.grad.aminmax())  # NaN where any is
        assert math.isfinite(least), key
        assert math.isfinite(most), key
        assert (least, most) != (0, 0), key
    net.zero_grad()


def test_equal_seeds_build_equal_bits(name):
    built = real(name)
    torch.manual_seed(0)
    again = build(name, **NARROW.get(name, {})).named_parameters()
    fresh = all(torch.equal(value, built.get_parameter(key)) for key, value in again)
    assert fresh


def test_a_round_trip_through_safetensors_and_a_deep_copy_give_equal_bits(name):
    net, x = real(name).eval(), small_input(name, 1)
    saved, other = save(net.state_dict()), copy.deepcopy(net)
    with torch.no_grad():
        assert torch.equal(net(x), other(x))
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    other.load_state_dict(load(saved), strict=True)
    with torch.no_grad():
        assert torch.equal(net(x), other(x))


def test_evaluation_repeats_and_changes_no_statistics(name):
    net, x = real(name), small_input(name, 2)
    with torch.no_grad():
        net.eval()
        before = {key: value.clone() for key, value in net.named_buffers()}
        one, again, alone = net(x), net(x), net(x[:1])
        assert all(torch.equal(value, net.get_buffer(key)) for key, value in before.items())
    assert torch.equal(one, again)
    # A picture's answer does not depend on the others: alone it is the same but for the order of sums, which 100 layers
    # without shortcuts amplify, and far from another picture's.
    assert apart(alone, one[:1]) < 0.5 * apart(one[1:], one[:1])
    assert {module.training for module in net.modules()} == {False}
    assert {module.training for module in net.train().modules()} == {True}


def test_bfloat16_and_channels_last_run_and_agree(name):
    net, x = real(name).eval(), small_input(name, 1, heads=False)  # bfloat16 is slow where a processor has none
    with torch.no_grad():
        expected = net(x)
        with torch.autocast("cpu", torch.bfloat16):
            cast = net(x)
        other = copy.deepcopy(net).to(memory_format=torch.channels_last)
        last = other(x.contiguous(memory_format=torch.channels_last))
        half = other.bfloat16()(x.bfloat16())
    assert apart(last, expected) < 0.1
    # Another memory format shows what the network makes of float32's rounding, and bfloat16 rounds 2^16 times as much:
    # 110 layers without shortcuts, not trained, amplify it 10^5 times, five layers hardly.
    for each in (cast, half):
        assert each.isfinite().all()
        assert apart(each, expected) < 0.04 + 2**16 * apart(last, expected)


def without_repeats(net: nn.Module) -> nn.Module:
    """The network with one of the equal blocks that follow each other: more of them would export alike."""
    short = copy.deepcopy(net)
    for stage in [module for module in short.modules() if type(module) is nn.Sequential]:
        children = list(stage.named_children())
        kinds = [str(child) for _, child in children]
        for at, (key, _) in enumerate(children):
            if at and kinds[at] == kinds[at - 1]:
                delattr(stage, key)
    return short


def test_it_exports_with_any_batch_size_and_equal_answers(name, exported):
    builder, options = catalogue._function(find(name).builder), dict(find(name).options)
    shallow = builder.__name__ == "small_densenet"  # its layers are all unlike, and it takes any depth
    net = builder(**options | {"depth": 16}) if shallow else without_repeats(real(name))
    net, x = net.eval(), small_input(name, 3, heads=False)
    if str(net) in exported:  # it differs from a network before it in the number of equal blocks only
        return
    exported.add(str(net))
    large = len(list(net.modules())) > 430  # DenseNets of over 100 layers, all unlike: any size would take minutes
    sizes = None if large else ({0: torch.export.Dim("n", min=1, max=64)},)
    program = torch.export.export(net, (x,), dynamic_shapes=sizes).module()
    with torch.no_grad():
        for batch in (x,) if large else (x, x[:1]):
            assert apart(program(batch), net(batch)) < 1e-3
