"""A sweep: networks of timm and torchvision, counted by striate and by PyTorch's own counter, side by side.

From each module of timm that registers networks the one with the fewest parameters, timm's own `test_*` networks left
out; of torchvision every network of `list_models()`, and the backbone of every detector, whose boxes depend on values.
The `quantized_*` ones are counted as the float networks that are quantized later. Their int8 forms are left out: they
hold no parameters, PyTorch's counter finds nothing in them, and striate refuses them, for their scales are values.

Each pass is one forward in evaluation mode at the network's published size (of several published weights the last;
optical flow has none, 520x960 is that of torchvision's example). Every third place in order is counted as a training
step too: a batch of two, SGD, striate's default loss. PyTorch's counter sees the same pass on meta tensors. It counts
two for each multiply-add: its number is halved.

Needs `pip install -e '.[zoo]'` and no connection: no weights are loaded. On machine C of LOG.md with one thread it
takes 5 minutes, 9 beside other work, and 3.4 GB, for RegNets are built with storage; without them 0.9 GB. Exit code 1
where a difference has no known cause, or striate has no number and the cause is not that the network looks at values.

    OMP_NUM_THREADS=1 python benchmarks/sweep.py --write benchmarks/results/sweep-DATE.md
    python benchmarks/sweep.py --sample 10
    python benchmarks/sweep.py --only 'torchvision.vgg*'
"""

import argparse
import datetime
import gc
import inspect
import os
import re
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry

import striate
from digits import machine, table
from striate.base.errors import UsageError

BATCH = 2  # of a training step: a norm over one number a channel takes no single sample
STEP_EVERY = 3
MOST_SECONDS = 300  # for a counter's pass
FLOW = (3, 520, 960)
BY_VALUES = "depends on the values in a tensor"
FUSED_BACKWARD = "_scaled_dot_product_flash_attention_for_cpu_backward"
CAUSES = {
    "groups": "weight gradients of convolutions with groups, which PyTorch's counter takes for ones without",
    "scores": "attention's scores, which the CPU's fused kernel computes again in backward; meta has no such kernel",
}

Shapes = tuple[tuple[int, ...], ...]  # of one sample, for each input


@dataclass(frozen=True)
class Built:
    name: str
    net: nn.Module
    shapes: Shapes


Make = Callable[[], Built]


@dataclass
class Pass:
    """One pass of one network. `error` is why striate has no number, `failed` why PyTorch's counter has none."""

    place: str
    training: bool
    name: str = "–"
    shapes: Shapes = ()
    params: int = 0
    macs: int = 0
    peak_bytes: int = 0
    seconds: float = 0.0
    error: str = ""
    refused: bool = False  # by striate, for a reason that no counter of shapes can mend
    pytorch: int = 0
    failed: str = ""
    causes: Counter[str] = field(default_factory=Counter)  # what PyTorch's number has more

    @property
    def left(self) -> int:
        """What of the difference has no known cause."""
        return 0 if self.error or self.failed else self.pytorch - self.macs - self.causes.total()

    @property
    def agreement(self) -> str:
        if self.failed:
            return f"PyTorch's counter: {self.failed}"
        if self.pytorch == self.macs:
            return "equal"
        parts = {**self.causes, "unexplained": self.left}
        causes = "; ".join(f"{number:+,} {cause}" for cause, number in parts.items() if number)
        return f"{self.pytorch / self.macs if self.macs else 0:.4f}: {causes}"


class TooLong(BaseException):
    """Not an `Exception`: striate would take one for the network's own."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooLong(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# The networks.


def places() -> dict[str, Make]:
    """Name in the sweep -> what builds it."""
    import timm
    from torchvision import models

    found: dict[str, Make] = {}
    for module in timm.list_modules():
        if timm.list_models(module=module):
            found[f"timm.{module}"] = partial(of_timm, module)
    for name in models.list_models():
        found[f"torchvision.{name}"] = partial(of_torchvision, name)
        if name in models.list_models(module=models.detection):
            found[f"torchvision.{name}.backbone"] = partial(of_torchvision, name, part="backbone")
    return found


def build(builder: Callable[..., nn.Module], *words: str, **options: None) -> nn.Module:
    """On meta. One that reads the values of a tensor, as RegNet's widths, is built with storage and moved."""
    try:
        with torch.device("meta"):
            return builder(*words, **options)
    except NotImplementedError:
        return builder(*words, **options).to("meta")


@cache
def smallest(module: str) -> str:
    """timm's network with the fewest parameters in a module; of equals the first by name."""
    import timm

    sizes: dict[str, int] = {}
    for name in timm.list_models(module=module, exclude_filters="test_*"):
        sizes[name] = sum(each.numel() for each in build(timm.create_model, name).parameters())
    return min(sizes, key=lambda name: (sizes[name], name))


def of_timm(module: str) -> Built:
    import timm

    name = smallest(module)
    return Built(name, build(timm.create_model, name), (tuple(timm.get_pretrained_cfg(name).input_size),))


def of_torchvision(name: str, part: str = "") -> Built:
    from torchvision import models

    builder = models.get_model_builder(name)
    without = {key: None for key in inspect.signature(builder).parameters if key.startswith("weights")}
    net = build(builder, **without)
    shapes = published(net, list(models.get_model_weights(name))[-1])
    return Built(f"{name}.{part}" if part else name, net.get_submodule(part), shapes)


def published(net: Any, weights: Any) -> Shapes:
    """The size that the weights' own preprocessing gives; square where it names one side."""
    preset = weights.transforms()
    kind = type(preset).__name__
    if kind == "OpticalFlow":
        return (FLOW, FLOW)
    if kind == "ObjectDetection":
        sides = net.transform.fixed_size or net.transform.min_size[-1:]
    else:
        sides = preset.resize_size if kind == "SemanticSegmentation" else preset.crop_size
    height, width = (*sides, *sides)[:2]
    frames = re.findall(r"clip_len`*=(\d+)", weights.meta["_docs"]) if kind == "VideoClassification" else ()
    return ((3, *map(int, frames), height, width),)


# The counters.


def counted(place: str, make: Make, step: bool) -> list[Pass]:
    """The forward pass and, if asked and if that one was counted, the training step."""
    passes = [one(place, make, training=False)]
    if step and not passes[0].error:
        passes.append(one(place, make, training=True))
    return passes


def one(place: str, make: Make, training: bool) -> Pass:
    """Whatever goes wrong is written into it."""
    found = Pass(place, training)
    try:
        with at_most(MOST_SECONDS):
            by_striate(found, make())
    except (Exception, TooLong) as error:
        found.error = sentence(error)
        found.refused = isinstance(error, UsageError) and BY_VALUES in found.error
        return found
    try:
        with at_most(MOST_SECONDS):
            by_pytorch(found, make())
    except (Exception, TooLong) as error:
        found.failed = sentence(error)
    return found


def by_striate(found: Pass, built: Built) -> None:
    found.name, found.shapes = built.name, built.shapes
    start = time.perf_counter()
    batch = BATCH if found.training else 1
    count = striate.count(built.net, built.shapes, batch=batch, training=found.training)
    found.seconds = time.perf_counter() - start
    found.params, found.macs, found.peak_bytes = count.params, count.macs, count.peak_bytes or 0
    fused = sum(each.work.macs for each in count.operators() if each.name == FUSED_BACKWARD)
    found.causes["scores"] = -fused // 5  # the first of five products of one size


def by_pytorch(found: Pass, built: Built) -> None:
    formula: Any = flop_registry[torch.ops.aten.convolution_backward]
    excess = 0

    def noted(*args: Any, **kwargs: Any) -> int:
        nonlocal excess
        *before, groups, (_, weight, _) = args
        alone = formula(*before, groups, [False, weight, False], **kwargs)
        excess += alone - alone // groups
        return int(formula(*args, **kwargs))

    noted._get_raw = True  # type: ignore[attr-defined]
    net = built.net.train(found.training)
    if not found.training:
        net.requires_grad_(False)  # the counter fails on a parameter that is a module's input
    inputs = [torch.zeros(BATCH if found.training else 1, *shape, device="meta") for shape in built.shapes]
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: noted})
    with counter, torch.set_grad_enabled(found.training):
        outputs = net(*inputs)
        if found.training:  # a sum has no products: any loss will do
            tensors = [each for each in tree_leaves(outputs) if isinstance(each, Tensor) and each.requires_grad]
            torch.autograd.backward(sum((each.sum() for each in tensors), torch.zeros((), device="meta")))
    found.pytorch, found.causes["groups"] = counter.get_total_flops() // 2, excess // 2


def sentence(error: BaseException) -> str:
    """On one line and safe within a table, without the hint."""
    text = f"{error.where}: {error.cause}" if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
    return text.strip().splitlines()[0].replace("|", "\\|")[:300]


# The page.


def page(passes: Sequence[Pass], seconds: float) -> list[str]:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "torchvision"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    where = f"{datetime.date.today()}, {machine()}, {memory:.0f} GiB, threads: {torch.get_num_threads()}"
    lines = ["# A sweep of timm and torchvision", "", where, "", packages, "", f"`python {' '.join(sys.argv)}`", ""]
    lines += [f"{seconds / 60:.1f} minutes in all, {peak:,.0f} MB at the peak.", ""]
    lines += ["PyTorch's number is halved, and a ratio is PyTorch's to striate's. Seconds are striate's.", ""]
    lines += ["## Summary", ""]
    for title, training in (("Forward passes", False), ("Training steps", True)):
        lines += [*summary(title, [each for each in passes if each.training == training]), ""]
    head = ["network", "from", "input", "parameters", "multiply-adds", "PyTorch's", "agreement", "seconds"]
    for title, training in (("Forward, one sample", False), (f"Training step, batch {BATCH}", True)):
        columns = [*head[:-1], "peak bytes", "seconds"] if training else head
        chosen = [each for each in passes if each.training == training and not each.error]
        lines += [f"## {title}", "", table(columns, map(cells, chosen)), ""]
    refused = [[*cells(each)[:3], "step" if each.training else "forward", each.error] for each in passes if each.error]
    return [*lines, "## Not counted", "", table(["network", "from", "input", "pass", "why"], refused)]


def cells(found: Pass) -> list[str]:
    size = ", ".join("x".join(map(str, shape)) for shape in found.shapes)
    pytorch = "–" if found.failed else f"{found.pytorch:,}"
    peak = [f"{found.peak_bytes:,}"] if found.training else []
    numbers = [f"{found.params:,}", f"{found.macs:,}", pytorch, found.agreement, *peak, f"{found.seconds:.2f}"]
    source = found.place if found.place.startswith("timm.") else "torchvision"
    return [found.name, source, size, *numbers]


def summary(title: str, passes: Sequence[Pass]) -> list[str]:
    """How many were counted, how many agree, and why the others do not."""
    done = [each for each in passes if not each.error]
    both = [each for each in done if not each.failed]
    differ = [each for each in both if each.pytorch != each.macs]
    tried = f"{len(passes)} tried, {len(done)} counted, {len(both)} by PyTorch's counter too"
    lines = [f"{title}: {tried}; {len(both) - len(differ)} equal, {len(differ)} different.", ""]
    for cause, words in CAUSES.items():
        if number := sum(bool(each.causes[cause]) for each in differ):
            lines += [f"- {cause}: {number} differ by {words}"]
    lines += [f"- {sum(bool(each.left) for each in differ)} differ by something without a known cause"]
    reasons = Counter(each.error.partition(": ")[2] for each in passes if each.error)
    return [*lines, *(f"- {number} not counted: {why}" for why, number in reasons.items())]


def sweep(chosen: Mapping[str, Make]) -> list[Pass]:
    passes: list[Pass] = []
    for index, (place, make) in enumerate(chosen.items()):
        found = counted(place, make, step=index % STEP_EVERY == 0)
        for each in found:
            print(f"{index + 1}/{len(chosen)} {place} {each.name}: {each.error or each.agreement}", file=sys.stderr)
        passes += found
        gc.collect()
    return passes


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", metavar="PATTERN", default="*", help="places such as timm.beit or 'torchvision.vgg*'")
    parser.add_argument("--sample", metavar="N", type=int, default=1, help="every Nth of them")
    parser.add_argument("--write", metavar="PATH", type=Path, help="keep the page there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    matching = [(place, make) for place, make in places().items() if fnmatchcase(place, options.only)]
    passes = sweep(dict(matching[:: options.sample]))
    text = "\n".join(page(passes, time.perf_counter() - start)) + "\n"
    print(text)
    if options.write:
        options.write.write_text(text)
    sys.exit(any((each.error and not each.refused) or each.left for each in passes))


if __name__ == "__main__":
    main()
