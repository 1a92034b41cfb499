"""What convolutions borrow on a CPU, each by hand; and, where vectors are as wide, against what a CPU takes."""

from itertools import accumulate

import pytest
import torch
from torch import Tensor, nn

from striate.cost.borrowed import borrowed
from striate.cost.budget import largest_batch, peak_of
from striate.cost.walk.events import NO_CALL, Call

aten = torch.ops.aten


def calls(
    given: Tensor, weight: Tensor, *, stride: int = 1, padding: int = 0, groups: int = 1, transposed: bool = False
) -> tuple[Call, Call]:
    """Forward, and backward with the gradients of picture and weight."""
    how = ([stride] * 2, [padding] * 2, [1, 1], transposed, [0, 0], groups)
    result = aten.convolution(given, weight, None, *how)
    layout = torch.channels_last if not given.is_contiguous() else torch.contiguous_format
    gradient = torch.ones_like(result, memory_format=layout)
    forward, backward = (given, weight, None, *how), (gradient, given, weight, None, *how, [True, True, False])
    return (
        Call(aten.convolution.default, forward, {}, (result,), "", NO_CALL, "forward"),
        Call(aten.convolution_backward.default, backward, {}, (), "", NO_CALL, "backward"),
    )


def picture(*shape: int, last: bool = False, dtype: torch.dtype = torch.float32, device: str = "meta") -> Tensor:
    layout = torch.channels_last if last else torch.contiguous_format
    return torch.ones(shape, dtype=dtype, device=device).contiguous(memory_format=layout)


def of(*given: Tensor, **how: int) -> tuple[int, ...]:
    return tuple(borrowed(each) for each in calls(*given, **how))  # type: ignore[arg-type]


def test_one_channel_a_group_takes_256_times_its_weight_where_channels_come_last() -> None:
    weight = picture(32, 1, 7, 7)
    # forward the weight in blocks; backward its gradient with 16 x 16 channels for each, and once more as it was
    assert of(picture(2, 32, 9, 9, last=True), weight, padding=3, groups=32) == (
        weight.nbytes,
        256 * weight.nbytes + weight.nbytes,
    )
    narrow = picture(32, 1, 3, 3)
    assert of(picture(2, 32, 9, 9, last=True), narrow, padding=1, groups=32)[1] == 2 * narrow.nbytes


def test_groups_are_filled_up_to_blocks_of_16_channels() -> None:
    weight = picture(32, 4, 3, 3)  # eight groups of 4: 16 times as many
    given = picture(2, 32, 9, 9, last=True)
    assert of(given, weight, padding=1, groups=8)[1] == 16 * weight.nbytes + 2 * weight.nbytes  # and a copy before


def test_channels_first_are_copied_into_blocks_and_back() -> None:
    given, weight = picture(2, 32, 9, 9), picture(64, 32, 3, 3)
    result = 2 * 64 * 81 * 4
    forward, backward = of(given, weight, padding=1)
    assert forward == max(given.nbytes + weight.nbytes, result)
    # picture, gradient and weight's gradient in blocks beside both results; or the latter and its copy
    assert backward == max(given.nbytes + result, weight.nbytes)
    few = picture(64, 3, 3, 3)
    assert of(picture(2, 3, 9, 9), few, padding=1)[0] == result  # three channels stay as they are
    six = picture(6, 32, 3, 3)  # filled up to 16: the gradient, and what is more of the weight's
    assert of(given, six, padding=1)[1] == given.nbytes + 2 * 16 * 81 * 4 + 10 * 32 * 9 * 4


def test_bfloat16_sums_its_weight_in_float32() -> None:
    given, weight = picture(2, 32, 9, 9, dtype=torch.bfloat16), picture(64, 32, 3, 3, dtype=torch.bfloat16)
    assert of(given, weight, padding=1)[1] == given.nbytes + 2 * 64 * 81 * 2 + 2 * weight.nbytes
    alone = picture(32, 1, 7, 7, dtype=torch.bfloat16)
    backward = of(picture(2, 32, 9, 9, last=True, dtype=torch.bfloat16), alone, padding=3, groups=32)[1]
    assert backward == 3 * 256 * alone.nbytes - alone.nbytes


def test_other_kernels_borrow_nothing_that_is_known() -> None:
    given, weight = picture(1, 32, 9, 9), picture(64, 32, 3, 3)
    assert of(given, weight) == (0, 0)  # one small picture
    double = [each.double() for each in (picture(2, 32, 9, 9), weight)]
    assert of(*double) == (0, 0)
    relu = Call(aten.relu.default, (given,), {}, (given,), "", NO_CALL, "forward")
    assert borrowed(relu) == 0


class Block(nn.Module):
    """A convolution within a norm over channels, which leaves them last, as in ConvNeXt."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.spatial = nn.LayerNorm(channels), nn.Conv2d(channels, channels, 7, padding=3, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.spatial(self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def test_the_peak_has_what_is_borrowed_on_a_cpu_alone() -> None:
    net = Block(64)
    weight = 64 * 49 * 4
    peak = peak_of(net, (64, 7, 7), 2, loss=torch.sum)
    assert peak.operator == "aten.convolution_backward.default"
    written_out = 2 * 64 * 49 * 4  # the gradient of the sum, until then one number repeated
    assert peak.kinds["borrowed"] == 256 * weight + weight + written_out
    assert sum(peak.kinds.values()) == sum(peak.operators.values()) == sum(peak.modules.values()) == peak.bytes
    assert peak_of(net, (64, 7, 7), 2, loss=torch.sum, device="cuda").kinds["borrowed"] == 0


def test_the_largest_batch_leaves_room_for_it() -> None:
    net = Block(64)
    fit = largest_batch(net, (64, 7, 7), 8_000_000, loss=torch.sum)
    assert peak_of(net, (64, 7, 7), fit.batch, loss=torch.sum).bytes <= 8_000_000 < fit.next_peak.bytes
    assert fit.batch < largest_batch(net, (64, 7, 7), 8_000_000, loss=torch.sum, device="cuda").batch


def taken(call: Call) -> int:
    """The most that lived, less what is left: the allocations of one call."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    call.operator(*call.args)
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        results = call.operator(*call.args)  # noqa: F841  they live on
    events = profile.profiler.kineto_results.events()
    changes = sorted((each.start_ns(), each.nbytes()) for each in events if each.name() == "[memory]")
    living = list(accumulate(size for _, size in changes))
    return max(living) - living[-1]


@pytest.mark.slow
@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() != "AVX512", reason="its vectors hold fewer channels")
@pytest.mark.parametrize(
    ("shape", "weight", "how"),
    [
        ((2, 64, 14, 14), (64, 1, 7, 7), {"padding": 3, "groups": 64}),
        ((2, 64, 14, 14), (64, 1, 3, 3), {"padding": 1, "groups": 64}),
        ((2, 64, 14, 14), (128, 64, 3, 3), {"padding": 1}),
        ((2, 40, 14, 14), (24, 40, 3, 3), {"padding": 1}),
        ((2, 64, 14, 14), (64, 8, 3, 3), {"padding": 1, "groups": 8}),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_a_cpu_takes_that_much(
    shape: tuple[int, ...], weight: tuple[int, ...], how: dict[str, int], last: bool
) -> None:
    for call in calls(picture(*shape, last=last, device="cpu"), picture(*weight, device="cpu"), **how):  # type: ignore[arg-type]
        found = taken(call)
        assert 0.85 * found - 40_000 <= borrowed(call) <= 1.01 * found
