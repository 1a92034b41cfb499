"""Fine-tuning: which layers of a network that starts from trained weights learn, from when on, and at which rate."""

import dataclasses
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

from torch import nn

from striate.base.words import many
from striate.training.recipe import Recipe
from striate.training.schedule import highest
from striate.training.stages import Stage

# The rate of fine-tuning, as a share of what suits a training from random weights.
FINER = 0.2
# Maps of a network without a norm, and so its gradients, may be of any size: a rate that suits SGD there is not known.
# AdamW's steps do not depend on it; of SGD, where that is asked for, the gradient's norm is bounded.
# A head that learns alone, from nothing, takes a larger rate.
WITHOUT_NORM: Mapping[str, Any] = types.MappingProxyType({"optimizer": "adamw", "weight_decay": 0.01})
ADAMW: Mapping[str, float] = types.MappingProxyType({"head": 3e-3, "gradual": 1e-3, "full": 3e-4})
CLIP = 1.0
# The rate of a stage by that of the one after it.
DECAY = 0.5
KINDS = tuple(ADAMW)
ALL = "it starts from trained weights: all layers learn, earlier ones more slowly; --finetune none treats all alike"


def chosen(recipe: Recipe) -> Recipe:
    """The recipe with what is fine-tuned, where weights are given and it does not say."""
    silent = recipe.weights is not None and recipe.finetune is None
    return dataclasses.replace(recipe, finetune="full") if silent else recipe


def fitted(asked: Recipe, filled: Recipe, net: nn.Module) -> Recipe:
    """`filled`, which suits random weights, with what suits fine-tuning `net` where `asked` is silent."""
    if asked.finetune not in KINDS:
        return filled
    found: dict[str, Any] = {}
    # the optimizer is open, and SGD, which is otherwise taken, has no rate that is known to suit
    if asked.optimizer is None and filled.optimizer == "sgd" and not _has_norm(net):
        suits = {**WITHOUT_NORM, "rate": ADAMW[asked.finetune]}
        found |= {key: value for key, value in suits.items() if getattr(asked, key) is None}
    elif asked.rate is None:
        found["rate"] = float(f"{highest(filled) * FINER:.3g}")
    if asked.clip is None and asked.optimizer == "sgd" and not _has_norm(net):
        found["clip"] = CLIP
    if asked.finetune != "head":
        found["layer_decay"] = DECAY if asked.layer_decay is None else asked.layer_decay
    if asked.finetune != "full":
        found["frozen_norms"] = asked.frozen_norms or "kept"
    return dataclasses.replace(filled, **found)


def reasons(given: Recipe, asked: Recipe, filled: Recipe, net: nn.Module) -> dict[str, str]:
    """Of what was `chosen` and `fitted`, by key; `given` is the recipe before both."""
    found = {} if given.finetune == asked.finetune else {"finetune": ALL}
    if asked.finetune not in KINDS:
        return found
    silent = asked.optimizer is None and asked.rate is None
    if silent and not _has_norm(net) and filled.rate == ADAMW[asked.finetune]:
        found["optimizer"] = (
            "of a network without a norm gradients may have any size, and its steps do not depend on it"
        )
        found["rate"] = "as suits it"
    elif asked.rate is None:
        found["rate"] = "a fifth of what suits random weights"
    if asked.clip is None and filled.clip is not None:
        found["clip"] = "gradients of a network without a norm may be of any size"
    return found


def _has_norm(net: nn.Module) -> bool:
    names = {type(each).__name__ for each in net.modules()} - {"LocalResponseNorm", "ResponseNorm"}
    return any("Norm" in name for name in names)


@final
@dataclass(frozen=True)
class Tuning:
    """`stages` from the first to the head.

    - "head": the head alone learns; what lies before it asks for no gradient, so that none is computed there.
    - "full": all learn, each stage at `decay` of the rate of the one after it, the head at the whole rate. These are
      the discriminative rates of Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification",
      section 3.2, whose stages are layers and whose decay is 1 / 2.6.
    - "gradual": the same, and the head learns alone at first; stage by stage from the last on more do, evenly over the
      first half of the epochs (section 3.3 there, with a stage more each epoch).

    Frozen layers have no weight decay, and their averages stay what they are; dropout works as in any training.
    `frozen_norms` "kept": their batch normalisation computes with the statistics that it came with and leaves them.
    """

    kind: Literal["head", "full", "gradual"]
    stages: tuple[Stage, ...]
    decay: float
    frozen_norms: Literal["kept", "batch"]

    def learning(self, epoch: int, epochs: int) -> int:
        """How many stages learn in an epoch, counted from 0, of so many: the last ones."""
        body = len(self.stages) - 1
        if self.kind == "gradual":
            return 1 + min(body, 2 * body * epoch // epochs)
        return 1 if self.kind == "head" else 1 + body

    def rates(self) -> list[float]:
        """The share of the rate that each stage has."""
        return [self.decay ** (len(self.stages) - 1 - place) for place in range(len(self.stages))]

    def groups(self, named: Mapping[str, nn.Parameter]) -> list[tuple[list[nn.Parameter], float]]:
        """Parameters and their share of the rate, by stage; those of no stage, a partner's, at the whole rate."""
        staged = {name for stage in self.stages for name in stage.parameters}
        found = [
            ([named[name] for name in stage.parameters], rate)
            for stage, rate in zip(self.stages, self.rates(), strict=True)
        ]
        others = [parameter for name, parameter in named.items() if name not in staged]
        return [*found, (others, 1.0)] if others else found

    def begin(self, net: nn.Module) -> None:
        """What never learns asks for no gradient."""
        if self.kind == "head":
            self._freeze(net, 1)

    def enter(self, net: nn.Module, learning: int) -> None:
        """Bring a network in training mode to where so many stages learn, whatever it was before."""
        self._freeze(net, learning)
        frozen = self.stages[: len(self.stages) - learning]
        if self.frozen_norms == "kept":
            for norm in norms(net, frozen):
                norm.eval()

    def _freeze(self, net: nn.Module, learning: int) -> None:
        for place, stage in enumerate(self.stages):
            for name in stage.parameters:
                net.get_parameter(name).requires_grad_(place >= len(self.stages) - learning)

    def told(self, net: nn.Module, recipe: Recipe) -> list[str]:
        """In sentences, what learns, and what becomes of the rest."""
        return list(self._told(net, highest(recipe), recipe.epochs or 1))

    def _told(self, net: nn.Module, rate: float, epochs: int) -> Iterator[str]:
        *body, head = self.stages
        numbers = [sum(net.get_parameter(name).numel() for name in stage.parameters) for stage in self.stages]
        if self.kind == "head":
            stay = f"{many(sum(numbers[:-1]), 'parameter')} before it stay as they are"
            yield f"finetune head: {head} alone learns, {many(numbers[-1], 'parameter')}; {stay}"
        elif self.kind == "full":
            rates = [f"{rate * share:.2g} {stage}" for stage, share in zip(self.stages, self.rates(), strict=True)]
            yield f"finetune full: highest rates {', '.join(rates)}"
        else:
            first = {self.learning(epoch, epochs): epoch + 1 for epoch in reversed(range(epochs))}
            since = []
            for place, stage in enumerate(reversed(self.stages), start=1):
                epoch = min(number for learning, number in first.items() if learning >= place)
                share = self.decay ** (place - 1)
                since.append(f"{stage} from epoch {epoch} at {rate * share:.2g}")
            yield f"finetune gradual: {', '.join(since)}"
        if self.kind != "full" and (found := len(list(norms(net, tuple(body))))):
            how = (
                "keep the statistics that they came with"
                if self.frozen_norms == "kept"
                else "go on with the statistics of each batch"
            )
            yield f"frozen layers: {many(found, 'batch normalisation')} {how} (--frozen-norms kept or batch)"


def norms(net: nn.Module, stages: tuple[Stage, ...]) -> Iterator[nn.Module]:
    """The batch normalisations of these stages."""
    known = {name for stage in stages for name in stage.parameters}
    for name, module in net.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            own = {f"{name}.{key}" for key, _ in module.named_parameters(recurse=False)}
            if own <= known if own else any(stage.holds(name) for stage in stages):
                yield module
