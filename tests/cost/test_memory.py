"""The peak of a step: by hand where the arithmetic is short, against PyTorch's own allocator where it is not."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from striate.base.errors import UsageError
from striate.cost.budget import largest_batch
from striate.cost.curve import curve_figure
from striate.cost.memory import Memory, Peak
from striate.cost.walk.trace import trace


def peak_of(net: nn.Module, shape: tuple[int, ...], batch: int = 1, device: str = "cpu", **options: object) -> Peak:
    memory = Memory(device)
    trace(net, shape, (memory,), batch=batch, **options)  # type: ignore[arg-type]
    return memory.peak()


def training_peak(net: nn.Module, shape: tuple[int, ...], batch: int, **options: object) -> Peak:
    return peak_of(net, shape, batch, training=True, **{"loss": torch.sum, **options})


def saved(peak: Peak) -> int:
    """Bytes of activations when the loss is known."""
    return peak.curve.kinds["activations"][peak.curve.ends["loss"] - 1]


def test_a_linear_layer_by_hand() -> None:
    # 200 weights and 20 biases; 4 x 10 inputs, 4 x 20 outputs and the loss are saved; all gradients and the loss's 1.
    peak = training_peak(nn.Linear(10, 20), (10,), 4, optimizer="sgd")
    assert peak.bytes == 4 * (220 + 40 + 80 + 1 + 220 + 1)
    expected = {"parameters": 880, "buffers": 0, "optimizer state": 0, "inputs": 160, "gradients": 880,
                "activations": 324, "temporaries": 4, "borrowed": 0}  # fmt: skip
    assert peak.kinds == expected
    assert peak.phase == "backward"


def test_parts_add_up_to_the_peak() -> None:
    peak = training_peak(blocks(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), (3, 9, 9), 2, optimizer="adamw")
    assert sum(peak.kinds.values()) == sum(peak.operators.values()) == sum(peak.modules.values()) == peak.bytes
    assert max(peak.curve.bytes) == max(map(peak.curve.most, peak.curve.ends)) == peak.bytes
    assert len(peak.curve.bytes) == peak.curve.ends["optimizer"]
    assert list(peak.curve.ends) == ["forward", "loss", "backward", "optimizer"]
    assert peak.kinds["buffers"] == 4 * (4 + 4) + 8  # running mean and variance, and the count of batches


def blocks(*parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(*parts)


def test_inference_frees_what_nobody_reads_again() -> None:
    # 1000 numbers between two layers; the third output is born when the first is dead.
    net = blocks(nn.Linear(10, 1000), nn.Linear(1000, 10), nn.Linear(10, 10))
    peak = peak_of(net, (10,), 8)
    assert peak.bytes == 4 * (11_000 + 10_010 + 110 + 8 * (10 + 1000 + 10))
    assert peak.module == "1"
    assert peak.kinds["activations"] == 0


@pytest.mark.parametrize("in_place", [False, True])
def test_an_in_place_operator_needs_nothing(in_place: bool) -> None:
    net = blocks(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=in_place))
    outputs = 4 * 2 * 8 * 16 * 16
    assert max(peak_of(net, (3, 16, 16), 2).curve.kinds["temporaries"]) == outputs * (1 if in_place else 2)
    training = training_peak(net, (3, 16, 16), 2)
    assert saved(training) == outputs + 4  # ReLU keeps its answer, not what it was given
    forward = training.curve.kinds["temporaries"][: training.curve.ends["forward"]]
    assert max(forward) == (0 if in_place else outputs)


def test_views_need_nothing() -> None:
    class Views(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1).unflatten(1, (3, 4)).transpose(1, 2)[:, 1:].unsqueeze(0).expand(5, -1, -1, -1)

    assert peak_of(Views(), (3, 2, 2), 7).bytes == 7 * 12 * 4


def test_a_shared_weight_is_there_once() -> None:
    net = blocks(nn.Linear(30, 30, bias=False), nn.Sigmoid(), nn.Linear(30, 30, bias=False))
    apart = training_peak(net, (30,), 1, optimizer="momentum")
    net[2].weight = net[0].weight
    shared = training_peak(net, (30,), 1, optimizer="momentum")
    assert (apart.kinds["parameters"], shared.kinds["parameters"]) == (2 * 3600, 3600)
    assert (apart.kinds["optimizer state"], shared.kinds["optimizer state"]) == (2 * 3600, 3600)
    assert shared.curve.kinds["gradients"][-1] == 3600


def test_a_storage_that_two_tensors_share_is_there_once() -> None:
    net = nn.Linear(10, 10, bias=False)
    net.register_buffer("twin", net.weight.detach())
    assert peak_of(net, (10,), 1).bytes == 400 + 40 + 40


@pytest.mark.parametrize(("optimizer", "times"), [(None, 0), ("sgd", 0), ("momentum", 1), ("adamw", 2)])
def test_optimizer_state(optimizer: str | None, times: int) -> None:
    peak = training_peak(nn.Linear(100, 50), (100,), 1, optimizer=optimizer)
    steps = 2 * 4 if optimizer == "adamw" else 0  # one number for weight and bias each
    assert peak.kinds["optimizer state"] == times * 4 * 5050 + steps


UNIT, WEIGHTS = 4 * 1000 * 64, 4 * (64 * 64 + 64)


class Chain(nn.Module):
    """Four blocks of two layers; each saves the answers of its two sigmoids, or only what it was given."""

    def __init__(self, recompute: bool) -> None:
        super().__init__()
        self.recompute = recompute
        self.blocks = nn.ModuleList(
            blocks(nn.Linear(64, 64), nn.Sigmoid(), nn.Linear(64, 64), nn.Sigmoid()) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False, preserve_rng_state=False) if self.recompute else block(x)
        return x


def test_a_checkpoint_saves_what_it_was_given_alone() -> None:
    plain, recomputed = (training_peak(Chain(each), (64,), 1000) for each in (False, True))
    assert saved(plain) == 8 * UNIT + 4
    assert saved(recomputed) == 4 * UNIT + 4
    # Last block, second layer: the gradients of its answer, its input, its weights; the input of the net, the loss, 1.
    assert plain.bytes == 8 * WEIGHTS + 8 * UNIT + UNIT + 2 * UNIT + WEIGHTS + 8
    # Second run of the third block, when two layers have gradients: the inputs of the net, of the second and of the
    # third block, the net's answer and the gradient at this block's end; anew, both sigmoids and the second layer.
    assert recomputed.bytes == 8 * WEIGHTS + 2 * WEIGHTS + (4 + 1 + 3) * UNIT + 8
    assert recomputed.kinds["activations"] == (2 + 1 + 2) * UNIT + 4
    assert recomputed.kinds["temporaries"] == 2 * UNIT + 4


def test_gradients_of_two_branches_are_added_in_place() -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 1000, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            h = self.linear(x)
            return h * 2 + h * 3

    # The answer and one gradient from each branch; the weight's own comes when one of the two is dead.
    backward = training_peak(Fork(), (2,), 100).curve.most("backward")
    assert backward == 4 * (2000 + 200 + 3 * 100_000) + 8


def test_targets_are_there_from_the_start() -> None:
    targets = torch.empty(6, 50, device="meta")
    peak = training_peak(nn.Linear(10, 50), (10,), 6, loss=lambda out: functional.mse_loss(out, targets))
    assert peak.kinds["inputs"] == 4 * 6 * (10 + 50)
    assert peak.curve.kinds["inputs"][0] == peak.curve.kinds["inputs"][-1] == 4 * 6 * (10 + 50)
    by_default = peak_of(
        nn.Conv2d(1, 5, 1), (1, 3, 3), 2, training=True
    )  # mean square: a target as large as the output
    assert by_default.curve.kinds["inputs"][0] == 4 * 2 * 9 * (1 + 5)


def test_autocast_halves_activations_and_copies_weights() -> None:
    net = blocks(nn.Linear(100, 100, bias=False), nn.Linear(100, 100, bias=False))
    peak = training_peak(net, (100,), 5, autocast=True, loss=lambda out: out.float().sum())
    # bfloat16: the input's copy, two outputs, two weights; and the loss and the last output in float32 if it is kept.
    assert saved(peak) - 4 in (2 * (500 + 2 * 500 + 2 * 10_000), 2 * (500 + 2 * 500 + 2 * 10_000) + 4 * 500)
    assert peak.kinds["parameters"] == 4 * 20_000


def test_on_a_gpu() -> None:
    # Blocks of 512 bytes: a weight of 400, an input of 40, an output of 40.
    assert peak_of(nn.Linear(10, 10, bias=False), (10,), 1, "cuda").bytes == 3 * 512
    # AdamW's roots of all parameters at once, beside parameters, gradients and state; else of the largest alone.
    net = blocks(*(nn.Linear(128, 128, bias=False) for _ in range(4)))
    at = {device: training_peak(net, (128,), 1, device=device, optimizer="adamw") for device in ("cpu", "cuda")}
    assert max(at["cuda"].curve.kinds["temporaries"]) - max(at["cpu"].curve.kinds["temporaries"]) >= 3 * 4 * 128 * 128
    # Dropout keeps a mask of one byte an element, not a float.
    dropped = {device: training_peak(nn.Dropout(), (1024,), 8, device=device, input_gradient=True) for device in at}
    assert max(dropped["cpu"].curve.kinds["activations"]) == 4 * 8192 + 4 * 8192 + 4
    assert max(dropped["cuda"].curve.kinds["activations"]) == 8192 + 4 * 8192 + 512
    with pytest.raises(UsageError, match=r"memory on 'gpu' is not known.*cuda|cpu"):
        Memory("gpu")


# --- against what PyTorch's allocator reports -------------------------------------------------------------------------


class Residual(nn.Module):
    """x + f(x): its gradient is a sum, which autograd adds in place."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.inner = blocks(*parts)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def perceptron() -> nn.Module:
    parts = (Residual(nn.LayerNorm(96), nn.Linear(96, 192), nn.GELU(), nn.Linear(192, 96)) for _ in range(4))
    return blocks(*parts, nn.Linear(96, 10))


def residual() -> nn.Module:
    def layer() -> tuple[nn.Module, ...]:
        return nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)

    parts = (blocks(Residual(*layer(), nn.ReLU(), *layer()), nn.ReLU(inplace=True)) for _ in range(10))
    return blocks(nn.Conv2d(3, 8, 3, padding=1), *parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


def plain() -> nn.Module:
    convs = (blocks(nn.Conv2d(8, 8, 3, padding=1), nn.MaxPool2d(3, 1, 1), nn.Tanh()) for _ in range(10))
    head = (nn.Flatten(), nn.Dropout(), nn.Linear(2048, 100), nn.ReLU(inplace=True), nn.Linear(100, 10))
    return blocks(nn.Conv2d(3, 8, 3, padding=1), *convs, *head)


class Attends(nn.MultiheadAttention):
    """Asks for no weights: a fused kernel then keeps none of the scores."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x, x, x, need_weights=False)[0]


def attention() -> nn.Module:
    return blocks(
        Attends(64, 4, batch_first=True), Attends(64, 4, batch_first=True), nn.Flatten(), nn.Linear(12288, 10)
    )


def mish() -> nn.Module:
    return blocks(nn.Conv2d(3, 16, 1), nn.Mish(), nn.Mish(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def allocated(net: nn.Module, pictures: Tensor, optimizer: torch.optim.Optimizer, autocast: bool) -> int:
    """The profiler's running sum over a second step, with what lives before it."""
    targets = torch.zeros(len(pictures), dtype=torch.long)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = functional.cross_entropy(net(pictures), targets)
        loss.backward()
        optimizer.step()

    step()
    optimizer.zero_grad()
    state = [each for entry in optimizer.state.values() for each in entry.values() if isinstance(each, Tensor)]
    now = sum(
        each.untyped_storage().nbytes() for each in (*net.parameters(), *net.buffers(), pictures, targets, *state)
    )
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    most, results = now, profile.profiler.kineto_results
    for _, change in sorted((each.start_ns(), each.nbytes()) for each in results.events() if each.name() == "[memory]"):
        now += change
        most = max(most, now)
    return most


@pytest.mark.parametrize(
    ("build", "shape", "optimizer", "autocast", "within"),
    [
        (perceptron, (96,), "adamw", False, 0.003),
        (perceptron, (96,), "momentum", True, 0.05),
        (residual, (3, 16, 16), "momentum", False, 0.05),
        (plain, (3, 16, 16), "adamw", False, 0.05),
        (attention, (192, 64), "momentum", False, 0.07),  # its kernel borrows 6 % while it runs
        (mish, (3, 16, 16), "momentum", False, 0.03),
    ],
)
def test_within_five_percent_of_the_allocator(
    build: Callable[[], nn.Module], shape: tuple[int, ...], optimizer: str, autocast: bool, within: float
) -> None:
    net = build()
    stepper = (
        torch.optim.AdamW(net.parameters(), 1e-4)
        if optimizer == "adamw"
        else torch.optim.SGD(net.parameters(), 1e-4, momentum=0.9)
    )
    measured = allocated(net, torch.randn(64, *shape), stepper, autocast)
    predicted = peak_of(net, shape, 64, training=True, optimizer=optimizer, autocast=autocast).bytes
    assert predicted / measured == pytest.approx(1, abs=within)


# --- how many fit -----------------------------------------------------------------------------------------------------

SMALL = blocks(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 3))


@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
@settings(max_examples=20)
def test_a_larger_batch_never_needs_less(one: int, other: int, training: bool) -> None:
    few, more = sorted((one, other))
    assert (
        peak_of(SMALL, (1, 8, 8), few, training=training).bytes
        <= peak_of(SMALL, (1, 8, 8), more, training=training).bytes
    )


@given(st.integers(4_000, 200_000), st.sampled_from([None, "momentum", "adamw"]), st.sampled_from(["cpu", "cuda"]))
@settings(max_examples=15)
def test_the_largest_batch_is_the_last_that_fits(budget: int, optimizer: str | None, device: str) -> None:
    fit = largest_batch(SMALL, (1, 8, 8), budget, optimizer=optimizer, device=device)

    def needs(batch: int) -> int:
        return peak_of(SMALL, (1, 8, 8), batch, device, training=True, optimizer=optimizer).bytes

    assert fit.batch == 0 or needs(fit.batch) == fit.peak.bytes <= budget  # type: ignore[union-attr]
    assert needs(fit.batch + 1) == fit.next_peak.bytes > budget


def test_inference_fits_more() -> None:
    training, inference = (largest_batch(SMALL, (1, 8, 8), 100_000, training=each) for each in (True, False))
    assert 0 < training.batch < inference.batch


def test_a_network_that_looks_at_the_batch() -> None:
    class Halves(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2 if len(x) < 10 else (x * 2) * torch.ones(1000, device=x.device)[: x.shape[1]]

    fit = largest_batch(Halves(), (100,), 9_000, training=False)
    # From 10 on: input, product and 1000 ones, then the second product too.
    assert (fit.batch, fit.next_peak.bytes) == (9, 4 * (3 * 10 * 100 + 1000))


def test_tensors_have_a_batch_of_their_own() -> None:
    tensor = torch.zeros(2, 1, 8, 8)
    for inputs in (tensor, (tensor,), {"input": tensor}, [[tensor]]):
        with pytest.raises(UsageError, match=r"^input size: a tensor has a batch of its own"):
            largest_batch(SMALL, inputs, 100_000)
    assert largest_batch(SMALL, {"input": (1, 8, 8)}, 100_000) == largest_batch(SMALL, (1, 8, 8), 100_000)


def test_not_even_one_fits() -> None:
    fit = largest_batch(SMALL, (1, 8, 8), 1000)
    assert (fit.batch, fit.peak) == (0, None)
    assert str(fit).startswith("Not even a batch of 1 fits into 1000 bytes: 1 needs ")
    assert "The largest batch that fits into 97.66 KiB is " in str(largest_batch(SMALL, (1, 8, 8), 100_000))


# --- the figure -------------------------------------------------------------------------------------------------------


def test_the_curve_as_a_figure() -> None:
    peak = training_peak(residual(), (3, 16, 16), 8, optimizer="adamw")
    assert len(peak.curve.bytes) > 500  # more calls than columns
    figure = curve_figure(peak)
    words = [each.text for each in ElementTree.fromstring(figure).iter("{http://www.w3.org/2000/svg}text")]
    assert {"forward", "backward", "optimizer", "activations", "gradients", "parameters", "operator call"} <= {*words}
    assert any(word and word.startswith("peak ") and peak.operator in word for word in words)
    assert curve_figure(peak) == figure
    assert figure.startswith("<svg")


def test_a_network_without_an_operator_has_a_curve_too() -> None:
    peak = peak_of(nn.Identity(), (5,), 3)
    assert (peak.bytes, peak.operator) == (60, "")
    assert curve_figure(peak)
