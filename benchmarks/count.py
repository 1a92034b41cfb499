"""Counting ResNet-152 and DenseNet-201: striate beside the tools that people count with.

Every measurement is a process of its own; the tools take turns (A B C ... A B C ...). A process imports, counts a tiny
network to warm up, builds torchvision's network, and then is timed from the built network to the answer. Memory is the
growth of the process's peak of resident bytes over what is resident when the network is built; freed memory is handed
back and the peak reset before (Linux: malloc_trim, /proc/self/clear_refs), and nothing traces allocations.

Part `speed`: as above. Part `disagreements`: what each tool says of eight networks, and why; with --write it becomes
docs/tables/counters.md.

    python benchmarks/count.py --rounds 5 --write
    python benchmarks/count.py --part disagreements --write
"""

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from digits import machine, measure, publish, ratios, spread, table, take_turns

SHAPE = (3, 224, 224)
MEGABYTE = 10**6
BATCH = 256  # of the training step

# The tools: (network, shape of a sample) -> (what they call multiply-adds or FLOPs, parameters where they say so).
Answer = tuple[dict[str, int], int | None]


def striate(net: Any, shape: Sequence[int]) -> Answer:
    """Rows and receptive fields are in the answer."""
    from striate.cost.count import count

    counted = count(net, tuple(shape))
    assert len(counted.fields) == len(counted.rows)
    return {"striate": counted.macs}, counted.params


def striate_memory(net: Any, shape: Sequence[int]) -> Answer:
    from striate.cost.count import count

    counted = count(net, tuple(shape), memory=True)
    assert counted.peak_bytes
    return {"striate": counted.macs}, counted.params


def striate_step(net: Any, shape: Sequence[int]) -> Answer:
    """A whole training step with momentum, its memory peak, rows and fields."""
    from striate.cost.count import count

    counted = count(net, tuple(shape), batch=BATCH, training=True, optimizer="momentum", memory=True)
    assert counted.peak_bytes
    return {"striate": counted.macs}, counted.params


def fvcore(net: Any, shape: Sequence[int]) -> Answer:
    import torch
    from fvcore.nn import FlopCountAnalysis

    found = FlopCountAnalysis(net, torch.zeros(1, *shape))
    found.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return {"fvcore": int(found.total())}, None


def torchinfo(net: Any, shape: Sequence[int]) -> Answer:
    from torchinfo import summary

    found = summary(net, input_size=(1, *shape), verbose=0)
    return {"torchinfo": found.total_mult_adds}, found.total_params


def ptflops(net: Any, shape: Sequence[int], backend: str = "pytorch", name: str = "ptflops") -> Answer:
    from ptflops import get_model_complexity_info

    options = {"as_strings": False, "print_per_layer_stat": False, "verbose": False}
    total, parameters = get_model_complexity_info(net, tuple(shape), backend=backend, **options)
    return {name: total}, parameters


def ptflops_aten(net: Any, shape: Sequence[int]) -> Answer:
    return ptflops(net, shape, "aten", "ptflops, aten")


def calflops(net: Any, shape: Sequence[int]) -> Answer:
    from calflops import calculate_flops

    size = (1, *shape)
    total, macs, parameters = calculate_flops(net, input_shape=size, output_as_string=False, print_results=False)
    return {"calflops, MACs": macs, "calflops, FLOPs": total}, parameters


def thop(net: Any, shape: Sequence[int]) -> Answer:
    import torch
    from thop import profile

    total, parameters = profile(net, inputs=(torch.zeros(1, *shape),), verbose=False)
    return {"thop": int(total)}, int(parameters)


def pytorch(net: Any, shape: Sequence[int], device: str = "cpu") -> Answer:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        net.to(device)(torch.zeros(1, *shape, device=device))
    return {"PyTorch": counter.get_total_flops()}, None


def pytorch_meta(net: Any, shape: Sequence[int]) -> Answer:
    return pytorch(net, shape, "meta")


def pytorch_step(net: Any, shape: Sequence[int], batch: int = BATCH) -> Answer:
    """Forward, loss and backward on meta tensors: no optimizer, no memory."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    net = net.to("meta").train()
    with counter:
        found = net(torch.zeros(batch, *shape, device="meta"))
        labels = torch.zeros(batch, dtype=torch.long, device="meta")
        heads = [each for each in found if each is not None] if isinstance(found, tuple) else [found]
        sum(torch.nn.functional.cross_entropy(head, labels) for head in heads).backward()
    return {"PyTorch": counter.get_total_flops()}, None


TOOLS: dict[str, Callable[[Any, Sequence[int]], Answer]] = {
    "striate": striate,
    "fvcore": fvcore,
    "torchinfo": torchinfo,
    "ptflops": ptflops,
    "ptflops, aten": ptflops_aten,
    "calflops": calflops,
    "thop": thop,
    "PyTorch": pytorch,
    "PyTorch, meta": pytorch_meta,
}
SPECIAL: dict[str, Callable[[Any, Sequence[int]], Answer]] = {
    "striate with memory": striate_memory,
    "striate, whole step": striate_step,
    "PyTorch, meta, no optimizer, no memory": pytorch_step,
}
NAMES = {"resnet152": "ResNet-152", "densenet201": "DenseNet-201"}
BY_NAME = "striate, by name"


# What a child does.


def tiny() -> Any:
    """Of the layers that the networks are made of, to have everything imported and prepared."""
    from torch import nn

    start = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(2)
    return nn.Sequential(*start, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)).eval()


def measured(tool: str, network: str) -> dict[str, float]:
    """Seconds and bytes from the built network to the answer; `by name`, from before the network."""
    from counters import build

    found = (TOOLS | SPECIAL).get(tool, striate)
    found(tiny(), (3, 32, 32))
    if tool == BY_NAME:
        from striate.survey import named

        named.network("lenet5")
        net = None
    else:
        net = build(network, storage="meta" not in tool)
    gc.collect()
    before = settled()
    start = time.perf_counter()
    if net is None:
        net = named.network(network)
        assert all(each.is_meta for each in [*net.parameters(), *net.buffers()])  # no storage at all
    found(net, SHAPE)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "bytes": resident("VmHWM") - before}


def settled() -> int:
    """Resident bytes, after freed memory is handed back and the peak is set to them."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def resident(field: str) -> int:
    """A line of this process's status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def asked(tool: str) -> dict[str, Any]:
    """What a tool says of each network, forward; and PyTorch's counter, forward and backward."""
    from counters import NETWORKS, build

    answers: dict[str, Any] = {"forward": {}, "parameters": {}, "step": {}}
    for network in NETWORKS:
        totals, parameters = TOOLS[tool](build(network, storage=True), SHAPE)
        answers["forward"][network] = totals
        answers["parameters"][network] = {} if parameters is None else {tool: parameters}
        if tool == "PyTorch":
            answers["step"][network] = pytorch_step(build(network, storage=True), SHAPE, 1)[0]
    return answers


# The runner.


def run_child(python: str, *words: str) -> Any:
    here = Path(__file__).resolve()
    return measure([python, "-W", "ignore", str(here), "--child", *words], str(here.parent))[1]


def interpreters(given: Sequence[str]) -> dict[str, str]:
    """Tool -> interpreter: this one, unless told otherwise."""
    return dict.fromkeys([*TOOLS, *SPECIAL, BY_NAME], sys.executable) | dict(pair.split("=", 1) for pair in given)


def versions(pythons: dict[str, str]) -> list[str]:
    """Of PyTorch and the tools, each asked in its own environment."""
    packages = {name: name.split(",")[0].lower().replace("pytorch", "torchvision") for name in TOOLS}
    ask = "import sys, importlib.metadata as m\nfor p in sys.argv[1:]: print(p, m.version(p))"
    found: dict[str, None] = {}
    for name, package in packages.items():
        wanted = ["torch"] if package == "striate" else ["torch", package]
        answer = subprocess.run([pythons[name], "-c", ask, *wanted], capture_output=True, text=True, check=True)
        found |= dict.fromkeys(answer.stdout.splitlines())
    return sorted(found, key=lambda text: (not text.startswith("torch "), text))


def speed(pythons: dict[str, str], rounds: int) -> list[str]:
    lines = []
    for network, title in NAMES.items():
        text = compared(pythons, [*TOOLS, "striate with memory", BY_NAME], network, rounds)
        lines += [f"## {title}, one forward pass", "", text, ""]
    text = compared(pythons, list(SPECIAL)[1:], "resnet152", rounds)
    return [*lines, f"## ResNet-152, a training step of {BATCH} pictures", "", text, ""]


def compared(pythons: dict[str, str], tools: list[str], network: str, rounds: int) -> str:
    found = take_turns(tools, rounds, lambda tool, turn: run_child(pythons[tool], "measured", tool, network))
    seconds = {tool: [each["seconds"] for each in answers] for tool, answers in found.items()}
    bytes_of = {tool: [each["bytes"] / MEGABYTE for each in answers] for tool, answers in found.items()}
    rows = [
        [tool, spread(seconds[tool], 3), ratios(seconds[tool], seconds[tools[0]]), spread(bytes_of[tool], 1)]
        for tool in tools
    ]
    return table(["", "seconds", f"ratio to {tools[0]}", "MB above the built network"], rows)


def disagreements(pythons: dict[str, str], write: bool) -> None:
    """Ask every tool; print the page, and keep it and the answers if asked to."""
    import counters

    said: dict[str, Any] = {"versions": versions(pythons)}
    for part in ("forward", "parameters", "step"):
        said[part] = {network: {} for network in counters.NETWORKS}
    for tool in TOOLS:
        if tool in ("striate", "PyTorch, meta"):
            continue
        print(f"asking {tool}", file=sys.stderr)
        for part, networks in run_child(pythons[tool], "asked", tool).items():
            for network, answer in networks.items():
                said[part][network] |= answer
    text = counters.page(said, counters.explained(said))
    print(text)
    if write:
        counters.SAID.write_text(json.dumps(said, indent=1) + "\n")
        counters.PAGE.write_text(text)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=["speed", "disagreements"], default="speed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", nargs="+", default=[], metavar="NAME=PATH", help="another interpreter for a tool")
    parser.add_argument("--quick", action="store_true", help="one round, to see that all of it runs")
    parser.add_argument("--write", action="store_true", help="keep the page")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    chosen = options()
    if chosen.child:
        warnings.simplefilter("ignore")
        task, *words = chosen.child
        print(json.dumps({"measured": measured, "asked": asked}[task](*words)), flush=True)
        return
    pythons = interpreters(chosen.python)
    if chosen.part == "disagreements":
        disagreements(pythons, chosen.write)
        return
    lines = ["# Counting a network", "", machine(), "", ", ".join(versions(pythons)), ""]
    lines += [f"`python {' '.join(sys.argv)}`", "", "Median of the rounds (least–most); a process a measurement.", ""]
    lines += ["From the built network to the answer; `by name` from before it is built, without storage.", ""]
    publish("count", lines + speed(pythons, 1 if chosen.quick else chosen.rounds), chosen.write)


if __name__ == "__main__":
    main()
