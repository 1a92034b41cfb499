"""Why other counters say something else: each tool's rules as numbers, from striate's count.

`said.json` holds what the tools answered (`python benchmarks/count.py --part disagreements --write` asks them).
Everything else on the page is computed here: what striate counts, and each cause of a difference.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn

from digits import table
from striate.cost.count import count
from striate.cost.rows import Count, Row

SAID = Path(__file__).parent / "said.json"
PAGE = Path(__file__).parents[1] / "docs" / "tables" / "counters.md"
SHAPE = (3, 224, 224)

# torchvision's name -> the name that people know it by
NETWORKS = {
    "resnet50": "ResNet-50",
    "resnet152": "ResNet-152",
    "densenet201": "DenseNet-201",
    "vgg16": "VGG-16",
    "googlenet": "GoogLeNet",
    "mobilenet_v2": "MobileNetV2",
    "resnext50_32x4d": "ResNeXt-50 32x4d",
    "vit_b_16": "ViT-B/16",
}

# Amounts of a network: what a rule below is about -> how a cause is worded.
AMOUNTS = {
    "batch norm": "batch-norm activation",
    "batch norm parameters": "batch-norm scale and shift",
    "layer norm": "layer-norm activation",
    "layer norm parameters": "layer-norm scale and shift",
    "relu modules": "input of `nn.ReLU`",
    "relu functions": "input of `F.relu`",
    "relu6": "input of `nn.ReLU6`",
    "gelu": "input of `nn.GELU`",
    "max pools": "input of max pools",
    "average pools": "input of average pools",
    "average pool outputs": "output of average pools",
    "adaptive pools": "input of adaptive pool modules",
    "adaptive pool windows": "input and output of adaptive pool modules",
    "adaptive functions": "input of adaptive pools called as functions",
    "convolution biases": "convolution output with a bias",
    "linear biases": "linear output with a bias",
    "linear bias parameters": "linear bias",
    "linear tokens": "linear product of every token but the first",
    "attention scaled": "query scaled before attention",
    "attention biases": "output of attention's projections, with a bias",
    "attention scores": "attention score's softmax",
    "attention products": "product of attention's two matrix products",
    "attention projections": "product of attention's projections",
    "attention again": "product of attention's scores, which a CPU's kernel computes again in backward",
    "grouped": "multiply-add of a grouped convolution, times (groups - 1)",
}

# How each tool comes to its rules, from its source.
HOW = {
    "fvcore": "Traces with the JIT; counts scaled dot-product attention, additions and max pools as nothing.",
    "torchinfo": "Takes parameters for operations: of a convolution times its positions, of any other layer once a "
    "sample. So a linear layer over 197 tokens counts once, and attention, which is no leaf, not at all.",
    "ptflops": "Hooks modules and patches functions. `nn.ReLU`, `nn.GELU` and pool modules call a patched function, so "
    "they are counted twice; `F.relu` once. `nn.ReLU6` calls a function that is not patched.",
    "ptflops, aten": "Counts convolutions and matrix products with their biases, and fused attention as nothing.",
    "calflops, MACs": "Patches functions; fused attention is not among them.",
    "calflops, FLOPs": "Two for each of its MACs, and other functions; biases of convolutions, not of linear layers.",
    "thop": "Hooks modules that have a rule: four for each norm activation; attention and functions have none.",
    "PyTorch": "Two for each multiply-add of convolutions and matrix products, nothing for anything else.",
}

# Each tool: how many of its operations a multiply-add is, and how many it counts of each amount beside them.
# A negative number is what it leaves out.
Rule = tuple[int, Mapping[str, int]]
RULES: Mapping[str, Rule] = {
    "fvcore": (
        1,
        {"batch norm": 2, "layer norm": 5, "adaptive pools": 1, "adaptive functions": 1, "attention products": -1},
    ),
    "torchinfo": (
        1,
        {
            "batch norm parameters": 1, "layer norm parameters": 1, "convolution biases": 1,
            "linear bias parameters": 1, "linear tokens": -1, "attention projections": -1, "attention products": -1,
        },
    ),
    "ptflops": (
        1,
        {
            "batch norm": 2, "layer norm": 1, "relu modules": 2, "relu functions": 1, "relu6": 1, "gelu": 2,
            "max pools": 2, "average pools": 2, "adaptive pools": 2, "adaptive functions": 1,
            "convolution biases": 1, "linear biases": 1, "attention scaled": 1, "attention biases": 1,
            "attention scores": 1,
        },
    ),
    "ptflops, aten": (
        1, {"convolution biases": 1, "linear biases": 1, "attention biases": 1, "attention products": -1},
    ),
    "calflops, MACs": (1, {"attention products": -1}),
    "calflops, FLOPs": (
        2,
        {
            "batch norm": 2, "layer norm": 5, "relu modules": 1, "relu functions": 1, "gelu": 1, "max pools": 1,
            "average pools": 1, "adaptive pools": 1, "adaptive functions": 1, "convolution biases": 1,
            "attention products": -2,
        },
    ),
    "thop": (
        1,
        {
            "batch norm": 4, "layer norm": 4, "average pool outputs": 1, "adaptive pool windows": 1,
            "attention projections": -1, "attention products": -1,
        },
    ),
    "PyTorch": (2, {}),
}  # fmt: skip
STEP_RULES: Mapping[str, Rule] = {"PyTorch": (2, {"grouped": 2, "attention again": -2})}


@dataclass(frozen=True)
class Line:
    """What a tool said of a network, and why: `said` = `factor` * `ours` + the causes + `left`."""

    tool: str
    said: int
    factor: int
    ours: int
    causes: tuple[tuple[str, int, int], ...]  # the amount's name, how often the tool counts it, the difference made

    @property
    def left(self) -> int:
        return self.said - self.factor * self.ours - sum(number for *_, number in self.causes)


def build(name: str, *, storage: bool = False) -> nn.Module:
    """torchvision's network in evaluation mode, GoogLeNet with its auxiliary heads; without storage by default."""
    import torchvision

    options = {"init_weights": False, "aux_logits": True} if name == "googlenet" else {}
    with torch.device("cpu" if storage else "meta"):
        return torchvision.models.get_model(name, weights=None, **options).eval()


def amounts(net: nn.Module, counted: Count) -> Counter[str]:
    """How much there is of each of `AMOUNTS` in one forward pass."""
    found: Counter[str] = Counter()
    for row in counted.rows:
        module = net.get_submodule(row.module)
        if not row.called:
            continue
        if isinstance(module, nn.MultiheadAttention):
            found.update(_of_attention(module, row))
        elif row.output is not None:
            found.update(_of_layer(module, row))
    return found


def _of_layer(module: nn.Module, row: Row) -> Mapping[str, int]:
    taken, given = sum(map(prod, row.inputs)), prod(row.output or ())
    bias = 0 if getattr(module, "bias", None) is None else given
    match module:
        case nn.BatchNorm2d():
            return {"batch norm": taken, "batch norm parameters": row.params}
        case nn.LayerNorm():
            return {"layer norm": taken, "layer norm parameters": row.params}
        case nn.Conv2d():
            return {"convolution biases": bias}
        case nn.Linear():
            tokens = taken // module.in_features
            rest = (tokens - 1) * module.in_features * module.out_features
            return {"linear biases": bias, "linear bias parameters": bias // tokens, "linear tokens": rest}
        case nn.ReLU():
            return {"relu modules": taken}
        case nn.ReLU6():
            return {"relu6": taken}
        case nn.GELU():
            return {"gelu": taken}
        case nn.MaxPool2d():
            return {"max pools": taken}
        case nn.AvgPool2d():
            return {"average pools": taken, "average pool outputs": given}
        case nn.AdaptiveAvgPool2d():
            return {"adaptive pools": taken, "adaptive pool windows": taken + given}
    if row.kind == "relu":
        return {"relu functions": taken}
    if row.kind == "mean":
        return {"adaptive functions": taken}
    return {}


def _of_attention(module: nn.MultiheadAttention, row: Row) -> Mapping[str, int]:
    """Its operators are rows of one kind each; one of them says the length and width."""
    if row.kind == "attention":
        scores = row.macs // (2 * module.head_dim)  # two products
        return {"attention products": row.macs, "attention scores": scores}
    if row.kind == "addmm":
        outputs = prod(row.inputs[1][:-1]) * module.embed_dim  # tokens x width
        return {
            "attention projections": row.macs,
            "attention biases": 4 * outputs,  # query, key, value and what leaves
            "attention scaled": outputs,
        }
    return {}


def step_amounts(net: nn.Module, counted: Count) -> Counter[str]:
    """What PyTorch's counter takes otherwise in a training step."""
    found: Counter[str] = Counter()
    for row in counted.rows:
        module, forward = net.get_submodule(row.module), row.phases.get("forward")
        if isinstance(module, nn.Conv2d) and module.groups > 1 and forward is not None:
            found["grouped"] += (module.groups - 1) * forward.macs
        if row.kind == "attention" and forward is not None:
            found["attention again"] += forward.macs // 2  # the first of its two products
    return found


def lines(said: Mapping[str, int], rules: Mapping[str, Rule], ours: int, found: Mapping[str, int]) -> list[Line]:
    """One for each tool that has answered."""
    answers = []
    for tool, total in said.items():
        factor, counts = rules[tool]
        causes = [(name, times, times * found[name]) for name, times in counts.items() if found[name]]
        answers.append(Line(tool, total, factor, ours, tuple(causes)))
    return answers


Explained = tuple[dict[str, list[Line]], dict[str, list[Line]]]


def explained(said: Mapping[str, Any]) -> Explained:
    """The lines of each network for a forward pass, and for forward and backward."""
    forward, step = {}, {}
    for name in NETWORKS:
        net = build(name)
        counted = count(net, SHAPE)
        forward[name] = lines(said["forward"][name], RULES, counted.macs, amounts(net, counted))
        trained = count(net, SHAPE, training=True, optimizer=None, memory=False)
        step[name] = lines(said["step"][name], STEP_RULES, trained.macs, step_amounts(net, trained))
    return forward, step


def worded(line: Line) -> str:
    """Causes as text, the largest first."""
    ordered = sorted(line.causes, key=lambda cause: -abs(cause[2]))
    return "; ".join(f"{number:+,} ({times:+} per {AMOUNTS[name]})" for name, times, number in ordered) or "–"


def page(said: Mapping[str, Any], found: Explained) -> str:
    """The Markdown of docs/tables/counters.md."""
    forward, step = found
    text = [
        "# What other counters say, and why",
        "",
        "Generated by `benchmarks/count.py --part disagreements --write`: the tools were asked, each cause is computed",
        "from striate's count. A tool's total is its factor times striate's multiply-adds, plus the causes, plus what",
        "is left unexplained. Networks are torchvision's, in evaluation mode, one picture of 3x224x224.",
        f"{', '.join(said['versions'])}.",
        "",
        *(f"- **{tool}**: {how}" for tool, how in HOW.items()),
        "",
    ]
    head = ["tool", "says", "factor", "difference", "causes", "left"]
    for name, answers in forward.items():
        text += [f"## {NETWORKS[name]}: {answers[0].ours:,} multiply-adds", "", _table(head, answers), ""]
    text += [
        "## Forward and backward of one picture, in training mode",
        "",
        "PyTorch's counter, whose formula for the weight gradient takes a convolution with groups for one without.",
        "GoogLeNet with its auxiliary heads; the picture itself needs no gradient.",
        "",
    ]
    rows = [[NETWORKS[name], *_cells(answers[0], ours=True)] for name, answers in step.items()]
    text += [table(["network", "says", "striate, times 2", "difference", "causes", "left"], rows), ""]
    return "\n".join([*text, *_parameters(said["parameters"])]) + "\n"


def _table(head: Sequence[str], answers: Sequence[Line]) -> str:
    return table(head, [[line.tool, *_cells(line)] for line in answers])


def _cells(line: Line, *, ours: bool = False) -> list[str]:
    product = line.factor * line.ours
    second = f"{product:,}" if ours else str(line.factor)
    return [f"{line.said:,}", second, f"{line.said - product:+,}", worded(line), f"{line.left:,}"]


def _parameters(said: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Only where a tool has another number than the network."""
    rows = []
    for name, answers in said.items():
        net = build(name)
        ours = sum(each.numel() for each in net.parameters())
        for tool, number in answers.items():
            if number != ours:
                why = _missed(net, number - ours)
                rows.append([NETWORKS[name], tool, f"{number:,}", f"{ours:,}", f"{number - ours:+,}", why])
    head = ["network", "tool", "says", "parameters", "difference", "cause"]
    return ["## Parameters", "", "All other tools and networks agree with striate.", "", table(head, rows)]


def _missed(net: nn.Module, difference: int) -> str:
    """thop counts the modules that have a rule and were called."""
    unused = [child for name, child in net.named_children() if name.startswith("aux")]
    heads = sum(each.numel() for child in unused for each in child.parameters())
    attention = [each for each in net.modules() if isinstance(each, nn.MultiheadAttention)]
    inside = sum(each.numel() for module in attention for each in module.parameters())
    loose = sum(each.numel() for each in net.parameters(recurse=False))
    loose += sum(
        each.numel() for module in net.children() if not isinstance(module, nn.Sequential)
        for each in module.parameters(recurse=False) if not isinstance(module, nn.Conv2d | nn.Linear)
    )  # fmt: skip
    causes = {"auxiliary heads": heads, "attention": inside, "class token and positions": loose}
    left = -difference - sum(causes.values())
    named = [f"{-number:+,} ({cause} left out)" for cause, number in causes.items() if number]
    return "; ".join(named) + (f"; {-left:+,} unexplained" if left else "")


def read() -> Any:
    return json.loads(SAID.read_text())
