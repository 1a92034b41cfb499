"""A training that starts from the weights of another run: which those are, and what pictures they know already."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from striate.base.errors import Hint, Option, RunError
from striate.base.paths import path_of
from striate.base.words import many, some
from striate.data.samples import Samples
from striate.data.splits import Split
from striate.models import weights
from striate.models.entry import Entry
from striate.models.weights import Filled
from striate.runs import checkpoint, subsets
from striate.runs.run import Run, open_run

# What suits a network that goes on to learn: as it was, where a recipe names no other.
AS_IT_WAS = ("task", "size", "channels", "resize", "dropout")


@dataclass(frozen=True)
class Start:
    """`weights` of a run; by digest the pictures `seen` in "train" or "val", by it or by those that it started from."""

    run: Run
    weights: checkpoint.Tensors
    seen: Mapping[str, str]

    @property
    def facts(self) -> Mapping[str, Any]:
        """What run.json says of it."""
        digest, epochs = checkpoint.digest(self.weights), len(self.run.epochs)
        return {
            "run": str(self.run.folder.resolve()),
            "id": self.run.facts.get("id"),
            "sha256": digest,
            "epochs": epochs,
        }

    def suits(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """Keys of the recipe that are as in the run, where that names no network of its own."""
        if recipe["model"] is not None:
            return {}
        own = {**self.run.recipe, "size": self.run.preprocess.size}  # a list in run.json is a pair here
        told = {key: own[key] for key in AS_IT_WAS if recipe[key] is None and own.get(key) is not None}
        return {**told, "model": own["model"], "model_options": {**own["model_options"], **recipe["model_options"]}}

    def fill(self, net: nn.Module, entry: Entry, classes: tuple[str, ...], part: str | None = None) -> Filled:
        """Give `net` the weights, or its `part` alone; what they are, what was changed and what starts anew."""
        state, network, epochs = dict(self.weights), self.run.facts["network"], len(self.run.epochs)
        said = [
            f"starts from the weights of {self.run.folder} ({many(epochs, 'epoch')}): a new run, with a new schedule"
        ]
        if self.run.status != "done":
            said.append(f"{self.run.folder} is {self.run.status}, not done: these are its best weights until now")
        if (
            not part
            and entry.name == network["name"]
            and len(classes) == len(self.run.classes)
            and classes != self.run.classes
        ):
            head = weights.head_of(net)
            state = {key: value for key, value in state.items() if key.rpartition(".")[0] != head}
            said.append(f"{head} starts anew: it told {some(self.run.classes, 3)} apart, and now {some(classes, 3)}")
        try:
            official = entry.weights.part if entry.weights else ""
            found = weights.put(net, state, self.run.folder, part=part or "", official=official)
        except RunError as error:
            named = ", ".join([network["name"], *(f"{key} {value}" for key, value in network["options"].items())])
            hint: Hint = (Option("model", network["name"]), " with its options, or leaving both out")
            if error.options:  # the part that they would fit
                hint = (*error.options, f" for that part alone, or {network['name']} with its options")
            cause = f"a run of {named}, not of {entry.name} as here: {error.cause}"
            raise RunError(self.run.folder, cause, hint) from None
        told = (note for note in found.said if len(said) == 1 or "is not in the file" not in note)
        return Filled((*said, *told), found.anew)

    def leaks(self, samples: Samples, split: Split) -> list[str]:
        """What is to be said of pictures to be measured on that the weights know."""
        found = []
        if self.run.facts["data"].get("split_by", "content") != samples.split_by:
            found.append(f"which of these pictures {self.run.name} has learned is not known: one was split by name")
        for name, indices, known in (
            ("test", split.test, ("train", "val")), ("held-out", split.held, ("train", "val")),
            ("validation", split.val, ("train",)),
        ):  # fmt: skip
            count = sum(self.seen.get(samples.digests[index]) in known for index in indices)
            if count:
                verb = "seen" if "val" in known else "learned"
                found.append(
                    f"the weights of {self.run.name} have {verb} {count} of the {len(indices)} {name} pictures: the "
                    f"{name} numbers flatter"
                )
        apart = not any(line.digest in self.seen for line in self.run.lines if line.subset in ("held", "test"))
        own = self.run.recipe
        fold = f" --fold {own['fold']}" if own.get("fold") else ""
        same = self.run.facts["data"]["fingerprint"] == samples.fingerprint
        if found and apart and same and (fold or not len(split.held)):
            said = f"--split {own['split']} --split-seed {own['split_seed']}{fold}"
            found[-1] += f"; its own split keeps them apart: {said}"
        return found


def start_of(named: str | None) -> Start | None:
    """What `--weights` names, where that is a run folder or lies in one."""
    if named is None:
        return None
    path = path_of(named)
    folder = next((each for each in (path, *path.absolute().parents[:3]) if os.path.lexists(each / "run.json")), None)
    if folder is None or not path.exists():
        return None
    run = open_run(folder)
    inside = path.resolve() != folder.resolve()
    lines = {line.digest: line.subset for line in run.lines if line.subset in ("train", "val")}
    return Start(run, weights.read(path) if inside else run.weights, {**subsets.seen(folder), **lines})
