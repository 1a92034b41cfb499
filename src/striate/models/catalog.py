"""The one list of networks: what each is called, who published it, and how to build it.

Importing this file does not import torch: names can be listed and checked at once.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from striate.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import nn

HE = 'He, Zhang, Ren and Sun 2015, "Deep Residual Learning for Image Recognition"'
LECUN = 'LeCun, Bottou, Bengio and Haffner 1998, "Gradient-Based Learning Applied to Document Recognition"'
RESNET, SMALL_RESNET = "striate.models.resnet:resnet", "striate.models.resnet:small_resnet"


@dataclass(frozen=True)
class Entry:
    """One network of the catalogue.

    `options` are what the name stands for and cannot be changed; `input` is (channels, height, width) as
    published. `least` is the smallest side in pixels, see `least_size`; a `fixed` network takes no other.
    """

    name: str
    builder: str
    options: Mapping[str, Any] = field(hash=False)
    paper: str
    year: int
    input: tuple[int, int, int]
    task: str
    published: Mapping[str, str] = field(hash=False)
    known_for: str
    differences: tuple[str, ...]
    least: int
    fixed: bool = False

    def __str__(self) -> str:
        channels, height, width = self.input
        sides = f"{self.least} only" if self.fixed else f"{self.least} or more"
        facts = {
            "paper": self.paper,
            "task": self.task,
            "input": f"{channels}x{height}x{width} as published; side {sides}",
        }
        lines = [self.name, f"  {self.known_for}"]
        lines += [f"  {key:<7}{value}" for key, value in facts.items()]
        if self.published:
            lines += ["  as published", *(f"    {key}: {value}" for key, value in self.published.items())]
        lines += ["  as built here", *(f"    - {sentence}" for sentence in self.differences)]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The same fields as plain values, for JSON."""
        fields = {key: getattr(self, key) for key in self.__dataclass_fields__}
        return fields | {"options": dict(self.options), "published": dict(self.published)}


def catalog() -> Mapping[str, Entry]:
    """Every network by name, in the order of the papers; the mapping cannot be changed."""
    return _ENTRIES


def find(name: str) -> Entry:
    """The entry called `name`. An unknown name is a `UsageError` that gives the three nearest."""
    if name not in _ENTRIES:
        first, second, third = nearest(name.lower(), _ENTRIES, 3)
        raise UsageError(f"model {name}", "no network has this name", f"{first}, {second} or {third}")
    return _ENTRIES[name]


def build(name: str, *, classes: int | None = None, channels: int | None = None, **options: Any) -> nn.Module:
    """The network called `name`, freshly initialised from torch's random numbers.

    `classes` and `channels` are the published ones when None; `options` are those of its builder, as values
    or as the words of a command line. An unknown name, option or value is a `UsageError`.
    """
    entry = find(name)
    builder = _builder(entry)
    free = _free_options(entry, builder)
    given = options | {key: value for key, value in (("classes", classes), ("channels", channels)) if value is not None}
    for key in given:
        if key in entry.options:
            raise UsageError(key, f"{name} stands for {key}={entry.options[key]}", _elsewhere(entry, key))
        if key not in free:
            raise UsageError(key, f"{name} has no such option", f"one of {', '.join(free)}")
    network: nn.Module = builder(**entry.options, **given)
    return network


def least_size(network: str | Entry, **options: Any) -> int:
    """The smallest side in pixels, height and width alike, that is worth giving to a network.

    A residual or plain network runs on any side, but below its total stride the last stage has one cell that
    sees mostly padding: its least side is that stride. `options` as given to `build`: stem="32" lowers it.
    """
    entry = network if isinstance(network, Entry) else find(network)
    return _STEM_LEAST.get(str(options.get("stem")), entry.least) if entry.builder == RESNET else entry.least


def usual_size(network: str | Entry, **options: Any) -> int:
    """The side in pixels that a network was made for; the stem for small pictures is made for 32."""
    entry = network if isinstance(network, Entry) else find(network)
    return 32 if entry.builder == RESNET and str(options.get("stem")) == "32" else entry.input[1]


def check_size(network: str | Entry, height: int, width: int, **options: Any) -> None:
    """Raise a `UsageError` when pictures of this height and width in pixels do not suit the network."""
    entry = network if isinstance(network, Entry) else find(network)
    least, size = least_size(entry, **options), f"{height}x{width}"
    if entry.fixed and (height, width) != (least, least):
        cause = f"{entry.name} is fully connected to a picture of {least}x{least} and takes no other size"
        raise UsageError(f"size {size}", cause, f"bring the pictures to {least}x{least}")
    if min(height, width) < least:
        smaller = ', or stem="32"' if least > _STEM_LEAST["32"] and entry.builder == RESNET else ""
        cause = f"{entry.name} shrinks a side {least} times, less than one cell would be left"
        raise UsageError(f"size {size}", cause, f"pictures of at least {least}x{least}{smaller}")


def _builder(entry: Entry) -> Callable[..., Any]:
    module, function = entry.builder.split(":")
    builder: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return builder


def _free_options(entry: Entry, builder: Callable[..., Any]) -> list[str]:
    return [key for key in inspect.signature(builder).parameters if key not in entry.options]


def _elsewhere(entry: Entry, key: str) -> str:
    """What to try instead of changing what a name stands for: the names that stand for something else."""
    others = [other for other in _ENTRIES.values() if other.builder == entry.builder]
    names = [other.name for other in others if other.options.get(key) != entry.options[key]]
    return f"another name: {', '.join(names)}"


# Total stride by stem: a 7x7/2 convolution, a 3x3/2 pool and three halving stages; or the three stages alone.
_STEM_LEAST = MappingProxyType({"224": 32, "32": 8})

_LENET = Entry(
    name="lenet5",
    builder="striate.models.lenet:lenet5",
    options=MappingProxyType({}),
    paper=f"{LECUN}, Fig. 2 and section II.B",
    year=1998,
    input=(1, 32, 32),
    task="classify",
    published=MappingProxyType(
        {
            "parameters": "60,000 trainable",
            "connections": "340,908",
            "error MNIST test": "0.95 %, with distorted training pictures 0.8 %",
        }
    ),
    known_for="The network that read bank cheques: convolution, pooling, convolution, pooling, then dense.",
    differences=(
        "61,706 parameters, not 60,000: every C3 map sees all six S2 maps, where 1998 wired them by a table.",
        "Pooling is a plain average; 1998 learned a coefficient and a bias for each map.",
        "The activation is plain tanh; 1998 scaled it to 1.7159 tanh(2x/3).",
        "The output is linear for softmax and cross-entropy; 1998 measured distances to fixed 7x12 codes.",
        "C5 is fully connected, the same sum as the published 5x5 convolution at 32x32, so only 32x32 fits.",
    ),
    least=32,
    fixed=True,
)


_KEYS = "Keys and shapes are torchvision's, so its published weights load."
_OPTION_B = 'Shortcuts that change shape are projections, option B; shortcut="A" or "C" gives the others.'
_OPTION_A = "Option A puts its zero channels after the others; the paper does not say where they go."
_V1 = "Bottlenecks halve the map in their first 1x1 convolution, as published."
_V1_5 = "Bottlenecks halve the map in their 3x3 convolution (v1.5); as published it is the first 1x1 (v1)."
_NOT_BUILT = "A plain network builds no projections: it has fewer parameters than its option B twin."
_DEGRADES = "The same layers without shortcuts: "

_TOP_1_10 = "error ImageNet, 10 crops"
_BOTH_10, _BOTH_1 = "error ImageNet, 10 crops, top-1 / top-5", "error ImageNet, 1 crop, top-1 / top-5"
_ACCURACY = "accuracy ImageNet, torchvision's V1 weights, 1 crop, top-1 / top-5"
_CIFAR = "error CIFAR-10"


def _imagenet(name: str, published: Mapping[str, str], known_for: str, *differences: str, **options: Any) -> Entry:
    """A network of Table 1 for ImageNet."""
    return Entry(
        name=name,
        builder=RESNET,
        options=MappingProxyType(options),
        paper=f"{HE}, Table 1",
        year=2015,
        input=(3, 224, 224),
        task="classify",
        published=MappingProxyType(dict(published)),
        known_for=known_for,
        differences=differences,
        least=_STEM_LEAST["224"],
    )


def _cifar(name: str, published: Mapping[str, str], known_for: str, *differences: str, **options: Any) -> Entry:
    """A network of section 4.2 for CIFAR-10: two of its three stages halve the map."""
    return Entry(
        name=name,
        builder=SMALL_RESNET,
        options=MappingProxyType(options),
        paper=f"{HE}, section 4.2",
        year=2015,
        input=(3, 32, 32),
        task="classify",
        published=MappingProxyType(dict(published)),
        known_for=known_for,
        differences=differences,
        least=4,
    )


# fmt: off
_ENTRIES: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in (
    _LENET,
    _imagenet("plain18", {_TOP_1_10: "27.94 %"},
              _DEGRADES + "the shallow half of the degradation experiment.",
              _NOT_BUILT, depth=18, shortcut="none"),
    _imagenet("plain34", {"multiply-adds": "3.6 G", _BOTH_10: "28.54 / 10.02 %"},
              _DEGRADES + "deeper than plain-18 and worse, in training too.",
              _NOT_BUILT, depth=34, shortcut="none"),
    _imagenet("resnet18", {"multiply-adds": "1.8 G", _TOP_1_10: "27.88 % (option A)"},
              "The smallest residual network, and the usual first one to try.", _OPTION_B, _KEYS, depth=18),
    _imagenet("resnet34", {"multiply-adds": "3.6 G", _TOP_1_10: "A 25.03 %, B 24.52 %, C 24.19 %"},
              "Deeper than ResNet-18 and better, where plain-34 is worse than plain-18.",
              _OPTION_B, _KEYS, depth=34),
    _imagenet("resnet50", {"parameters": "25,557,032", "multiply-adds": "4.089 G",
              _ACCURACY: "76.130 / 92.862 %"},
              "The reference network of computer vision; three layers a block make 50 layers cheap.",
              _V1_5, _OPTION_B, _KEYS, depth=50, stride_on="3x3"),
    _imagenet("resnet101", {"parameters": "44,549,160", "multiply-adds": "7.801 G",
              _ACCURACY: "77.374 / 93.546 %"},
              "The usual backbone for detection and segmentation.",
              _V1_5, _OPTION_B, _KEYS, depth=101, stride_on="3x3"),
    _imagenet("resnet152", {"parameters": "60,192,808", "multiply-adds": "11.514 G",
              _ACCURACY: "78.312 / 94.046 %"},
              "The deepest of the family for ImageNet.", _V1_5, _OPTION_B, _KEYS, depth=152, stride_on="3x3"),
    _imagenet("resnet50_v1", {"multiply-adds": "3.8 G", _BOTH_10: "22.9 / 6.7 %", _BOTH_1: "24.7 / 7.8 %"},
              "ResNet-50 as the paper printed it.", _V1, _OPTION_B, depth=50, stride_on="1x1"),
    _imagenet("resnet101_v1", {"multiply-adds": "7.6 G", _BOTH_10: "21.8 / 6.1 %", _BOTH_1: "23.6 / 7.1 %"},
              "ResNet-101 as the paper printed it.", _V1, _OPTION_B, depth=101, stride_on="1x1"),
    _imagenet("resnet152_v1", {"multiply-adds": "11.3 G", _BOTH_10: "21.4 / 5.7 %", _BOTH_1: "23.0 / 6.7 %"},
              "ResNet-152 as the paper printed it: part of the ensemble that won ILSVRC 2015.",
              _V1, _OPTION_B, depth=152, stride_on="1x1"),
    *(_cifar(f"plain{depth}", {}, _DEGRADES + "what ResNet-" + f"{depth} is compared with.",
             "The paper shows its error as a curve only.", depth=depth, shortcut="none")
      for depth in (20, 32, 44, 56, 110)),
    *(_cifar(f"resnet{depth}", {"parameters": f"{parameters} M", _CIFAR: error},
             f"{depth} layers on 32-pixel pictures, small enough to train at a desk.", _OPTION_A, depth=depth)
      for depth, parameters, error in (
          (20, 0.27, "8.75 %"), (32, 0.46, "7.51 %"), (44, 0.66, "7.17 %"), (56, 0.85, "6.97 %"),
          (110, 1.7, "6.43 % (mean of 5 runs 6.61 %)"))),
)})
# fmt: on
