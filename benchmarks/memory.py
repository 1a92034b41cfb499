"""Peak memory of a training step: striate's prediction beside what PyTorch's allocator reports.

The step is a steady one: the optimizer's state exists, gradients are None at its start, pictures and targets are there.
On a CPU: the running sum of the profiler's allocation events, over what is resident before. `between operators` leaves
out what a kernel borrows while it runs and gives back before it returns (oneDNN's reordered copies), measured and
predicted; `workspace` is what the operator borrows in which the measured peak occurs. On a GPU:
`torch.cuda.max_memory_allocated`, workspace included, which is not predicted there.

    python benchmarks/memory.py --write
    python benchmarks/memory.py --device cuda --write
    python benchmarks/memory.py --only vgg11 lenet5
"""

import argparse
import bisect
import datetime
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

import striate
from digits import machine, table
from striate.cost.memory import Memory, Peak
from striate.cost.walk.events import Call, Observer
from striate.cost.walk.trace import trace

MIB = 1 << 20
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, 1e-4),
    "momentum": lambda parameters: torch.optim.SGD(parameters, 1e-4, momentum=0.9),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, 1e-4),
}


@dataclass(frozen=True)
class Case:
    name: str
    batch: int
    pixels: int
    optimizer: str = "momentum"
    autocast: bool = False
    source: str = "torchvision"

    def build(self) -> nn.Module:
        if self.source == "striate":
            return striate.build(self.name)
        if self.source == "timm":
            return timm.create_model(self.name)  # type: ignore[no-any-return]
        options = {"init_weights": False} if self.name in ("googlenet", "inception_v3") else {}
        return torchvision.models.get_model(self.name, weights=None, **options)  # type: ignore[no-any-return]

    def shape(self, net: nn.Module) -> tuple[int, int, int]:
        first = next(parameter for parameter in net.parameters() if parameter.ndim == 4)
        return int(first.shape[1]), self.pixels, self.pixels


# fmt: off
CASES = (
    Case("lenet5", 256, 32, source="striate"), Case("lenet5", 256, 32, "adamw", source="striate"),
    Case("unet", 1, 188, source="striate"), Case("unet", 1, 188, autocast=True, source="striate"),
    Case("alexnet", 32, 224), Case("vgg11", 2, 224), Case("vgg11", 2, 224, "sgd"), Case("vgg16", 2, 128),
    Case("vgg11", 16, 160), Case("convnext_tiny", 16, 160, "sgd"),
    Case("resnet18", 16, 160), Case("resnet18", 16, 160, "adamw"), Case("resnet18", 16, 160, autocast=True),
    Case("resnet34", 8, 160), Case("resnet50", 8, 160), Case("resnet50", 8, 160, autocast=True),
    Case("resnext50_32x4d", 8, 128), Case("wide_resnet50_2", 4, 128), Case("densenet121", 8, 128),
    Case("densenet121", 8, 128, "adamw", autocast=True), Case("googlenet", 8, 160), Case("inception_v3", 4, 299),
    Case("mobilenet_v2", 16, 128), Case("mobilenet_v2", 16, 128, "adamw"), Case("mobilenet_v3_large", 16, 128),
    Case("efficientnet_b0", 8, 128), Case("regnet_y_400mf", 16, 128), Case("squeezenet1_1", 16, 128),
    Case("shufflenet_v2_x1_0", 16, 128), Case("mnasnet1_0", 16, 128), Case("convnext_tiny", 8, 160),
    Case("convnext_tiny", 8, 160, "adamw"), Case("vit_b_16", 2, 224), Case("vit_b_16", 2, 224, autocast=True),
    Case("swin_t", 2, 224),
    Case("convnext_atto", 1, 224, "sgd", source="timm"), Case("convnext_atto", 8, 160, "sgd", source="timm"),
    Case("convnext_atto", 8, 160, "sgd", autocast=True, source="timm"),
    Case("convnext_femto", 8, 160, "sgd", source="timm"), Case("convnext_pico", 2, 224, "sgd", source="timm"),
    Case("convnext_pico", 8, 160, "adamw", source="timm"), Case("convnext_tiny", 1, 224, "sgd", source="timm"),
    Case("convnext_tiny", 4, 160, "sgd", autocast=True, source="timm"),
    Case("efficientnet_b0", 1, 224, "sgd", source="timm"),
    Case("efficientnet_b0", 8, 128, autocast=True, source="timm"),
    Case("mobilenetv3_large_100", 4, 224, source="timm"), Case("mobilenetv4_conv_small", 8, 224, source="timm"),
    Case("ghostnet_100", 4, 224, source="timm"), Case("repvgg_a0", 4, 224, source="timm"),
    Case("mixnet_s", 4, 224, source="timm"), Case("regnetx_008", 8, 224, source="timm"),
    Case("regnety_004", 8, 128, autocast=True, source="timm"), Case("resnext50_32x4d", 4, 160, source="timm"),
)
# fmt: on

HEAD = (
    "network", "batch x pixels", "optimizer", "precision", "predicted between operators MiB",
    "measured between operators MiB", "predicted peak MiB", "measured peak MiB", "between: predicted / measured",
    "peak: predicted / measured", "workspace at the peak MiB", "seconds to predict",
)  # fmt: skip
REMARKS = """\
- ViT with bfloat16: torch writes attention's copies in float32 apart on tensors without storage; a CPU does not.
- What is borrowed is predicted for more threads than one; with one alone, 1x1 convolutions in float32 borrow nothing.
- Other work ran on the machine: the seconds are an upper bound."""


@dataclass(frozen=True)
class Measured:
    """Bytes: the peak, the peak between operators, and the workspace of the operator in which the peak occurs."""

    peak: int
    between: int
    workspace: int
    operator: str


class Names(Observer):
    """Collects which operators the step calls, as the profiler spells them."""

    def __init__(self) -> None:
        self.names = {"aten::add_"}  # how autograd adds gradients when no mode is on

    def called(self, call: Call) -> None:
        self.names.add(call.operator.name().split(".")[0])


def loss_against(targets: dict[tuple[int, ...], Tensor], device: str) -> Callable[[Any], Tensor]:
    """Cross-entropy, also for maps of classes; that of auxiliary heads is added.

    `targets` keeps the classes for each shape of answer, made when first asked for, as a loader would have them.
    """

    def loss_of(output: Tensor) -> Tensor:
        shape = (output.shape[0], *output.shape[2:])
        if shape not in targets:
            targets[shape] = torch.zeros(shape, dtype=torch.long, device=device)
        return functional.cross_entropy(output, targets[shape])

    def loss(outputs: Any) -> Tensor:
        first, *others = _tensors(outputs)
        total = loss_of(first)
        for each in others:
            total = total + loss_of(each)
        return total

    return loss


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _tensors(each)


def predict(case: Case, net: nn.Module, device: str) -> tuple[Peak, set[str]]:
    """On no storage. The targets exist before the pass: a first one, of no interest, makes them."""
    names, loss = Names(), loss_against({}, "meta")
    options: dict[str, Any] = {
        "batch": case.batch, "training": True, "loss": loss, "optimizer": case.optimizer,
        "autocast": case.autocast,
    }  # fmt: skip
    trace(net, case.shape(net), (names,), **options)
    memory = Memory(device)
    trace(net, case.shape(net), (memory,), **options)
    return memory.peak(), names.names


def measure(case: Case, net: nn.Module, names: set[str], device: str) -> Measured:
    """The second step, after one that makes the optimizer's state."""
    net = net.to(device).train()
    pictures = torch.randn(case.batch, *case.shape(net), device=device)
    targets: dict[tuple[int, ...], Tensor] = {}
    loss = loss_against(targets, device)
    optimizer = OPTIMIZERS[case.optimizer](net.parameters())

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=case.autocast):
            value = loss(net(pictures))
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    step()
    optimizer.zero_grad()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        step()
        peak = torch.cuda.max_memory_allocated()
        return Measured(peak, peak, 0, "")
    state = [each for entry in optimizer.state.values() for each in entry.values() if isinstance(each, Tensor)]
    held = [*net.parameters(), *net.buffers(), pictures, *state, *targets.values()]
    resident = sum({each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in held}.values())
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        step()
    return read(profile.profiler.kineto_results.events(), resident, names)


def read(events: Any, resident: int, names: set[str]) -> Measured:
    """The running sum of allocations, and where the outermost operators begin and end in it."""
    changes = sorted((each.start_ns(), each.nbytes()) for each in events if each.name() == "[memory]")
    times, living, now = [], [], resident
    for at, change in changes:
        now += change
        times.append(at)
        living.append(now)
    peak = max(living)
    between, operator, workspace, last = resident, "", 0, 0
    for start, end, name in sorted((e.start_ns(), e.end_ns(), e.name()) for e in events if e.name() in names):
        if start < last:
            continue
        last = end
        left, right = bisect.bisect_left(times, start), bisect.bisect_right(times, end)
        before, after = (living[place - 1] if place else resident for place in (left, right))
        between = max(between, before, after)
        top = max(living[left:right], default=before)
        if top == peak:
            operator, workspace = name.removeprefix("aten::"), top - max(before, after)
    return Measured(peak, between, workspace, operator)


def row(case: Case, device: str) -> tuple[list[str], float, float]:
    net = case.build()
    began = time.perf_counter()
    predicted, names = predict(case, net, device)
    seconds = (time.perf_counter() - began) / 2
    found = measure(case, net, names, device)
    curve = predicted.curve
    least = max(every - own for every, own in zip(curve.bytes, curve.kinds["borrowed"], strict=True))
    whole, between = predicted.bytes / found.peak, least / found.between
    borrowed = f"{found.workspace / MIB:.1f} ({found.operator})" if found.workspace else "–"
    numbers = (least / MIB, found.between / MIB, predicted.bytes / MIB, found.peak / MIB)
    cells = [
        f"{case.name}, {case.source}",
        f"{case.batch} x {case.pixels}",
        case.optimizer,
        "bfloat16" if case.autocast else "float32",
        *(f"{each:,.1f}" for each in numbers),
        f"{between:.4f}",
        f"{whole:.3f}",
        borrowed,
        f"{seconds:.2f}",
    ]
    return cells, between, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    arguments = parser.parse_args()
    rows, off = [], []
    before = machine()
    for case in CASES:
        if arguments.only is None or case.name in arguments.only:
            cells, between, whole = row(case, arguments.device)
            print(" | ".join(cells), flush=True)
            rows.append(cells)
            off.append((between, whole))
            gc.collect()
    page = [
        f"# Peak memory of a training step, {arguments.device}",
        "",
        f"{before}; {datetime.date.today()}; torch {torch.__version__}, torchvision {torchvision.__version__}",
        "",
        (__doc__ or "").split("\n\n")[1].replace("\n", " "),
        "",
        table(list(HEAD), rows),
        "",
        f"{len({case[0] for case in rows})} networks, {len(rows)} steps. Predicted / measured between operators: "
        f"{min(o[0] for o in off):.4f} to {max(o[0] for o in off):.4f}; of the peak: {min(o[1] for o in off):.3f} to "
        f"{max(o[1] for o in off):.3f}.",
        "",
        REMARKS,
        "",
        *resnet152(),
    ]
    text = "\n".join(page) + "\n"
    print(text)
    if arguments.write:
        Path(__file__).with_name("results").joinpath(f"memory-{arguments.device}.md").write_text(text)


def resnet152() -> list[str]:
    """A whole training step at batch 256, predicted five times in a row."""
    with torch.device("meta"):
        net = torchvision.models.resnet152()
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        memory = Memory()
        trace(net, (3, 224, 224), (memory,), batch=256, training=True, optimizer="momentum")
        peak = memory.peak()
        seconds.append(time.perf_counter() - began)
    listed = ", ".join(f"{each:.2f}" for each in seconds)
    return [f"ResNet-152, batch 256, 224 pixels, momentum, float32: predicted in {listed} s.", "", f"```\n{peak}\n```"]


if __name__ == "__main__":
    main()
