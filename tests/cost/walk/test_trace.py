"""The pass sees what a CPU does, names who did it, and leaves the user's network alone."""

import copy
import gc
import threading
import warnings
from collections import Counter
from functools import partial

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from striate.base.errors import UsageError
from striate.cost.count import count
from striate.cost.walk.events import NO_CALL, Observer
from striate.cost.walk.trace import trace


class Log(Observer):
    """Writes down all that an observer is told, without keeping a tensor."""

    def __init__(self):
        self.calls, self.modules, self.phases, self.meta = [], [], [], True

    def begin(self, traced):
        tensors = [*traced.net.parameters(), *traced.net.buffers(), *traced.inputs]
        self.meta = all(each.is_meta for each in tensors)

    def module_entered(self, name, call, inputs):
        self.modules.append(("in", name, call, tuple(tuple(each.shape) for each in inputs)))

    def module_left(self, name, call, outputs):
        self.modules.append(("out", name, call, tuple(tuple(each.shape) for each in outputs)))

    def called(self, call):
        kinds = tuple((tuple(each.shape), each.dtype) for each in call.outputs)
        self.calls.append((call.phase, call.module, call.leaf_call, str(call.operator), kinds))
        self.meta &= all(each.is_meta for each in call.outputs)

    def phase_ended(self, phase):
        self.phases.append(phase)


def traced(net, inputs, **options):
    log = Log()
    trace(net, inputs, [log], **options)
    assert log.meta
    return log


class Real(TorchDispatchMode):
    """What a real step on the CPU calls."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        outputs = out if isinstance(out, (tuple, list)) else [out]
        tensors = [each for each in outputs if isinstance(each, torch.Tensor)]
        self.calls.append((str(func), tuple((tuple(each.shape), each.dtype) for each in tensors)))
        return out


# New names, the loss's targets, which a real step brings along, and AdamW's reading of its counter.
UNTOLD = {"aten.detach.default", "aten.empty.memory_format", "aten._local_scalar_dense.default"}


def told(calls):
    return Counter(call[-2:] for call in calls if call[-2] not in UNTOLD)


class Attention(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.weights = weights
        self.attend, self.norm, self.head = nn.MultiheadAttention(8, 2), nn.LocalResponseNorm(3), nn.Linear(8, 3)

    def forward(self, x):
        y = self.attend(x, x, x, need_weights=self.weights)[0]
        return self.head(self.norm(y[..., None])[..., 0].mean(1))


class Heads(nn.Module):
    """Query, key and value from one layer, as (n, heads, 5, 4) or without heads, and attention with options."""

    def __init__(self, heads=2, keys=2, learned=False, **options):
        super().__init__()
        self.heads, self.keys, self.options = heads, keys, options
        self.layer, self.last = nn.Linear(8, 4 * (heads + 2 * keys)), nn.Linear(4, 3)
        if learned:
            self.options["attn_mask"] = self.mask = nn.Parameter(torch.zeros(5, 5))

    def forward(self, x):
        parts = self.layer(x).unflatten(-1, (-1, 4)).transpose(1, 2).split([self.heads, self.keys, self.keys], 1)
        if self.heads == 1:
            parts = [part.squeeze(1) for part in parts]
        y = functional.scaled_dot_product_attention(*parts, **self.options)
        return self.last(y).flatten(1)


class Halved(nn.Module):
    """Draws its windows itself, once: two passes would draw other ones."""

    def forward(self, x):
        return functional.fractional_max_pool3d(x, 2, 4, _random_samples=torch.full((2, 2, 3), 0.5, device=x.device))


class Unpooled(nn.Conv2d):
    def __init__(self):
        super().__init__(1, 2, 1)

    def forward(self, x):
        return functional.max_unpool2d(*functional.max_pool2d(super().forward(x), 2, return_indices=True), 2).flatten(1)


class Spectrum(nn.Conv2d):
    def __init__(self):
        super().__init__(1, 2, 1)

    def forward(self, x):
        return torch.fft.rfft2(super().forward(x)).abs().flatten(1)


SEEN = torch.ones(5, 5, dtype=torch.bool).tril()
ATTENTION = {
    "causal": partial(Heads, is_causal=True),
    "mask": partial(Heads, attn_mask=SEEN),
    "added mask": partial(Heads, attn_mask=SEEN.float()),
    "learned mask": partial(Heads, learned=True),
    "dropout": partial(Heads, dropout_p=0.1),
    "grouped": partial(Heads, heads=4, enable_gqa=True),
    "scaled": partial(Heads, scale=0.3),
    "without heads": partial(Heads, heads=1, keys=1),
}
NETS = {
    **{f"attention, {name}": (build, (5, 8)) for name, build in ATTENTION.items()},
    "resnet18": (torchvision.models.resnet18, (3, 64, 64)),
    "densenet121": (torchvision.models.densenet121, (3, 64, 64)),
    "squeezenet1_1": (torchvision.models.squeezenet1_1, (3, 64, 64)),
    "mobilenet_v3_small": (torchvision.models.mobilenet_v3_small, (3, 64, 64)),
    "attention, written out": (partial(Attention, True), (5, 8)),
    "attention, fused": (partial(Attention, False), (5, 8)),
    "three axes": (
        lambda: nn.Sequential(
            nn.Conv3d(1, 2, 3),
            nn.MaxPool3d(2),
            nn.Conv3d(2, 2, 1),
            nn.AdaptiveMaxPool3d(2),
            nn.ReplicationPad3d(1),
            nn.Conv3d(2, 2, 1),
            nn.AdaptiveAvgPool3d(1),
            nn.Flatten(),
        ),
        (1, 8, 8, 8),
    ),
    "pads": (
        lambda: nn.Sequential(
            *(
                nn.Conv2d(1, 1, 3, padding=1, padding_mode=mode)
                for mode in ("reflect", "replicate", "zeros", "circular")
            ),
            nn.Flatten(),
        ),
        (1, 8, 8),
    ),
    "unpool": (Unpooled, (1, 8, 8)),
    "spectrum": (Spectrum, (1, 8, 8)),
    "fractional pool": (lambda: nn.Sequential(nn.Conv3d(1, 2, 1), Halved(), nn.Flatten()), (1, 8, 8, 8)),
    "mish": (lambda: nn.Sequential(nn.Linear(5, 8), nn.Mish()), (5,)),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("autocast", [False, True])
def test_a_training_step_calls_the_operators_of_a_real_one(name, autocast):
    build, shape = NETS[name]
    torch.manual_seed(0)
    net = build().train()
    log = traced(net, shape, batch=2, training=True, autocast=autocast)
    x, targets = torch.randn(2, *shape), torch.zeros(2, dtype=torch.long)
    with Real() as real:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = functional.cross_entropy(net(x), targets)
        loss.backward()
    assert told(log.calls) == told(real.calls)


@pytest.mark.parametrize("training", [False, True])
def test_it_makes_no_difference_that_the_caller_is_in_inference_mode(training):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    expected = traced(net, (3, 8, 8), training=training).calls
    with torch.inference_mode():
        assert traced(net, (3, 8, 8), training=training).calls == expected


def test_what_is_brought_to_the_cpu_is_counted_on():
    class Brought(nn.Linear):
        def forward(self, x):
            return super().forward(x).cpu().to("cpu", torch.float64) * 2

    assert traced(Brought(4, 4), (4,)).calls[-1][4] == (((1, 4), torch.float64),)


def test_outside_of_a_pass_torch_does_as_it_did():
    query = torch.empty(1, 2, 5, 4, device="meta", requires_grad=True)

    def operators():
        with Real() as real:
            functional.scaled_dot_product_attention(query, query, query)
        return real.calls

    before = operators()
    traced(Heads(), (5, 8))
    assert operators() == before


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_the_optimizers_call_the_operators_of_torchs_loop_over_tensors(optimizer):
    net = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    log = traced(net, (3,), batch=2, training=True, optimizer=optimizer)
    if optimizer == "adamw":
        real = torch.optim.AdamW(net.parameters(), foreach=False)
    else:
        momentum = 0.9 if optimizer == "momentum" else 0.0
        real = torch.optim.SGD(net.parameters(), 0.1, momentum=momentum, foreach=False)
    net(torch.randn(2, 3)).sum().backward()
    real.step()
    with Real() as second:
        real.step()
    steps = [call for call in second.calls if call[0] not in UNTOLD and "profiler" not in call[0]]
    assert [call[3] for call in log.calls if call[0] == "optimizer"] == [call[0] for call in steps]


def test_phases_modules_and_numbers_of_calls():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.act = nn.Linear(4, 4), nn.ReLU()

        def forward(self, x):
            return self.layer(self.act(self.layer(x))) + x

    log = traced(Twice(), (4,), training=True, optimizer="sgd")
    assert log.phases == ["forward", "loss", "backward", "optimizer"]
    entered = [(name, call) for event, name, call, _ in log.modules if event == "in"]
    assert entered == [("", 0), ("layer", 1), ("act", 2), ("layer", 3)]
    assert ("out", "act", 2, ((1, 4),)) in log.modules
    by_phase = {(phase, operator): (module, call) for phase, module, call, operator, _ in reversed(log.calls)}
    assert by_phase["forward", "aten.addmm.default"] == ("layer", 1)
    assert by_phase["forward", "aten.add.Tensor"] == ("", 0)
    assert by_phase["backward", "aten.threshold_backward.default"] == ("act", 2)
    assert by_phase["loss", "aten._log_softmax.default"] == ("", NO_CALL)
    assert by_phase["optimizer", "aten.add_.Tensor"] == ("layer", 1)
    products = [
        (m, n) for phase, m, n, operator, _ in log.calls if (phase, operator) == ("backward", "aten.mm.default")
    ]
    assert products == [("layer", 3), ("layer", 3), ("layer", 1)]  # the input of the first has no gradient


def test_forward_alone_is_in_evaluation_mode_and_without_gradients():
    log = traced(nn.Sequential(nn.Linear(4, 4), nn.Dropout()).train(), (4,))
    assert log.phases == ["forward"]
    assert {call[3] for call in log.calls} == {"aten.t.default", "aten.addmm.default"}


def test_the_network_is_not_changed_and_its_hooks_are_not_called():
    seen = []
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    net[0].register_forward_hook(lambda *args: seen.append(args))
    net.register_full_backward_hook(lambda *args: seen.append(args))
    before = copy.deepcopy(net.state_dict())
    traced(net, (3, 8, 8), batch=2, training=True, optimizer="adamw")
    assert not seen
    assert len(net[0]._forward_hooks) == 1
    assert net.training
    assert "forward" not in net[0].__dict__
    assert all(each.grad is None and each.device.type == "cpu" for each in net.parameters())
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in before.items())
    assert gc.isenabled()


def test_a_network_too_large_for_any_machine_is_traced():
    with torch.device("meta"):
        net = nn.Linear(2**20, 2**20)
    traced(net, (2**20,), batch=2**20, training=True, optimizer="adamw")


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("autocast", [False, True])
def test_a_checkpoint_computes_again_in_the_backward_phase(reentrant, autocast):
    class Saving(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.body = nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.Tanh())

        def forward(self, x):
            return checkpoint(self.body, self.stem(x), use_reentrant=reentrant)

    log = traced(Saving(), (4,), training=True, autocast=autocast)
    again = [(phase, module) for phase, module, _, operator, _ in log.calls if operator == "aten.addmm.default"]
    assert again == [("forward", "stem"), ("forward", "body.0"), ("backward", "body.0")]
    entered = [name for event, name, *_ in log.modules if event == "in"]
    assert entered == ["", "stem", "body", "body.0", "body.1", "body", "body.0", "body.1"]
    assert sum(event == "in" for event, *_ in log.modules) == sum(event == "out" for event, *_ in log.modules)


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda net: torch.compile(net, backend="eager")])
def test_wrappers_are_taken_off(wrap):
    assert [name for _, name, *_ in traced(wrap(nn.Sequential(nn.Linear(3, 3))), (3,)).modules] == ["", "0", "0", ""]


def test_tensors_that_are_no_buffers_weight_norm_and_several_inputs_and_outputs():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.mask, self.more = torch.ones(4), [torch.ones(4)]
            self.layer = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))

        def forward(self, x, y):
            return {"out": self.layer(x * self.mask), "rest": (y + self.more[0], None)}

    log = traced(Odd(), ((4,), (3, 4)), batch=2, training=True)
    assert log.phases == ["forward", "loss", "backward"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = nn.utils.weight_norm(nn.Linear(4, 4))
    assert "aten._weight_norm_interface.default" in {call[3] for call in traced(old, (4,)).calls}


def test_given_tensors_bring_their_type_and_batch():
    net = nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2))
    log = traced(net, torch.zeros(3, 5, dtype=torch.long))
    assert log.modules[-1][3] == ((3, 5, 2),)
    assert traced(nn.Linear(3, 3).double(), (3,)).calls[-1][4] == (((1, 3), torch.float64),)


class Branch(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Pick(nn.Module):
    def forward(self, x):
        return x[x > 0]


class ToNumpy(nn.Module):
    def forward(self, x):
        return torch.from_numpy(x.numpy())


class Two(nn.Module):
    def forward(self, x, y):
        return x + y


class Sparse(nn.Module):
    def forward(self, x):
        return x.to_sparse()


class Locked(nn.Module):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(nn.Linear(4, 4))


@pytest.mark.parametrize(
    ("net", "shape", "options", "sentence"),
    [
        (torchvision.models.alexnet, (3, 16, 16), {}, r"module 'features\.5': it cannot take 1x192x1x1"),
        (torchvision.models.squeezenet1_1, (1, 64, 64), {}, r"module 'features\.0': it cannot take 1x1x64x64"),
        (lambda: nn.Sequential(Two()), (4,), {}, r"module '0'.*called with 1 inputs.*'y'.*a tuple with one shape"),
        (Two, ((4,), (4,), (4,)), {}, r"the network \(Two\).*called with 3 inputs"),
        (lambda: nn.Sequential(Branch()), (4,), {}, r"module '0'.*depends on the values.*_local_scalar_dense"),
        (lambda: nn.Sequential(Pick()), (4,), {}, r"module '0'.*depends on the values"),
        (lambda: nn.Sequential(ToNumpy()), (4,), {}, r"module '0'.*depends on the values"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), (4,), {}, r"module '0'.*lazy"),
        (lambda: nn.Sequential(nn.LazyBatchNorm2d()), (4, 3, 3), {}, r"module '0'.*lazy"),
        (lambda: nn.Sequential(scripted()), (4,), {}, r"module '0'.*scripted"),
        (Locked, (4,), {}, r"Locked.*cannot be copied.*lock"),
        (lambda: nn.Linear(4, 4), (-4,), {}, r"input size: \(-4,\) with a batch of 1 is no shape"),
        (lambda: nn.Linear(4, 4), ("four",), {}, r"input size: 'four'"),
        (lambda: nn.Linear(4, 4), (4,), {"training": True, "optimizer": "adam"}, r"optimizer: 'adam'.*Try: adamw"),
        (lambda: nn.Linear(4, 4).requires_grad_(False), (4,), {"training": True}, r"nothing in it asks for a gradient"),
        (lambda: nn.BatchNorm2d(4), (4, 1, 1), {"training": True}, r"cannot take 1x4x1x1.*more than 1 value"),
        (
            lambda: nn.Conv2d(3, 4, 3),
            (3, 8, 8),
            {"training": True, "loss": lambda out: nn.functional.cross_entropy(out, torch.zeros(3, dtype=torch.long))},
            "^loss: it cannot take the network's answer, 1x4x6x6",
        ),
        (lambda: nn.Conv2d(3, 4, 3), (3, 8, 8), {"training": True, "loss": lambda out: out}, "^loss: it gives 1x4x6x6"),
        (lambda: nn.Conv2d(3, 4, 3), (3, 8, 8), {"training": True, "loss": lambda out: 3}, "^loss: it gives int"),
        (
            lambda: nn.Linear(4, 4),
            (4,),
            {"training": True, "loss": lambda out: out.sum() * out.max().item()},
            "^loss: what it computes depends on the values",
        ),
        (lambda: nn.Sequential(Sparse()), (4,), {}, r"module '0': .*_to_sparse.* cannot run without values"),
        (lambda: nn.Linear(4, 4), (4,), {"batch": 0}, "^batch: 0 is no number of samples"),
        (nn.Identity, (4,), {"training": True, "input_gradient": True, "loss": lambda y: 1 / 0}, r"division by zero"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # lazy modules say that they are experimental
def test_what_cannot_be_traced_is_a_sentence_that_names_the_module(net, shape, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        traced(net(), shape, **options)


class MakesItsOwn(nn.Module):
    """Adds a tensor that its forward pass makes on the CPU, and draws a random number."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        torch.rand(1)
        return torch.cat([self.linear(x) + torch.zeros(4), torch.ones(x.shape[0], 2)], 1)


def test_tensors_that_a_forward_pass_makes_itself_are_counted_and_random_numbers_stay():
    net = MakesItsOwn()
    before = torch.get_rng_state()
    result = count(net, (4,), batch=3, training=True)
    assert result.phases["forward"].macs == 3 * 16
    assert torch.equal(torch.get_rng_state(), before)


class Uncopied(nn.Linear):
    def __deepcopy__(self, memo):
        return self


@pytest.mark.parametrize(
    ("net", "size", "sentence"),
    [
        (Uncopied(4, 4), (4,), "gives the module itself"),
        ("resnet18", (4,), "is no torch.nn.Module"),
        (nn.Linear, (4,), "is no torch.nn.Module"),
        (nn.Linear(4, 4), 4, "is no shape"),
        (nn.Linear(4, 4), None, "is no shape"),
    ],
)
def test_what_cannot_be_counted_is_refused_and_left_as_it_was(net, size, sentence):
    with pytest.raises(UsageError, match=sentence):
        count(net, size)
    assert getattr(net, "training", True)


class Empty(nn.Sequential):
    """A child that has nothing in it, and is therefore false."""


def test_a_false_child_is_a_child():
    class Parent(nn.Module):
        def __init__(self):
            super().__init__()
            self.empty, self.linear = Empty(), nn.Linear(4, 4)

        def forward(self, x):
            return self.linear(self.empty(x)) + x

    assert [row.module for row in count(Parent(), (4,)).rows] == ["empty", "linear", ""]
